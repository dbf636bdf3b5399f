//! Who may use the admin endpoints, and what they do with input that means ill.
#![cfg(feature = "admin")]

mod support;

#[path = "support/admin.rs"]
mod admin;

use admin::{GUARDED, OPEN, TOKEN, app, problem};
use axum::http::{Method, StatusCode};
use neuralblitz_cache::CacheConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn without_a_configured_token_what_needs_one_is_forbidden_and_says_how() {
    let app = app(CacheConfig::builder()).await;
    for (method, path) in GUARDED {
        for token in [None, Some("x"), Some("")] {
            let detail = problem(&app.send(method.clone(), path, token).await, 403);
            assert!(detail.contains("admin_token"), "{detail}");
        }
    }
    for path in OPEN {
        assert_eq!(app.get(path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_missing_and_a_wrong_token_are_unauthorized() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    for (method, path) in GUARDED {
        let missing = app.send(method.clone(), path, None).await;
        problem(&missing, 401);
        assert_eq!(missing.header("www-authenticate"), "Bearer");
        let wrong = app.send(method.clone(), path, Some("wrong")).await;
        problem(&wrong, 401);
        assert_eq!(
            wrong.header("www-authenticate"),
            "Bearer error=\"invalid_token\""
        );
        let right = app.admin(method.clone(), path).await;
        assert!(
            ![401, 403, 429].contains(&right.status.as_u16()),
            "{right:?}"
        );
    }
}

#[tokio::test]
async fn many_failures_are_answered_429_and_the_right_token_still_gets_in() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    let mut last = None;
    for n in 0..30 {
        last = Some(
            app.send(Method::POST, "/cache/clear", Some(&format!("guess {n}")))
                .await,
        );
    }
    let last = last.expect("an answer");
    problem(&last, 429);
    assert_eq!(last.header("retry-after"), "6");
    let right = app.admin(Method::POST, "/cache/clear").await;
    assert_eq!(right.status, StatusCode::OK);
}

#[tokio::test]
async fn another_method_is_a_problem_that_says_which_is_allowed() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    for (method, path, allowed) in [
        (Method::GET, "/cache/clear", "POST"),
        (Method::POST, "/cache/stats", "GET,HEAD"),
        (Method::DELETE, "/metrics", "GET,HEAD"),
    ] {
        let answer = app.admin(method, path).await;
        problem(&answer, 405);
        assert_eq!(answer.header("allow"), allowed);
    }
}

#[tokio::test]
async fn the_endpoints_are_never_cached_and_hand_on_no_state() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    for path in OPEN {
        let answer = app.get(path).await;
        assert_eq!(answer.cache(), "", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    assert_eq!(app.cache.stats().local_entries, 0);
}

#[tokio::test]
async fn hostile_parameters_are_bad_requests_that_repeat_nothing_of_them() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    let huge = "x".repeat(20_000);
    let long = "y".repeat(2_000);
    for (method, path) in [
        (Method::GET, format!("/metrics/cache/keys?pattern={huge}")),
        (Method::GET, format!("/metrics/cache/keys?pattern={long}")),
        (Method::GET, "/metrics/cache/keys?pattern=%FF%FE".into()),
        (Method::GET, "/metrics/cache/keys?cursor=-1".into()),
        (
            Method::GET,
            "/metrics/cache/keys?cursor=1%0d%0aFLUSHALL".into(),
        ),
        (
            Method::GET,
            "/metrics/cache/keys?cursor=99999999999999999999".into(),
        ),
        (Method::GET, "/metrics/cache/keys?limit=1&limit=2".into()),
        (Method::GET, "/metrics/cache/keys?%3Cscript%3E".into()),
        (Method::GET, "/cache/entry".into()),
        (Method::GET, format!("/cache/entry?key={long}")),
        (Method::GET, "/cache/entry?key=%ff".into()),
        (Method::GET, "/cache/health?strict=maybe".into()),
        (Method::GET, "/cache/explain".into()),
        (Method::GET, "/cache/explain?uri=%ff".into()),
        (Method::GET, "/cache/explain?uri=/a&method=B%20AD".into()),
        (Method::GET, "/cache/explain?uri=/a&header=no-colon".into()),
        (
            Method::GET,
            "/cache/explain?uri=/a&header=a:b%0d%0ac:d".into(),
        ),
        (Method::POST, "/cache/purge".into()),
        (Method::POST, "/cache/purge?uri=/a&tag=b".into()),
        (Method::POST, "/cache/purge?tag=".into()),
        (Method::POST, format!("/cache/purge?pattern={long}")),
        (Method::POST, "/cache/purge?uri=no-path".into()),
        (Method::POST, "/cache/purge?key=".into()),
        (Method::POST, "/cache/purge?soft".into()),
    ] {
        let answer = app.admin(method, &path).await;
        let detail = problem(&answer, 400);
        for part in ["xxx", "yyy", "FLUSHALL", "<script>"] {
            assert!(!answer.text().contains(part), "{path:.60}: {detail}");
        }
    }
}

#[tokio::test]
async fn content_that_cannot_be_meant_is_refused() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    let json = "application/json";
    let deep = "[".repeat(50_000);
    let large = format!("{{\"tag\": \"{}\"}}", "x".repeat(70_000));
    for (kind, content, status) in [
        (json, "{", 400),
        (json, "[]", 400),
        (json, "{\"tag\": 1}", 400),
        (json, "{\"tag\": [1]}", 400),
        (json, "{\"uri\": {\"a\": 1}}", 400),
        (json, &deep, 400),
        (json, &large, 413),
        ("text/plain", "tag=a", 415),
    ] {
        let answer = app.post("/cache/purge", kind, content).await;
        problem(&answer, status);
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_harm_nobody() {
    let app = app(CacheConfig::builder().admin_token(TOKEN)).await;
    for line in [
        &b"GET /metrics/cache/keys HTTP/1.1\r\nhost: a\r\nauthorization: Bearer \xff\xfe\r\n"[..],
        b"GET /metrics HTTP/1.1\r\nhost: a\r\naccept: \xff\xfe\r\n",
        b"GET /metrics/cache/keys?pattern=\xc3\x28 HTTP/1.1\r\nhost: a\r\n",
    ] {
        let mut stream = TcpStream::connect(app.served.address)
            .await
            .expect("connects");
        stream.write_all(line).await.expect("sent");
        stream
            .write_all(b"connection: close\r\n\r\n")
            .await
            .expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("read");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).expect("a status");
        assert!(["200", "400", "401"].contains(&status), "{answer}");
    }
    assert_eq!(app.get("/cache/stats").await.status, StatusCode::OK);
}
