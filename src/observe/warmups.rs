//! What warmings come to.

use super::Observer;
use super::durations::Durations;
use crate::sync::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far a warming is, or what it came to. Items are requests and loaders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warmed {
    /// Items that are known of; sources that are asked when it begins add to them.
    pub items: usize,
    /// Items that were fetched and stored, and loaders that ended well.
    pub warmed: usize,
    /// Items that were warm already, and those that somebody else, here or on another instance,
    /// fetched meanwhile.
    pub left_alone: usize,
    /// Requests that were answered, and whose answer was not stored.
    pub unstored: usize,
    /// Items that failed: an error, a 4xx or 5xx, a panic, or more than their time.
    pub failed: usize,
    /// Items for which no time was left.
    pub skipped: usize,
    /// How long it has taken.
    pub took: Duration,
    /// Whether it has ended.
    pub ended: bool,
}

/// What became of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WarmOutcome {
    Warmed,
    LeftAlone,
    Unstored,
    Failed,
    Skipped,
}

impl WarmOutcome {
    pub(crate) const ALL: [Self; 5] = [
        Self::Warmed,
        Self::LeftAlone,
        Self::Unstored,
        Self::Failed,
        Self::Skipped,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Warmed => "warmed",
            Self::LeftAlone => "left-alone",
            Self::Unstored => "unstored",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Warmed {
    /// Items that are done with.
    #[must_use]
    pub fn done(&self) -> usize {
        self.warmed + self.left_alone + self.unstored + self.failed + self.skipped
    }

    pub(crate) fn count(&mut self, outcome: WarmOutcome, items: usize) {
        let counted = match outcome {
            WarmOutcome::Warmed => &mut self.warmed,
            WarmOutcome::LeftAlone => &mut self.left_alone,
            WarmOutcome::Unstored => &mut self.unstored,
            WarmOutcome::Failed => &mut self.failed,
            WarmOutcome::Skipped => &mut self.skipped,
        };
        *counted += items;
    }

    fn of(&self, outcome: WarmOutcome) -> usize {
        match outcome {
            WarmOutcome::Warmed => self.warmed,
            WarmOutcome::LeftAlone => self.left_alone,
            WarmOutcome::Unstored => self.unstored,
            WarmOutcome::Failed => self.failed,
            WarmOutcome::Skipped => self.skipped,
        }
    }
}

/// How far the last warming is, and what all that have ended came to.
#[derive(Debug)]
pub(super) struct Warmups {
    last: Mutex<Option<Warmed>>,
    took: Durations,
    items: [AtomicU64; WarmOutcome::ALL.len()],
}

impl Default for Warmups {
    fn default() -> Self {
        Self {
            last: Mutex::default(),
            took: Durations::coarse(),
            items: Default::default(),
        }
    }
}

impl Observer {
    /// How far a warming is.
    pub(crate) fn warming(&self, warmed: Warmed) {
        *lock(&self.warmups.last) = Some(warmed);
        if !warmed.ended {
            return;
        }
        self.warmups.took.add(warmed.took);
        for outcome in WarmOutcome::ALL {
            let items = warmed.of(outcome) as u64;
            self.warmups.items[outcome as usize].fetch_add(items, Ordering::Relaxed);
        }
    }

    /// The warming that was told of last.
    pub(crate) fn last_warming(&self) -> Option<Warmed> {
        *lock(&self.warmups.last)
    }

    /// How long warmings took.
    pub(crate) fn warmups(&self) -> super::Histogram {
        self.warmups.took.read()
    }

    /// Items of all warmings that have ended.
    pub(crate) fn warmup_items(&self, outcome: WarmOutcome) -> u64 {
        self.warmups.items[outcome as usize].load(Ordering::Relaxed)
    }
}
