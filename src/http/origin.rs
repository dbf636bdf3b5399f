//! The URI as the client sent it: axum's `nest` strips prefixes, and two nests with equal
//! inner paths must not share a key.

use axum::extract::OriginalUri;
use http::{Request, Uri};

pub(super) fn original_uri<B>(request: &Request<B>) -> &Uri {
    let original = request.extensions().get::<OriginalUri>();
    original.map_or_else(|| request.uri(), |OriginalUri(uri)| uri)
}
