//! Answers made from what is stored.

use super::body::CacheBody;
use crate::clock::Timestamp;
use crate::entry::{Entry, Told};
use crate::policy::conditional::{head_of_304, not_modified};
use crate::policy::status;
use http::header::{AGE, CACHE_STATUS, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// The answer of a fresh entry. `conditional` holds the request's fields if it is a
/// conditional one (RFC 9111 §4.3.2); `head`: without the body (RFC 9110 §9.3.2).
pub(super) fn hit<B>(
    entry: &Entry,
    now: Timestamp,
    head: bool,
    conditional: Option<&HeaderMap>,
) -> Response<CacheBody<B>> {
    let (age, status) = age_and_status(entry, now);
    let matched = |request: &HeaderMap| {
        entry.status == StatusCode::OK
            && not_modified(request, &entry.headers, Some(entry.meta.stored_at))
    };
    let unmodified = conditional.is_some_and(matched);
    let mut headers = match unmodified {
        true => head_of_304(&entry.headers),
        false => entry.headers.clone(),
    };
    put(&mut headers, &AGE, age);
    put(&mut headers, &CACHE_STATUS, status);
    if unmodified {
        return response(StatusCode::NOT_MODIFIED, headers, CacheBody::empty());
    }
    if head {
        tell_length(&mut headers, entry);
        return response(entry.status, headers, CacheBody::empty());
    }
    response(entry.status, headers, CacheBody::full(entry.body.clone()))
}

/// `Age` (RFC 9111 §5.1) and our `Cache-Status`, made anew once a second.
fn age_and_status(entry: &Entry, now: Timestamp) -> (HeaderValue, HeaderValue) {
    let told = entry.told.try_lock();
    if let Ok(Some(told)) = told.as_deref()
        && told.from <= now
        && now < told.until
    {
        return (told.age.clone(), told.status.clone());
    }
    let ttl = entry.meta.fresh_until.since(now) / 1000;
    let (age, status) = status::hit(entry.meta.age(now), ttl, entry.upstream_status.as_ref());
    if let Ok(mut told) = told {
        *told = Some(Told {
            from: now,
            until: entry.next_second(now),
            age: age.clone(),
            status: status.clone(),
        });
    }
    (age, status)
}

/// Into the place made when the entry was stored.
fn put(headers: &mut HeaderMap, name: &http::HeaderName, value: HeaderValue) {
    if let Some(place) = headers.get_mut(name) {
        *place = value;
    }
}

/// A HEAD has no body to take the length from.
fn tell_length(headers: &mut HeaderMap, entry: &Entry) {
    if entry.status != StatusCode::NO_CONTENT {
        headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| entry.body.len().into());
    }
}

pub(super) fn not_modified_response<B>(selected: &HeaderMap) -> Response<CacheBody<B>> {
    let headers = head_of_304(selected);
    response(StatusCode::NOT_MODIFIED, headers, CacheBody::empty())
}

/// `only-if-cached`, and nothing is (RFC 9111 §5.2.1.7).
pub(super) fn gateway_timeout<B>() -> Response<CacheBody<B>> {
    let mut headers = HeaderMap::new();
    let member = HeaderValue::from_static("neuralblitz-cache; detail=only-if-cached");
    headers.insert(CACHE_STATUS, member);
    response(StatusCode::GATEWAY_TIMEOUT, headers, CacheBody::empty())
}

pub(super) fn response<B>(
    status: StatusCode,
    headers: HeaderMap,
    body: CacheBody<B>,
) -> Response<CacheBody<B>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
