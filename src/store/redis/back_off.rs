//! Waiting between tries: exponential, bounded, with jitter.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The next wait is twice the last one, up to a bound; of each a random half is taken off, so
/// that instances that lost one server do not come back to it together.
#[derive(Debug)]
pub(super) struct BackOff {
    first: Duration,
    last: Duration,
    next: Duration,
    tries: u64,
    random: RandomState,
}

impl BackOff {
    pub(super) fn new(first: Duration, last: Duration) -> Self {
        Self {
            first,
            last,
            next: first,
            tries: 0,
            random: RandomState::new(),
        }
    }

    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.last);
        self.tries += 1;
        let per_mille = u32::try_from(self.random.hash_one(self.tries) % 500).unwrap_or(0);
        whole.saturating_sub(whole * per_mille / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_less_at_most_a_half() {
        let ms = Duration::from_millis;
        let mut back_off = BackOff::new(ms(50), ms(300));
        for whole in [50, 100, 200, 300, 300].map(ms) {
            let wait = back_off.next();
            assert!(wait <= whole && wait > whole / 2, "{wait:?} of {whole:?}");
        }
        back_off.reset();
        assert!(back_off.next() <= ms(50));
    }

    #[test]
    fn two_instances_do_not_wait_alike() {
        let waits = || {
            let mut back_off = BackOff::new(Duration::from_millis(50), Duration::from_secs(5));
            (0..8).map(|_| back_off.next()).collect::<Vec<_>>()
        };
        assert_ne!(waits(), waits());
    }
}
