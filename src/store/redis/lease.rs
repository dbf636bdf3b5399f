//! One fetch over all instances: a lease beside an entry, held by the instance that fetches it.
//!
//! A lease only tells others that waiting may be worth it. What they are answered with they look
//! up themselves, judged like any hit; a lease that is lost, or held too long, costs a wait or
//! another run of the handler, and never an answer.

use super::reply::bytes_of;
use super::{Remote, Shared};
use crate::clock::millis;
use crate::entry::HEADER_LEN;
use crate::error::Fault;
use crate::observe::Operation;
use crate::sync::lock;
use ::redis::{Pipeline, Value};
use bytes::Bytes;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long who would not be told of the end waits before looking again.
const UNTOLD: Duration = Duration::from_millis(100);

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// What was fetched is in Redis, or the fetch failed: look again.
    Over,
    /// Its time has passed, and whoever had it has said nothing: look again.
    Expired,
    /// What was fetched may not be stored: there is nothing to wait for.
    Refused,
    /// Nobody would tell: look again, it may go on.
    Unknown,
}

/// What asking for a lease came to.
pub(crate) enum Taken {
    /// The caller fetches.
    Lease(Lease),
    /// The caller has the lease, and something else stands in Redis than it has seen.
    Changed(Lease),
    /// Another instance fetches.
    Held(Wait),
}

/// The right to fetch for all instances. Dropped, it is given back.
pub(crate) struct Lease {
    shared: Arc<Shared>,
    release: Option<Release>,
}

/// A lease to be given back.
#[derive(Debug)]
pub(super) struct Release {
    name: String,
    token: String,
    ended: Ended,
}

impl Lease {
    fn new(shared: &Arc<Shared>, name: String) -> Self {
        Self {
            shared: shared.clone(),
            release: Some(Release {
                name,
                token: token(),
                ended: Ended::Over,
            }),
        }
    }

    /// Tells who waits that nothing will be stored.
    pub(crate) fn refuse(mut self) {
        if let Some(release) = &mut self.release {
            release.ended = Ended::Refused;
        }
    }
}

/// Nobody else's, on any instance.
pub(super) fn token() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            self.shared.writer.release(release);
        }
    }
}

/// A wait for the end of another instance's lease. Dropped, it is forgotten.
pub(crate) struct Wait {
    shared: Arc<Shared>,
    name: String,
    told: oneshot::Receiver<Ended>,
    left: Duration,
}

impl Wait {
    /// Until the lease has ended, if need be by its time; who would not be told waits but a little.
    /// `None`: it takes longer than `limit`.
    pub(crate) async fn end(mut self, limit: Duration) -> Option<Ended> {
        let (left, ended) = match self.shared.hears() {
            false if self.left > UNTOLD => (UNTOLD, Ended::Unknown),
            _ => (self.left, Ended::Expired),
        };
        match tokio::time::timeout(left.min(limit), &mut self.told).await {
            Ok(told) => Some(told.unwrap_or(Ended::Unknown)),
            Err(_) => (left <= limit).then_some(ended),
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.told.close();
        self.shared.leases.forget(&self.name);
    }
}

/// Who waits in this process, and where it is told.
pub(super) struct Leases {
    pub(super) channel: String,
    waiting: Mutex<HashMap<String, Vec<oneshot::Sender<Ended>>>>,
}

impl Leases {
    pub(super) fn new(channel: String) -> Self {
        Self {
            channel,
            waiting: Mutex::default(),
        }
    }

    pub(super) fn is_channel(&self, name: Option<&Value>) -> bool {
        matches!(name, Some(Value::BulkString(name)) if name == self.channel.as_bytes())
    }

    /// `told`: how a lease ended, and its name.
    pub(super) fn hear(&self, told: &[u8]) {
        let Some((how, name)) = told.split_first() else {
            return;
        };
        let ended = match how {
            b'r' => Ended::Refused,
            _ => Ended::Over,
        };
        let name = std::str::from_utf8(name).unwrap_or_default();
        let waiting = lock(&self.waiting).remove(name).unwrap_or_default();
        for one in waiting {
            // Who has gone need not be told.
            let _ = one.send(ended);
        }
    }

    /// Whoever waits looks again: what was told meanwhile is lost.
    pub(super) fn wake(&self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for one in waiting.into_values().flatten() {
            let _ = one.send(Ended::Unknown);
        }
    }

    fn wait(&self, name: &str) -> oneshot::Receiver<Ended> {
        let (tell, told) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        waiting.entry(name.to_owned()).or_default().push(tell);
        told
    }

    /// Forgets those who do not wait any more.
    fn forget(&self, name: &str) {
        let mut waiting = lock(&self.waiting);
        if let Some(those) = waiting.get_mut(name) {
            those.retain(|one| !one.is_closed());
            if those.is_empty() {
                waiting.remove(name);
            }
        }
    }
}

impl Remote {
    /// Takes the lease of an entry, if nobody has it, for `time`. `seen` is the header of the
    /// envelope that the caller found under that name, empty if none.
    pub(crate) async fn lease(
        &self,
        entry: &str,
        time: Duration,
        seen: &[u8],
    ) -> Result<Taken, Fault> {
        let shared = &self.shared;
        // In the entry's slot of a cluster, whatever the name of the entry.
        let name = shared.namespace.name(&format!("lease:{{{entry}}}"));
        // From before asking: what is told in between must not be missed.
        let mut wait = Wait {
            shared: shared.clone(),
            told: shared.leases.wait(&name),
            name: name.clone(),
            left: Duration::ZERO,
        };
        // Given back, should the answer be lost.
        let mut lease = Lease::new(shared, name);
        let (taken, left, there) = lease.ask(time, entry).await?;
        match taken {
            true if *there == *seen => Ok(Taken::Lease(lease)),
            true => Ok(Taken::Changed(lease)),
            false => {
                lease.release = None;
                wait.left = left;
                Ok(Taken::Held(wait))
            }
        }
    }
}

impl Lease {
    /// Whether it was taken; else for how long it is held yet; and the header of what stands
    /// under the entry's name, read after the lease was taken.
    async fn ask(&self, time: Duration, entry: &str) -> Result<(bool, Duration, Bytes), Fault> {
        let Some(Release { name, token, .. }) = &self.release else {
            return Err(Fault::Refused);
        };
        let mut pipe = Pipeline::with_capacity(3);
        pipe.cmd("SET").arg(name).arg(token).arg("NX");
        pipe.arg("PX").arg(millis(time).max(1));
        pipe.cmd("PTTL").arg(name);
        pipe.cmd("GETRANGE").arg(entry).arg(0).arg(HEADER_LEN - 1);
        let mut replies = self.shared.client.send(&Arc::new(pipe)).await?.into_iter();
        let taken = match replies.next() {
            Some(Value::Okay) => true,
            Some(Value::Nil) => false,
            _ => return Err(Fault::Refused),
        };
        self.shared.observer.done(Operation::Lease);
        let left = match replies.next() {
            Some(Value::Int(left)) => u64::try_from(left).unwrap_or(0),
            _ => 0,
        };
        let there = replies.next().and_then(bytes_of).unwrap_or_default();
        Ok((taken, Duration::from_millis(left), there))
    }
}

impl Shared {
    /// Whether it would be told of the end of a lease right now.
    fn hears(&self) -> bool {
        self.purges.is_trusted(self.clock.now().0)
    }

    /// Gives a lease back, if it is still ours, and tells who waits.
    pub(super) async fn release(&self, release: &Release) -> Result<(), Fault> {
        let how = match release.ended {
            Ended::Refused => b'r',
            Ended::Over | Ended::Expired | Ended::Unknown => b'o',
        };
        let mut told = vec![how];
        told.extend_from_slice(release.name.as_bytes());
        let (name, token) = (release.name.as_bytes(), release.token.as_bytes());
        let call = self
            .scripts
            .release(name, token, &self.leases.channel, told);
        match call.run(&self.client).await? {
            Value::ServerError(_) => Err(Fault::Refused),
            _ => Ok(()),
        }
    }
}
