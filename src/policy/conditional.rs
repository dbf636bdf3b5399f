//! Conditional requests, answered from what is stored (RFC 9111 §4.3.2, RFC 9110 §13).

use super::ttl::date;
use crate::clock::Timestamp;
use http::header::{DATE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName};

/// Whether a 304 answers the request: what the client has is what is `selected`.
///
/// `If-None-Match` goes before `If-Modified-Since` (RFC 9110 §13.2.2) and compares weakly
/// (§13.1.2). Without `Last-Modified` the time since which nothing changed is the `Date` of
/// a stored response, or when it was `received` (RFC 9111 §4.3.2); one that just came has
/// none.
pub(crate) fn not_modified(
    request: &HeaderMap,
    selected: &HeaderMap,
    received: Option<Timestamp>,
) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let etag = selected.get(ETAG).and_then(|tag| opaque(tag.as_bytes()));
        return request
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|line| list_matches(line.as_bytes(), etag));
    }
    let Some(since) = date(request, &IF_MODIFIED_SINCE) else {
        return false;
    };
    let came = || date(selected, &DATE).or(received);
    let modified = date(selected, &LAST_MODIFIED).or_else(|| received.and_then(|_| came()));
    let Some(modified) = modified else {
        return false;
    };
    // Dates on the wire are whole seconds.
    modified.0 / 1000 <= since.0 / 1000
}

/// The tag without `W/`, quotes kept: weak comparison (RFC 9110 §8.8.3.2).
fn opaque(tag: &[u8]) -> Option<&[u8]> {
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    (tag.len() >= 2 && tag.starts_with(b"\"") && tag.ends_with(b"\"")).then_some(tag)
}

/// A list of entity tags, in which commas may stand inside a tag; or `*`.
fn list_matches(list: &[u8], etag: Option<&[u8]>) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let mut rest = list;
    while let Some(start) = rest.iter().position(|b| *b == b'"') {
        let Some(len) = rest[start + 1..].iter().position(|b| *b == b'"') else {
            return false;
        };
        let end = start + len + 2;
        if etag == Some(&rest[start..end]) {
            return true;
        }
        rest = &rest[end..];
    }
    false
}

/// The head of a 304 for what `selected` describes: what speaks of the content is left out,
/// all else is there (RFC 9110 §15.4.5).
pub(crate) fn head_of_304(selected: &HeaderMap) -> HeaderMap {
    let has_etag = selected.contains_key(ETAG);
    let mut head = HeaderMap::with_capacity(selected.len());
    for (name, value) in selected {
        let redundant = has_etag && *name == LAST_MODIFIED;
        if !redundant && !describes_content(name) {
            head.append(name, value.clone());
        }
    }
    head
}

fn describes_content(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "content-length"
            | "content-type"
            | "content-encoding"
            | "content-language"
            | "content-range"
            | "transfer-encoding"
            | "trailer"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    const OLD: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const RECEIVED: Option<Timestamp> = Some(Timestamp(784_111_777_500));

    #[test]
    fn tags_decide_before_dates() {
        let stored = map(&[("etag", "\"a,b\""), ("last-modified", SAME)]);
        let check =
            |lines: &[(&'static str, &'static str)]| not_modified(&map(lines), &stored, RECEIVED);
        assert!(check(&[("if-none-match", "\"a,b\"")]));
        assert!(check(&[("if-none-match", "W/\"a,b\"")]));
        assert!(check(&[("if-none-match", "\"x\", \"a,b\"")]));
        assert!(check(&[
            ("if-none-match", "\"x\""),
            ("if-none-match", "\"a,b\"")
        ]));
        assert!(check(&[("if-none-match", "*")]));
        assert!(!check(&[("if-none-match", "\"a\"")]));
        assert!(!check(&[("if-none-match", "a,b")]));
        assert!(!check(&[
            ("if-none-match", "\"x\""),
            ("if-modified-since", SAME)
        ]));
        assert!(!check(&[]));
    }

    #[test]
    fn dates_decide_without_tags() {
        let check = |stored: &[(&'static str, &'static str)], since| {
            not_modified(
                &map(&[("if-modified-since", since)]),
                &map(stored),
                RECEIVED,
            )
        };
        assert!(check(&[("last-modified", SAME)], SAME));
        assert!(!check(&[("last-modified", SAME)], OLD));
        assert!(check(&[], SAME));
        assert!(check(&[("date", OLD)], OLD));
        assert!(!check(&[], OLD));
        assert!(!check(&[("last-modified", OLD)], "yesterday"));
    }

    #[test]
    fn a_304_keeps_what_does_not_describe_content() {
        let headers = map(&[
            ("content-type", "a/b"),
            ("content-length", "3"),
            ("content-location", "/x"),
            ("etag", "\"a\""),
            ("last-modified", SAME),
            ("vary", "accept"),
            ("access-control-allow-origin", "*"),
        ]);
        let kept = [
            ("content-location", "/x"),
            ("etag", "\"a\""),
            ("vary", "accept"),
            ("access-control-allow-origin", "*"),
        ];
        assert_eq!(head_of_304(&headers), map(&kept));
    }
}
