//! The layer around a plain hyper service, over HTTP/1 and HTTP/2, without axum:
//! `cargo run --release --example hyper_server`.
//!
//! `LISTEN` (default `127.0.0.1:3001`; port 0 is any free one) says where it listens.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use neuralblitz_cache::{CacheConfig, CacheLayer};
use std::convert::Infallible;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3001".into());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|e| format!("LISTEN: cannot listen on {address}: {e}"))?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    println!("try twice:");
    println!("  curl -i http://{address}/slow");
    println!("  curl -i --http2-prior-knowledge http://{address}/slow");
    tokio::select! {
        () = serve(listener) => {}
        stop = tokio::signal::ctrl_c() => stop?,
    }
    Ok(())
}

async fn serve(listener: TcpListener) {
    let layer = CacheLayer::new(CacheConfig::default());
    let service = TowerToHyperService::new(layer.layer(service_fn(slow)));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Most likely too many are open; some will be closed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let service = service.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // An error here is a client that broke off, and no affair of the others.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Says how often it has run.
async fn slow(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed) + 1;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let text = format!("computed {run}\n");
    Ok(Response::new(Full::from(text)))
}
