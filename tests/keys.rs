//! Which requests share an entry.

mod support;

#[path = "support/scripted.rs"]
mod scripted;

use axum::body::Body;
use http::Request;
use neuralblitz_cache::{CacheConfig, KeyRules};
use scripted::{App, Fields, counted, read};

fn app(rules: KeyRules) -> App {
    let config = CacheConfig::builder().key(rules).build();
    App::new(config.expect("usable"), |_, run| counted(run, &[]))
}

/// Whether both requests get one answer.
async fn share(rules: &KeyRules, one: (&str, Fields<'_>), two: (&str, Fields<'_>)) -> bool {
    let app = app(rules.clone());
    let (one, two) = (
        app.get_with(one.0, one.1).await,
        app.get_with(two.0, two.1).await,
    );
    one.body == two.body
}

#[tokio::test]
async fn by_default_the_whole_uri_counts() {
    let rules = KeyRules::new();
    assert!(share(&rules, ("/a?x=1", &[]), ("/a?x=1", &[])).await);
    for other in [
        "/a", "/a?", "/a?x=2", "/a?x=1&", "/A?x=1", "/a/?x=1", "/%61?x=1",
    ] {
        assert!(
            !share(&rules, ("/a?x=1", &[]), (other, &[])).await,
            "{other}"
        );
    }
    assert!(!share(&rules, ("/a", &[]), ("/a?", &[])).await);
    let (here, there) = (&[("host", "a.b")], &[("host", "c.d")]);
    assert!(!share(&rules, ("/a", here), ("/a", there)).await);
    assert!(share(&rules, ("/a", here), ("/a", &[("host", "A.b")])).await);
    assert!(share(&rules, ("/a", here), ("http://a.b/a", here)).await);
}

#[tokio::test]
async fn what_the_rules_leave_out_does_not_count() {
    let rules = KeyRules::new().ignore_authority();
    assert!(share(&rules, ("/a", &[("host", "a")]), ("/a", &[("host", "b")])).await);
    let rules = KeyRules::new().drop_params(["utm_*"]);
    assert!(share(&rules, ("/a?x=1&utm_source=q", &[]), ("/a?x=1", &[])).await);
    assert!(share(&rules, ("/a?utm_source=q", &[]), ("/a", &[])).await);
    assert!(!share(&rules, ("/a?x=1", &[]), ("/a", &[])).await);
    let rules = KeyRules::new().keep_params(["x"]);
    assert!(share(&rules, ("/a?y=2&x=1", &[]), ("/a?x=1&z", &[])).await);
    let rules = KeyRules::new().sort_params();
    assert!(share(&rules, ("/a?y=2&x=1", &[]), ("/a?x=1&y=2", &[])).await);
    assert!(!share(&rules, ("/a?x=2&x=1", &[]), ("/a?x=1&x=2", &[])).await);
}

#[tokio::test]
async fn what_the_rules_add_counts() {
    let tenant = |name: &'static str| [("x-tenant", name)];
    let by_header = KeyRules::new().header("x-tenant".parse().expect("a name"));
    let by_closure = KeyRules::new().with(|request| {
        let tenant = request.headers.get("x-tenant");
        tenant.map_or_else(String::new, |tenant| format!("{tenant:?}"))
    });
    for rules in [by_header, by_closure] {
        assert!(share(&rules, ("/a", &tenant("acme")), ("/a", &tenant("acme"))).await);
        assert!(!share(&rules, ("/a", &tenant("acme")), ("/a", &tenant("evil"))).await);
        assert!(!share(&rules, ("/a", &tenant("acme")), ("/a", &[])).await);
    }
}

#[tokio::test]
async fn a_purge_by_uri_follows_the_rules() {
    let app = app(KeyRules::new().drop_params(["utm_*"]).sort_params());
    app.get("/a?y=2&x=1&utm_source=q").await;
    let _ = app.cache.purge_uri("/a?x=1&y=2").await.expect("a URI");
    assert!(!app.get("/a?x=1&y=2").await.is_hit());
    let _ = app
        .cache
        .purge_uri("//elsewhere/a?x=1&y=2")
        .await
        .expect("a URI");
    assert!(app.get("/a?x=1&y=2").await.is_hit(), "another authority's");
    assert!(app.cache.purge_uri("no path").await.is_err());
}

#[tokio::test]
async fn a_request_that_names_two_hosts_passes() {
    let app = app(KeyRules::new());
    for (uri, hosts) in [("/a", &["a", "b"][..]), ("http://a/a", &["b"])] {
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        let answer = read(
            app.response(request.body(Body::empty()).expect("a request"))
                .await,
        )
        .await;
        assert_eq!(answer.cache(), "");
    }
    assert_eq!(app.cache.stats().local_entries, 0);
}
