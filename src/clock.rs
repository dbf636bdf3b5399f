//! The one place that reads the time.
//!
//! Wall time at the start plus a monotonic clock: a step of the system clock neither
//! freshens nor ages what is stored. It follows tokio's clock, so that tests with a paused
//! clock can let time pass.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(pub(crate) u64);

impl Timestamp {
    /// `self + d`, at most the end of time.
    pub(crate) fn after(self, d: Duration) -> Self {
        Self(self.0.saturating_add(millis(d)))
    }

    /// `self - d`, at least the epoch.
    pub(crate) fn before(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(millis(d)))
    }

    /// Milliseconds from `earlier` to `self`, 0 if it is not earlier.
    pub(crate) fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }

    pub(crate) fn from_system_time(t: SystemTime) -> Self {
        Self(t.duration_since(UNIX_EPOCH).map_or(0, millis))
    }
}

/// A duration in whole milliseconds, saturating.
#[inline]
pub(crate) fn millis(d: Duration) -> u64 {
    let whole = d.as_secs().saturating_mul(1000);
    whole.saturating_add(u64::from(d.subsec_millis()))
}

/// Wall time at the start, advanced by a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Timestamp,
    start: Instant,
}

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "this is the place")]
    pub(crate) fn start() -> Self {
        Self {
            epoch: Timestamp::from_system_time(SystemTime::now()),
            start: Instant::now(),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "this is the place")]
    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        self.epoch.after(self.start.elapsed())
    }
}

/// The wall time of a point in time.
#[allow(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn wall(point: Instant) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(point.elapsed()).unwrap_or(now)
}

/// A point in time to measure from.
#[allow(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
