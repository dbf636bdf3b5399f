//! Redis as it is run in production: how each kind is set, what a failover means, and what is
//! trusted after it.
//!
//! # By settings alone
//!
//! | Redis | [`RedisConfig`](crate::RedisConfig) | feature |
//! |---|---|---|
//! | one server | `host`, `port`, `db`; `redis://[[user]:password@]host[:port][/db]` | |
//! | a unix socket | `socket`; `unix://[[user]:password@]/path[?db=number]` | |
//! | an ACL user | `username`, `password` | |
//! | Sentinel | `sentinel` (the name of the master, and the sentinels), `sentinel_username`, `sentinel_password` | `sentinel` |
//! | a cluster | `cluster` (some of its nodes); database 0 only | `cluster` |
//! | TLS | `tls` or `rediss://`, `ca_file`, `client_certificate` | `tls` |
//! | Valkey | as Redis | |
//!
//! ```no_run
//! use neuralblitz_cache::{CacheConfig, RedisConfig};
//!
//! let socket = RedisConfig::new().socket("/run/redis/redis.sock");
//! let sentinels = ["10.0.0.1", "10.0.0.2", "10.0.0.3:26380"];
//! let sentinel = RedisConfig::new().sentinel("mymaster", sentinels);
//! let cluster = RedisConfig::new().cluster(["10.0.1.1", "10.0.1.2:6380"]);
//! for redis in [socket, sentinel, cluster] {
//!     CacheConfig::builder().redis(redis).build()?;
//! }
//! # Ok::<(), neuralblitz_cache::ConfigError>(())
//! ```
//!
//! A setting that needs a feature that is off is refused by
//! [`build`](crate::CacheConfigBuilder::build), which names both.
//!
//! What a server can do is found out by asking, never by its version: one that refuses client
//! tracking, its role or a channel is used without (see [`purging`](super::purging)). It must speak
//! RESP3 and run Lua scripts: Redis from 6.2 on, Valkey. The tests run with Redis 7.0 and Valkey 9.
//!
//! # Sentinel
//!
//! The master is asked for at each connect, of all sentinels at once; the first that knows it is
//! believed, and its role is asked for on the connection itself. When a master is gone its
//! connections break, and what connects anew asks again, with a back-off of at most 5 s. A master
//! that is demoted is noticed within a third of `coherence_bound`; one that hangs, or is cut off,
//! within `coherence_bound`. As soon as another is found, all connections to the old one are given
//! up: it may come back with its old data, and not know for a while that it was replaced. Sentinels have a login of their
//! own, which needs `+sentinel|get-master-addr-by-name`: the master's password is not told to them.
//!
//! # A cluster
//!
//! Each response lies in the slot of its key; the record of purges, the list of patterns and the
//! channels lie in one, the control slot (`nb:{c}:…`). A lookup asks for the entry and for the clock
//! of purges in parallel; nothing crosses slots; the sweep visits every master. Never from
//! replicas.
//!
//! | what is gone | what the caller sees | for how long |
//! |---|---|---|
//! | a master of entries only | its entries are misses, and each waits at most `soft_limit`; all others are hits; purges of anything are applied | until its replica takes its place |
//! | the same, and it hangs | the same; connections that learned of the cluster before are made anew, beside those in use | until one made after the failover stands: `socket_connect_timeout` twice, and a back-off of at most 5 s |
//! | the master of the control slot | nothing can be judged: after `circuit_breaker_threshold` failures the state is `fallback` ([`outages`](super::outages)); purges are queued | the same, and a back-off of at most 5 s |
//! | a slot that moves | its entries are served all along; new ones of more than 64 KiB may not be stored meanwhile, and while the control slot is under way purges may be queued | until it has arrived |
//!
//! One master that is away is the fault [`Partial`](crate::Fault::Partial), and does not open the
//! circuit breaker. With the server's `cluster-require-full-coverage yes`, its default, the whole
//! cluster answers nothing while a slot is without a master: set it to `no`, or one master that is
//! gone is an outage. An event told with [`emit_to_all`](crate::Cache::emit_to_all) just when a
//! connection breaks may be told twice. A user needs `+cluster|slots` and `+asking` beside what
//! [`purging`](super::purging) lists.
//!
//! Each of the up to four connections of `max_connections` is one to each node; there is one more
//! while one is replaced.
//!
//! # What is trusted after a failover
//!
//! The clock of purges decides. A new master whose record has all that was heard of is trusted as
//! the old one was: what was stored before is still a hit. One whose clock is behind what an
//! instance has seen, or whose record lacks a purge that it has heard of, never got it: nobody knows
//! what else was lost, and everything is purged. That costs misses and brings nothing back, from
//! the first question on that such an instance asks the new master; until then, and for purges that
//! no living instance saw, a lost purge may be missed ([`promises`](super::promises)).
//! `min-replicas-to-write 1` at the servers narrows what can be lost, and so does
//! `cluster-node-timeout`.
//!
//! # TLS
//!
//! ```no_run
//! use neuralblitz_cache::{CacheConfig, RedisConfig};
//!
//! let redis = RedisConfig::from_url("rediss://app:secret@redis.example:6380")?
//!     .ca_file("/etc/redis/ca.pem")
//!     .client_certificate("/etc/redis/app.pem", "/etc/redis/app.key");
//! let cfg = CacheConfig::builder().redis(redis).build()?;
//! # let _ = cfg;
//! # Ok::<(), neuralblitz_cache::ConfigError>(())
//! ```
//!
//! rustls, with TLS 1.2 and 1.3. Without `ca_file` the authorities of the system are trusted. A
//! certificate that is expired, of another name or signed by nobody that is known is refused; there
//! is no setting to accept it. So is a server that wants a certificate that it is not given: both are
//! the fault [`Tls`](crate::Fault::Tls), in one line of the log and in [`Stats`](crate::Stats), and
//! handlers answer meanwhile. One that does not speak TLS shows as a timeout. Files are read by
//! `build`, which refuses what is none, and again at each connect: a certificate that is renewed
//! needs no restart (connections of a cluster that are remade singly keep the old one). Servers that a sentinel or a cluster names by address need that address in
//! their certificates.
//!
//! Cryptography is that of the process: what the app has named with rustls'
//! `CryptoProvider::install_default` before the first connect, else ring.
