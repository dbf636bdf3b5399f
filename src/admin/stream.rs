//! `GET /cache/stream`: a record of figures each second, for the dashboard.
//!
//! Server-sent events, that nobody on the way keeps them back; read with `fetch`, so that the token
//! can be sent. A stream holds no task: who reads it drives it, and who is gone has ended it.

use super::problem::Problem;
use super::query::Query;
use super::{Admin, Shared, record};
use crate::clock::Timestamp;
use crate::sync::{AtomicU64, Ordering, lock};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use hyper::body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

/// Streams at once, of those with the token and of those without.
const MOST: usize = 16;

/// How far apart records are.
const EVERY: Duration = Duration::from_secs(1);

/// Who has not taken a record for so long gives way when places are short.
const STALLED: Duration = Duration::from_secs(30);

/// Records until the client has enough: counts only, and with the token also the keys and tags
/// that are asked for most.
pub(super) async fn stream(State(admin): Shared, uri: Uri, headers: HeaderMap) -> Response {
    if let Err(problem) = Query::of(&uri, &[]) {
        return problem.into_response();
    }
    let shows_keys = match admin.guard.is_admin(&headers) {
        Ok(shows_keys) => shows_keys,
        Err(refused) => return refused.into_response(),
    };
    let now = admin.cache.inner.clock.now();
    match admin.places[usize::from(shows_keys)].take(now) {
        Some(place) => Watcher::new(admin, place, shows_keys).into_response(),
        None => full(),
    }
}

fn full() -> Response {
    let detail = "as many streams are open as there may be";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    let mut response = problem.into_response();
    response.headers_mut().insert(RETRY_AFTER, 5.into());
    response
}

/// Places of streams that are read.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Vec<Weak<Place>>>);

/// The place of one stream; free once it is dropped.
#[derive(Debug)]
struct Place {
    /// When the last record was taken.
    taken_at: AtomicU64,
}

impl Places {
    /// `None`: all are held, and all who hold one have taken a record of late.
    fn take(&self, now: Timestamp) -> Option<Arc<Place>> {
        let mut held = lock(&self.0);
        held.retain(|place| place.upgrade().is_some_and(|place| !place.is_lost(now)));
        if held.len() >= MOST {
            return None;
        }
        let place = Arc::new(Place {
            taken_at: AtomicU64::new(now.0),
        });
        held.push(Arc::downgrade(&place));
        Some(place)
    }
}

impl Place {
    fn is_lost(&self, now: Timestamp) -> bool {
        let taken_at = Timestamp(self.taken_at.load(Ordering::Relaxed));
        now >= taken_at.after(STALLED)
    }
}

/// What a stream is made of.
struct Watcher {
    admin: Arc<Admin>,
    place: Arc<Place>,
    shows_keys: bool,
    closing: watch::Receiver<()>,
    ticks: Interval,
    begins: bool,
}

impl Watcher {
    fn new(admin: Arc<Admin>, place: Arc<Place>, shows_keys: bool) -> Self {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            closing: admin.cache.inner.closing.subscribe(),
            admin,
            place,
            shows_keys,
            ticks,
            begins: true,
        }
    }

    /// The next record; `None`: the cache shuts down, or the place was lost.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        tokio::select! {
            biased;
            _ = self.closing.changed() => return None,
            _ = self.ticks.tick() => {}
        }
        let inner = &self.admin.cache.inner;
        let now = inner.clock.now();
        if self.place.is_lost(now) {
            return None;
        }
        self.place.taken_at.store(now.0, Ordering::Relaxed);
        let mut record = record::counts(&self.admin).await;
        if std::mem::take(&mut self.begins) {
            record.insert("history".into(), record::history(inner));
        }
        if self.shows_keys {
            record.extend(record::hottest(&self.admin.cache));
        }
        let record = serde_json::Value::Object(record);
        Some((format!("data: {record}\n\n").into(), self))
    }
}

impl IntoResponse for Watcher {
    fn into_response(self) -> Response {
        let records = Records {
            next: Some(Box::pin(self.next())),
        };
        let mut response = Response::new(Body::new(records));
        let headers = response.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, "text/event-stream"),
            (CACHE_CONTROL, "no-store"),
            // nginx would collect them.
            (HeaderName::from_static("x-accel-buffering"), "no"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Watcher)>> + Send>>;

/// The records as a body.
struct Records {
    /// `None`: it has ended.
    next: Option<Next>,
}

impl hyper::body::Body for Records {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let found = ready!(next.as_mut().poll(cx));
        let (record, next) = found
            .map(|(record, watcher)| {
                let next: Next = Box::pin(watcher.next());
                (Ok(Frame::data(record)), next)
            })
            .unzip();
        self.next = next;
        Poll::Ready(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_000_000);

    #[test]
    fn a_place_is_free_again_when_its_stream_is_dropped() {
        let places = Places::default();
        let mut held: Vec<_> = (0..MOST).map(|_| places.take(START)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(START).is_none());
        held.pop();
        assert!(places.take(START).is_some());
    }

    #[test]
    fn who_takes_no_record_for_long_gives_way() {
        let places = Places::default();
        let held: Vec<_> = (0..MOST).filter_map(|_| places.take(START)).collect();
        let later = START.after(STALLED);
        held[0].taken_at.store(later.0, Ordering::Relaxed);
        let more = (0..MOST).filter_map(|_| places.take(later)).count();
        // Those that were taken here are dropped at once; the first of the others still reads.
        assert_eq!(more, MOST);
        assert_eq!(
            lock(&places.0)
                .iter()
                .filter(|place| place.upgrade().is_some())
                .count(),
            1
        );
        assert!(!held[0].is_lost(later) && held[1].is_lost(later));
    }
}
