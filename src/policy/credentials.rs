//! Which request fields say who is asking.

use crate::key::{KeyRules, cookies, wildcard};
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName};

/// The request fields that count as credentials.
///
/// With one of them present nothing is looked up, waited for or stored, unless the response
/// says `public` or `s-maxage` (RFC 9111 §3.5), or the field is part of the key
/// ([`KeyRules::header`]). The default is `Authorization`, `Proxy-Authorization`, `Cookie`
/// and `X-Api-Key`.
///
/// ```
/// use neuralblitz_cache::Credentials;
///
/// let rule = Credentials::default()
///     .field(http::HeaderName::from_static("x-session"))
///     .ignore_cookies(["_ga*", "theme"]);
/// # let _ = rule;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    fields: Vec<HeaderName>,
    /// A bit for each name, by its length and end: most names of a request are told by it.
    marks: u64,
    ignored_cookies: Vec<String>,
}

impl Default for Credentials {
    fn default() -> Self {
        let api_key = HeaderName::from_static("x-api-key");
        let fields = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, api_key];
        fields.into_iter().fold(Self::none(), Self::field)
    }
}

impl Credentials {
    /// No field counts. Only for answers that are the same for everybody.
    #[must_use]
    pub fn none() -> Self {
        Self {
            fields: Vec::new(),
            marks: 0,
            ignored_cookies: Vec::new(),
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: HeaderName) -> Self {
        self.marks |= mark(&name);
        self.fields.push(name);
        self
    }

    /// Takes a field out: what it holds does not change any answer.
    #[must_use]
    pub fn ignore(mut self, name: &HeaderName) -> Self {
        self.fields.retain(|field| field != name);
        self
    }

    /// Cookies that say nothing about who is asking; `*` at either end of a name stands for
    /// anything. A request whose cookies are all ignored carries no credential by them.
    #[must_use]
    pub fn ignore_cookies<I: IntoIterator<Item: Into<String>>>(mut self, names: I) -> Self {
        self.ignored_cookies
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// The fields that count.
    #[cfg(feature = "yaml")]
    pub(crate) fn fields(&self) -> &[HeaderName] {
        &self.fields
    }

    /// The names of cookies that do not.
    #[cfg(feature = "yaml")]
    pub(crate) fn ignored_cookies(&self) -> &[String] {
        &self.ignored_cookies
    }

    /// Whether `name` may be one of the fields; only those that may be need be looked at.
    #[inline]
    pub(crate) fn may_count(&self, name: &HeaderName) -> bool {
        self.marks & mark(name) != 0
    }

    /// Whether `name` says who is asking. What is part of the key need not be guarded: each
    /// value has entries of its own.
    pub(crate) fn counts(&self, name: &HeaderName, headers: &HeaderMap, key: &KeyRules) -> bool {
        self.fields.contains(name)
            && !key.headers.contains(name)
            && (*name != COOKIE || self.cookie_counts(headers, key))
    }

    fn cookie_counts(&self, headers: &HeaderMap, key: &KeyRules) -> bool {
        let ignored = |name| {
            let mut patterns = self.ignored_cookies.iter();
            patterns.any(|pattern| wildcard(pattern.as_bytes(), name))
        };
        let keyed = |name: &[u8]| key.cookies.iter().any(|cookie| cookie.as_bytes() == name);
        cookies(headers).any(|(name, value)| match name {
            [] => !value.is_empty(),
            _ => !ignored(name) && !keyed(name),
        })
    }
}

/// Several names may have one mark; the fields that count by default share theirs with no field
/// that browsers send.
#[inline]
fn mark(name: &HeaderName) -> u64 {
    let name = name.as_str().as_bytes();
    let end = usize::from(name.last().copied().unwrap_or(0));
    1 << ((name.len() * 7 + end) % 64)
}
