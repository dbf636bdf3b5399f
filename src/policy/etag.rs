//! Entity tags and how strong a validator is (RFC 9110 §8.8).

use super::dates;
use crate::clock::Timestamp;
use http::HeaderMap;
use http::header::{DATE, ETAG, LAST_MODIFIED};

/// An entity tag (§8.8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub(crate) weak: bool,
    /// With its quotes.
    opaque: &'a [u8],
}

impl<'a> Tag<'a> {
    /// Of the whole `text`; `None` for what is not quoted, or has what no tag may have. A blank
    /// is let pass: tags with blanks are seen.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let (tag, rest) = Self::first(text.trim_ascii())?;
        rest.is_empty().then_some(tag)
    }

    /// The tag that `text` begins with, and what follows it.
    fn first(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (weak, quoted) = match text.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|b| *b == b'"')?;
        let is_etagc = |b: &u8| !matches!(b, 0..=0x1f | 0x7f);
        let (opaque, rest) = quoted.split_at(end + 2);
        inner[..end]
            .iter()
            .all(is_etagc)
            .then_some((Self { weak, opaque }, rest))
    }

    /// The first `ETag`.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Self> {
        headers
            .get(ETAG)
            .and_then(|value| Self::parse(value.as_bytes()))
    }

    /// Weak comparison (§8.8.3.2): the same for what a reader makes of it.
    pub(crate) fn is_like(self, other: Self) -> bool {
        self.opaque == other.opaque
    }

    /// Strong comparison (§8.8.3.2): the same byte for byte.
    pub(crate) fn is(self, other: Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }
}

/// The tags of one line of a list, in which commas may stand inside a tag, up to the first thing
/// that is none.
pub(crate) fn tags(list: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|b| !b" \t,".contains(b))?;
        let (tag, after) = Tag::first(&rest[start..])?;
        let next = after.trim_ascii_start();
        if !next.is_empty() && !next.starts_with(b",") {
            return None;
        }
        rest = next;
        Some(tag)
    })
}

/// Whether two responses are of the same bytes: by their strong tags, else, where neither has a
/// tag, by their strong dates (§8.8.1).
pub(crate) fn same_strong(a: &HeaderMap, b: &HeaderMap, now: Timestamp) -> bool {
    match (Tag::of(a), Tag::of(b)) {
        (Some(a), Some(b)) => a.is(b),
        (None, None) if !a.contains_key(ETAG) && !b.contains_key(ETAG) => {
            let date = strong_date(a, now);
            date.is_some() && date == strong_date(b, now)
        }
        _ => false,
    }
}

/// `Last-Modified`, where it can be read and is strong (§8.8.2.2): made at least a second before
/// the response was, so that nothing can have changed unseen within that second.
pub(crate) fn strong_date(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let modified = dates::field(headers, &LAST_MODIFIED, now)?;
    let made = dates::field(headers, &DATE, now)?;
    (made.since(modified) >= 1000).then_some(modified)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::map;

    #[test]
    fn a_tag_is_quoted() {
        for (text, weak) in [
            ("\"a\"", Some(false)),
            ("\"\"", Some(false)),
            (" \"a,b\" ", Some(false)),
            ("\"\\\"", Some(false)),
            ("W/\"a\"", Some(true)),
            ("w/\"a\"", None),
            ("W\"a\"", None),
            ("W/ \"a\"", None),
            ("a", None),
            ("\"a", None),
            ("a\"", None),
            ("\"a\"b", None),
            ("\"a b\"", Some(false)),
            ("\"a\u{1}b\"", None),
            ("\"", None),
            ("", None),
        ] {
            let tag = Tag::parse(text.as_bytes());
            assert_eq!(tag.map(|tag| tag.weak), weak, "{text}");
        }
        assert!(Tag::parse(b"\"\xfc\"").is_some());
    }

    #[test]
    fn weak_and_strong_comparison_are_those_of_the_rfc() {
        let tag = |text: &'static str| Tag::parse(text.as_bytes()).expect("a tag");
        for (a, b, strong, weak) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ] {
            assert_eq!(tag(a).is(tag(b)), strong, "{a} {b}");
            assert_eq!(tag(a).is_like(tag(b)), weak, "{a} {b}");
        }
    }

    #[test]
    fn a_list_is_read_up_to_what_is_no_tag() {
        for (list, count) in [
            ("", 0),
            (" , ", 0),
            ("\"a\"", 1),
            ("\"a\", W/\"b\",\"c\"", 3),
            (",, \"a\" ,,\"b\",", 2),
            ("\"a,b\", \"c\"", 2),
            ("\"a\" \"b\"", 0),
            ("\"a\", b, \"c\"", 1),
            ("a, \"b\"", 0),
            ("\"a\", \"b", 1),
        ] {
            assert_eq!(tags(list.as_bytes()).count(), count, "{list}");
        }
    }

    #[test]
    fn a_date_is_strong_if_the_response_was_made_a_second_later() {
        let then = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:49:38 GMT";
        let now = Timestamp(784_111_777_000);
        for (lines, strong) in [
            (&[("last-modified", then), ("date", later)][..], true),
            (&[("last-modified", then), ("date", then)], false),
            (&[("last-modified", later), ("date", then)], false),
            (&[("last-modified", then)], false),
            (&[("last-modified", "then"), ("date", later)], false),
        ] {
            let found = strong_date(&map(lines), now);
            assert_eq!(found.is_some(), strong, "{lines:?}");
        }
    }
}
