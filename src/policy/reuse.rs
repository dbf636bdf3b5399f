//! Whether something stored may answer a request (RFC 9111 §4).

use super::directives::Directives;
use super::fields::Fields;
use crate::clock::Timestamp;
use crate::entry::Meta;
use http::{HeaderMap, StatusCode};

/// Whether requests may make the cache work harder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientDirectives {
    /// `no-cache`, `max-age`, `min-fresh` and `Pragma` of requests are obeyed
    /// (RFC 9111 §5.2.1).
    Obey,
    /// They are ignored, so that no client can defeat the cache. `no-store` and
    /// `only-if-cached` are obeyed all the same.
    #[default]
    Ignore,
}

/// What a request asks of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// `no-store`: neither stored nor shared with others (§5.2.1.5).
    pub(crate) no_store: bool,
    /// `only-if-cached` (§5.2.1.7).
    pub(crate) only_if_cached: bool,
    no_cache: bool,
    max_age: Option<u32>,
    min_fresh: u32,
}

impl Demand {
    /// Asks for nothing newer than what is fresh.
    fn is_plain(&self) -> bool {
        !self.no_cache && self.max_age.is_none() && self.min_fresh == 0
    }

    #[inline]
    pub(crate) fn of(headers: &HeaderMap, fields: &Fields<'_>, rule: ClientDirectives) -> Self {
        if !fields.directives {
            return Self::default();
        }
        let directives = Directives::request(headers);
        let asked = Self {
            no_store: directives.no_store,
            only_if_cached: directives.only_if_cached,
            ..Self::default()
        };
        match rule {
            ClientDirectives::Ignore => asked,
            ClientDirectives::Obey => Self {
                no_cache: directives.no_cache,
                max_age: directives.max_age,
                min_fresh: directives.min_fresh.unwrap_or(0),
                ..asked
            },
        }
    }
}

/// Whether an entry, valid by its stamps, may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    Fresh,
    /// Its lifetime has passed, but it may answer while a newer one is fetched (RFC 5861 §3).
    WhileRevalidate,
    /// Its lifetime has passed.
    Stale,
    /// The request asks for a newer one, or carries credentials and it is not for everybody.
    Unfit,
}

/// §4, §4.2, §5.2.1.
#[inline]
pub(crate) fn reuse(meta: &Meta, demand: &Demand, guarded: bool, now: Timestamp) -> Reuse {
    let too_old = |limit| meta.age(now) > u64::from(limit);
    let left = meta.fresh_until.since(now);
    if guarded && !meta.public {
        Reuse::Unfit
    } else if !meta.is_fresh(now) {
        match demand.is_plain() && meta.is_stale_within(meta.stale.while_revalidate, now) {
            true => Reuse::WhileRevalidate,
            false => Reuse::Stale,
        }
    } else if demand.no_cache
        || demand.max_age.is_some_and(too_old)
        || left < u64::from(demand.min_fresh) * 1000
    {
        Reuse::Unfit
    } else {
        Reuse::Fresh
    }
}

/// Whether a stale entry may answer because the handler has failed (RFC 5861 §4). What the
/// request asks of a fresh one does not count then, but `no-cache` does.
pub(crate) fn usable_on_error(meta: &Meta, demand: &Demand, guarded: bool, now: Timestamp) -> bool {
    let shared = !guarded || meta.public;
    shared && !demand.no_cache && meta.is_stale_within(meta.stale.if_error, now)
}

/// The failures of a handler in whose place a stale answer may be given (RFC 5861 §4).
pub(crate) fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::StaleWindows;
    use crate::key::KeyRules;
    use crate::policy::Credentials;
    use crate::stamp::Stamp;
    use http::HeaderValue;

    fn entry(public: bool) -> Meta {
        Meta {
            stamp: Stamp(1),
            stored_at: Timestamp(10_000),
            fresh_until: Timestamp(20_000),
            stale_until: Timestamp(20_000),
            handler_ms: 0,
            age: 2,
            public,
            stale: StaleWindows {
                while_revalidate: 2000,
                if_error: 5000,
            },
        }
    }

    fn at(ms: u64, directives: &'static str, rule: ClientDirectives) -> Reuse {
        let mut headers = HeaderMap::new();
        headers.insert("cache-control", HeaderValue::from_static(directives));
        let fields = Fields::of(&headers, &Credentials::none(), &KeyRules::new());
        let demand = Demand::of(&headers, &fields, rule);
        reuse(&entry(false), &demand, false, Timestamp(ms))
    }

    #[test]
    fn an_entry_is_fresh_until_its_lifetime_ends() {
        assert_eq!(at(19_999, "", ClientDirectives::Obey), Reuse::Fresh);
        let stale = Reuse::WhileRevalidate;
        assert_eq!(at(20_000, "", ClientDirectives::Obey), stale);
        assert_eq!(at(21_999, "", ClientDirectives::Obey), stale);
        assert_eq!(at(22_000, "", ClientDirectives::Obey), Reuse::Stale);
        let newer = "max-age=60";
        assert_eq!(at(20_000, newer, ClientDirectives::Obey), Reuse::Stale);
        assert_eq!(at(20_000, newer, ClientDirectives::Ignore), stale);
    }

    #[test]
    fn a_failure_is_answered_with_what_is_stale_within_its_window() {
        let usable = |meta: &Meta, guarded, ms| {
            usable_on_error(meta, &Demand::default(), guarded, Timestamp(ms))
        };
        assert!(usable(&entry(false), false, 24_999));
        assert!(!usable(&entry(false), false, 25_000));
        assert!(!usable(&entry(false), true, 21_000));
        assert!(usable(&entry(true), true, 21_000));
        for (status, failed) in [
            (500, true),
            (502, true),
            (503, true),
            (504, true),
            (501, false),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(is_failure(status), failed, "{status}");
        }
    }

    #[test]
    fn a_request_may_ask_for_more_where_it_is_obeyed() {
        use ClientDirectives::{Ignore, Obey};
        for (directives, ms) in [
            ("no-cache", 10_000),
            ("max-age=2", 11_000),
            ("min-fresh=5", 15_001),
        ] {
            assert_eq!(at(ms, directives, Obey), Reuse::Unfit, "{directives}");
            assert_eq!(at(ms, directives, Ignore), Reuse::Fresh, "{directives}");
        }
        assert_eq!(at(10_999, "max-age=2", Obey), Reuse::Fresh);
        assert_eq!(at(15_000, "min-fresh=5", Obey), Reuse::Fresh);
    }

    #[test]
    fn credentials_get_only_what_is_for_everybody() {
        let now = Timestamp(10_000);
        let demand = Demand::default();
        assert_eq!(reuse(&entry(false), &demand, true, now), Reuse::Unfit);
        assert_eq!(reuse(&entry(true), &demand, true, now), Reuse::Fresh);
    }
}
