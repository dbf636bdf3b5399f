//! Parts of one representation that make a larger one (RFC 9111 §3.4, RFC 9110 §15.3.7.3).

use super::etag::same_strong;
use super::freshen::freshen;
use super::ranges::{ContentRange, content_range, put_content_range};
use crate::clock::Timestamp;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use std::ops::Range;

/// A response of which some bytes are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    /// Bytes of content, or as many as are to come.
    pub(crate) bytes: u64,
}

impl Held<'_> {
    /// Which bytes they are. `None`: nothing that can be combined, or not as many as it says.
    fn range(&self) -> Option<ContentRange> {
        match self.status {
            StatusCode::OK => Some(ContentRange {
                first: 0,
                last: self.bytes.checked_sub(1)?,
                total: Some(self.bytes),
            }),
            StatusCode::PARTIAL_CONTENT => {
                let range = content_range(self.headers)?;
                (range.bytes() == self.bytes).then_some(range)
            }
            _ => None,
        }
    }
}

/// What a part makes together with what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Combined {
    /// All bytes, without a gap.
    range: ContentRange,
    /// Those of what is stored that go before the part.
    pub(crate) before: Range<usize>,
    /// Those that go behind it.
    pub(crate) after: Range<usize>,
}

impl Combined {
    /// RFC 9110 §15.3.7.3: what is all there is a complete 200.
    pub(crate) fn status(&self) -> StatusCode {
        let ContentRange { first, last, total } = self.range;
        match first == 0 && total == Some(last + 1) {
            true => StatusCode::OK,
            false => StatusCode::PARTIAL_CONTENT,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.range.bytes()
    }

    /// RFC 9111 §3.4: the head of what is stored, made new by that of the part; and which bytes
    /// it is the head of. Its content has a type of its own to tell, as a 304 has not.
    pub(crate) fn head(
        &self,
        stored: &HeaderMap,
        part: &HeaderMap,
        received: Timestamp,
        set_cookie: bool,
    ) -> HeaderMap {
        let mut head = freshen(stored, part, received, set_cookie);
        if let Some(kind) = part.get(CONTENT_TYPE) {
            head.insert(CONTENT_TYPE, kind.clone());
        }
        head.insert(CONTENT_LENGTH, self.bytes().into());
        match self.status() {
            StatusCode::OK => drop(head.remove(CONTENT_RANGE)),
            _ => put_content_range(&mut head, self.range),
        }
        head
    }
}

/// RFC 9111 §3.4: what a part makes together with what is stored. `None`: they may be of
/// different contents, for they do not have the same strong validator, coding and length; or
/// there would be a gap between them, which one `Content-Range` cannot tell.
///
/// A part makes a stored 200 new.
pub(crate) fn combine(stored: &Held<'_>, part: &Held<'_>, now: Timestamp) -> Option<Combined> {
    let coding = |held: &Held<'_>| held.headers.get(CONTENT_ENCODING).cloned();
    let same = same_strong(stored.headers, part.headers, now) && coding(stored) == coding(part);
    let (old, new) = (stored.range()?, part.range()?);
    let range = join(old, new).filter(|_| same)?;
    let at = |byte: u64| usize::try_from(byte.clamp(old.first, old.last + 1) - old.first).ok();
    Some(Combined {
        range,
        before: 0..at(new.first)?,
        after: at(new.last + 1)?..at(old.last + 1)?,
    })
}

/// Two ranges that touch, of representations that may be equally long.
fn join(a: ContentRange, b: ContentRange) -> Option<ContentRange> {
    let total = match (a.total, b.total) {
        (Some(a), Some(b)) if a != b => return None,
        (a, b) => a.or(b),
    };
    let (first, last) = (a.first.min(b.first), a.last.max(b.last));
    let touch = a.first <= b.last.saturating_add(1) && b.first <= a.last.saturating_add(1);
    let fits = last < total.unwrap_or(u64::MAX);
    (touch && fits).then_some(ContentRange { first, last, total })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::map;
    use proptest::prelude::*;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEW: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const NOW: Timestamp = Timestamp(784_111_800_000);

    /// A part with a strong tag.
    fn part(range: &str) -> (HeaderMap, u64) {
        let mut headers = map(&[("etag", "\"a\"")]);
        headers.insert(CONTENT_RANGE, range.parse().expect("a value"));
        let bytes = content_range(&headers).map_or(0, |range| range.last - range.first + 1);
        (headers, bytes)
    }

    fn joined(stored: (StatusCode, &HeaderMap, u64), came: (&HeaderMap, u64)) -> Option<Combined> {
        let (status, headers, bytes) = stored;
        let stored = Held {
            status,
            headers,
            bytes,
        };
        let (headers, bytes) = came;
        let came = Held {
            status: StatusCode::PARTIAL_CONTENT,
            headers,
            bytes,
        };
        combine(&stored, &came, NOW)
    }

    fn of_parts(stored: &str, came: &str) -> Option<Combined> {
        let (stored, came) = (part(stored), part(came));
        let stored = (StatusCode::PARTIAL_CONTENT, &stored.0, stored.1);
        joined(stored, (&came.0, came.1))
    }

    #[test]
    fn parts_that_touch_make_a_larger_one() {
        for (stored, came, expected) in [
            ("bytes 0-4/10", "bytes 5-9/10", Some((0, 9, 0..5, 5..5))),
            ("bytes 5-9/10", "bytes 0-4/10", Some((0, 9, 0..0, 0..5))),
            ("bytes 0-4/10", "bytes 3-6/10", Some((0, 6, 0..3, 5..5))),
            ("bytes 2-8/10", "bytes 4-5/10", Some((2, 8, 0..2, 4..7))),
            ("bytes 4-5/10", "bytes 2-8/10", Some((2, 8, 0..0, 2..2))),
            ("bytes 2-4/10", "bytes 2-4/10", Some((2, 4, 0..0, 3..3))),
            ("bytes 0-4/*", "bytes 5-9/10", Some((0, 9, 0..5, 5..5))),
            ("bytes 0-4/*", "bytes 5-9/*", Some((0, 9, 0..5, 5..5))),
            ("bytes 0-4/10", "bytes 6-9/10", None),
            ("bytes 6-9/10", "bytes 0-4/10", None),
            ("bytes 0-4/10", "bytes 5-9/11", None),
            ("bytes 0-4/10", "bytes 5-10/*", None),
            ("bytes 0-4/10", "bytes 5-9", None),
            ("bytes */10", "bytes 5-9/10", None),
        ] {
            let found = of_parts(stored, came);
            let found = found.map(|all| (all.range.first, all.range.last, all.before, all.after));
            assert_eq!(found, expected, "{stored} {came}");
        }
    }

    #[test]
    fn what_is_all_there_is_a_200() {
        for (stored, came, status) in [
            ("bytes 0-4/10", "bytes 5-9/10", 200),
            ("bytes 0-4/*", "bytes 5-9/10", 200),
            ("bytes 0-4/*", "bytes 5-9/*", 206),
            ("bytes 1-4/10", "bytes 5-9/10", 206),
            ("bytes 0-4/11", "bytes 5-9/11", 206),
        ] {
            let all = of_parts(stored, came).expect("combined");
            assert_eq!(all.status(), status, "{stored} {came}");
        }
    }

    #[test]
    fn a_part_makes_a_stored_whole_new() {
        let whole = map(&[("etag", "\"a\"")]);
        let (came, bytes) = part("bytes 2-4/10");
        let of = |total| joined((StatusCode::OK, &whole, total), (&came, bytes));
        let all = of(10).expect("combined");
        assert_eq!((all.status(), all.bytes()), (StatusCode::OK, 10));
        assert_eq!((all.before, all.after), (0..2, 5..10));
        assert_eq!(of(11), None);
        assert_eq!(of(0), None);
        let found = joined((StatusCode::NOT_FOUND, &whole, 10), (&came, bytes));
        assert_eq!(found, None, "another status is of no representation");
    }

    #[test]
    fn what_came_shorter_or_longer_than_it_says_is_not_combined() {
        let (stored, came) = (part("bytes 0-4/10"), part("bytes 5-9/10"));
        for (held, comes, all) in [(5, 5, true), (4, 5, false), (5, 4, false), (6, 5, false)] {
            let stored = (StatusCode::PARTIAL_CONTENT, &stored.0, held);
            assert_eq!(joined(stored, (&came.0, comes)).is_some(), all);
        }
    }

    #[test]
    fn parts_that_may_be_of_different_contents_are_not_combined() {
        let date = ("last-modified", OLD);
        let gzip = ("content-encoding", "gzip");
        for (stored, came, combined) in [
            (&[("etag", "\"a\"")][..], &[("etag", "\"a\"")][..], true),
            (&[("etag", "\"a\"")], &[("etag", "\"b\"")], false),
            (&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")], false),
            (&[("etag", "\"a\"")], &[], false),
            (&[date, ("date", NEW)], &[date, ("date", NEW)], true),
            (&[date, ("date", OLD)], &[date, ("date", NEW)], false),
            (
                &[date, ("date", NEW)],
                &[date, ("date", NEW), ("etag", "x")],
                false,
            ),
            (&[("etag", "\"a\""), gzip], &[("etag", "\"a\"")], false),
            (&[], &[], false),
        ] {
            let with = |lines, range| {
                let mut headers = map(lines);
                headers.extend(map(&[("content-range", range)]));
                headers
            };
            let (old, new) = (with(stored, "bytes 0-4/10"), with(came, "bytes 5-9/10"));
            let old = (StatusCode::PARTIAL_CONTENT, &old, 5);
            let found = joined(old, (&new, 5));
            assert_eq!(found.is_some(), combined, "{stored:?} {came:?}");
        }
    }

    #[test]
    fn the_head_is_made_new_and_says_which_bytes_there_are() {
        let mut stored = part("bytes 0-4/10").0;
        stored.extend(map(&[
            ("content-length", "5"),
            ("cache-control", "max-age=1"),
            ("x-old", "1"),
            ("content-type", "text/plain"),
            ("age", "9"),
        ]));
        let mut came = part("bytes 5-8/10").0;
        came.extend(map(&[
            ("content-length", "4"),
            ("cache-control", "max-age=2"),
            ("content-type", "text/html"),
            ("date", NEW),
            ("set-cookie", "a=b"),
        ]));
        let all = of_parts("bytes 0-4/10", "bytes 5-8/10").expect("combined");
        let mut expected = map(&[
            ("etag", "\"a\""),
            ("content-range", "bytes 0-8/10"),
            ("content-length", "9"),
            ("cache-control", "max-age=2"),
            ("x-old", "1"),
            ("content-type", "text/html"),
            ("date", NEW),
        ]);
        assert_eq!(all.head(&stored, &came, NOW, false), expected);
        let all = of_parts("bytes 0-4/10", "bytes 5-9/10").expect("combined");
        expected.remove("content-range");
        expected.extend(map(&[("content-length", "10")]));
        assert_eq!(all.head(&stored, &came, NOW, false), expected);
        let unknown = of_parts("bytes 0-4/*", "bytes 5-8/*").expect("combined");
        let head = unknown.head(&stored, &came, NOW, false);
        assert_eq!(head["content-range"], "bytes 0-8/*");
    }

    proptest! {
        #[test]
        fn what_is_spliced_are_the_bytes_of_the_range(
            (a, b) in (0u64..40, 0u64..40),
            (more, other) in (0u64..20, 0u64..20),
        ) {
            let byte = |at: u64| u8::try_from(at).expect("small");
            let bytes = |first, last| (first..=last).map(byte).collect::<Vec<u8>>();
            let (old, new) = ((a, a + more), (b, b + other));
            let line = |(first, last)| format!("bytes {first}-{last}/99");
            match of_parts(&line(old), &line(new)) {
                Some(all) => {
                    let stored = bytes(old.0, old.1);
                    let parts = [
                        &stored[all.before.clone()],
                        &bytes(new.0, new.1),
                        &stored[all.after.clone()],
                    ];
                    prop_assert_eq!(parts.concat(), bytes(all.range.first, all.range.last));
                    prop_assert_eq!(all.range.first, old.0.min(new.0));
                    prop_assert_eq!(all.range.last, old.1.max(new.1));
                }
                None => prop_assert!(old.1 + 1 < new.0 || new.1 + 1 < old.0),
            }
        }
    }
}
