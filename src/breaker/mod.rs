//! A circuit breaker: a service that fails again and again is left alone for a while, so that
//! its callers do not wait for it in vain and it is not kept down by them.
//!
//! It knows nothing of what it protects: [`Classify`] tells what a failure is.

mod circuit;
mod future;
mod layer;
mod service;

pub(crate) use circuit::{Change, Circuit, Settings, State};
pub(crate) use layer::BreakerLayer;
pub(crate) use service::{Breaker, BreakerError};

// The tests of the circuit stand here because `tests/models.rs` builds its file over other
// locks, which work in a model only.
#[cfg(test)]
mod tests {
    use super::State::{Closed, HalfOpen, Open};
    use super::*;
    use crate::clock::instant;
    use crate::sync::{Arc, Mutex, lock};
    use std::time::Duration;
    use tokio::time::Instant;

    const OPEN_FOR: Duration = Duration::from_secs(10);

    /// A circuit, the time, and what was told.
    struct Bench {
        circuit: Arc<Circuit>,
        now: Instant,
        told: Arc<Mutex<Vec<Change>>>,
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Succeeds,
        Fails,
        Cancelled,
        Rejected,
        Allowed,
        Wait(u64),
    }
    use Step::{Allowed, Cancelled, Fails, Rejected, Succeeds, Wait};

    impl Bench {
        fn new(threshold: u32) -> Self {
            let (now, told) = (instant(), Arc::new(Mutex::new(Vec::new())));
            let heard = told.clone();
            let settings = Settings {
                threshold: threshold.try_into().ok(),
                open_for: OPEN_FOR,
            };
            let circuit = Circuit::new(settings, now, move |change| lock(&heard).push(change));
            Self { circuit, now, told }
        }

        fn play(&mut self, steps: &[Step]) {
            for (at, step) in steps.iter().enumerate() {
                let wants_rejection = matches!(step, Rejected);
                let is_call = !matches!(step, Allowed | Wait(_));
                if is_call {
                    let rejects = self.circuit.rejects(self.now);
                    assert_eq!(rejects, wants_rejection, "rejects, step {at}: {step:?}");
                }
                self.take(at, *step);
            }
        }

        fn take(&mut self, at: usize, step: Step) {
            let acquire = || self.circuit.acquire(self.now);
            match step {
                Succeeds => acquire().expect("a permit").done(false, self.now),
                Fails => acquire().expect("a permit").done(true, self.now),
                Cancelled => drop(acquire().expect("a permit")),
                Rejected => assert!(acquire().is_err(), "acquire, step {at}"),
                Allowed => self.circuit.allow_trial(self.now),
                Wait(seconds) => self.now += Duration::from_secs(seconds),
            }
        }

        /// The states entered so far, in order; each told change begins where the last ended.
        fn entered(&self) -> Vec<State> {
            let mut at = Closed;
            for change in lock(&self.told).iter() {
                assert_eq!(change.from, at);
                assert_ne!(change.to, at);
                at = change.to;
            }
            assert_eq!(self.circuit.state().0, at);
            lock(&self.told).iter().map(|change| change.to).collect()
        }
    }

    /// What a circuit that five failures open enters during `steps`.
    fn entered(steps: &[Step]) -> Vec<State> {
        let mut bench = Bench::new(5);
        bench.play(steps);
        bench.entered()
    }

    /// The same, from the time it opened on.
    fn entered_after_opening(steps: &[Step]) -> Vec<State> {
        let entered = entered(&[&[Fails; 5], steps].concat());
        assert_eq!(entered[0], Open);
        entered[1..].to_vec()
    }

    #[test]
    fn failures_in_a_row_open_it() {
        assert_eq!(entered(&[Fails; 4]), []);
        assert_eq!(entered(&[Fails; 5]), [Open]);
        assert_eq!(entered_after_opening(&[Rejected, Rejected]), []);
    }

    #[test]
    fn a_success_in_between_resets_the_count() {
        let four_twice = [&[Fails; 4][..], &[Succeeds], &[Fails; 4]].concat();
        assert_eq!(entered(&four_twice), []);
        assert_eq!(entered(&[&four_twice[..], &[Fails]].concat()), [Open]);
    }

    #[test]
    fn a_cancelled_call_counts_nothing() {
        assert_eq!(entered(&[Cancelled; 9]), []);
        let between = [&[Fails; 4][..], &[Cancelled, Fails]].concat();
        assert_eq!(entered(&between), [Open], "it is no success either");
    }

    #[test]
    fn it_stays_open_for_the_whole_time() {
        let early = [Wait(9), Rejected];
        assert_eq!(entered_after_opening(&early), []);
        let in_time = [Wait(9), Rejected, Wait(1), Cancelled];
        assert_eq!(entered_after_opening(&in_time), [HalfOpen]);
    }

    #[test]
    fn a_trial_that_succeeds_closes_it_and_the_count_begins_anew() {
        let steps = [&[Wait(10), Succeeds][..], &[Fails; 4]].concat();
        assert_eq!(entered_after_opening(&steps), [HalfOpen, Closed]);
    }

    #[test]
    fn a_trial_that_fails_opens_it_again_for_the_whole_time() {
        let steps = [Wait(25), Fails, Rejected, Wait(9), Rejected, Wait(1), Fails];
        let again = [HalfOpen, Open, HalfOpen, Open];
        assert_eq!(entered_after_opening(&steps), again);
    }

    #[test]
    fn a_cancelled_trial_gives_its_place_back() {
        let steps = [Wait(10), Cancelled, Cancelled, Succeeds];
        assert_eq!(entered_after_opening(&steps), [HalfOpen, Closed]);
    }

    #[test]
    fn a_trial_is_allowed_early_on_proof() {
        let steps = [Wait(1), Rejected, Allowed, Succeeds];
        assert_eq!(entered_after_opening(&steps), [HalfOpen, Closed]);
        let failed = [
            Allowed,
            Fails,
            Rejected,
            Wait(9),
            Rejected,
            Wait(1),
            Cancelled,
        ];
        assert_eq!(entered_after_opening(&failed), [HalfOpen, Open, HalfOpen]);
    }

    #[test]
    fn proof_changes_nothing_unless_it_is_open() {
        assert_eq!(entered(&[Allowed, Fails]), []);
        assert_eq!(entered_after_opening(&[Allowed, Allowed]), [HalfOpen]);
        let mut bench = Bench::new(1);
        bench.play(&[Fails, Wait(10)]);
        let _trial = bench.circuit.acquire(bench.now).expect("the trial");
        bench.play(&[Allowed, Rejected]);
    }

    #[test]
    fn one_trial_runs_at_a_time() {
        let mut bench = Bench::new(1);
        bench.play(&[Fails, Wait(10)]);
        let trial = bench.circuit.acquire(bench.now).expect("the trial");
        bench.play(&[Rejected, Wait(99), Rejected]);
        trial.done(false, bench.now);
        bench.play(&[Succeeds]);
        assert_eq!(bench.entered(), [Open, HalfOpen, Closed]);
    }

    #[test]
    fn results_of_an_earlier_epoch_change_nothing() {
        let mut bench = Bench::new(1);
        let late = [(); 6].map(|()| bench.circuit.acquire(bench.now).expect("closed"));
        let [fails, succeeds, on_trial, cancelled, beside, closed] = late;
        bench.play(&[Fails]);
        fails.done(true, bench.now + OPEN_FOR);
        succeeds.done(false, bench.now);
        bench.play(&[Rejected, Wait(10)]);
        let trial = bench.circuit.acquire(bench.now).expect("the trial");
        on_trial.done(true, bench.now);
        beside.done(false, bench.now);
        drop(cancelled);
        bench.play(&[Rejected]);
        trial.done(false, bench.now);
        closed.done(true, bench.now);
        assert_eq!(bench.entered(), [Open, HalfOpen, Closed]);
    }

    #[test]
    fn switched_off_it_never_opens() {
        let mut bench = Bench::new(0);
        bench.play(&[Fails; 99]);
        bench.play(&[Allowed, Cancelled, Succeeds]);
        assert_eq!(bench.entered(), []);
    }

    #[test]
    fn it_tells_since_when_it_is_in_its_state() {
        let mut bench = Bench::new(1);
        let start = bench.now;
        bench.play(&[Wait(3), Succeeds]);
        assert_eq!(bench.circuit.state(), (Closed, start));
        bench.play(&[Fails, Wait(4), Rejected]);
        let opened = start + Duration::from_secs(3);
        assert_eq!(bench.circuit.state(), (Open, opened));
    }

    #[test]
    fn a_time_before_it_opened_is_still_rejected() {
        let mut bench = Bench::new(1);
        let before = bench.now;
        bench.play(&[Wait(20), Fails]);
        assert!(bench.circuit.rejects(before));
        assert_eq!(
            bench.circuit.acquire(before).err(),
            Some(super::circuit::Rejected)
        );
    }
}
