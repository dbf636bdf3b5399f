//! [`Purge`]: what is to be purged, and how.

use crate::cache::Cache;
use crate::error::{CacheError, CacheErrorKind};
use crate::key::{class_scope, key_scope, prefix_scope, tag_scope, uri_scopes};
use crate::stamp::{Order, Pattern, Scope};
use crate::values::value_scope;
use http::Uri;

/// Bytes of the longest pattern.
const LONGEST: usize = 1024;

/// What is to be purged. [Softly](Self::soft) purged it is stale and may still be served within
/// its stale windows; else it is gone for these too.
#[derive(Clone, Debug)]
pub struct Purge {
    what: What,
    soft: bool,
}

#[derive(Clone, Debug)]
enum What {
    Everything,
    Uri(String),
    Prefix(String),
    Key(String),
    Tags(Vec<String>),
    Class(String),
    Pattern(String),
}

impl Purge {
    fn of(what: What) -> Self {
        Self { what, soft: false }
    }

    /// Everything in the namespace.
    #[must_use]
    pub fn everything() -> Self {
        Self::of(What::Everything)
    }

    /// All variants stored under a URI; see [`Cache::purge_uri`].
    #[must_use]
    pub fn uri(uri: impl Into<String>) -> Self {
        Self::of(What::Uri(uri.into()))
    }

    /// All URIs that begin so; see [`Cache::purge_prefix`].
    #[must_use]
    pub fn prefix(uri: impl Into<String>) -> Self {
        Self::of(What::Prefix(uri.into()))
    }

    /// One entry or value by its name; see [`Cache::purge_key`].
    #[must_use]
    pub fn key(key: impl Into<String>) -> Self {
        Self::of(What::Key(key.into()))
    }

    /// All that bears one of these tags.
    #[must_use]
    pub fn tags<I: IntoIterator<Item: Into<String>>>(tags: I) -> Self {
        Self::of(What::Tags(tags.into_iter().map(Into::into).collect()))
    }

    /// All responses of a class.
    #[must_use]
    pub fn class(class: impl Into<String>) -> Self {
        Self::of(What::Class(class.into()))
    }

    /// All names that match a glob; see [`Cache::delete_pattern`].
    #[must_use]
    pub fn pattern(glob: impl Into<String>) -> Self {
        Self::of(What::Pattern(glob.into()))
    }

    /// What it covers becomes stale, and may be served within its stale windows until a newer
    /// one is there; never what must be revalidated.
    #[must_use]
    pub fn soft(mut self) -> Self {
        self.soft = true;
        self
    }

    pub(super) fn order(&self, cache: &Cache) -> Result<Order, CacheError> {
        let order = match &self.what {
            What::Everything => Scope::Everything.into(),
            What::Uri(uri) => scopes(uri_order(cache, uri)?),
            What::Prefix(uri) => prefix_order(uri)?,
            What::Key(key) => key_order(cache, key)?,
            What::Tags(tags) => scopes(named(tags, tag_scope)?),
            What::Class(class) => scopes(named(std::slice::from_ref(class), class_scope)?),
            What::Pattern(glob) => pattern_order(cache, glob)?,
        };
        let soft = self.soft;
        Ok(Order { soft, ..order })
    }
}

fn scopes(scopes: Vec<Scope>) -> Order {
    Order {
        scopes,
        ..Order::default()
    }
}

fn invalid_key() -> CacheError {
    CacheError::new(CacheErrorKind::InvalidKey)
}

fn named(names: &[String], scope: fn(&str) -> Scope) -> Result<Vec<Scope>, CacheError> {
    let each = names.iter().map(|name| match name.is_empty() {
        true => Err(invalid_key()),
        false => Ok(scope(name)),
    });
    each.collect()
}

/// By all rules by which layers of this cache read URIs.
fn uri_order(cache: &Cache, uri: &str) -> Result<Vec<Scope>, CacheError> {
    let uri: Uri = uri
        .parse()
        .map_err(|error| CacheError::because(CacheErrorKind::InvalidUri, Box::new(error)))?;
    if !uri.path().starts_with('/') {
        return Err(CacheError::new(CacheErrorKind::InvalidUri));
    }
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let rules = cache.inner.known_rules();
    let scopes = rules.iter().map(|rules| {
        let key = rules.key(authority.unwrap_or_default(), uri.path(), uri.query());
        let [exact, any_authority] = uri_scopes(&key);
        match authority {
            Some(_) => exact,
            None => any_authority,
        }
    });
    Ok(scopes.collect())
}

/// The scheme is no part of a key.
fn prefix_order(uri: &str) -> Result<Order, CacheError> {
    let invalid = || CacheError::new(CacheErrorKind::InvalidUri);
    let rest = uri
        .strip_prefix("http://")
        .or_else(|| uri.strip_prefix("https://"));
    let rest = rest.unwrap_or(uri);
    let at = rest.find('/').ok_or_else(invalid)?;
    let (authority, path) = rest.split_at(at);
    if authority.ends_with(':') || rest.len() > LONGEST {
        return Err(invalid());
    }
    let prefix = format!("{}{path}", authority.to_ascii_lowercase());
    Ok(Pattern::Uris(prefix.into()).into())
}

fn key_order(cache: &Cache, key: &str) -> Result<Order, CacheError> {
    let name = cache.inner.store.namespace.strip(key).unwrap_or(key);
    let Some(response) = name.strip_prefix("api_response:") else {
        return Ok(value_scope(cache.value_name(key)?).into());
    };
    let mut parts = response.split(':').skip(1);
    match (parts.next(), parts.next()) {
        (Some(path), Some(query)) => Ok(key_scope(path, query).into()),
        _ => Err(invalid_key()),
    }
}

/// A glob that is exactly the beginning that a scope stands for needs no pattern.
fn pattern_order(cache: &Cache, glob: &str) -> Result<Order, CacheError> {
    let glob = cache.inner.store.namespace.strip(glob).unwrap_or(glob);
    if glob.is_empty() || glob.len() > LONGEST {
        return Err(invalid_key());
    }
    if glob == "*" {
        return Ok(Scope::Everything.into());
    }
    let plain = |prefix: &&str| !prefix.contains(['*', '?', '[', '\\', ':']);
    Ok(match glob.strip_suffix(":*").filter(plain) {
        Some(prefix) => prefix_scope(prefix).into(),
        None => Pattern::Names(glob.into()).into(),
    })
}
