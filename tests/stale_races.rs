//! Stale answers, refreshes, failures and purges all at once: no answer is older than a purge
//! that came before it, and nothing is left over.

#[path = "support/counted.rs"]
mod counted;
#[path = "support/staged.rs"]
mod staged;
mod support;

use counted::full;
use neuralblitz_cache::{CacheConfig, CacheConfigBuilder, CacheTtl, Purged};
use staged::{App, Said, refused, reply, secs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::{long, until};

/// What the handlers read: a version, and the one that no later answer may be older than.
#[derive(Default)]
struct Data {
    version: AtomicU64,
    floor: AtomicU64,
}

/// What an answer says of itself: half of them stand in for a failure only.
const SAYS: [staged::Fields<'static>; 2] = [&[], &[("cache-control", "stale-while-revalidate=0")]];

/// Answers with the version, fresh for a millisecond; takes its time, and fails now and then.
async fn answer(data: Arc<Data>, run: usize) -> Said {
    let version = data.version.load(Ordering::SeqCst);
    for _ in 0..run % 50 {
        tokio::task::yield_now().await;
    }
    match run % 7 {
        3 => refused(),
        5 => Ok(reply(503, &[], full("no"))),
        _ => {
            let mut response = reply(200, SAYS[run / 7 % 2], full(version.to_string()));
            let ttl = CacheTtl(Duration::from_millis(1));
            response.extensions_mut().insert(ttl);
            Ok(response)
        }
    }
}

fn instance(data: &Arc<Data>, config: CacheConfigBuilder) -> Arc<App> {
    let data = data.clone();
    let config = config.stale_while_revalidate(secs(1));
    let config = config.stale_if_error(secs(60));
    Arc::new(App::new(config, move |_, run| answer(data.clone(), run)))
}

/// Asks until it is told to stop; how many answers there were.
async fn ask(app: Arc<App>, data: Arc<Data>, stop: Arc<AtomicBool>) -> usize {
    let mut answers = 0;
    while !stop.load(Ordering::SeqCst) {
        let floor = data.floor.load(Ordering::SeqCst);
        if let Ok(answer) = app.try_get(&[]).await
            && answer.status == 200
        {
            let version: u64 = answer.text().parse().expect("a version");
            assert!(version >= floor, "{version} < {floor}: {}", answer.cache());
            answers += 1;
        }
        tokio::task::yield_now().await;
    }
    answers
}

async fn race(data: Arc<Data>, instances: &[Arc<App>]) {
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = instances
        .iter()
        .flat_map(|app| std::iter::repeat_n(app, 4))
        .map(|app| tokio::spawn(ask(app.clone(), data.clone(), stop.clone())))
        .collect();
    let rounds = if long() { 2000 } else { 100 };
    for round in 0..rounds {
        let before = stale_answers(instances);
        until("there are stale answers", async || {
            stale_answers(instances) != before
        })
        .await;
        let version = data.version.fetch_add(1, Ordering::SeqCst) + 1;
        let purger = &instances[round % instances.len()];
        assert_eq!(purger.purge().await, Purged::Applied);
        data.floor.store(version, Ordering::SeqCst);
    }
    until("there were both kinds", async || {
        let (while_revalidate, if_error) = stale_answers(instances);
        while_revalidate > 0 && if_error > 0
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        assert!(client.await.expect("no older answer") > 0);
    }
    for app in instances {
        app.idle().await;
    }
}

/// Those given while revalidating, and those in place of a failure.
fn stale_answers(instances: &[Arc<App>]) -> (u64, u64) {
    let stats = instances.iter().map(|app| app.cache.stats());
    stats.fold((0, 0), |(refreshed, failed), stats| {
        (
            refreshed + stats.stale_while_revalidate,
            failed + stats.stale_if_error,
        )
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_older_than_a_purge_that_came_before_it() {
    let data = Arc::new(Data::default());
    let app = instance(&data, CacheConfig::builder());
    race(data, &[app]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_older_than_a_purge_by_any_instance_that_came_before_it() {
    let redis = Redis::start().await;
    let data = Arc::new(Data::default());
    let apps = [(); 2].map(|()| instance(&data, redis.config()));
    race(data, &apps).await;
}
