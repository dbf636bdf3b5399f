//! Bytes of bodies that are being copied to be stored, bounded over all of them: many slow clients
//! of large bodies would else hold any amount.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All of them.
pub(crate) struct Pending {
    bytes: AtomicUsize,
    limit: usize,
}

impl Pending {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            limit,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Nothing yet.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share {
            pending: self.clone(),
            bytes: 0,
        }
    }
}

/// What one body takes; given back when dropped.
pub(super) struct Share {
    pending: Arc<Pending>,
    bytes: usize,
}

impl Share {
    /// Takes some more, if it is there.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let before = self.pending.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        before.saturating_add(bytes) <= self.pending.limit
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pending.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
