//! Who may have a response, and who may keep it (RFC 9111 §3, §3.3, §3.5).

use super::codes::is_understood;
use super::directives::Directives;
use super::ranges::{ContentRange, content_range};
use super::storable::{Head, Refusal};
use super::ttl::Ttls;
use http::StatusCode;
use http::header::{CONTENT_RANGE, SET_COOKIE};

/// §3: what may not be stored by any shared cache, or not by this one.
pub(super) fn is_forbidden(head: &Head<'_>, directives: &Directives, ttls: &Ttls) -> bool {
    !lets_be_stored(directives, head.status)
        || directives.private
        || (!ttls.rules.set_cookie && head.headers.contains_key(SET_COOKIE))
}

/// §5.2.2.3, §5.2.2.5: with `must-understand` a status whose rules are known is stored in spite
/// of `no-store`, which is there for caches that do not know the directive; any other is not
/// stored at all.
fn lets_be_stored(directives: &Directives, status: StatusCode) -> bool {
    match directives.must_understand {
        true => is_understood(status) && !directives.malformed,
        false => !directives.no_store,
    }
}

/// §3.5: what may be shared between requests that carry credentials.
pub(super) fn is_public(directives: &Directives, ttls: &Ttls) -> bool {
    directives.public
        || directives.s_maxage.is_some_and(|seconds| seconds > 0)
        || (ttls.rules.must_revalidate_shares && directives.must_revalidate)
}

/// §3.3: the part it is, none for a whole; or the `refusal` of a part that is not stored.
pub(super) fn part(
    head: &Head<'_>,
    ttls: &Ttls,
    refusal: Refusal,
) -> Result<Option<ContentRange>, Refusal> {
    if head.status != StatusCode::PARTIAL_CONTENT {
        // RFC 9110 §14.4: it has no meaning here; who knows of no parts may think that it has.
        return match head.headers.contains_key(CONTENT_RANGE) && !ttls.rules.parts {
            true => Err(refusal),
            false => Ok(None),
        };
    }
    match content_range(head.headers) {
        Some(part) if ttls.rules.parts => Ok(Some(part)),
        _ => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::rules::Rules;
    use crate::policy::storable::tests::{ruled, verdict, with};
    use crate::policy::ttl::Ttls;
    use std::time::Duration;

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
    fn must_understand_goes_before_no_store_where_the_status_is_known() {
        for (value, status, stored) in [
            ("max-age=9, must-understand, no-store", 200, true),
            ("max-age=9, no-store, must-understand", 404, true),
            ("max-age=9, must-understand, no-store", 599, false),
            ("max-age=9, must-understand", 599, false),
            ("max-age=9, must-understand", 299, false),
            ("max-age=9, must-understand, no-store, private", 200, false),
            ("max-age=9, must-understand, no-store; x", 200, false),
            ("max-age=9, no-store", 200, false),
            ("max-age=9", 599, true),
        ] {
            let found = with(status, &[("cache-control", value)], Ttls::default());
            assert_eq!(found.is_some(), stored, "{value} {status}");
        }
    }

    #[test]
    fn must_revalidate_shares_answers_to_credentials_only_by_rule() {
        let line = ("cache-control", "must-revalidate, max-age=5");
        let rules = Rules {
            must_revalidate_shares: true,
            ..Rules::default()
        };
        assert!(verdict(&[line], true, Ttls::default()).is_err());
        assert!(verdict(&[line], true, ruled(rules)).is_ok_and(|stored| stored.public));
        assert!(verdict(&[("cache-control", "max-age=5")], true, ruled(rules)).is_err());
    }

    #[test]
    fn cookies_and_parts_are_stored_by_rule() {
        let max_age = ("cache-control", "max-age=9");
        let all = ruled(Rules {
            set_cookie: true,
            parts: true,
            ..Rules::default()
        });
        let cookie = ("set-cookie", "a=b");
        assert!(with(200, &[max_age, cookie], all).is_some());
        let range = ("content-range", "bytes 0-1/4");
        let part = with(206, &[max_age, range], all).and_then(|found| found.part);
        assert_eq!(part.map(|part| (part.first, part.last)), Some((0, 1)));
        for (status, lines) in [
            (206, &[max_age][..]),
            (206, &[range]),
            (206, &[max_age, ("content-range", "bytes 3-1/4")]),
        ] {
            assert_eq!(with(status, lines, all), None, "{status} {lines:?}");
        }
        let whole = with(200, &[max_age, range], all).expect("stored");
        assert_eq!(whole.part, None);
        assert_eq!(with(206, &[max_age, range], Ttls::default()), None);
    }
}
