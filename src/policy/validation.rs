//! Asking whether what is stored still holds, and what the answer says (RFC 9111 §4.3).

use super::dates;
use super::etag::{Tag, strong_date};
use crate::clock::Timestamp;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// More tags than this are not asked about in one request.
const MAX_TAGS: usize = 16;

/// §4.3.1: whether a response carries what it can be asked about by.
pub(crate) fn has_validator(headers: &HeaderMap) -> bool {
    Tag::of(headers).is_some() || headers.contains_key(LAST_MODIFIED)
}

/// What a conditional request of ours names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The one response alone: a 304 can speak of nothing else.
    pub(crate) alone: bool,
}

/// §4.3.1: makes `request` ask whether `stored`, the response that would answer it, still holds.
/// `others` are the variants stored beside it: the origin may say that one of them is the
/// answer. `None`: there is nothing to ask by, and the request is as it was but for the
/// conditions and ranges of the client, which are answered here.
///
/// Only what the origin gave is sent back: one that gave no `Last-Modified` compares none.
pub(crate) fn ask(
    request: &mut HeaderMap,
    stored: Option<&HeaderMap>,
    others: &[&HeaderMap],
) -> Option<Asked> {
    drop_conditions(request);
    let mut tags: Vec<&[u8]> = Vec::new();
    for headers in stored.iter().chain(others) {
        let line = headers.get(ETAG).map(|tag| tag.as_bytes().trim_ascii());
        let tag = line.filter(|line| Tag::parse(line).is_some());
        if let Some(tag) = tag
            && !tags.contains(&tag)
            && tags.len() < MAX_TAGS
        {
            tags.push(tag);
        }
    }
    let date = stored.and_then(|headers| headers.get(LAST_MODIFIED));
    if tags.is_empty() && date.is_none() {
        return None;
    }
    if let Ok(list) = HeaderValue::from_bytes(&tags.join(&b", "[..]))
        && !tags.is_empty()
    {
        request.insert(IF_NONE_MATCH, list);
    }
    if let Some(date) = date {
        request.insert(IF_MODIFIED_SINCE, date.clone());
    }
    let alone = stored.is_some_and(has_validator) && others.is_empty();
    Some(Asked { alone })
}

/// The client's conditions and ranges: what may be stored must be asked for whole.
pub(crate) fn drop_conditions(request: &mut HeaderMap) {
    for name in [
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_MATCH,
        IF_UNMODIFIED_SINCE,
        IF_RANGE,
        RANGE,
    ] {
        request.remove(name);
    }
}

/// §4.3.4: whether a 304 speaks of the `stored` response. Of several take the newest.
///
/// Its tag decides where both have one, by strong comparison unless it is weak; then
/// `Last-Modified`, which must be strong where the 304 has a tag that is not stored. A 304
/// without either speaks of what was asked about, if that was this one `alone`: the RFC would
/// have it so only where nothing stored has a validator, but handlers send bare 304s.
pub(crate) fn selects(
    stored: &HeaderMap,
    update: &HeaderMap,
    asked: Asked,
    now: Timestamp,
) -> bool {
    match (Tag::of(stored), Tag::of(update)) {
        (Some(tag), Some(of_304)) if of_304.weak => tag.is_like(of_304),
        (Some(tag), Some(of_304)) => tag.is(of_304),
        (None, Some(_)) => same_date(stored, update, now) && strong_date(stored, now).is_some(),
        // No tag, by the grammar, is the same only to the letter.
        (_, None) if update.contains_key(ETAG) => stored.get(ETAG) == update.get(ETAG),
        (_, None) if update.contains_key(LAST_MODIFIED) => same_date(stored, update, now),
        (_, None) => asked.alone,
    }
}

/// The same `Last-Modified`, in whatever form.
fn same_date(a: &HeaderMap, b: &HeaderMap, now: Timestamp) -> bool {
    let date = |headers| dates::field(headers, &LAST_MODIFIED, now);
    match (date(a), date(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => {
            a.contains_key(LAST_MODIFIED) && a.get(LAST_MODIFIED) == b.get(LAST_MODIFIED)
        }
        _ => false,
    }
}

/// What the answer to a HEAD says about a stored answer to GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headed {
    /// It still holds, and its head is to be made new.
    Freshens,
    /// It is another one by now: what is stored is stale.
    Outdates,
    /// Nothing: only a 200 does.
    Nothing,
}

/// §4.3.5: the fields that tell one content from another, where the answer has them, must be
/// those of what is stored, which has `length` bytes. More than the RFC asks: the same coding, and
/// a validator; without one an answer that differs in nothing says nothing.
pub(crate) fn headed(
    status: StatusCode,
    head: &HeaderMap,
    stored: &HeaderMap,
    length: u64,
) -> Headed {
    if status != StatusCode::OK {
        return Headed::Nothing;
    }
    let same = |name| !head.contains_key(&name) || head.get(&name) == stored.get(&name);
    let coded = head.get(CONTENT_ENCODING) == stored.get(CONTENT_ENCODING);
    let long = head.get_all(CONTENT_LENGTH).iter().all(|line| {
        let said = line.to_str().ok().and_then(|said| said.parse().ok());
        said == Some(length)
    });
    let validated = head.contains_key(ETAG) || head.contains_key(LAST_MODIFIED);
    match same(ETAG) && same(LAST_MODIFIED) && coded && long {
        true if validated => Headed::Freshens,
        true => Headed::Nothing,
        false => Headed::Outdates,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::map;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEW: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const NOW: Timestamp = Timestamp(784_111_800_000);

    #[test]
    fn what_is_asked_is_what_was_given() {
        let client = map(&[
            ("if-none-match", "\"mine\""),
            ("if-modified-since", NEW),
            ("if-range", "\"mine\""),
            ("range", "bytes=0-1"),
            ("accept", "a"),
        ]);
        let (tag, date) = (("etag", "W/\"a\""), ("last-modified", OLD));
        let accept = ("accept", "a");
        for (stored, others, expected, alone) in [
            (
                &[tag][..],
                &[][..],
                &[("if-none-match", "W/\"a\"")][..],
                true,
            ),
            (&[date], &[], &[("if-modified-since", OLD)], true),
            (
                &[tag, date],
                &[],
                &[("if-none-match", "W/\"a\""), ("if-modified-since", OLD)],
                true,
            ),
            (
                &[tag],
                &[("etag", "\"b\""), ("etag", "W/\"a\""), ("etag", "c")],
                &[("if-none-match", "W/\"a\", \"b\"")],
                false,
            ),
            (
                &[("etag", "c"), date],
                &[],
                &[("if-modified-since", OLD)],
                true,
            ),
            (
                &[],
                &[("etag", "\"b\""), date],
                &[("if-none-match", "\"b\"")],
                false,
            ),
        ] {
            let mut request = client.clone();
            let others: Vec<_> = others.iter().map(|other| map(&[*other])).collect();
            let others: Vec<_> = others.iter().collect();
            let asked = ask(&mut request, Some(&map(stored)), &others);
            assert_eq!(asked, Some(Asked { alone }), "{stored:?}");
            let mut expected = expected.to_vec();
            expected.push(accept);
            assert_eq!(request, map(&expected));
        }
        for stored in [&[][..], &[("etag", "c")]] {
            let mut request = client.clone();
            assert_eq!(ask(&mut request, Some(&map(stored)), &[]), None);
            assert_eq!(request, map(&[accept]));
        }
    }

    #[test]
    fn a_304_speaks_of_what_has_its_validator() {
        let (strong, weak) = (("etag", "\"a\""), ("etag", "W/\"a\""));
        let (old, new) = (("last-modified", OLD), ("last-modified", NEW));
        let made = ("date", "Sun, 06 Nov 1994 08:49:39 GMT");
        for (stored, update, alone, expected) in [
            (&[strong][..], &[strong][..], false, true),
            (&[strong], &[weak], false, true),
            (&[weak], &[weak], false, true),
            (&[weak], &[strong], true, false),
            (&[strong], &[("etag", "\"b\"")], true, false),
            (&[strong, old, made], &[("etag", "\"b\""), old], true, false),
            (&[strong, old], &[strong, new], false, true),
            (&[old, made], &[strong, old], false, true),
            (&[old, ("date", OLD)], &[strong, old], true, false),
            (&[old, made], &[strong, new], true, false),
            (&[old], &[old], false, true),
            (
                &[old],
                &[("last-modified", "Sun Nov  6 08:49:37 1994")],
                false,
                true,
            ),
            (&[old], &[new], true, false),
            (&[strong], &[old], true, false),
            (&[strong, old], &[old], false, true),
            (&[("etag", "a")], &[("etag", "a")], false, true),
            (&[("etag", "a")], &[("etag", "b")], true, false),
            (&[strong], &[("etag", "a")], true, false),
            (
                &[("last-modified", "x")],
                &[("last-modified", "x")],
                false,
                true,
            ),
            (&[strong], &[], true, true),
            (&[strong], &[], false, false),
            (&[], &[], false, false),
        ] {
            let found = selects(&map(stored), &map(update), Asked { alone }, NOW);
            assert_eq!(found, expected, "{stored:?} {update:?}");
        }
    }

    #[test]
    fn a_head_freshens_what_it_describes_and_outdates_the_rest() {
        use Headed::{Freshens, Nothing, Outdates};
        let stored = map(&[("etag", "\"a\""), ("last-modified", OLD)]);
        for (head, expected) in [
            (&[][..], Nothing),
            (&[("cache-control", "max-age=9"), ("x-a", "1")], Nothing),
            (&[("etag", "\"a\"")], Freshens),
            (&[("etag", "W/\"a\"")], Outdates),
            (&[("last-modified", NEW)], Outdates),
            (&[("content-length", "3")], Nothing),
            (&[("content-length", "3"), ("last-modified", OLD)], Freshens),
            (&[("content-length", "4")], Outdates),
            (&[("content-length", "x")], Outdates),
            (
                &[("content-length", "3"), ("content-length", "4")],
                Outdates,
            ),
            (&[("content-encoding", "gzip")], Outdates),
        ] {
            let found = headed(StatusCode::OK, &map(head), &stored, 3);
            assert_eq!(found, expected, "{head:?}");
        }
        let gone = headed(StatusCode::GONE, &map(&[]), &stored, 3);
        assert_eq!(gone, Nothing);
        let untagged = headed(StatusCode::OK, &map(&[("etag", "\"a\"")]), &map(&[]), 3);
        assert_eq!(untagged, Outdates);
    }
}
