//! Results of functions, cached: one case after the other.
//! `cargo run --release --example functions --features macros`.
//!
//! `REDIS_URL` (default none: local memory), as `redis://[[user]:password@]host[:port][/db]`, says
//! which Redis instances share.

use neuralblitz_cache::{
    Cache, CacheConfig, EventContext, Purged, cache_quantum_state, cache_result,
};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

type Outcome = Result<(), Box<dyn Error>>;

/// How often functions have run.
static RUNS: AtomicU32 = AtomicU32::new(0);

fn slow(what: &str) {
    RUNS.fetch_add(1, Ordering::Relaxed);
    println!("    {what} runs");
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct User {
    id: u32,
    name: String,
}

#[tokio::main]
async fn main() -> Outcome {
    let config = match std::env::var("REDIS_URL") {
        Ok(url) => CacheConfig::builder().redis_url(&url).build()?,
        Err(_) => CacheConfig::default(),
    };
    let cache = Cache::new(config);
    cache.install()?;
    // What an earlier run has left in Redis.
    let _ = cache.clear().await;
    basic().await?;
    condition().await?;
    manual(&cache).await?;
    invalidate_one().await?;
    invalidate_all().await?;
    event_to_pattern(&cache).await?;
    by_hand(&cache).await;
    let stats = cache.stats();
    let hits = stats.local_hits + stats.redis_hits;
    println!("{hits} hits, {} misses", stats.misses);
    cache.shutdown().await;
    Ok(())
}

fn is_named(user: &User) -> bool {
    !user.name.is_empty()
}

#[cache_result(prefix = "user_data", ttl = 3600, tags = ["user:{user_id}"])]
async fn get_user_data(user_id: u32) -> Result<User, std::io::Error> {
    slow("get_user_data");
    let name = format!("user {user_id}");
    Ok(User { id: user_id, name })
}

async fn basic() -> Outcome {
    println!("basic: the second call is answered by the first");
    let (first, second) = (get_user_data(123).await?, get_user_data(123).await?);
    assert_eq!(first.name, second.name);
    runs(1)
}

#[cache_result(prefix = "filtered", ttl = 600, condition = is_named)]
async fn get_filtered(user_id: u32) -> User {
    slow("get_filtered");
    let name = String::new();
    User { id: user_id, name }
}

async fn condition() -> Outcome {
    println!("condition: a user without a name is not stored");
    let (first, second) = (get_filtered(1).await, get_filtered(1).await);
    assert_eq!(first.id, second.id);
    runs(2)
}

async fn manual(cache: &Cache) -> Outcome {
    println!("manual operations: set, get, many at once, delete");
    let minute = Duration::from_mins(1);
    cache.set("my_data:1", &vec![1, 2, 3], minute).await?;
    let found: Option<Vec<u8>> = cache.get("my_data:1").await?;
    assert_eq!(found, Some(vec![1, 2, 3]));
    assert!(cache.exists("my_data:1").await?);
    assert!(cache.ttl("my_data:1").await? <= Some(minute));
    let values = [("my_data:2", vec![2]), ("my_data:3", vec![3])];
    cache.set_many(&values, minute).await?;
    let keys = ["my_data:2", "my_data:3", "my_data:4"];
    let found = cache.get_many::<Vec<u8>>(&keys).await?;
    assert_eq!(found, [Some(vec![2]), Some(vec![3]), None]);
    in_force(cache.delete("my_data:1").await?);
    in_force(cache.delete_pattern("nb:my_data:*").await?);
    assert!(!cache.exists("my_data:2").await?);
    runs(0)
}

async fn invalidate_one() -> Outcome {
    println!("invalidate one: user 123 is looked up anew, user 7 is not");
    get_user_data(7).await?;
    in_force(get_user_data::invalidate(123).await?);
    get_user_data(123).await?;
    get_user_data(7).await?;
    runs(2)
}

async fn invalidate_all() -> Outcome {
    println!("invalidate all: both are");
    in_force(get_user_data::invalidate_all().await?);
    get_user_data(123).await?;
    get_user_data(7).await?;
    runs(2)
}

/// As long as `quantum_state_ttl` says: 300 s.
#[cache_quantum_state]
async fn get_quantum_state(id: u32) -> f64 {
    slow("get_quantum_state");
    f64::from(id).sqrt()
}

async fn event_to_pattern(cache: &Cache) -> Outcome {
    println!("event to pattern: quantum_state_updated purges nb:quantum_state:*");
    cache.on_event("quantum_state_updated", |ctx: EventContext| async move {
        ctx.cache().delete_pattern("nb:quantum_state:*").await
    });
    get_quantum_state(2).await;
    let context = serde_json::json!({ "id": 2 });
    let emitted = cache.emit("quantum_state_updated", context).await?;
    in_force(emitted.purged);
    get_quantum_state(2).await;
    runs(2)
}

async fn by_hand(cache: &Cache) {
    println!("by hand: what the attribute makes");
    for _ in 0..2 {
        let function = cache.function("squares").ttl(Duration::from_mins(1));
        let square = function.call(&12, || async {
            slow("a closure");
            144
        });
        assert_eq!(square.await, 144);
    }
}

/// A purge that is queued is in force here, and on other instances once Redis is back.
fn in_force(purged: Purged) {
    if purged == Purged::Queued {
        println!("    queued: Redis does not answer");
    }
}

/// Whether functions have run so often since the last time.
fn runs(expected: u32) -> Outcome {
    match RUNS.swap(0, Ordering::Relaxed) {
        runs if runs == expected => Ok(()),
        runs => Err(format!("{runs} runs, and {expected} were expected").into()),
    }
}
