//! What the origin says before its response is for the request that it answers, and no other of the
//! same connection.
#![cfg(unix)]

mod support;
#[path = "support/wire.rs"]
mod wire;

use std::sync::Arc;
use support::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use wire::{LIMIT, Message, Proxy, read_request};

/// One permit for each answer that may go out, by what it is of.
struct Gates {
    refresh: Semaphore,
    other: Semaphore,
    /// One for each request that came for the other.
    came: Semaphore,
}

async fn answer(mut stream: TcpStream, first: bool, gates: Arc<Gates>) {
    let request = read_request(&mut stream).await;
    let pass = async |gate: &Semaphore| gate.acquire().await.expect("open").forget();
    let stale = "cache-control: max-age=0, stale-while-revalidate=600";
    let (interim, body) = if request.starts_with(b"GET /other") {
        gates.came.add_permits(1);
        pass(&gates.other).await;
        ("", "other")
    } else if first {
        ("", "stale")
    } else {
        pass(&gates.refresh).await;
        ("HTTP/1.1 103 Early Hints\r\nlink: </ann>\r\n\r\n", "newer")
    };
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{stale}\r\ncontent-length: 5");
    let answer = format!("{interim}{head}\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Reads up to `end`.
async fn read_to(stream: &mut TcpStream, end: &str) -> Message {
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.ends_with(end.as_bytes()) {
            assert!(stream.read_buf(&mut bytes).await.expect("readable") > 0);
        }
    };
    let read = tokio::time::timeout(LIMIT, read).await;
    read.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&bytes)));
    Message::of(&bytes)
}

#[tokio::test]
async fn the_next_request_hears_nothing_of_a_refresh_in_the_background() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let none = || Semaphore::new(0);
    let gates = Arc::new(Gates {
        refresh: none(),
        other: none(),
        came: none(),
    });
    let at_gates = gates.clone();
    let origin_task = tokio::spawn(async move {
        for nth in 0.. {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(answer(stream, nth == 0, at_gates.clone()));
        }
    });
    let proxy = Proxy::at(&origin, &[]).await;
    let mut client = proxy.connect().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a.example\r\n\r\n");
    for _ in 0..2 {
        client.write_all(get("/").as_bytes()).await.expect("sent");
        let stored = read_to(&mut client, "stale").await;
        assert_eq!(stored.status(), "200");
    }
    client
        .write_all(get("/other").as_bytes())
        .await
        .expect("sent");
    gates.came.acquire().await.expect("open").forget();
    // The refresh is answered now, with its interim response before it.
    gates.refresh.add_permits(1000);
    until("it is stored", async || {
        proxy.get("/").await.text() == "newer"
    })
    .await;
    gates.other.add_permits(1);
    let other = read_to(&mut client, "other").await;
    assert_eq!(other.status(), "200", "{other:?}");
    origin_task.abort();
}
