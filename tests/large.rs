//! Large entries reach Redis aside, so that nobody waits for a script that copies them, and are read
//! in pieces; the rules are those of small ones.

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use neuralblitz_cache::{Cache, CacheConfig, CacheConfigBuilder, CacheLayer, Fault, KeyRules};
use proxy::Proxy;
use redis::aio::MultiplexedConnection;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use support::web::{Client, Served, serve};
use tokio::sync::Semaphore;

const SIZES: [usize; 2] = [1 << 10, 300 << 10];

struct Instance {
    served: Served,
    cache: Cache,
    /// As many runs of the handler may end.
    gate: Arc<Semaphore>,
}

impl Instance {
    async fn start(redis: &Redis, size: usize) -> Self {
        let key = KeyRules::new().ignore_authority();
        let config = redis
            .config()
            .key(key)
            .default_ttl(Duration::from_secs(100));
        let layer = CacheLayer::new(config.build().expect("usable"));
        let (cache, gate) = (layer.cache(), Arc::new(Semaphore::new(0)));
        let open = gate.clone();
        let handler = move || async move {
            open.acquire().await.expect("open").forget();
            ([("cache-control", "max-age=100")], "x".repeat(size))
        };
        let app = Router::new().route("/", get(handler)).layer(layer);
        Self {
            served: serve(app).await,
            cache,
            gate,
        }
    }

    async fn written(&self) {
        until("written", async || self.cache.stats().queued_writes == 0).await;
    }

    async fn store(&self) {
        self.gate.add_permits(1);
        let answer = Client::new().get(&self.served.url("/")).await;
        assert!(!answer.is_hit(), "{}", answer.cache());
        self.written().await;
    }
}

/// The one entry.
async fn entries(redis: &Redis) -> Vec<String> {
    let keys = redis.keys().await.into_iter();
    keys.filter(|key| !key.ends_with(":stamps")).collect()
}

async fn raw<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    words: &[&str],
) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(connection).await.expect("an answer")
}

#[tokio::test]
async fn a_large_entry_is_one_entry_with_its_lifetime() {
    for size in SIZES {
        let redis = Redis::start().await;
        let (a, b) = (
            Instance::start(&redis, size).await,
            Instance::start(&redis, size).await,
        );
        a.store().await;
        let entries = entries(&redis).await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert!(entries[0].starts_with("nb:api_response:"), "{entries:?}");
        let stats: String = raw(&mut redis.connection().await, &["INFO", "commandstats"]).await;
        // Moved, not copied by a script.
        let renamed = stats.contains("cmdstat_rename:calls=1,");
        assert_eq!(renamed, size > 64 << 10, "{stats}");
        let left: i64 = raw(&mut redis.connection().await, &["PTTL", &entries[0]]).await;
        assert!((60_000..=100_000).contains(&left), "{left}");
        let hit = Client::new().get(&b.served.url("/")).await;
        assert!(hit.is_hit(), "{}", hit.cache());
        assert_eq!(hit.body.len(), size);
    }
}

/// Above the clock it answers nobody, and what is older does not take its place.
#[tokio::test]
async fn what_is_newer_stays() {
    for size in SIZES {
        let redis = Redis::start().await;
        let mut connection = redis.connection().await;
        let a = Instance::start(&redis, size).await;
        a.store().await;
        let [entry] = &entries(&redis).await[..] else {
            panic!("one entry");
        };
        let purged = a.cache.purge_uri("/").await.expect("a URI");
        assert_eq!(purged, neuralblitz_cache::Purged::Applied);
        let client = Client::new();
        let (url, stored) = (a.served.url("/"), a.cache.stats().stored);
        let asked = tokio::spawn(async move { client.get(&url).await });
        until("the handler runs", async || {
            a.cache.stats().fetches_under_way == 1
        })
        .await;
        let newer = "NBCE0000~~~~~~~~~~~~~~~~";
        let () = raw(&mut connection, &["SET", entry, newer]).await;
        a.gate.add_permits(1);
        assert_eq!(asked.await.expect("no panic").body.len(), size);
        until("it was tried", async || a.cache.stats().stored > stored).await;
        a.written().await;
        let there: String = raw(&mut connection, &["GET", entry]).await;
        assert_eq!(there, newer);
        assert_eq!(entries(&redis).await, std::slice::from_ref(entry));
    }
}

/// Who may not move it copies it: it is there for as long as it should be, and nothing beside it.
#[tokio::test]
async fn without_the_right_to_move_it_a_large_entry_is_stored_and_nothing_is_left_aside() {
    for right in ["-rename", "-pexpire"] {
        let redis = Redis::start().await;
        let mut connection = redis.connection().await;
        let () = raw(&mut connection, &["ACL", "SETUSER", "default", right]).await;
        let a = Instance::start(&redis, SIZES[1]).await;
        a.store().await;
        let entries = entries(&redis).await;
        assert_eq!(entries.len(), 1, "{right}: {entries:?}");
        assert!(entries[0].starts_with("nb:api_response:"), "{entries:?}");
        let left: i64 = raw(&mut connection, &["PTTL", &entries[0]]).await;
        assert!((60_000..=100_000).contains(&left), "{right}: {left}");
        assert_eq!(a.cache.stats().faults, 0, "{right}");
        let b = Instance::start(&redis, SIZES[1]).await;
        assert!(Client::new().get(&b.served.url("/")).await.is_hit());
    }
}

const LARGEST: usize = 2 << 20;

/// What is read in one go.
const PIECE: usize = 128 << 10;

/// An instance whose answers are as long as their path says.
async fn sized(config: CacheConfigBuilder) -> (Served, Cache) {
    let key = KeyRules::new().ignore_authority();
    let layer = CacheLayer::new(config.key(key).build().expect("usable"));
    let cache = layer.cache();
    let handler = async |Path(size): Path<usize>| {
        // Each piece is another.
        let byte = |at: usize| at.to_le_bytes()[..3].iter().fold(0, |sum, byte| sum ^ byte);
        let body: Vec<u8> = (0..size).map(byte).collect();
        ([("cache-control", "max-age=1000")], body)
    };
    let app = Router::new().route("/{size}", get(handler)).layer(layer);
    (serve(app).await, cache)
}

async fn stored(cache: &Cache) {
    until("written", async || cache.stats().queued_writes == 0).await;
}

/// However many pieces there are, and where the last one is as long as the others.
#[tokio::test]
async fn pieces_are_put_together() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let client = Client::new();
    let (a, cache) = sized(redis.config()).await;
    let (b, _) = sized(redis.config().soft_limit(Duration::from_secs(5))).await;
    client.get(&a.url("/100000")).await;
    stored(&cache).await;
    let [name] = &entries(&redis).await[..] else {
        panic!("one entry");
    };
    let beside = raw::<usize>(&mut connection, &["STRLEN", name]).await - 100_000;
    for len in [0, 1, PIECE, PIECE + 1, 5 * PIECE].map(|more| PIECE - 1 + more) {
        let path = format!("/{}", len - beside);
        let first = client.get(&a.url(&path)).await;
        stored(&cache).await;
        let mut lengths = Vec::new();
        for name in entries(&redis).await {
            lengths.push(raw::<usize>(&mut connection, &["STRLEN", &name]).await);
        }
        assert!(lengths.contains(&len), "{len}: {lengths:?}");
        let () = raw(&mut connection, &["CONFIG", "RESETSTAT"]).await;
        let hit = client.get(&b.url(&path)).await;
        assert!(hit.is_hit(), "{len}: {}", hit.cache());
        assert!(hit.body == first.body, "{len}");
        let stats: String = raw(&mut connection, &["INFO", "commandstats"]).await;
        assert!(!stats.contains("cmdstat_get:"), "{len}: {stats}");
    }
}

/// It would be too late for any answer; what the handler says instead is kept here, and then Redis
/// is asked for no more than whether it is valid.
#[tokio::test]
async fn what_takes_too_long_to_read_is_stored_again() {
    let redis = Redis::start().await;
    let way = Proxy::start(redis.port).await;
    let client = Client::new();
    let (a, cache) = sized(redis.config()).await;
    client.get(&a.url("/300000")).await;
    stored(&cache).await;
    let far = CacheConfig::builder().redis_url(&way.url());
    let (b, cache) = sized(far.soft_limit(Duration::from_secs(1))).await;
    until("connected", async || cache.stats().connected).await;
    // Pieces and header are three round trips.
    way.delay(Duration::from_millis(350));
    let late = client.get(&b.url("/300000")).await;
    assert!(!late.is_hit(), "{}", late.cache());
    assert_eq!(cache.stats().last_fault, Some(Fault::Timeout));
    let hit = client.get(&b.url("/300000")).await;
    assert!(hit.is_hit(), "{}", hit.cache());
    assert!(hit.body == late.body);
}

/// An instance whose handler answers with another letter each time.
async fn lettered(redis: &Redis, local_bytes: usize, next: Arc<AtomicU8>) -> (Served, Cache) {
    let config = redis.config().local_bytes(local_bytes);
    let config = config.soft_limit(Duration::from_secs(5));
    let key = KeyRules::new().ignore_authority();
    let layer = CacheLayer::new(config.key(key).build().expect("usable"));
    let cache = layer.cache();
    let handler = async move || {
        let letter = next.fetch_add(1, Ordering::Relaxed);
        ([("cache-control", "max-age=1000")], vec![letter; LARGEST])
    };
    let app = Router::new().route("/", get(handler)).layer(layer);
    (serve(app).await, cache)
}

/// One that is replaced while its pieces are read is never put together with the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_are_of_one_entry() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    let next = Arc::new(AtomicU8::new(b'a'));
    // Two entries that are both valid: the first was lost before the second was made.
    let mut both = [const { Vec::<u8>::new() }; 2];
    let mut name = String::new();
    for wire in &mut both {
        let (served, cache) = lettered(&redis, 64 << 20, next.clone()).await;
        let answer = Client::new().get(&served.url("/")).await;
        assert!(!answer.is_hit());
        stored(&cache).await;
        [name] = entries(&redis).await.try_into().expect("one");
        *wire = raw(&mut connection, &["GETDEL", &name]).await;
    }
    let () = raw(&mut connection, &["CONFIG", "RESETSTAT"]).await;
    let mut writer = redis.connection().await;
    let puts = both.map(|wire| redis::cmd("SET").arg(&name).arg(wire).to_owned());
    let () = puts[0].query_async(&mut writer).await.expect("put");
    let (served, cache) = lettered(&redis, 1, next).await;
    let reading = async {
        let (client, url, mut letters) = (Client::new(), served.url("/"), BTreeSet::new());
        for put in puts.iter().rev().cycle() {
            // One swap while it is read: entries do not come back.
            let swapped = async { put.query_async(&mut writer).await.expect("put") };
            let (answer, ()) = tokio::join!(client.get(&url), swapped);
            assert!(answer.is_hit(), "{}", answer.cache());
            assert_eq!(answer.body.len(), LARGEST);
            let letter = answer.body[0];
            assert!(answer.body.iter().all(|byte| *byte == letter), "{letter}");
            letters.insert(letter);
            let stats: String = raw(&mut connection, &["INFO", "commandstats"]).await;
            // Read again, in one go: the other had come between its pieces.
            if letters.len() == 2 && stats.contains("cmdstat_get:") {
                break;
            }
        }
    };
    let read = tokio::time::timeout(Duration::from_mins(1), reading).await;
    read.expect("both were read, and the other came between");
    assert_eq!(cache.stats().faults, 0);
}
