//! What is promised, and under which condition.
//!
//! | promise | if | bound |
//! |---|---|---|
//! | a Redis hit is never older than an [`Applied`](crate::Purged::Applied) purge, on any instance | no acknowledged write lost by Redis | 0 |
//! | the same on the purging instance, near tier too, be the purge applied or queued | | 0 |
//! | a near hit on another instance ([`near_cache`](crate::CacheConfigBuilder::near_cache), off by default) | purges are heard of | the time word of a purge takes; at most `coherence_bound` (1 s), counted from when Redis was asked |
//! | a late fill is never served | the handler reads current data: purge after commit, no replica lag | 0, for ever |
//! | losing the record of purges, or the list of patterns | | misses only |
//! | a failover loses an acknowledged purge | an instance that heard of it lives | until that one has read the new record: then everything is purged; else the lifetime |
//! | a [`Queued`](crate::Purged::Queued) purge, other instances | the purger lives | until Redis takes it; else the lifetime |
//! | an answer while Redis is left alone | its own freshness or stale window | `fallback_staleness` behind the purges of other instances, and marked once the near tier is no longer trusted |
//! | one handler run for a key and instance | the leader answers within `coalesce_timeout`, no purge meanwhile | 1, else best effort |
//! | one handler run for a key over all instances ([`lease`](crate::CacheConfigBuilder::lease), off by default) | the leader answers within the lease, no purge meanwhile, Redis answers | 1, else best effort |
//! | freshness | | the skew of the instances' clocks |
//! | `DEL` of an entry's key by hand | | seen by hits that Redis confirms, not by near hits nor in fallback: purge through the cache |
//! | a Redis that is refused, killed or hangs | | each request waits at most `soft_limit`, and is answered; once the breaker is open it waits not at all |
//! | a stale answer | its window | never past a hard purge that this instance or Redis knows of; of a soft purge, the window from then on |
//!
//! A purge is a stamp on one record in Redis, whatever it covers. By default every hit is judged
//! against that record as it was read in the round trip that finds it; a near hit is judged
//! against a copy in memory, which purges of other instances reach a moment later. What a handler
//! brings bears a stamp no later than the one read before it ran; so a handler that read old data
//! and answers late stores nothing that anybody would be given.
//!
//! Values set by hand ([`Cache::get`](crate::Cache::get)) are confirmed by Redis, near tier or
//! not.
//!
//! Without Redis the same holds within one process; instances then know nothing of each other's
//! purges.
