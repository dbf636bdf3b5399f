//! Workers that ask and purge at random, and faults that come between.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

use crate::race::{KEYS, Note, Rng, VARIANTS, World};
use crate::race_instance::{Instance, tags};
use crate::race_judge::{Tally, Watch};
use futures_util::FutureExt;
use futures_util::future::join_all;
use neuralblitz_cache::{Purge, Purged};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What the tasks of a race share.
pub struct Race {
    pub world: Arc<World>,
    pub instances: Vec<Instance>,
    /// The names of the keys in Redis, without what follows the hash of the query.
    pub names: Vec<String>,
    pub tally: Mutex<Tally>,
    pub ops: u64,
    /// It ends with the first wrong answer.
    pub until_wrong: bool,
}

impl Race {
    /// Asks and purges until all is done.
    pub async fn work(self: Arc<Self>, worker: u64) {
        let mut rng = Rng::new(self.world.seed + 1000 + worker);
        while !self.is_over() {
            match rng.below(100) {
                0..=11 => self.purge(&mut rng).await,
                12..=25 => self.herd(&mut rng).await,
                26..=28 => self.glance(&mut rng).await,
                _ => self.ask(rng.below(self.instances.len()), &mut rng).await,
            }
        }
    }

    pub fn is_over(&self) -> bool {
        let found = || self.tally.lock().expect("no panic").violations() > 0;
        self.world.ops() >= self.ops || (self.until_wrong && found())
    }

    async fn ask(&self, instance: usize, rng: &mut Rng) {
        let (key, variant) = (rng.below(KEYS.len()), VARIANTS[rng.below(VARIANTS.len())]);
        self.ask_for(instance, key, variant).await;
    }

    async fn ask_for(&self, instance: usize, key: usize, variant: &str) {
        self.world.op();
        let instance = &self.instances[instance];
        let watch = Watch::begin(&self.world, instance, key);
        if let Some(answer) = instance.get(key, variant).await {
            watch.end(&answer, variant, &self.tally);
        }
    }

    /// Several ask for the same; some of them after a purge that came between.
    async fn herd(&self, rng: &mut Rng) {
        let instance = rng.below(self.instances.len());
        let (key, variant) = (rng.below(KEYS.len()), VARIANTS[rng.below(VARIANTS.len())]);
        let early = join_all((0..=rng.below(3)).map(|_| self.ask_for(instance, key, variant)));
        let late = async {
            self.purge_of(Purge::uri(KEYS[key]), &[key], rng).await;
            join_all((0..=rng.below(3)).map(|_| self.ask_for(instance, key, variant))).await;
        };
        tokio::join!(early, late);
    }

    async fn glance(&self, rng: &mut Rng) {
        self.world.op();
        let instance = &self.instances[rng.below(self.instances.len())];
        let variant = VARIANTS[rng.below(VARIANTS.len())];
        instance.glance(rng.below(KEYS.len()), variant).await;
    }

    async fn purge(&self, rng: &mut Rng) {
        let (purge, covered) = self.any_purge(rng);
        let purge = if rng.percent(25) { purge.soft() } else { purge };
        self.purge_of(purge, &covered, rng).await;
    }

    /// Any kind of purge, and the keys it covers.
    fn any_purge(&self, rng: &mut Rng) -> (Purge, Vec<usize>) {
        let key = rng.below(KEYS.len());
        let all = || 0..KEYS.len();
        match rng.below(14) {
            0 => (Purge::everything(), all().collect()),
            1 => (Purge::tags(["all"]), all().collect()),
            2 => {
                let group = key % 3;
                let tag = tags(key)[1].clone();
                (
                    Purge::tags([tag]),
                    all().filter(|k| k % 3 == group).collect(),
                )
            }
            3 | 4 => (Purge::tags([tags(key)[0].clone()]), vec![key]),
            5 => {
                let other = (key + 1) % KEYS.len();
                let tags = [tags(key)[0].clone(), tags(other)[0].clone()];
                (Purge::tags(tags), vec![key, other])
            }
            6 => (Purge::class("multi_reality"), vec![7]),
            7 => (Purge::prefix("/vary/"), vec![3, 4]),
            8 | 9 => (Purge::prefix(KEYS[key]), vec![key]),
            10 => (Purge::pattern(format!("{}*", self.names[key])), vec![key]),
            11 => (Purge::key(&self.names[key]), vec![key]),
            _ => (Purge::uri(KEYS[key]), vec![key]),
        }
    }

    /// Changes the data, purges, and notes that nothing older may be served from now on.
    async fn purge_of(&self, purge: Purge, covered: &[usize], rng: &mut Rng) {
        self.world.op();
        let by = rng.below(self.instances.len());
        let soft = format!("{purge:?}").contains("soft: true");
        let changed: Vec<(usize, u64)> = covered
            .iter()
            .map(|key| (*key, self.world.change(*key)))
            .collect();
        let purging = self.instances[by].cache.purge(purge);
        if rng.percent(3) {
            // Who leaves is told nothing.
            drop(purging.now_or_never());
            return;
        }
        let applied = purging.await.expect("it can be") == Purged::Applied;
        let at = Instant::now();
        for (key, version) in changed {
            let note = Note {
                at,
                version,
                by,
                applied,
                soft,
            };
            self.world.note(key, note);
        }
        let mut tally = self.tally.lock().expect("no panic");
        tally.purges += 1;
        tally.applied += u64::from(applied);
    }
}
