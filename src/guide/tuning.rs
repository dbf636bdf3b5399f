//! Tuning: which setting changes what, and the figure that tells when.
//!
//! The defaults are for a few instances beside one Redis in the same network, and answers of some
//! KiB. Change one setting, and for a reason that a figure gives. Names of metrics are those of
//! [`operating`](super::operating), without `neuralblitz_cache_`; settings and their units are in
//! [`settings`](super::settings). What was measured, and on what machine, is in `ARCHITECTURE.md`.
//!
//! # Memory and size
//!
//! | setting | change it when | what it does |
//! |---|---|---|
//! | `local_bytes`, 64 MiB | `evictions_total` grows by as much in ten minutes as `keys_total{tier="local"}` (the alert `CacheEvictionPressure`) | larger: more hits that carry no body over the network, and with `near_cache` ask nobody. It bounds keys, heads and bodies; beside it stand up to `pending_bytes`, up to as much again in the queue of writes, and twice `16 × stamp_cells` |
//! | `max_body`, 2 MiB | a route is slow, large and never stored: its `Cache-Status` has no `stored`, or every request says `stored` and none is a hit, because the length was not known at the head | larger bodies are stored. The local tier is cut in four parts for each core, in fewer where a part would not hold eight of the largest bodies. Above 128 KiB entries come from Redis in pieces, four at once: two more round trips, and one for every 512 KiB, six in all for 2 MiB. Where these take longer than three quarters of `soft_limit` the entry is a miss, and is stored on this instance, whose next hit asks Redis for no more than whether it is valid. What that costs the small hits beside them is measured by `cargo bench --bench large`: "Large beside small" in `ARCHITECTURE.md` |
//! | `pending_bytes`, 64 MiB | `stored_total` stays behind misses in a flood of large bodies | bodies that may be copied at once |
//! | Redis: `maxmemory`, `maxmemory-policy` | `evicted_keys` of `INFO stats` grows | give it more, or shorten TTLs. `allkeys-lru`, as in `deploy/redis.conf`, or `volatile-lru`, which never takes the record of purges: losing that costs a miss of everything. With `noeviction` a full server takes no writes ([`faults`](super::faults)) |
//! | `sweep_interval`, 60 s | purges are many and large, and Redis is busy with `SCAN`: `swept_total` | longer, or `None`: what is purged stays until it expires. A million entries took 115 s, and a GET of another client meanwhile had a p99 of 0.42 ms instead of 0.15 |
//!
//! # Latency
//!
//! | setting | change it when | what it does |
//! |---|---|---|
//! | `near_cache`, false | `hits_total{tier="redis"}` is most of the hits, and `operation_duration_seconds{tier="redis",operation="lookup"}` most of their time; and an answer may be as much older than another instance's purge as word of it takes | hits ask nobody. From memory alone, without Redis, p99 at 2000 requests/s is 0.159 ms, through Redis on loopback 0.275; 66,594 and 38,662 requests/s with 64 connections |
//! | `coherence_bound`, 1 s | with `near_cache`: that is the longest by which a hit may be behind a purge | shorter: a tighter bound, and a question to Redis three times in it from each instance; at least 30 ms. A pause of the process or the network that is longer than it makes the near tier ask Redis for a while |
//! | `soft_limit`, 50 ms | `errors_total{operation="lookup",reason="timeout"}` grows, and the buckets of the lookup lie near it (the alert `CacheLookupSlow`) | longer only if your handlers take far longer: it is what each request of an outage waits until the breaker opens. Shorter, if they are fast |
//! | `circuit_breaker_threshold`, 5 | `breaker_state{state="open"}` flaps | more failures in a row are borne, each of which may take a request the `soft_limit` |
//! | `socket_timeout`, 5 s | all answers take `soft_limit` for seconds when Redis hangs: an operation that hangs has failed only after it, and only then does the breaker count it | shorter, 0.5 s say; longer than the slowest operation of a server at work |
//! | `max_connections`, 50 | hardly ever: up to four multiplexed connections are held, to each node of a cluster, and `connections` shows them | an upper bound, for a server that has few to give. Fewer than four carry less |
//!
//! # Runs of handlers
//!
//! | setting | change it when | what it does |
//! |---|---|---|
//! | `lease`, 0 | `misses_total` of a route, summed over instances, is a multiple of what one has, and a run is dear | one instance fetches for all: 20 cold keys on four instances took 20 runs instead of 80, and the last answer came after 59.5 ms instead of 58.7. Longer than the handler takes |
//! | `coalesce_timeout`, 10 s | the p99 of `operation_duration_seconds{tier="handler",operation="fetch"}` comes near it | longer than the slowest handler: who waits longer runs one of his own |
//! | `shared_fetches`, 10,000 | `fetches_under_way` comes near it | past it each request runs its handler for itself |
//! | `stale_while_revalidate`, 0 | the first request after each lifetime is slow, and an older answer would do | it is answered at once, and one task fetches |
//! | `hit_for_miss`, 60 s | a route alternates between answers that may be stored and that may not | shorter: requests wait for each other again sooner |
//! | `normalise_languages`, `normalise_lists`, false | `misses_total{reason="vary-miss"}` is most of the misses, and the fields named by `Vary` differ in spelling alone | spellings share a variant; `Accept-Encoding` does so by default. Better still: a handler that varies by less |
//! | `drop_params`, `sort_params` of `key` | `uri-miss` is most, and the keys at `/metrics/cache/keys` differ in `utm_source` and the like | one entry for all of them |
//!
//! # Writes and purges
//!
//! | setting | change it when | what it does |
//! |---|---|---|
//! | `write_queue`, 1024 | `dropped_writes_total` grows while Redis is not left alone (the alert `CacheWritesDropped`) | entries may wait; their bytes are bounded by `local_bytes`. If it always grows, Redis is too slow for what is stored |
//! | `stamp_cells`, 65,536 | purges are many and their neighbours miss: `purges_total` against `uri-miss` | scopes that share a cell are purged together. Of N purges of other URIs within a lifetime an entry is taken along with 1 - exp(-2·N / (9/16·cells)): 1000 of them take 6.0 % (measured; 5.3 % by the formula), with 4096 cells 62 % (58 %). 16 bytes a cell in Redis, twice that in each process; making 2^20 blocks Redis for 160 ms once, the default for 7. A record that exists keeps its size: `DEL nb:{c}:stamps` has it made anew, and costs a miss of everything |
//! | `purge_queue`, 4096 | `widened_purges_total` grows | more scopes may wait for Redis until everything is purged in their place |
//! | prefixes and globs | `patterns` stands at 128 | there is no setting: use tags or classes. A purge by one of these takes the same whatever it covers: 44 µs for one entry, 57 µs for a million (p50) |
//!
//! # Measuring
//!
//! ```text
//! scripts/load.sh                   # the example under load, with and without the layer
//! cargo bench --bench hit           # one exchange in the process
//! cargo bench --all-features --bench purge -- --entries 1000000
//! ```
//!
//! Look at the p99 and not at the mean, at one figure before and after, and at the same load: a hit
//! rate of another hour is another hit rate.
