//! The spans that a subscriber sees. One test, for what a process traces is decided once for all
//! its threads.

mod support;

use axum::Router;
use axum::routing::get;
use neuralblitz_cache::CacheLayer;
use std::fmt::Debug;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use support::redis::Redis;
use support::until;
use support::web::{Client, serve};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps the spans of this crate: name, then fields.
#[derive(Clone, Default)]
struct Spans {
    all: Arc<Mutex<Vec<String>>>,
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a string");
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("neuralblitz_cache") && metadata.is_span()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = span.metadata().name().to_owned();
        span.record(&mut Fields(&mut text));
        let mut all = self.all.lock().expect("no panic");
        all.push(text);
        Id::from_u64(all.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut all = self.all.lock().expect("no panic");
        let at = usize::try_from(span.into_u64()).expect("an index") - 1;
        values.record(&mut Fields(&mut all[at]));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_fetch_and_what_redis_does_are_spans_that_hold_no_secret() {
    let redis = Redis::start().await;
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let layer = CacheLayer::new(redis.config().build().expect("a config"));
    let cache = layer.cache();
    let app = Router::new()
        .route("/items/{id}", get(|| async { "an item" }))
        .layer(layer);
    let (served, client) = (serve(app).await, Client::new());
    client.get(&served.url("/items/17?token=secret")).await;
    until("it is stored", async || cache.stats().stored == 1).await;
    let _ = cache
        .purge_uri("/items/17?token=secret")
        .await
        .expect("purged");
    let all = spans.all.lock().expect("no panic").clone();
    let text = all.join("\n");
    let fetch = "cache.fetch otel.kind=\"internal\" http.route=\"/items/{id}\" \
                 cache.reason=\"uri-miss\" cache.refresh=false http.response.status_code=200";
    assert!(all.iter().any(|span| span == fetch), "{text}");
    for operation in ["lookup", "store", "purge"] {
        let span = format!(
            "cache.redis otel.kind=\"client\" db.system.name=\"redis\" db.operation.name=\"{operation}\""
        );
        assert!(all.contains(&span), "{operation}: {text}");
    }
    assert!(!text.contains("17") && !text.contains("secret"), "{text}");
}
