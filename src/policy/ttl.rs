//! How long a response stays fresh, and who decides (RFC 9111 §4.2.1, then the settings).

use super::codes::{is_heuristic, may_be_explicit, may_be_implicit};
use super::dates;
use super::directives::seconds;
use super::rules::Rules;
use super::storable::Head;
use super::targeted::Control;
use crate::clock::Timestamp;
use crate::entry::StaleWindows;
use http::header::{AGE, DATE, EXPIRES, LAST_MODIFIED};
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
    /// What is done beyond the defaults.
    pub(crate) rules: Rules,
}

/// The longest lifetime (RFC 9111 §1.2.2).
const LONGEST: Duration = Duration::from_secs(1 << 31);

/// The longest lifetime that is only guessed.
const LONGEST_GUESS: Duration = Duration::from_hours(24);

/// For how long a response that came now stays fresh. Zero: it is stale from the start.
///
/// What its fields say, or let be guessed, counts from when it was made, so that its `age` is
/// taken off (§4.2); what the handler's extension or a setting says counts from now.
pub(crate) fn fresh_for(
    head: &Head<'_>,
    control: &Control,
    ttls: &Ttls,
    age: Duration,
) -> Duration {
    let explicit = |ttl| match may_be_said(head.status, ttls.rules) {
        true => ttl,
        false => Duration::ZERO,
    };
    let implicit = may_be_implicit(head.status);
    let ttl = match (ttls.extension, ttls.overriding) {
        (Some(ttl), _) => explicit(ttl),
        (None, Some(ttl)) if implicit => ttl,
        (None, _) => match said(head, control) {
            Some(ttl) => explicit(ttl).saturating_sub(age),
            None => match guessed(head, control, ttls.rules) {
                Some(ttl) => ttl.saturating_sub(age),
                None if implicit => ttls.fallback,
                None => Duration::ZERO,
            },
        },
    };
    ttl.min(LONGEST)
}

/// Whether a response with this status may be stored where it says for how long.
pub(super) fn may_be_said(status: StatusCode, rules: Rules) -> bool {
    may_be_explicit(status) || (rules.parts && status == StatusCode::PARTIAL_CONTENT)
}

/// §4.2.1: whether the response itself says for how long.
pub(super) fn is_said(headers: &HeaderMap, control: &Control) -> bool {
    let directives = &control.directives;
    directives.s_maxage.or(directives.max_age).is_some()
        || (control.expires && headers.contains_key(EXPIRES))
}

/// §4.2.1: `s-maxage`, `max-age`, `Expires` less `Date`; `no-cache` leaves none.
fn said(head: &Head<'_>, control: &Control) -> Option<Duration> {
    let directives = &control.directives;
    if directives.no_cache {
        return Some(Duration::ZERO);
    }
    let said = directives.s_maxage.or(directives.max_age);
    if let Some(seconds) = said {
        return Some(Duration::from_secs(seconds.into()));
    }
    if !control.expires {
        return None;
    }
    let expires = head.headers.get(EXPIRES)?;
    // §5.3: an invalid date is one in the past.
    let expires = dates::parse(expires.as_bytes(), head.now).unwrap_or_default();
    Some(Duration::from_millis(expires.since(made_at(head))))
}

/// §4.2.2: a tenth of the time since it was last modified, at most a day. Where that time
/// cannot be told, nothing is guessed. `public` lets any status be guessed for (§5.2.2.9).
fn guessed(head: &Head<'_>, control: &Control, rules: Rules) -> Option<Duration> {
    let status = head.status;
    let may = rules.heuristic
        && (is_heuristic(status) || (control.directives.public && may_be_explicit(status)));
    if !may {
        return None;
    }
    let modified = dates::field(head.headers, &LAST_MODIFIED, head.now)?;
    let tenth = Duration::from_millis(made_at(head).since(modified) / 10);
    (!tenth.is_zero()).then(|| tenth.min(LONGEST_GUESS))
}

/// Its `Date`, else when it came (RFC 9110 §6.6.1).
fn made_at(head: &Head<'_>) -> Timestamp {
    dates::field(head.headers, &DATE, head.now).unwrap_or(head.now)
}

/// §4.2.3: how old the response was when it came: the larger of what its `Date` says, and the
/// first `Age` and the time it took since it was `asked` for. An `Age` that cannot be read is
/// ignored (§5.1).
pub(crate) fn initial_age(headers: &HeaderMap, asked: Timestamp, now: Timestamp) -> Duration {
    // A date has whole seconds: what is over says nothing.
    let apparent = dates::field(headers, &DATE, now).map_or(0, |date| now.since(date) / 1000);
    let age = headers.get(AGE).and_then(|age| first_age(age.as_bytes()));
    let age = age.unwrap_or_default();
    let corrected = Duration::from_secs(age.into()) + Duration::from_millis(now.since(asked));
    corrected.max(Duration::from_secs(apparent))
}

fn first_age(line: &[u8]) -> Option<u32> {
    let first = line.split(|b| *b == b',').next()?.trim_ascii();
    let is_number = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
    is_number.then(|| seconds(Some(first)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::targeted;
    use http::HeaderName;

    const NOW: Timestamp = Timestamp(784_111_777_000);
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";

    fn ttl(status: u16, lines: &[(&str, &str)], ttls: Ttls) -> u64 {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, value.parse().expect("a value"));
        }
        let head = Head {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: &headers,
            guarded: false,
            asked: NOW,
            now: NOW,
            targeted: &[],
        };
        let control = targeted::control(&headers, &[]);
        fresh_for(&head, &control, &ttls, Duration::ZERO).as_secs()
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
    fn an_age_that_cannot_be_read_is_ignored() {
        let age = |value: &str| {
            let headers = HeaderMap::from_iter([(AGE, value.parse().expect("a value"))]);
            initial_age(&headers, NOW, NOW).as_secs()
        };
        assert_eq!(initial_age(&HeaderMap::new(), NOW, NOW), Duration::ZERO);
        assert_eq!(age("12"), 12);
        assert_eq!(age("0012"), 12);
        assert_eq!(age("12, 34"), 12);
        for unreadable in ["-1", "1.5", "", ",1", "soon", "\"1\""] {
            assert_eq!(age(unreadable), 0, "{unreadable}");
        }
    }

    #[test]
    fn the_age_is_the_larger_of_what_date_and_age_say() {
        let now = NOW.after(Duration::from_millis(60_900));
        let age = |lines: &[(&'static str, &'static str)], asked| {
            let headers = crate::policy::tests::map(lines);
            initial_age(&headers, asked, now).as_millis()
        };
        assert_eq!(age(&[("date", THEN)], now), 60_000);
        assert_eq!(age(&[("date", LATER)], now), 0);
        assert_eq!(age(&[("date", "then")], now), 0);
        assert_eq!(age(&[("date", THEN), ("age", "30")], now), 60_000);
        assert_eq!(age(&[("date", THEN), ("age", "90")], now), 90_000);
        assert_eq!(age(&[("age", "1"), ("age", "90")], now), 1_000);
        // How long the answer took counts with the age it came with.
        assert_eq!(age(&[("age", "1")], NOW), 61_900);
        assert_eq!(age(&[("date", THEN)], NOW), 60_900);
    }

    #[test]
    fn a_tenth_of_the_time_since_it_was_modified_is_guessed_where_that_is_allowed() {
        let guess = Ttls {
            rules: Rules {
                heuristic: true,
                ..Rules::default()
            },
            ..Ttls::default()
        };
        // 100 minutes before THEN, and a year.
        let modified = ("last-modified", "Sun, 06 Nov 1994 07:09:37 GMT");
        let long_ago = ("last-modified", "Sat, 06 Nov 1993 08:49:37 GMT");
        let public = ("cache-control", "public");
        for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
            assert_eq!(ttl(status, &[modified], guess), 600, "{status}");
            assert_eq!(ttl(status, &[modified], Ttls::default()), 0, "{status}");
        }
        for status in [201, 202, 302, 403, 500, 502, 503, 504, 599] {
            assert_eq!(ttl(status, &[modified], guess), 0, "{status}");
            assert_eq!(ttl(status, &[modified, public], guess), 600, "{status}");
        }
        for status in [100, 206, 304] {
            assert_eq!(ttl(status, &[modified, public], guess), 0, "{status}");
        }
        assert_eq!(ttl(200, &[long_ago], guess), 24 * 3600);
        assert_eq!(ttl(200, &[modified, ("date", LATER)], guess), 606);
        for lines in [
            &[("last-modified", LATER)][..],
            &[("last-modified", "long ago")],
            &[modified, ("cache-control", "max-age=0")],
            &[modified, ("cache-control", "no-cache")],
            &[modified, ("expires", "0")],
        ] {
            assert_eq!(ttl(200, lines, guess), 0, "{lines:?}");
        }
    }

    #[test]
    fn strange_numbers_and_dates_are_stale_or_as_long_as_can_be() {
        for (lines, expected) in [
            (&[("cache-control", "max-age=2147483648")][..], 1 << 31),
            (
                &[("cache-control", "max-age=99999999999999999999")],
                1 << 31,
            ),
            (&[("cache-control", "max-age=0060")], 60),
            (&[("cache-control", "max-age=-60")], 0),
            (&[("cache-control", "max-age=6.0")], 0),
            (&[("cache-control", "max-age=60a")], 0),
            (&[("cache-control", "max-age='60'")], 0),
            (&[("cache-control", "s-maxage=x, max-age=60")], 0),
            (&[("expires", "Sunday, 06-Nov-94 08:50:37 GMT")], 60),
            (&[("expires", "sun nov  6 08:50:37 1994")], 60),
            (&[("expires", "Sun, 06 Nov 1994 08:50:37 UTC")], 0),
            (&[("expires", THEN), ("date", THEN)], 0),
            (&[("expires", THEN), ("date", LATER)], 0),
            (&[("expires", LATER), ("date", "now")], 60),
            (&[("expires", LATER), ("expires", "0")], 60),
            (&[("expires", "0"), ("expires", LATER)], 0),
        ] {
            let headers: Vec<_> = lines.to_vec();
            assert_eq!(ttl(200, &headers, settings()), expected, "{lines:?}");
        }
    }
}
