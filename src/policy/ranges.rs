//! Parts of what is stored (RFC 9110 §14).

use super::dates;
use super::etag::{Tag, strong_date};
use crate::clock::Timestamp;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, DATE, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue};
use std::ops::Range;

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ranged {
    /// All of it, as if there were no `Range`.
    Whole,
    /// 206.
    Part(Part),
    /// 416; all of it has so many bytes.
    NotSatisfiable(u64),
}

/// Some bytes of a whole; both ends count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) total: u64,
}

/// One range of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    From { first: u64, last: u64 },
    Last(u64),
}

/// RFC 9110 §14.2, §13.1.5: which bytes of a stored 200 answer a GET; `total` is its length.
///
/// One range only: several, and whatever cannot be read, are ignored, which is always allowed
/// (§14.2). `If-None-Match` and `If-Modified-Since` come first (§13.2.2), and are answered
/// elsewhere.
pub(crate) fn ranged(
    request: &HeaderMap,
    stored: &HeaderMap,
    total: u64,
    now: Timestamp,
) -> Ranged {
    match wanted(request) {
        Some(wanted) if still_holds(request, stored, now) => select(wanted, total),
        _ => Ranged::Whole,
    }
}

/// RFC 9111 §3.3: which bytes of a stored 206 answer a GET, and where they are in what is `held`
/// of it; `None`: not all that the request names is there.
///
/// A part that came shorter than it says goes as far as it does: counted from its first byte, or,
/// where the last bytes are asked for and it has these, from its last.
pub(crate) fn ranged_of_part(
    request: &HeaderMap,
    stored: &HeaderMap,
    held: u64,
    now: Timestamp,
) -> Option<(Part, Range<usize>)> {
    let ContentRange { first, last, total } = content_range(stored)?;
    let total = total?;
    let wanted = wanted(request).filter(|_| still_holds(request, stored, now))?;
    let Ranged::Part(part) = select(wanted, total) else {
        return None;
    };
    if held > last - first + 1 || part.first < first || part.last > last {
        return None;
    }
    let at = match wanted {
        Wanted::Last(_) => held.checked_sub(part.last - part.first + 1)?..held,
        Wanted::From { .. } => part.first - first..held.min(part.last - first + 1),
    };
    let count = at.end.checked_sub(at.start).filter(|count| *count > 0)?;
    let last = part.first + count - 1;
    let at = usize::try_from(at.start).ok()?..usize::try_from(at.end).ok()?;
    Some((Part { last, ..part }, at))
}

/// §14.1.2: which bytes there are. Of nothing, the last bytes are all of it.
fn select(wanted: Wanted, total: u64) -> Ranged {
    let (first, last) = match wanted {
        Wanted::From { first, last } if first < total => (first, last.min(total - 1)),
        Wanted::Last(count) if count > 0 && total > 0 => (total.saturating_sub(count), total - 1),
        Wanted::Last(count) if count > 0 => return Ranged::Whole,
        _ => return Ranged::NotSatisfiable(total),
    };
    Ranged::Part(Part { first, last, total })
}

/// The one range that a request names; `None` where there is none, or several, or two lines.
fn wanted(request: &HeaderMap) -> Option<Wanted> {
    let mut lines = request.get_all(RANGE).iter();
    let (line, None) = (lines.next()?, lines.next()) else {
        return None;
    };
    let line = line.as_bytes().trim_ascii();
    let set = strip_unit(line, b'=')?;
    let mut specs = set
        .split(|b| *b == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|spec| !spec.is_empty());
    let (spec, None) = (specs.next()?, specs.next()) else {
        return None;
    };
    let dash = spec.iter().position(|b| *b == b'-')?;
    match (&spec[..dash], &spec[dash + 1..]) {
        (b"", count) => Some(Wanted::Last(number(count)?)),
        (first, b"") => Some(Wanted::From {
            first: number(first)?,
            last: u64::MAX,
        }),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Wanted::From { first, last })
        }
    }
}

/// §13.1.5: whether the part that the client has is of what is stored: by strong comparison of
/// tags, or the very `Last-Modified`, if that is strong. Nothing unreadable holds.
fn still_holds(request: &HeaderMap, stored: &HeaderMap, now: Timestamp) -> bool {
    let mut lines = request.get_all(IF_RANGE).iter();
    let Some(line) = lines.next() else {
        return true;
    };
    if lines.next().is_some() {
        return false;
    }
    match Tag::parse(line.as_bytes()) {
        Some(tag) => Tag::of(stored).is_some_and(|stored| stored.is(tag)),
        None => {
            let date = dates::parse(line.as_bytes(), now);
            date.is_some() && date == strong_date(stored, now)
        }
    }
}

/// The name of the unit in any case (§14.1), and what divides it from the rest.
fn strip_unit(text: &[u8], divider: u8) -> Option<&[u8]> {
    let (unit, rest) = text.split_at_checked(5)?;
    let (after, rest) = rest.split_first()?;
    (unit.eq_ignore_ascii_case(b"bytes") && *after == divider).then_some(rest)
}

/// Digits; what is too large is the largest.
fn number(text: &[u8]) -> Option<u64> {
    let add = |n: u64, b: &u8| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        Some(n.saturating_mul(10).saturating_add(digit))
    };
    (!text.is_empty()).then(|| text.iter().try_fold(0, add))?
}

/// `Content-Range` of a 206 (§14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// `None`: `*`, not known yet.
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    pub(crate) fn bytes(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// §14.4: the part that a 206 is. `None` for two lines, for what cannot be read or cannot be.
pub(crate) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    let mut lines = headers.get_all(CONTENT_RANGE).iter();
    let (line, None) = (lines.next()?, lines.next()) else {
        return None;
    };
    let line = strip_unit(line.as_bytes().trim_ascii(), b' ')?;
    let (range, total) = split(line, b'/')?;
    let (first, last) = split(range, b'-')?;
    let (first, last) = (number(first)?, number(last)?);
    let total = match total {
        b"*" => None,
        total => Some(number(total)?),
    };
    let can_be = first <= last && last < total.unwrap_or(u64::MAX);
    can_be.then_some(ContentRange { first, last, total })
}

fn split(text: &[u8], divider: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == divider)?;
    Some((&text[..at], &text[at + 1..]))
}

/// §15.3.7: the head of a 206: that of the whole, and which part it is.
pub(crate) fn head_of_206(stored: &HeaderMap, part: Part) -> HeaderMap {
    let Part { first, last, total } = part;
    let mut head = stored.clone();
    let total = Some(total);
    put_content_range(&mut head, ContentRange { first, last, total });
    head.insert(CONTENT_LENGTH, (last - first + 1).into());
    head
}

/// §15.5.17: the head of a 416: how long the whole is, and nothing of what describes it.
pub(crate) fn head_of_416(stored: &HeaderMap, total: u64) -> HeaderMap {
    let mut head = HeaderMap::new();
    if let Some(date) = stored.get(DATE) {
        head.insert(DATE, date.clone());
    }
    put(&mut head, &format!("bytes */{total}"));
    head.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    head
}

/// §14.4: says which part it is.
pub(super) fn put_content_range(head: &mut HeaderMap, range: ContentRange) {
    let ContentRange { first, last, total } = range;
    let total = total.map_or("*".to_owned(), |total| total.to_string());
    put(head, &format!("bytes {first}-{last}/{total}"));
}

fn put(head: &mut HeaderMap, range: &str) {
    if let Ok(range) = HeaderValue::from_str(range) {
        head.insert(CONTENT_RANGE, range);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::map;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEW: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const NOW: Timestamp = Timestamp(784_111_800_000);

    fn of(total: u64, range: &'static str) -> Ranged {
        ranged(&map(&[("range", range)]), &map(&[]), total, NOW)
    }

    #[test]
    fn one_range_of_bytes_is_answered() {
        let part = |first, last| {
            Ranged::Part(Part {
                first,
                last,
                total: 10,
            })
        };
        for (range, expected) in [
            ("bytes=0-1", part(0, 1)),
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-", part(2, 9)),
            ("bytes=9-", part(9, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-10", part(0, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=5-99", part(5, 9)),
            ("BYTES=1-2", part(1, 2)),
            ("bytes=001-2", part(1, 2)),
            ("bytes= 1-2 ,", part(1, 2)),
            ("bytes=,1-2", part(1, 2)),
            ("bytes=5-99999999999999999999999", part(5, 9)),
            ("bytes=10-", Ranged::NotSatisfiable(10)),
            ("bytes=10-20", Ranged::NotSatisfiable(10)),
            ("bytes=99999999999999999999999-", Ranged::NotSatisfiable(10)),
            ("bytes=-0", Ranged::NotSatisfiable(10)),
        ] {
            assert_eq!(of(10, range), expected, "{range}");
        }
        assert_eq!(of(0, "bytes=0-"), Ranged::NotSatisfiable(0));
        assert_eq!(of(0, "bytes=-1"), Ranged::Whole);
    }

    #[test]
    fn what_is_not_one_readable_range_is_ignored() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=2-1",
            "bytes=0-1,3-4",
            "bytes=0-1,x",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=0x1-2",
            "bytes=--1",
            "bytes=1-2-3",
            "bytes =1-2",
            "lines=1-2",
            "bytes:1-2",
        ] {
            assert_eq!(of(10, range), Ranged::Whole, "{range}");
        }
        let twice = map(&[("range", "bytes=0-1"), ("range", "bytes=0-1")]);
        assert_eq!(ranged(&twice, &map(&[]), 10, NOW), Ranged::Whole);
        assert_eq!(ranged(&map(&[]), &map(&[]), 10, NOW), Ranged::Whole);
    }

    #[test]
    fn a_stored_part_answers_what_it_holds() {
        let stored = map(&[("content-range", "bytes 4-8/10")]);
        let tail = map(&[("content-range", "bytes 5-9/10")]);
        // Says one byte more than came.
        let short = map(&[("content-range", "bytes 4-9/10")]);
        let of = |stored: &HeaderMap, range| {
            let found = ranged_of_part(&map(&[("range", range)]), stored, 5, NOW);
            found.map(|(part, at)| (part.first, part.last, at))
        };
        for (stored, range, expected) in [
            (&stored, "bytes=4-8", Some((4, 8, 0..5))),
            (&stored, "bytes=6-7", Some((6, 7, 2..4))),
            (&stored, "bytes=3-7", None),
            (&stored, "bytes=6-", None),
            (&stored, "bytes=-1", None),
            (&stored, "bytes=20-", None),
            (&tail, "bytes=6-", Some((6, 9, 1..5))),
            (&tail, "bytes=-2", Some((8, 9, 3..5))),
            (&tail, "bytes=-6", None),
            (&short, "bytes=6-8", Some((6, 8, 2..5))),
            (&short, "bytes=6-", Some((6, 8, 2..5))),
            (&short, "bytes=9-", None),
            (&short, "bytes=-5", Some((5, 9, 0..5))),
            (&short, "bytes=-6", None),
        ] {
            assert_eq!(of(stored, range), expected, "{range}");
        }
        let unknown = map(&[("content-range", "bytes 4-8/*")]);
        assert_eq!(of(&unknown, "bytes=4-8"), None);
        let request = map(&[("range", "bytes=4-8"), ("if-range", "\"a\"")]);
        assert_eq!(ranged_of_part(&request, &stored, 5, NOW), None);
        let long = map(&[("content-range", "bytes 4-7/10")]);
        assert_eq!(of(&long, "bytes=4-5"), None);
    }

    #[test]
    fn a_part_is_answered_only_if_it_is_of_what_the_client_has() {
        let stored = [("etag", "\"a\""), ("last-modified", OLD), ("date", NEW)];
        let weak = [("etag", "W/\"a\""), ("last-modified", OLD), ("date", OLD)];
        for (stored, line, part) in [
            (&stored[..], "\"a\"", true),
            (&stored, "W/\"a\"", false),
            (&stored, "\"b\"", false),
            (&stored, OLD, true),
            (&stored, "Sunday, 06-Nov-94 08:49:37 GMT", true),
            (&stored, NEW, false),
            (&stored, "a", false),
            (&stored, "*", false),
            (&stored, "", false),
            (&weak, "W/\"a\"", false),
            (&weak, "\"a\"", false),
            (&weak, OLD, false),
            (&[], OLD, false),
        ] {
            let request = map(&[("range", "bytes=0-1"), ("if-range", line)]);
            let found = ranged(&request, &map(stored), 10, NOW) != Ranged::Whole;
            assert_eq!(found, part, "{line} {stored:?}");
        }
    }

    #[test]
    fn the_range_of_a_206_is_read() {
        let read = |line| content_range(&map(&[("content-range", line)]));
        let range = |first, last, total| Some(ContentRange { first, last, total });
        for (line, expected) in [
            ("bytes 0-4/10", range(0, 4, Some(10))),
            ("Bytes 5-9/10", range(5, 9, Some(10))),
            ("bytes 0-4/*", range(0, 4, None)),
            ("bytes */10", None),
            ("bytes 0-10/10", None),
            ("bytes 4-3/10", None),
            ("bytes 0-4", None),
            ("bytes=0-4/10", None),
            ("bytes  0-4/10", None),
            ("bytes 0-4/10/10", None),
            ("lines 0-4/10", None),
            ("bytes 0-99999999999999999999/*", None),
            ("", None),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
        let twice = [("content-range", "bytes 0-4/10"); 2];
        assert_eq!(content_range(&map(&twice)), None);
    }

    #[test]
    fn heads_of_parts_say_which() {
        let stored = map(&[("date", OLD), ("etag", "\"a\""), ("content-length", "10")]);
        let part = Part {
            first: 2,
            last: 4,
            total: 10,
        };
        let expected = [
            ("date", OLD),
            ("etag", "\"a\""),
            ("content-length", "3"),
            ("content-range", "bytes 2-4/10"),
        ];
        assert_eq!(head_of_206(&stored, part), map(&expected));
        let expected = [
            ("date", OLD),
            ("content-length", "0"),
            ("content-range", "bytes */10"),
        ];
        assert_eq!(head_of_416(&stored, 10), map(&expected));
    }
}
