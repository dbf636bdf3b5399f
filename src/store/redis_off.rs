//! Without the feature `redis` there is no shared tier: nothing of this type can exist.

#![allow(clippy::unused_async, reason = "the same face as with the feature")]

use crate::breaker::State;
use crate::clock::{Clock, Timestamp};
use crate::config::CacheConfig;
use crate::entry::Entry;
use crate::error::Fault;
use crate::key::Namespace;
use crate::observe::Observer;
use crate::stamp::{Order, Purges, Stamp, Subject, Verdict};
use crate::store::hot::Hot;
use crate::store::inspect::{Page, PageQuery};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) enum Remote {}

pub(crate) struct Parts<'a> {
    pub(crate) config: &'a CacheConfig,
    pub(crate) namespace: &'a Namespace,
    pub(crate) clock: Clock,
    pub(crate) purges: Arc<Purges>,
    pub(crate) observer: Arc<Observer>,
}

#[derive(Debug)]
pub(crate) enum Get {
    Whole(String),
    Header(String),
}

#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) values: Vec<Option<Bytes>>,
}

impl Read {
    #[allow(clippy::unused_self, reason = "the same face as with the feature")]
    pub(crate) fn clock(&self) -> Stamp {
        Stamp(0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    At { stamp: Stamp, after: Option<Stamp> },
    Queued,
}

/// Nobody has one: there are no other instances.
pub(crate) enum Lease {}

impl Lease {
    pub(crate) fn refuse(self) {
        match self {}
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Over,
    Expired,
    Refused,
    Unknown,
}

pub(crate) enum Taken {
    Lease(Lease),
    Changed(Lease),
    Held(Wait),
}

pub(crate) enum Wait {}

impl Wait {
    pub(crate) async fn end(self, _: Duration) -> Option<Ended> {
        match self {}
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    pub(crate) at: Instant,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) redis_version: String,
    pub(crate) used_memory_human: String,
    pub(crate) connected_clients: u64,
    /// Bytes.
    pub(crate) used_memory: u64,
    /// Bytes; 0: no limit.
    pub(crate) maxmemory: u64,
    pub(crate) evicted_keys: u64,
}

pub(crate) struct Write;

impl Write {
    pub(crate) fn new(_: String, _: Arc<Entry>, _: Duration) -> Self {
        Self
    }

    pub(crate) fn with_lease(self, _: Option<Lease>) -> Self {
        self
    }
}

impl Remote {
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the same face as with the feature"
    )]
    pub(crate) fn new(parts: Parts<'_>) -> Option<Self> {
        if parts.config.redis.is_some() {
            tracing::warn!(
                "redis is configured, but the feature `redis` is off: local memory only"
            );
        }
        None
    }

    pub(crate) fn start(&self) {
        match *self {}
    }

    pub(crate) fn count(&self) -> Option<Count> {
        match *self {}
    }

    pub(crate) async fn info(&self) -> Result<Info, Fault> {
        match *self {}
    }

    pub(crate) async fn page(&self, _: &PageQuery) -> Result<Page, Fault> {
        match *self {}
    }

    pub(crate) async fn named(&self, _: &str) -> Result<Option<Entry>, Fault> {
        match *self {}
    }

    pub(crate) fn is_connected(&self) -> bool {
        match *self {}
    }

    pub(crate) async fn connected(&self) {
        match *self {}
    }

    pub(crate) fn connections(&self) -> usize {
        match *self {}
    }

    pub(crate) fn is_left_alone(&self) -> bool {
        match *self {}
    }

    pub(crate) fn contact(&self) -> Timestamp {
        match *self {}
    }

    pub(crate) fn breaker(&self) -> State {
        match *self {}
    }

    pub(crate) fn queued(&self) -> usize {
        match *self {}
    }

    pub(crate) fn queued_purges(&self) -> usize {
        match *self {}
    }

    pub(crate) fn seen(&self) -> Stamp {
        match *self {}
    }

    pub(crate) async fn read(&self, _: &[Get]) -> Result<Read, Fault> {
        match *self {}
    }

    pub(crate) async fn judge(&self, _: &Read, _: Subject<'_>) -> Result<Verdict, Fault> {
        match *self {}
    }

    pub(crate) async fn lease(&self, _: &str, _: Duration, _: &[u8]) -> Result<Taken, Fault> {
        match *self {}
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "the same face as with the feature"
    )]
    pub(crate) fn remove(&self, _: Box<str>) {
        match *self {}
    }

    pub(crate) fn write(&self, _: Write) {
        match *self {}
    }

    pub(crate) async fn write_now(&self, _: &Write) -> Result<(), Fault> {
        match *self {}
    }

    pub(crate) fn purge(&self, _: &Order, _: Stamp) -> impl Future<Output = Applied> + use<> {
        match *self {}
        #[allow(unreachable_code, reason = "a type for the future")]
        std::future::ready(Applied::Queued)
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "the same face as with the feature"
    )]
    pub(crate) fn hear_events(&self, _: impl Fn(Bytes) + Send + Sync + 'static) {
        match *self {}
    }

    pub(crate) fn tell(
        &self,
        _: Vec<u8>,
    ) -> impl Future<Output = Result<(), Fault>> + Send + use<> {
        match *self {}
        #[allow(unreachable_code, reason = "a type for the future")]
        std::future::ready(Ok(()))
    }

    pub(crate) fn judge_pending(&self, _: Subject<'_>) -> Verdict {
        match *self {}
    }

    pub(crate) async fn unlink(&self, _: &str, _: Stamp) -> Result<(), Fault> {
        match *self {}
    }

    pub(crate) async fn delete(&self, _: &str) -> Result<(), Fault> {
        match *self {}
    }

    pub(crate) async fn hottest(&self) -> Result<Vec<Hot>, Fault> {
        match *self {}
    }

    pub(crate) async fn keep_hottest(&self) {
        match *self {}
    }

    pub(crate) async fn drain(&self) {
        match *self {}
    }

    pub(crate) async fn stop(&self) {
        match *self {}
    }
}
