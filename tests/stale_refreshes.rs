//! What a refresh behind a stale answer asks for, and what becomes of its answer (RFC 5861 §3).

#[path = "support/counted.rs"]
mod counted;
#[path = "support/staged.rs"]
mod staged;
mod support;

use counted::{full, streamed};
use http::Method;
use http::request::Parts;
use staged::{App, Fields, TEN, is_stale, number, refused, reply, request, secs, while_revalidate};
use std::io;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::advance;

#[derive(Clone, Debug, PartialEq)]
struct Marker(u8);

/// What the refresh for a request with these fields was given.
async fn refreshed_with(fields: Fields<'static>, answer: Fields<'static>) -> Parts {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let runs = seen.clone();
    let app = App::new(while_revalidate(30), move |parts, run| {
        runs.lock().expect("no panic").push(parts);
        async move { Ok(number(run, answer)) }
    });
    app.get_with(fields).await;
    advance(secs(12)).await;
    let mut request = request(Method::GET, fields);
    request.extensions_mut().insert(Marker(7));
    *request.version_mut() = http::Version::HTTP_2;
    let answer = staged::read(app.call(request).await.expect("answered")).await;
    assert!(is_stale(&answer), "{}", answer.cache());
    app.idle().await;
    assert_eq!(app.runs(), 2);
    let parts = seen.lock().expect("no panic").pop();
    parts.expect("a refresh")
}

const ORIGINAL: [(&str, &str); 5] = [
    ("accept", "text/html"),
    ("x-thing", "a"),
    ("x-thing", "b"),
    ("cache-control", "max-age=0"),
    ("te", "trailers"),
];

fn original(more: Fields<'static>) -> Fields<'static> {
    let fields: Vec<_> = ORIGINAL.iter().chain(more).copied().collect();
    Vec::leak(fields)
}

const CONDITIONS: Fields<'static> = &[
    ("if-none-match", "\"another\""),
    ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
];

#[tokio::test(start_paused = true)]
async fn a_refresh_is_the_original_request_without_its_conditions() {
    let given = refreshed_with(original(CONDITIONS), TEN).await;
    assert_eq!(given.method, Method::GET);
    assert_eq!(given.uri, "/item");
    assert_eq!(given.version, http::Version::HTTP_2);
    assert_eq!(given.extensions.get(), Some(&Marker(7)));
    let expected = request(Method::GET, &ORIGINAL);
    assert_eq!(given.headers, *expected.headers());
}

/// With credentials the conditions were left in once. A handler that answers 304 then never
/// renews the entry, and each request runs it again.
#[tokio::test(start_paused = true)]
async fn a_refresh_for_a_request_with_credentials_has_no_conditions_either() {
    let fields: Fields<'static> = &[("authorization", "ann"), ("if-none-match", "\"another\"")];
    let public: Fields<'static> = &[("cache-control", "public, max-age=10")];
    let given = refreshed_with(fields, public).await;
    assert_eq!(given.headers["authorization"], "ann");
    assert!(!given.headers.contains_key("if-none-match"), "{given:?}");
}

/// How a refresh fails.
const FAILURES: [&str; 6] = ["error", "panic", "500", "503", "broken", "short"];

fn fail(how: &str) -> staged::Said {
    match how {
        "error" => refused(),
        "panic" => panic!("the handler panics, as this test wants"),
        "broken" => {
            let (send, frames) = mpsc::unbounded_channel();
            for frame in [Ok("half"), Err(io::Error::other("broken"))] {
                send.send(frame).expect("open");
            }
            Ok(reply(200, TEN, streamed(frames)))
        }
        "short" => {
            let (send, frames) = mpsc::unbounded_channel();
            send.send(Ok("half")).expect("open");
            let fields = [TEN[0], ("content-length", "8")];
            Ok(reply(200, &fields, streamed(frames)))
        }
        status => Ok(reply(status.parse().expect("a status"), &[], full("no"))),
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_refresh_leaves_the_stale_entry_and_the_next_request_tries_again() {
    let app = App::new(while_revalidate(30), |_, run| async move {
        match run.checked_sub(1).and_then(|run| FAILURES.get(run)) {
            Some(how) => fail(how),
            None => Ok(number(run, TEN)),
        }
    });
    app.get().await;
    advance(secs(12)).await;
    for (tried, how) in FAILURES.iter().enumerate() {
        let answer = app.get().await;
        assert!(is_stale(&answer), "before {how}: {}", answer.cache());
        assert_eq!(answer.text(), "0");
        app.idle().await;
        assert_eq!(app.runs(), tried + 2, "{how}");
    }
    assert_eq!(app.get().await.text(), "0");
    app.idle().await;
    assert_eq!(app.get().await.text(), "7");
}

/// A 503 that says how long it is fresh took the place of the good entry once, so that
/// everybody gets it from the cache; without a refresh the same entry would have stood in.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_leaves_the_stale_entry_though_the_failure_may_be_stored() {
    let app = App::new(
        while_revalidate(30).stale_if_error(secs(30)),
        |_, run| async move {
            Ok(match run {
                1 => reply(503, TEN, full("no")),
                _ => number(run, TEN),
            })
        },
    );
    app.get().await;
    advance(secs(12)).await;
    app.get().await;
    app.idle().await;
    let answer = app.get().await;
    assert_eq!(answer.status, 200, "{}", answer.cache());
    assert!(is_stale(&answer), "{}", answer.cache());
}

/// What a refresh with credentials brings must be for everybody to be stored.
#[tokio::test(start_paused = true)]
async fn a_refresh_with_credentials_brings_nobody_what_is_for_one() {
    let app = App::new(while_revalidate(30), |parts, run| async move {
        let who = parts.headers.get("authorization");
        let who = who.map_or("", |who| who.to_str().expect("text"));
        let control = match run {
            0 => "public, max-age=10",
            _ => "max-age=10",
        };
        let body = full(format!("{who} {run}"));
        Ok(reply(200, &[("cache-control", control)], body))
    });
    app.get_with(&[("authorization", "ann")]).await;
    advance(secs(12)).await;
    let answer = app.get_with(&[("authorization", "bob")]).await;
    assert_eq!(answer.text(), "ann 0", "it was for everybody");
    app.idle().await;
    assert_eq!(app.runs(), 2);
    assert_eq!(app.get().await.text(), "ann 0");
    app.idle().await;
    assert_eq!(app.get().await.text(), " 2");
}

#[tokio::test(start_paused = true)]
async fn each_variant_is_refreshed_by_itself() {
    let app = App::new(while_revalidate(30), |parts, run| async move {
        let lang = parts.headers["accept-language"].to_str().expect("text");
        let fields = [TEN[0], ("vary", "accept-language")];
        Ok(reply(200, &fields, full(format!("{lang} {run}"))))
    });
    let get = async |lang: &str| app.get_with(&[("accept-language", lang)]).await;
    get("de").await;
    get("en").await;
    advance(secs(12)).await;
    let stale = get("de").await;
    assert!(is_stale(&stale), "{}", stale.cache());
    assert_eq!(stale.text(), "de 0");
    app.idle().await;
    let fresh = get("de").await;
    assert_eq!((fresh.text(), is_stale(&fresh)), ("de 2", false));
    let other = get("en").await;
    assert_eq!((other.text(), is_stale(&other)), ("en 1", true));
    app.idle().await;
    assert_eq!(get("en").await.text(), "en 3");
    assert_eq!(app.runs(), 4);
}

#[tokio::test(start_paused = true)]
async fn variants_that_are_stale_together_are_refreshed_together() {
    let (gate, app) = {
        let gate = Arc::new(Semaphore::new(0));
        let given = gate.clone();
        let app = App::new(while_revalidate(30), move |parts, run| {
            let gate = given.clone();
            async move {
                if run > 1 {
                    gate.acquire().await.expect("open").forget();
                }
                let lang = parts.headers["accept-language"].to_str().expect("text");
                let fields = [TEN[0], ("vary", "accept-language")];
                Ok(reply(200, &fields, full(lang.to_owned())))
            }
        });
        (gate, app)
    };
    let get = async |lang: &str| app.get_with(&[("accept-language", lang)]).await;
    for lang in ["de", "en"] {
        get(lang).await;
    }
    advance(secs(12)).await;
    for lang in ["de", "en", "de", "en"] {
        let answer = get(lang).await;
        assert_eq!((answer.text(), is_stale(&answer)), (lang, true));
    }
    app.running(4).await;
    assert_eq!(app.cache.stats().refreshes_under_way, 2);
    gate.add_permits(2);
    app.idle().await;
    for lang in ["de", "en"] {
        let answer = get(lang).await;
        assert_eq!((answer.text(), is_stale(&answer)), (lang, false));
    }
}
