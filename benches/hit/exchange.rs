//! The parts of an exchange: a request as a server hands it on, a handler, the layer around it.

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, SERVER, VIA,
};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Empty, Full};
use neuralblitz_cache::{CacheConfig, CacheLayer};
use std::convert::Infallible;
use std::fmt::Debug;
use tower::{Layer, Service, service_fn};

pub(crate) const TAG: &str = "\"0123456789abcdef\"";

pub(crate) type Req = Request<Empty<Bytes>>;

/// A handler that does nothing but answer, with six fields as APIs send them.
pub(crate) fn handler(
    size: usize,
) -> impl Service<Req, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    let body = Bytes::from(vec![b'x'; size]);
    let length = HeaderValue::from(size);
    service_fn(move |_: Req| {
        let mut response = Response::new(Full::new(body.clone()));
        let headers = response.headers_mut();
        headers.reserve(6);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, length.clone());
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=3600"),
        );
        headers.insert(ETAG, HeaderValue::from_static(TAG));
        headers.insert(SERVER, HeaderValue::from_static("hit"));
        headers.insert(VIA, HeaderValue::from_static("1.1 here"));
        std::future::ready(Ok(response))
    })
}

pub(crate) fn cached(
    size: usize,
) -> impl Service<Req, Response: Collected, Error: Debug, Future: Send> {
    let config = CacheConfig::builder().local_bytes(1 << 30).build();
    CacheLayer::new(config.expect("usable")).layer(handler(size))
}

/// A response whose body can be collected.
pub(crate) trait Collected {
    fn collect(self) -> usize;
}

impl<B> Collected for Response<B>
where
    B: hyper::body::Body<Data = Bytes, Error: Debug>,
{
    fn collect(self) -> usize {
        let body = self.into_body().collect().now_or_never();
        let bytes = body.expect("ready").expect("whole").to_bytes();
        bytes.len()
    }
}

/// A server takes the parts of a request from the bytes it has read: no part is copied.
pub(crate) fn exchange<S>(
    service: &mut S,
    method: Method,
    uri: Uri,
    condition: Option<&'static str>,
) -> usize
where
    S: Service<Req, Response: Collected, Error: Debug>,
{
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("localhost:3000"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(condition) = condition {
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static(condition));
    }
    let response = service.call(request).now_or_never().expect("ready");
    response.expect("answered").collect()
}

pub(crate) fn numbered(key: usize) -> Uri {
    Uri::try_from(format!("/item/{key}")).expect("a URI")
}

/// The same URI each time.
pub(crate) fn item() -> Uri {
    Uri::from_static("/item?x=1")
}
