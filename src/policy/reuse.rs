//! Whether something stored may answer a request (RFC 9111 §4).

use super::directives::{ANY_AGE, Directives};
use super::fields::{Fields, Said};
use crate::clock::Timestamp;
use crate::entry::Meta;
use http::{HeaderMap, StatusCode};

/// Whether requests may make the cache work harder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientDirectives {
    /// `no-cache`, `max-age`, `min-fresh`, `max-stale`, `stale-if-error` and `Pragma` of
    /// requests are obeyed (RFC 9111 §5.2.1, RFC 5861 §4).
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
    /// Seconds past its lifetime that are accepted (§5.2.1.2).
    max_stale: Option<u32>,
    /// The same where the handler fails (RFC 5861 §4).
    stale_if_error: u32,
}

impl Demand {
    /// Asks for nothing newer than what is fresh.
    fn is_plain(&self) -> bool {
        !self.no_cache && self.max_age.is_none() && self.min_fresh == 0
    }

    /// §5.2.1.1.
    fn finds_too_old(&self, meta: &Meta, now: Timestamp) -> bool {
        self.max_age
            .is_some_and(|limit| meta.age(now) > u64::from(limit))
    }

    /// §5.2.1.2: `max-stale`, and nothing that asks for a newer one.
    fn accepts_stale(&self, meta: &Meta, now: Timestamp) -> bool {
        let over = now.since(meta.fresh_until);
        let accepted = |limit| limit == ANY_AGE || over <= u64::from(limit) * 1000;
        self.max_stale.is_some_and(accepted)
            && !self.no_cache
            && self.min_fresh == 0
            && !self.finds_too_old(meta, now)
    }

    #[inline]
    pub(crate) fn of(headers: &HeaderMap, fields: &Fields<'_>, rule: ClientDirectives) -> Self {
        if !fields.say(Said::Directives) {
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
                max_stale: directives.max_stale,
                stale_if_error: directives.stale_if_error.unwrap_or(0),
                ..asked
            },
        }
    }
}

/// What a response's own fields say against its use without validation; see
/// [`Storable`](super::storable::Storable).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// `no-cache` (§5.2.2.4).
    pub(crate) must_validate: bool,
    /// No request and no setting may have it stale (§4.2.4).
    pub(crate) never_stale: bool,
}

impl Bounds {
    fn of(meta: &Meta) -> Self {
        Self {
            must_validate: meta.must_validate,
            never_stale: meta.never_stale,
        }
    }
}

/// Whether an entry, valid by its stamps, may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    Fresh,
    /// Its lifetime has passed, but it may answer while a newer one is fetched (RFC 5861 §3).
    WhileRevalidate,
    /// Its lifetime has passed, but the request accepts that (§5.2.1.2). Nothing is fetched.
    StaleAllowed,
    /// Its lifetime has passed: it may be validated.
    Stale,
    /// Its own `no-cache`, or the request, asks that it be validated first.
    MustValidate,
    /// The request carries credentials, and it is not for everybody.
    Unfit,
}

/// §4, of an entry within its own [`Bounds`].
#[inline]
pub(crate) fn reuse(meta: &Meta, demand: &Demand, guarded: bool, now: Timestamp) -> Reuse {
    reuse_within(meta, Bounds::of(meta), demand, guarded, now)
}

/// §4, §4.2, §4.2.4, §5.2.1.
#[inline]
pub(crate) fn reuse_within(
    meta: &Meta,
    bounds: Bounds,
    demand: &Demand,
    guarded: bool,
    now: Timestamp,
) -> Reuse {
    if guarded && !meta.public {
        Reuse::Unfit
    } else if bounds.must_validate {
        Reuse::MustValidate
    } else if !meta.is_fresh(now) {
        reuse_stale(meta, bounds, demand, now)
    } else if demand.no_cache
        || demand.finds_too_old(meta, now)
        || meta.fresh_until.since(now) < u64::from(demand.min_fresh) * 1000
    {
        Reuse::MustValidate
    } else {
        Reuse::Fresh
    }
}

/// §4.2.4: its lifetime has passed.
fn reuse_stale(meta: &Meta, bounds: Bounds, demand: &Demand, now: Timestamp) -> Reuse {
    if demand.is_plain() && meta.is_stale_within(meta.stale.while_revalidate, now) {
        Reuse::WhileRevalidate
    } else if !bounds.never_stale && demand.accepts_stale(meta, now) {
        Reuse::StaleAllowed
    } else {
        Reuse::Stale
    }
}

/// Whether a stale entry may answer because the handler has failed, within its own [`Bounds`].
pub(crate) fn usable_on_error(meta: &Meta, demand: &Demand, guarded: bool, now: Timestamp) -> bool {
    usable_on_error_within(meta, Bounds::of(meta), demand, guarded, now)
}

/// Whether a stale entry may answer because the handler has failed (RFC 5861 §4): within the
/// window it is stored with, or that of the request, whichever is longer. What the request asks
/// of a fresh one does not count then, but `no-cache` does.
pub(crate) fn usable_on_error_within(
    meta: &Meta,
    bounds: Bounds,
    demand: &Demand,
    guarded: bool,
    now: Timestamp,
) -> bool {
    let asked = match bounds.never_stale {
        true => 0,
        false => u64::from(demand.stale_if_error) * 1000,
    };
    let shared = !guarded || meta.public;
    let window = meta.stale.if_error.max(asked);
    shared && !bounds.must_validate && !demand.no_cache && meta.is_stale_within(window, now)
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
            age_ms: 2000,
            public,
            never_stale: true,
            stale: StaleWindows {
                while_revalidate: 2000,
                if_error: 5000,
            },
            ..Meta::default()
        }
    }

    fn demand(directives: &'static str, rule: ClientDirectives) -> Demand {
        let mut headers = HeaderMap::new();
        headers.insert("cache-control", HeaderValue::from_static(directives));
        let fields = Fields::of(&headers, &Credentials::none(), &KeyRules::new());
        Demand::of(&headers, &fields, rule)
    }

    fn at(ms: u64, directives: &'static str, rule: ClientDirectives) -> Reuse {
        let demand = demand(directives, rule);
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
            assert_eq!(
                at(ms, directives, Obey),
                Reuse::MustValidate,
                "{directives}"
            );
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

    const FREE: Bounds = Bounds {
        must_validate: false,
        never_stale: false,
    };

    #[test]
    fn a_request_may_accept_what_is_stale() {
        use ClientDirectives::{Ignore, Obey};
        let found = |directives, rule, bounds, ms| {
            let demand = demand(directives, rule);
            reuse_within(&entry(false), bounds, &demand, false, Timestamp(ms))
        };
        // Its lifetime ends at 20 s, its own window for answering meanwhile at 22 s.
        for (directives, ms, expected) in [
            ("max-stale=10", 30_000, Reuse::StaleAllowed),
            ("max-stale=10", 30_001, Reuse::Stale),
            ("max-stale", 9_000_000, Reuse::StaleAllowed),
            ("max-stale=0", 30_000, Reuse::Stale),
            ("max-stale=x", 30_000, Reuse::Stale),
            ("max-stale=10", 21_000, Reuse::WhileRevalidate),
            ("max-stale=10", 19_999, Reuse::Fresh),
            ("max-stale, max-age=22", 30_000, Reuse::StaleAllowed),
            ("max-stale, max-age=21", 30_000, Reuse::Stale),
            ("max-stale, min-fresh=1", 30_000, Reuse::Stale),
            ("max-stale, no-cache", 30_000, Reuse::Stale),
        ] {
            assert_eq!(found(directives, Obey, FREE, ms), expected, "{directives}");
        }
        assert_eq!(found("max-stale", Ignore, FREE, 30_000), Reuse::Stale);
        assert_eq!(
            found("max-stale", Obey, Bounds::of(&entry(false)), 30_000),
            Reuse::Stale
        );
    }

    #[test]
    fn what_must_be_validated_never_answers_unasked() {
        let bounds = Bounds {
            must_validate: true,
            never_stale: true,
        };
        for ms in [10_000, 19_999, 21_000, 30_000] {
            let demand = demand("max-stale", ClientDirectives::Obey);
            let now = Timestamp(ms);
            let found = reuse_within(&entry(true), bounds, &demand, true, now);
            assert_eq!(found, Reuse::MustValidate);
            assert!(!usable_on_error_within(
                &entry(true),
                bounds,
                &demand,
                true,
                now
            ));
        }
    }

    #[test]
    fn a_request_may_accept_a_longer_window_for_failures() {
        let usable = |directives, bounds, ms| {
            let demand = demand(directives, ClientDirectives::Obey);
            usable_on_error_within(&entry(false), bounds, &demand, false, Timestamp(ms))
        };
        assert!(usable("stale-if-error=9", FREE, 28_999));
        assert!(!usable("stale-if-error=9", FREE, 29_000));
        assert!(usable("stale-if-error=1", FREE, 24_999));
        assert!(!usable("stale-if-error=9, no-cache", FREE, 21_000));
        assert!(!usable(
            "stale-if-error=9",
            Bounds::of(&entry(false)),
            26_000
        ));
    }
}
