//! Without the feature `axum` the URI is the request's own.

use http::{Request, Uri};

pub(super) fn original_uri<B>(request: &Request<B>) -> &Uri {
    request.uri()
}

pub(super) fn matched_path<B>(_: &Request<B>) -> Option<&str> {
    None
}
