//! The fixed part of the record of purges.

use super::scripts;
use crate::stamp::{FIXED, Stamp};
use ::redis::Pipeline;

pub(super) const LEN: usize = FIXED * 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) clock: Stamp,
    /// Of the last purge of everything, hard and soft.
    pub(super) everything: [Stamp; 2],
    /// Of the last purge by pattern.
    pub(super) newest_ban: Stamp,
    pub(super) cells: usize,
}

impl Record {
    /// `None`: it is none of this layout.
    pub(super) fn read(record: &[u8]) -> Option<Self> {
        let (cells, []) = record.as_chunks::<8>() else {
            return None;
        };
        let [clock, hard, format, newest_ban, soft] = cells.try_into().ok()?;
        let stamp = |cell| Stamp(u64::from_be_bytes(cell));
        if !stamp(clock).is_possible() {
            return None;
        }
        Some(Self {
            clock: stamp(clock),
            everything: [stamp(hard), stamp(soft)],
            newest_ban: stamp(newest_ban),
            cells: scripts::cells_of(u64::from_be_bytes(format))?,
        })
    }
}

/// Asks for it.
pub(super) fn get(pipe: &mut Pipeline, stamps: &str) {
    pipe.cmd("GETRANGE").arg(stamps).arg(0).arg(LEN - 1);
}
