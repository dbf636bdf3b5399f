//! What is warmed: requests that are replayed, and loaders.

use super::share::share;
use super::{Failure, WarmRequest};
use crate::cache::Cache;
use crate::http::ForAll;
use crate::observe::WarmOutcome;
use crate::policy::status::{Became, read};
use crate::sync::lock;
use bytes::Buf;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Body;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::coop::consume_budget;
use tower::util::ServiceExt;

type Answer = Pin<Box<dyn Future<Output = WarmOutcome> + Send>>;

/// Replays a request; one instance at a time fetches what is shared, for at most so long.
pub(super) type Service = Arc<dyn Fn(WarmRequest, ForAll) -> Answer + Send + Sync>;

type Load = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

pub(super) struct Item {
    /// What logs call it.
    name: String,
    pub(super) priority: i32,
    work: Work,
}

enum Work {
    Request(Box<WarmRequest>),
    Loader(Load),
}

pub(super) fn service<S, ReqB, ResB>(layered: S) -> Service
where
    S: tower::Service<Request<ReqB>, Response = Response<ResB>, Future: Send>
        + Clone
        + Send
        + 'static,
    ReqB: Default + Send + 'static,
    ResB: Body<Data: Buf> + Send + 'static,
{
    let layered = Mutex::new(layered);
    Arc::new(move |warm, for_all| {
        let service = lock(&layered).clone();
        Box::pin(async move {
            let mut request = made(warm);
            request.extensions_mut().insert(for_all);
            let response = service.oneshot(request).await.ok();
            match response {
                Some(response) => outcome(response).await,
                None => WarmOutcome::Failed,
            }
        })
    })
}

/// The request, as a server would hand it on.
fn made<B: Default>(warm: WarmRequest) -> Request<B> {
    let mut request = Request::new(B::default());
    *request.method_mut() = warm.method;
    *request.uri_mut() = warm.uri;
    request.headers_mut().extend(warm.headers);
    request
}

/// Reads an answer to its end: only what is complete is stored.
async fn outcome<B: Body>(response: Response<B>) -> WarmOutcome {
    let (parts, body) = response.into_parts();
    let mut body = pin!(body);
    loop {
        let frame = poll_fn(|cx| {
            body.as_mut()
                .poll_frame(cx)
                .map(|frame| frame.map(|f| f.is_ok()))
        });
        match frame.await {
            Some(true) => {}
            Some(false) => return WarmOutcome::Failed,
            None => break,
        }
        // A body that is always ready and has no end would never let the time limit be looked at.
        consume_budget().await;
    }
    match read(&parts.headers) {
        _ if parts.status.is_client_error() => WarmOutcome::Failed,
        _ if parts.status.is_server_error() => WarmOutcome::Failed,
        Some(Became::Found) => WarmOutcome::LeftAlone,
        Some(Became::Stored) => WarmOutcome::Warmed,
        Some(Became::Neither) | None => WarmOutcome::Unstored,
    }
}

/// As a client of HTTP/1.1 sends it: a path, and `Host`. `None`: it has an authority neither of
/// its own nor by default.
pub(super) fn with_host(warm: &mut WarmRequest, default: Option<&Authority>) -> Option<()> {
    if !warm.headers.iter().any(|(name, _)| name == HOST) {
        let authority = warm.uri.authority().or(default)?.as_str();
        let host = authority.rsplit('@').next().unwrap_or(authority);
        warm.headers.push((HOST, HeaderValue::from_str(host).ok()?));
    }
    let target = warm.uri.path_and_query().cloned();
    warm.uri = Uri::from(target.unwrap_or(PathAndQuery::from_static("/")));
    Some(())
}

impl Item {
    pub(super) fn request(request: WarmRequest) -> Self {
        Self {
            // What follows it may be what no log should hold.
            name: request.uri.path().to_owned(),
            priority: request.priority,
            work: Work::Request(Box::new(request)),
        }
    }

    pub(super) fn loader(name: String, priority: i32, load: Load) -> Self {
        let work = Work::Loader(load);
        Self {
            name,
            priority,
            work,
        }
    }

    /// Fetches or loads it, at most for so long.
    pub(super) async fn warm(
        self,
        cache: Cache,
        service: Option<Service>,
        limit: Duration,
    ) -> WarmOutcome {
        let name = self.name;
        let work = async {
            match (self.work, service) {
                (Work::Request(request), Some(service)) => service(*request, ForAll(limit)).await,
                (Work::Request(_), None) => WarmOutcome::Failed,
                (Work::Loader(load), _) => load_once(&cache, &name, load, limit).await,
            }
        };
        let outcome = tokio::time::timeout(limit, work).await;
        let outcome = outcome.unwrap_or(WarmOutcome::Failed);
        match outcome {
            WarmOutcome::Failed => tracing::warn!(name, "not warmed"),
            outcome => tracing::debug!(name, outcome = outcome.name(), "warming"),
        }
        outcome
    }
}

/// Runs a loader, unless another instance does so right now.
async fn load_once(cache: &Cache, name: &str, load: Load, limit: Duration) -> WarmOutcome {
    let Some(turn) = share(cache, name, limit).await else {
        return WarmOutcome::LeftAlone;
    };
    match cache.scope(load).await {
        Ok(()) => {
            turn.done().await;
            WarmOutcome::Warmed
        }
        Err(error) => {
            tracing::warn!(name, error, "a loader failed");
            WarmOutcome::Failed
        }
    }
}
