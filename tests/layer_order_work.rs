//! Layers that change bodies, bound work, catch what fails or watch: what happens with each of
//! them outside the cache, and inside it.

#[path = "support/order.rs"]
mod order;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::routing::get;
use http::{Method, Request, StatusCode};
use neuralblitz_cache::{CacheConfig, CacheLayer};
use order::{TEXT, ask, cache, counting, handler, hit, ran, send};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tower::buffer::BufferLayer;
use tower::limit::RateLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::{BoxError, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

const GZIP: &[(&str, &str)] = &[("accept-encoding", "gzip")];

fn coding(answer: &support::web::Answer) -> &str {
    answer.header("content-encoding")
}

#[tokio::test]
async fn compression_inside_the_cache_is_done_once_for_each_coding() {
    let app = counting(&[]).layer(CompressionLayer::new()).layer(cache());
    ran(&ask(&app, GZIP).await, "0");
    let plain = ask(&app, &[]).await;
    ran(&plain, "1");
    assert_eq!((coding(&plain), plain.text()), ("", TEXT));
    let (zipped, plain) = (ask(&app, GZIP).await, ask(&app, &[]).await);
    hit(&zipped, "0");
    hit(&plain, "1");
    assert_eq!((coding(&zipped), coding(&plain)), ("gzip", ""));
    assert_ne!(zipped.body, plain.body);
    assert_ne!(zipped.header("etag"), plain.header("etag"));
}

#[tokio::test]
async fn compression_outside_the_cache_works_on_one_entry_for_all_codings() {
    let app = counting(&[]).layer(cache()).layer(CompressionLayer::new());
    ran(&ask(&app, GZIP).await, "0");
    let (zipped, plain) = (ask(&app, GZIP).await, ask(&app, &[]).await);
    hit(&zipped, "0");
    hit(&plain, "0");
    assert_eq!((coding(&zipped), coding(&plain)), ("gzip", ""));
    assert_eq!(plain.text(), TEXT);
}

/// RFC 9110 §8.8.3.3: a strong tag tells representations apart, and so codings.
#[tokio::test]
async fn compression_outside_the_cache_sends_one_strong_tag_with_two_codings() {
    let tags = async |config: CacheConfig| {
        let layer = CacheLayer::new(config);
        let app = counting(&[]).layer(layer).layer(CompressionLayer::new());
        ask(&app, &[]).await;
        let (zipped, plain) = (ask(&app, GZIP).await, ask(&app, &[]).await);
        assert_ne!(zipped.body, plain.body);
        [zipped, plain].map(|answer| answer.header("etag").to_owned())
    };
    let [zipped, plain] = tags(CacheConfig::default()).await;
    assert!(plain.starts_with('"'), "{plain}");
    assert_eq!(zipped, plain);
    let without = CacheConfig::builder().etag(false).build().expect("usable");
    assert_eq!(tags(without).await, ["", ""]);
}

/// The rest of a compressed body, of which a client has the first bytes.
#[tokio::test]
async fn a_range_goes_on_in_the_coding_that_it_began_in_only_with_compression_inside() {
    let outside = counting(&[]).layer(cache()).layer(CompressionLayer::new());
    let inside = counting(&[]).layer(CompressionLayer::new()).layer(cache());
    for (app, is_right) in [(outside, false), (inside, true)] {
        ask(&app, GZIP).await;
        let whole = ask(&app, GZIP).await;
        assert_eq!(coding(&whole), "gzip");
        let more = [("range", "bytes=10-"), ("if-range", whole.header("etag"))];
        let rest = ask(&app, &[GZIP, &more].concat()).await;
        assert_eq!(rest.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(rest.body == whole.body[10..], is_right);
        assert_eq!(rest.body == TEXT.as_bytes()[10..], !is_right);
    }
}

#[tokio::test]
async fn what_a_handler_has_encoded_is_left_alone_in_both_orders() {
    let encoded = &[("content-encoding", "br"), ("vary", "accept-encoding")];
    let inside = counting(encoded)
        .layer(CompressionLayer::new())
        .layer(cache());
    let outside = counting(encoded)
        .layer(cache())
        .layer(CompressionLayer::new());
    for app in [inside, outside] {
        ran(&ask(&app, GZIP).await, "0");
        let again = ask(&app, GZIP).await;
        hit(&again, "0");
        assert_eq!((coding(&again), again.text()), ("br", TEXT));
    }
}

/// CORS and timeouts answer by themselves, with a body of the kind that the cache has.
#[tokio::test]
async fn layers_that_answer_by_themselves_stand_around_the_cache_in_one_stack() {
    let layers = ServiceBuilder::new()
        .layer(CatchPanicLayer::new())
        .layer(timeout(StatusCode::GATEWAY_TIMEOUT))
        .layer(CorsLayer::permissive())
        .layer(cache())
        .layer(CompressionLayer::new())
        .layer(timeout(StatusCode::GATEWAY_TIMEOUT))
        .layer(CatchPanicLayer::new());
    let app = counting(&[]).layer(layers);
    ran(&ask(&app, GZIP).await, "0");
    let again = ask(&app, GZIP).await;
    hit(&again, "0");
    assert_eq!(coding(&again), "gzip");
    assert_eq!(again.header("access-control-allow-origin"), "*");
    let preflight = send(&app, Method::OPTIONS, "/a", &[]).await;
    assert_eq!(preflight.body.len(), 0);
    assert_eq!(preflight.header("access-control-allow-methods"), "*");
}

/// A lifetime of a minute, and an hour in place of failures.
fn forgiving() -> CacheLayer {
    cache()
        .ttl(Duration::from_mins(1))
        .stale_if_error(Duration::from_hours(1))
}

/// `/a` answers at once the first time, and then comes to what `then` does.
fn once<F: Future<Output = ()> + Send + 'static>(then: fn() -> F) -> Router {
    let runs = Arc::new(AtomicUsize::new(0));
    let handler = async move || {
        if runs.fetch_add(1, Ordering::SeqCst) > 0 {
            then().await;
        }
        [("x-run", "0")]
    };
    Router::new().route("/a", get(handler))
}

/// What is answered once the lifetime has passed.
async fn past_its_lifetime(app: &Router) -> support::web::Answer {
    ran(&ask(app, &[]).await, "0");
    tokio::time::advance(Duration::from_secs(61)).await;
    ask(app, &[]).await
}

async fn panics() {
    panic!("as it should");
}

fn timeout(status: StatusCode) -> TimeoutLayer {
    TimeoutLayer::with_status_code(status, Duration::from_secs(1))
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_the_cache_lets_a_stale_answer_stand_in() {
    let app = once(std::future::pending)
        .layer(timeout(StatusCode::GATEWAY_TIMEOUT))
        .layer(forgiving());
    hit_in_place_of_a_failure(&past_its_lifetime(&app).await);
}

fn hit_in_place_of_a_failure(answer: &support::web::Answer) {
    assert_eq!(answer.status, StatusCode::OK);
    let said = answer.cache();
    assert!(said.contains("detail=stale-if-error"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_with_another_status_than_5xx_lets_nothing_stand_in() {
    let app = once(std::future::pending)
        .layer(timeout(StatusCode::REQUEST_TIMEOUT))
        .layer(forgiving());
    let answer = past_its_lifetime(&app).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_the_cache_ends_the_wait_before_anything_stands_in() {
    let app = once(std::future::pending)
        .layer(forgiving())
        .layer(timeout(StatusCode::GATEWAY_TIMEOUT));
    let answer = past_its_lifetime(&app).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer.cache(), "");
}

#[tokio::test(start_paused = true)]
async fn a_panic_caught_inside_the_cache_lets_a_stale_answer_stand_in() {
    let app = once(panics)
        .layer(CatchPanicLayer::new())
        .layer(forgiving());
    hit_in_place_of_a_failure(&past_its_lifetime(&app).await);
}

#[tokio::test(start_paused = true)]
async fn a_panic_caught_outside_the_cache_is_an_error_and_holds_up_nobody_after() {
    let app = once(panics)
        .layer(forgiving())
        .layer(CatchPanicLayer::new());
    let answer = past_its_lifetime(&app).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let waiting = tokio::time::timeout(Duration::from_secs(1), ask(&app, &[]));
    let again = waiting.await.expect("nobody waits for a run that is gone");
    assert_eq!(again.status, StatusCode::INTERNAL_SERVER_ERROR);
}

/// One request a minute of each route; more are refused. With its state a router makes the limit
/// once, and without it for each request anew.
fn one_a_minute(app: Router) -> Router {
    let refuse = async |_: BoxError| StatusCode::TOO_MANY_REQUESTS;
    let limit = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refuse))
        .layer(BufferLayer::new(8))
        .layer(LoadShedLayer::new())
        .layer(RateLimitLayer::new(1, Duration::from_mins(1)));
    app.layer(limit).with_state(())
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_inside_the_cache_counts_only_what_runs_handlers() {
    let app = one_a_minute(counting(&[])).layer(cache());
    ran(&ask(&app, &[]).await, "0");
    for _ in 0..3 {
        hit(&ask(&app, &[]).await, "0");
    }
    let other = send(&app, Method::GET, "/a?x=1", &[]).await;
    assert_eq!(other.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_outside_the_cache_counts_and_refuses_hits_too() {
    let app = one_a_minute(counting(&[]).layer(cache()));
    ran(&ask(&app, &[]).await, "0");
    let again = ask(&app, &[]).await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS);
}

/// A layer that counts the requests it sees.
macro_rules! watch {
    ($seen:expr) => {{
        let seen = $seen.clone();
        TraceLayer::new_for_http().on_request(move |_: &Request<_>, _: &_| {
            seen.fetch_add(1, Ordering::SeqCst);
        })
    }};
}

#[tokio::test(start_paused = true)]
async fn tracing_sees_hits_outside_the_cache_and_runs_of_the_handler_inside() {
    let (outer, inner) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = || (outer.load(Ordering::SeqCst), inner.load(Ordering::SeqCst));
    let eager = cache()
        .ttl(Duration::from_mins(1))
        .stale_while_revalidate(Duration::from_hours(1));
    let app = counting(&[])
        .layer(watch!(inner))
        .layer(eager)
        .layer(watch!(outer));
    ran(&ask(&app, &[]).await, "0");
    hit(&ask(&app, &[]).await, "0");
    assert_eq!(seen(), (2, 1));
    tokio::time::advance(Duration::from_secs(61)).await;
    hit(&ask(&app, &[]).await, "0");
    support::until("it is fetched in the background", async || seen() == (3, 2)).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_purges_nothing_in_both_orders() {
    let app = || {
        let methods = get(handler(&[])).post(async |_: String| ());
        Router::new().route("/a", methods)
    };
    let limit = || RequestBodyLimitLayer::new(0);
    let inside = app().layer(limit()).layer(cache());
    let outside = app().layer(cache()).layer(limit());
    for app in [inside, outside] {
        ran(&ask(&app, &[]).await, "0");
        let large = [("content-length", "1")];
        let refused = send(&app, Method::POST, "/a", &large).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        hit(&ask(&app, &[]).await, "0");
        send(&app, Method::POST, "/a", &[]).await;
        ran(&ask(&app, &[]).await, "1");
    }
}
