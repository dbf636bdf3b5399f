//! The world that racing instances serve: versions of a few keys, and what was promised of them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a near tier may be behind.
pub const BOUND: Duration = Duration::from_millis(300);

/// How long an answer in fallback may be behind.
pub const STALENESS: Duration = Duration::from_secs(1);

pub const KEYS: [&str; 8] = [
    "/plain/0",
    "/plain/1",
    "/query/2?q=1",
    "/vary/3",
    "/vary/4",
    "/swr/5",
    "/swr/6",
    "/classed/7",
];

pub const VARIANTS: [&str; 3] = ["none", "a", "b"];

/// Xorshift: what it draws follows from its seed alone.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).expect("small");
        usize::try_from(self.next() % n).expect("small")
    }

    /// A time between two numbers of milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next() % (to - from))
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

pub struct World {
    pub seed: u64,
    keys: [Key; KEYS.len()],
    /// Requests and purges so far.
    ops: watch::Sender<u64>,
    runs: AtomicU64,
}

#[derive(Default)]
struct Key {
    version: AtomicU64,
    notes: Mutex<Vec<Note>>,
}

/// A purge that has returned: nothing older than `version` is to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    pub at: Instant,
    pub version: u64,
    pub by: usize,
    pub applied: bool,
    pub soft: bool,
}

impl Note {
    /// At least as strong as `other`, and of the same kind.
    fn covers(&self, other: &Self) -> bool {
        let kind = |note: &Self| (note.by, note.applied, note.soft);
        kind(self) == kind(other) && self.version >= other.version && self != other
    }
}

/// Versions that an answer may not be older than; softly: without being marked as stale.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    pub hard: u64,
    pub soft: u64,
}

/// What may be expected of a request that begins now.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// By the purges of the instance that is asked.
    pub own: Floor,
    /// By all that were applied; near tiers may be behind by the bound.
    pub all: Floor,
    /// The same of an instance that cannot reach Redis.
    pub fallback: Floor,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            keys: std::array::from_fn(|_| Key::default()),
            ops: watch::Sender::new(0),
            runs: AtomicU64::new(0),
        }
    }

    pub fn version(&self, key: usize) -> u64 {
        self.keys[key].version.load(Ordering::SeqCst)
    }

    /// Changes the data of a key.
    pub fn change(&self, key: usize) -> u64 {
        self.keys[key].version.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A purge has returned.
    pub fn note(&self, key: usize, new: Note) {
        let mut notes = self.keys[key].notes.lock().expect("no panic");
        let old = |note: &Note| new.at.duration_since(note.at) > STALENESS;
        let kept: Vec<Note> = notes
            .iter()
            .filter(|note| {
                let covered = |by: &Note| old(by) && by.covers(note);
                !(old(note) && notes.iter().any(covered))
            })
            .copied()
            .collect();
        *notes = kept;
        notes.push(new);
    }

    /// What may be expected of `instance`, asked for `key` from now on.
    pub fn expected(&self, key: usize, instance: usize, near: bool) -> Expected {
        let notes = self.keys[key].notes.lock().expect("no panic");
        let now = Instant::now();
        let bound = if near { BOUND } else { Duration::ZERO };
        let floor = |counts: &dyn Fn(&Note) -> bool| {
            let of = |soft| {
                let of = notes.iter().filter(|note| note.soft == soft);
                let versions = of.filter(|note| counts(note)).map(|note| note.version);
                versions.max().unwrap_or(0)
            };
            Floor {
                hard: of(false),
                soft: of(true),
            }
        };
        let age = |note: &Note| now.saturating_duration_since(note.at);
        let own = |note: &Note| note.by == instance;
        Expected {
            own: floor(&own),
            all: floor(&|note| own(note) || (note.applied && age(note) >= bound)),
            fallback: floor(&|note| own(note) || (note.applied && age(note) > STALENESS)),
        }
    }

    /// Begins a request or a purge; how many there were before.
    pub fn op(&self) -> u64 {
        let mut before = 0;
        self.ops.send_modify(|ops| {
            before = *ops;
            *ops += 1;
        });
        before
    }

    pub fn ops(&self) -> u64 {
        *self.ops.borrow()
    }

    /// Waits until there are `more` requests and purges, at most for `limit`.
    pub async fn pass(&self, more: u64, limit: Duration) {
        let mut ops = self.ops.subscribe();
        let until = self.ops() + more;
        let _ = tokio::time::timeout(limit, ops.wait_for(|ops| *ops >= until)).await;
    }

    /// Draws for one more run of a handler.
    pub fn run(&self) -> Rng {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        Rng::new(self.seed ^ (run << 20))
    }
}
