//! The example proxy forwards content as it comes, and never makes half of it look whole.
#![cfg(unix)]

#[path = "support/wire.rs"]
mod wire;

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::{LIMIT, Message, Origin, Proxy, ok, read_request};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The cut answer must not look whole, to the client or to the cache.
#[tokio::test]
async fn content_that_breaks_off_breaks_off_and_is_not_stored() {
    for cut in [
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n64\r\nshort",
    ] {
        let origin = Origin::says([cut, cut, &ok("", "whole")]).await;
        let proxy = Proxy::before(&origin).await;
        for asked in 1..=2 {
            let answer = proxy.get("/").await;
            assert_eq!(answer.content(), None, "{cut}");
            assert_eq!(origin.count(), asked, "{cut}");
        }
        assert_eq!(proxy.get("/").await.text(), "whole");
    }
}

/// Two parts that came whole are the whole; one that broke off is not there.
#[tokio::test]
async fn parts_make_the_whole_once_all_of_it_came() {
    let part = |range: &str, content: &str| {
        format!(
            "HTTP/1.1 206 Partial Content\r\ncache-control: max-age=60\r\netag: \"a\"\r\n\
             content-range: bytes {range}/10\r\ncontent-length: 5\r\n\r\n{content}"
        )
    };
    let origin = Origin::says([
        part("0-4", "01234"),
        part("5-9", "567"),
        part("5-9", "56789"),
        String::new(),
    ])
    .await;
    let proxy = Proxy::before(&origin).await;
    let ask = async |range: &str| {
        let fields = format!("range: bytes={range}\r\n");
        proxy.ask("GET /", &fields).await
    };
    assert_eq!(ask("0-4").await.text(), "01234");
    let broken = ask("5-9").await;
    assert_eq!((broken.status(), broken.content()), ("206", None));
    let kept = ask("2-4").await;
    assert!(kept.is_hit() && kept.text() == "234", "{kept:?}");
    assert_eq!(ask("5-9").await.text(), "56789");
    for (line, content) in [("GET /", "0123456789"), ("HEAD /", "")] {
        let whole = proxy.ask(line, "").await;
        assert!(whole.is_hit(), "{whole:?}");
        assert_eq!(whole.status(), "200");
        assert_eq!(whole.field("content-length"), ["10"]);
        assert!(whole.field("content-range").is_empty());
        assert_eq!(whole.body, content.as_bytes());
    }
    assert_eq!(origin.count(), 3);
}

#[tokio::test]
async fn what_comes_after_the_content_is_nobodys_answer() {
    let long = ok(
        "connection: keep-alive\r\ncache-control: max-age=60\r\n",
        "whole",
    ) + " and more\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    let origin = Origin::says([&*long, &ok("", "other")]).await;
    let proxy = Proxy::before(&origin).await;
    for (path, text) in [("/a", "whole"), ("/a", "whole"), ("/b", "other")] {
        assert_eq!(proxy.get(path).await.text(), text);
    }
    assert_eq!(origin.count(), 2);
}

#[tokio::test]
async fn content_up_to_the_close_is_whole() {
    for version in ["1.0", "1.1"] {
        let origin = Origin::says([format!("HTTP/{version} 200 OK\r\n\r\nall of it")]).await;
        let proxy = Proxy::before(&origin).await;
        let answer = proxy.get("/").await;
        assert_eq!((answer.status(), &*answer.text()), ("200", "all of it"));
    }
}

#[tokio::test]
async fn content_has_one_end_or_is_not_forwarded() {
    let chunks = "2\r\nok\r\n0\r\n\r\n";
    for (framing, body, expected) in [
        ("transfer-encoding: chunked", chunks, "ok"),
        ("transfer-encoding: unheard-of", "ok", "ok"),
        ("transfer-encoding: unheard-of, CHUNKED", chunks, "ok"),
        (
            "content-length: 1\r\ntransfer-encoding: chunked",
            chunks,
            "ok",
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 9",
            chunks,
            "ok",
        ),
        ("content-length: 2, 2\r\ncontent-length: 02", "ok", "ok"),
        ("content-length: 2, 1", "ok", "502"),
        ("content-length: +2", "ok", "502"),
        ("content-length:", "ok", "502"),
        ("transfer-encoding: gzip, chunked", chunks, "502"),
        ("transfer-encoding: gzip;q=1", "ok", "502"),
        ("transfer-encoding: chunked, unheard-of", chunks, "502"),
    ] {
        let origin = Origin::says([format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{body}")]).await;
        let proxy = Proxy::before(&origin).await;
        let answer = proxy.get("/").await;
        match expected {
            "502" => assert_eq!(answer.status(), "502", "{framing}"),
            text => assert_eq!(answer.text(), text, "{framing}"),
        }
        let own = ["chunked".to_owned()];
        assert!(
            [&[][..], &own].contains(&&*answer.field("transfer-encoding")),
            "{framing}"
        );
    }
    let origin = Origin::says([OK]).await;
    let proxy = Proxy::before(&origin).await;
    let coded = proxy
        .ask("POST /", "transfer-encoding: gzip, chunked\r\n")
        .await;
    assert_eq!((coded.status(), origin.count()), ("501", 0));
}

#[tokio::test]
async fn trailers_pass_where_they_are_announced_and_asked_for() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n";
    let chunks = "2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    let origin = Origin::says([format!("{head}{chunks}")]).await;
    let proxy = Proxy::before(&origin).await;
    let ask = async |fields: &str| {
        let line = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close, te\r\n";
        let framing = "trailer: x-sum\r\ntransfer-encoding: chunked\r\n";
        proxy
            .send(format!("{line}{fields}{framing}\r\n{chunks}"))
            .await
    };
    let has = |message: &Message, text: &str| message.body.ends_with(text.as_bytes());
    let with = ask("te: trailers\r\n").await;
    assert_eq!(with.field("trailer"), ["x-sum"]);
    assert!(has(&with, "0\r\nx-sum: 7\r\n\r\n"), "{with:?}");
    let without = ask("").await;
    assert!(without.field("trailer").is_empty());
    assert!(has(&without, "ok\r\n0\r\n\r\n"), "{without:?}");
    for (request, te) in origin.seen().iter().zip([&["trailers"][..], &[]]) {
        assert!(has(request, "0\r\nx-sum: 7\r\n\r\n"), "{request:?}");
        assert_eq!(request.field("te"), te);
    }
}

#[tokio::test]
async fn content_streams_both_ways() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let proxy = Proxy::at(&url, &[]).await;
    let mut client = proxy.connect().await;
    let step = async {
        let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n";
        client.write_all(head.as_bytes()).await.expect("sent");
        let (mut origin, _) = listener.accept().await.expect("a connection");
        read_until(&mut origin, "one").await;
        client
            .write_all(b"3\r\ntwo\r\n0\r\n\r\n")
            .await
            .expect("sent");
        read_until(&mut origin, "two").await;
        let head = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n\r\nthree";
        origin.write_all(head.as_bytes()).await.expect("sent");
        read_until(&mut client, "three").await;
        origin.write_all(b"four").await.expect("sent");
        read_until(&mut client, "four").await;
    };
    tokio::time::timeout(LIMIT, step).await.expect("in time");
}

async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut bytes = Vec::new();
    while !bytes
        .windows(text.len())
        .any(|place| place == text.as_bytes())
    {
        let read = stream.read_buf(&mut bytes).await.expect("readable");
        assert!(read > 0, "{text} did not come");
    }
}

#[tokio::test]
async fn a_connection_to_the_origin_is_used_again_and_not_kept_idle() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let proxy = Proxy::at(&url, &[]).await;
    let used_again = async {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            read_request(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.expect("sent");
            if !read_request(&mut stream).await.is_empty() {
                stream.write_all(OK.as_bytes()).await.expect("sent");
                return stream;
            }
        }
    };
    let ask = async { while proxy.get("/").await.status() == "200" {} };
    let mut stream = tokio::select! {
        stream = tokio::time::timeout(LIMIT, used_again) => stream.expect("in time"),
        () = ask => panic!("the origin does not fail"),
    };
    // An origin closes such a connection after some seconds; the proxy does before.
    let limit = Duration::from_secs(4);
    let idle = tokio::time::timeout(limit, read_request(&mut stream)).await;
    assert!(idle.expect("in time").is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_to_the_origin() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let proxy = Proxy::at(&url, &[]).await;
    let mut client = proxy.connect().await;
    let head = b"POST / HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(head).await.expect("sent");
    let (mut origin, _) = listener.accept().await.expect("a connection");
    read_request(&mut origin).await;
    drop(client);
    let end = tokio::time::timeout(LIMIT, origin.read(&mut [0; 1])).await;
    assert_eq!(end.expect("in time").unwrap_or(0), 0);
}
