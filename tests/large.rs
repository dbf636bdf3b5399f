//! Large entries reach Redis aside, so that nobody waits for a script that copies them; the rules
//! are those of small ones.

mod support;

use axum::Router;
use axum::routing::get;
use neuralblitz_cache::{Cache, CacheLayer, KeyRules};
use redis::aio::MultiplexedConnection;
use std::sync::Arc;
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
