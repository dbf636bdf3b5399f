//! What the public types are, whatever is built from them.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use neuralblitz_cache::{Cache, CacheBody, CacheConfig, CacheLayer, CacheService, ResponseFuture};
use std::convert::Infallible;
use std::future::Ready;
use std::task::{Context, Poll};
use tower::Service;

/// A handler as small as they come.
#[derive(Clone)]
struct Handler;

type Answer = Result<Response<Full<Bytes>>, Infallible>;

impl Service<Request<Empty<Bytes>>> for Handler {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Ready<Answer> {
        std::future::ready(Ok(Response::new(Full::default())))
    }
}

type Answering = ResponseFuture<Handler, Empty<Bytes>, Full<Bytes>>;

type Object = dyn Service<
        Request<Empty<Bytes>>,
        Response = Response<CacheBody<Full<Bytes>>>,
        Error = Infallible,
        Future = Answering,
    > + Send;

fn is_shared<T: Clone + Send + Sync + 'static>() {}
fn is_sent<T: Send + 'static>() {}

#[test]
fn handles_go_to_any_thread_and_futures_with_them() {
    is_shared::<Cache>();
    is_shared::<CacheLayer>();
    is_shared::<CacheConfig>();
    is_shared::<CacheService<Handler>>();
    is_sent::<CacheBody<Full<Bytes>>>();
    is_sent::<Answering>();
}

#[test]
fn a_future_is_hardly_larger_than_a_response() {
    let (future, response) = (size_of::<Answering>(), size_of::<Response<Full<Bytes>>>());
    assert!(future <= response + 32, "{future} and {response}");
    let (body, handlers) = (
        size_of::<CacheBody<Full<Bytes>>>(),
        size_of::<Full<Bytes>>(),
    );
    assert!(body <= handlers + 8, "{body} and {handlers}");
}

#[test]
fn a_service_can_be_an_object() {
    let service = CacheLayer::new(CacheConfig::default());
    let service = tower::Layer::layer(&service, Handler);
    let object: Box<Object> = Box::new(service);
    drop(object);
}
