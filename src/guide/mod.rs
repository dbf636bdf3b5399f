//! The user's guide: what is stored, who gets it, and what is promised.
//!
//! Putting it to use:
//!
//! - [`migrating`]: an existing endpoint, by a layer or by a cached function; names, writes, proxies
//! - [`order`]: what happens with authentication, CORS, compression, timeouts and other layers outside
//!   the cache, and inside it
//! - [`settings`]: the settings file, the environment over it, and each key with its default
//! - [`lifetimes`]: which TTL for which kind of data, and how to see whether it is good
//! - [`topologies`]: sockets, Sentinel, clusters, TLS; what a failover means
//!
//! Running it:
//!
//! - [`operating`]: what is counted, and how to see it
//! - [`warming`]: fetching what will be asked for before anybody asks
//! - [`tuning`]: which setting changes what, and the figure that tells when
//! - [`troubleshooting`]: by what is seen, with the command that shows the cause
//! - [`purging`]: kinds of purges and what they cost, tags, unsafe methods, the near tier, what a
//!   Redis user must be allowed
//!
//! What to rely on:
//!
//! - [`promises`]: what holds after a purge, when Redis is away, and under load
//! - [`security`]: why nobody gets another user's response; what Redis holds, and who may read it
//! - [`storing`]: which responses are stored, for how long, and how they are validated
//! - [`outages`]: how long a request waits for Redis, what answers while it is away, and stale
//!   answers while a handler fails
//! - [`faults`]: what each fault of Redis costs, measured, and how it is got over
//! - [`rfc`]: each section of the HTTP caching RFCs, where it is done and which test shows it, and
//!   each departure with its reason

pub mod faults;
pub mod lifetimes;
pub mod migrating;
pub mod operating;
pub mod order;
pub mod outages;
pub mod promises;
pub mod purging;
pub mod rfc;
pub mod security;
#[cfg(feature = "yaml")]
pub mod settings;
pub mod storing;
pub mod topologies;
pub mod troubleshooting;
pub mod tuning;
pub mod warming;
