//! The stamps of all scopes, in memory.

use super::pattern::Remembered;
use super::{Ban, FIXED, MIN_CELLS, NEWEST_BAN, Order, Scope, Stamp, Subject};
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, PoisonError, RwLock, lock};
use bytes::Buf;

/// Purges by pattern that are kept; of more the oldest becomes one of everything before it.
const MOST_BANS: usize = 128;

/// How something stored fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Valid,
    /// Softly purged, first at this stamp.
    Stale(Stamp),
    Purged,
}

impl Verdict {
    /// The worse of two.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Purged, _) | (_, Self::Purged) => Self::Purged,
            (Self::Stale(a), Self::Stale(b)) => Self::Stale(a.min(b)),
            (stale @ Self::Stale(_), Self::Valid) | (Self::Valid, stale) => stale,
        }
    }

    pub(crate) fn is_purged(self) -> bool {
        self == Self::Purged
    }
}

/// The stamps that this process knows of: those it gave itself, or a copy of those in Redis.
///
/// Readers take no lock but for patterns. Cells are only ever raised, and before the clock: who
/// sees the new clock sees the new cells.
pub(crate) struct Table {
    /// How many there are of hard purges; of soft ones as many, behind them.
    cells: usize,
    stamps: Box<[AtomicU64]>,
    bans: RwLock<Arc<Vec<Ban>>>,
    writing: Mutex<()>,
}

/// A purge as Redis tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// The clock before it.
    pub(crate) previous: Stamp,
    pub(crate) at: Stamp,
    everything: Stamp,
    raised: Vec<usize>,
    bans: Vec<Ban>,
}

impl Table {
    /// A table in which nothing was ever purged, its clock at 1.
    pub(crate) fn new(cells: usize) -> Self {
        let cells = cells.max(MIN_CELLS);
        let table = Self::zero(cells);
        table.stamps[0].store(1, Ordering::Relaxed);
        table
    }

    fn zero(cells: usize) -> Self {
        Self {
            cells,
            stamps: (0..2 * cells).map(|_| AtomicU64::new(0)).collect(),
            bans: RwLock::new(Arc::new(Vec::new())),
            writing: Mutex::new(()),
        }
    }

    /// A copy of the record in Redis. `None`: it is none of `cells`.
    pub(crate) fn read(mut record: &[u8], cells: usize, bans: Vec<Ban>) -> Option<Self> {
        if record.len() != cells * 16 || cells < MIN_CELLS {
            return None;
        }
        let table = Self::zero(cells);
        for stamp in &table.stamps {
            stamp.store(record.get_u64(), Ordering::Relaxed);
        }
        let newest = bans.last().map_or(0, |ban| ban.at.0);
        if newest < table.stamps[NEWEST_BAN].load(Ordering::Relaxed) {
            // The list is lost: what it covered is not known.
            table.raise(
                super::EVERYTHING[0],
                table.stamps[NEWEST_BAN].load(Ordering::Relaxed),
            );
        }
        table.keep(bans);
        Some(table)
    }

    /// What a fill that starts now is stamped with.
    #[inline]
    pub(crate) fn clock(&self) -> Stamp {
        Stamp(self.stamps[0].load(Ordering::Acquire))
    }

    /// Purges with a stamp above `past` and above all that went before: whatever bears one up
    /// to now is no longer valid.
    pub(crate) fn purge(&self, order: &Order, past: Stamp) -> Stamp {
        let _one_at_a_time = lock(&self.writing);
        let n = Stamp(self.clock().0.max(past.0).saturating_add(1));
        self.mark(order, n);
        n
    }

    /// Learns that a purge is in force everywhere from stamp `n` on.
    pub(crate) fn learn(&self, order: &Order, n: Stamp) {
        let _one_at_a_time = lock(&self.writing);
        self.mark(order, n);
    }

    /// Takes over a purge that Redis told of; false: others must have come before it that were
    /// not heard of.
    pub(crate) fn apply(&self, pushed: &Pushed) -> bool {
        let _one_at_a_time = lock(&self.writing);
        let clock = self.clock();
        if pushed.at <= clock {
            return true;
        }
        for at in &pushed.raised {
            self.raise(*at, pushed.at.0);
        }
        self.raise(super::EVERYTHING[0], pushed.everything.0);
        self.add(pushed.bans.clone());
        if pushed.previous != clock {
            return false;
        }
        self.stamps[0].fetch_max(pushed.at.0, Ordering::Release);
        true
    }

    fn mark(&self, order: &Order, n: Stamp) {
        for scope in &order.scopes {
            let [hard, soft] = scope.cells(self.cells);
            self.raise(if order.soft { soft } else { hard }, n.0);
        }
        let ban = |pattern: &super::Pattern| Ban {
            at: n,
            soft: order.soft,
            pattern: pattern.clone(),
        };
        self.add(order.patterns.iter().map(ban).collect());
        self.stamps[0].fetch_max(n.0, Ordering::Release);
    }

    fn raise(&self, at: usize, n: u64) {
        if let Some(stamp) = self.stamps.get(at) {
            stamp.fetch_max(n, Ordering::AcqRel);
        }
    }

    fn add(&self, new: Vec<Ban>) {
        if new.is_empty() {
            return;
        }
        // A purge repeated, or learned of, goes before what was known of it.
        let mut bans = self.bans().to_vec();
        bans.retain(|old| !new.iter().any(|ban| covers_all_of(ban, old)));
        bans.extend(new);
        self.keep(bans);
    }

    fn keep(&self, mut bans: Vec<Ban>) {
        if bans.len() > MOST_BANS {
            let folded = bans.drain(..bans.len() - MOST_BANS);
            let newest = folded.map(|ban| ban.at.0).max().unwrap_or(0);
            self.raise(super::EVERYTHING[0], newest);
        }
        if let Some(last) = bans.last() {
            self.raise(NEWEST_BAN, last.at.0);
        }
        *self.bans.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(bans);
    }

    /// Purges by pattern that are kept.
    pub(crate) fn patterns(&self) -> usize {
        self.bans().len()
    }

    fn bans(&self) -> Arc<Vec<Ban>> {
        let bans = self.bans.read().unwrap_or_else(PoisonError::into_inner);
        bans.clone()
    }

    /// Whether it lacks a purge that `old` has: an acknowledged write was lost.
    pub(crate) fn lacks(&self, old: &Self) -> bool {
        let everything = self.at(super::EVERYTHING[0]);
        if self.cells != old.cells {
            return everything < old.clock();
        }
        let covered = |at: usize, hard: usize| {
            let known = self.at(at).max(self.at(hard)).max(everything);
            known < old.at(at)
        };
        let lost = (FIXED..self.cells).any(|at| covered(at, at) || covered(self.cells + at, at));
        let [hard, soft] = super::EVERYTHING;
        lost || covered(hard, hard) || covered(soft, hard) || covered(NEWEST_BAN, NEWEST_BAN)
    }

    fn at(&self, cell: usize) -> Stamp {
        Stamp(self.stamps[cell].load(Ordering::Acquire))
    }

    /// Whether a purge after its stamp covers the subject.
    pub(crate) fn judge(&self, subject: Subject<'_>) -> Verdict {
        let scopes = [Scope::Everything];
        let scopes = scopes.iter().chain(subject.scopes);
        let verdict = scopes
            .map(|scope| {
                let [hard, soft] = scope.cells(self.cells);
                by_cells(subject.stamp, self.at(hard), self.at(soft))
            })
            .fold(Verdict::Valid, Verdict::and);
        if verdict.is_purged() || self.at(NEWEST_BAN) <= subject.stamp {
            return verdict;
        }
        let banned = by_bans(subject, &self.bans());
        // After the list: a pattern that has left it since is part of everything by now.
        let [hard, _] = super::EVERYTHING;
        let folded = by_cells(subject.stamp, self.at(hard), Stamp(0));
        verdict.and(banned).and(folded)
    }
}

/// The newer one of the same pattern; a hard purge goes before a soft one, not the other way.
fn covers_all_of(new: &Ban, old: &Ban) -> bool {
    new.pattern == old.pattern && new.at >= old.at && new.soft == old.soft
}

/// What the cells of one scope say of a stamp.
pub(crate) fn by_cells(stamp: Stamp, hard: Stamp, soft: Stamp) -> Verdict {
    if hard > stamp {
        Verdict::Purged
    } else if soft > stamp {
        Verdict::Stale(soft)
    } else {
        Verdict::Valid
    }
}

/// What purges by pattern say of a subject.
pub(crate) fn by_bans(subject: Subject<'_>, bans: &[Ban]) -> Verdict {
    let newer = bans.iter().filter(|ban| ban.at > subject.stamp);
    let named = Remembered::new(subject.named);
    newer
        .filter(|ban| ban.pattern.covers(&named))
        .map(|ban| match ban.soft {
            true => Verdict::Stale(ban.at),
            false => Verdict::Purged,
        })
        .fold(Verdict::Valid, Verdict::and)
}

impl Pushed {
    /// What is told of a purge.
    #[cfg(test)]
    pub(crate) fn of(previous: Stamp, at: Stamp, order: &Order, cells: usize) -> Self {
        let cell = |scope: &Scope| scope.cells(cells)[usize::from(order.soft)];
        let ban = |pattern: &super::Pattern| Ban {
            at,
            soft: order.soft,
            pattern: pattern.clone(),
        };
        Self {
            previous,
            at,
            everything: Stamp(0),
            raised: order.scopes.iter().map(cell).collect(),
            bans: order.patterns.iter().map(ban).collect(),
        }
    }

    /// Reads what the purge script publishes. `None`: it is not of this layout.
    pub(crate) fn read(mut wire: &[u8]) -> Option<Self> {
        let mut stamp = || wire.try_get_u64().ok().map(Stamp);
        let (previous, at, everything) = (stamp()?, stamp()?, stamp()?);
        if !at.is_possible() {
            return None;
        }
        let soft = wire.try_get_u8().ok()? == 1;
        let cells = wire.try_get_u32().ok()?;
        let mut raised = Vec::new();
        for _ in 0..cells {
            raised.push(wire.try_get_u32().ok()? as usize);
        }
        let mut bans = Vec::new();
        while !wire.is_empty() {
            let len = wire.try_get_u32().ok()? as usize;
            let (pattern, rest) = wire.split_at_checked(len)?;
            wire = rest;
            let pattern = super::Pattern::read(pattern)?;
            bans.push(Ban { at, soft, pattern });
        }
        Some(Self {
            previous,
            at,
            everything,
            raised,
            bans,
        })
    }
}
