//! Instances over one world, asked in process.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::race::{BOUND, KEYS, Rng, STALENESS, World};
use crate::support::web::Answer;
use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::BodyExt;
use neuralblitz_cache::{
    Cache, CacheConfig, CacheConfigBuilder, CacheLayer, CacheService, CacheTags, RedisConfig, Route,
};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

type Handler = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// No handler holds an answer longer than this.
const HOLD: Duration = Duration::from_millis(200);

pub struct Instance {
    pub at: usize,
    pub near: bool,
    pub cache: Cache,
    service: CacheService<Handler>,
}

impl Instance {
    pub fn new(at: usize, near: bool, config: CacheConfig, world: &Arc<World>) -> Self {
        let layer = CacheLayer::new(config);
        let world = world.clone();
        let handler = service_fn(move |request: Request<Body>| {
            let world = world.clone();
            let parts = request.into_parts().0;
            async move { Ok(handle(&world, parts).await) }
        });
        Self {
            at,
            near,
            cache: layer.cache(),
            service: layer.layer(BoxCloneSyncService::new(handler)),
        }
    }

    /// `None`: the answer broke off, as it may if the client of its leader has left.
    pub async fn get(&self, key: usize, variant: &str) -> Option<Answer> {
        let request = Request::get(KEYS[key]).header("x-variant", variant);
        let request = request.body(Body::empty()).expect("a request");
        let answer = self.service.clone().oneshot(request).await;
        let (parts, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
        Some(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.ok()?.to_bytes(),
        })
    }

    /// A client that leaves as soon as it has the head.
    pub async fn glance(&self, key: usize, variant: &str) {
        let request = Request::get(KEYS[key]).header("x-variant", variant);
        let request = request.body(Body::empty()).expect("a request");
        drop(self.service.clone().oneshot(request).await);
    }
}

/// Limits that end within a test.
pub fn config(port: u16) -> CacheConfigBuilder {
    let redis = RedisConfig::new()
        .host("127.0.0.1")
        .port(port)
        .socket_timeout(Duration::from_millis(300));
    CacheConfig::builder()
        .redis(redis)
        .soft_limit(Duration::from_millis(100))
        .circuit_breaker_timeout(Duration::from_millis(500))
        .fallback_staleness(STALENESS)
        .coherence_bound(BOUND)
        .stamp_cells(1024)
        .local_bytes(4 << 20)
        .route(Route::new("/classed/{n}").class("multi_reality"))
}

/// The tags of a key: its own, that of a group, that of all.
pub fn tags(key: usize) -> [String; 3] {
    [
        format!("key:{key}"),
        format!("group:{}", key % 3),
        "all".into(),
    ]
}

/// Reads the version, holds it for a while, and says it.
async fn handle(world: &World, request: Parts) -> Response<Body> {
    let path = request.uri.path_and_query().expect("a path").as_str();
    let key = KEYS.iter().position(|key| *key == path).expect("a key");
    let mut rng = world.run();
    tokio::task::yield_now().await;
    let version = world.version(key);
    if rng.percent(20) {
        world.pass(1 + rng.below(40) as u64, HOLD).await;
    }
    let mut response = Response::builder();
    let variant = request.headers["x-variant"].to_str().expect("text");
    let varies = path.starts_with("/vary");
    if varies {
        response = response.header("vary", "x-variant");
    }
    match key {
        5 => response = response.header("cache-control", "max-age=600, stale-while-revalidate=60"),
        6 => {
            let fields = "max-age=1, stale-while-revalidate=60, stale-if-error=60";
            response = response.header("cache-control", fields);
            if rng.percent(10) {
                response = response.status(500);
            }
        }
        _ => {}
    }
    let text = format!("{key} {} {version}", if varies { variant } else { "-" });
    let body = match rng.percent(20) {
        true => in_pieces(text, &mut rng),
        false => text.into(),
    };
    let mut response = response.body(body).expect("a response");
    response.extensions_mut().insert(CacheTags::new(tags(key)));
    response
}

/// Two frames, the second one after some more turns of other tasks.
fn in_pieces(text: String, rng: &mut Rng) -> Body {
    let turns = rng.below(200);
    let pieces = futures_util::stream::unfold(Some((text, false)), move |state| async move {
        let (text, second) = state?;
        if !second {
            return Some((Ok::<_, Infallible>(Bytes::new()), Some((text, true))));
        }
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        Some((Ok(Bytes::from(text)), None))
    });
    Body::from_stream(pieces)
}
