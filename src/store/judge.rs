//! Whether what the tiers hold is still valid: by the stamps of this process, by the mirror of the
//! record, by the record.

use super::Store;
use super::moment::{Known, Moment};
use super::redis::{Read, Remote};
use super::subject::{Covered, EntryNames};
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::error::Fault;
use crate::fences::Fence;
use crate::stamp::{Stamp, Subject, Verdict};
use std::time::Duration;

/// Longer than a request takes from reading the time to judging what it found.
const MOMENT: Duration = Duration::from_millis(10);

impl Store {
    #[inline]
    pub(super) fn valid_near(&self, remote: &Remote, entry: &Entry) -> bool {
        let epoch = self.purges.epoch();
        if entry.is_valid_in(epoch) {
            return true;
        }
        let names = self.names_of(entry);
        let subject = names.at(entry.meta.stamp);
        // One that bears a stamp of another clock, or one not heard of yet, is for Redis to judge.
        let heard = self.purges.applied().is_some_and(|at| subject.stamp <= at);
        if entry.outage || !heard {
            return false;
        }
        let mirrored = self.purges.judge_mirrored(subject, subject.stamp);
        let verdict = remote
            .judge_pending(subject)
            .and(self.purges.judge_own(subject))
            .and(mirrored.unwrap_or(Verdict::Purged));
        let valid = self.noted(entry, verdict);
        if valid {
            entry.valid_in(epoch);
        }
        valid
    }

    /// Whether it is valid by the mirror, if all purges up to `clock` are in it.
    pub(super) fn is_valid_at(&self, entry: &Entry, clock: Stamp) -> bool {
        let names = self.names_of(entry);
        let verdict = self
            .purges
            .judge_mirrored(names.at(entry.meta.stamp), clock);
        verdict.is_some_and(|verdict| self.noted(entry, verdict))
    }

    /// Whether a stale entry that was found a while ago is still valid.
    pub(crate) async fn is_still_valid(&self, entry: &Entry) -> bool {
        match &self.remote {
            None => self.valid_here(entry),
            Some(remote) if remote.is_left_alone() => self.may_stand_in(remote, entry),
            Some(_) if entry.outage => false,
            Some(remote) => {
                let confirmed = async {
                    let read = remote.read(&[]).await?;
                    self.confirm(remote, entry, &read).await
                };
                match tokio::time::timeout(self.soft_limit, confirmed).await {
                    Ok(Ok(valid)) => valid,
                    // Perhaps the last failure that was needed.
                    _ => remote.is_left_alone() && self.may_stand_in(remote, entry),
                }
            }
        }
    }

    /// How many purges this process has given; `None`: one is being given.
    pub(crate) fn purge_count(&self) -> Option<u64> {
        self.purges.count()
    }

    /// Now, if not more than `count` purges have begun here before.
    pub(crate) fn now_after(&self, count: u64) -> Option<Moment> {
        let now = self.now_here();
        (self.purges.begun() == count).then_some(now)
    }

    /// Whether what a leader fetched from `led` on may answer who asked at `asked`: no purge
    /// that the asker could know of covers it.
    pub(crate) async fn covers_asker(
        &self,
        covered: &dyn Covered,
        led: &Moment,
        asked: &Moment,
    ) -> bool {
        if !self.fences.stands(Fence::FollowerRule) {
            return true;
        }
        if self.purges.judge_own(covered.at(led.own)) != Verdict::Valid {
            return false;
        }
        let Some(remote) = &self.remote else {
            return true;
        };
        match (led.known, asked.known) {
            // Who asked knows of no purge but those of this process.
            (_, Known::Alone(_)) | (Known::Nothing, Known::Nothing) => true,
            (Known::Redis { stamp, .. }, Known::Redis { clock, .. }) if clock <= stamp => true,
            (Known::Alone(_) | Known::Nothing, _) => false,
            // It asked later, or nobody knows when.
            (Known::Redis { stamp, .. }, _) => {
                let verdict = self.judge(remote, covered.at(stamp));
                let answer = tokio::time::timeout(self.soft_limit, verdict).await;
                matches!(answer, Ok(Ok(Verdict::Valid)))
            }
        }
    }

    /// The same of a value.
    pub(crate) async fn value_covers_asker(
        &self,
        entry: &Entry,
        led: &Moment,
        asked: &Moment,
    ) -> bool {
        self.covers_asker(&self.names_of(entry), led, asked).await
    }

    /// Judges by the record as it is now.
    pub(super) async fn judge(
        &self,
        remote: &Remote,
        subject: Subject<'_>,
    ) -> Result<Verdict, Fault> {
        let read = remote.read(&[]).await?;
        match self.purges.judge_mirrored(subject, read.clock()) {
            Some(verdict) => Ok(verdict),
            None => remote.judge(&read, subject).await,
        }
    }

    /// Judged by all that this process knows without asking.
    pub(super) fn valid_locally(&self, entry: &Entry) -> bool {
        match &self.remote {
            None => self.valid_here(entry),
            // A purge that waits for Redis covers what was fetched before it alone.
            Some(_) if entry.outage => !self.judge_own(entry).is_purged(),
            Some(_) => self.unpurged_here(entry),
        }
    }

    /// Judged by the stamps of this process: without Redis, the whole truth.
    #[inline]
    pub(super) fn valid_here(&self, entry: &Entry) -> bool {
        let epoch = self.purges.epoch();
        entry.is_valid_in(epoch) || self.found_valid_here(entry, epoch)
    }

    fn found_valid_here(&self, entry: &Entry, epoch: u64) -> bool {
        let valid = self.noted(entry, self.judge_own(entry));
        if valid {
            entry.valid_in(epoch);
        }
        valid
    }

    pub(super) fn judge_own(&self, entry: &Entry) -> Verdict {
        let names = self.names_of(entry);
        self.purges.judge_own(names.at(entry.meta.stamp))
    }

    /// Whether no purge of this process covers it, be it known to Redis or not yet.
    pub(super) fn unpurged_here(&self, entry: &Entry) -> bool {
        let names = self.names_of(entry);
        let subject = names.at(entry.meta.stamp);
        // In this order: what is no longer pending has marked its cells.
        let pending = |remote: &Remote| remote.judge_pending(subject);
        let pending = self.remote.as_ref().map_or(Verdict::Valid, pending);
        self.noted(entry, pending.and(self.purges.judge_own(subject)))
    }

    /// Notes a soft purge; whether the entry may still be used.
    pub(super) fn noted(&self, entry: &Entry, verdict: Verdict) -> bool {
        if let Verdict::Stale(since) = verdict {
            let now = self.clock.now();
            let told = match &self.remote {
                // A mark of our own, that Redis has not taken yet, is of no time.
                Some(remote) if since > remote.seen() => now,
                _ => Timestamp(since.0 / 1000),
            };
            // A request that is answered by it now may have read the time a moment before.
            entry.soften(told.min(now).before(MOMENT));
        }
        !verdict.is_purged()
    }

    pub(super) fn names_of<'a>(&'a self, entry: &'a Entry) -> EntryNames<'a> {
        EntryNames {
            entry,
            namespace: &self.namespace,
        }
    }

    /// Whether `entry` is valid by the record of purges that was read after it.
    pub(super) async fn confirm(
        &self,
        remote: &Remote,
        entry: &Entry,
        read: &Read,
    ) -> Result<bool, Fault> {
        let (stamp, clock) = (entry.meta.stamp, read.clock());
        if stamp > clock || !self.unpurged_here(entry) {
            return Ok(false);
        }
        if entry.verified() >= clock || !self.fences.stands(Fence::Record) {
            return Ok(true);
        }
        let names = self.names_of(entry);
        let subject = names.at(stamp);
        let verdict = match self.purges.judge_mirrored(subject, clock) {
            Some(verdict) => verdict,
            None => remote.judge(read, subject).await?,
        };
        let valid = self.noted(entry, verdict);
        if valid {
            entry.verify(clock);
        }
        Ok(valid)
    }
}
