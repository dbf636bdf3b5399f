//! What is stored under a key: the envelope, in memory and on the wire.

mod codec;
mod kept;

#[cfg(feature = "testing")]
pub(crate) use codec::put_checksum;
pub(crate) use codec::{Draft, HEADER_LEN, decode, seal};

use crate::clock::Timestamp;
use crate::stamp::{Scope, Stamp};
use bytes::Bytes;
use http::header::{AGE, CACHE_STATUS};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// What an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A response.
    Response,
    /// The `Vary` fields of a key whose responses stand under their variants.
    Vary,
    /// A value set by hand.
    Value,
}

/// The facts about an entry that decide how it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    /// The clock of purges before the handler ran.
    pub(crate) stamp: Stamp,
    pub(crate) stored_at: Timestamp,
    pub(crate) fresh_until: Timestamp,
    pub(crate) stale_until: Timestamp,
    /// How long the handler took, in milliseconds.
    pub(crate) handler_ms: u32,
    /// How old the response was when it came, in seconds (RFC 9111 §4.2.3).
    pub(crate) age: u32,
    /// `public` or `s-maxage`: may answer requests that carry credentials (§3.5).
    pub(crate) public: bool,
}

impl Meta {
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.fresh_until
    }

    /// RFC 9111 §4.2.3, in seconds: how old it was when it came, and how long it has been
    /// here.
    pub(crate) fn age(&self, now: Timestamp) -> u64 {
        u64::from(self.age) + now.since(self.stored_at) / 1000
    }
}

/// One stored response, `Vary` record or value. Head and body are slices of one buffer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) meta: Meta,
    pub(crate) status: StatusCode,
    pub(crate) scopes: Box<[Scope]>,
    pub(crate) key: Bytes,
    pub(crate) variant: Bytes,
    pub(crate) body: Bytes,
    /// `Cache-Status` members of caches further up, to be put before ours.
    pub(crate) upstream_status: Option<HeaderValue>,
    /// The field names of a [`Kind::Vary`] record, newest set first.
    pub(crate) vary: Box<[Vec<HeaderName>]>,
    wire: Bytes,
    verified: AtomicU64,
    queued: AtomicBool,
    head: RwLock<Head>,
    fields: usize,
}

/// The head as it is sent, with `Age` and `Cache-Status` as they are in some second: a copy of
/// it is all that a hit makes.
#[derive(Debug)]
struct Head {
    headers: HeaderMap,
    from: Timestamp,
    until: Timestamp,
}

impl Head {
    /// Makes the places for `Age` and `Cache-Status`.
    fn new(mut headers: HeaderMap) -> Self {
        headers.insert(AGE, HeaderValue::from_static("0"));
        headers.insert(CACHE_STATUS, HeaderValue::from_static(""));
        Self {
            headers,
            from: Timestamp(0),
            until: Timestamp(0),
        }
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    fn put(&mut self, name: &HeaderName, value: HeaderValue) {
        if let Some(place) = self.headers.get_mut(name) {
            *place = value;
        }
    }
}

impl Entry {
    /// The whole envelope.
    pub(crate) fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// Its fixed part: equal for two envelopes only if they are the same.
    pub(crate) fn header(&self) -> &[u8] {
        &self.wire[..HEADER_LEN]
    }

    /// Bytes this entry takes in memory, about.
    pub(crate) fn weight(&self) -> u64 {
        const FIELD: usize = 120;
        let size = size_of::<Self>() + self.wire.len() + self.fields * FIELD;
        size as u64
    }

    /// The clock at which it was last found valid.
    pub(crate) fn verified(&self) -> Stamp {
        Stamp(self.verified.load(Ordering::Acquire))
    }

    /// Notes that nothing up to `clock` purged it.
    pub(crate) fn verify(&self, clock: Stamp) {
        self.verified.fetch_max(clock.0, Ordering::AcqRel);
    }

    /// Whether its write to Redis is still to come: until then this process alone has it.
    pub(crate) fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire)
    }

    pub(crate) fn set_queued(&self, queued: bool) {
        self.queued.store(queued, Ordering::Release);
    }

    /// Reads the head as it is at `now`; `tell` says what `Age` and `Cache-Status` are then.
    #[inline]
    pub(crate) fn head<T>(
        &self,
        now: Timestamp,
        tell: impl FnOnce() -> (HeaderValue, HeaderValue),
        read: impl FnOnce(&HeaderMap) -> T,
    ) -> T {
        {
            let head = self.head.read().unwrap_or_else(PoisonError::into_inner);
            if head.holds(now) {
                return read(&head.headers);
            }
        }
        let mut head = self.head.write().unwrap_or_else(PoisonError::into_inner);
        let (age, status) = tell();
        head.put(&AGE, age);
        head.put(&CACHE_STATUS, status);
        (head.from, head.until) = (now, self.next_second(now));
        read(&head.headers)
    }

    /// When its age, or the rest of its lifetime, is another number of seconds than at `now`.
    fn next_second(&self, now: Timestamp) -> Timestamp {
        let aged = now.since(self.meta.stored_at) % 1000;
        let left = self.meta.fresh_until.since(now) % 1000;
        Timestamp(now.0 + (1000 - aged).min(left + 1))
    }
}

/// The sets of field names in the body of a [`Kind::Vary`] record.
fn read_vary(kind: Kind, body: &[u8]) -> Box<[Vec<HeaderName>]> {
    let sets = if kind == Kind::Vary { body } else { &[] };
    sets.split(|b| *b == b'\n')
        .map(|set| {
            let names = set.split(|b| *b == b',');
            names
                .filter_map(|name| HeaderName::from_bytes(name).ok())
                .collect::<Vec<_>>()
        })
        .filter(|set| !set.is_empty())
        .collect()
}

/// The body of a [`Kind::Vary`] record.
pub(crate) fn vary_record(sets: &[Vec<HeaderName>]) -> Bytes {
    let join = |set: &Vec<HeaderName>| {
        set.iter()
            .map(HeaderName::as_str)
            .collect::<Vec<_>>()
            .join(",")
    };
    sets.iter().map(join).collect::<Vec<_>>().join("\n").into()
}

/// What caches further up have said, as one line.
fn upstream_status(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines: Vec<&[u8]> = headers
        .get_all(CACHE_STATUS)
        .into_iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let line = HeaderValue::from_bytes(&lines.join(&b", "[..])).ok();
    line.filter(|line| !line.is_empty())
}
