//! What is not for a cache passes as if there were none.

#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::body::Body;
use axum::extract::Request as AxumRequest;
use axum::routing::any;
use axum::{Extension, Router};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Collected, Full, StreamBody};
use neuralblitz_cache::{CacheConfig, CacheLayer, Route};
use scripted::{App, Fields, ask, counted, fwd, read, reply, request};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::until;
use support::web::{Answer, Client, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// An answer that could be stored, if only the request were one for a cache.
const STORABLE: Fields<'static> = &[
    ("cache-control", "public, max-age=60"),
    ("etag", "\"a\""),
    ("x-a", "1"),
    ("connection", "x-hop"),
    ("x-hop", "1"),
    ("x-a", "2"),
];

/// Echoes method and body.
async fn echo(
    Extension(runs): Extension<Arc<AtomicUsize>>,
    request: AxumRequest,
) -> Response<Body> {
    let run = runs.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes);
    let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    reply(200, STORABLE, format!("{} {body} {run}", parts.method))
}

/// The echo with and without a layer, and how often it ran.
struct Echo {
    plain: Router,
    cached: Router,
    runs: Arc<AtomicUsize>,
}

impl Echo {
    fn new(config: CacheConfig) -> Self {
        let runs = Arc::new(AtomicUsize::new(0));
        let router = Router::new().fallback(any(echo));
        Self {
            cached: router
                .clone()
                .layer(CacheLayer::new(config))
                .layer(Extension(runs.clone())),
            plain: router.layer(Extension(Arc::<AtomicUsize>::default())),
            runs,
        }
    }

    /// Asks twice with and without the layer: nothing but the answer's own bytes is seen,
    /// and the handler runs each time.
    async fn passes(&self, what: &str, make: impl Fn() -> Request<Body>) {
        let before = self.runs.load(Ordering::SeqCst);
        let mut bodies = Vec::new();
        for _ in 0..2 {
            let expected = read(ask(&self.plain, make()).await).await;
            let answer = read(ask(&self.cached, make()).await).await;
            assert_eq!(answer.status, expected.status, "{what}");
            assert_eq!(answer.headers, expected.headers, "{what}");
            bodies.push(answer.text().to_owned());
        }
        assert_ne!(bodies[0], bodies[1], "{what}");
        assert_eq!(self.runs.load(Ordering::SeqCst), before + 2, "{what}");
    }
}

#[tokio::test]
async fn methods_that_do_not_read_pass() {
    let app = Echo::new(CacheConfig::default());
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "get",
    ] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let make = || request(method.clone(), "/x", &[]);
        app.passes(method.as_str(), make).await;
    }
}

#[tokio::test]
async fn requests_that_only_the_handler_can_judge_pass() {
    let app = Echo::new(CacheConfig::default());
    let requests: [Fields<'_>; 5] = [
        &[("upgrade", "websocket"), ("connection", "upgrade")],
        &[("if-match", "\"a\"")],
        &[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT")],
        &[("host", "a.example"), ("host", "b.example")],
        &[("host", "a.example"), ("host", "a.example")],
    ];
    for fields in requests {
        let make = || request(Method::GET, "/x", fields);
        app.passes(&format!("{fields:?}"), make).await;
    }
}

#[tokio::test]
async fn a_host_that_is_not_the_authority_passes() {
    let app = Echo::new(CacheConfig::default());
    let named = |host| request(Method::GET, "http://a.example/x", &[("host", host)]);
    app.passes("another host", || named("b.example")).await;
    app.passes("another port", || named("a.example:81")).await;
    let mut twice = [named("a.example"), named("A.Example")].into_iter();
    let first = read(ask(&app.cached, twice.next().expect("one")).await).await;
    assert_eq!(fwd(&first), ("uri-miss".into(), true));
    let second = read(ask(&app.cached, twice.next().expect("one")).await).await;
    assert!(second.is_hit(), "they name one authority");
}

#[tokio::test]
async fn a_get_with_content_passes() {
    let app = Echo::new(CacheConfig::default());
    let with = |body: Body| {
        let mut request = request(Method::GET, "/x", &[]);
        *request.body_mut() = body;
        request
    };
    app.passes("a length", || with(Body::from("abc"))).await;
    app.passes("a stream", || with(streamed())).await;
    let empty = read(ask(&app.cached, with(Body::from(""))).await).await;
    assert_eq!(fwd(&empty), ("uri-miss".into(), true), "no content at all");
}

#[tokio::test]
async fn a_bypassed_route_passes() {
    let route = Route::new("/internal/{*rest}").bypass();
    let config = CacheConfig::builder().route(route).build();
    let app = Echo::new(config.expect("usable"));
    let make = |path| move || request(Method::GET, path, &[]);
    app.passes("a bypassed route", make("/internal/a")).await;
    let other = read(ask(&app.cached, make("/internal")()).await).await;
    assert_eq!(fwd(&other), ("uri-miss".into(), true));
}

/// Three frames and trailers.
fn streamed() -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("9"));
    let data = ["a", "bc", "d"].map(|data| Frame::data(Bytes::from(data)));
    let frames = data.into_iter().chain([Frame::trailers(trailers)]);
    let frames = frames.map(Ok::<_, std::convert::Infallible>);
    Body::new(StreamBody::new(tokio_stream::iter(frames)))
}

#[derive(Clone, Debug, PartialEq)]
struct Said(&'static str);

#[tokio::test]
async fn extensions_and_trailers_of_a_response_pass() {
    let app = App::new(CacheConfig::default(), |_, _| {
        let mut response = reply(200, &[], streamed());
        response.extensions_mut().insert(Said("by the handler"));
        response
    });
    for method in [Method::POST, Method::GET] {
        let request = request(method.clone(), "/x", &[]);
        let response = app.response(request).await;
        let said = response.extensions().get().cloned();
        assert_eq!(said, Some(Said("by the handler")), "{method}");
        let body = response.into_body().collect().await.expect("a body");
        let trailers = body.trailers().expect("trailers").clone();
        assert_eq!(trailers["x-sum"], "9", "{method}");
        assert_eq!(body.to_bytes(), "abcd", "{method}");
    }
}

#[tokio::test]
async fn nothing_but_cache_status_is_added_to_an_answer_that_is_stored() {
    let app = Echo::new(CacheConfig::default());
    let make = || request(Method::GET, "/x", &[]);
    let plain = read(ask(&app.plain, make()).await).await;
    let mut first = read(ask(&app.cached, make()).await).await;
    assert!(first.headers.remove("cache-status").is_some());
    assert_eq!(first.headers, plain.headers);
    assert_eq!(first.body, plain.body);
}

#[tokio::test]
async fn request_bodies_reach_the_handler_over_a_socket() {
    let app = Echo::new(CacheConfig::default());
    let served = serve(app.cached.clone()).await;
    let large = "0123456789".repeat(50_000);
    for method in [Method::POST, Method::PUT, Method::GET] {
        let mut request = support::web::request(method.clone(), &served.url("/x"), &[]);
        *request.body_mut() = Full::from(large.clone());
        let answer = Client::new().send(request).await;
        let start = format!("{method} {large} ");
        assert!(answer.text().starts_with(&start), "{method}");
        assert!(!answer.headers.contains_key("cache-status"), "{method}");
    }
    assert_eq!(app.runs.load(Ordering::SeqCst), 3);
}

const START: &str = "GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";

/// Sends bytes as they are and reads until the server closes.
async fn raw(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.to_ascii_lowercase()
}

#[tokio::test]
async fn a_get_with_content_over_a_socket_passes_in_both_framings() {
    let app = Echo::new(CacheConfig::default());
    let served = serve(app.cached.clone()).await;
    let framings = [
        "content-length: 3\r\n\r\nabc",
        "transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
    ];
    for (run, framing) in framings.into_iter().enumerate() {
        let answer = raw(served.address, &format!("{START}{framing}")).await;
        assert!(
            answer.ends_with(&format!("\r\n\r\nget abc {run}")),
            "{answer}"
        );
        assert!(!answer.contains("cache-status"), "{answer}");
    }
    let none = raw(served.address, &format!("{START}content-length: 0\r\n\r\n")).await;
    assert!(none.contains("fwd=uri-miss; stored"), "{none}");
}

/// Tells when it is dropped.
struct Guard(mpsc::UnboundedSender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A body without an end.
fn endless(gone: mpsc::UnboundedSender<()>) -> Body {
    let guard = Guard(gone);
    let frames = tokio_stream::iter(std::iter::from_fn(move || {
        let _ = &guard;
        Some(Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(
            "x",
        ))))
    }));
    Body::new(StreamBody::new(frames))
}

#[tokio::test]
async fn a_response_nobody_reads_to_its_end_is_let_go_of() {
    let (gone, mut dropped) = mpsc::unbounded_channel();
    let app = App::new(CacheConfig::default(), move |_, _| {
        reply(200, &[], endless(gone.clone()))
    });
    for method in [Method::POST, Method::GET] {
        for frames in [0, 3] {
            let request = request(method.clone(), "/x", &[]);
            let mut body = app.response(request).await.into_body();
            for _ in 0..frames {
                let frame = body.frame().await.expect("a frame").expect("data");
                assert_eq!(frame.into_data().expect("data"), "x");
            }
            assert!(dropped.try_recv().is_err(), "{method}");
            drop(body);
            assert_eq!(dropped.recv().await, Some(()), "{method}");
        }
    }
    assert_eq!(app.runs(), 4);
    assert_eq!(app.cache.stats().fetches_under_way, 0);
    assert_eq!(app.cache.stats().local_entries, 0);
}

#[tokio::test]
async fn a_request_body_that_breaks_off_leaves_the_app_whole() {
    let app = Echo::new(CacheConfig::default());
    let served = serve(app.cached.clone()).await;
    let mut stream = TcpStream::connect(served.address)
        .await
        .expect("a connection");
    let half = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc";
    stream.write_all(half.as_bytes()).await.expect("sent");
    until("the handler reads", async || {
        app.runs.load(Ordering::SeqCst) == 1
    })
    .await;
    drop(stream);
    let answer = Client::new().get(&served.url("/x")).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "GET  1"));
}

/// Whether an answer shows any sign of the layer.
fn untouched(answer: &Answer) -> bool {
    !answer.headers.contains_key("cache-status") && !answer.headers.contains_key("age")
}

#[tokio::test]
async fn what_passes_neither_reads_nor_changes_what_is_stored() {
    let app = App::new(CacheConfig::default(), |_, run| counted(run, &[]));
    app.get("/x").await;
    let condition = app.get_with("/x", &[("if-match", "*")]).await;
    assert_eq!(condition.text(), "run 1");
    assert!(untouched(&condition));
    let options = app.ask(Method::OPTIONS, "/x", &[]).await;
    assert_eq!(options.text(), "run 2");
    assert!(untouched(&options));
    assert_eq!(app.get("/x").await.text(), "run 0");
}
