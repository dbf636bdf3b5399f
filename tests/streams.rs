//! Streams that live on: events and upgraded connections.

mod support;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use neuralblitz_cache::{CacheConfig, CacheLayer};
use std::convert::Infallible;
use std::time::Duration;
use support::web::{Served, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;

type Events = mpsc::UnboundedSender<Result<Event, Infallible>>;

/// An app that hands out the sending end of each stream of events it begins.
async fn events(layer: CacheLayer) -> (Served, mpsc::UnboundedReceiver<Events>) {
    let (begun, streams) = mpsc::unbounded_channel();
    let handler = async move || {
        let (events, stream) = mpsc::unbounded_channel();
        begun.send(events).expect("the test listens");
        Sse::new(UnboundedReceiverStream::new(stream))
    };
    let handler = move || {
        let handler = handler.clone();
        async move { handler().await }
    };
    let app = Router::new().route("/events", get(handler)).layer(layer);
    (serve(app).await, streams)
}

async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let limit = Duration::from_secs(10);
    let done = timeout(limit, future).await;
    done.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}

/// Opens a stream of events.
async fn listen(served: &Served) -> Incoming {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let uri = served.url("/events").parse().expect("a URI");
    let response = within("the head", client.get(uri))
        .await
        .expect("a response");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body()
}

/// The next event.
async fn next(body: &mut Incoming) -> Bytes {
    let frame = within("an event", body.frame()).await;
    let frame = frame.expect("open").expect("whole");
    frame.into_data().expect("data")
}

fn send(events: &Events, data: &str) {
    events.send(Ok(Event::default().data(data))).expect("open");
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let layer = CacheLayer::new(CacheConfig::default());
    let cache = layer.cache();
    let (served, mut streams) = events(layer).await;
    let mut body = listen(&served).await;
    let sender = streams.recv().await.expect("a stream");
    for n in ["1", "2", "3"] {
        send(&sender, n);
        assert_eq!(next(&mut body).await, format!("data: {n}\n\n"));
    }
    drop(sender);
    assert!(within("the end", body.frame()).await.is_none());
    assert_eq!(cache.stats().local_entries, 0);
}

/// Two listeners, each with its own stream, though the first is never ended.
async fn two_listeners(layer: CacheLayer) {
    let (served, mut streams) = events(layer).await;
    let mut first = listen(&served).await;
    let to_first = streams.recv().await.expect("a stream");
    let mut second = listen(&served).await;
    let to_second = within("a second stream", streams.recv())
        .await
        .expect("one");
    send(&to_second, "for the second");
    assert_eq!(next(&mut second).await, "data: for the second\n\n");
    send(&to_first, "for the first");
    assert_eq!(next(&mut first).await, "data: for the first\n\n");
}

#[tokio::test]
async fn each_listener_has_a_stream_of_its_own() {
    two_listeners(CacheLayer::new(CacheConfig::default())).await;
}

#[tokio::test]
async fn no_setting_makes_listeners_share_a_stream() {
    let layer = CacheLayer::new(CacheConfig::default());
    two_listeners(layer.override_ttl(Duration::from_mins(1))).await;
}

#[tokio::test]
async fn listeners_that_come_at_once_do_not_wait_for_each_other() {
    let (served, mut streams) = events(CacheLayer::new(CacheConfig::default())).await;
    let bodies = [listen(&served), listen(&served), listen(&served)];
    let mut bodies = futures_util::future::join_all(bodies).await;
    let mut heard = Vec::new();
    for n in 0..3 {
        let sender = within("a stream", streams.recv()).await.expect("one");
        send(&sender, &n.to_string());
        drop(sender);
    }
    for body in &mut bodies {
        heard.push(next(body).await);
    }
    heard.sort();
    assert_eq!(heard, ["data: 0\n\n", "data: 1\n\n", "data: 2\n\n"]);
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(Message::Text(text))) = socket.recv().await {
        let _ = socket.send(Message::Text(text)).await;
    }
}

/// The example of RFC 6455 §1.3.
const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\
    connection: upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-version: 13\r\n\r\n";

/// A text frame of a client (RFC 6455 §5.2), its mask all zeros.
fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("short");
    assert!(length < 126, "short");
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a byte"));
    }
    String::from_utf8(head).expect("text").to_ascii_lowercase()
}

#[tokio::test]
async fn a_web_socket_is_upgraded_and_echoes() {
    let upgrade = async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo);
    let app = Router::new()
        .route("/ws", get(upgrade))
        .layer(CacheLayer::new(CacheConfig::default()));
    let served = serve(app).await;
    for text in ["hello", "again, on a connection of its own"] {
        let mut stream = TcpStream::connect(served.address)
            .await
            .expect("a connection");
        stream.write_all(HANDSHAKE.as_bytes()).await.expect("sent");
        let head = within("the head", read_head(&mut stream)).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(
            head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
            "{head}"
        );
        stream.write_all(&text_frame(text)).await.expect("sent");
        let mut echoed = vec![0; text.len() + 2];
        let read = within("the echo", stream.read_exact(&mut echoed)).await;
        read.expect("a frame");
        assert_eq!(
            echoed[..2],
            [0x81, u8::try_from(text.len()).expect("short")]
        );
        assert_eq!(&echoed[2..], text.as_bytes());
    }
}
