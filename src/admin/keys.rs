//! Endpoints that show what is stored.

use super::Shared;
use super::problem::{Answer, Problem, json};
use super::query::Query;
use crate::cache::Inner;
use crate::entry::{Entry, Kind};
use crate::error::Fault;
use crate::store::inspect::{Listed, PageQuery};
use axum::extract::State;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json as value};
use std::time::Duration;

/// Keys of a page, about, where none are said, and at most.
const LIMIT: u64 = 100;
const MOST: u64 = 1000;

/// Bytes of the longest pattern, part of a URI or name.
const LONGEST: usize = 1024;

/// For how long Redis may keep an administrator waiting.
const WITHIN: Duration = Duration::from_secs(5);

/// Bytes of a body that are shown.
const SHOWN: usize = 64 << 10;

/// A page of keys.
pub(super) async fn keys(State(admin): Shared, uri: Uri) -> Answer {
    let query = Query::of(&uri, &["cursor", "limit", "pattern", "uri"])?;
    let limit = query.number("limit")?.unwrap_or(LIMIT).clamp(1, MOST);
    let inner = &admin.cache.inner;
    let wanted = PageQuery {
        cursor: query.number("cursor")?.unwrap_or_default(),
        limit: usize::try_from(limit).unwrap_or(1),
        pattern: pattern(inner, query.one("pattern")?)?,
        uri: short(query.one("uri")?)?.map(str::to_owned),
    };
    let page = within(inner.store.page(&wanted)).await?;
    let keys: Vec<Value> = page.keys.iter().map(listed).collect();
    let cursor = page.next.map(|next| next.to_string());
    Ok(json(
        StatusCode::OK,
        &value!({"keys": keys, "cursor": cursor}),
    ))
}

/// Within this namespace, whatever is asked for.
fn pattern(inner: &Inner, asked: Option<&str>) -> Result<String, Problem> {
    let asked = short(asked)?.unwrap_or("*");
    let namespace = &inner.store.namespace;
    let pattern = namespace.strip(asked).unwrap_or(asked);
    Ok(namespace.name(pattern))
}

fn short(text: Option<&str>) -> Result<Option<&str>, Problem> {
    match text {
        Some(text) if text.len() > LONGEST || text.is_empty() => {
            Err(Problem::bad_request("a text is empty or longer than 1 KiB"))
        }
        text => Ok(text),
    }
}

async fn within<T>(asked: impl Future<Output = Result<T, Fault>>) -> Result<T, Problem> {
    let answer = tokio::time::timeout(WITHIN, asked).await;
    Ok(answer.unwrap_or(Err(Fault::Timeout))?)
}

fn listed(key: &Listed) -> Value {
    value!({
        "key": key.name,
        "kind": key.kind.map_or("record", kind),
        "uri": key.uri,
        "bytes": key.bytes,
        "expires_in_ms": key.ttl_ms,
    })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Response => "response",
        Kind::Vary => "vary",
        Kind::Value => "value",
    }
}

/// One entry, by its name; with `body`, its content too.
pub(super) async fn entry(State(admin): Shared, uri: Uri) -> Answer {
    let query = Query::of(&uri, &["key", "body"])?;
    let missing = || Problem::bad_request("say which key");
    let asked = short(query.one("key")?)?.ok_or_else(missing)?;
    let inner = &admin.cache.inner;
    let namespace = &inner.store.namespace;
    let name = namespace.name(namespace.strip(asked).unwrap_or(asked));
    let none = || Problem::new(StatusCode::NOT_FOUND, "there is no entry of this name");
    let entry = within(inner.store.named(&name)).await?.ok_or_else(none)?;
    let valid = inner.store.is_still_valid(&entry).await;
    let mut shown = described(inner, &entry);
    shown["key"] = name.into();
    shown["purged"] = (!valid).into();
    if query.flag("body")? {
        shown["body"] = body(&entry);
    }
    Ok(json(StatusCode::OK, &shown))
}

/// What an entry says of itself. Times are milliseconds since the epoch.
pub(super) fn described(inner: &Inner, entry: &Entry) -> Value {
    let (now, facts) = (inner.clock.now(), entry.facts());
    value!({
        "key": inner.store.full_name(entry),
        "kind": kind(entry.kind),
        "uri": entry.uri(),
        "status": entry.status().as_u16(),
        "headers": headers(entry.head()),
        "tags": entry.tags(),
        "body_bytes": entry.body.len(),
        "stored_at": facts.stored_at.0,
        "fresh_until": facts.fresh_until.0,
        "stale_until": facts.stale_until.0,
        "age_seconds": facts.age(now),
        "fresh": facts.is_fresh(now),
        "handler_ms": facts.handler_ms,
        "for_everybody": facts.public,
        "stamp": facts.stamp.0.to_string(),
    })
}

/// Pairs, for a name may come twice; `Age` and `Cache-Status` are added to each answer.
fn headers(head: &HeaderMap) -> Vec<[String; 2]> {
    let ours = [http::header::AGE, http::header::CACHE_STATUS];
    let stored = head.iter().filter(|(name, _)| !ours.contains(name));
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        [name.as_str().to_owned(), text]
    };
    stored.map(pair).collect()
}

/// Its beginning as text; `null`: it is none.
fn body(entry: &Entry) -> Value {
    let shown = &entry.body[..entry.body.len().min(SHOWN)];
    match std::str::from_utf8(shown) {
        Ok(text) => text.into(),
        // Cut within a character.
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(&shown[..error.valid_up_to()]).into()
        }
        Err(_) => Value::Null,
    }
}
