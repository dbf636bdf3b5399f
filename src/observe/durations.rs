//! How long operations take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets in microseconds; one more takes the rest.
pub(crate) const BOUNDS: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000,
];

/// Counts durations by size; counting allocates nothing and takes no lock.
#[derive(Debug, Default)]
pub(crate) struct Durations {
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
}

impl Durations {
    pub(super) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Histogram {
        Histogram {
            counts: std::array::from_fn(|at| self.buckets[at].load(Ordering::Relaxed)),
            sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

impl Histogram {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
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
}
