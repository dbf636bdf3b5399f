//! Parts that make a larger one (RFC 9111 §3.3, §3.4).

#![allow(dead_code, reason = "wired in next, where parts are stored")]

use super::etag::same_strong;
use super::ranges::ContentRange;
use crate::clock::Timestamp;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// More pieces than this are not worth keeping.
const MAX_SPANS: usize = 32;

/// Which bytes of a representation are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// First and last byte, both counted; in order, none touching another.
    spans: Vec<(u64, u64)>,
    /// How many there are in all, if that is known.
    total: Option<u64>,
}

impl Known {
    /// Those of one 206.
    pub(crate) fn of(part: ContentRange) -> Self {
        Self {
            spans: vec![(part.first, part.last)],
            total: part.total,
        }
    }

    /// Those of a 200 with so many bytes.
    pub(crate) fn whole(total: u64) -> Self {
        Self {
            spans: total
                .checked_sub(1)
                .map(|last| (0, last))
                .into_iter()
                .collect(),
            total: Some(total),
        }
    }

    /// RFC 9111 §3.3: whether it is all there, and can be used as a 200 would be.
    pub(crate) fn is_whole(&self) -> bool {
        match (self.total, &self.spans[..]) {
            (Some(0), []) => true,
            (Some(total), [(0, last)]) => *last + 1 == total,
            _ => false,
        }
    }

    /// Whether these bytes are all known.
    pub(crate) fn covers(&self, first: u64, last: u64) -> bool {
        let holds = |span: &(u64, u64)| span.0 <= first && last <= span.1;
        first <= last && self.spans.iter().any(holds)
    }

    fn join(&self, other: &Self) -> Option<Self> {
        let total = match (self.total, other.total) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.or(b),
        };
        let mut all = [&self.spans[..], &other.spans].concat();
        all.sort_unstable();
        let mut spans: Vec<(u64, u64)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match spans.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => spans.push((first, last)),
            }
        }
        let end = spans.last().map_or(0, |span| span.1);
        let fits = total.is_none_or(|total| spans.is_empty() || end < total);
        (fits && spans.len() <= MAX_SPANS).then_some(Self { spans, total })
    }
}

/// RFC 9111 §3.4: the bytes that are known when a part comes to what is stored: only if both
/// have the same strong validator, and speak of the same coding and length. `None`: they may be
/// of different contents.
pub(crate) fn combine(
    (stored, known): (&HeaderMap, &Known),
    (update, came): (&HeaderMap, &Known),
    now: Timestamp,
) -> Option<Known> {
    let coding = |head: &HeaderMap| head.get(CONTENT_ENCODING).cloned();
    let same = same_strong(stored, update, now) && coding(stored) == coding(update);
    same.then(|| known.join(came))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::map;
    use proptest::prelude::*;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEW: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const NOW: Timestamp = Timestamp(784_111_800_000);

    fn part(first: u64, last: u64, total: Option<u64>) -> Known {
        Known::of(ContentRange { first, last, total })
    }

    #[test]
    fn parts_of_one_strong_validator_make_a_larger_one() {
        let tag = map(&[("etag", "\"a\"")]);
        let join = |a: &Known, b: &Known| combine((&tag, a), (&tag, b), NOW);
        let ten = Some(10);
        let half = part(0, 4, ten);
        let whole = join(&half, &part(5, 9, None)).expect("joined");
        assert_eq!(whole, Known::whole(10));
        assert!(whole.is_whole());
        let apart = join(&half, &part(7, 9, ten)).expect("joined");
        assert!(!apart.is_whole());
        assert!(apart.covers(1, 4) && apart.covers(7, 7) && !apart.covers(4, 7));
        assert_eq!(join(&apart, &part(3, 8, ten)), Some(Known::whole(10)));
        assert_eq!(join(&half, &part(5, 9, Some(11))), None);
        assert_eq!(join(&part(0, 20, None), &half), None);
        assert!(Known::whole(0).is_whole());
        assert!(!part(0, 4, None).is_whole());
    }

    #[test]
    fn parts_that_may_be_of_different_contents_are_not_joined() {
        let (a, b) = (part(0, 4, Some(10)), part(5, 9, Some(10)));
        let date = ("last-modified", OLD);
        let gzip = ("content-encoding", "gzip");
        for (stored, update, joined) in [
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
            let found = combine((&map(stored), &a), (&map(update), &b), NOW);
            assert_eq!(found.is_some(), joined, "{stored:?} {update:?}");
        }
    }

    proptest! {
        #[test]
        fn a_byte_is_known_if_one_of_the_parts_had_it(
            parts in proptest::collection::vec((0u64..40, 0u64..10), 1..8),
            byte in 0u64..60,
        ) {
            let tag = map(&[("etag", "\"a\"")]);
            let mut known = Known { spans: Vec::new(), total: None };
            for (first, more) in &parts {
                let came = part(*first, first + more, None);
                known = combine((&tag, &known), (&tag, &came), NOW).expect("joined");
            }
            let had = parts.iter().any(|(first, more)| (*first..=first + more).contains(&byte));
            prop_assert_eq!(known.covers(byte, byte), had);
            let apart = known.spans.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0);
            prop_assert!(apart);
        }
    }
}
