//! Purging: what was stored before is not served after.
//!
//! ```
//! use neuralblitz_cache::{Cache, CacheConfig, Purge, Purged};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), neuralblitz_cache::CacheError> {
//! let cache = Cache::new(CacheConfig::default());
//! let purged = cache.purge_tag("state:42").await?;
//! assert_eq!(purged, Purged::Applied);
//! let _ = cache.purge(Purge::prefix("/api/v1/quantum/").soft()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Kinds
//!
//! | [`Purge`](crate::Purge) | covers | [`Cache`](crate::Cache) method |
//! |---|---|---|
//! | `Purge::uri("/quantum/7?x=1")` | all variants under this path and query, under every authority; with `http://host` in front, under that one | `purge_uri` |
//! | `Purge::prefix("/quantum/")` | all URIs that begin so, as the key has them; with `http://host` in front, under that authority | `purge_prefix` |
//! | `Purge::tags(["a", "b"])` | what bears one of the tags | `purge_tag`, `purge_tags` |
//! | `Purge::class("multi_reality")` | responses of a class | `purge_class` |
//! | `Purge::key("nb:api_response:GET:…")` | one entry by its name, with its variants; or a value set by hand | `purge_key` |
//! | `Purge::pattern("nb:quantum_state:*")` | all names that match a glob, as Redis reads globs | `delete_pattern` |
//! | `Purge::everything()` | all of the namespace, and nothing outside it | `clear` |
//!
//! The names of responses hold hashes, and not their class: `nb:api_response:*` is all responses,
//! and `nb:quantum_state:*` the values that were set under such names.
//!
//! # Cost
//!
//! A purge is one script in Redis. A URI, a key, a tag, a class, everything, and a glob that is a
//! plain name and `:*` each raise one cell of a record, however much they cover (a URI one for
//! each way in which layers of this cache read URIs). Two scopes may share a cell by hash: then
//! too much is purged, and never too little; a URI shares none with a tag or a class. Any other glob, and a prefix, is kept in a list: an
//! entry that is older than the newest of them is compared with those that came after it. The list
//! holds 128; of more the oldest goes, and all that is as old as it is purged, hard. A pattern
//! given again replaces itself. At most 64 patterns and 4096 scopes wait for Redis at a time, to
//! be sent in one call; with more everything is purged.
//!
//! The memory of what is purged is given back later: `sweep_interval` (60 s) after a hard purge of
//! its own an instance goes through the keys of the namespace, 200 at a time with pauses, and
//! unlinks what is purged by all it heard of. With `None` purged entries stay until they expire.
//! It needs the control connection, and leaves what it cannot judge.
//!
//! # Tags
//!
//! A response has the tags of the [`CacheTags`](crate::CacheTags) extension, of its `Cache-Tag`
//! (by commas) and `Surrogate-Key` (by blanks) fields, and of every layer of the cache it passes
//! ([`CacheLayer::tags`](crate::CacheLayer::tags), [`tags_with`](crate::CacheLayer::tags_with)).
//! With more than 64, or one of more than 256 bytes, it is not stored, because a purge by a tag
//! that was cut off would miss it. [`strip_tags`](crate::CacheConfigBuilder::strip_tags) takes
//! both fields out of what clients get. A 304 need not repeat the tags: what was stored keeps its
//! own.
//!
//! # Hard and soft
//!
//! What is purged hard, the default, is gone: for stale windows and for validation alike. What is
//! purged [softly](crate::Purge::soft) is past its lifetime from then on, and may still be served
//! within its own stale windows, or be validated; without either it is fetched anew like what is
//! gone. What must be revalidated is not served stale after a soft purge either.
//!
//! A second soft purge of what has not been fetched anew in between may let its stale window begin
//! anew: the record knows the last one only, and an instance that did not see the entry in between
//! counts from that. So does the soft purge of another scope in the same cell. Softly purged again
//! and again, within its window each time, while every fetch fails, it is stale without end, unless
//! it is purged hard. When a soft purge was given is told by the clock of Redis.
//!
//! # Where it is in force
//!
//! [`Purged::Applied`](crate::Purged::Applied): on all instances, near tiers aside.
//! [`Purged::Queued`](crate::Purged::Queued): in this process, because Redis did not take it
//! within a second or is left alone; it is tried until Redis does, as long as the process lives. A
//! purge is queued before anything is waited for, so that a caller that leaves cannot cancel it.
//! What this process purged it never serves, be the purge applied or queued. Where Redis refuses a
//! purge by pattern, everything is purged in its place.
//!
//! # Unsafe methods
//!
//! A request with any method but GET, HEAD, OPTIONS, TRACE, PROPFIND, REPORT and SEARCH that is
//! answered 2xx or 3xx purges its URI, and what `Location` and `Content-Location` name on the same
//! origin, before the answer goes out (RFC 9111 §4.4). The answer waits for Redis at most a
//! second. Handlers add tags:
//!
//! ```
//! use axum::{Extension, http::StatusCode, response::IntoResponse};
//! use neuralblitz_cache::PurgeTags;
//!
//! async fn update() -> impl IntoResponse {
//!     (Extension(PurgeTags::new(["state:42"])), StatusCode::NO_CONTENT)
//! }
//! # let _ = update;
//! ```
//!
//! The outermost layer of the cache does this, bypass rules or not. The query counts: a POST to
//! `/a` leaves `/a?x=1`; a prefix or a tag covers both. With
//! [`invalidate_on_write(false)`](crate::CacheConfigBuilder::invalidate_on_write) nothing of it is
//! done, and `PurgeTags` is not read.
//!
//! # The near tier
//!
//! ```
//! use neuralblitz_cache::CacheConfig;
//! use std::time::Duration;
//!
//! let cfg = CacheConfig::builder()
//!     .redis_url("redis://127.0.0.1:6379/0")
//!     .near_cache(true)
//!     .coherence_bound(Duration::from_millis(500))
//!     .build()?;
//! # let _ = cfg;
//! # Ok::<(), neuralblitz_cache::ConfigError>(())
//! ```
//!
//! With it a hit in local memory asks nobody. Such a hit may be older than another instance's
//! purge by the time word of it takes, at most `coherence_bound`; without it, the default, no hit
//! is older than an applied purge. A connection of its own hears of every purge and asks for the
//! clock of purges three times in a bound; it runs with the near tier off too, and then saves
//! reading the record after another's purge.
//!
//! | state | when | who answers |
//! |---|---|---|
//! | coherent | the control connection is live: trust lasts until the sending of the last answered question + `coherence_bound` | `near_cache` on: the local tier first. Redis hits are judged by the clock read with them: what is in memory up to that clock decides; else the cells are read |
//! | uncertain | the control connection is lost, or late; Redis answers | only entries verified through Redis |
//! | fallback | the breaker is open | local entries, at most `fallback_staleness` after trust ended, marked in `Cache-Status`; no promise of purges by others. What was fetched in the outage counts from its own fetch |
//! | local | no Redis is configured | the local tier alone, by the same rules |
//!
//! A replica is as good as no server: the role is asked for when connecting, and with the clock.
//!
//! The connection notices a record that was deleted, evicted, flushed or swapped, and a purge that
//! it did not hear of, by the clock: then the record is read anew before anything is trusted. A
//! record that lacks a purge it had heard of (a failover lost it) makes it purge everything.
//! `stats().coherent` tells whether it is trusted now.
//!
//! # What Redis holds, and what its user must be allowed
//!
//! | name | what |
//! |---|---|
//! | `nb:{c}:stamps` | the record of purges, a string without an expiry: 16 bytes a cell |
//! | `nb:{c}:patterns` | the list of purges by pattern |
//! | `nb:{c}:hottest` | what is asked for most, with hosts and queries, for a week: see [`warming`](super::warming) |
//! | `nb:api_response:GET:…` | responses, and what a key varies by |
//! | `nb:…` | values set by hand |
//! | `nb:part:…` | an entry of more than 64 KiB, until it has its own name: for some milliseconds, at most a minute |
//! | `nb:lease:…` | which instance fetches for all, with `lease`; for as long as that is |
//! | channel `nb:{c}:purges@0` | where purges are told; the number is that of the database |
//! | channels `nb:{c}:events@0`, `nb:{c}:leases@0` | where events and the ends of leases are told |
//!
//! `nb` is the `namespace`. Do not write to the first two by hand: a lost record, or a lost list,
//! is noticed and costs misses; a record put back as it was earlier is noticed by every instance
//! that saw the later one. Any eviction policy will do: an evicted record costs
//! misses too.
//!
//! The server must speak RESP3. A user needs the keys `~nb:*`, the channels `&nb:*` and these
//! commands:
//!
//! ```text
//! ACL SETUSER app on >secret ~nb:* &nb:* +get +getrange +strlen +set +setrange +persist +del
//!   +unlink +time +type +lindex +lrange +lrem +llen +lpop +rpush +rename +pexpire +eval +evalsha
//!   +publish +subscribe +ping +select +client|tracking +role +scan +pttl +info
//! ```
//!
//! Without `publish` purges are applied all the same: who listens notices them by the clock.
//! Without `subscribe` the control connection never stands: every hit is confirmed by Redis, near
//! tier on or off. Without the channel both is so. Without `client|tracking` a deleted record is
//! noticed by the next question for the clock. Without `role` a replica is taken for a master,
//! without `scan` purged entries stay until they expire. Without `rename` or `pexpire` entries of more
//! than 64 KiB are copied by a script instead of being moved, and others wait for it. `pttl` is for
//! leases and for the keys that an administrator sees; without `info` the admin endpoints tell nothing
//! of the server, and the last fault is `forbidden` whenever they were asked.
