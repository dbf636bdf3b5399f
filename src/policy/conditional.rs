//! Conditional requests, answered from what is stored (RFC 9111 §4.3.2, RFC 9110 §13).

use super::dates;
use super::etag::{Tag, tags};
use crate::clock::Timestamp;
use http::header::{DATE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName};

/// Whether a 304 answers the request: what the client has is what is `selected`.
///
/// `If-None-Match` goes before `If-Modified-Since` (RFC 9110 §13.2.2) and compares weakly
/// (§13.1.2). Without `Last-Modified` the time since which nothing changed is the `Date` of
/// a stored response, or when it was `received` (RFC 9111 §4.3.2); one that just came has
/// none. `now` tells the century of dates that do not.
pub(crate) fn not_modified(
    request: &HeaderMap,
    selected: &HeaderMap,
    received: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let tag = Tag::of(selected);
        return request
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|line| list_matches(line.as_bytes(), tag));
    }
    let Some(since) = since(request, now) else {
        return false;
    };
    let came = || dates::field(selected, &DATE, now).or(received);
    let modified = dates::field(selected, &LAST_MODIFIED, now);
    let Some(modified) = modified.or_else(|| received.and_then(|_| came())) else {
        return false;
    };
    // Dates on the wire are whole seconds.
    modified.0 / 1000 <= since.0 / 1000
}

/// `If-Modified-Since`: of two lines, or what is no date, nothing counts (RFC 9110 §13.1.3).
fn since(request: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let mut lines = request.get_all(IF_MODIFIED_SINCE).iter();
    let (line, other) = (lines.next()?, lines.next());
    let date = dates::parse(line.as_bytes(), now)?;
    other.is_none().then_some(date)
}

/// A line of tags, or `*`, which is anything.
fn list_matches(list: &[u8], tag: Option<Tag<'_>>) -> bool {
    list.trim_ascii() == b"*" || tag.is_some_and(|tag| tags(list).any(|listed| listed.is_like(tag)))
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
    use crate::policy::tests::map;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NOW: Timestamp = Timestamp(784_111_777_500);
    const RECEIVED: Option<Timestamp> = Some(NOW);

    #[test]
    fn tags_decide_before_dates() {
        let stored = map(&[("etag", "\"a,b\""), ("last-modified", SAME)]);
        let check = |lines: &[(&'static str, &'static str)]| {
            not_modified(&map(lines), &stored, RECEIVED, NOW)
        };
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
        assert!(!check(&[("if-none-match", "x, \"a,b\"")]));
        assert!(!check(&[("if-none-match", "w/\"a,b\"")]));
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
                NOW,
            )
        };
        assert!(check(&[("last-modified", SAME)], SAME));
        assert!(!check(&[("last-modified", SAME)], OLD));
        assert!(check(&[], SAME));
        assert!(check(&[("date", OLD)], OLD));
        assert!(!check(&[], OLD));
        assert!(!check(&[("last-modified", OLD)], "yesterday"));
        assert!(check(
            &[("last-modified", SAME)],
            "sunday, 06-Nov-94 08:49:37 GMT"
        ));
        let twice = map(&[("if-modified-since", SAME), ("if-modified-since", SAME)]);
        let stored = map(&[("last-modified", SAME)]);
        assert!(!not_modified(&twice, &stored, RECEIVED, NOW));
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
