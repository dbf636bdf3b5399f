//! Model checks of coalescing: the same source as the library's, over shuttle's locks, under thousands of
//! schedules.

/// What the library takes from `std` is shuttle's here.
mod sync {
    pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("no panic while it was held")
    }
}

#[path = "../src/flight.rs"]
mod flight;

use flight::{Flights, Joined, Outcome};
use shuttle::future::{block_on, spawn};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicUsize, Ordering};

fn check(model: impl Fn() + Send + Sync + 'static) {
    let long = std::env::var("NB_TEST_SIZE").is_ok_and(|size| size == "long");
    shuttle::check_random(model, if long { 50_000 } else { 2_000 });
}

/// What one caller got.
#[derive(Debug, PartialEq)]
enum Got {
    Led,
    Followed(usize),
    Alone,
    Failed,
}

/// What a leader does with its turn.
#[derive(Clone, Copy)]
enum Leads {
    Publishes,
    Vanishes,
    Releases,
    Fails,
}

/// Joins, and leads as told the first time, by publishing afterwards.
async fn call(flights: Arc<Flights<usize>>, leads: Leads, turns: Arc<AtomicUsize>) -> Got {
    let outcome = match flights.join(7, b"key") {
        Joined::Lead(lead) => Outcome::Lead(lead),
        Joined::Follow(follow) => follow.await,
        Joined::Alone => Outcome::Alone,
    };
    match outcome {
        Outcome::Published(value) => Got::Followed(value),
        Outcome::Alone => Got::Alone,
        Outcome::Failed => Got::Failed,
        Outcome::Lead(lead) => {
            let turn = turns.fetch_add(1, Ordering::SeqCst);
            shuttle::thread::yield_now();
            match (turn, leads) {
                (0, Leads::Vanishes) => drop(lead),
                (0, Leads::Releases) => lead.release(),
                (0, Leads::Fails) => lead.fail(),
                _ => {
                    let landing = lead.publish(turn);
                    shuttle::thread::yield_now();
                    drop(landing);
                }
            }
            Got::Led
        }
    }
}

fn run(leads: Leads, callers: usize) -> (Vec<Got>, usize, usize) {
    let flights = Flights::new(usize::MAX);
    let turns = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..callers)
        .map(|_| spawn(call(flights.clone(), leads, turns.clone())))
        .collect();
    let got = tasks
        .into_iter()
        .map(|task| block_on(task).expect("no panic"))
        .collect();
    assert!(!flights.is_led(7), "nobody fetches any more");
    (got, turns.load(Ordering::SeqCst), flights.len())
}

#[test]
fn everybody_is_answered_and_no_flight_is_left() {
    check(|| {
        let (got, turns, left) = run(Leads::Publishes, 3);
        assert_eq!(left, 0);
        assert_eq!(got.iter().filter(|g| **g == Got::Led).count(), turns);
        assert!(!got.contains(&Got::Alone), "{got:?}");
    });
}

#[test]
fn a_vanished_leader_hands_over_once() {
    check(|| {
        let (got, turns, left) = run(Leads::Vanishes, 3);
        assert_eq!(left, 0);
        assert_eq!(got.iter().filter(|g| **g == Got::Led).count(), turns);
        assert!(
            !got.contains(&Got::Followed(0)),
            "turn 0 never published: {got:?}"
        );
        // One successor fetches for all; a second turn of the same flight never vanishes.
        assert!(
            turns >= 2 || got.contains(&Got::Alone) || got.len() == 1,
            "{got:?}"
        );
    });
}

#[test]
fn a_released_flight_sets_all_free() {
    check(|| {
        let (got, _, left) = run(Leads::Releases, 3);
        assert_eq!(left, 0);
        assert!(!got.contains(&Got::Followed(0)), "{got:?}");
    });
}

#[test]
fn a_failure_is_told_to_all_who_wait_and_ends_the_flight() {
    check(|| {
        let (got, turns, left) = run(Leads::Fails, 3);
        assert_eq!(left, 0);
        assert!(!got.contains(&Got::Followed(0)), "{got:?}");
        assert!(!got.contains(&Got::Alone), "{got:?}");
        assert_eq!(got.iter().filter(|g| **g == Got::Led).count(), turns);
    });
}

#[test]
fn a_follower_that_leaves_takes_nobody_with_it() {
    check(|| {
        let flights: Arc<Flights<usize>> = Flights::new(usize::MAX);
        let Joined::Lead(lead) = flights.join(7, b"key") else {
            panic!("the first leads");
        };
        let (Joined::Follow(stays), Joined::Follow(leaves)) =
            (flights.join(7, b"key"), flights.join(7, b"key"))
        else {
            panic!("the others follow");
        };
        let leaving = spawn(async move { drop(leaves) });
        let staying = spawn(stays);
        let vanishing = spawn(async move { drop(lead) });
        for task in [leaving, vanishing] {
            block_on(task).expect("no panic");
        }
        match block_on(staying).expect("no panic") {
            Outcome::Lead(lead) => drop(lead.publish(1)),
            Outcome::Alone | Outcome::Failed | Outcome::Published(_) => {
                panic!("the one that stays takes over")
            }
        }
        assert_eq!(flights.len(), 0);
    });
}

#[test]
fn a_vacant_flight_that_all_leave_is_taken_off_the_table() {
    check(|| {
        let flights: Arc<Flights<usize>> = Flights::new(usize::MAX);
        let Joined::Lead(lead) = flights.join(7, b"key") else {
            panic!("the first leads");
        };
        let Joined::Follow(follow) = flights.join(7, b"key") else {
            panic!("the second follows");
        };
        let vanishing = spawn(async move { drop(lead) });
        let leaving = spawn(async move { drop(follow) });
        for task in [vanishing, leaving] {
            block_on(task).expect("no panic");
        }
        assert_eq!(flights.len(), 0);
    });
}

#[test]
fn a_second_failure_sets_all_free() {
    check(|| {
        let flights: Arc<Flights<usize>> = Flights::new(usize::MAX);
        let Joined::Lead(first) = flights.join(7, b"key") else {
            panic!("the first leads");
        };
        let (Joined::Follow(a), Joined::Follow(b)) =
            (flights.join(7, b"key"), flights.join(7, b"key"))
        else {
            panic!("the others follow");
        };
        let fail_if_led = |outcome: Outcome<usize>| match outcome {
            Outcome::Lead(lead) => {
                drop(lead);
                1
            }
            Outcome::Alone | Outcome::Failed => 0,
            Outcome::Published(_) => panic!("nothing was published"),
        };
        let a = spawn(async move { fail_if_led(a.await) });
        let b = spawn(async move { fail_if_led(b.await) });
        drop(first);
        let led = block_on(a).expect("no panic") + block_on(b).expect("no panic");
        assert_eq!(led, 1, "one successor, and no more");
        assert_eq!(flights.len(), 0);
    });
}

#[test]
fn another_key_under_the_same_hash_goes_alone() {
    check(|| {
        let flights: Arc<Flights<usize>> = Flights::new(usize::MAX);
        let Joined::Lead(_lead) = flights.join(7, b"key") else {
            panic!("the first leads");
        };
        assert!(matches!(flights.join(7, b"other"), Joined::Alone));
    });
}

#[test]
fn a_disowned_flight_gives_its_place_to_one_new_leader() {
    check(|| {
        let flights: Arc<Flights<usize>> = Flights::new(usize::MAX);
        let Joined::Lead(old) = flights.join(7, b"key") else {
            panic!("the first leads");
        };
        let Joined::Follow(follow) = flights.join(7, b"key") else {
            panic!("the second follows");
        };
        assert!(old.is_followed());
        let landing = old.publish(0);
        let again = spawn(async move {
            follow.disown();
            drop(follow);
        });
        block_on(again).expect("no panic");
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let flights = flights.clone();
                spawn(async move {
                    match flights.join(7, b"key") {
                        Joined::Lead(lead) => {
                            drop(lead.publish(1));
                            1
                        }
                        Joined::Follow(follow) => match follow.await {
                            Outcome::Published(value) => value,
                            Outcome::Lead(_) | Outcome::Alone | Outcome::Failed => {
                                panic!("its leader publishes")
                            }
                        },
                        Joined::Alone => panic!("the key is the same"),
                    }
                })
            })
            .collect();
        let landed = spawn(async move { drop(landing) });
        for task in tasks {
            assert_eq!(
                block_on(task).expect("no panic"),
                1,
                "nobody gets the old one"
            );
        }
        block_on(landed).expect("no panic");
        assert_eq!(flights.len(), 0);
    });
}
