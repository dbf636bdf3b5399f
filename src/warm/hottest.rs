//! Requests that clients of the previous run asked for most.

use super::{Failure, WarmRequest};
use crate::cache::Cache;
use crate::observe::Operation;
use crate::store::Hot;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Uri};

/// What is kept in Redis; nothing without it.
pub(super) async fn ask(cache: Cache, most: usize) -> Result<Vec<WarmRequest>, Failure> {
    let Some(remote) = &cache.inner.store.remote else {
        return Ok(Vec::new());
    };
    let hottest = remote.hottest().await.map_err(|fault| {
        cache.inner.observer.fault(Operation::Hottest, fault);
        fault.to_string()
    })?;
    let requests = hottest.into_iter().filter_map(request);
    Ok(requests.take(most).collect())
}

/// `None`: what stands there is none of ours.
fn request(hot: Hot) -> Option<WarmRequest> {
    let uri: Uri = hot.target.parse().ok()?;
    let mut request = WarmRequest::get(uri);
    if !hot.authority.is_empty() {
        let authority = HeaderValue::from_str(&hot.authority).ok()?;
        request = request.header(HOST, authority);
    }
    for (name, value) in hot.fields {
        let name: HeaderName = name.parse().ok()?;
        request = request.header(name, HeaderValue::from_str(&value).ok()?);
    }
    Some(request)
}
