//! What is promised, and under which condition.
//!
//! | promise | if | bound | shown by |
//! |---|---|---|---|
//! | a Redis hit is never older than an [`Applied`](crate::Purged::Applied) purge, on any instance | no acknowledged write lost by Redis | 0 | `redis_tier`, `races` |
//! | the same on the purging instance, near tier too, [`Queued`](crate::Purged::Queued) or applied | | 0 | `near`, `fallback` |
//! | a near hit on another instance ([`near_cache`](crate::CacheConfigBuilder::near_cache), off by default) | coherent: the control connection is live | push delay (p50 measured: 0.22 ms; p99: 47 ms, beside builds that took both cores); at most the heartbeat bound, `coherence_bound` (1 s), counted from send | `near`, `stopped_instance`, `races` |
//! | a late fill is never served | the handler reads current data (purge after commit, no database replica lag) | 0, for ever | `races`, `herds`, `stale_lifetimes` |
//! | losing control records, the list of patterns too | | misses only | `near`, `purge_faults` |
//! | failover loses an acknowledged purge | an instance that saw it lives | until it reconnects: then everything is purged; else TTL | `topologies_sentinel`, `purge_faults` |
//! | a Queued purge, other instances | the purger lives | its reconnection and replay; else TTL | `redis_tier`, `fallback` |
//! | a fallback answer | | own freshness, or stale window, and `fallback_staleness` behind the purges of other instances; marked once the near tier is no longer trusted | `fallback` |
//! | one handler run per key and instance | leader within the deadline (`coalesce_timeout`), no purge meanwhile | 1, else best effort | `coalescing`, `herds` |
//! | freshness | | ± clock skew of the instances | `freshness`, on one clock |
//! | `DEL` of an entry key by hand | | seen by hits that Redis confirms, not by near hits nor in fallback: purge through us | `redis_faults`, `near` |
//! | one handler run per key over all instances ([`lease`](crate::CacheConfigBuilder::lease), off by default) | leader within the lease, no purge meanwhile, Redis answers | 1, else best effort | `leases` |
//! | a Redis that is refused, killed or hangs | | each request waits at most `soft_limit`, and is answered; once the breaker is open it waits not at all | `outages`, `faults_network` |
//! | a stale answer | its window | never past a hard purge that this instance or Redis knows of; of a soft purge, the window from then on | `stale`, `stale_errors`, `purges` |
//!
//! The names in the last column are those of files in `tests`.
//!
//! A purge is a stamp on one record in Redis, whatever it covers. By default every hit is judged
//! against that record as it was read with it, and after it; a near hit is judged
//! against a copy in memory, which purges of other instances reach a moment later. What a handler
//! brings bears a stamp no later than the one read before it ran; so a handler that read old data
//! and answers late stores nothing that anybody would be given.
//!
//! Values set by hand ([`Cache::get`](crate::Cache::get)) are confirmed by Redis, near tier or
//! not.
//!
//! Without Redis the same holds within one process; instances then know nothing of each other's
//! purges.
