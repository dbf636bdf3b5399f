//! One fetch per key in this process: a leader fetches, followers wait for what it publishes.
//!
//! A leader that goes away without a word (panic, error, dropped request) hands over to one
//! follower, once; after a second failure everybody goes alone. Keys are told apart by a
//! 64-bit hash *and* the whole key, so a collision costs coalescing, never an answer.

use crate::sync::{Arc, Mutex, lock};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

const SHARDS: usize = 16;

/// How often a fetch may be handed on before everybody goes alone.
const HAND_OVERS: u8 = 1;

/// All fetches under way.
pub(crate) struct Flights<V> {
    shards: [Mutex<Shard<V>>; SHARDS],
    /// In one shard.
    most: usize,
}

type Shard<V> = HashMap<u64, Arc<Flight<V>>>;

struct Flight<V> {
    hash: u64,
    key: Box<[u8]>,
    state: Mutex<State<V>>,
}

struct State<V> {
    phase: Phase<V>,
    hand_overs: u8,
    waiting: HashMap<u64, Option<Waker>>,
    next_id: u64,
}

enum Phase<V> {
    /// Somebody fetches.
    Led,
    /// The leader is gone: the first follower to look takes its place.
    Vacant,
    /// The head is known.
    Published(V),
    /// Nobody waits here any more.
    Released,
    /// The handler failed, and the leader had something else to answer with.
    Failed,
}

/// What [`Flights::join`] makes of a caller.
pub(crate) enum Joined<V> {
    Lead(Lead<V>),
    Follow(Follow<V>),
    /// Another key holds the place, or there are too many already.
    Alone,
}

/// How waiting ended.
pub(crate) enum Outcome<V> {
    Published(V),
    /// The leader failed; the caller leads now.
    Lead(Lead<V>),
    /// Fetch for yourself.
    Alone,
    /// The handler has just failed, and the leader had something else to answer with.
    Failed,
}

impl<V: Clone> Flights<V> {
    /// At most so many at once, about; past it everybody goes alone.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.div_ceil(SHARDS),
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
        })
    }

    /// Leads the fetch of `key`, or follows the one under way.
    pub(crate) fn join(self: &Arc<Self>, hash: u64, key: &[u8]) -> Joined<V> {
        let mut shard = lock(self.shard(hash));
        let full = shard.len() >= self.most;
        match shard.entry(hash) {
            Slot::Vacant(_) if full => Joined::Alone,
            Slot::Vacant(slot) => {
                let flight = slot.insert(Flight::start(hash, key)).clone();
                Joined::Lead(Lead::new(self, flight))
            }
            Slot::Occupied(slot) if *slot.get().key == *key => {
                Joined::Follow(Follow::new(self, slot.get().clone()))
            }
            Slot::Occupied(_) => Joined::Alone,
        }
    }

    /// Whether somebody fetches what has this place.
    pub(crate) fn is_led(&self, hash: u64) -> bool {
        lock(self.shard(hash)).contains_key(&hash)
    }

    /// Fetches under way.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|s| lock(s).len()).sum()
    }
}

impl<V> Flights<V> {
    fn shard(&self, hash: u64) -> &Mutex<Shard<V>> {
        // The remainder is less than the number of shards.
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }

    /// Takes `flight` off the table, unless a later one has its place.
    fn remove(&self, flight: &Arc<Flight<V>>) {
        let mut shard = lock(self.shard(flight.hash));
        if let Slot::Occupied(slot) = shard.entry(flight.hash)
            && Arc::ptr_eq(slot.get(), flight)
        {
            slot.remove();
        }
    }
}

impl<V> Flight<V> {
    fn start(hash: u64, key: &[u8]) -> Arc<Self> {
        Arc::new(Self {
            hash,
            key: key.into(),
            state: Mutex::new(State {
                phase: Phase::Led,
                hand_overs: HAND_OVERS,
                waiting: HashMap::new(),
                next_id: 0,
            }),
        })
    }

    /// Enters `phase` and wakes all who wait.
    fn enter(&self, phase: Phase<V>) {
        let woken = {
            let mut state = lock(&self.state);
            state.phase = phase;
            state.take_wakers()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl<V> State<V> {
    fn take_wakers(&mut self) -> Vec<Waker> {
        self.waiting.values_mut().filter_map(Option::take).collect()
    }
}

/// A flight and the table it stands in.
type Held<V> = (Arc<Flights<V>>, Arc<Flight<V>>);

/// The right, and duty, to fetch. Dropped unused, it hands over.
pub(crate) struct Lead<V> {
    held: Option<Held<V>>,
}

impl<V> Lead<V> {
    fn new(flights: &Arc<Flights<V>>, flight: Arc<Flight<V>>) -> Self {
        Self {
            held: Some((flights.clone(), flight)),
        }
    }

    /// Whether somebody waits.
    pub(crate) fn is_followed(&self) -> bool {
        self.held
            .as_ref()
            .is_some_and(|(_, flight)| !lock(&flight.state).waiting.is_empty())
    }

    /// Gives `value` to all followers, those who come later too, until the returned guard is
    /// dropped.
    pub(crate) fn publish(mut self, value: V) -> Landing<V> {
        let held = self.held.take();
        if let Some((_, flight)) = &held {
            flight.enter(Phase::Published(value));
        }
        Landing { held }
    }

    /// Lets all followers go, to fetch for themselves at once.
    pub(crate) fn release(self) {
        self.end(Phase::Released);
    }

    /// Tells all followers that the handler has failed: who has something else to answer with
    /// need not try it too.
    pub(crate) fn fail(self) {
        self.end(Phase::Failed);
    }

    fn end(mut self, phase: Phase<V>) {
        if let Some((flights, flight)) = self.held.take() {
            flights.remove(&flight);
            flight.enter(phase);
        }
    }
}

impl<V> Drop for Lead<V> {
    /// A leader that vanished: one follower takes over, once; with nobody there, or after
    /// that, the flight ends.
    fn drop(&mut self) {
        let Some((flights, flight)) = self.held.take() else {
            return;
        };
        let handed_over = {
            let mut state = lock(&flight.state);
            let can = state.hand_overs > 0 && !state.waiting.is_empty();
            if can {
                state.hand_overs -= 1;
                state.phase = Phase::Vacant;
            }
            can.then(|| state.take_wakers())
        };
        match handed_over {
            Some(wakers) => wakers.into_iter().for_each(Waker::wake),
            None => {
                flights.remove(&flight);
                flight.enter(Phase::Released);
            }
        }
    }
}

/// Keeps a published flight open to latecomers; ends it when dropped.
pub(crate) struct Landing<V> {
    held: Option<Held<V>>,
}

impl<V> Drop for Landing<V> {
    fn drop(&mut self) {
        if let Some((flights, flight)) = self.held.take() {
            flights.remove(&flight);
        }
    }
}

/// A wait for the leader. Dropped, it is forgotten.
pub(crate) struct Follow<V> {
    flights: Arc<Flights<V>>,
    flight: Arc<Flight<V>>,
    id: u64,
}

impl<V> Follow<V> {
    fn new(flights: &Arc<Flights<V>>, flight: Arc<Flight<V>>) -> Self {
        let id = {
            let mut state = lock(&flight.state);
            let id = state.next_id;
            state.next_id += 1;
            state.waiting.insert(id, None);
            id
        };
        Self {
            flights: flights.clone(),
            flight,
            id,
        }
    }
}

impl<V> Follow<V> {
    /// What this flight brings is of no use to who comes now: the next one leads anew.
    pub(crate) fn disown(&self) {
        self.flights.remove(&self.flight);
    }
}

impl<V: Clone> Future for Follow<V> {
    type Output = Outcome<V>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<V>> {
        let mut state = lock(&self.flight.state);
        match &state.phase {
            Phase::Led => {
                state.waiting.insert(self.id, Some(cx.waker().clone()));
                return Poll::Pending;
            }
            Phase::Published(value) => return Poll::Ready(Outcome::Published(value.clone())),
            Phase::Released => return Poll::Ready(Outcome::Alone),
            Phase::Failed => return Poll::Ready(Outcome::Failed),
            Phase::Vacant => state.phase = Phase::Led,
        }
        state.waiting.remove(&self.id);
        drop(state);
        Poll::Ready(Outcome::Lead(Lead::new(&self.flights, self.flight.clone())))
    }
}

impl<V> Drop for Follow<V> {
    /// The last one to leave a vacant flight takes it off the table.
    fn drop(&mut self) {
        let abandoned = {
            let mut state = lock(&self.flight.state);
            state.waiting.remove(&self.id);
            let abandoned = matches!(state.phase, Phase::Vacant) && state.waiting.is_empty();
            if abandoned {
                state.phase = Phase::Released;
            }
            abandoned
        };
        if abandoned {
            self.flights.remove(&self.flight);
        }
    }
}
