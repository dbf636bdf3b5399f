//! Purging: what was stored before is never served after.

mod broadcast;
mod events;
mod failures;
mod handlers;
mod order;
mod rules;

pub(crate) use broadcast::hear;
pub use events::{Emitted, EventContext};
pub use failures::{EventError, EventErrorKind, EventFailure, EventFailureKind};
pub use handlers::EventOutcome;
pub(crate) use handlers::Events;
pub use order::Purge;

use crate::cache::Cache;
use crate::error::CacheError;
use crate::stamp::Order;
use crate::store::Applied;

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

impl Purged {
    /// Both: on all instances if each is.
    pub(crate) fn and(self, other: Self) -> Self {
        match self {
            Self::Applied => other,
            Self::Queued => Self::Queued,
        }
    }
}

impl From<Applied> for Purged {
    fn from(applied: Applied) -> Self {
        match applied {
            Applied::At { .. } => Self::Applied,
            Applied::Queued => Self::Queued,
        }
    }
}

impl Cache {
    /// Purges what `purge` says. It costs the same however much that is; memory in Redis is
    /// given back some time after it.
    ///
    /// ```
    /// use neuralblitz_cache::{Cache, CacheConfig, Purge, Purged};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), neuralblitz_cache::CacheError> {
    /// let cache = Cache::new(CacheConfig::default());
    /// let purged = cache.purge(Purge::tags(["state:42", "states"]).soft()).await?;
    /// assert_eq!(purged, Purged::Applied);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidKey`](crate::CacheErrorKind::InvalidKey) or
    /// [`InvalidUri`](crate::CacheErrorKind::InvalidUri): what it names cannot be.
    ///
    /// # Cancel safety
    /// The purge is under way when this is first polled; dropping the future later does not
    /// cancel it.
    pub async fn purge(&self, purge: Purge) -> Result<Purged, CacheError> {
        let order = purge.order(self)?;
        Ok(self.give(&order).await)
    }

    /// Purges everything in this namespace, and nothing outside it. Where it is in force when this
    /// returns is what it returns.
    pub async fn clear(&self) -> Purged {
        self.give(&crate::stamp::Scope::Everything.into()).await
    }

    /// Purges all variants stored under a URI, whatever the method.
    ///
    /// A URI without an authority (`/api/v1/quantum/7?x=1`) stands for that path and query
    /// under every authority; with one (`http://host/path`), for that alone. The query is
    /// part of it: `/a` and `/a?x=1` are two.
    ///
    /// # Errors
    /// [`InvalidUri`](crate::CacheErrorKind::InvalidUri): it cannot be read or its path is not
    /// absolute.
    pub async fn purge_uri(&self, uri: &str) -> Result<Purged, CacheError> {
        self.purge(Purge::uri(uri)).await
    }

    /// Purges all that is stored under URIs that begin so: `/api/v1/quantum/` under every
    /// authority, `http://host/path` under one.
    ///
    /// # Errors
    /// [`InvalidUri`](crate::CacheErrorKind::InvalidUri): it has no absolute path.
    pub async fn purge_prefix(&self, uri: &str) -> Result<Purged, CacheError> {
        self.purge(Purge::prefix(uri)).await
    }

    /// Purges by the name of an entry, `nb:api_response:GET:{path}:{query}[:{variant}]`, with
    /// all its variants; or a value set by hand.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::CacheErrorKind::InvalidKey): the key is empty or names a record of
    /// the cache.
    pub async fn purge_key(&self, key: &str) -> Result<Purged, CacheError> {
        self.purge(Purge::key(key)).await
    }

    /// Purges all that bears a tag ([`CacheTags`](crate::CacheTags)).
    ///
    /// # Errors
    /// [`InvalidKey`](crate::CacheErrorKind::InvalidKey): the tag is empty.
    pub async fn purge_tag(&self, tag: &str) -> Result<Purged, CacheError> {
        self.purge(Purge::tags([tag])).await
    }

    /// Purges all that bears one of these tags, in one step.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::CacheErrorKind::InvalidKey): a tag is empty.
    pub async fn purge_tags<I: IntoIterator<Item: Into<String>>>(
        &self,
        tags: I,
    ) -> Result<Purged, CacheError> {
        self.purge(Purge::tags(tags)).await
    }

    /// Purges all responses of a data class, and all results of functions that are of it.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::CacheErrorKind::InvalidKey): the class is empty.
    pub async fn purge_class(&self, class: &str) -> Result<Purged, CacheError> {
        self.purge(Purge::class(class)).await
    }

    /// Purges all whose name in Redis matches a glob, `nb:quantum_state:*`: `*`, `?`, `[a-z]`,
    /// `[^a]`, and `\` before what is meant as it is. The namespace may be left out.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::CacheErrorKind::InvalidKey): the glob is empty or longer than 1 KiB.
    pub async fn delete_pattern(&self, glob: &str) -> Result<Purged, CacheError> {
        self.purge(Purge::pattern(glob)).await
    }

    /// Under way when this returns; what is returned only waits.
    pub(crate) fn apply(&self, order: &Order) -> impl Future<Output = Applied> + use<> {
        self.start();
        self.inner.store.purge(order)
    }

    /// The same of what may be nothing.
    pub(crate) fn give(&self, order: &Order) -> impl Future<Output = Purged> + use<> {
        let applied = (!order.is_empty()).then(|| self.apply(order));
        async move {
            match applied {
                Some(applied) => applied.await.into(),
                // Nothing is in force everywhere.
                None => Purged::Applied,
            }
        }
    }
}
