//! Stamps: what decides whether something stored is older than a purge.
//!
//! A purge raises the cells of the scopes it covers to a new stamp; whatever is stored bears
//! the stamp read before its handler ran, and is valid while no scope that covers it has a
//! higher one. So a purge costs the same however much it covers, and what a slow handler
//! brings in late is never valid. Two scopes that share a cell are purged together, which
//! costs a fetch and no more. A soft purge raises cells of its own: what it covers is stale, and
//! not gone.

mod pattern;
mod purges;
mod table;

pub(crate) use pattern::{Ban, Named, Pattern, matches as matches_glob};
pub(crate) use purges::Purges;
pub(crate) use table::{Pushed, Table, Verdict, by_bans, by_cells};

use sha2::{Digest, Sha256};

/// A point on the clock of purges: microseconds of Redis's time, or later. Older is always safe,
/// newer never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) u64);

impl Stamp {
    /// Clocks end where numbers in a script are no longer exact.
    pub(crate) fn is_possible(self) -> bool {
        self.0 < 1 << 53
    }
}

/// What a purge covers: everything, or all that carries a name, by a hash whose upper two bits are
/// its [`Reach`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Everything,
    Named(u32),
}

/// How much a name covers. Each has a region of the table of its own: a purge of one URI, which
/// every write is, never takes a tag or a class along.
#[derive(Clone, Copy)]
pub(crate) enum Reach {
    /// A URI or a value.
    One,
    Tag,
    /// A class, or a prefix of URIs: few, and of nearly everything.
    Broad,
}

/// Cells with a fixed meaning: the clock, everything, the format, the newest purge by pattern, and
/// the soft purge of everything.
pub(crate) const FIXED: usize = 5;

/// The smallest table: one cell for each reach.
pub(crate) const MIN_CELLS: usize = FIXED + 3;

/// Those of a hash below its reach.
const HASH_BITS: u32 = 30;

/// The cell of everything, and that of its soft purge.
pub(crate) const EVERYTHING: [usize; 2] = [1, 4];

/// The cell of the newest purge by pattern.
pub(crate) const NEWEST_BAN: usize = 3;

impl Scope {
    /// The scope `name` among those of a `kind`.
    pub(crate) fn named(reach: Reach, kind: &str, name: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(kind)
            .chain_update([0])
            .chain_update(name)
            .finalize();
        let hash = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        Self::Named(((reach as u32) << HASH_BITS) | (hash % (1 << HASH_BITS)))
    }

    /// Its cell in a table of `cells`: of hard purges, and of soft ones.
    pub(crate) fn cells(self, cells: usize) -> [usize; 2] {
        match self {
            Self::Everything => EVERYTHING,
            Self::Named(hash) => {
                let (reach, hash) = (hash >> HASH_BITS, hash as usize % (1 << HASH_BITS));
                let named = cells - FIXED;
                let (broad, tags) = ((named / 16).max(1), (named * 7 / 16).max(1));
                let ones = named - broad - tags;
                let at = FIXED
                    + match reach {
                        0 => hash % ones,
                        1 => ones + hash % tags,
                        _ => ones + tags + hash % broad,
                    };
                [at, cells + at]
            }
        }
    }
}

/// A purge: what it covers, and whether that is gone or merely stale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) scopes: Vec<Scope>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) soft: bool,
}

impl Order {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Scopes and patterns.
    pub(crate) fn len(&self) -> usize {
        self.scopes.len() + self.patterns.len()
    }

    /// Whether it is of the subject, whatever the stamps.
    pub(crate) fn covers(&self, subject: Subject<'_>) -> bool {
        let mut scopes = self.scopes.iter();
        scopes.any(|scope| *scope == Scope::Everything || subject.scopes.contains(scope))
            || self
                .patterns
                .iter()
                .any(|pattern| pattern.covers(subject.named))
    }
}

impl From<Scope> for Order {
    fn from(scope: Scope) -> Self {
        Self {
            scopes: vec![scope],
            ..Self::default()
        }
    }
}

impl From<Pattern> for Order {
    fn from(pattern: Pattern) -> Self {
        Self {
            patterns: vec![pattern],
            ..Self::default()
        }
    }
}

/// What is judged: when its handler began, its scopes, its names.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) stamp: Stamp,
    pub(crate) scopes: &'a [Scope],
    pub(crate) named: &'a dyn Named,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_reach_has_cells_of_its_own() {
        for cells in [MIN_CELLS, 64, 1000] {
            let of = |reach: Reach| -> HashSet<usize> {
                let names = (0..20_000).map(|n| Scope::named(reach, "kind", &n.to_string()));
                names.flat_map(|scope| scope.cells(cells)).collect()
            };
            let (one, tags, broad) = (of(Reach::One), of(Reach::Tag), of(Reach::Broad));
            let all: HashSet<usize> = one.iter().chain(&tags).chain(&broad).copied().collect();
            assert_eq!(all.len(), one.len() + tags.len() + broad.len());
            // And none is left out.
            assert_eq!(all.len(), 2 * (cells - FIXED));
            assert!(all.iter().all(|at| at % cells >= FIXED));
        }
    }
}
