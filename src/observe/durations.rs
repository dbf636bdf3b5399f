//! How long operations take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets, in units; one more takes the rest.
const BOUNDS: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000,
];

/// What operations with Redis are counted in: from 100 µs to 5 s.
const MICROSECOND: u64 = 1;

/// What takes longer is counted in hundreds of it: from 10 ms to 500 s.
const COARSE: u64 = 100;

/// Counts durations by size; counting allocates nothing and takes no lock.
#[derive(Debug)]
pub(crate) struct Durations {
    /// Microseconds.
    unit: u64,
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// What was counted, at one time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    /// By bucket, each without those before it.
    pub(crate) counts: [u64; BOUNDS.len() + 1],
    /// Of all of them, in seconds.
    pub(crate) sum: f64,
    unit: u64,
}

impl Default for Durations {
    fn default() -> Self {
        Self::of(MICROSECOND)
    }
}

impl Durations {
    /// For what takes seconds and minutes.
    pub(super) fn coarse() -> Self {
        Self::of(COARSE)
    }

    fn of(unit: u64) -> Self {
        Self {
            unit,
            buckets: Default::default(),
            micros: AtomicU64::new(0),
        }
    }

    pub(super) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| bound * self.unit < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Histogram {
        Histogram {
            counts: std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed)),
            sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64(),
            unit: self.unit,
        }
    }
}

impl Histogram {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Upper ends of the buckets; the last bucket, which has none, is left out.
    pub(crate) fn bounds(&self) -> [Duration; BOUNDS.len()] {
        BOUNDS.map(|bound| Duration::from_micros(bound * self.unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let durations = Durations::default();
        for micros in [0, 100, 101, 5_000_000, 5_000_001] {
            durations.add(Duration::from_micros(micros));
        }
        let read = durations.read();
        assert_eq!(read.counts[..2], [2, 1]);
        assert_eq!(read.counts[BOUNDS.len() - 1..], [1, 1]);
        assert_eq!(read.count(), 5);
        assert!((read.sum - 10.000_202).abs() < 1e-9, "{}", read.sum);
    }

    #[test]
    fn what_takes_long_has_wider_buckets() {
        let durations = Durations::coarse();
        for millis in [10, 11, 500_000, 500_001] {
            durations.add(Duration::from_millis(millis));
        }
        let read = durations.read();
        assert_eq!(read.counts[..2], [1, 1]);
        assert_eq!(read.counts[BOUNDS.len() - 1..], [1, 1]);
        assert_eq!(read.bounds()[0], Duration::from_millis(10));
    }
}
