//! A small API whose slow answers are cached, in memory or in a Redis that instances share:
//! `cargo run --release --example server`.
//!
//! | variable | default | |
//! |---|---|---|
//! | `LISTEN` | `127.0.0.1:3000` | where it listens; port 0 is any free one |
//! | `REDIS_URL` | none: local memory | `redis://[[user]:password@]host[:port][/db]` |
//! | `DEMO_DATA` | `neuralblitz-demo` among the temporary files | the folder of the states, shared by all instances |
//! | `NB_CACHE` | `on` | `off`: the same API without the layer |
//! | `NB_CACHE__NEAR_CACHE` | `false` | `true`: hits in local memory without asking Redis, as long as purges of the others are heard of |

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::routing::get;
use axum::{Json, Router, serve::ListenerExt};
use neuralblitz_cache::{Cache, CacheConfig, CacheLayer, KeyRules, Purged, Route};
use serde_json::{Map, Value, json};
use std::env::VarError;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// How long requests under way may take to end once the server was asked to stop.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

type Object = Map<String, Value>;
type Answer = axum::response::Result<Json<Value>>;

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
    let app = app(Demo::new(cache.clone())?);
    let (app, mode) = match config {
        Some(_) => (app.layer(layer), cache.stats().mode.to_string()),
        None => (app, "off".to_owned()),
    };
    let listener = listen().await?;
    greet(listener.local_addr()?, &mode);
    let listener = listener.tap_io(|stream| {
        // Without it a short answer may wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
    });
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(asked_to_stop()) => served?,
        () = async { asked_to_stop().await; tokio::time::sleep(DRAIN_WITHIN).await } => {
            eprintln!("some requests did not end within {DRAIN_WITHIN:?}");
        }
    }
    cache.shutdown().await;
    println!("bye");
    Ok(())
}

fn app(demo: Demo) -> Router {
    Router::new()
        .route("/api/v1/capabilities", get(capabilities))
        .route("/api/v1/quantum/{id}", get(quantum).post(change_quantum))
        .route("/api/v1/reality/{id}", get(reality))
        .route("/api/v1/consciousness", get(consciousness))
        .route("/api/v1/me", get(me))
        .with_state(Arc::new(demo))
}

/// The settings of the cache; `None`: it is switched off.
fn config() -> Result<Option<CacheConfig>, String> {
    match variable("NB_CACHE")?.as_deref() {
        None | Some("on") => {}
        Some("off") => return Ok(None),
        Some(_) => return Err("NB_CACHE: must be on or off".into()),
    }
    let class = |path, class| Route::new(path).class(class);
    let builder = CacheConfig::builder()
        // Each instance has a name of its own, and no handler reads the query.
        .key(KeyRules::new().ignore_authority().drop_params(["*"]))
        // The classes have the TTLs: 1 h, 5 min, 10 min, 3 min.
        .route(class("/api/v1/capabilities", "capabilities"))
        .route(class("/api/v1/quantum/{id}", "quantum_state"))
        .route(class("/api/v1/reality/{id}", "multi_reality"))
        .route(class("/api/v1/consciousness", "consciousness"));
    let builder = match variable("REDIS_URL")? {
        Some(url) => builder.redis_url(&url),
        None => builder,
    };
    let near = match variable("NB_CACHE__NEAR_CACHE")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err("NB_CACHE__NEAR_CACHE: must be true or false".into()),
    };
    let config = builder.near_cache(near).build();
    config.map(Some).map_err(|e| format!("REDIS_URL: {e}"))
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

struct Demo {
    cache: Cache,
    data: PathBuf,
    /// Tells this process from all others.
    instance: String,
    /// How often the handlers ran.
    computed: AtomicU64,
    changes: AtomicU64,
}

impl Demo {
    fn new(cache: Cache) -> Result<Self, String> {
        let data = variable("DEMO_DATA")?.map_or_else(
            || std::env::temp_dir().join("neuralblitz-demo"),
            PathBuf::from,
        );
        std::fs::create_dir_all(&data)
            .map_err(|e| format!("DEMO_DATA: cannot make {}: {e}", data.display()))?;
        Ok(Self {
            cache,
            data,
            instance: format!("{:016x}", RandomState::new().hash_one(0)),
            computed: AtomicU64::new(0),
            changes: AtomicU64::new(0),
        })
    }

    /// What a handler says after so many milliseconds of hard work.
    async fn compute(&self, ms: u64, answer: Value) -> Json<Value> {
        let computed = self.computed.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.sign(answer, computed)
    }

    fn sign(&self, mut answer: Value, computed: u64) -> Json<Value> {
        answer["computed"] = computed.into();
        answer["instance"] = self.instance.as_str().into();
        Json(answer)
    }

    fn file(&self, id: &str) -> PathBuf {
        self.data.join(format!("{id}.json"))
    }

    async fn read(&self, id: &str) -> io::Result<Object> {
        match tokio::fs::read(self.file(id)).await {
            Ok(state) => Ok(serde_json::from_slice(&state)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Ok(Object::from_iter([("spin".into(), "up".into())]))
            }
            Err(e) => Err(e),
        }
    }

    /// Replaces the file at one stroke: who reads it sees the old state or the new one.
    async fn write(&self, id: &str, state: &Object) -> io::Result<()> {
        let change = self.changes.fetch_add(1, Ordering::Relaxed);
        let draft = format!("{id}.{}.{change}", self.instance);
        let draft = self.data.join(draft);
        tokio::fs::write(&draft, serde_json::to_vec(state)?).await?;
        tokio::fs::rename(draft, self.file(id)).await
    }

    /// Writes the state, and then purges what was made from the old one.
    async fn change(self: Arc<Self>, id: String, state: Object) -> io::Result<&'static str> {
        self.write(&id, &state).await?;
        let purged = self.cache.purge_uri(&format!("/api/v1/quantum/{id}")).await;
        match purged.map_err(io::Error::other)? {
            Purged::Applied => Ok("applied"),
            _ => Ok("queued"),
        }
    }
}

async fn capabilities(State(demo): State<Arc<Demo>>) -> Json<Value> {
    let can = json!({"capabilities": ["quantum", "reality", "consciousness"]});
    demo.compute(50, can).await
}

async fn reality(State(demo): State<Arc<Demo>>, Path(id): Path<String>) -> Json<Value> {
    demo.compute(200, json!({"id": id, "branches": 3})).await
}

async fn consciousness(State(demo): State<Arc<Demo>>) -> Json<Value> {
    demo.compute(100, json!({"level": 0.7})).await
}

/// The answer is for who asks alone: the cache keeps off a request with credentials.
async fn me(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Answer {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (Some(who), None) if !who.is_empty() => {
            let who = String::from_utf8_lossy(who.as_bytes());
            Ok(demo.compute(50, json!({"you": who})).await)
        }
        _ => {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
            Err((StatusCode::UNAUTHORIZED, challenge, "say who you are\n").into())
        }
    }
}

async fn quantum(State(demo): State<Arc<Demo>>, uri: Uri) -> Answer {
    let id = plain_id(&uri)?;
    let state = demo.read(id).await.map_err(internal)?;
    Ok(demo.compute(150, json!({"id": id, "state": state})).await)
}

async fn change_quantum(State(demo): State<Arc<Demo>>, uri: Uri, body: Bytes) -> Answer {
    let id = plain_id(&uri)?;
    let state: Object = serde_json::from_slice(&body).map_err(|e| {
        let text = format!("the body must be a JSON object: {e}\n");
        (StatusCode::BAD_REQUEST, text)
    })?;
    // In a task of its own: a client that leaves does not stop it halfway.
    let change = tokio::spawn(demo.clone().change(id.into(), state.clone()));
    let purged = change.await.map_err(io::Error::other).flatten();
    let purged = purged.map_err(internal)?;
    let computed = demo.computed.load(Ordering::Relaxed);
    let answer = json!({"id": id, "state": state, "purged": purged});
    Ok(demo.sign(answer, computed))
}

/// The id as it was sent. One that is percent-encoded is refused: a state has one URI only, and
/// a purge of that leaves nothing behind.
fn plain_id(uri: &Uri) -> Result<&str, (StatusCode, &'static str)> {
    let id = uri.path().rsplit('/').next().unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match (1..=64).contains(&id.len()) && id.bytes().all(plain) {
        true => Ok(id),
        false => Err((
            StatusCode::BAD_REQUEST,
            "an id is 1 to 64 letters, digits, - or _\n",
        )),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn internal(error: io::Error) -> (StatusCode, &'static str) {
    eprintln!("the state cannot be read or written: {error}");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "the state cannot be read or written\n",
    )
}
