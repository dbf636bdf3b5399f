//! The example proxy caches as its flags say.
#![cfg(unix)]

mod support;
#[path = "support/wire.rs"]
mod wire;

use support::redis::Redis;
use support::until;
use wire::{LIMIT, Origin, Proxy, ok, program};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[tokio::test]
async fn a_second_get_is_a_hit_and_has_an_age() {
    let origin = Origin::says([ok("cache-control: max-age=60\r\nx: 1\r\n", "ok")]).await;
    let proxy = Proxy::before(&origin).await;
    let first = proxy.get("/a?b").await;
    assert!(first.field("age").is_empty() && !first.is_hit());
    assert_eq!(first.field("date").len(), 1);
    for line in ["GET /a?b", "HEAD /a?b"] {
        let hit = proxy.ask(line, "").await;
        assert!(hit.is_hit(), "{}", hit.cache());
        let age: u64 = hit.field("age").concat().parse().expect("an age");
        assert!(age < 30, "{age}");
        assert_eq!(hit.field("content-length"), ["2"]);
        assert_eq!(
            (hit.field("x"), hit.field("date").len()),
            (vec!["1".into()], 1)
        );
        // No entity tag that the origin did not make.
        assert!(hit.field("etag").is_empty());
    }
    assert!(!proxy.get("/a").await.is_hit());
    assert_eq!(origin.count(), 2);
}

#[tokio::test]
async fn a_part_answers_for_what_it_holds() {
    let part = "HTTP/1.1 206 Partial Content\r\ncache-control: max-age=60\r\n\
                content-range: bytes 5-9/10\r\ncontent-length: 5\r\n\r\n56789";
    let origin = Origin::says([part]).await;
    let proxy = Proxy::before(&origin).await;
    assert!(!proxy.ask("GET /", "range: bytes=-5\r\n").await.is_hit());
    for (range, content, which) in [
        ("bytes=-5", "56789", "bytes 5-9/10"),
        ("bytes=6-7", "67", "bytes 6-7/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
    ] {
        let hit = proxy.ask("GET /", &format!("range: {range}\r\n")).await;
        assert!(hit.is_hit(), "{range}");
        assert_eq!((hit.status(), &*hit.text()), ("206", content));
        assert_eq!(hit.field("content-range"), [which]);
    }
    for other in [
        "range: bytes=4-5\r\n",
        "range: bytes=6-7\r\nif-range: \"a\"\r\n",
        "",
    ] {
        assert!(!proxy.ask("GET /", other).await.is_hit(), "{other}");
    }
    proxy.ask("DELETE /", "").await;
    assert!(!proxy.ask("GET /", "range: bytes=6-7\r\n").await.is_hit());
}

#[tokio::test]
async fn the_answer_to_a_post_answers_get_if_it_says_so() {
    for (fields, answers) in [
        (
            "content-location: /a\r\ncache-control: max-age=60\r\n",
            true,
        ),
        (
            "content-location: /b\r\ncache-control: max-age=60\r\n",
            false,
        ),
        ("content-location: /a\r\n", false),
        ("cache-control: max-age=60\r\n", false),
    ] {
        let origin = Origin::says([
            ok("cache-control: max-age=60\r\n", "old"),
            ok(fields, "new"),
        ]);
        let origin = origin.await;
        let proxy = Proxy::before(&origin).await;
        assert_eq!(proxy.get("/a").await.text(), "old");
        assert!(!proxy.ask("POST /a", "").await.is_hit());
        let get = proxy.get("/a").await;
        assert_eq!((get.is_hit(), &*get.text()), (answers, "new"), "{fields}");
        // A POST is never answered from what is stored.
        assert!(!proxy.ask("POST /a", "").await.is_hit());
    }
}

#[tokio::test]
async fn age_and_date_of_the_origin_are_passed() {
    let fields = format!("age: 7\r\ndate: {DATE}\r\n");
    let origin = Origin::says([ok(&fields, "ok")]).await;
    let answer = Proxy::before(&origin).await.get("/").await;
    assert_eq!(answer.field("age"), ["7"]);
    assert_eq!(answer.field("date"), [DATE]);
}

/// Flags, a request's fields, the response's, and whether the second request is a hit.
type Case = (&'static [&'static str], &'static str, &'static str, bool);

#[tokio::test]
async fn flags_say_what_is_stored() {
    const FRESH: &str = "cache-control: max-age=60\r\n";
    const COOKIE: &str = "cache-control: max-age=60\r\nset-cookie: a=b\r\n";
    const CDN: &str = "cache-control: no-store\r\ncdn-cache-control: max-age=60\r\n";
    const OURS: &str = "cache-control: no-store\r\nx-cache-control: max-age=60\r\n";
    const MODIFIED: &str = "last-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let cases: [Case; 16] = [
        (&[], "", "", false),
        (&["--default-ttl=60"], "", "", true),
        (
            &["--default-ttl", "60"],
            "",
            "cache-control: no-store\r\n",
            false,
        ),
        (&[], "", MODIFIED, true),
        (&[], "", COOKIE, false),
        (&["--allow-set-cookie"], "", COOKIE, true),
        (&[], "cookie: a=b\r\n", FRESH, true),
        (
            &["--ignore-credential-cookies"],
            "cookie: a=b\r\n",
            FRESH,
            true,
        ),
        (
            &["--ignore-credential-cookies=false"],
            "cookie: a=b\r\n",
            FRESH,
            false,
        ),
        (&[], "authorization: x\r\n", FRESH, false),
        (&[], "", CDN, true),
        (&["--targeted", ""], "", CDN, false),
        (&["--targeted=x-cache-control"], "", CDN, false),
        (&["--targeted=x-cache-control"], "", OURS, true),
        (&["--targeted", "x-other, X-Cache-Control"], "", OURS, true),
        (
            &["--targeted=x-other", "--targeted=x-cache-control"],
            "",
            OURS,
            true,
        ),
    ];
    for (flags, asked, said, hit) in cases {
        let origin = Origin::says([ok(said, "ok")]).await;
        let proxy = Proxy::with(&origin, flags).await;
        assert!(!proxy.ask("GET /", asked).await.is_hit());
        let second = proxy.ask("GET /", asked).await;
        assert_eq!(
            second.is_hit(),
            hit,
            "{flags:?} {asked} {said} {}",
            second.cache()
        );
    }
}

/// What the origin was not shown has no part in what is stored for whom.
#[tokio::test]
async fn a_field_of_the_clients_connection_selects_nothing() {
    let varies = ok("vary: x-tone\r\ncache-control: max-age=60\r\n", "ok");
    let origin = Origin::says([varies]).await;
    let proxy = Proxy::before(&origin).await;
    let get = async |fields| proxy.ask("GET /", fields).await.is_hit();
    assert!(!get("x-tone: low\r\nconnection: x-tone\r\n").await);
    assert!(!get("x-tone: low\r\n").await);
    assert!(get("x-tone: low\r\n").await);
    assert!(get("").await, "as the first was forwarded");
    let shown = origin.seen();
    assert!(shown[0].field("x-tone").is_empty());
    assert_eq!(shown[1].field("x-tone"), ["low"]);
}

/// The first response is stored, and goes stale; from then on the origin fails.
async fn stale(flags: &[&str], failure: &str) -> wire::Message {
    let fresh = ok("cache-control: max-age=1\r\n", "stored");
    let origin = Origin::says([&*fresh, failure]).await;
    let proxy = Proxy::with(&origin, flags).await;
    proxy.get("/").await;
    until("it is stale", async || {
        proxy.get("/").await;
        origin.count() > 1
    })
    .await;
    proxy.get("/").await
}

#[tokio::test]
async fn a_stale_response_stands_in_for_a_failure_and_a_flag_says_how_long() {
    let failure = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    for failure in ["", failure] {
        let answer = stale(&[], failure).await;
        assert_eq!((answer.status(), &*answer.text()), ("200", "stored"));
    }
    let answer = stale(&["--stale-if-error=0"], "").await;
    assert_eq!(answer.status(), "502");
    let answer = stale(&["--stale-if-error=0"], failure).await;
    assert_eq!(answer.status(), "503");
}

#[tokio::test]
async fn two_proxies_share_a_redis() {
    let redis = Redis::start().await;
    let origin = Origin::says([ok("cache-control: max-age=60\r\n", "ok")]).await;
    let url = redis.url();
    let flags = ["--redis", &*url];
    let (one, two) = (
        Proxy::with(&origin, &flags).await,
        Proxy::with(&origin, &flags).await,
    );
    until("the other one finds it", async || {
        one.get("/").await;
        let asked = origin.count();
        two.get("/").await.is_hit() && origin.count() == asked
    })
    .await;
}

async fn run(flags: &[&str]) -> (Option<i32>, String, String) {
    let mut command = tokio::process::Command::new(program());
    let output = command.args(flags).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, output)
        .await
        .expect("an end")
        .expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test]
async fn a_bad_flag_is_named_and_no_password_is_shown() {
    let url = "--origin=http://127.0.0.1:1";
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = format!("--listen={}", taken.local_addr().expect("an address"));
    for flags in [
        &["--origin"][..],
        &["--origin="],
        &["--origin", "127.0.0.1:80"],
        &["--origin=https://a"],
        &["--origin=http://a/path"],
        &["--origin=http://me:geheim@a"],
        &["--default-ttl=-1", url],
        &["--default-ttl", "1.5", url],
        &["--stale-if-error=", url],
        &["--timeout=geheim", url],
        &["--allow-set-cookie=geheim", url],
        &["--ignore-credential-cookies=no", url],
        &["--targeted=a b", url],
        &["--redis=redis://:geheim@h:port", url],
        &["--listen=nonsense", url],
        &[&taken, url],
    ] {
        let (code, out, said) = run(flags).await;
        let flag = flags[0].split('=').next().expect("a flag");
        assert_eq!(code, Some(2), "{flags:?} {said}");
        assert!(said.starts_with(&format!("{flag}: ")), "{flags:?} {said}");
        assert_eq!((said.lines().count(), &*out), (1, ""), "{said}");
        assert!(!said.contains("geheim"), "{said}");
    }
    for (flags, name) in [
        (&["--nonsense", url][..], "--nonsense"),
        (&["x"], "x"),
        (&[], "--origin"),
    ] {
        let (code, _, said) = run(flags).await;
        assert!(code == Some(2) && said.contains(name), "{said}");
    }
}

#[tokio::test]
async fn help_lists_every_flag() {
    let (code, out, _) = run(&["--help"]).await;
    assert_eq!(code, Some(0));
    for flag in [
        "--listen",
        "--origin",
        "--redis",
        "--default-ttl",
        "--allow-set-cookie",
    ] {
        assert!(out.contains(flag), "{flag}");
    }
    for flag in [
        "--ignore-credential-cookies",
        "--targeted",
        "--stale-if-error",
        "--timeout",
    ] {
        assert!(out.contains(flag), "{flag}");
    }
}
