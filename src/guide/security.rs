//! Why nobody gets another user's response.
//!
//! - **Credentials.** A request with `Authorization`, `Proxy-Authorization`, `Cookie` or
//!   `X-Api-Key` is answered by its handler, and the answer is not stored, unless the
//!   response says `public` or `s-maxage`, or the field is part of the key. The list is
//!   settable: [`Credentials`](crate::Credentials).
//!   [`must_revalidate_shares`](crate::CacheConfigBuilder::must_revalidate_shares) adds
//!   `must-revalidate` to what lets an answer be shared.
//! - **Order.** A cache outside an authentication layer answers without it, unless what that reads
//!   counts as a credential or is in the key: put the cache inside ([`order`](super::order)).
//! - **Cookies in responses.** What has `Set-Cookie` is not stored.
//!   [`store_set_cookie`](crate::CacheConfigBuilder::store_set_cookie) stores it and sends the
//!   cookie to everybody.
//! - **Keys.** The whole key is compared on every hit, in memory and from Redis; hashes only
//!   find it. A part of a request that a handler reads and that is neither in the key nor
//!   in `Vary` is the handler's to declare: a header that no standard knows, the scheme
//!   behind a proxy ([`KeyRules::header`](crate::KeyRules::header) with
//!   `x-forwarded-proto`), the tenant ([`KeyRules::with`](crate::KeyRules::with)).
//! - **Percent-encoding.** `/a%37` and `/a7` are two keys, though a router may read both
//!   alike: a purge of one leaves the other. Refuse what is needlessly encoded where that
//!   matters.
//! - **Rewritten requests.** The key holds the original path; where a middleware changed
//!   it, the changed one too.
//! - **Hostile fields.** What cannot be parsed makes nothing storable that was not, and
//!   stale what was fresh. A hostile glob takes no more
//!   time than the product of its length and the name's.
//! - **Requests that force work.** `no-cache` and the like are ignored by default. A client can have
//!   its own requests run handlers all the same: by credentials, other query strings, `If-Match`,
//!   `Upgrade`, content. Limit these in front of the cache.
//! - **Requests that purge.** Whoever can send an unsafe request that its handler answers with 2xx
//!   or 3xx purges that URI, and what `Location` and `Content-Location` name on the same origin;
//!   nothing of another origin. Behind authentication that answers 401 or 403 it purges nothing.
//!   Nor does a write that is not answered, because its client left or its handler failed, whatever
//!   that had done by then: let what is to be done to its end run in a task of its own, and purge
//!   there. `v` and `v:80` are two authorities, and a purge under one leaves the other.
//! - **Tags** go out to clients in `Cache-Tag` and `Surrogate-Key` unless
//!   [`strip_tags`](crate::CacheConfigBuilder::strip_tags); those of
//!   [`CacheTags`](crate::CacheTags) never do.
//! - **Logs** hold no query, cookie or token; no error and no `Debug` output shows a
//!   password.
//!
//! # Keys
//!
//! Every key in Redis begins with the `namespace`, `nb` by default, and a colon, and so does each
//! channel. Services that share a server each have one of their own and cannot collide with each other,
//! or with what else lies there; let none be another with a colon behind it.
//! Responses are `nb:api_response:` and hashes (SHA-256, 128 bits of each) of the parts of their key,
//! values `nb:` and the name that they were set under, results of functions `nb:`, their prefix and a
//! hash: a hash that was met on purpose is a miss, because the whole key is in the entry and is
//! compared. Nothing that this crate does touches a key outside its namespace, `clear` included.
//!
//! # Redis
//!
//! Redis is trusted with what was stored, and with what was purged: who can write to it can answer in
//! your name. So:
//!
//! - Keep it on an internal network. In `deploy/docker-compose.yml` it is published on 127.0.0.1
//!   alone; `deploy/redis.conf` binds all interfaces, because a container has no other way in, and
//!   leaves it to that network to say who may reach it.
//! - Give it a password or, better, a user of its own with no more than the rights, keys and channels
//!   that [`purging`](super::purging) lists. The password goes into `REDIS_PASSWORD`, and is shown by
//!   nothing.
//! - Over a network that others share, use TLS, with the feature `tls`:
//!   [`topologies`](super::topologies).
//! - An envelope that is damaged, foreign or of another layout is a miss. The checksum in it finds
//!   damage, and no forger.
//!
//! # Sensitive data
//!
//! What is not stored cannot leak: `no-store`, [`CacheTtl`](crate::CacheTtl) of zero, a route with
//! [`bypass`](crate::Route::bypass). What is stored lives briefly, and nowhere else:
//!
//! ```
//! use neuralblitz_cache::{CacheConfig, Route};
//! use std::time::Duration;
//!
//! let brief = Duration::from_secs(30);
//! let cfg = CacheConfig::builder()
//!     .class_ttl("personal", brief)
//!     .class_max_ttl("personal", brief)
//!     .class_local_only("personal", true)
//!     .route(Route::new("/api/v1/me").class("personal"))
//!     .route(Route::new("/api/v1/payments/{id}").bypass())
//!     .build()?;
//! # let _ = cfg;
//! # Ok::<(), neuralblitz_cache::ConfigError>(())
//! ```
//!
//! [`class_max_ttl`](crate::CacheConfigBuilder::class_max_ttl) caps every lifetime of the class,
//! whoever says more; [`class_local_only`](crate::CacheConfigBuilder::class_local_only) keeps its
//! responses and results of functions out of Redis. Neither applies to values that
//! [`Cache::set`](crate::Cache::set) stores: those have the TTL that they are given, and lie in Redis.
//! Purges of what is `local_only` reach it as they reach all else. More in
//! [`lifetimes`](super::lifetimes).
//!
//! # Encryption
//!
//! What there is: connections to Redis, sentinels included, are encrypted with TLS, if the feature
//! `tls` is on and `tls: true` or `rediss://` is set. What there is not: encryption of what is stored.
//! Bodies, heads, URIs with their queries, tags and values lie in Redis as they are, and so does what
//! tells entries apart: request fields and cookies that a key or `Vary` names, tokens among them, and
//! arguments of functions (of more than 512 bytes a SHA-256). Whoever can read its memory, a snapshot,
//! an append-only file or a replica can read them; so it is in the memory of the process. Until that is built, what must not be read there is `local_only` or not stored, or
//! is encrypted by your code before it is a value ([`Cache::set`](crate::Cache::set)), with a key that
//! Redis never sees; and the server's disk is encrypted, or it keeps nothing (`save ""` and
//! `appendonly no`, as in `deploy/redis.conf`).
//!
//! # The admin endpoints
//!
//! What shows keys, URIs, heads and bodies, and what purges, wants `admin_token`, compared in constant
//! time; without one configured it is closed. The rest shows figures and patterns of routes: keep all
//! of it off the public network all the same ([`operating`](super::operating)).
