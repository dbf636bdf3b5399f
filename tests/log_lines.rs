//! What an outage says in the log. One test, for what a process logs is decided once for all
//! its threads.

#[path = "support/lines.rs"]
mod lines;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/scripted.rs"]
mod scripted;
mod support;

use lines::Lines;
use neuralblitz_cache::{CacheConfig, Mode, RedisConfig};
use proxy::Proxy;
use scripted::{App, counted};
use std::time::Duration;
use support::redis::Redis;
use support::until;
use tracing::Level;

#[tokio::test]
async fn a_change_is_one_line_and_a_try_is_none() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port).await;
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let address = proxy.address;
    let config = CacheConfig::builder()
        .redis(RedisConfig::new().host("127.0.0.1").port(address.port()))
        .soft_limit(Duration::from_secs(5));
    let near = App::new(config.build().expect("usable"), |_, run| counted(run, &[]));
    until("connected", async || near.cache.stats().connected).await;
    near.get("/x").await;
    proxy.cut_off();
    until("left alone", async || {
        near.get("/x").await;
        near.cache.stats().mode == Mode::Fallback
    })
    .await;
    let tries = proxy.tries();
    until("it is tried again and again", async || {
        near.get("/x").await;
        proxy.tries() > tries + 4
    })
    .await;
    proxy.refuse(false);
    until("used again", async || {
        near.cache.stats().mode == Mode::Redis
    })
    .await;
    let all = lines.all();
    let of = |wanted: Level| {
        let lines = all.iter().filter(|(level, _)| *level == wanted);
        lines.map(|(_, line)| line.as_str()).collect::<Vec<_>>()
    };
    let (warnings, infos) = (of(Level::WARN), of(Level::INFO));
    assert_eq!(warnings.len(), 2, "{all:?}");
    assert!(
        warnings
            .iter()
            .any(|line| line.contains("cannot be reached"))
    );
    assert!(warnings.iter().any(|line| line.contains("left alone")));
    assert_eq!(infos.len(), 3, "connected, connected, used again: {all:?}");
    assert!(of(Level::DEBUG).len() <= 4, "{all:?}");
}
