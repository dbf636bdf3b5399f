//! How long a response stays fresh, and who decides (RFC 9111 §4.2.1, then the settings).

use super::directives::{Directives, seconds};
use super::storable::Head;
use crate::clock::Timestamp;
use crate::entry::StaleWindows;
use http::header::{AGE, DATE, EXPIRES};
use http::{HeaderMap, StatusCode};
use std::time::Duration;

/// The lifetimes that do not come from the response's fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ttls {
    /// The `CacheTtl` response extension.
    pub(crate) extension: Option<Duration>,
    /// `override_ttl` of a layer, else of the route.
    pub(crate) overriding: Option<Duration>,
    /// `.ttl()` of a layer, else of the route, else of the class, else the default.
    pub(crate) fallback: Duration,
    /// The stale windows of a layer, else of the route, else of the class, else the default.
    pub(crate) stale: StaleWindows,
}

/// The longest lifetime (RFC 9111 §1.2.2).
const LONGEST: Duration = Duration::from_secs(1 << 31);

/// For how long a response that came now stays fresh. Zero: do not store.
///
/// What its fields say counts from when it was made, so that its `age` is taken off (§4.2);
/// what the handler's extension or a setting says counts from now.
pub(crate) fn fresh_for(
    head: &Head<'_>,
    directives: &Directives,
    ttls: &Ttls,
    age: u32,
) -> Duration {
    let explicit = |ttl| {
        if may_be_explicit(head.status) {
            ttl
        } else {
            Duration::ZERO
        }
    };
    let implicit = may_be_implicit(head.status);
    let ttl = match (ttls.extension, ttls.overriding) {
        (Some(ttl), _) => explicit(ttl),
        (None, Some(ttl)) if implicit => ttl,
        (None, _) => match said(head.headers, directives, head.now) {
            Some(ttl) => explicit(ttl).saturating_sub(Duration::from_secs(age.into())),
            None if implicit => ttls.fallback,
            None => Duration::ZERO,
        },
    };
    ttl.min(LONGEST)
}

/// Statuses that may be stored when the response itself says for how long: all final ones
/// but a part, which no whole can be made of, and 304, which is no response of its own
/// (RFC 9111 §3).
fn may_be_explicit(status: StatusCode) -> bool {
    !status.is_informational()
        && status != StatusCode::PARTIAL_CONTENT
        && status != StatusCode::NOT_MODIFIED
}

/// Statuses that may be stored by a setting alone: those that say the request succeeded.
/// Stricter than RFC 9110 §15.1: an absence or a refusal is remembered only when the handler
/// says for how long; so is a redirect, which may depend on the scheme, no part of the key.
fn may_be_implicit(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204)
}

/// §4.2.1: `s-maxage`, `max-age`, `Expires` less `Date`; `no-cache` leaves none.
fn said(headers: &HeaderMap, directives: &Directives, now: Timestamp) -> Option<Duration> {
    if directives.no_cache {
        return Some(Duration::ZERO);
    }
    let said = directives.s_maxage.or(directives.max_age);
    if let Some(seconds) = said {
        return Some(Duration::from_secs(seconds.into()));
    }
    let expires = headers.get(EXPIRES)?;
    let date = date(headers, &DATE).unwrap_or(now);
    // §5.3: an invalid date is one in the past.
    let expires = parse_date(expires).unwrap_or_default();
    Some(Duration::from_millis(expires.since(date)))
}

/// How old the response was when it came, in seconds: the larger of the first `Age` and what
/// its `Date` says; an `Age` that cannot be read makes it too old for anything (§4.2.3, §5.1).
pub(crate) fn initial_age(headers: &HeaderMap, now: Timestamp) -> u32 {
    let apparent = date(headers, &DATE).map_or(0, |date| now.since(date) / 1000);
    let apparent = u32::try_from(apparent).unwrap_or(u32::MAX);
    let Some(age) = headers.get(AGE) else {
        return apparent;
    };
    let mut items = age.as_bytes().split(|b| *b == b',');
    let first = items.next().unwrap_or_default().trim_ascii();
    if first.is_empty() || !first.iter().all(u8::is_ascii_digit) {
        return u32::MAX;
    }
    seconds(Some(first)).max(apparent)
}

/// A date field, if it can be read.
pub(crate) fn date(headers: &HeaderMap, name: &http::HeaderName) -> Option<Timestamp> {
    headers.get(name).and_then(parse_date)
}

fn parse_date(value: &http::HeaderValue) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    Some(Timestamp::from_system_time(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    const NOW: Timestamp = Timestamp(784_111_777_000);
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";

    fn ttl(status: u16, lines: &[(&str, &str)], ttls: Ttls) -> u64 {
        let headers: HeaderMap = lines
            .iter()
            .map(|(n, v)| {
                (
                    n.parse::<HeaderName>().expect("name"),
                    v.parse().expect("value"),
                )
            })
            .collect();
        let head = Head {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: &headers,
            guarded: false,
            now: NOW,
        };
        let directives = Directives::response(&headers);
        fresh_for(&head, &directives, &ttls, 0).as_secs()
    }

    fn settings() -> Ttls {
        Ttls {
            fallback: Duration::from_mins(15),
            ..Ttls::default()
        }
    }

    #[test]
    fn the_first_that_applies_decides() {
        let max_age = ("cache-control", "max-age=10");
        assert_eq!(ttl(200, &[], settings()), 900);
        assert_eq!(ttl(200, &[max_age], settings()), 10);
        assert_eq!(
            ttl(
                200,
                &[("cache-control", "max-age=10, s-maxage=20")],
                settings()
            ),
            20
        );
        assert_eq!(
            ttl(200, &[("expires", LATER), ("date", THEN)], settings()),
            60
        );
        assert_eq!(ttl(200, &[("expires", LATER)], settings()), 60);
        assert_eq!(ttl(200, &[max_age, ("expires", LATER)], settings()), 10);
        assert_eq!(ttl(200, &[("expires", "0")], settings()), 0);
        assert_eq!(
            ttl(
                200,
                &[("cache-control", "no-cache, max-age=10")],
                settings()
            ),
            0
        );
        let overriding = Ttls {
            overriding: Some(Duration::from_secs(5)),
            ..settings()
        };
        assert_eq!(ttl(200, &[max_age], overriding), 5);
        let extension = Ttls {
            extension: Some(Duration::from_secs(3)),
            ..overriding
        };
        assert_eq!(ttl(200, &[max_age], extension), 3);
    }

    #[test]
    fn a_setting_alone_stores_successes_only() {
        for status in [200, 203, 204] {
            assert_eq!(ttl(status, &[], settings()), 900, "{status}");
        }
        for status in [
            101, 201, 206, 300, 301, 302, 304, 308, 400, 404, 410, 500, 503,
        ] {
            assert_eq!(ttl(status, &[], settings()), 0, "{status}");
        }
    }

    #[test]
    fn an_explicit_lifetime_stores_any_final_status_but_parts_and_304() {
        let max_age = [("cache-control", "max-age=10")];
        for status in [200, 201, 302, 404, 410, 500, 599] {
            assert_eq!(ttl(status, &max_age, settings()), 10, "{status}");
        }
        for status in [100, 206, 304] {
            assert_eq!(ttl(status, &max_age, settings()), 0, "{status}");
        }
    }

    #[test]
    fn an_age_that_cannot_be_read_is_too_old() {
        let age = |value: &str| {
            let headers = HeaderMap::from_iter([(AGE, value.parse().expect("a value"))]);
            initial_age(&headers, NOW)
        };
        assert_eq!(initial_age(&HeaderMap::new(), NOW), 0);
        assert_eq!(age("12"), 12);
        assert_eq!(age("12, 34"), 12);
        assert_eq!(age("-1"), u32::MAX);
        assert_eq!(age("1.5"), u32::MAX);
        let dated = HeaderMap::from_iter([(DATE, THEN.parse().expect("a value"))]);
        assert_eq!(
            initial_age(&dated, NOW.after(Duration::from_millis(60_900))),
            60
        );
    }
}
