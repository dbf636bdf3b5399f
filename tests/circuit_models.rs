//! Model checks of the circuit breaker: the same source as the library's, over shuttle's locks, under thousands of
//! schedules.

/// What the library takes from `std` is shuttle's here.
mod sync {
    pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("no panic while it was held")
    }
}

#[path = "../src/breaker/circuit.rs"]
mod circuit;

use circuit::{Change, Circuit, Settings, State};
use shuttle::future::{block_on, spawn};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const OPEN_FOR: Duration = Duration::from_secs(10);

fn check(model: impl Fn() + Send + Sync + 'static) {
    let long = std::env::var("NB_TEST_SIZE").is_ok_and(|size| size == "long");
    shuttle::check_random(model, if long { 50_000 } else { 2_000 });
}

/// A circuit, its clock, what it told, and how many calls run.
struct Bench {
    circuit: Arc<Circuit>,
    start: Instant,
    turns: AtomicUsize,
    told: Arc<Mutex<Vec<Change>>>,
    calls: AtomicUsize,
}

/// How a call ends.
#[derive(Clone, Copy)]
enum Ends {
    Succeeds,
    Fails,
    Cancelled,
}

impl Bench {
    #[allow(clippy::disallowed_methods, reason = "any instant will do")]
    fn new(threshold: u32) -> Arc<Self> {
        let (start, told) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let heard = told.clone();
        let settings = Settings {
            threshold: threshold.try_into().ok(),
            open_for: OPEN_FOR,
        };
        Arc::new(Self {
            circuit: Circuit::new(settings, start, move |c| sync::lock(&heard).push(c)),
            start,
            turns: AtomicUsize::new(0),
            told,
            calls: AtomicUsize::new(0),
        })
    }

    /// Each time it is asked, as much later as a circuit stays open.
    fn now(&self) -> Instant {
        let turn = self.turns.fetch_add(1, Ordering::SeqCst);
        self.start + OPEN_FOR * u32::try_from(turn).expect("few turns")
    }

    /// Calls if it may; how many other calls ran when it began.
    fn call(&self, ends: Ends) -> Option<usize> {
        let permit = self.circuit.acquire(self.now()).ok()?;
        let others = self.calls.fetch_add(1, Ordering::SeqCst);
        shuttle::thread::yield_now();
        self.calls.fetch_sub(1, Ordering::SeqCst);
        match ends {
            Ends::Succeeds => permit.done(false, self.now()),
            Ends::Fails => permit.done(true, self.now()),
            Ends::Cancelled => drop(permit),
        }
        Some(others)
    }

    /// The states told, each change beginning where the one before ended.
    fn entered(&self) -> Vec<State> {
        let mut at = State::Closed;
        let told = sync::lock(&self.told).clone();
        for change in &told {
            assert_eq!(change.from, at, "{told:?}");
            // An open circuit closes by a trial only.
            assert_ne!((at, change.to), (State::Open, State::Closed), "{told:?}");
            at = change.to;
        }
        assert_eq!(self.circuit.state().0, at, "{told:?}");
        told.iter().map(|change| change.to).collect()
    }
}

/// Lets each act at the same time, to its end.
fn all_at_once<T: Send + 'static>(bench: &Arc<Bench>, each: Vec<T>, act: fn(&Bench, T)) {
    let start = |one| {
        let bench = bench.clone();
        spawn(async move { act(&bench, one) })
    };
    let tasks: Vec<_> = each.into_iter().map(start).collect();
    for task in tasks {
        block_on(task).expect("no panic");
    }
}

#[test]
fn failures_at_once_open_the_circuit_once() {
    check(|| {
        let bench = Bench::new(3);
        let all = [(); 5].map(|()| bench.circuit.acquire(bench.start).expect("closed"));
        all_at_once(&bench, all.into(), |b, permit| permit.done(true, b.start));
        assert_eq!(bench.entered(), [State::Open]);
        assert!(bench.circuit.rejects(bench.start));
    });
}

#[test]
fn no_two_trials_run_at_once() {
    check(|| {
        let bench = Bench::new(1);
        assert_eq!(bench.call(Ends::Fails), Some(0));
        // None succeeds, so that every call is a trial.
        let ends = vec![Ends::Fails, Ends::Cancelled, Ends::Fails];
        all_at_once(&bench, ends, |bench, ends| {
            for _ in 0..2 {
                assert!(matches!(bench.call(ends), None | Some(0)));
                bench.circuit.allow_trial(bench.now());
            }
        });
        assert!(!bench.entered().contains(&State::Closed));
    });
}

#[test]
fn a_circuit_whose_permits_are_gone_lets_somebody_in() {
    check(|| {
        let bench = Bench::new(1);
        let ends = vec![Ends::Fails, Ends::Succeeds, Ends::Cancelled];
        all_at_once(&bench, ends, |bench, ends| {
            for _ in 0..3 {
                bench.call(ends);
            }
        });
        let later = bench.now() + OPEN_FOR;
        assert!(!bench.circuit.rejects(later));
        let permit = bench.circuit.acquire(later).expect("all are gone");
        permit.done(false, later);
        assert!(matches!(bench.entered()[..], [] | [.., State::Closed]));
    });
}

#[test]
fn late_failures_never_spoil_a_trial() {
    check(|| {
        let bench = Bench::new(1);
        let late = [(); 3].map(|()| bench.circuit.acquire(bench.start).expect("closed"));
        assert_eq!(bench.call(Ends::Fails), Some(0));
        let tasks = late.into_iter().map(Some).chain([None]).collect();
        all_at_once(&bench, tasks, |bench, late| match late {
            Some(late) => late.done(true, bench.now()),
            None => assert!(bench.call(Ends::Succeeds).is_some()),
        });
        assert_eq!(bench.entered()[1..], [State::HalfOpen, State::Closed]);
    });
}
