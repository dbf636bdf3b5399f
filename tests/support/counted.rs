//! A service whose runs are counted, with bodies that a test feeds frame by frame.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::support::until;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use neuralblitz_cache::{BodyError, Cache, CacheBody, CacheConfig, CacheLayer, CacheService};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

pub type Body = UnsyncBoxBody<Bytes, io::Error>;
pub type Handler = BoxCloneSyncService<Request<Empty<Bytes>>, Response<Body>, io::Error>;
pub type Answer = Response<CacheBody<Body>>;

pub fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body that is what the channel brings; ends with it, or breaks on an error.
pub fn streamed(frames: mpsc::UnboundedReceiver<io::Result<&'static str>>) -> Body {
    let frames = tokio_stream::wrappers::UnboundedReceiverStream::new(frames);
    let frames = tokio_stream::StreamExt::map(frames, |text| text.map(|t| Frame::data(t.into())));
    StreamBody::new(frames).boxed_unsync()
}

/// A service whose runs are counted; a run is told its number.
pub struct App {
    pub service: CacheService<Handler>,
    pub cache: Cache,
    pub runs: Arc<AtomicUsize>,
}

impl App {
    pub fn new<F, Fut>(config: CacheConfig, handler: F) -> Self
    where
        F: Fn(usize) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Response<Body>>> + Send + 'static,
    {
        let runs = Arc::new(AtomicUsize::new(0));
        let count = runs.clone();
        let handler = service_fn(move |_: Request<Empty<Bytes>>| {
            handler(count.fetch_add(1, Ordering::SeqCst))
        });
        let layer = CacheLayer::new(config);
        Self {
            cache: layer.cache(),
            service: layer.layer(BoxCloneSyncService::new(handler)),
            runs,
        }
    }

    pub fn local<F, Fut>(handler: F) -> Self
    where
        F: Fn(usize) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Response<Body>>> + Send + 'static,
    {
        Self::new(CacheConfig::default(), handler)
    }

    pub async fn call(&self, headers: &[(&str, &str)]) -> io::Result<Answer> {
        let mut request = Request::builder().method(Method::GET).uri("/item");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).expect("a request");
        self.service.clone().oneshot(request).await
    }

    pub async fn get(&self) -> String {
        text(self.call(&[]).await.expect("answered")).await
    }

    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    pub async fn running(&self, runs: usize) {
        until("the handler runs", async || self.runs() == runs).await;
    }
}

pub async fn text(answer: Answer) -> String {
    let bytes = answer
        .into_body()
        .collect()
        .await
        .expect("whole")
        .to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// The next frame of a body.
pub async fn frame(body: &mut CacheBody<Body>) -> Option<Result<Bytes, BodyError>> {
    let frame = body.frame().await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

pub fn number(run: usize) -> Response<Body> {
    Response::new(full(run.to_string()))
}

/// Polls `first` until `second` is done; says whether `first` was not.
pub async fn pending_while<A: Future + Unpin, B: Future>(first: &mut A, second: B) -> B::Output {
    tokio::select! {
        biased;
        _ = first => panic!("done too early"),
        output = second => output,
    }
}
