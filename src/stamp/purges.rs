//! All that this process knows of purges: those it gave itself, and what Redis told of all.

use super::{Order, Pushed, Stamp, Subject, Table, Verdict};
use crate::sync::{AtomicU64, Ordering};
use arc_swap::ArcSwapOption;
use std::sync::Arc;

pub(crate) struct Purges {
    /// Those of this process, from before Redis is asked. Without Redis they are the whole truth.
    own: Table,
    /// The record in Redis, as far as it was heard of.
    mirror: ArcSwapOption<Table>,
    /// Until when the mirror is trusted to be no older than its promise.
    trusted_until: AtomicU64,
    /// When Redis was asked that last told the clock of the mirror.
    heard: AtomicU64,
    /// Goes up with each purge that becomes known: what was found valid in this epoch need not
    /// be judged again.
    epoch: AtomicU64,
    /// Own purges that have begun, and those that are marked.
    begun: AtomicU64,
    marked: AtomicU64,
}

impl Purges {
    pub(crate) fn new(cells: usize) -> Self {
        Self {
            own: Table::new(cells),
            mirror: ArcSwapOption::empty(),
            trusted_until: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            epoch: AtomicU64::new(1),
            begun: AtomicU64::new(0),
            marked: AtomicU64::new(0),
        }
    }

    /// How many own purges there have been; `None`: one is being marked.
    pub(crate) fn count(&self) -> Option<u64> {
        let marked = self.marked.load(Ordering::SeqCst);
        (self.begun.load(Ordering::SeqCst) == marked).then_some(marked)
    }

    /// How many own purges have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// The clock of this process.
    #[inline]
    pub(crate) fn own_clock(&self) -> Stamp {
        self.own.clock()
    }

    /// Up to where all purges in Redis are known. `None`: nothing was ever heard.
    pub(crate) fn applied(&self) -> Option<Stamp> {
        Some(self.mirror.load().as_ref()?.clock())
    }

    /// Read before judging; what is found valid then is valid in this epoch.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What was found valid is to be judged again.
    pub(crate) fn next_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Purges here, past `past` and all that went before.
    pub(crate) fn purge(&self, order: &Order, past: Stamp) -> Stamp {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let n = self.own.purge(order, past);
        self.next_epoch();
        self.marked.fetch_add(1, Ordering::SeqCst);
        n
    }

    /// Learns that an own purge is in force everywhere from stamp `n` on.
    pub(crate) fn learn(&self, order: &Order, n: Stamp) {
        self.own.learn(order, n);
        self.next_epoch();
    }

    /// Takes over a purge that Redis told of; false: the mirror has a gap, and is to be read anew.
    pub(crate) fn hear(&self, pushed: &Pushed) -> bool {
        let mirror = self.mirror.load();
        let Some(table) = mirror.as_ref() else {
            return false;
        };
        if pushed.at <= table.clock() {
            return true;
        }
        let gapless = table.apply(pushed);
        self.next_epoch();
        gapless
    }

    /// Whether a record that was read lacks a purge that was heard of.
    pub(crate) fn is_lacking(&self, table: &Table) -> bool {
        let mirror = self.mirror.load();
        mirror.as_ref().is_some_and(|old| table.lacks(old))
    }

    /// All that was heard of is purged: there is nothing left to compare with.
    pub(crate) fn forget(&self) {
        self.mirror.store(None);
        self.next_epoch();
    }

    /// The mirror as it was read.
    pub(crate) fn mirror(&self, table: Table) {
        self.mirror.store(Some(Arc::new(table)));
        self.next_epoch();
    }

    /// Redis, asked at this time, in milliseconds, told that the mirror is whole: it is trusted
    /// for `bound` from then.
    pub(crate) fn trust(&self, asked: u64, bound: u64) {
        self.heard.fetch_max(asked, Ordering::AcqRel);
        self.trusted_until
            .store(asked.saturating_add(bound), Ordering::Release);
    }

    pub(crate) fn distrust(&self) {
        self.trusted_until.store(0, Ordering::Release);
    }

    /// Up to when the mirror was whole, in milliseconds.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn is_trusted(&self, now: u64) -> bool {
        now < self.trusted_until.load(Ordering::Acquire)
    }

    /// Purges by pattern that are kept here: own ones, or those in the copy of the record.
    pub(crate) fn patterns(&self) -> usize {
        let mirror = self.mirror.load();
        let mirrored = mirror.as_ref().map_or(0, |table| table.patterns());
        self.own.patterns().max(mirrored)
    }

    /// Judges by the purges of this process.
    pub(crate) fn judge_own(&self, subject: Subject<'_>) -> Verdict {
        self.own.judge(subject)
    }

    /// Judges by the mirror, if all purges up to `clock` are in it.
    pub(crate) fn judge_mirrored(&self, subject: Subject<'_>, clock: Stamp) -> Option<Verdict> {
        let mirror = self.mirror.load();
        let table = mirror.as_ref().filter(|table| table.clock() >= clock)?;
        // What bears a later stamp than the clock is of another record.
        match subject.stamp > table.clock() {
            true => Some(Verdict::Purged),
            false => Some(table.judge(subject)),
        }
    }
}
