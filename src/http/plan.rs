//! What will be stored when a body completes.

use super::part::Joined;
use crate::cache::Inner;
use crate::clock::Timestamp;
use crate::entry::{Draft, Entry, Kind, Meta, seal};
use crate::flight::Landing;
use crate::http::Shown;
use crate::http::pending::Share;
use crate::key::RequestKey;
use crate::observe::Route;
use crate::stamp::Scope;
use crate::store::Lease;
use crate::taint::Taint;
use bytes::Bytes;
use http::header::{DATE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A response whose head is known, to be stored if its body completes.
pub(crate) struct Plan {
    pub(super) cache: Arc<Inner>,
    pub(super) key: RequestKey<'static>,
    pub(super) place: u64,
    /// What its hits are counted by.
    pub(super) route: Route,
    pub(super) meta: Meta,
    /// Whether the stamp is known. Without one nothing is stored; followers are served.
    pub(super) stamped: bool,
    /// What it was made of.
    pub(super) taint: Taint,
    /// Redis was left alone when the fetch began.
    pub(super) outage: bool,
    /// Its class stays in local memory.
    pub(super) local_only: bool,
    pub(super) scopes: Box<[Scope]>,
    pub(super) tags: Vec<String>,
    pub(super) status: StatusCode,
    /// End-to-end fields only.
    pub(super) headers: HeaderMap,
    pub(super) vary: Vec<HeaderName>,
    pub(super) variant: Vec<u8>,
    /// Bytes of the largest body that is stored.
    pub(super) limit: u64,
    /// What has been copied, of what all may.
    pub(super) share: Share,
    /// Keeps the flight open until the entry is stored, or will not be.
    pub(super) landing: Option<Landing<Shown>>,
    /// Given back when the entry is in Redis, or will not be.
    pub(super) lease: Option<Lease>,
    /// What it makes together with what is stored: stored in its place.
    pub(super) joined: Option<Box<Joined>>,
    /// For the `ETag`, where one is to be made.
    pub(super) digest: Option<Sha256>,
}

impl Plan {
    /// Sees the next bytes of the body.
    pub(super) fn see(&mut self, data: &Bytes) {
        if let Some(digest) = &mut self.digest {
            digest.update(data);
        }
    }

    /// Whether the stamp is known, and nothing old is part of it.
    pub(super) fn may_be_stored(&self) -> bool {
        self.stamped && !self.taint.is_set()
    }

    /// The body is not worth waiting for.
    pub(super) fn abandon(self) {
        if let Some(lease) = self.lease {
            lease.refuse();
        }
        self.cache.marks.set(self.place, self.cache.clock.now());
    }

    /// The body is complete: what is stored, if it is.
    pub(super) fn store(mut self, frames: &[Bytes]) -> Option<Arc<Entry>> {
        if !self.may_be_stored() {
            return None;
        }
        if let Some(joined) = self.joined.take() {
            return joined.store(frames);
        }
        let entry = self.seal(frames).map(Arc::new);
        if let Some(entry) = &entry {
            self.cache.marks.clear(self.place);
            let store = &self.cache.store;
            let lease = self.lease.take();
            store.insert(&self.key, entry.clone(), &self.vary, lease);
        }
        // Only now: who comes after the flight finds the entry.
        drop(self.landing.take());
        entry
    }

    /// The entry as it would be stored.
    pub(super) fn seal(&mut self, frames: &[Bytes]) -> Option<Entry> {
        if let Some(etag) = self.digest.take().and_then(etag) {
            self.headers.insert(ETAG, etag);
        }
        if let Some(date) = date(self.meta.stored_at)
            && !self.headers.contains_key(DATE)
        {
            self.headers.insert(DATE, date);
        }
        let mut entry = seal(&Draft {
            kind: Kind::Response,
            meta: self.meta,
            status: self.status,
            key: &self.key.to_bytes(),
            variant: &self.variant,
            label: &format!("GET {}", self.uri()),
            scopes: &self.scopes,
            tags: &self.tags,
            headers: &self.headers,
            frames,
        })?;
        entry.outage = self.outage;
        entry.local_only = self.local_only;
        entry.count_by(self.route);
        Some(entry)
    }

    /// In clear what the key says by hash.
    pub(super) fn uri(&self) -> String {
        self.key.uri()
    }
}

/// A strong entity tag from the bytes of the body (RFC 9110 §8.8.3).
fn etag(digest: Sha256) -> Option<HeaderValue> {
    let mut tag = String::from("\"");
    for byte in &digest.finalize()[..16] {
        let _ = std::fmt::Write::write_fmt(&mut tag, format_args!("{byte:02x}"));
    }
    tag.push('"');
    HeaderValue::try_from(tag).ok()
}

/// RFC 9110 §6.6.1: who stores a response without `Date` adds the time it came.
fn date(received: Timestamp) -> Option<HeaderValue> {
    HeaderValue::try_from(httpdate::fmt_http_date(received.to_system_time())).ok()
}
