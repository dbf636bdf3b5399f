//! Settings: the file, the environment over it, and each key with its default.
//!
//! ```no_run
//! use neuralblitz_cache::{CacheConfig, CacheLayer};
//!
//! let layer = CacheLayer::new(CacheConfig::load("settings.yaml")?);
//! # let _ = layer;
//! # Ok::<(), neuralblitz_cache::SettingsError>(())
//! ```
//!
//! `deploy/settings.yaml` is a sample with every key, `deploy/settings.schema.json` its JSON Schema:
//! an editor that knows it completes keys and marks mistakes. Times are in seconds, fractions
//! allowed; sizes in bytes, or with a unit (`64MiB`).
//!
//! ```sh
//! cargo run --example settings -- settings.yaml
//! # REDIS.port = 6380  # line 3, column 9
//! # REDIS.password = "***"  # REDIS_PASSWORD
//! # CACHE.near_cache = false  # default
//! ```
//!
//! prints what is in force and where it came from, secrets hidden;
//! [`Settings`](crate::Settings) gives the same to a program.
//!
//! # Where settings come from
//!
//! | | |
//! |---|---|
//! | neither file nor variables | local memory only |
//! | a section `REDIS` in the file, be it empty, or any of the variables `REDIS_…` below | Redis |
//! | `REDIS_HOST`, `REDIS_PORT`, `REDIS_DB`, `REDIS_PASSWORD` | go before the file's `host`, `port`, `db`, `password` |
//! | `REDIS_URL` | goes before the file's `host`, `port`, `db`, `username`, `password`, `socket`, `cluster`, `sentinel` and `tls`, all of them: what it does not say has its default; the four above go before it |
//! | `NB_CACHE__NEAR_CACHE=true` | goes before `near_cache` of the section `CACHE`; so do all its keys, in capitals |
//! | `NB_CACHE__KEY__SORT_PARAMS=true` | two underscores go one section down |
//! | `NB_CACHE__TARGETED='[CDN-Cache-Control]'`, `NB_CACHE__ROUTES='{/a: {ttl: 5}}'` | lists and sections are written as in YAML, on one line, and take the place of the file's |
//!
//! An empty variable counts as none. Text needs no quotes in a variable: `NB_CACHE__VERSION=1.10`.
//! Kubernetes sets `REDIS_PORT=tcp://…` beside a service that is called `redis`, which is refused:
//! switch that off with `enableServiceLinks: false`.
//!
//! # What is refused
//!
//! A key that is unknown or there twice, a value of the wrong type (`port: "6379"`,
//! `near_cache: yes`, a password that is a number and not in quotes), or out of range: with the path
//! of the key, line and column, or the variable, and never with a value. So is a file of more than
//! 1 MiB, one that nests deeper than 32, more than one document, and what aliases (`*name`, `<<`)
//! blow up beyond 20,000 values; all of it in bounded memory.
//!
//! # `REDIS`
//!
//! | key | default | |
//! |---|---|---|
//! | `host`, `port`, `db` | `redis`, 6379, 0 | the server and its database |
//! | `username`, `password` | none | the ACL user; better the password in `REDIS_PASSWORD` |
//! | `socket` | none | the path of a unix socket, in the place of host and port; see [`topologies`](super::topologies) |
//! | `cluster` | none | nodes of a Redis Cluster, `[a:6379, b:6379]`, in the place of host and port |
//! | `sentinel`, `sentinel_master` | none | sentinels, `[a:26379]`, and the name they know the master by, in the place of host and port |
//! | `sentinel_username`, `sentinel_password` | none | the login for the sentinels |
//! | `tls`, `ca_file`, `client_certificate`, `client_key` | false, none | encrypted connections, and PEM files |
//! | `max_connections` | 50 | the pool's size, an upper bound |
//! | `socket_timeout`, `socket_connect_timeout` | 5, 5 | how long one operation, and connecting, may take; more than 0 |
//! | `retry_on_timeout` | true | whether a lookup or purge that timed out is tried once more |
//! | `health_check_interval` | 30 | how often held connections are probed |
//! | `default_ttl` | 3600 | the classes `capabilities` and `partner_config`, and those without a TTL |
//! | `quantum_state_ttl`, `multi_reality_ttl`, `consciousness_ttl` | 300, 600, 180 | the classes of these names |
//! | `api_response_ttl` | 900 | a response without a class |
//! | `warmup_enabled`, `warmup_batch_size`, `warmup_concurrency` | true, 100, 5 | whether the cache is warmed at start, and how many requests and loaders a batch holds, and are under way at once: see [`warming`](super::warming) |
//! | `circuit_breaker_enabled`, `circuit_breaker_threshold`, `circuit_breaker_timeout` | true, 5, 60 | after how many failures in a row Redis is left alone, and for how long |
//!
//! # `CACHE`
//!
//! | key | default | |
//! |---|---|---|
//! | `namespace` | `nb` | what all keys in Redis begin with |
//! | `version` | empty | a salt of all keys |
//! | `near_cache`, `coherence_bound` | false, 1 | hits in local memory without asking Redis, at most so long after it was heard of; 0.03 or more |
//! | `fallback_staleness` | 60 | how far the local tier may be behind others' purges while Redis is left alone; 0: it never stands in |
//! | `local_bytes`, `max_body` | 64MiB, 2MiB | the local tier; the largest body stored |
//! | `soft_limit`, `coalesce_timeout` | 0.05, 10 | how long a request waits for Redis, and for another that fetches the same |
//! | `lease` | 0 | for how long one instance may fetch for all; 0: each fetches for itself |
//! | `hit_for_miss` | 60 | for how long nobody waits after an answer that could not be stored |
//! | `write_queue` | 1024 | entries waiting for Redis |
//! | `shared_fetches` | 10000 | runs of handlers that may be shared at once |
//! | `pending_bytes` | 64 MiB | bodies that are being copied to be stored |
//! | `hit_for_miss_keys` | 10000 | keys remembered for how they were answered |
//! | `purge_queue` | 4096 | scopes waiting to be purged in Redis |
//! | `stamp_cells` | 65536 | cells of the record of purges: 64 to 1048576 |
//! | `sweep_interval` | 60 | how often the memory of purged entries in Redis is given back; null: as they expire |
//! | `etag` | true | make a strong `ETag` where there is none |
//! | `heuristics`, `validation` | false | RFC 9111 §4.2.2, §4.3: see [`storing`](super::storing) |
//! | `must_revalidate_shares`, `store_set_cookie`, `store_parts`, `post_answers_get` | false | what is stored beyond the defaults: see [`rfc`](super::rfc) |
//! | `normalise_languages`, `normalise_lists` | false | which spellings of request fields share a variant |
//! | `invalidate_on_write`, `strip_tags` | true, false | see [`purging`](super::purging) |
//! | `cache_status_key` | false | whether `Cache-Status` names the authority, path and query of what it speaks of |
//! | `tag_bubbling` | true | see [`function`](mod@crate::function) |
//! | `stale_while_revalidate`, `stale_if_error` | 0 | stale windows: see [`outages`](super::outages) |
//! | `targeted` | none | fields that go before `Cache-Control` (RFC 9213) |
//! | `client_directives` | `ignore` | `obey`: requests may ask for newer answers |
//! | `credentials` | | `fields` (`Authorization`, `Proxy-Authorization`, `Cookie`, `X-Api-Key`) say who is asking; `ignore_cookies` do not |
//! | `key` | | `ignore_authority`, `keep_params` or `drop_params`, `sort_params`, `headers`, `cookies`: which parts of a request make its key |
//! | `classes` | | by name: `ttl`, `max_ttl`, `local_only`, `stale_while_revalidate`, `stale_if_error` |
//! | `routes` | | by path pattern: `ttl`, `override_ttl`, `class`, `tags`, `bypass`, `stale_while_revalidate`, `stale_if_error`, `lease`, `credentials` |
//! | `event_rules` | | each with its `event`, and `tags`, `classes`, `uris`, `prefixes`, `patterns`, `soft`: what it purges ([`EventRule`](crate::EventRule)) |
//! | `warm` | | each with `method` (GET), `uri`, `headers` and `priority` (0): what is asked for at start |
//! | `warm_authority` | none | the host of requests of warming that name none, as clients name it |
//! | `warm_timeout` | 60 | how long warming may take |
//! | `admin_token` | none | the bearer token of who may administer the cache |
//!
//! # Classes for what is sensitive
//!
//! `max_ttl` caps every lifetime of a class, whoever says more (the handler's `CacheTtl`,
//! `Cache-Control`, a layer, a route), stale windows and what is kept for validation included; 0:
//! nothing of it is stored. With `local_only` its responses are neither written to Redis nor read
//! from it: each instance has its own, and Redis is asked only whether they were purged, so that a
//! purge reaches them as it does all others. The class must be known before the handler runs, from
//! the route or the outermost layer; where an inner layer alone names it, Redis is asked for the
//! entry, in vain, until one is stored here. Neither applies to values that
//! [`Cache::set`](crate::Cache::set) stores.
