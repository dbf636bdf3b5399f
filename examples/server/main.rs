//! A small API whose slow answers are cached, in memory or in a Redis that instances share:
//! `cargo run --release --example server`.
//!
//! | variable | default | |
//! |---|---|---|
//! | `LISTEN` | `127.0.0.1:3000` | where it listens; port 0 is any free one |
//! | `REDIS_URL` | none: local memory | `redis://[[user]:password@]host[:port][/db]` |
//! | `DEMO_DATA` | `neuralblitz-demo` among the temporary files | the folder of the states, shared by all instances |
//! | `DEMO_WARM` | `on` | `off`: nothing is asked for at start |
//! | `NB_CACHE` | `on` | `off`: the same API without the layer |
//! | `NB_SETTINGS` | none: `examples/server/settings.yaml`, as it was built | a settings file; what is said in variables goes before it |
//! | `NB_CACHE__NEAR_CACHE` | `false` | `true`: hits in local memory without asking Redis, as long as purges of the others are heard of; so for all settings |

mod demo;
mod warm;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use demo::{
    Demo, capabilities, change_quantum, consciousness, me, quantum, quantum_capabilities, reality,
    template,
};
use neuralblitz_cache::{Cache, CacheConfig, CacheLayer, Settings};
use std::env::VarError;
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long requests under way may take to end once the server was asked to stop.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let config = config()?;
    let layer = CacheLayer::new(config.clone().unwrap_or_default());
    let cache = layer.cache();
    let demo = Arc::new(Demo::new(cache.clone())?);
    let (mut app, mut mode) = (app(demo.clone()), "off".to_owned());
    let listener = listen().await?;
    if config.is_some() {
        app = app.layer(layer);
        mode = cache.stats().mode.to_string();
    }
    greet(listener.local_addr()?, &mode);
    if config.is_some() {
        if is_on("DEMO_WARM")? {
            warm::start(&cache, app.clone(), &demo);
        }
        app = app.merge(cache.admin_router());
    }
    let listener = listener.tap_io(|stream| {
        // Without it a short answer may wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
    });
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(stop(cache.clone())) => served?,
        () = async { asked_to_stop().await; tokio::time::sleep(DRAIN_WITHIN).await } => {
            eprintln!("some requests did not end within {DRAIN_WITHIN:?}");
        }
    }
    cache.shutdown().await;
    println!("bye");
    Ok(())
}

fn app(demo: Arc<Demo>) -> Router {
    Router::new()
        .route("/api/v1/capabilities", get(capabilities))
        .route("/api/v1/capabilities/quantum", get(quantum_capabilities))
        .route("/api/v1/quantum/{id}", get(quantum).post(change_quantum))
        .route("/api/v1/reality/{id}", get(reality))
        .route("/api/v1/consciousness", get(consciousness))
        .route("/api/v1/templates/{name}", get(template))
        .route("/api/v1/me", get(me))
        .with_state(demo)
}

/// The settings of the cache; `None`: it is switched off.
fn config() -> Result<Option<CacheConfig>, Box<dyn Error>> {
    if !is_on("NB_CACHE")? {
        return Ok(None);
    }
    let settings = match variable("NB_SETTINGS")? {
        Some(path) => Settings::load(path)?,
        None => Settings::from_yaml(include_str!("settings.yaml"))?,
    };
    Ok(Some(settings.into_config()))
}

/// A switch, on unless it is off.
fn is_on(name: &str) -> Result<bool, String> {
    match variable(name)?.as_deref() {
        None | Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(_) => Err(format!("{name}: must be on or off")),
    }
}

/// A variable of the environment; an empty one is none.
fn variable(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        // Not shown: it may hold a password.
        Err(VarError::NotUnicode(_)) => Err(format!("{name}: must be Unicode")),
    }
}

async fn listen() -> Result<TcpListener, String> {
    let address = variable("LISTEN")?.unwrap_or_else(|| "127.0.0.1:3000".into());
    let listener = TcpListener::bind(&address).await;
    listener.map_err(|e| format!("LISTEN: cannot listen on {address}: {e}"))
}

fn greet(address: SocketAddr, mode: &str) {
    println!("listening on http://{address}");
    println!("mode: {mode}");
    println!("try, the first of them twice:");
    println!("  curl -i http://{address}/api/v1/quantum/7");
    println!("  curl -d '{{\"spin\":\"down\"}}' http://{address}/api/v1/quantum/7");
    println!("  curl -H 'Authorization: Bearer alice' http://{address}/api/v1/me");
    if mode != "off" {
        println!("what the cache does: http://{address}/cache/dashboard");
    }
}

/// Ends when asked to stop. Open dashboards are told so: they would hold the end up.
async fn stop(cache: Cache) {
    asked_to_stop().await;
    tokio::spawn(async move { cache.shutdown().await });
}

/// Ends at Ctrl-C or SIGTERM.
async fn asked_to_stop() {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
