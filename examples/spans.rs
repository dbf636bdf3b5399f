//! What the cache does, as OpenTelemetry spans: an exporter prints those of four requests. An app
//! would send them to a collector, with `opentelemetry-otlp` in the place of the printing one.
//!
//! `cargo run --example spans`

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::Request;
use axum::routing::get;
use neuralblitz_cache::{CacheConfig, CacheLayer};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tower::ServiceExt;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(opentelemetry_stdout::SpanExporter::default())
        .build();
    let exported = tracing_opentelemetry::layer().with_tracer(provider.tracer("example"));
    tracing_subscriber::registry().with(exported).init();

    let config = match std::env::var("REDIS_URL") {
        Ok(url) => CacheConfig::builder().redis_url(&url).build()?,
        Err(_) => CacheConfig::default(),
    };
    let layer = CacheLayer::new(config);
    let cache = layer.cache();
    let app = Router::new()
        .route(
            "/quantum/{id}",
            get(|Path(id): Path<u32>| async move { id.to_string() }),
        )
        .layer(layer);
    // Two handler runs, and two hits, which have no spans of their own.
    for uri in ["/quantum/1", "/quantum/2", "/quantum/1", "/quantum/2"] {
        let request = Request::get(uri).body(Body::empty())?;
        let span = tracing::info_span!("request", uri);
        let answer = app.clone().oneshot(request).instrument(span).await?;
        axum::body::to_bytes(answer.into_body(), 1024).await?;
    }
    cache.shutdown().await;
    provider.shutdown()?;
    Ok(())
}
