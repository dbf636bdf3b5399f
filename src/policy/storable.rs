//! Whether a response may be stored (RFC 9111 §3, §3.5), and with what.

use super::directives::Directives;
use super::ttl::{self, Ttls};
use super::vary;
use crate::clock::Timestamp;
use crate::entry::StaleWindows;
use http::header::{CONNECTION, CONTENT_RANGE, SET_COOKIE};
use http::{HeaderMap, HeaderName, StatusCode};
use std::time::Duration;

/// What is known when the head of a response is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    /// The request carried credentials.
    pub(crate) guarded: bool,
    pub(crate) now: Timestamp,
}

/// How a response will be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Storable {
    /// What is left of its lifetime; never zero.
    pub(crate) fresh_for: Duration,
    pub(crate) age: u32,
    pub(crate) public: bool,
    pub(crate) vary: Vec<HeaderName>,
    pub(crate) stale: StaleWindows,
}

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The handler failed: says nothing about whether its answers can be stored.
    Failed,
    /// This key's answers cannot be shared, for now.
    Forbidden,
}

/// RFC 9111 §3. Nothing wins over `no-store`, `private`, `Set-Cookie`, `Vary: *` and the
/// rule of credentials (§3.5).
pub(crate) fn storable(head: &Head<'_>, ttls: &Ttls) -> Result<Storable, Refusal> {
    let directives = Directives::response(head.headers);
    let public = directives.public || directives.s_maxage.is_some_and(|seconds| seconds > 0);
    let refusal = match head.status {
        status if status.is_server_error() => Refusal::Failed,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Refusal::Failed,
        _ => Refusal::Forbidden,
    };
    let forbidden = directives.no_store
        || directives.private
        || head.headers.contains_key(SET_COOKIE)
        || head.headers.contains_key(CONTENT_RANGE)
        || (head.guarded && !public);
    if forbidden {
        return Err(refusal);
    }
    let vary = vary::fields(head.headers).ok_or(refusal)?;
    let age = ttl::initial_age(head.headers, head.now);
    let fresh_for = ttl::fresh_for(head, &directives, ttls, age);
    if fresh_for.is_zero() {
        return Err(refusal);
    }
    Ok(Storable {
        fresh_for,
        age,
        public,
        vary,
        stale: stale_windows(&directives, ttls.stale),
    })
}

/// For how long it may be served stale: as its own fields say (RFC 5861), else as the settings
/// do. Never where it must be validated first (RFC 9111 §4.2.4); `s-maxage` asks for that too
/// (§5.2.2.10), but where a response names both, it names the exception.
fn stale_windows(directives: &Directives, settings: StaleWindows) -> StaleWindows {
    if directives.no_cache || directives.must_revalidate || directives.proxy_revalidate {
        return StaleWindows::default();
    }
    let settings = match directives.s_maxage {
        Some(_) => StaleWindows::default(),
        None => settings,
    };
    let said = |seconds: Option<u32>, setting| {
        seconds.map_or(setting, |seconds| u64::from(seconds) * 1000)
    };
    StaleWindows {
        while_revalidate: said(directives.stale_while_revalidate, settings.while_revalidate),
        if_error: said(directives.stale_if_error, settings.if_error),
    }
}

/// Fields that speak of one connection only.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authentication-info",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// RFC 9111 §3.1, RFC 9110 §7.6.1: fields of one connection are not stored, nor those that
/// `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in &named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn verdict(
        lines: &[(&'static str, &'static str)],
        guarded: bool,
        ttls: Ttls,
    ) -> Result<Storable, Refusal> {
        let head = Head {
            status: StatusCode::OK,
            headers: &headers(lines),
            guarded,
            now: Timestamp(0),
        };
        storable(&head, &ttls)
    }

    #[test]
    fn nothing_wins_over_what_forbids_storing() {
        let all = Ttls {
            extension: Some(Duration::from_secs(9)),
            overriding: Some(Duration::from_secs(9)),
            fallback: Duration::from_secs(9),
            stale: StaleWindows::default(),
        };
        assert!(verdict(&[], false, all).is_ok());
        for line in [
            ("cache-control", "no-store"),
            ("cache-control", "private"),
            ("cache-control", "public, private=\"x\""),
            ("set-cookie", "a=b"),
            ("vary", "accept, *"),
            ("content-range", "bytes 0-1/2"),
        ] {
            assert_eq!(
                verdict(&[line], false, all),
                Err(Refusal::Forbidden),
                "{line:?}"
            );
        }
        assert_eq!(verdict(&[], true, all), Err(Refusal::Forbidden));
    }

    #[test]
    fn answers_to_credentials_are_stored_only_if_marked_for_everybody() {
        let ttls = Ttls {
            fallback: Duration::from_secs(9),
            ..Ttls::default()
        };
        for (line, expected) in [
            (("cache-control", "public"), true),
            (("cache-control", "s-maxage=5"), true),
            (("cache-control", "max-age=5"), false),
            (("cache-control", "must-revalidate, max-age=5"), false),
        ] {
            assert_eq!(verdict(&[line], true, ttls).is_ok(), expected, "{line:?}");
        }
    }

    #[test]
    fn the_age_it_came_with_is_taken_off_what_its_fields_say() {
        let left = |age| {
            let lines = [("cache-control", "max-age=10"), ("age", age)];
            verdict(&lines, false, Ttls::default()).map(|s| s.fresh_for.as_secs())
        };
        assert_eq!(left("4"), Ok(6));
        assert_eq!(left("10"), Err(Refusal::Forbidden));
        assert_eq!(left("soon"), Err(Refusal::Forbidden));
        let setting = Ttls {
            fallback: Duration::from_secs(9),
            ..Ttls::default()
        };
        let aged = verdict(&[("age", "100")], false, setting);
        assert_eq!(aged.map(|s| s.fresh_for.as_secs()), Ok(9));
    }

    #[test]
    fn stale_windows_are_the_responses_own_else_the_settings_and_never_past_must_revalidate() {
        let ttls = Ttls {
            fallback: Duration::from_secs(9),
            stale: StaleWindows {
                while_revalidate: 3000,
                if_error: 4000,
            },
            ..Ttls::default()
        };
        let windows = |value| {
            let stored = verdict(&[("cache-control", value)], false, ttls);
            let stale = stored.expect("stored").stale;
            (stale.while_revalidate / 1000, stale.if_error / 1000)
        };
        for (value, expected) in [
            ("max-age=9", (3, 4)),
            ("max-age=9, stale-while-revalidate=1", (1, 4)),
            ("max-age=9, stale-if-error=0", (3, 0)),
            ("s-maxage=9", (0, 0)),
            ("s-maxage=9, stale-while-revalidate=5", (5, 0)),
            ("max-age=9, must-revalidate", (0, 0)),
            ("max-age=9, must-revalidate, stale-if-error=5", (0, 0)),
            (
                "max-age=9, proxy-revalidate, stale-while-revalidate=5",
                (0, 0),
            ),
        ] {
            assert_eq!(windows(value), expected, "{value}");
        }
    }

    #[test]
    fn fields_of_the_connection_are_not_stored() {
        let mut map = headers(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "1"),
            ("transfer-encoding", "chunked"),
            ("x-end", "1"),
            ("x-end", "2"),
        ]);
        strip_hop_by_hop(&mut map);
        assert_eq!(map, headers(&[("x-end", "1"), ("x-end", "2")]));
    }
}
