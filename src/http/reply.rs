//! Answers made from what is stored.

use super::body::CacheBody;
use crate::clock::Timestamp;
use crate::entry::{Entry, places, put_age};
use crate::policy::conditional::{head_of_304, not_modified};
use crate::policy::ranges::{Ranged, head_of_206, head_of_416, ranged, ranged_of_part};
use crate::policy::status::{self, Exception};
use crate::taint::given_old;
use http::header::{AGE, CACHE_STATUS, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// How a stored response is asked for. `conditional` holds the request's fields if it is a
/// conditional one (RFC 9111 §4.3.2); `head`: without the body (RFC 9110 §9.3.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Form<'a> {
    pub(super) head: bool,
    pub(super) conditional: Option<&'a HeaderMap>,
    /// The request's fields if it asks for a part (RFC 9110 §14.2).
    pub(super) ranged: Option<&'a HeaderMap>,
}

/// The whole answer of a fresh entry.
#[inline]
pub(super) fn fresh<B>(entry: &Entry, now: Timestamp) -> Response<CacheBody<B>> {
    let mut response = entry.answer().map(|()| CacheBody::full(entry.body.clone()));
    let head = response.headers_mut();
    let left = entry.facts().fresh_until.since(now) / 1000;
    let (age, left) = (status::line(entry.meta.age(now)), status::line(left));
    let upstream = entry.upstream_status.as_ref();
    if let (Some((its_age, its_status)), Some((age, _)), Some((_, status)), None) =
        (places(head), age, left, upstream)
    {
        its_age.clone_from(age);
        its_status.clone_from(status);
    } else {
        let (age, status) = age_and_status(entry, now, None);
        put_age(head, age, status);
    }
    response
}

/// The answer of a stored entry; `exception`: it is not simply a fresh one.
#[inline]
pub(super) fn stored<B>(
    entry: &Entry,
    now: Timestamp,
    form: Form<'_>,
    exception: Option<Exception>,
) -> Response<CacheBody<B>> {
    if exception.is_some() {
        given(exception);
    }
    let status = entry.status();
    let unmodified = |request: &HeaderMap| {
        status == StatusCode::OK
            && not_modified(request, entry.head(), Some(entry.meta.stored_at), now)
    };
    let unmodified = form.conditional.is_some_and(unmodified);
    let mut headers = match unmodified {
        true => head_of_304(entry.head()),
        false => entry.head().clone(),
    };
    let (age, member) = age_and_status(entry, now, exception);
    put_age(&mut headers, age, member);
    if unmodified {
        return response(StatusCode::NOT_MODIFIED, headers, CacheBody::empty());
    }
    if let Some(request) = form.ranged
        && !form.head
        && let Some(part) = part(entry, &headers, request, now)
    {
        return part;
    }
    if form.head {
        let headers = with_length(headers, entry);
        return response(status, headers, CacheBody::empty());
    }
    response(status, headers, CacheBody::full(entry.body.clone()))
}

#[cold]
fn given(exception: Option<Exception>) {
    if exception.is_some_and(Exception::is_old) {
        given_old();
    }
}

/// The answer of a stored 206, if it holds what a GET asks for.
pub(super) fn stored_part<B>(
    entry: &Entry,
    now: Timestamp,
    request: &HeaderMap,
) -> Option<Response<CacheBody<B>>> {
    let held = entry.body.len() as u64;
    let (part, at) = ranged_of_part(request, entry.head(), held, now)?;
    let mut headers = head_of_206(entry.head(), part);
    let (age, member) = age_and_status(entry, now, None);
    put_age(&mut headers, age, member);
    let body = CacheBody::full(entry.body.slice(at));
    Some(response(entry.status(), headers, body))
}

/// The part of a stored 200 that a GET asks for; `None`: all of it.
#[cold]
fn part<B>(
    entry: &Entry,
    head: &HeaderMap,
    request: &HeaderMap,
    now: Timestamp,
) -> Option<Response<CacheBody<B>>> {
    if entry.status() != StatusCode::OK {
        return None;
    }
    let total = entry.body.len() as u64;
    match ranged(request, head, total, now) {
        Ranged::Whole => None,
        Ranged::NotSatisfiable(total) => {
            let mut headers = head_of_416(head, total);
            for name in [AGE, CACHE_STATUS] {
                if let Some(value) = head.get(&name) {
                    headers.insert(name, value.clone());
                }
            }
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            Some(response(status, headers, CacheBody::empty()))
        }
        Ranged::Part(part) => {
            let (first, last) = (usize::try_from(part.first), usize::try_from(part.last));
            let body = entry.body.slice(first.ok()?..=last.ok()?);
            let headers = head_of_206(head, part);
            let status = StatusCode::PARTIAL_CONTENT;
            Some(response(status, headers, CacheBody::full(body)))
        }
    }
}

#[inline]
fn age_and_status(
    entry: &Entry,
    now: Timestamp,
    exception: Option<Exception>,
) -> (HeaderValue, HeaderValue) {
    let (age, upstream) = (entry.meta.age(now), entry.upstream_status.as_ref());
    let fresh_until = entry.facts().fresh_until;
    let ttl = fresh_until.since(now) / 1000;
    match exception {
        None => status::hit(age, ttl, upstream),
        Some(exception) => {
            let late = now.since(fresh_until).div_ceil(1000);
            let left =
                i64::try_from(ttl).unwrap_or(i64::MAX) - i64::try_from(late).unwrap_or(i64::MAX);
            (age.into(), status::exceptional(exception, left, upstream))
        }
    }
}

/// A HEAD has no body to take the length from.
fn with_length(mut headers: HeaderMap, entry: &Entry) -> HeaderMap {
    if entry.status() != StatusCode::NO_CONTENT {
        headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| entry.body.len().into());
    }
    headers
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

#[inline]
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
