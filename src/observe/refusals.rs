//! What Redis refuses at the moment, and why: told once, not at each try.

use super::Operation;
use crate::error::Fault;
use std::sync::atomic::{AtomicU8, Ordering};

/// Of each operation the fault that stands, if one does.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    standing: [AtomicU8; Operation::ALL.len()],
}

const NONE: u8 = 0;

impl Refusals {
    /// Whether this is new.
    pub(super) fn add(&self, operation: Operation, fault: Fault) -> bool {
        let fault = fault as u8 + 1;
        self.standing[operation as usize].swap(fault, Ordering::Relaxed) != fault
    }

    /// Whether it was refused before. One load while it is not.
    #[inline]
    pub(super) fn end(&self, operation: Operation) -> bool {
        let standing = &self.standing[operation as usize];
        standing.load(Ordering::Relaxed) != NONE && standing.swap(NONE, Ordering::Relaxed) != NONE
    }
}
