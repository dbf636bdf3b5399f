//! What handlers and inner layers say to the layer that stores.

use crate::cache::Cache;
use http::{Extensions, Response};
use std::sync::Arc;
use std::time::Duration;

/// A response extension: how long this response stays fresh. It wins over every setting and
/// over `Cache-Control`, but not over `no-store`, `private` or the credentials rule. Zero:
/// do not store.
///
/// ```
/// use axum::{Extension, response::IntoResponse};
/// use neuralblitz_cache::CacheTtl;
/// use std::time::Duration;
///
/// async fn handler() -> impl IntoResponse {
///     (Extension(CacheTtl(Duration::from_secs(5))), "for five seconds")
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheTtl(pub Duration);

/// A request extension: a layer of this cache is already at work further out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outer(usize);

impl Outer {
    pub(super) fn of(cache: &Cache) -> Self {
        Self(Arc::as_ptr(&cache.inner).addr())
    }
}

/// A response extension: what inner layers say that matters only once the handler ran.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    pub(super) ttl: Option<Duration>,
    pub(super) override_ttl: Option<Duration>,
    pub(super) class: Option<Arc<str>>,
}

impl Hints {
    /// `self`, and where it is silent, `outer`: the nearest to the handler wins.
    pub(super) fn or(self, outer: &Self) -> Self {
        Self {
            ttl: self.ttl.or(outer.ttl),
            override_ttl: self.override_ttl.or(outer.override_ttl),
            class: self.class.or_else(|| outer.class.clone()),
        }
    }

    pub(super) fn take(extensions: &mut Extensions) -> Self {
        extensions.remove().unwrap_or_default()
    }
}

/// A response extension: an inner layer caches this by rules of its own.
#[derive(Clone, Copy, Debug)]
struct DoNotStore;

pub(super) fn is_declined(extensions: &mut Extensions) -> bool {
    extensions.remove::<DoNotStore>().is_some()
}

/// What an inner layer tells the outer one.
#[derive(Clone, Debug)]
pub(super) enum Tell {
    Hints(Hints),
    DoNotStore,
}

impl Tell {
    pub(super) fn put<B>(self, response: &mut Response<B>) {
        let extensions = response.extensions_mut();
        match self {
            Self::Hints(hints) => {
                let all = Hints::take(extensions).or(&hints);
                extensions.insert(all);
            }
            Self::DoNotStore => {
                extensions.insert(DoNotStore);
            }
        }
    }
}
