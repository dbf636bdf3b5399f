//! How items are gone through.

use super::item::{Item, Service, with_host};
use super::{Asked, WarmRequest, Warmup};
use crate::cache::Cache;
use crate::clock::instant;
use crate::key::UriRules;
use crate::observe::{WarmOutcome, Warmed};
use http::uri::Authority;
use std::cmp::Reverse;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// How long the connection to Redis is waited for: without it each instance warms for itself.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);

/// The longest time that anything may take: no clock and no Redis knows a lease that ends never.
const LONGEST: Duration = Duration::from_hours(24);

/// How a warming goes, and who is told.
struct Progress {
    cache: Cache,
    warmed: Warmed,
    /// Sources that have not said yet what is to be asked for.
    unheard: usize,
    began: Instant,
    told: Box<dyn FnMut(&Warmed) + Send>,
}

impl Progress {
    fn found(&mut self, items: usize) {
        self.warmed.items += items;
        self.tell();
    }

    fn count(&mut self, outcome: WarmOutcome) {
        self.warmed.count(outcome, 1);
        self.tell();
    }

    fn tell(&mut self) {
        self.warmed.took = self.began.elapsed();
        self.cache.inner.observer.warming(self.warmed);
        (self.told)(&self.warmed);
    }

    fn end(mut self) -> Warmed {
        self.warmed.items += self.unheard;
        let left = self.warmed.items.saturating_sub(self.warmed.done());
        self.warmed.count(WarmOutcome::Skipped, left);
        self.warmed.ended = true;
        self.tell();
        let Warmed {
            warmed,
            left_alone,
            unstored,
            failed,
            skipped,
            took,
            ..
        } = self.warmed;
        tracing::info!(
            warmed,
            left_alone,
            unstored,
            failed,
            skipped,
            ?took,
            "warming has ended"
        );
        self.warmed
    }
}

/// How many at once, and for how long each.
struct Pace {
    batch_size: usize,
    concurrency: usize,
    limit: Duration,
}

pub(super) async fn run(warmup: Warmup) -> Warmed {
    let Warmup {
        cache,
        service,
        mut requests,
        sources,
        loaders,
        authority,
        batch_size,
        concurrency,
        timeout,
        item_timeout,
        on_progress,
    } = warmup;
    let mut progress = Progress {
        cache: cache.clone(),
        warmed: Warmed::default(),
        unheard: sources.len(),
        began: instant(),
        told: on_progress,
    };
    let (pace, until) = (
        Pace {
            batch_size,
            concurrency,
            limit: item_timeout.min(LONGEST),
        },
        progress.began + timeout.min(LONGEST),
    );
    progress.found(requests.len() + loaders.len());
    if Handle::try_current().is_ok() {
        let all = async {
            cache.start();
            connected(&cache).await;
            requests.extend(ask(sources, item_timeout, &mut progress).await);
            let items = items(&cache, requests, loaders, authority.as_ref());
            go_through(&cache, service.as_ref(), (items, pace), &mut progress).await;
        };
        // What has not ended then is skipped.
        let _ = timeout_at(until, all).await;
    }
    progress.end()
}

/// Until Redis can be asked, or is left alone.
async fn connected(cache: &Cache) {
    let Some(remote) = &cache.inner.store.remote else {
        return;
    };
    if !remote.is_left_alone() {
        // Then each item does what it can.
        let _ = timeout(CONNECTED_WITHIN, remote.connected()).await;
    }
}

/// What sources say, each asked in a task of its own; one that fails is an item that failed.
async fn ask(sources: Vec<Asked>, limit: Duration, progress: &mut Progress) -> Vec<WarmRequest> {
    let mut all = Vec::new();
    for source in sources {
        let mut task = JoinSet::new();
        task.spawn(timeout(limit, source));
        let asked = task.join_next().await;
        progress.unheard -= 1;
        match asked {
            Some(Ok(Ok(Ok(requests)))) => {
                progress.found(requests.len());
                all.extend(requests);
                continue;
            }
            Some(Ok(Ok(Err(error)))) => tracing::warn!(error, "a source of requests failed"),
            _ => tracing::warn!("a source of requests panicked, or took too long"),
        }
        progress.found(1);
        progress.count(WarmOutcome::Failed);
    }
    all
}

/// The most wanted first.
fn items(
    cache: &Cache,
    mut requests: Vec<WarmRequest>,
    loaders: Vec<Item>,
    authority: Option<&Authority>,
) -> Vec<Item> {
    let mut nameless = 0;
    for request in &mut requests {
        nameless += usize::from(with_host(request, authority).is_none());
    }
    let rules = cache.inner.known_rules();
    if nameless > 0 && !rules.iter().any(UriRules::ignores_authority) {
        tracing::warn!(
            nameless,
            "requests that name no host warm what nobody asks for: see `CACHE.warm_authority`"
        );
    }
    let requests = requests.into_iter().map(Item::request);
    let mut items: Vec<Item> = requests.chain(loaders).collect();
    items.sort_by_key(|item| Reverse(item.priority));
    items
}

async fn go_through(
    cache: &Cache,
    service: Option<&Service>,
    (items, pace): (Vec<Item>, Pace),
    progress: &mut Progress,
) {
    tracing::info!(items = items.len(), "warming begins");
    let mut items = items.into_iter();
    loop {
        let batch: Vec<Item> = items.by_ref().take(pace.batch_size).collect();
        if batch.is_empty() {
            return;
        }
        one_batch(cache, service, (batch, &pace), progress).await;
        let (done, items) = (progress.warmed.done(), progress.warmed.items);
        tracing::debug!(done, items, "warming");
    }
}

/// So many items at once, each in a task of its own: one that panics ends no other, and none
/// outlives the warming.
async fn one_batch(
    cache: &Cache,
    service: Option<&Service>,
    (batch, pace): (Vec<Item>, &Pace),
    progress: &mut Progress,
) {
    let mut tasks = JoinSet::new();
    for item in batch {
        if tasks.len() >= pace.concurrency {
            ended(&mut tasks, progress).await;
        }
        tasks.spawn(item.warm(cache.held_by_task(), service.cloned(), pace.limit));
    }
    while !tasks.is_empty() {
        ended(&mut tasks, progress).await;
    }
}

async fn ended(tasks: &mut JoinSet<WarmOutcome>, progress: &mut Progress) {
    if let Some(outcome) = tasks.join_next().await {
        // What panicked has said so.
        progress.count(outcome.unwrap_or(WarmOutcome::Failed));
    }
}
