//! Answers to POST that answer GET (RFC 9110 §9.3.3).

use super::reference::Base;
use super::targeted::Control;
use super::ttl::is_said;
use http::header::CONTENT_LOCATION;
use http::{HeaderMap, StatusCode};

/// RFC 9110 §9.3.3: whether the answer to a POST is what a GET of the same URI would be answered
/// with, so that it may be stored as such: a 200 that says for how long it is fresh, and in its
/// only `Content-Location` that it is of that very URI. Whether it may be stored at all is asked
/// as of any other.
pub(crate) fn answers_get(
    base: &Base<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    control: &Control,
) -> bool {
    let mut lines = headers.get_all(CONTENT_LOCATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    status == StatusCode::OK
        && !line.is_empty()
        && is_said(headers, control)
        && base.resolve(line.as_bytes()) == Some(base.target())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::targeted;
    use crate::policy::tests::map;

    #[test]
    fn only_a_200_of_the_same_uri_with_a_lifetime_answers_get() {
        let base = Base {
            scheme: Some("http"),
            authority: "a",
            path: "/x",
            query: Some("q"),
        };
        let (here, max_age) = (("content-location", "/x?q"), ("cache-control", "max-age=9"));
        for (status, lines, expected) in [
            (200, &[here, max_age][..], true),
            (
                200,
                &[("content-location", "http://a:80/x?q"), max_age],
                true,
            ),
            (200, &[here, ("expires", "x")], true),
            (200, &[here], false),
            (200, &[here, ("cache-control", "public")], false),
            (200, &[max_age], false),
            (201, &[here, max_age], false),
            (200, &[("content-location", "/x"), max_age], false),
            (200, &[("content-location", "/x?q="), max_age], false),
            (200, &[("content-location", "http://b/x?q"), max_age], false),
            (200, &[("content-location", ""), max_age], false),
            (200, &[here, here, max_age], false),
        ] {
            let headers = map(lines);
            let status = StatusCode::from_u16(status).expect("a status");
            let control = targeted::control(&headers, &[]);
            let found = answers_get(&base, status, &headers, &control);
            assert_eq!(found, expected, "{status} {lines:?}");
        }
    }
}
