//! Stamps: what decides whether something stored is older than a purge.
//!
//! A purge raises the cells of the scopes it covers to a new stamp; whatever is stored bears
//! the stamp read before its handler ran, and is valid while no scope that covers it has a
//! higher one. So a purge costs the same however much it covers, and what a slow handler
//! brings in late is never valid. Two scopes that share a cell are purged together, which
//! costs a fetch and no more.

use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A point on the clock of purges. Older is always safe, newer never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) u64);

/// What a purge covers: everything, or all that carries a name, by hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Everything,
    Named(u32),
}

/// Cells with a fixed meaning: the clock, everything, and the format.
pub(crate) const FIXED: usize = 3;

impl Scope {
    /// The scope `name` among those of a `kind`.
    pub(crate) fn named(kind: &str, name: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(kind)
            .chain_update([0])
            .chain_update(name)
            .finalize();
        Self::Named(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]))
    }

    /// Its cell in a table of `cells`.
    pub(crate) fn cell(self, cells: usize) -> usize {
        match self {
            Self::Everything => 1,
            Self::Named(hash) => FIXED + hash as usize % (cells - FIXED),
        }
    }
}

/// The stamps that this process knows of.
///
/// Without Redis it is the whole truth. With Redis it holds what this process purged itself,
/// so that an own purge counts here even before Redis has it.
pub(crate) struct Stamps {
    clock: AtomicU64,
    cells: Box<[AtomicU64]>,
    purging: Mutex<()>,
}

impl Stamps {
    /// A table in which nothing was ever purged, its clock at 1.
    pub(crate) fn new(cells: usize) -> Self {
        let cells = cells.max(FIXED + 1);
        Self {
            clock: AtomicU64::new(1),
            cells: (0..cells).map(|_| AtomicU64::new(0)).collect(),
            purging: Mutex::new(()),
        }
    }

    /// What a fill that starts now is stamped with.
    pub(crate) fn clock(&self) -> Stamp {
        Stamp(self.clock.load(Ordering::Acquire))
    }

    /// Purges `scopes` with a stamp above `seen` and above all that went before: whatever
    /// bears one up to now is no longer valid.
    pub(crate) fn purge(&self, scopes: &[Scope], seen: Stamp) -> Stamp {
        let _one_at_a_time = self.purging.lock().unwrap_or_else(PoisonError::into_inner);
        let n = self.clock.load(Ordering::Relaxed).max(seen.0) + 1;
        self.raise(scopes, n);
        Stamp(n)
    }

    /// Learns that a purge is in force everywhere from stamp `n` on.
    pub(crate) fn learn(&self, scopes: &[Scope], n: Stamp) {
        let _one_at_a_time = self.purging.lock().unwrap_or_else(PoisonError::into_inner);
        self.raise(scopes, n.0);
    }

    /// The cells before the clock: who sees the new clock sees the new cells.
    fn raise(&self, scopes: &[Scope], n: u64) {
        for scope in scopes {
            self.cells[scope.cell(self.cells.len())].fetch_max(n, Ordering::AcqRel);
        }
        self.clock.fetch_max(n, Ordering::Release);
    }

    /// Whether nothing that covers `scopes` was purged after `stamp`.
    pub(crate) fn valid(&self, scopes: &[Scope], stamp: Stamp) -> bool {
        let below = |scope: Scope| {
            self.cells[scope.cell(self.cells.len())].load(Ordering::Acquire) <= stamp.0
        };
        below(Scope::Everything) && scopes.iter().copied().all(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_started_before_a_purge_is_not_valid_after_it() {
        let (stamps, scope) = (Stamps::new(64), Scope::named("key", "a"));
        let before = stamps.clock();
        stamps.purge(&[scope], Stamp(0));
        assert!(!stamps.valid(&[scope], before));
        assert!(stamps.valid(&[scope], stamps.clock()));
    }

    #[test]
    fn everything_covers_what_has_no_other_scope() {
        let stamps = Stamps::new(64);
        let before = stamps.clock();
        stamps.purge(&[Scope::Everything], Stamp(0));
        assert!(!stamps.valid(&[], before));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Fill(u32),
        Purge(u32),
        PurgeAll,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0..4u32).prop_map(Op::Fill),
            (0..4u32).prop_map(Op::Purge),
            Just(Op::PurgeAll),
        ]
    }

    proptest! {
        #[test]
        fn a_fill_is_valid_until_a_purge_covers_it(ops in proptest::collection::vec(op(), 0..60)) {
            let stamps = Stamps::new(64);
            let mut fills: Vec<(u32, Stamp, bool)> = Vec::new();
            for op in ops {
                match op {
                    Op::Fill(scope) => fills.push((scope, stamps.clock(), true)),
                    Op::Purge(scope) => {
                        stamps.purge(&[Scope::Named(scope)], Stamp(0));
                        fills.iter_mut().filter(|f| f.0 == scope).for_each(|f| f.2 = false);
                    }
                    Op::PurgeAll => {
                        stamps.purge(&[Scope::Everything], Stamp(0));
                        for fill in &mut fills {
                            fill.2 = false;
                        }
                    }
                }
                for (scope, stamp, valid) in &fills {
                    prop_assert_eq!(stamps.valid(&[Scope::Named(*scope)], *stamp), *valid);
                }
            }
        }
    }
}
