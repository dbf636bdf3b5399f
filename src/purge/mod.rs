//! Purging: what was stored before is never served after.

use crate::cache::Cache;
use crate::error::{CacheError, CacheErrorKind};
use crate::key::{key_scope, uri_scopes};
use crate::stamp::Scope;
use crate::store::Applied;
use http::Uri;

/// Where a purge is in force when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a queued purge is not in force on other instances yet"]
pub enum Purged {
    /// On all instances.
    Applied,
    /// In this process; on the others when Redis has taken it, which is tried until it does,
    /// as long as this process lives.
    Queued,
}

impl From<Applied> for Purged {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::At(_) => Self::Applied,
            Applied::Queued => Self::Queued,
        }
    }
}

impl Cache {
    /// Purges everything in this namespace, in force before it returns. Memory in Redis is
    /// given back as entries expire.
    pub async fn clear(&self) -> Purged {
        self.purge(&[Scope::Everything]).await
    }

    /// Purges all variants stored under a URI, whatever the method.
    ///
    /// A URI without an authority (`/api/v1/quantum/7?x=1`) stands for that path and query
    /// under every authority; with one (`http://host/path`), for that alone. The query is
    /// part of it: `/a` and `/a?x=1` are two.
    ///
    /// # Errors
    /// [`CacheErrorKind::InvalidUri`]: it cannot be read or its path is not absolute.
    ///
    /// # Cancel safety
    /// The purge is under way when this is called; dropping the future does not cancel it.
    pub async fn purge_uri(&self, uri: &str) -> Result<Purged, CacheError> {
        let uri: Uri = uri
            .parse()
            .map_err(|error| CacheError::because(CacheErrorKind::InvalidUri, Box::new(error)))?;
        if !uri.path().starts_with('/') {
            return Err(CacheError::new(CacheErrorKind::InvalidUri));
        }
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let rules = self.inner.known_rules();
        let scopes: Vec<Scope> = rules
            .iter()
            .map(|rules| {
                let key = rules.key(authority.unwrap_or_default(), uri.path(), uri.query());
                let [exact, any_authority] = uri_scopes(&key);
                if authority.is_some() {
                    exact
                } else {
                    any_authority
                }
            })
            .collect();
        Ok(self.purge(&scopes).await)
    }

    /// Purges by the name of an entry, `nb:api_response:GET:{path}:{query}[:{variant}]`, with
    /// all its variants; or a value set by hand.
    ///
    /// # Errors
    /// [`CacheErrorKind::InvalidKey`]: the key is empty or names a record of the cache.
    ///
    /// # Cancel safety
    /// The purge is under way when this is called; dropping the future does not cancel it.
    pub async fn purge_key(&self, key: &str) -> Result<Purged, CacheError> {
        let namespace = &self.inner.store.namespace;
        let name = namespace.strip(key).unwrap_or(key);
        match name.strip_prefix("api_response:") {
            Some(response) => {
                let mut parts = response.split(':').skip(1);
                let (Some(path), Some(query)) = (parts.next(), parts.next()) else {
                    return Err(CacheError::new(CacheErrorKind::InvalidKey));
                };
                Ok(self.purge(&[key_scope(path, query)]).await)
            }
            None => self.delete(key).await,
        }
    }

    pub(crate) fn purge(&self, scopes: &[Scope]) -> impl Future<Output = Purged> + use<> {
        self.start();
        let applied = self.inner.store.purge(scopes);
        async move { applied.await.into() }
    }
}
