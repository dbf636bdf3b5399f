//! Names in Redis and scopes of purging, by SHA-256.

use super::RequestKey;
use crate::stamp::{Reach, Scope};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;

/// The prefix of all our names and the salt of all hashes.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    prefix: Arc<str>,
    version: Arc<str>,
}

/// What one request is called in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// `{ns}:api_response:GET:{path hash}:{query hash}[:{variant hash}]`
    pub(crate) primary: String,
    stem: String,
}

impl Namespace {
    pub(crate) fn new(prefix: &str, version: &str) -> Self {
        Self {
            prefix: prefix.into(),
            version: version.into(),
        }
    }

    /// `{ns}:{rest}`
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}:{rest}", self.prefix)
    }

    /// `rest` of `{ns}:{rest}`
    pub(crate) fn strip<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&*self.prefix)?.strip_prefix(':')
    }

    pub(crate) fn names(&self, key: &RequestKey<'_>) -> Names {
        if key.is_function() {
            return self.value(&key.value_name());
        }
        let path = digest(&[b"path", key.authority.as_bytes(), key.path.as_bytes()]);
        let query = query_digest(key);
        let stem = self.name(&format!("api_response:GET:{path}:{query}"));
        let plain = key.extras.is_empty() && self.version.is_empty() && key.depth == 0;
        let primary = match plain {
            true => stem.clone(),
            false => format!("{stem}:{}", self.salted(b"primary", key, &[])),
        };
        Names { primary, stem }
    }

    /// The name of a value, set by hand or computed: `{ns}:{name}`, and the version's hash if there is one.
    pub(crate) fn value(&self, name: &str) -> Names {
        let stem = self.name(name);
        let primary = match &*self.version {
            "" => stem.clone(),
            version => format!("{stem}:{}", digest(&[b"value", version.as_bytes()])),
        };
        Names { primary, stem }
    }

    /// The name of one variant: the extras of the key and the values that `Vary` selected.
    pub(crate) fn variant(&self, names: &Names, key: &RequestKey<'_>, variant: &[u8]) -> String {
        format!("{}:{}", names.stem, self.salted(b"variant", key, variant))
    }

    /// What the stem of a name does not say of a key.
    fn salted(&self, kind: &[u8], key: &RequestKey<'_>, variant: &[u8]) -> String {
        let version = self.version.as_bytes();
        digest(&[kind, version, &[key.depth], &key.extras, variant])
    }
}

/// The scopes by which a URI is purged: its authority, path and query; the same path and
/// query under any authority. They do not depend on the version, so that two releases side
/// by side purge each other's entries.
pub(crate) fn uri_scopes(key: &RequestKey<'_>) -> [Scope; 2] {
    let path = digest(&[b"path", key.authority.as_bytes(), key.path.as_bytes()]);
    let query = query_digest(key);
    let anywhere = digest(&[b"uri", key.path.as_bytes()]);
    [
        key_scope(&path, &query),
        Scope::named(Reach::One, "uri", &format!("{anywhere}:{query}")),
    ]
}

fn query_digest(key: &RequestKey<'_>) -> String {
    match &key.query {
        None => digest(&[b"no query"]),
        Some(query) => digest(&[b"query", query.as_bytes()]),
    }
}

/// 128 bits of SHA-256 over `parts`, each with its length, in hex.
pub(super) fn digest(parts: &[&[u8]]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        sha.update(part);
    }
    let mut hex = String::with_capacity(32);
    for byte in &sha.finalize()[..16] {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// The scope of all that bears a tag.
pub(crate) fn tag_scope(tag: &str) -> Scope {
    Scope::named(Reach::Tag, "tag", tag)
}

/// The scope of a data class.
pub(crate) fn class_scope(class: &str) -> Scope {
    Scope::named(Reach::Broad, "class", class)
}

/// The scope of all results of one function.
pub(crate) fn function_scope(prefix: &str, function: &str) -> Scope {
    let name = digest(&[prefix.as_bytes(), function.as_bytes()]);
    Scope::named(Reach::Broad, "function", &name)
}

/// The scope of all names that begin with `prefix` and a colon.
pub(crate) fn prefix_scope(prefix: &str) -> Scope {
    Scope::named(Reach::Broad, "prefix", prefix)
}

/// The scope of one authority, path and query, whatever method and variant; it can be told
/// from the name of an entry.
pub(crate) fn key_scope(path_hash: &str, query_hash: &str) -> Scope {
    Scope::named(Reach::One, "key", &format!("{path_hash}:{query_hash}"))
}

#[cfg(test)]
mod tests {
    use super::super::KeyRules;
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn names(ns: &Namespace, authority: &str, path: &str, query: Option<&str>) -> Names {
        ns.names(&KeyRules::new().uri.key(authority, path, query))
    }

    #[test]
    fn names_have_the_documented_form() {
        let ns = Namespace::new("nb", "");
        let name = names(&ns, "h", "/a", None).primary;
        let parts: Vec<&str> = name.split(':').collect();
        assert_eq!(parts[..3], ["nb", "api_response", "GET"]);
        assert_eq!(parts.len(), 5);
        assert!(parts[3..].iter().all(|hash| hash.len() == 32));
    }

    #[test]
    fn namespace_and_version_keep_entries_apart() {
        let one = names(&Namespace::new("nb", "1"), "h", "/a", None);
        let two = names(&Namespace::new("nb", "2"), "h", "/a", None);
        assert_ne!(one.primary, two.primary);
        assert_ne!(
            one.primary,
            names(&Namespace::new("x", "1"), "h", "/a", None).primary
        );
    }

    #[test]
    fn a_path_has_one_scope_for_all_authorities_and_one_for_each() {
        let scopes =
            |authority, query| uri_scopes(&KeyRules::new().uri.key(authority, "/p", query));
        let (a, b) = (scopes("a", Some("q")), scopes("b", Some("q")));
        assert_ne!(a[0], b[0]);
        assert_eq!(a[1], b[1]);
        assert_ne!(a[1], scopes("a", None)[1]);
    }

    proptest! {
        #[test]
        fn distinct_requests_never_share_a_name(
            requests in proptest::collection::vec(
                ("[a:/]{0,3}", "[/a:%?2f]{0,4}", proptest::option::of("[/a:%&=]{0,3}")), 2..20),
        ) {
            let ns = Namespace::new("nb", "");
            let mut seen = HashMap::new();
            for request in requests {
                let name = names(&ns, &request.0, &request.1, request.2.as_deref()).primary;
                let first = seen.entry(name).or_insert_with(|| request.clone());
                prop_assert_eq!(&*first, &request);
            }
        }
    }
}
