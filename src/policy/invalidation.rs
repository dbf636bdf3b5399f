//! What a write makes worthless (RFC 9111 §4.4).

use super::reference::{Base, Target};
use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, Method, StatusCode};

/// More lines than this are not looked at.
const MAX_LINES: usize = 8;

/// RFC 9110 §9.2.1: whether a method only reads. What is not known to be safe is not; of the
/// registered ones `PROPFIND`, `REPORT` and `SEARCH` count too.
pub(crate) fn is_safe(method: &Method) -> bool {
    let known = matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    );
    known || matches!(method.as_str(), "PROPFIND" | "REPORT" | "SEARCH")
}

/// §4.4: what is no longer to be used after a request that is not safe and did not fail: what it
/// was for, and what `Location` and `Content-Location` name, if that is of the same origin:
/// nobody may throw out what others have stored.
pub(crate) fn invalidated(
    method: &Method,
    base: &Base<'_>,
    status: StatusCode,
    headers: &HeaderMap,
) -> Vec<Target> {
    if is_safe(method) || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut targets = vec![base.target()];
    for name in [LOCATION, CONTENT_LOCATION] {
        for line in headers.get_all(name).iter().take(MAX_LINES) {
            match base.resolve(line.as_bytes()) {
                Some(target) if !targets.contains(&target) => targets.push(target),
                _ => {}
            }
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::map;

    fn found(method: &str, status: u16, lines: &[(&'static str, &'static str)]) -> Vec<String> {
        let base = Base {
            scheme: None,
            authority: "a",
            path: "/x/y",
            query: Some("q"),
        };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let status = StatusCode::from_u16(status).expect("a status");
        invalidated(&method, &base, status, &map(lines))
            .into_iter()
            .map(|target| match target.query {
                Some(query) => format!("{}?{query}", target.path),
                None => target.path,
            })
            .collect()
    }

    #[test]
    fn a_write_that_did_not_fail_makes_its_target_worthless() {
        for method in [
            "POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "get", "CONNECT",
        ] {
            for (status, expected) in [
                (200, 1),
                (204, 1),
                (299, 1),
                (301, 1),
                (304, 1),
                (100, 0),
                (400, 0),
                (404, 0),
                (500, 0),
                (999, 0),
            ] {
                let found = found(method, status, &[]);
                assert_eq!(found.len(), expected, "{method} {status}");
                assert!(found.iter().all(|target| target == "/x/y?q"));
            }
        }
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND"] {
            assert!(
                found(method, 200, &[("location", "/z")]).is_empty(),
                "{method}"
            );
        }
    }

    #[test]
    fn so_is_what_its_answer_names_of_the_same_origin() {
        for (lines, expected) in [
            (&[("location", "z")][..], &["/x/y?q", "/x/z"][..]),
            (&[("content-location", "http://A/z?r")], &["/x/y?q", "/z?r"]),
            (
                &[("location", "/l"), ("content-location", "/c")],
                &["/x/y?q", "/l", "/c"],
            ),
            (
                &[("location", "/l"), ("content-location", "/l")],
                &["/x/y?q", "/l"],
            ),
            (&[("content-location", "y?q")], &["/x/y?q"]),
            (&[("location", "http://b/z")], &["/x/y?q"]),
            (
                &[("location", "a b"), ("location", "/l")],
                &["/x/y?q", "/l"],
            ),
        ] {
            assert_eq!(found("POST", 201, lines), expected, "{lines:?}");
        }
    }
}
