//! Results of functions, cached by the same machinery as responses: tiers, purges, coalescing,
//! stale windows.
//!
//! ```
//! use neuralblitz_cache::{Cache, CacheConfig};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::new(CacheConfig::default());
//! let user = async |id: u32| {
//!     cache
//!         .function("user_data")
//!         .ttl(Duration::from_secs(3600))
//!         .condition(|name: &String| !name.is_empty())
//!         .call(&id, || async move { format!("user {id}, looked up") })
//!         .await
//! };
//! assert_eq!(user(123).await, "user 123, looked up");
//! assert_eq!(cache.stats().misses, 1);
//! assert_eq!(user(123).await, "user 123, looked up");
//! assert_eq!(cache.stats().local_hits, 1);
//! // On all instances; what is being computed meanwhile is never served after it.
//! let _ = cache.function("user_data").invalidate(&123u32).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is one call
//! A result is stored as `nb:{prefix}:{hash}`. The hash, of SHA-256, is made from the function's
//! [`name`](Function::name), the types of the arguments and their values as serde writes them; the
//! type of the result is part of the entry, and so are the arguments: as they are up to 512 bytes, of
//! longer ones a SHA-256. Fields that serde skips do not count, what `MessagePack` writes alike is
//! one (`None` and `Some(None)`, variants of an untagged enum), and a map whose
//! order is random (`HashMap`) makes a miss of a hit. Structs are encoded with the names of their
//! fields: a result that lacks one, or of another type, is a miss.
//!
//! # What purges what is made of it
//! A response, or the result of another function, that was made from a result is purged with it: by
//! its tags, its class, its prefix, and when it is invalidated; also if the result was stored
//! already. What is asked for in tasks counts if they are started by [`spawn`] or [`carry`]; what a
//! body asks for while it streams does not. Of what is made from more than 256 scopes nothing is
//! stored. [`tag_bubbling`](crate::CacheConfigBuilder::tag_bubbling) switches it off.
//!
//! # What is not stored
//! The `Err` of a [`try_call`](Function::try_call), a `None`, what the
//! [`condition`](Function::condition) refuses, what is larger than `max_body`, cannot be encoded or
//! has more than 64 tags, or tags longer than 256 bytes; and what was made from something stale.
//! After such a result nobody waits for another run of the same call for `hit_for_miss`.

mod builder;
mod call;
mod carry;
mod compute;
mod condition;
mod find;
mod installed;
mod value;

pub use builder::{Call, Function};
pub use call::Detached;
pub use carry::{carry, spawn};
pub use condition::{Always, Condition, If};
pub use installed::{function, get_cache};
pub use value::CacheValue;

use crate::entry::Entry;
use crate::flight::Flights;
use crate::store::Moment;
use serde::Serialize;
use std::sync::Arc;

/// Runs of functions under way.
pub(crate) type Runs = Arc<Flights<Computed>>;

/// What a leader gives its followers.
#[derive(Clone)]
pub(crate) struct Computed {
    entry: Arc<Entry>,
    /// Before it ran.
    led: Moment,
    /// Made from something old.
    old: bool,
}

/// What the macro makes of each argument, so that an error is told where that stands.
#[doc(hidden)]
#[must_use]
pub fn argument<A: Serialize + ?Sized>(argument: &A) -> &A {
    argument
}
