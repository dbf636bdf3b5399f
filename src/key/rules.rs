//! [`KeyRules`]: which parts of a request belong to its key.

use super::cookies::{cookie, cookies};
use super::{RequestKey, length, put, put_field};
use http::{Extensions, HeaderMap, HeaderName, Method, Uri};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What a closure of a rule sees of a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestView<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The original URI, before any `nest` stripped a prefix.
    pub uri: &'a Uri,
    /// The request's fields.
    pub headers: &'a HeaderMap,
    /// The request's extensions.
    pub extensions: &'a Extensions,
}

type KeyFn = dyn Fn(&RequestView<'_>) -> String + Send + Sync;

/// Which parts of a request make its key.
///
/// The default is the authority, the path and the query as they were sent. Two requests
/// that differ in a part that is left out get one answer: leave out only what your handlers
/// do not read.
///
/// ```
/// use neuralblitz_cache::KeyRules;
///
/// let rules = KeyRules::new()
///     .ignore_authority()
///     .drop_params(["utm_*", "fbclid"])
///     .sort_params()
///     .header(http::header::ACCEPT_LANGUAGE);
/// # let _ = rules;
/// ```
#[derive(Clone, Default)]
pub struct KeyRules {
    pub(crate) uri: UriRules,
    pub(crate) headers: Vec<HeaderName>,
    pub(crate) cookies: Vec<String>,
    pub(crate) with: Option<Arc<KeyFn>>,
}

/// The part of the rules that a purge by URI follows too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UriRules {
    ignore_authority: bool,
    params: Params,
    sort: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Params {
    #[default]
    All,
    Keep(Vec<String>),
    Drop(Vec<String>),
}

impl KeyRules {
    /// Authority, path and query as they were sent.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves the authority (`Host`, `:authority`) out: one entry for all names of the
    /// service. Only for services whose answers do not depend on the name.
    #[must_use]
    pub fn ignore_authority(mut self) -> Self {
        self.uri.ignore_authority = true;
        self
    }

    /// Keeps only the query parameters of these names; `*` at either end of a name stands
    /// for anything. Names are compared percent-decoded. Replaces
    /// [`drop_params`](Self::drop_params).
    #[must_use]
    pub fn keep_params<I: IntoIterator<Item: Into<String>>>(mut self, names: I) -> Self {
        self.uri.params = Params::Keep(names.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves out the query parameters of these names; `*` at either end of a name stands
    /// for anything. Names are compared percent-decoded. Replaces
    /// [`keep_params`](Self::keep_params).
    #[must_use]
    pub fn drop_params<I: IntoIterator<Item: Into<String>>>(mut self, names: I) -> Self {
        self.uri.params = Params::Drop(names.into_iter().map(Into::into).collect());
        self
    }

    /// Orders the query parameters by name; those of one name keep their order.
    #[must_use]
    pub fn sort_params(mut self) -> Self {
        self.uri.sort = true;
        self
    }

    /// Adds a request field to the key. A credential that is in the key no longer keeps
    /// responses from being stored: each value has entries of its own.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.headers.push(name);
        self
    }

    /// Adds a cookie to the key.
    #[must_use]
    pub fn cookie(mut self, name: impl Into<String>) -> Self {
        self.cookies.push(name.into());
        self
    }

    /// Adds what `f` returns to the key, e.g. the tenant. It runs for every request that
    /// may be cached, so it should be quick.
    #[must_use]
    pub fn with(mut self, f: impl Fn(&RequestView<'_>) -> String + Send + Sync + 'static) -> Self {
        self.with = Some(Arc::new(f));
        self
    }

    /// The key of a request whose authority has been found to be `authority`.
    #[inline]
    pub(crate) fn key<'a>(&self, authority: &'a str, input: &RequestView<'a>) -> RequestKey<'a> {
        RequestKey {
            extras: self.extras(input),
            ..self.uri.key(authority, input.uri.path(), input.uri.query())
        }
    }

    #[inline]
    fn extras(&self, input: &RequestView<'_>) -> Vec<u8> {
        if self.headers.is_empty() && self.cookies.is_empty() && self.with.is_none() {
            return Vec::new();
        }
        self.all_extras(input)
    }

    fn all_extras(&self, input: &RequestView<'_>) -> Vec<u8> {
        let mut extras = Vec::new();
        for name in &self.headers {
            put_field(&mut extras, name, input.headers);
        }
        for name in &self.cookies {
            put(&mut extras, name.as_bytes());
            let values = cookies(input.headers).filter_map(|pair| cookie(name, pair));
            let values: Vec<_> = values.collect();
            extras.extend_from_slice(&length(values.len()));
            for value in values {
                put(&mut extras, &value);
            }
        }
        if let Some(with) = &self.with {
            put(&mut extras, with(input).as_bytes());
        }
        extras
    }
}

impl UriRules {
    pub(crate) fn ignores_authority(&self) -> bool {
        self.ignore_authority
    }

    #[inline]
    pub(crate) fn key<'a>(
        &self,
        authority: &'a str,
        path: &'a str,
        query: Option<&'a str>,
    ) -> RequestKey<'a> {
        RequestKey {
            authority: self.authority(authority),
            path: Cow::Borrowed(path),
            query: query.and_then(|query| self.query(query)),
            extras: Vec::new(),
            depth: 0,
        }
    }

    #[inline]
    fn authority<'a>(&self, authority: &'a str) -> Cow<'a, str> {
        if self.ignore_authority {
            Cow::Borrowed("")
        } else if has_uppercase(authority) {
            Cow::Owned(authority.to_ascii_lowercase())
        } else {
            Cow::Borrowed(authority)
        }
    }

    /// `None`: a query of which nothing is kept is no query.
    #[inline]
    fn query<'a>(&self, query: &'a str) -> Option<Cow<'a, str>> {
        match matches!(self.params, Params::All) && !self.sort {
            true => Some(Cow::Borrowed(query)),
            false => self.changed_query(query).map(Cow::Owned),
        }
    }

    fn changed_query(&self, query: &str) -> Option<String> {
        let mut params: Vec<(Vec<u8>, &str)> = query
            .split('&')
            .map(|param| (decoded_name(param.as_bytes()), param))
            .filter(|(name, _)| self.params.keeps(name))
            .collect();
        if params.is_empty() {
            return None;
        }
        if self.sort {
            params.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let params: Vec<&str> = params.into_iter().map(|(_, param)| param).collect();
        Some(params.join("&"))
    }
}

/// Names are short, and hardly ever have one.
#[inline]
fn has_uppercase(name: &str) -> bool {
    let (words, rest) = name.as_bytes().as_chunks::<8>();
    let in_words = words.iter().fold(0, |found, word| {
        // Bytes from `A` on, and bytes past `Z`, get their highest bit; it is put aside before.
        let word = u64::from_ne_bytes(*word);
        let low = word & !HIGHEST;
        found | ((low + HIGHEST - ONES * 0x41) ^ (low + HIGHEST - ONES * 0x5b)) & !word
    });
    in_words & HIGHEST != 0 || rest.iter().any(u8::is_ascii_uppercase)
}

/// The lowest, and the highest, bit of each byte of a word.
const ONES: u64 = u64::MAX / 0xff;
const HIGHEST: u64 = ONES << 7;

impl Params {
    fn keeps(&self, name: &[u8]) -> bool {
        let listed = |names: &[String]| names.iter().any(|p| wildcard(p.as_bytes(), name));
        match self {
            Self::All => true,
            Self::Keep(names) => listed(names),
            Self::Drop(names) => !listed(names),
        }
    }
}

/// `*` at the start, the end or both ends of `pattern` stands for anything.
pub(crate) fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    match pattern {
        [b'*'] => true,
        [b'*', middle @ .., b'*'] => {
            middle.is_empty() || name.windows(middle.len()).any(|w| w == middle)
        }
        [b'*', end @ ..] => name.ends_with(end),
        [start @ .., b'*'] => name.starts_with(start),
        _ => pattern == name,
    }
}

/// The name of `name=value` as a form parser reads it; a name hidden behind percent signs
/// must not slip past the rules.
pub(super) fn decoded_name(param: &[u8]) -> Vec<u8> {
    let name = param.split(|b| *b == b'=').next().unwrap_or_default();
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    rest = after;
                }
                _ => decoded.push(b'%'),
            },
            _ => decoded.push(*first),
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

impl fmt::Debug for KeyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRules")
            .field("uri", &self.uri)
            .field("headers", &self.headers)
            .field("cookies", &self.cookies)
            .field("with", &self.with.as_ref().map(|_| ".."))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(rules: &KeyRules, query: &str) -> String {
        rules.uri.query(query).unwrap_or_default().into_owned()
    }

    #[test]
    fn params_are_dropped_by_pattern() {
        let rules = KeyRules::new().drop_params(["utm_*", "id", "*_x"]);
        assert_eq!(
            query(&rules, "a=1&utm_source=q&id=3&b_x&c=%20"),
            "a=1&c=%20"
        );
    }

    #[test]
    fn a_percent_encoded_name_does_not_slip_past_the_rules() {
        let rules = KeyRules::new().keep_params(["id"]);
        assert_eq!(query(&rules, "%69d=2&x=1"), "%69d=2");
        let rules = KeyRules::new().drop_params(["id"]);
        assert_eq!(query(&rules, "%69D=2&%69d=2&x=1"), "%69D=2&x=1");
    }

    #[test]
    fn sorting_keeps_the_order_of_values_of_one_name() {
        let rules = KeyRules::new().sort_params();
        assert_eq!(query(&rules, "b=1&a=2&a=1"), "a=2&a=1&b=1");
        assert_eq!(query(&rules, "%61=1&a=2"), "%61=1&a=2");
        assert_eq!(query(&rules, "a=2&%61=1"), "a=2&%61=1");
    }

    #[test]
    fn a_query_of_which_nothing_is_kept_is_no_query() {
        let rules = KeyRules::new().drop_params(["utm_*"]);
        let key = |query| rules.uri.key("h", "/", query);
        assert_eq!(key(Some("utm_source=a&utm_medium")), key(None));
        assert_ne!(key(Some("a=1")), key(None));
        assert_ne!(UriRules::default().key("h", "/", Some("")), key(None));
    }

    #[test]
    fn authorities_differ_only_in_more_than_case() {
        let rules = UriRules::default();
        assert_eq!(rules.key("A.b", "/", None), rules.key("a.B", "/", None));
        assert_ne!(rules.key("a", "/", None), rules.key("b", "/", None));
    }

    fn extras(rules: &KeyRules, lines: &[(&str, &str)]) -> Vec<u8> {
        let mut request = http::Request::builder();
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        rules.extras(&RequestView {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        })
    }

    #[test]
    fn chosen_headers_and_cookies_are_told_apart_whatever_they_hold() {
        let rules = KeyRules::new()
            .header(HeaderName::from_static("x-a"))
            .header(HeaderName::from_static("x-b"))
            .cookie("c")
            .cookie("d");
        let sets: [&[(&str, &str)]; 9] = [
            &[],
            &[("x-a", "")],
            &[("x-b", "")],
            &[("x-a", "1"), ("x-b", "2")],
            &[("x-a", "12")],
            &[("cookie", "c=1; d=2")],
            &[("cookie", "c=1; d=2; d=3")],
            &[("cookie", "c=1d=2")],
            &[("cookie", "c=; d=")],
        ];
        for (i, a) in sets.iter().enumerate() {
            for (j, b) in sets.iter().enumerate() {
                assert_eq!(
                    extras(&rules, a) == extras(&rules, b),
                    i == j,
                    "{a:?} {b:?}"
                );
            }
        }
        let other = [("cookie", "e=9; c=1;d=2"), ("x-c", "1")];
        assert_eq!(extras(&rules, &other), extras(&rules, sets[5]));
    }

    proptest! {
        #[test]
        fn sorted_queries_are_equal_iff_each_name_has_the_same_values(
            params in proptest::collection::vec(("[ab]", "[=&%x]{0,2}"), 0..5),
            seed in any::<u64>(),
        ) {
            let join = |p: &[(String, String)]| {
                p.iter().map(|(n, v)| format!("{n}={}", v.replace('&', "%26"))).collect::<Vec<_>>().join("&")
            };
            let mut other = params.clone();
            if !other.is_empty() {
                let at = usize::try_from(seed).unwrap_or(0) % other.len();
                other.rotate_left(at);
            }
            let values = |p: &[(String, String)], name: &str| -> Vec<String> {
                p.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
            };
            let same = ["a", "b"].iter().all(|n| values(&params, n) == values(&other, n));
            let rules = KeyRules::new().sort_params();
            prop_assert_eq!(query(&rules, &join(&params)) == query(&rules, &join(&other)), same);
        }
    }
}
