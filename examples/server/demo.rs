//! The API itself: slow handlers, and states in files that all instances share.

use crate::variable;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::{Extension, Json};
use neuralblitz_cache::{Cache, CacheTags, Purged};
use serde_json::{Map, Value, json};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Object = Map<String, Value>;
type Answer = axum::response::Result<Json<Value>>;
/// With tags under which it can be purged.
type Tagged = (Extension<CacheTags>, Json<Value>);

pub(crate) struct Demo {
    cache: Cache,
    data: PathBuf,
    /// Tells this process from all others.
    instance: String,
    /// How often the handlers ran.
    computed: AtomicU64,
    changes: AtomicU64,
}

impl Demo {
    pub(crate) fn new(cache: Cache) -> Result<Self, String> {
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

/// The forms of answers of this API.
pub(crate) const TEMPLATES: [&str; 3] = ["ok", "not-found", "error"];

impl Demo {
    /// A form that answers are made from: a cached function.
    pub(crate) async fn template(&self, name: &str) -> String {
        let function = self.cache.function("api_response_template");
        let run = || async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            json!({"status": name, "data": null}).to_string()
        };
        function.call(name, run).await
    }
}

pub(crate) async fn template(State(demo): State<Arc<Demo>>, Path(name): Path<String>) -> Answer {
    if !TEMPLATES.contains(&&*name) {
        return Err((StatusCode::NOT_FOUND, "there is no such template\n").into());
    }
    let template = demo.template(&name).await;
    Ok(demo.compute(1, json!({"template": template})).await)
}

pub(crate) async fn quantum_capabilities(State(demo): State<Arc<Demo>>) -> Json<Value> {
    let can = json!({"capabilities": ["superposition", "entanglement", "measurement"]});
    demo.compute(150, can).await
}

pub(crate) async fn capabilities(State(demo): State<Arc<Demo>>) -> Json<Value> {
    let can = json!({"capabilities": ["quantum", "reality", "consciousness"]});
    demo.compute(50, can).await
}

pub(crate) async fn reality(State(demo): State<Arc<Demo>>, Path(id): Path<String>) -> Tagged {
    let answer = demo.compute(200, json!({"id": id, "branches": 3})).await;
    (Extension(CacheTags::new(["reality"])), answer)
}

pub(crate) async fn consciousness(State(demo): State<Arc<Demo>>) -> Json<Value> {
    demo.compute(100, json!({"level": 0.7})).await
}

/// The answer is for who asks alone: the cache keeps off a request with credentials.
pub(crate) async fn me(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Answer {
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

pub(crate) async fn quantum(
    State(demo): State<Arc<Demo>>,
    uri: Uri,
) -> axum::response::Result<Tagged> {
    let id = plain_id(&uri)?;
    let state = demo.read(id).await.map_err(internal)?;
    let answer = demo.compute(150, json!({"id": id, "state": state})).await;
    let tags = ["quantum".to_owned(), format!("quantum:{id}")];
    Ok((Extension(CacheTags::new(tags)), answer))
}

pub(crate) async fn change_quantum(State(demo): State<Arc<Demo>>, uri: Uri, body: Bytes) -> Answer {
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
