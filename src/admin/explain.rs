//! What would happen to a request now, and why.

use super::Shared;
use super::keys::described;
use super::problem::{Answer, Problem, json};
use super::purge::content;
use super::query::Query;
use crate::cache::Inner;
use crate::clock::millis;
use crate::http::{Explained, Outcome};
use crate::key::RequestKey;
use crate::policy::status::Exception;
use crate::store::Tier;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use serde_json::{Value, json as value};

const KNOWN: [&str; 3] = ["method", "uri", "header"];

/// The request that is asked about: `method` (GET), `uri`, and any number of `header=name:value`; by
/// the query, or as a JSON object: what is in a URL may be logged on the way.
pub(super) async fn explain(State(admin): Shared, asked: Request<Body>) -> Answer {
    let (parts, body) = asked.into_parts();
    let content = content(&parts.headers, body).await?;
    let query = Query::of(&parts.uri, &KNOWN)?.with(content, &KNOWN)?;
    let request = request(&query)?;
    let inner = &admin.cache.inner;
    let explained = admin.cache.explain(&request).await;
    Ok(json(StatusCode::OK, &told(inner, &explained)))
}

fn request(query: &Query) -> Result<Request<String>, Problem> {
    let missing = || Problem::bad_request("say which uri");
    let unreadable = || Problem::bad_request("the URI cannot be read, or its path is not absolute");
    let uri = query.one("uri")?.ok_or_else(missing)?;
    let uri: Uri = uri.parse().map_err(|_| unreadable())?;
    if !uri.path().starts_with('/') {
        return Err(unreadable());
    }
    let method = query.one("method")?.unwrap_or("GET");
    let method = Method::from_bytes(method.as_bytes());
    let method = method.map_err(|_| Problem::bad_request("the method cannot be read"))?;
    let mut request = Request::new(String::new());
    for line in query.all("header") {
        let (name, value) = field(line)
            .ok_or_else(|| Problem::bad_request("a header is no `name:value`, or cannot be one"))?;
        request.headers_mut().append(name, value);
    }
    *request.uri_mut() = uri;
    *request.method_mut() = method;
    Ok(request)
}

fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.parse().ok()?, value.trim().parse().ok()?))
}

fn told(inner: &Inner, explained: &Explained) -> Value {
    let Explained {
        outcome,
        key,
        found,
        guarded,
        storable,
        marked,
        under_way,
        policy,
    } = explained;
    let (happens, why, tier) = names(*outcome);
    value!({
        "happens": happens,
        "why": why,
        "tier": tier.map(tier_name),
        "key": key.as_ref().map(|key| key_as_json(inner, key)),
        "found": found.as_ref().map(|entry| described(inner, entry)),
        "credentials": guarded,
        "may_be_stored": storable,
        "not_stored_of_late": marked,
        "under_way": under_way,
        "policy": {
            "route": policy.pattern,
            "class": policy.class,
            "ttl_ms": millis(policy.ttl),
            "override_ttl_ms": policy.override_ttl.map(millis),
        },
    })
}

/// What happens, why, and from which tier.
fn names(outcome: Outcome) -> (&'static str, Option<&'static str>, Option<Tier>) {
    match outcome {
        Outcome::Pass(why) => ("pass", Some(why.name()), None),
        Outcome::Write => ("write", Some("method"), None),
        Outcome::Hit(tier, exception) => ("hit", exception.and_then(detail), Some(tier)),
        Outcome::Part(tier) => ("hit", Some("stored-part"), Some(tier)),
        Outcome::WhileRevalidate => ("stale", Some("stale-while-revalidate"), None),
        Outcome::OnlyIfCached => ("gateway-timeout", Some("only-if-cached"), None),
        Outcome::Forward(reason) => ("forward", Some(reason.name()), None),
    }
}

fn detail(exception: Exception) -> Option<&'static str> {
    match exception {
        Exception::Fallback => Some("fallback"),
        Exception::Accepted => Some("max-stale"),
        _ => None,
    }
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Local => "local",
        Tier::Redis => "redis",
        Tier::Fallback => "fallback",
    }
}

fn key_as_json(inner: &Inner, key: &RequestKey<'_>) -> Value {
    value!({
        "name": inner.store.namespace.names(key).primary,
        "authority": key.authority,
        "path": key.path,
        "query": key.query,
    })
}
