//! What makes two requests the same: the key of a request, its names in Redis, its scopes.
//!
//! A key is the authority, the original path and the query, and whatever [`KeyRules`] add.
//! In memory keys are found by a hash keyed per process and then compared whole, so that
//! nobody can choose a collision. Only when Redis is asked are SHA-256 names made.

mod cookies;
mod function;
mod names;
mod rules;

pub(crate) use cookies::cookies;
pub(crate) use function::{Arguments, call_name, function_key};
pub(crate) use names::{
    Names, Namespace, class_scope, function_scope, key_scope, prefix_scope, tag_scope, uri_scopes,
};
pub use rules::{KeyRules, RequestView};
pub(crate) use rules::{UriRules, wildcard};

use http::{HeaderMap, HeaderName, Uri};
use std::borrow::Cow;
use std::hash::Hasher;

/// The key of one request, borrowed from it where nothing had to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestKey<'a> {
    /// Lower case; empty where the rules leave it out or the request has none.
    pub(crate) authority: Cow<'a, str>,
    pub(crate) path: Cow<'a, str>,
    /// `None` is not the empty query.
    pub(crate) query: Option<Cow<'a, str>>,
    /// Chosen headers, cookies and the closure's answer, in an encoding that is injective.
    pub(crate) extras: Vec<u8>,
    /// How many layers of the same cache stand further out: each stores by itself.
    pub(crate) depth: u8,
}

/// Bytes in front of a key's parts.
const LENGTHS: usize = 14;

impl RequestKey<'_> {
    /// Whether there is a query, and what it is.
    #[inline]
    fn query(&self) -> (u8, &str) {
        match &self.query {
            None => (0, ""),
            Some(query) => (1, query),
        }
    }

    /// The same key, bound to no request.
    pub(crate) fn into_owned(self) -> RequestKey<'static> {
        RequestKey {
            authority: Cow::Owned(self.authority.into_owned()),
            path: Cow::Owned(self.path.into_owned()),
            query: self.query.map(|query| Cow::Owned(query.into_owned())),
            extras: self.extras,
            depth: self.depth,
        }
    }

    /// The URI that the handler is to see is not the original one: both are part of the key,
    /// for what rewrote it may have looked at anything.
    pub(crate) fn rewritten(&mut self, uri: &Uri) {
        put(&mut self.extras, b"rewritten");
        put(&mut self.extras, uri.path().as_bytes());
        self.extras.push(u8::from(uri.query().is_some()));
        put(&mut self.extras, uri.query().unwrap_or_default().as_bytes());
    }

    /// In clear: authority, path and query.
    pub(crate) fn uri(&self) -> String {
        let mark = if self.query.is_some() { "?" } else { "" };
        format!("{}{}{mark}{}", self.authority, self.path, self.query().1)
    }

    /// The key of a part of what this is the key of: no request has it.
    pub(crate) fn of_part(&self) -> RequestKey<'static> {
        let mut key = self.clone().into_owned();
        put(&mut key.extras, b"part");
        key
    }

    /// The whole key as bytes, to be kept; distinct keys give distinct bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (flag, query) = self.query();
        let parts = [&*self.authority, &*self.path, query];
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let mut bytes = Vec::with_capacity(LENGTHS + len + self.extras.len());
        bytes.extend_from_slice(&[flag, self.depth]);
        for part in parts {
            bytes.extend_from_slice(&length(part.len()));
        }
        for part in parts {
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&self.extras);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) made.
    pub(crate) fn from_bytes(stored: &[u8]) -> Option<RequestKey<'_>> {
        let (lengths, mut rest) = stored.split_first_chunk::<LENGTHS>()?;
        let [flag, depth, ref lengths @ ..] = *lengths;
        let mut parts = lengths.chunks_exact(4).map(|len| {
            let len = u32::from_be_bytes(len.try_into().ok()?) as usize;
            let (part, after) = rest.split_at_checked(len)?;
            rest = after;
            std::str::from_utf8(part).ok()
        });
        let (authority, path, query) = (parts.next()??, parts.next()??, parts.next()??);
        Some(RequestKey {
            authority: authority.into(),
            path: path.into(),
            query: (flag == 1).then(|| query.into()),
            extras: rest.to_vec(),
            depth,
        })
    }

    /// Whether `stored`, made by [`to_bytes`](Self::to_bytes), is this key, all of it.
    #[inline]
    pub(crate) fn matches(&self, stored: &[u8]) -> bool {
        let (flag, query) = self.query();
        let parts = [&*self.authority, &*self.path, query];
        let Some((lengths, mut rest)) = stored.split_first_chunk::<LENGTHS>() else {
            return false;
        };
        if lengths[..2] != [flag, self.depth] {
            return false;
        }
        for (len, part) in lengths[2..].chunks_exact(4).zip(parts) {
            if *len != length(part.len()) || rest.len() < part.len() {
                return false;
            }
            let (first, after) = rest.split_at(part.len());
            if !same(first, part.as_bytes()) {
                return false;
            }
            rest = after;
        }
        rest.len() == self.extras.len() && same(rest, &self.extras)
    }

    /// Feeds the key to a keyed hasher.
    #[inline]
    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        let (flag, query) = self.query();
        // Where one part ends and the next begins; the comparison is what tells keys apart.
        let lengths =
            self.authority.len() ^ self.path.len().rotate_left(16) ^ query.len().rotate_left(32);
        hasher.write_usize(
            lengths ^ usize::from(u16::from_be_bytes([self.depth, flag])).rotate_left(48),
        );
        hasher.write(self.authority.as_bytes());
        hasher.write(self.path.as_bytes());
        hasher.write(query.as_bytes());
        if !self.extras.is_empty() {
            hasher.write(&self.extras);
        }
    }
}

/// Equality of two slices of one length. Keys are short: words are compared, the last of which
/// may overlap the one before it, before a call of the library's comparison has begun.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if let Some(last) = a.last_chunk::<8>() {
        let mut words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
        return Some(last) == b.last_chunk() && words.all(|(a, b)| a == b);
    }
    match (a.first_chunk::<4>(), a.last_chunk::<4>()) {
        (None, None) => a.iter().eq(b),
        ends => ends == (b.first_chunk(), b.last_chunk()),
    }
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}

/// The request fields that a response's `Vary` names, with the values that selected it, in
/// an encoding that is injective: an absent field is not an empty one, and lines are not
/// joined, for a handler may read the first alone.
pub(crate) fn variant_bytes(names: &[HeaderName], headers: &HeaderMap) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        put_field(&mut bytes, name, headers);
    }
    bytes
}

/// The fields that [`variant_bytes`] was made from, line by line; `None`: it was made otherwise.
pub(crate) fn variant_fields(mut variant: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut fields = Vec::new();
    while !variant.is_empty() {
        let name = take(&mut variant)?;
        for _ in 0..take_length(&mut variant)? {
            fields.push((name, take(&mut variant)?));
        }
    }
    Some(fields)
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(bytes)?;
    let (part, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

fn put_field(bytes: &mut Vec<u8>, name: &HeaderName, headers: &HeaderMap) {
    let lines = headers.get_all(name);
    put(bytes, name.as_str().as_bytes());
    bytes.extend_from_slice(&length(lines.iter().count()));
    for line in lines {
        put(bytes, line.as_bytes());
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&length(part.len()));
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn key<'a>(authority: &'a str, path: &'a str, query: Option<&'a str>) -> RequestKey<'a> {
        RequestKey {
            authority: authority.into(),
            path: path.into(),
            query: query.map(Into::into),
            extras: Vec::new(),
            depth: 0,
        }
    }

    #[test]
    fn a_key_matches_itself_alone() {
        let keys = [
            key("a", "/b", None),
            key("a", "/b", Some("")),
            key("a/b", "", None),
            key("a", "/b?", None),
            key("", "a/b", None),
            key("a", "/b", Some("c")),
            key("a", "/bc", Some("")),
            RequestKey {
                extras: vec![0],
                ..key("a", "/b", None)
            },
            RequestKey {
                depth: 1,
                ..key("a", "/b", None)
            },
        ];
        for (i, a) in keys.iter().enumerate() {
            for (j, b) in keys.iter().enumerate() {
                assert_eq!(a.matches(&b.to_bytes()), i == j, "{a:?} {b:?}");
            }
            let bytes = a.to_bytes();
            assert_eq!(RequestKey::from_bytes(&bytes).as_ref(), Some(a));
            assert_eq!(RequestKey::from_bytes(&bytes[..LENGTHS - 1]), None);
        }
    }

    proptest! {
        #[test]
        fn distinct_parts_give_distinct_bytes(
            a in (".{0,6}", "[/%?&=:a\\x00]{0,8}", proptest::option::of("[/%?&=:a]{0,8}"), proptest::collection::vec(any::<u8>(), 0..4)),
            b in (".{0,6}", "[/%?&=:a\\x00]{0,8}", proptest::option::of("[/%?&=:a]{0,8}"), proptest::collection::vec(any::<u8>(), 0..4)),
        ) {
            let make = |p: &(String, String, Option<String>, Vec<u8>)| RequestKey {
                authority: p.0.clone().into(),
                path: p.1.clone().into(),
                query: p.2.clone().map(Into::into),
                extras: p.3.clone(),
                depth: 0,
            }.to_bytes();
            prop_assert_eq!(a == b, make(&a) == make(&b));
        }
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(n, v)| {
                (
                    n.parse::<HeaderName>().expect("a name"),
                    v.parse::<HeaderValue>().expect("a value"),
                )
            })
            .fold(HeaderMap::new(), |mut map, (n, v)| {
                map.append(n, v);
                map
            })
    }

    #[test]
    fn lines_and_empty_items_are_told_apart() {
        let names = [HeaderName::from_static("accept")];
        let sets: [&[(&str, &str)]; 5] = [
            &[("accept", "a,b")],
            &[("accept", "a"), ("accept", "b")],
            &[("accept", ""), ("accept", "a,b")],
            &[("accept", ",a,b")],
            &[("accept", "a, b")],
        ];
        for (i, a) in sets.iter().enumerate() {
            for (j, b) in sets.iter().enumerate() {
                let same = variant_bytes(&names, &headers(a)) == variant_bytes(&names, &headers(b));
                assert_eq!(same, i == j, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn an_absent_field_is_not_an_empty_one() {
        let names = [HeaderName::from_static("accept")];
        let empty = variant_bytes(&names, &headers(&[("accept", "")]));
        assert_ne!(empty, variant_bytes(&names, &HeaderMap::new()));
    }
}
