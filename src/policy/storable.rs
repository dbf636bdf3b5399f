//! Whether a response may be stored (RFC 9111 §3, §3.5), and with what.

use super::codes::is_failed;
use super::permission::{is_forbidden, is_public, part};
use super::ranges::ContentRange;
use super::stale::{is_never_stale, may_be_stored_stale, stale_windows};
use super::targeted;
use super::ttl::{self, Ttls};
use super::validation::has_validator;
use super::vary;
use crate::clock::{Timestamp, millis};
use crate::entry::StaleWindows;
use http::{HeaderMap, HeaderName, StatusCode};
use std::time::Duration;

pub(crate) use super::hops::strip_hop_by_hop;

/// What is known when the head of a response is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    /// The request carried credentials.
    pub(crate) guarded: bool,
    /// When it was asked for: how long that took counts as its age (§4.2.3). `now` where it
    /// should not.
    pub(crate) asked: Timestamp,
    pub(crate) now: Timestamp,
    /// The fields that speak to this cache in the place of `Cache-Control` (RFC 9213).
    pub(crate) targeted: &'a [HeaderName],
}

/// How a response will be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, stored by itself"
)]
pub(crate) struct Storable {
    /// What is left of its lifetime. Zero only under
    /// [`store_for_validation`](super::rules::Rules::store_for_validation).
    pub(crate) fresh_for: Duration,
    /// How old it was when it came, in milliseconds: what is shown is rounded down once, at the
    /// end (§4.2.3).
    pub(crate) age_ms: u64,
    /// May answer requests that carry credentials.
    pub(crate) public: bool,
    pub(crate) vary: Vec<HeaderName>,
    pub(crate) stale: StaleWindows,
    /// `no-cache`: may never answer without having been validated (§5.2.2.4).
    pub(crate) must_validate: bool,
    /// Once stale no request may have it unvalidated, whatever that request or a setting
    /// allows (§4.2.4).
    pub(crate) never_stale: bool,
    /// Carries an `ETag` or `Last-Modified`: worth keeping past its lifetime.
    pub(crate) validatable: bool,
    /// It is this part of a representation.
    pub(crate) part: Option<ContentRange>,
}

impl Storable {
    /// Of what is not stored.
    pub(crate) fn none() -> Self {
        Self {
            fresh_for: Duration::ZERO,
            age_ms: 0,
            public: false,
            vary: Vec::new(),
            stale: StaleWindows::default(),
            must_validate: true,
            never_stale: true,
            validatable: false,
            part: None,
        }
    }
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
    let refusal = match is_failed(head.status) {
        true => Refusal::Failed,
        false => Refusal::Forbidden,
    };
    let control = targeted::control(head.headers, head.targeted);
    let public = is_public(&control.directives, ttls);
    if is_forbidden(head, &control.directives, ttls) || (head.guarded && !public) {
        return Err(refusal);
    }
    let part = part(head, ttls, refusal)?;
    let vary = vary::fields(head.headers).ok_or(refusal)?;
    let age = ttl::initial_age(head.headers, head.asked, head.now);
    let fresh_for = ttl::fresh_for(head, &control, ttls, age);
    if fresh_for.is_zero() && !may_be_stored_stale(head, &control, ttls) {
        return Err(refusal);
    }
    Ok(Storable {
        fresh_for,
        age_ms: millis(age),
        public,
        vary,
        stale: match head.status.is_server_error() {
            true => StaleWindows::default(),
            false => stale_windows(&control.directives, ttls.stale),
        },
        must_validate: fresh_for.is_zero() && control.directives.no_cache,
        never_stale: is_never_stale(head.status, &control.directives),
        validatable: has_validator(head.headers),
        part,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::policy::rules::Rules;
    use crate::policy::tests::map as headers;

    pub(in crate::policy) fn verdict(
        lines: &[(&'static str, &'static str)],
        guarded: bool,
        ttls: Ttls,
    ) -> Result<Storable, Refusal> {
        let head = Head {
            status: StatusCode::OK,
            headers: &headers(lines),
            guarded,
            asked: Timestamp(0),
            now: Timestamp(0),
            targeted: &[],
        };
        storable(&head, &ttls)
    }

    #[test]
    fn nothing_wins_over_what_forbids_storing() {
        let all = Ttls {
            extension: Some(Duration::from_secs(9)),
            overriding: Some(Duration::from_secs(9)),
            fallback: Duration::from_secs(9),
            ..Ttls::default()
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
    fn the_age_it_came_with_is_taken_off_what_its_fields_say() {
        let left = |age| {
            let lines = [("cache-control", "max-age=10"), ("age", age)];
            verdict(&lines, false, Ttls::default()).map(|s| s.fresh_for.as_secs())
        };
        assert_eq!(left("4"), Ok(6));
        assert_eq!(left("10"), Err(Refusal::Forbidden));
        assert_eq!(left("soon"), Ok(10));
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

    pub(in crate::policy) fn with(
        status: u16,
        lines: &[(&'static str, &'static str)],
        ttls: Ttls,
    ) -> Option<Storable> {
        let head = Head {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: &headers(lines),
            guarded: false,
            asked: Timestamp(0),
            now: Timestamp(0),
            targeted: &[],
        };
        storable(&head, &ttls).ok()
    }

    pub(in crate::policy) fn ruled(rules: Rules) -> Ttls {
        Ttls {
            rules,
            ..Ttls::default()
        }
    }

    #[test]
    fn what_is_stale_from_the_start_is_stored_only_by_rule_and_only_to_be_validated() {
        let rules = Rules {
            store_for_validation: true,
            ..Rules::default()
        };
        let (tag, date) = (("etag", "\"a\""), ("last-modified", "x"));
        let control = |value| ("cache-control", value);
        for (status, lines, stored) in [
            (200, &[control("no-cache"), tag][..], true),
            (200, &[control("no-cache=\"x\""), tag], true),
            (200, &[control("no-cache, max-age=60"), tag], true),
            (200, &[control("max-age=0"), date], true),
            (200, &[control("max-age=0, stale-while-revalidate=5")], true),
            (200, &[tag], true),
            (302, &[control("max-age=0"), tag], true),
            (200, &[control("max-age=60"), ("age", "60"), tag], true),
            (200, &[control("no-cache")], false),
            (200, &[control("max-age=0")], false),
            (200, &[], false),
            (302, &[tag], false),
            (302, &[control("no-cache"), tag], false),
            (503, &[control("max-age=0"), tag], false),
            (206, &[control("max-age=0"), tag], false),
            (200, &[control("no-store"), tag], false),
            (200, &[control("private"), tag], false),
        ] {
            let found = with(status, lines, ruled(rules));
            assert_eq!(found.is_some(), stored, "{status} {lines:?}");
            assert!(found.is_none_or(|found| found.fresh_for.is_zero()));
            assert_eq!(with(status, lines, Ttls::default()), None, "{lines:?}");
        }
        let zero = Ttls {
            extension: Some(Duration::ZERO),
            ..ruled(rules)
        };
        assert_eq!(with(200, &[tag], zero), None);
    }

    #[test]
    fn what_must_be_validated_is_marked() {
        let rules = Rules {
            store_for_validation: true,
            ..Rules::default()
        };
        for (value, status, expected) in [
            ("no-cache, max-age=9", 200, (true, true)),
            ("no-cache=\"x\", max-age=9", 200, (true, true)),
            ("max-age=9", 200, (false, false)),
            ("max-age=0", 200, (false, false)),
            ("max-age=9, must-revalidate", 200, (false, true)),
            ("max-age=9, proxy-revalidate", 200, (false, true)),
            ("s-maxage=9", 200, (false, true)),
            ("max-age=9", 500, (false, true)),
        ] {
            let lines = [("cache-control", value), ("etag", "\"a\"")];
            let found = with(status, &lines, ruled(rules)).expect("stored");
            let marks = (found.must_validate, found.never_stale);
            assert_eq!(marks, expected, "{value}");
            assert!(found.validatable);
        }
    }

    #[test]
    fn a_stored_failure_has_no_stale_windows() {
        let line = ("cache-control", "max-age=9, stale-if-error=9");
        let found = with(500, &[line], Ttls::default()).expect("stored");
        assert_eq!(found.stale, StaleWindows::default());
        let found = with(404, &[line], Ttls::default()).expect("stored");
        assert_eq!(found.stale.if_error, 9000);
    }

    #[test]
    fn how_long_the_answer_took_is_part_of_its_age() {
        let headers = headers(&[("cache-control", "max-age=10"), ("age", "1")]);
        let head = Head {
            status: StatusCode::OK,
            headers: &headers,
            guarded: false,
            asked: Timestamp(1_000),
            now: Timestamp(3_500),
            targeted: &[],
        };
        let found = storable(&head, &Ttls::default()).expect("stored");
        assert_eq!(found.fresh_for, Duration::from_millis(6_500));
        assert_eq!(found.age_ms, 3_500);
    }
}
