//! The example proxy forwards what it gets as it was, once, and says when the origin fails.
#![cfg(unix)]

#[path = "support/wire.rs"]
mod wire;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use wire::{Message, Origin, Proxy, ok, read_request};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn fields_of_the_clients_connection_are_not_forwarded() {
    let origin = Origin::says([OK]).await;
    let proxy = Proxy::before(&origin).await;
    let answer = proxy
        .send(
            "GET /a HTTP/1.1\r\nHost: a.example\r\nConnection: close, X-One, host\r\n\
             Connection: x-two,,content-length\r\nX-One: 1\r\nX-Two: 2\r\nKeep-Alive: 5\r\n\
             Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nTE: gzip\r\n\
             Trailer: x\r\nUpgrade: h2c\r\nX-End: 1\r\nX-End: 2\r\n\r\n",
        )
        .await;
    assert_eq!(answer.status(), "200");
    let [request] = &origin.seen()[..] else {
        panic!("one request")
    };
    assert_eq!(request.start, "GET /a HTTP/1.1");
    assert_eq!(request.names(), ["host", "via", "x-end", "x-end"]);
    assert_eq!(request.field("host"), ["a.example"]);
    assert_eq!(request.field("x-end"), ["1", "2"]);
}

/// RFC 9110 §7.6.3; the cache must not take it for a field of the client.
#[tokio::test]
async fn a_forwarded_request_says_through_whom_it_came() {
    let origin = Origin::says([OK]).await;
    let proxy = Proxy::before(&origin).await;
    for (version, said, forwarded) in [
        ("1.1", "", &["1.1 neuralblitz-cache"][..]),
        ("1.0", "", &["1.0 neuralblitz-cache"]),
        (
            "1.1",
            "via: 1.0 fred\r\n",
            &["1.0 fred", "1.1 neuralblitz-cache"],
        ),
    ] {
        let head = format!("GET /a HTTP/{version}\r\nhost: a\r\nconnection: close\r\n{said}\r\n");
        let answer = proxy.send(head).await;
        assert!(answer.field("via").is_empty());
        let request = origin.seen().pop().expect("a request");
        assert_eq!(request.field("via"), forwarded, "{version} {said}");
    }
}

#[tokio::test]
async fn fields_of_the_origins_connection_are_not_forwarded() {
    for (control, second_hit) in [("no-store", false), ("max-age=60", true)] {
        let fields = format!(
            "Connection: close, X-One\r\nConnection: x-two, content-length\r\nX-One: 1\r\n\
             X-Two: 2\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nTE: trailers\r\n\
             Proxy-Authenticate: Basic\r\nProxy-Authentication-Info: x\r\nTrailer: x\r\n\
             Upgrade: h2c\r\nX-End: 1\r\nX-End: 2\r\n\
             Cache-Control: {control}\r\n"
        );
        let origin = Origin::says([ok(&fields, "ok")]).await;
        let proxy = Proxy::before(&origin).await;
        for hit in [false, second_hit] {
            let answer = proxy.get("/").await;
            assert_eq!(answer.is_hit(), hit, "{}", answer.cache());
            assert_eq!(answer.text(), "ok");
            assert_eq!(answer.field("x-end"), ["1", "2"]);
            let mut names = answer.names();
            names.retain(|name| *name != "age");
            // The `connection` is the proxy's own: the client asked it to close.
            let own = [
                "cache-control",
                "cache-status",
                "connection",
                "content-length",
            ];
            assert_eq!(names, [&own[..], &["date", "x-end", "x-end"]].concat());
            assert_eq!(answer.field("connection"), ["close"]);
        }
    }
}

#[tokio::test]
async fn a_field_of_the_connection_speaks_to_the_cache_all_the_same() {
    let fields = "connection: close, cache-control\r\ncache-control: private\r\n";
    let origin = Origin::says([ok(fields, "ok")]).await;
    let proxy = Proxy::with(&origin, &["--default-ttl", "60"]).await;
    for _ in 0..2 {
        assert!(!proxy.get("/").await.is_hit());
    }
}

#[tokio::test]
async fn every_method_target_and_content_is_forwarded() {
    let origin = Origin::says([OK]).await;
    let proxy = Proxy::before(&origin).await;
    let target = "//a%2Fb/../c;d=1?x=%20&y=a+b&&z=%C3%A4?&";
    let methods = [
        "GET", "PUT", "POST", "PATCH", "DELETE", "BREW", "M-SEARCH", "get",
    ];
    for method in methods {
        for (framing, content) in [
            ("content-length: 5", "hello"),
            ("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ] {
            let head = format!("{method} {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
            let answer = proxy
                .send(format!("{head}{framing}\r\n\r\n{content}"))
                .await;
            assert_eq!(answer.text(), "ok", "{method} {framing}");
            let request = origin.seen().pop().expect("a request");
            assert_eq!(request.start, format!("{method} {target} HTTP/1.1"));
            assert_eq!(
                request.content().expect("whole"),
                b"hello",
                "{method} {framing}"
            );
        }
    }
    let without = ["OPTIONS *", "TRACE /", "GET /?", "GET /", "DELETE /x"];
    for line in without {
        assert_eq!(proxy.ask(line, "").await.text(), "ok", "{line}");
        let request = origin.seen().pop().expect("a request");
        assert_eq!(request.start, format!("{line} HTTP/1.1"));
        assert!(request.body.is_empty() && request.field("transfer-encoding").is_empty());
    }
    assert_eq!(origin.count(), 2 * methods.len() + without.len());
}

#[tokio::test]
async fn a_request_that_may_go_no_further_is_answered_here() {
    let origin = Origin::says([OK]).await;
    let proxy = Proxy::before(&origin).await;
    for (method, status) in [("OPTIONS", "200"), ("TRACE", "501")] {
        let ask = async |left| {
            let fields = format!("max-forwards: {left}\r\n");
            proxy.ask(&format!("{method} /"), &fields).await
        };
        let before = origin.count();
        assert_eq!(ask("0").await.status(), status, "{method}");
        assert_eq!(origin.count(), before);
        ask("7").await;
        assert_eq!(origin.seen()[before].field("max-forwards"), ["6"]);
    }
}

#[tokio::test]
async fn any_final_status_is_forwarded_with_its_reason() {
    for (said, forwarded) in [
        ("299 Whatever", "299 Whatever"),
        ("599 ", "599 "),
        ("999 304 Not Generated", "999 304 Not Generated"),
        ("200 Fine", "200 Fine"),
        ("404 Not Found", "404 Not Found"),
        ("418", "418 "),
    ] {
        let fields = "cache-control: max-age=60\r\ncontent-length: 2\r\n\r\nok";
        let origin = Origin::says([format!("HTTP/1.1 {said}\r\n{fields}")]).await;
        let proxy = Proxy::before(&origin).await;
        let answer = proxy.get("/").await;
        assert_eq!(answer.start, format!("HTTP/1.1 {forwarded}"));
        assert_eq!(answer.text(), "ok");
        let again = proxy.get("/").await;
        assert_eq!(again.status(), answer.status());
        assert!(!again.start.contains("none"), "{}", again.start);
    }
}

#[tokio::test]
async fn bytes_above_ascii_and_repeated_fields_are_kept() {
    let fields =
        b"x-text: caf\xe9 \xc3\xa9\x80\xff\r\nx-two: 2\r\nx-two: 1\r\nx-two: 2, 3\r\nx-none:\r\n";
    let answer = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncache-control: max-age=60\r\n",
        &fields[..],
        b"\r\nok",
    ];
    let origin = Origin::says([answer.concat()]).await;
    let proxy = Proxy::before(&origin).await;
    let request = [
        b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n",
        &fields[..],
        b"\r\n",
    ]
    .concat();
    let first = proxy.send(&request).await;
    let second = proxy.send(&request).await;
    assert!(!first.is_hit() && second.is_hit(), "{}", second.cache());
    for message in [&first, &second, &origin.seen()[0]] {
        let text: String = b"caf\xe9 \xc3\xa9\x80\xff"
            .iter()
            .copied()
            .map(char::from)
            .collect();
        assert_eq!(message.field("x-text"), [text]);
        assert_eq!(message.field("x-two"), ["2", "1", "2, 3"]);
        assert_eq!(message.field("x-none"), [""]);
    }
}

#[tokio::test]
async fn many_and_large_fields_pass() {
    let large = "x".repeat(100_000);
    let many: Vec<String> = (0..300).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let fields = format!("x-large: {large}\r\n{}", many.concat());
    let origin = Origin::says([ok(&fields, "ok")]).await;
    let proxy = Proxy::before(&origin).await;
    let answer = proxy.ask("GET /", &fields).await;
    for message in [&answer, &origin.seen()[0]] {
        assert_eq!(message.field("x-large"), [&*large]);
        assert_eq!(message.field("x-299"), ["299"]);
    }
}

#[tokio::test]
async fn interim_responses_are_passed_on() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n\
                   HTTP/1.1 102 Processing\r\nconnection: x\r\nx: 1\r\n\r\n";
    let last = OK.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let origin = Origin::says([format!("{interim}{last}")]).await;
    let proxy = Proxy::before(&origin).await;
    let first = proxy.get("/").await;
    assert_eq!(
        (first.status(), first.field("link").concat()),
        ("103", "x".into())
    );
    let second = Message::of(&first.body);
    assert_eq!((second.status(), second.fields.len()), ("102", 0));
    let last = Message::of(&second.body);
    assert_eq!((last.status(), &*last.text()), ("200", "ok"));
    let old = proxy.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert!(old.start.ends_with("200 OK"), "{}", old.start);
    let origin = Origin::says(["HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"]).await;
    assert_eq!(Proxy::before(&origin).await.get("/").await.status(), "502");
}

#[tokio::test]
async fn an_origin_that_fails_is_asked_once_and_the_client_is_told() {
    for broken in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    ] {
        let origin = Origin::says([OK, broken]).await;
        let proxy = Proxy::before(&origin).await;
        assert_eq!(proxy.get("/").await.status(), "200");
        for (asked, line) in [(2, "GET /"), (3, "HEAD /"), (4, "POST /"), (5, "DELETE /")] {
            let answer = proxy.ask(line, "").await;
            assert_eq!(answer.status(), "502", "{broken:?}");
            assert_eq!(answer.field("cache-control"), ["no-store"]);
            assert_eq!(origin.count(), asked, "{broken:?}");
        }
    }
}

/// Clients like to try again where a kept connection ends, as it may have ended before.
#[tokio::test]
async fn a_request_that_fails_on_a_kept_connection_is_not_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let proxy = Proxy::at(&url, &[]).await;
    let origin = tokio::spawn(async move {
        let mut failed = Vec::new();
        while failed.last() != Some(&"GET /end HTTP/1.1".to_owned()) {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            loop {
                let start = Message::of(&read_request(&mut stream).await).start;
                if start != "GET / HTTP/1.1" {
                    failed.extend(Some(start).filter(|start| !start.is_empty()));
                    break;
                }
                stream.write_all(OK.as_bytes()).await.expect("sent");
            }
        }
        failed
    });
    for (path, status) in [("/", "200"), ("/a", "502"), ("/", "200"), ("/end", "502")] {
        assert_eq!(proxy.get(path).await.status(), status, "{path}");
    }
    let failed = origin.await.expect("requests");
    assert_eq!(failed, ["GET /a HTTP/1.1", "GET /end HTTP/1.1"]);
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_a_502_and_a_silent_one_a_504() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let proxy = Proxy::at(&url, &["--timeout=1"]).await;
    // Connections are made, and nobody reads.
    assert_eq!(proxy.get("/").await.status(), "504");
    drop(listener);
    assert_eq!(proxy.get("/").await.status(), "502");
}

#[tokio::test]
async fn a_request_names_one_host_and_an_absolute_target_goes_before_it() {
    let origin = Origin::says([OK]).await;
    let proxy = Proxy::before(&origin).await;
    for (head, host) in [
        ("GET / HTTP/1.1", None),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a", None),
        ("GET http://me@b:81/x HTTP/1.1\r\nhost: a", Some("b:81")),
        ("GET / HTTP/1.1\r\nhost: A:80", Some("A:80")),
        ("GET / HTTP/1.0", origin.url.strip_prefix("http://")),
    ] {
        let answer = proxy
            .send(format!("{head}\r\nconnection: close\r\n\r\n"))
            .await;
        let Some(host) = host else {
            assert_eq!(answer.status(), "400", "{head}");
            continue;
        };
        let request = origin.seen().pop().expect("a request");
        assert_eq!(request.field("host"), [host], "{head}");
        assert!(request.start.starts_with("GET /") && request.start.ends_with("HTTP/1.1"));
    }
    assert_eq!(proxy.ask("CONNECT b:443", "").await.status(), "501");
    assert_eq!(origin.count(), 3);
}
