//! Whether an answer keeps what was promised, and how many did not.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use crate::race::{Expected, Floor, World};
use crate::race_instance::Instance;
use crate::support::web::Answer;
use http::StatusCode;
use neuralblitz_cache::Mode;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

/// Violations that are told in full.
const TOLD: usize = 12;

/// By which promise an answer is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Of an instance without a near tier, or of a near tier.
    Hit,
    NearHit,
    /// Marked as given while a newer one is fetched, or in place of a failure.
    Stale,
    Fallback,
    /// The same, marked as past its lifetime too.
    StaleFallback,
    /// Of another request's run of the handler.
    Collapsed,
    /// Of a run of its own.
    Miss,
}

impl Kind {
    fn of(answer: &Answer, near: bool) -> Self {
        let status = answer.cache();
        if status.contains("ttl=-") && status.contains("detail=fallback") {
            Self::StaleFallback
        } else if status.contains("detail=fallback") {
            Self::Fallback
        } else if status.contains("detail=stale-") {
            Self::Stale
        } else if status.contains("; hit") {
            if near { Self::NearHit } else { Self::Hit }
        } else if status.contains("; collapsed") {
            Self::Collapsed
        } else {
            Self::Miss
        }
    }
}

/// What an answer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// Older than a purge of the same instance that had returned.
    Own,
    /// Older than a purge that was in force everywhere.
    Old,
    /// Older than a soft purge, and not marked.
    Unmarked,
    /// Of another key or variant, or from the future.
    Foreign,
}

#[derive(Default)]
pub struct Tally {
    seen: BTreeMap<Kind, u64>,
    wrong: BTreeMap<(Kind, Wrong), u64>,
    /// Older than it would have to be if Redis had answered.
    excused: BTreeMap<Kind, u64>,
    told: Vec<String>,
    pub purges: u64,
    pub applied: u64,
    pub faults: u64,
}

impl Tally {
    pub fn violations(&self) -> u64 {
        self.wrong.values().sum()
    }

    /// Of the right key, and older than was promised.
    pub fn outdated(&self) -> u64 {
        let outdated = self
            .wrong
            .iter()
            .filter(|((_, wrong), _)| *wrong != Wrong::Foreign);
        outdated.map(|(_, count)| count).sum()
    }

    pub fn told(&self) -> &[String] {
        &self.told
    }

    pub fn seen(&self, kind: Kind) -> u64 {
        self.seen.get(&kind).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.seen.values().sum();
        write!(
            f,
            "{total} answers {:?}, {} purges ({} applied), {} faults, {} violations {:?}, excused {:?}",
            self.seen,
            self.purges,
            self.applied,
            self.faults,
            self.violations(),
            self.wrong,
            self.excused,
        )
    }
}

/// A request under way: what may be expected of it.
pub struct Watch<'a> {
    world: &'a World,
    instance: &'a Instance,
    key: usize,
    expected: Expected,
    before: State,
}

/// Whether the instance could ask Redis.
#[derive(PartialEq, Eq)]
struct State {
    mode: Mode,
    faults: u64,
}

impl State {
    fn of(instance: &Instance) -> Self {
        let stats = instance.cache.stats();
        Self {
            mode: stats.mode,
            faults: stats.faults,
        }
    }
}

impl<'a> Watch<'a> {
    pub fn begin(world: &'a World, instance: &'a Instance, key: usize) -> Self {
        Self {
            before: State::of(instance),
            expected: world.expected(key, instance.at, instance.near),
            world,
            instance,
            key,
        }
    }

    pub fn end(self, answer: &Answer, variant: &str, tally: &Mutex<Tally>) {
        let kind = Kind::of(answer, self.instance.near);
        let mut tally = tally.lock().expect("no panic");
        *tally.seen.entry(kind).or_default() += 1;
        if answer.status == StatusCode::INTERNAL_SERVER_ERROR {
            return;
        }
        let well = self.before.mode == Mode::Redis && self.before == State::of(self.instance);
        let Some(version) = self.version(answer, variant) else {
            return self.tell(&mut tally, (kind, Wrong::Foreign), answer);
        };
        let fallback = matches!(kind, Kind::Fallback | Kind::StaleFallback);
        let lenient = fallback || (!well && matches!(kind, Kind::Stale | Kind::Collapsed));
        let all = if lenient {
            self.expected.fallback
        } else {
            self.expected.all
        };
        if let Some(wrong) = judge(kind, version, &self.expected.own, &all) {
            self.tell(&mut tally, (kind, wrong), answer);
        } else if lenient && judge(kind, version, &Floor::default(), &self.expected.all).is_some() {
            *tally.excused.entry(kind).or_default() += 1;
        }
    }

    /// `None`: it is not an answer to this request.
    fn version(&self, answer: &Answer, variant: &str) -> Option<u64> {
        let varies = matches!(self.key, 3 | 4);
        let prefix = format!("{} {} ", self.key, if varies { variant } else { "-" });
        let version: u64 = answer.text().strip_prefix(&prefix)?.parse().ok()?;
        let possible = answer.status == StatusCode::OK && version <= self.world.version(self.key);
        possible.then_some(version)
    }

    fn tell(&self, tally: &mut Tally, wrong: (Kind, Wrong), answer: &Answer) {
        *tally.wrong.entry(wrong).or_default() += 1;
        if tally.told.len() < TOLD {
            tally.told.push(format!(
                "{wrong:?}: op {}, instance {}, key {}: {:?} ({}), expected {:?}",
                self.world.ops(),
                self.instance.at,
                self.key,
                String::from_utf8_lossy(&answer.body),
                answer.cache(),
                self.expected,
            ));
        }
    }
}

fn judge(kind: Kind, version: u64, own: &Floor, all: &Floor) -> Option<Wrong> {
    let marked = matches!(kind, Kind::Stale | Kind::StaleFallback);
    if version < own.hard {
        Some(Wrong::Own)
    } else if version < all.hard {
        Some(Wrong::Old)
    } else if !marked && version < own.soft.max(all.soft) {
        Some(Wrong::Unmarked)
    } else {
        None
    }
}
