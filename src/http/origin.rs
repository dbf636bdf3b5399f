//! The URI as the client sent it: axum's `nest` strips prefixes, and two nests with equal
//! inner paths must not share a key. And the pattern that the router matched.

use axum::extract::{MatchedPath, OriginalUri};
use http::{Request, Uri};

pub(super) fn original_uri<B>(request: &Request<B>) -> &Uri {
    let original = request.extensions().get::<OriginalUri>();
    original.map_or_else(|| request.uri(), |OriginalUri(uri)| uri)
}

/// The pattern that the router matched.
pub(super) fn matched_path<B>(request: &Request<B>) -> Option<&str> {
    let matched = request.extensions().get::<MatchedPath>();
    matched.map(MatchedPath::as_str)
}
