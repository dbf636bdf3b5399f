//! `Cache-Status` (RFC 9211), written for the members that this cache can have.

use bytes::Bytes;
use http::header::Entry;
use http::{HeaderMap, HeaderValue, StatusCode, header::CACHE_STATUS};
use sfv::{BareItem, List, ListEntry, Parser};
use std::fmt::Write;
use std::sync::LazyLock;

/// The name this cache goes by, an sf-token.
pub(crate) const NAME: &str = "neuralblitz-cache";

/// Why a request went forward (§2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// Nothing is stored for this URI.
    UriMiss,
    /// Something is stored, but not for these fields.
    VaryMiss,
    Stale,
    /// The request asked for it.
    Request,
    /// The request carries credentials.
    Bypass,
    /// What is stored is a part, and not all that was asked for.
    Partial,
    /// The method always goes forward.
    Method,
}

impl Forwarded {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
            Self::Bypass => "bypass",
            Self::Partial => "partial",
            Self::Method => "method",
        }
    }
}

/// What became of the response (§2.5, §2.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// It will be stored if it completes.
    pub(crate) stored: bool,
    /// It was fetched together with another request.
    pub(crate) collapsed: bool,
}

/// The member for a response that was forwarded. All are static: nothing is allocated.
pub(crate) fn forwarded(reason: Forwarded, fate: Fate) -> HeaderValue {
    macro_rules! member {
        ($reason:literal) => {
            match (fate.stored, fate.collapsed) {
                (false, false) => concat!("neuralblitz-cache; fwd=", $reason),
                (true, false) => concat!("neuralblitz-cache; fwd=", $reason, "; stored"),
                (false, true) => concat!("neuralblitz-cache; fwd=", $reason, "; collapsed"),
                (true, true) => concat!("neuralblitz-cache; fwd=", $reason, "; stored; collapsed"),
            }
        };
    }
    HeaderValue::from_static(match reason {
        Forwarded::UriMiss => member!("uri-miss"),
        Forwarded::VaryMiss => member!("vary-miss"),
        Forwarded::Stale => member!("stale"),
        Forwarded::Request => member!("request"),
        Forwarded::Bypass => member!("bypass"),
        Forwarded::Partial => member!("partial"),
        Forwarded::Method => member!("method"),
    })
}

/// What a member of ours says of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    /// It was there already, or somebody else was fetching it.
    Found,
    Stored,
    Neither,
}

/// What the last member says, which is that of the cache nearest to the client; `None`: there is
/// none of ours.
pub(crate) fn read(headers: &HeaderMap) -> Option<Became> {
    let line = headers.get_all(CACHE_STATUS).iter().next_back()?;
    let members: List = Parser::new(line.as_bytes()).parse().ok()?;
    let ListEntry::Item(member) = members.last()? else {
        return None;
    };
    if !matches!(&member.bare_item, BareItem::Token(name) if name.as_str() == NAME) {
        return None;
    }
    let says = |what: &str| {
        let mut params = member.params.iter();
        params.any(|(key, value)| key.as_str() == what && *value == BareItem::Boolean(true))
    };
    Some(match (says("hit") || says("collapsed"), says("stored")) {
        (true, _) => Became::Found,
        (false, true) => Became::Stored,
        (false, false) => Became::Neither,
    })
}

/// Puts our member behind those of caches further up (§2).
pub(crate) fn append(headers: &mut HeaderMap, member: HeaderValue) {
    headers.append(CACHE_STATUS, member);
}

/// Names the key of our member, the last (§2.7). What cannot be said in a structured field is left
/// out.
pub(crate) fn name_key(headers: &mut HeaderMap, key: &str) {
    let Entry::Occupied(mut lines) = headers.entry(CACHE_STATUS) else {
        return;
    };
    let Some(line) = lines.iter_mut().last() else {
        return;
    };
    if !key.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return;
    }
    let key = key.replace('\\', "\\\\").replace('"', "\\\"");
    let text = format!("; key=\"{key}\"");
    if let Ok(value) = HeaderValue::from_bytes(&[line.as_bytes(), text.as_bytes()].concat()) {
        *line = value;
    }
}

/// Seconds up to which `Age` and `Cache-Status` of a hit are written beforehand: an hour.
const WRITTEN: usize = 3600;

/// Both fields for every number of seconds up to [`WRITTEN`], made at the first hit: some
/// 430 KiB, so that a hit writes no digit, allocates nothing for them and counts no references.
static LINES: LazyLock<Box<[(HeaderValue, HeaderValue)]>> = LazyLock::new(|| {
    let mut ends = Vec::with_capacity(WRITTEN + 1);
    let mut text = String::new();
    for seconds in 0..=WRITTEN {
        let start = text.len();
        let _ = write!(text, "{NAME}; hit; ttl={seconds}");
        ends.push((start, seconds.to_string().len(), text.len()));
    }
    let text: &'static str = Box::leak(text.into_boxed_str());
    let line = |(start, digits, end): (usize, usize, usize)| {
        let value = |from| HeaderValue::from_static(&text[from..end]);
        (value(end - digits), value(start))
    };
    ends.into_iter().map(line).collect()
});

/// What is written beforehand for so many seconds: as an `Age`, and as the time a hit has left.
#[inline]
pub(crate) fn line(seconds: u64) -> Option<&'static (HeaderValue, HeaderValue)> {
    LINES.get(usize::try_from(seconds).ok()?)
}

/// `Age` and `Cache-Status` of a hit.
#[inline]
pub(crate) fn hit(
    age: u64,
    ttl: u64,
    upstream: Option<&HeaderValue>,
) -> (HeaderValue, HeaderValue) {
    if let Some(upstream) = upstream {
        return hit_behind(age, ttl, upstream);
    }
    let age = match line(age) {
        Some((age, _)) => age.clone(),
        None => HeaderValue::from(age),
    };
    let status = match line(ttl) {
        Some((_, status)) => status.clone(),
        None => value(format!("{NAME}; hit; ttl={ttl}").into()),
    };
    (age, status)
}

/// How an answer that is not simply fresh came to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exception {
    /// Fresh, while Redis is left alone.
    Fallback,
    /// Stale, as the request accepts.
    Accepted,
    /// Stale, while a newer one is fetched.
    WhileRevalidate,
    /// Stale, for the handler failed: with this status, or with none.
    IfError(Option<StatusCode>),
    /// The handler said that it still holds; whether it is stored anew.
    Validated(Forwarded, bool),
}

impl Exception {
    /// Whether the answer may be behind a purge, or is past its lifetime.
    pub(crate) fn is_old(self) -> bool {
        !matches!(self, Self::Validated(..))
    }
}

/// The member of an answer that is not simply fresh; a stale one was fresh until `left` seconds
/// ago, a negative number (§2.5).
pub(crate) fn exceptional(
    exception: Exception,
    left: i64,
    upstream: Option<&HeaderValue>,
) -> HeaderValue {
    let mut status = upstream.map_or(String::new(), |line| {
        format!("{}, ", String::from_utf8_lossy(line.as_bytes()))
    });
    let _ = match exception {
        Exception::Fallback => write!(status, "{NAME}; hit; ttl={left}; detail=fallback"),
        Exception::Accepted => write!(status, "{NAME}; hit; ttl={left}"),
        Exception::WhileRevalidate => {
            write!(
                status,
                "{NAME}; hit; ttl={left}; detail=stale-while-revalidate"
            )
        }
        Exception::IfError(Some(failed)) => write!(
            status,
            "{NAME}; fwd=stale; fwd-status={}; ttl={left}; detail=stale-if-error",
            failed.as_u16()
        ),
        Exception::Validated(reason, stored) => {
            let stored = if stored { "; stored" } else { "" };
            let reason = reason.name();
            write!(
                status,
                "{NAME}; fwd={reason}; fwd-status=304; ttl={left}{stored}"
            )
        }
        Exception::IfError(None) => {
            write!(
                status,
                "{NAME}; fwd=stale; ttl={left}; detail=stale-if-error"
            )
        }
    };
    value(status.into())
}

fn hit_behind(age: u64, ttl: u64, upstream: &HeaderValue) -> (HeaderValue, HeaderValue) {
    let mut status = upstream.as_bytes().to_vec();
    status.extend_from_slice(format!(", {NAME}; hit; ttl={ttl}").as_bytes());
    (HeaderValue::from(age), value(status.into()))
}

fn value(bytes: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(bytes).unwrap_or(HeaderValue::from_static(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &HeaderValue) -> Vec<(String, Vec<(String, String)>)> {
        let list: sfv::List = Parser::new(value.as_bytes()).parse().expect("a list");
        list.into_iter()
            .map(|entry| match entry {
                ListEntry::Item(item) => {
                    let BareItem::Token(name) = item.bare_item else {
                        panic!("the name of a cache is a token")
                    };
                    let params = item
                        .params
                        .iter()
                        .map(|(key, value)| (key.as_str().to_owned(), format!("{value:?}")));
                    (name.as_str().to_owned(), params.collect())
                }
                ListEntry::InnerList(_) => panic!("no inner lists"),
            })
            .collect()
    }

    #[test]
    fn hits_are_structured_fields_at_every_magnitude() {
        for (age, ttl) in [
            (0, 0),
            (3600, 3600),
            (3601, 3601),
            (1, 999_999_999),
            (u64::MAX, u64::MAX),
        ] {
            let (age_value, status) = hit(age, ttl, None);
            assert_eq!(age_value, age.to_string());
            assert_eq!(status, format!("{NAME}; hit; ttl={ttl}"));
        }
        let members = parse(&hit(1, 60, None).1);
        assert_eq!(members[0].0, NAME);
        assert_eq!(members[0].1[0].0, "hit");
        assert_eq!(members[0].1[1].0, "ttl");
    }

    #[test]
    fn members_of_caches_further_up_stand_first() {
        let upstream = HeaderValue::from_static("origin; hit; ttl=3");
        let members = parse(&hit(1, 60, Some(&upstream)).1);
        assert_eq!(members[0].0, "origin");
        assert_eq!(members[1].0, NAME);
    }

    #[test]
    fn the_key_is_that_of_our_own_member() {
        for (key, expected) in [
            ("a/b?c=d", Some("a/b?c=d")),
            ("a/\"b\\", Some("a/\"b\\")),
            ("a/\u{e9}", None),
        ] {
            let mut headers = HeaderMap::new();
            name_key(&mut headers, key);
            assert!(headers.is_empty());
            append(&mut headers, HeaderValue::from_static("origin; hit"));
            append(&mut headers, forwarded(Forwarded::UriMiss, Fate::default()));
            name_key(&mut headers, key);
            let lines: Vec<&HeaderValue> = headers.get_all(CACHE_STATUS).iter().collect();
            assert_eq!(lines[0], "origin; hit");
            let members: sfv::List = Parser::new(lines[1].as_bytes()).parse().expect("a list");
            let [ListEntry::Item(item)] = &members[..] else {
                panic!("one member")
            };
            let named = item.params.get("key").and_then(BareItem::as_string);
            assert_eq!(named.map(sfv::StringRef::as_str), expected);
        }
    }

    #[test]
    fn exceptions_say_what_they_are() {
        let failed = Exception::IfError(Some(StatusCode::BAD_GATEWAY));
        for (exception, params) in [
            (Exception::Fallback, &["hit", "ttl", "detail"][..]),
            (Exception::WhileRevalidate, &["hit", "ttl", "detail"]),
            (failed, &["fwd", "fwd-status", "ttl", "detail"]),
            (Exception::IfError(None), &["fwd", "ttl", "detail"]),
        ] {
            let upstream = HeaderValue::from_static("origin; hit");
            let members = parse(&exceptional(exception, -3, Some(&upstream)));
            assert_eq!(members[0].0, "origin");
            let keys: Vec<&str> = members[1].1.iter().map(|(key, _)| &**key).collect();
            assert_eq!(keys, params, "{exception:?}");
        }
    }

    #[test]
    fn the_last_member_says_what_became_of_an_answer() {
        let stored = "neuralblitz-cache; fwd=uri-miss; stored";
        for (line, became) in [
            ("neuralblitz-cache; hit; ttl=3", Some(Became::Found)),
            (
                "neuralblitz-cache; fwd=stale; collapsed",
                Some(Became::Found),
            ),
            (stored, Some(Became::Stored)),
            ("neuralblitz-cache; fwd=bypass", Some(Became::Neither)),
            (
                "neuralblitz-cache; fwd=miss; stored=?0",
                Some(Became::Neither),
            ),
            ("neuralblitz-cache; key=\"/; hit\"", Some(Became::Neither)),
            ("neuralblitz-cache; hit, other; hit", None),
            (
                "other; hit, neuralblitz-cache; stored",
                Some(Became::Stored),
            ),
            ("no field", None),
        ] {
            let lines = [(CACHE_STATUS, HeaderValue::from_static(line))];
            assert_eq!(read(&lines.into_iter().collect()), became, "{line}");
        }
        let lines = ["neuralblitz-cache; hit", stored].map(HeaderValue::from_static);
        let lines = lines.map(|line| (CACHE_STATUS, line));
        assert_eq!(read(&lines.into_iter().collect()), Some(Became::Stored));
        assert_eq!(read(&HeaderMap::new()), None);
    }

    #[test]
    fn forwards_tell_their_reason_and_fate() {
        let fate = Fate {
            stored: true,
            collapsed: true,
        };
        let members = parse(&forwarded(Forwarded::VaryMiss, fate));
        let keys: Vec<&str> = members[0].1.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["fwd", "stored", "collapsed"]);
    }
}
