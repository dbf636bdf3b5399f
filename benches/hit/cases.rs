//! What is measured, by name.

use crate::exchange::{Collected, Req, TAG, cached, exchange, handler, item, numbered};
use axum::Router;
use axum::routing::any;
use futures_util::FutureExt;
use http::{Method, Request, Uri};
use neuralblitz_cache::{Cache, CacheConfig, CacheLayer, CacheValue};
use std::fmt::Debug;
use std::hint::black_box;
use std::sync::Arc;
use tower::util::MapRequestLayer;
use tower::{Service, ServiceExt};

const KEYS: usize = 100_000;

/// One thing to be measured: an exchange, by number.
pub(crate) type Exchange = Box<dyn FnMut(usize)>;

pub(crate) fn case_named(case: &str) -> Exchange {
    match case {
        "handler 1 KiB" => get(handler(1 << 10), |_| item()),
        "handler 64 KiB" => get(handler(64 << 10), |_| item()),
        "hit 1 KiB" => warm(get(cached(1 << 10), |_| item()), 2),
        "hit 64 KiB" => warm(get(cached(64 << 10), |_| item()), 2),
        "304 of a hit" => warm(conditional(cached(1 << 10)), 2),
        "handler, zipf over 100k keys" => zipf(handler(1 << 10)),
        "hit, zipf over 100k keys" => warm(zipf(cached(1 << 10)), KEYS),
        "handler, another URI each time" => get(handler(1 << 10), numbered),
        "no layer" => post(handler(1 << 10)),
        "pass-through" => post(cached(1 << 10)),
        "router with a layer that does nothing" => {
            let route = any(|| async { "done" });
            routed(
                Router::new()
                    .route("/item", route)
                    .layer(MapRequestLayer::new(|r: Request<_>| r)),
            )
        }
        "pass-through in a router" => {
            let layer = CacheLayer::new(CacheConfig::default());
            let route = any(|| async { "done" });
            routed(Router::new().route("/item", route).layer(layer))
        }
        "miss, stored" => get(cached(1 << 10), numbered),
        "function hit, 1 KiB" => called("x".repeat(1 << 10)),
        "function hit, 1 KiB in an Arc" => called(Arc::new("x".repeat(1 << 10))),
        _ => panic!("no case {case}"),
    }
}

fn get<S>(mut service: S, uri: impl Fn(usize) -> Uri + 'static) -> Exchange
where
    S: Service<Req, Response: Collected, Error: Debug> + 'static,
{
    Box::new(move |i| {
        black_box(exchange(&mut service, Method::GET, uri(i), None));
    })
}

/// A cached function of two arguments, whose result is there.
fn called<T>(value: T) -> Exchange
where
    T: CacheValue + Clone + Send + Sync + 'static,
{
    let cache = Cache::new(CacheConfig::default());
    let exchange = move |_| {
        let function = cache.function("user_data");
        let call = function.call(&(42_u32, "en"), || async { value.clone() });
        black_box(call.now_or_never().expect("ready"));
    };
    warm(Box::new(exchange), 2)
}

fn conditional<S>(mut service: S) -> Exchange
where
    S: Service<Req, Response: Collected, Error: Debug> + 'static,
{
    exchange(&mut service, Method::GET, item(), None);
    Box::new(move |_| {
        black_box(exchange(&mut service, Method::GET, item(), Some(TAG)));
    })
}

fn post<S>(mut service: S) -> Exchange
where
    S: Service<Req, Response: Collected, Error: Debug> + 'static,
{
    Box::new(move |_| {
        black_box(exchange(&mut service, Method::OPTIONS, item(), None));
    })
}

/// A OPTIONS as axum handles it: the router clones what it routes to.
fn routed(router: Router) -> Exchange {
    Box::new(move |_| {
        let mut request = Request::new(axum::body::Body::empty());
        *request.method_mut() = Method::OPTIONS;
        *request.uri_mut() = item();
        let response = router.clone().oneshot(request).now_or_never();
        let response = response.expect("ready").expect("answered");
        black_box(Collected::collect(response));
    })
}

/// Every key once, then by Zipf's law.
fn zipf<S>(mut service: S) -> Exchange
where
    S: Service<Req, Response: Collected, Error: Debug> + 'static,
{
    let uris: Vec<Uri> = (0..KEYS).map(numbered).collect();
    let harmonic: f64 = (1..=KEYS).map(|rank| 1.0 / rank as f64).sum();
    let mut sum = 0.0;
    let cumulative: Vec<f64> = (1..=KEYS)
        .map(|rank| {
            sum += 1.0 / rank as f64 / harmonic;
            sum
        })
        .collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let ranks: Vec<usize> = (0..1 << 20)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = (state >> 11) as f64 / (1u64 << 53) as f64;
            cumulative.partition_point(|c| *c < at).min(KEYS - 1)
        })
        .collect();
    let mut calls = 0;
    Box::new(move |_| {
        let key = if calls < KEYS {
            calls
        } else {
            ranks[calls % ranks.len()]
        };
        calls += 1;
        black_box(exchange(&mut service, Method::GET, uris[key].clone(), None));
    })
}

fn warm(mut exchange: Exchange, times: usize) -> Exchange {
    (0..times).for_each(&mut exchange);
    exchange
}
