//! The user's guide: what is stored, who gets it, and what is promised.
//!
//! - [`migrating`]: putting the layer on an existing app, and where in the stack
//! - [`storing`]: which responses are stored, for how long, and how they are validated
//! - [`security`]: why nobody gets another user's response
//! - [`faults`]: what each fault of Redis costs, measured, and how it is got over
//! - [`outages`]: how long a request waits for Redis, what answers while it is away, and stale
//!   answers while a handler fails
//! - [`operating`]: what is counted, and how to see it
//! - [`purging`]: kinds of purges and what they cost, tags, unsafe methods, the near tier, what a
//!   Redis user must be allowed
//! - [`topologies`]: sockets, Sentinel, clusters, TLS; what a failover means
//! - [`rfc`]: each section of the HTTP caching RFCs, where it is done and which test shows it, and
//!   each departure with its reason
//! - [`settings`]: the settings file, the environment over it, and each key with its default
//! - [`promises`]: what holds after a purge, when Redis is away, and under load

pub mod faults;
pub mod migrating;
pub mod operating;
pub mod outages;
pub mod promises;
pub mod purging;
pub mod rfc;
pub mod security;
#[cfg(feature = "yaml")]
pub mod settings;
pub mod storing;
pub mod topologies;
