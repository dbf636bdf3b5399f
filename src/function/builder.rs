//! [`Function`]: what is said of a function, and [`Call`]: one call of it.

use super::condition::{Always, If};
use super::installed::get_cache;
use crate::cache::Cache;
use crate::config::Stale;
use crate::error::{CacheError, CacheErrorKind};
use crate::key::{Arguments, call_name, function_scope};
use crate::purge::Purged;
use crate::stamp::Scope;
use crate::values::value_scope;
use serde::Serialize;
use std::borrow::Cow;
use std::time::Duration;

type Text = Cow<'static, str>;

/// A function whose results are cached, and how.
///
/// Made by [`Cache::function`] and [`function`](crate::function()).
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is called"]
pub struct Function<C = Always> {
    /// `None`: the one that is found when it is called.
    pub(super) cache: Option<Cache>,
    pub(super) says: Says,
    pub(super) condition: C,
}

/// What is said of a function.
#[derive(Clone, Debug)]
pub(super) struct Says {
    pub(super) prefix: Text,
    pub(super) name: Text,
    pub(super) ttl: Option<Duration>,
    pub(super) class: Option<Text>,
    pub(super) tags: Vec<String>,
    pub(super) stale: Stale,
    pub(super) store_none: bool,
    pub(super) store_errors: bool,
}

impl Says {
    /// The data class: the prefix, unless another one is named.
    pub(super) fn class(&self) -> &str {
        self.class.as_deref().unwrap_or(&self.prefix)
    }

    /// Whether its results may be stored under that name.
    pub(super) fn is_usable(&self) -> bool {
        !self.prefix.is_empty() && !self.prefix.starts_with('{')
    }
}

impl Function {
    pub(super) fn of(cache: Option<Cache>, prefix: Text) -> Self {
        Self {
            cache,
            says: Says {
                prefix,
                name: Cow::Borrowed(""),
                ttl: None,
                class: None,
                tags: Vec::new(),
                stale: Stale::default(),
                store_none: false,
                store_errors: false,
            },
            condition: Always,
        }
    }
}

impl<C> Function<C> {
    /// Tells it from other functions with the same prefix. Default: empty.
    pub fn name(mut self, name: impl Into<Text>) -> Self {
        self.says.name = name.into();
        self
    }

    /// How long a result is fresh. Default: the TTL of its class. Zero: nothing is stored.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.says.ttl = Some(ttl);
        self
    }

    /// The data class, for its TTL, its stale windows and
    /// [`purge_class`](Cache::purge_class). Default: the prefix; a class without a TTL has
    /// `default_ttl`.
    pub fn class(mut self, class: impl Into<Text>) -> Self {
        self.says.class = Some(class.into());
        self
    }

    /// Tags of this call's result, added to those said before.
    pub fn tags<I: IntoIterator<Item: Into<String>>>(mut self, tags: I) -> Self {
        self.says.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// For how long past its time a result answers while one caller computes a newer one. That
    /// caller waits; see [`detached`](Call::detached). Default: as the class says.
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.says.stale.while_revalidate = Some(window);
        self
    }

    /// For how long past its time a result answers where the function fails. Default: as the class
    /// says.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.says.stale.if_error = Some(window);
        self
    }

    /// Whether a `None` is stored too. Default: false.
    pub fn store_none(mut self, store: bool) -> Self {
        self.says.store_none = store;
        self
    }

    /// Whether the `Err` of a `Result` that [`call`](Self::call) can encode is stored too; those of
    /// [`try_call`](Self::try_call) never are. Default: false.
    pub fn store_errors(mut self, store: bool) -> Self {
        self.says.store_errors = store;
        self
    }

    /// Stores only results for which this holds. It sees what would be stored: of a
    /// [`try_call`](Self::try_call) what is in `Ok`.
    pub fn condition<T, F: Fn(&T) -> bool>(self, condition: F) -> Function<If<F>> {
        Function {
            cache: self.cache,
            says: self.says,
            condition: If(condition),
        }
    }

    /// One call of it.
    pub fn of_arguments<A: Serialize + ?Sized>(self, arguments: &A) -> Call<C> {
        Call {
            arguments: Arguments::of(&self.says.name, arguments).ok(),
            function: self,
        }
    }

    /// Purges the result of one call, on all instances.
    ///
    /// # Errors
    /// [`CacheErrorKind::InvalidKey`]: the arguments cannot be encoded, or the prefix is empty or
    /// begins with `{`. [`CacheErrorKind::NotInstalled`]: there is no cache.
    pub async fn invalidate<A: Serialize + ?Sized>(
        self,
        arguments: &A,
    ) -> Result<Purged, CacheError> {
        self.of_arguments(arguments).invalidate().await
    }

    /// Purges all results of this function, on all instances; it costs the same however many there
    /// are. Other functions with the same prefix keep theirs:
    /// [`delete_pattern`](Cache::delete_pattern) purges them together.
    ///
    /// # Errors
    /// As [`invalidate`](Self::invalidate).
    pub async fn invalidate_all(self) -> Result<Purged, CacheError> {
        let scope = function_scope(&self.says.prefix, &self.says.name);
        self.purge(scope).await
    }

    async fn purge(&self, scope: Scope) -> Result<Purged, CacheError> {
        if !self.says.is_usable() {
            return Err(CacheError::new(CacheErrorKind::InvalidKey));
        }
        let cache = self.cache.clone().or_else(get_cache);
        let cache = cache.ok_or_else(|| CacheError::new(CacheErrorKind::NotInstalled))?;
        Ok(cache.give(&scope.into()).await)
    }
}

/// One call of a [`Function`]: its arguments are known, and no longer borrowed.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is run"]
pub struct Call<C = Always> {
    pub(super) function: Function<C>,
    /// `None`: they cannot be encoded.
    pub(super) arguments: Option<Arguments>,
}

impl<C> Call<C> {
    /// Purges the result of this call, on all instances.
    ///
    /// # Errors
    /// As [`Function::invalidate`].
    pub async fn invalidate(self) -> Result<Purged, CacheError> {
        let arguments = self.arguments.as_ref();
        let arguments = arguments.ok_or_else(|| CacheError::new(CacheErrorKind::InvalidKey))?;
        let name = call_name(&self.function.says.prefix, arguments);
        self.function.purge(value_scope(&name)).await
    }
}
