//! Endpoints that purge.

use super::Shared;
use super::problem::{Answer, Problem, json};
use super::query::Query;
use crate::purge::{Purge, Purged};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json as value};

/// Bytes of the largest content.
const LARGEST: usize = 64 << 10;

/// Tags of one purge.
const MOST_TAGS: usize = 1000;

const KNOWN: [&str; 8] = [
    "key", "uri", "prefix", "pattern", "tag", "class", "all", "soft",
];

const ONE_OF: &str = "say one of key, uri, prefix, pattern, class, all, or any number of tag; and \
                      soft, if it is to be that";

pub(super) async fn clear(State(admin): Shared) -> Response {
    let purged = admin.cache.clear().await;
    tracing::info!(?purged, "everything was purged over HTTP");
    purged_as_json(purged)
}

/// What is said by the query, or by a JSON object as the content.
pub(super) async fn purge(State(admin): Shared, request: Request<Body>) -> Answer {
    let (parts, body) = request.into_parts();
    let query = Query::of(&parts.uri, &KNOWN)?.into_pairs();
    let content = content(&parts.headers, body).await?;
    let purge = purge_of(query.into_iter().chain(content))?;
    let purged = admin.cache.purge(purge).await?;
    tracing::info!(?purged, "a purge was given over HTTP");
    Ok(purged_as_json(purged))
}

/// 202: it is in force here, and on the other instances once Redis has taken it.
fn purged_as_json(purged: Purged) -> Response {
    match purged {
        Purged::Applied => json(StatusCode::OK, &value!({"purged": "applied"})),
        Purged::Queued => json(StatusCode::ACCEPTED, &value!({"purged": "queued"})),
    }
}

fn purge_of(said: impl Iterator<Item = (String, String)>) -> Result<Purge, Problem> {
    let (mut what, mut tags, mut soft) = (None, Vec::new(), false);
    let wrong = || Problem::bad_request(ONE_OF);
    for (name, text) in said {
        let named = match (name.as_str(), text.as_str()) {
            ("soft", "" | "1" | "true") => {
                soft = true;
                continue;
            }
            ("soft", "0" | "false") => continue,
            ("tag", _) if tags.len() < MOST_TAGS => {
                tags.push(text);
                continue;
            }
            ("key", _) => Purge::key(text),
            ("uri", _) => Purge::uri(text),
            ("prefix", _) => Purge::prefix(text),
            ("pattern", _) => Purge::pattern(text),
            ("class", _) => Purge::class(text),
            ("all", "" | "1" | "true") => Purge::everything(),
            _ => return Err(wrong()),
        };
        if what.replace(named).is_some() {
            return Err(wrong());
        }
    }
    let purge = match (what, tags.is_empty()) {
        (Some(purge), true) => purge,
        (None, false) => Purge::tags(tags),
        _ => return Err(wrong()),
    };
    Ok(if soft { purge.soft() } else { purge })
}

/// The members of the JSON object that was sent; nothing, where nothing was.
pub(super) async fn content(
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<(String, String)>, Problem> {
    let too_large = "the content is larger than 64 KiB, or broke off";
    let body = to_bytes(body, LARGEST).await;
    let body = body.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, too_large))?;
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let kind = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let is_json =
        kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"application/json"));
    if !is_json {
        let detail = "the content must be application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let wrong = || Problem::bad_request("the content must be a JSON object of texts");
    let Ok(Value::Object(members)) = serde_json::from_slice(&body) else {
        return Err(wrong());
    };
    let mut pairs = Vec::new();
    for (name, value) in members {
        match value {
            Value::String(text) => pairs.push((name, text)),
            Value::Bool(flag) => pairs.push((name, flag.to_string())),
            Value::Array(texts) if ["tag", "tags", "header"].contains(&name.as_str()) => {
                let name = name.trim_end_matches('s');
                for text in texts {
                    let text = text.as_str().ok_or_else(wrong)?;
                    pairs.push((name.to_owned(), text.to_owned()));
                }
            }
            _ => return Err(wrong()),
        }
    }
    Ok(pairs)
}
