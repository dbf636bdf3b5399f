//! The middleware: layer, service, future, body, and the way a request takes through them.

mod ask;
mod body;
mod fetch;
mod fill;
mod future;
mod layer;
mod marks;
mod nested;
#[cfg(feature = "axum")]
mod origin;
#[cfg(not(feature = "axum"))]
#[path = "origin_off.rs"]
mod origin;
mod plan;
mod relay;
mod reply;
mod service;

pub use body::{BodyError, CacheBody};
pub use future::ResponseFuture;
pub use layer::CacheLayer;
pub(crate) use marks::Marks;
pub use nested::CacheTtl;
pub use service::CacheService;

use crate::key::RequestKey;
use crate::stamp::Scope;
use crate::store::Moment;
use ::http::{HeaderMap, HeaderName, StatusCode};
use fill::TakeOver;
use relay::Relay;
use std::sync::Arc;

/// What a leader shows its followers once the head of its response is there.
#[derive(Clone)]
pub(crate) struct Shown(Arc<ShownHead>);

struct ShownHead {
    status: StatusCode,
    /// End-to-end fields only.
    headers: HeaderMap,
    vary: Vec<HeaderName>,
    variant: Vec<u8>,
    scopes: Vec<Scope>,
    /// When the fetch began.
    led: Moment,
    relay: Arc<Relay>,
    source: Arc<dyn TakeOver>,
    /// The body's length, where it is known.
    length: Option<u64>,
    received: crate::clock::Timestamp,
}

/// The fetch of a key that is not known to vary, or of one of its variants, is one flight.
fn flight_key(key: &RequestKey<'_>, variant: &[u8]) -> Vec<u8> {
    let mut bytes = key.to_bytes();
    bytes.extend_from_slice(variant);
    bytes
}
