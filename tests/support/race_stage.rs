//! One key, its version, and instances whose handlers can be held.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::support::until;
use crate::support::web::Answer;
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::BodyExt;
use neuralblitz_cache::testing::{Fence, without_fence};
use neuralblitz_cache::{
    Cache, CacheBody, CacheConfigBuilder, CacheLayer, CacheService, Mode, Purged,
};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

type Handler = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Where the first run of a handler is held until it is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Nowhere,
    BeforeHead,
    BeforeBody,
}

#[derive(Clone)]
pub struct Stage(Arc<Inner>);

struct Inner {
    without: Option<Fence>,
    held: Held,
    version: AtomicU64,
    runs: AtomicU64,
    open: watch::Sender<bool>,
}

impl Stage {
    /// On which instances lack a fence, or none.
    pub fn without(fence: Option<Fence>, held: Held) -> Self {
        Self(Arc::new(Inner {
            without: fence,
            held,
            version: AtomicU64::new(0),
            runs: AtomicU64::new(0),
            open: watch::Sender::new(held == Held::Nowhere),
        }))
    }

    pub fn instance(&self, config: CacheConfigBuilder) -> Actor {
        let config = config.build().expect("usable");
        let layer = CacheLayer::new(match self.0.without {
            Some(fence) => without_fence(config, fence),
            None => config,
        });
        let stage = self.clone();
        let handler = service_fn(move |_: Request<Body>| {
            let stage = stage.clone();
            async move { Ok(stage.handle().await) }
        });
        Actor {
            cache: layer.cache(),
            service: layer.layer(BoxCloneSyncService::new(handler)),
        }
    }

    async fn handle(self) -> Response<Body> {
        let version = self.0.version.load(Ordering::SeqCst).to_string();
        let first = self.0.runs.fetch_add(1, Ordering::SeqCst) == 0;
        if first && self.0.held == Held::BeforeHead {
            self.let_go().await;
        }
        if !first || self.0.held != Held::BeforeBody {
            return Response::new(version.into());
        }
        let body = async move {
            self.let_go().await;
            Ok::<_, Infallible>(Bytes::from(version))
        };
        Response::new(Body::from_stream(stream::once(body)))
    }

    async fn let_go(&self) {
        let mut open = self.0.open.subscribe();
        open.wait_for(|open| *open).await.expect("the stage stands");
    }

    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    pub async fn has_run(&self) {
        until("a handler runs", async || {
            self.0.runs.load(Ordering::SeqCst) > 0
        })
        .await;
    }

    /// Changes the data: what was answered before is old from the next purge on.
    pub fn change(&self) {
        self.0.version.store(1, Ordering::SeqCst);
    }

    /// Changes the data, and purges it.
    pub async fn purge(&self, by: &Actor) -> Purged {
        self.change();
        by.cache.purge_uri("/x").await.expect("a URI")
    }
}

/// One instance.
#[derive(Clone)]
pub struct Actor {
    pub cache: Cache,
    service: CacheService<Handler>,
}

impl Actor {
    /// The head; the body may be held.
    pub async fn ask(&self) -> Response<CacheBody<Body>> {
        self.ask_for("/x").await
    }

    async fn ask_for(&self, path: &str) -> Response<CacheBody<Body>> {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let answer = self.service.clone().oneshot(request).await;
        answer.unwrap_or_else(|never| match never {})
    }

    pub async fn get(&self) -> Answer {
        read(self.ask().await).await
    }

    pub async fn get_other(&self) -> Answer {
        read(self.ask_for("/other").await).await
    }

    /// Asked for, and in Redis.
    pub async fn stored(&self) {
        assert_eq!(self.get().await.text(), "0");
        until("written", async || self.cache.stats().queued_writes == 0).await;
    }

    pub async fn coherent(&self) {
        until("purges are heard of", async || self.cache.stats().coherent).await;
    }

    /// Asks until it works so.
    pub async fn mode(&self, wanted: Mode) {
        until("it is in this mode", async || {
            self.get_other().await;
            self.cache.stats().mode == wanted
        })
        .await;
    }
}

pub async fn read(response: Response<CacheBody<Body>>) -> Answer {
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.expect("whole").to_bytes(),
    }
}

/// Older than the purge, and served from the cache as if Redis could be asked.
pub fn is_old(answer: &Answer) -> bool {
    answer.text() == "0" && !answer.cache().contains("detail=fallback")
}
