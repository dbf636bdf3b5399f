//! Layers that say who may ask, and what is sent beside an answer: what happens with each of them
//! outside the cache, and inside it.

#[path = "support/order.rs"]
mod order;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use neuralblitz_cache::{Credentials, KeyRules};
use order::{ask, cache, counting, handler, hit, ran, send};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tower::ServiceBuilder;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::validate_request::{ValidateRequest, ValidateRequestHeaderLayer};

const ALICE: &[(&str, &str)] = &[("x-session", "alice")];
const BOB: &[(&str, &str)] = &[("x-session", "bob")];
const BEARER: &[(&str, &str)] = &[("authorization", "Bearer secret")];

/// Lets in whoever bears a field, while it is open.
#[derive(Clone)]
struct Door {
    field: HeaderName,
    open: Arc<AtomicBool>,
}

impl Door {
    fn by(field: HeaderName) -> Self {
        let open = Arc::new(AtomicBool::new(true));
        Self { field, open }
    }

    fn shut(&self) {
        self.open.store(false, Ordering::SeqCst);
    }

    fn layer(&self) -> ValidateRequestHeaderLayer<Self> {
        ValidateRequestHeaderLayer::custom(self.clone())
    }
}

impl<B> ValidateRequest<B> for Door {
    type ResponseBody = Body;

    fn validate(&mut self, request: &mut Request<B>) -> Result<(), Response<Body>> {
        let bears = request.headers().contains_key(&self.field);
        match bears && self.open.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(scripted::reply(401, &[], "")),
        }
    }
}

/// By a field that no standard knows.
fn session() -> HeaderName {
    HeaderName::from_static("x-session")
}

#[tokio::test]
async fn a_cache_outside_authentication_answers_without_it() {
    let app = counting(&[])
        .layer(Door::by(session()).layer())
        .layer(cache());
    assert_eq!(ask(&app, &[]).await.status, StatusCode::UNAUTHORIZED);
    ran(&ask(&app, ALICE).await, "0");
    hit(&ask(&app, &[]).await, "0");
}

#[tokio::test]
async fn a_cache_inside_authentication_answers_only_who_is_let_in() {
    let door = Door::by(session());
    let app = counting(&[]).layer(cache()).layer(door.layer());
    ran(&ask(&app, ALICE).await, "0");
    hit(&ask(&app, BOB).await, "0");
    assert_eq!(ask(&app, &[]).await.status, StatusCode::UNAUTHORIZED);
    door.shut();
    assert_eq!(ask(&app, ALICE).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_field_that_counts_as_a_credential_keeps_a_cache_outside_authentication_out_of_it() {
    let rule = Credentials::default().field(session());
    let app = counting(&[])
        .layer(Door::by(session()).layer())
        .layer(cache().credentials(rule));
    ran(&ask(&app, ALICE).await, "0");
    ran(&ask(&app, ALICE).await, "1");
    assert_eq!(ask(&app, &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_field_in_the_key_gives_each_an_entry_that_outlives_the_right_to_it() {
    let door = Door::by(session());
    let key = KeyRules::new().header(session());
    let app = counting(&[]).layer(door.layer()).layer(cache().key(key));
    ran(&ask(&app, ALICE).await, "0");
    ran(&ask(&app, BOB).await, "1");
    assert_eq!(ask(&app, &[]).await.status, StatusCode::UNAUTHORIZED);
    door.shut();
    hit(&ask(&app, ALICE).await, "0");
}

#[tokio::test]
async fn a_bearer_token_is_a_credential_in_both_orders() {
    let bearer = || Door::by(AUTHORIZATION).layer();
    let outside = counting(&[]).layer(bearer()).layer(cache());
    let inside = counting(&[]).layer(cache()).layer(bearer());
    for app in [outside, inside] {
        ran(&ask(&app, BEARER).await, "0");
        ran(&ask(&app, BEARER).await, "1");
        assert_eq!(ask(&app, &[]).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn what_is_marked_public_is_answered_to_anybody_outside_authentication() {
    let public = &[("cache-control", "public, max-age=60")];
    let bearer = || Door::by(AUTHORIZATION).layer();
    let outside = counting(public).layer(bearer()).layer(cache());
    ran(&ask(&outside, BEARER).await, "0");
    hit(&ask(&outside, &[]).await, "0");

    let inside = counting(public).layer(cache()).layer(bearer());
    ran(&ask(&inside, BEARER).await, "0");
    hit(&ask(&inside, BEARER).await, "0");
    assert_eq!(ask(&inside, &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn inside_authentication_a_token_that_changes_no_answer_may_be_ignored() {
    let rule = Credentials::default().ignore(&AUTHORIZATION);
    let app = counting(&[])
        .layer(cache().credentials(rule))
        .layer(Door::by(AUTHORIZATION).layer());
    ran(&ask(&app, BEARER).await, "0");
    hit(&ask(&app, BEARER).await, "0");
    assert_eq!(ask(&app, &[]).await.status, StatusCode::UNAUTHORIZED);
}

const FROM_A: &[(&str, &str)] = &[("origin", "https://a.example")];
const FROM_B: &[(&str, &str)] = &[("origin", "https://b.example")];

fn cors() -> CorsLayer {
    let origins = ["https://a.example", "https://b.example"];
    CorsLayer::new()
        .allow_origin(origins.map(HeaderValue::from_static))
        .allow_methods([Method::GET])
}

fn allowed(answer: &support::web::Answer) -> &str {
    answer.header("access-control-allow-origin")
}

#[tokio::test]
async fn cors_outside_the_cache_answers_all_origins_from_one_entry() {
    let app = counting(&[]).layer(cache()).layer(cors());
    let first = ask(&app, FROM_A).await;
    ran(&first, "0");
    assert_eq!(allowed(&first), "https://a.example");
    let second = ask(&app, FROM_B).await;
    hit(&second, "0");
    assert_eq!(allowed(&second), "https://b.example");
}

#[tokio::test]
async fn cors_inside_the_cache_makes_a_variant_for_each_origin() {
    let app = counting(&[]).layer(cors()).layer(cache());
    ran(&ask(&app, FROM_A).await, "0");
    let other = ask(&app, FROM_B).await;
    ran(&other, "1");
    assert_eq!(allowed(&other), "https://b.example");
    let again = ask(&app, FROM_A).await;
    hit(&again, "0");
    assert_eq!(allowed(&again), "https://a.example");
}

#[tokio::test]
async fn cors_inside_the_cache_without_vary_gives_one_origin_the_fields_of_another() {
    let app = counting(&[]).layer(cors().vary([])).layer(cache());
    ran(&ask(&app, FROM_A).await, "0");
    let other = ask(&app, FROM_B).await;
    hit(&other, "0");
    assert_eq!(allowed(&other), "https://a.example", "a browser refuses it");
}

#[tokio::test]
async fn preflights_are_answered_by_cors_in_both_orders() {
    let preflight = [FROM_B, &[("access-control-request-method", "GET")]].concat();
    let outside = counting(&[]).layer(cache()).layer(cors());
    let inside = counting(&[]).layer(cors()).layer(cache());
    for app in [outside, inside] {
        ask(&app, FROM_A).await;
        let answer = send(&app, Method::OPTIONS, "/a", &preflight).await;
        assert_eq!(answer.header("access-control-allow-methods"), "GET");
        assert_eq!(allowed(&answer), "https://b.example");
        hit(&ask(&app, FROM_A).await, "0");
    }
}

/// Ids that count up.
#[derive(Clone, Default)]
struct Ids(Arc<AtomicUsize>);

impl MakeRequestId for Ids {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let id = self.0.fetch_add(1, Ordering::SeqCst);
        Some(RequestId::new(id.into()))
    }
}

/// The same two layers, first the one that makes an id.
fn with_ids(app: Router) -> Router {
    app.layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(Ids::default()))
}

#[tokio::test]
async fn request_ids_outside_the_cache_are_those_of_each_request() {
    let app = with_ids(counting(&[]).layer(cache()));
    for (id, run) in [("0", ran as fn(&_, &_)), ("1", hit), ("2", hit)] {
        let answer = ask(&app, &[]).await;
        run(&answer, "0");
        assert_eq!(answer.header("x-request-id"), id);
    }
}

#[tokio::test]
async fn request_ids_inside_the_cache_are_stored_and_sent_to_all() {
    let app = with_ids(counting(&[])).layer(cache());
    ran(&ask(&app, &[]).await, "0");
    for _ in 0..2 {
        let answer = ask(&app, &[]).await;
        hit(&answer, "0");
        assert_eq!(answer.header("x-request-id"), "0");
    }
}

/// What a session layer does to every response.
fn cookies() -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(SET_COOKIE, HeaderValue::from_static("sid=1"))
}

#[tokio::test]
async fn set_cookie_outside_the_cache_is_added_to_what_is_stored() {
    let app = counting(&[]).layer(cache()).layer(cookies());
    ran(&ask(&app, &[]).await, "0");
    let second = ask(&app, &[]).await;
    hit(&second, "0");
    assert_eq!(second.header("set-cookie"), "sid=1");
}

#[tokio::test]
async fn set_cookie_inside_the_cache_keeps_everything_from_being_stored() {
    let app = counting(&[]).layer(cookies()).layer(cache());
    ran(&ask(&app, &[]).await, "0");
    ran(&ask(&app, &[]).await, "1");
}

#[tokio::test]
async fn a_service_builder_names_the_outermost_layer_first_and_a_router_last() {
    let layers = ServiceBuilder::new().layer(cache()).layer(cookies());
    let cookies_inside = counting(&[]).layer(layers);
    ask(&cookies_inside, &[]).await;
    ran(&ask(&cookies_inside, &[]).await, "1");

    let cookies_outside = counting(&[]).layer(cache()).layer(cookies());
    ask(&cookies_outside, &[]).await;
    hit(&ask(&cookies_outside, &[]).await, "0");
}

#[tokio::test]
async fn a_write_purges_only_where_the_cache_is_around_it_too() {
    let apart = get(handler(&[])).layer(cache()).post(async || ());
    let around = get(handler(&[])).post(async || ()).layer(cache());
    for (methods, purged) in [(apart, false), (around, true)] {
        let app = Router::new().route("/a", methods);
        ran(&ask(&app, &[]).await, "0");
        let written = send(&app, Method::POST, "/a", &[]).await;
        assert_eq!(written.status, StatusCode::OK);
        match purged {
            true => ran(&ask(&app, &[]).await, "1"),
            false => hit(&ask(&app, &[]).await, "0"),
        }
    }
}
