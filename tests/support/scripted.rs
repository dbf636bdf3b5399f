//! An app of one handler behind a layer, asked in process.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::support::web::Answer;
use axum::Router;
use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use neuralblitz_cache::{Cache, CacheConfig, CacheLayer, EventRule};
use sfv::{BareItem, List, ListEntry, Parser};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::{ServiceExt, service_fn};

/// Fields as a script writes them.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

/// The app, and how often its handler ran.
#[derive(Clone)]
pub struct App {
    pub cache: Cache,
    router: Router,
    runs: Arc<AtomicUsize>,
}

impl App {
    /// `handler` is told how often it ran before.
    pub fn new<H>(config: CacheConfig, handler: H) -> Self
    where
        H: Fn(&Parts, usize) -> Response<Body> + Send + Sync + 'static,
    {
        Self::behind(CacheLayer::new(config), handler)
    }

    /// Answers `run N` with these fields.
    pub fn says(fields: Fields<'static>) -> Self {
        Self::new(CacheConfig::default(), move |_, run| counted(run, fields))
    }

    pub fn behind<H>(layer: CacheLayer, handler: H) -> Self
    where
        H: Fn(&Parts, usize) -> Response<Body> + Send + Sync + 'static,
    {
        let runs = Arc::new(AtomicUsize::new(0));
        let (cache, counter, handler) = (layer.cache(), runs.clone(), Arc::new(handler));
        let service = service_fn(move |request: Request<Body>| {
            let (parts, _) = request.into_parts();
            let response = handler(&parts, counter.fetch_add(1, Ordering::SeqCst));
            async move { Ok::<_, Infallible>(response) }
        });
        Self {
            router: Router::new().fallback_service(service).layer(layer),
            cache,
            runs,
        }
    }

    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, fields: Fields<'_>) -> Answer {
        self.ask(Method::GET, path, fields).await
    }

    pub async fn ask(&self, method: Method, path: &str, fields: Fields<'_>) -> Answer {
        read(self.response(request(method, path, fields)).await).await
    }

    /// The response, its body not read yet.
    pub async fn response(&self, request: Request<Body>) -> Response<Body> {
        ask(&self.router, request).await
    }
}

/// Asks any router.
pub async fn ask(router: &Router, request: Request<Body>) -> Response<Body> {
    let response = router.clone().oneshot(request).await;
    response.unwrap_or_else(|never| match never {})
}

/// Asks any router for a path, and reads the answer.
pub async fn get(router: &Router, path: &str) -> Answer {
    read(ask(router, request(Method::GET, path, &[])).await).await
}

pub async fn read(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.expect("a body").to_bytes(),
    }
}

pub fn request(method: Method, path: &str, fields: Fields<'_>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).expect("a request")
}

pub fn reply(status: u16, fields: Fields<'_>, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(body.into()).expect("a response")
}

/// 200 and the number of the run.
pub fn counted(run: usize, fields: Fields<'_>) -> Response<Body> {
    reply(200, fields, format!("run {run}"))
}

/// A member of `Cache-Status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub cache: String,
    pub hit: bool,
    pub ttl: Option<i64>,
    pub fwd: Option<String>,
    pub stored: bool,
    pub collapsed: bool,
}

/// All members of `Cache-Status`, the one nearest to the handler first.
pub fn members(headers: &HeaderMap) -> Vec<Member> {
    let lines = headers.get_all(http::header::CACHE_STATUS).iter();
    let lines: Vec<&[u8]> = lines.map(http::HeaderValue::as_bytes).collect();
    let list: List = Parser::new(&lines.join(&b", "[..]))
        .parse()
        .expect("a structured field");
    list.iter().map(member).collect()
}

fn member(entry: &ListEntry) -> Member {
    let ListEntry::Item(item) = entry else {
        panic!("an inner list: {entry:?}")
    };
    let mut member = Member {
        cache: token(&item.bare_item),
        ..Member::default()
    };
    for (name, value) in &item.params {
        match name.as_str() {
            "hit" => member.hit = value.as_boolean().expect("a boolean"),
            "stored" => member.stored = value.as_boolean().expect("a boolean"),
            "collapsed" => member.collapsed = value.as_boolean().expect("a boolean"),
            "ttl" => member.ttl = value.as_integer().map(Into::into),
            "fwd" => member.fwd = Some(token(value)),
            _ => {}
        }
    }
    member
}

fn token(item: &BareItem) -> String {
    item.as_token().expect("a token").as_str().to_owned()
}

/// The `ttl` of a hit.
pub fn ttl(answer: &Answer) -> Option<i64> {
    let member = members(&answer.headers).pop()?;
    member.hit.then_some(member.ttl).flatten()
}

/// Why the request went to the handler, and whether the answer will be stored.
pub fn fwd(answer: &Answer) -> (String, bool) {
    let member = members(&answer.headers).pop().expect("a member");
    (member.fwd.unwrap_or_default(), member.stored)
}

/// With rules of events.
pub fn ruled(rules: impl IntoIterator<Item = EventRule>) -> CacheConfig {
    let builder = rules
        .into_iter()
        .fold(CacheConfig::builder(), |builder, rule| {
            builder.event_rule(rule)
        });
    builder.build().expect("usable")
}
