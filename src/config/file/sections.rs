//! The sections of a settings file, as they are written. Their docs are the schema's.

use super::values::{FieldName, Secret, Secs, Size};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};

/// Sections in which every key may be left out, and no other may stand.
macro_rules! sections {
    ($($(#[$about:meta])* struct $name:ident { $($fields:tt)* })*) => {
        $(
            #[derive(Clone, Debug, Deserialize, Serialize)]
            #[cfg_attr(feature = "testing", derive(schemars::JsonSchema))]
            #[serde(deny_unknown_fields)]
            $(#[$about])*
            pub(super) struct $name { $($fields)* }
        )*
    };
}

sections! {
    /// Settings of neuralblitz-cache. Times are in seconds.
    #[serde(default)]
    #[derive(Default)]
    struct Document {
        /// How Redis is reached, and lifetimes. Without this section there is local memory only.
        #[serde(rename = "REDIS", deserialize_with = "section")]
        pub(super) redis: Option<RedisSection>,
        /// All the rest.
        #[serde(rename = "CACHE")]
        pub(super) cache: CacheSection,
    }

    /// How Redis is reached, and lifetimes.
    #[serde(default)]
    struct RedisSection {
        /// The server's name or address.
        pub(super) host: String,
        /// The server's port.
        pub(super) port: NonZeroU16,
        /// The number of the database.
        pub(super) db: u16,
        /// The ACL user. None: the server's default user.
        pub(super) username: Option<String>,
        /// The password. Better in the variable `REDIS_PASSWORD`.
        pub(super) password: Option<Secret>,
        /// The path of a unix socket, in the place of host and port.
        pub(super) socket: Option<String>,
        /// Nodes of a Redis Cluster, each host or host:port, in the place of host and port.
        pub(super) cluster: Option<Vec<String>>,
        /// Sentinels, each host or host:port, that know the master, in the place of host and port.
        pub(super) sentinel: Option<Vec<String>>,
        /// The name by which the sentinels know the master.
        pub(super) sentinel_master: Option<String>,
        /// The ACL user for the sentinels.
        pub(super) sentinel_username: Option<String>,
        /// The password for the sentinels; that of the servers is not told to them.
        pub(super) sentinel_password: Option<Secret>,
        /// Whether connections are encrypted, to sentinels too.
        pub(super) tls: bool,
        /// A PEM file of the authorities that sign the servers' certificates. None: those of the system.
        pub(super) ca_file: Option<String>,
        /// A PEM file of a certificate for servers that ask for one.
        pub(super) client_certificate: Option<String>,
        /// A PEM file of its key.
        pub(super) client_key: Option<String>,
        /// The pool's size, an upper bound.
        pub(super) max_connections: NonZeroU32,
        /// How long one operation may take.
        pub(super) socket_timeout: Secs<1>,
        /// How long connecting may take.
        pub(super) socket_connect_timeout: Secs<1>,
        /// Whether a lookup or purge that timed out is tried once more.
        pub(super) retry_on_timeout: bool,
        /// How often each held connection is probed.
        pub(super) health_check_interval: Secs<1>,
        /// The TTL of the classes `capabilities` and `partner_config`, and of those that have none.
        pub(super) default_ttl: Secs<0>,
        /// The TTL of the class `quantum_state`, which changes rapidly.
        pub(super) quantum_state_ttl: Secs<0>,
        /// The TTL of the class `multi_reality`, which changes moderately.
        pub(super) multi_reality_ttl: Secs<0>,
        /// The TTL of the class `consciousness`, which is asked for often.
        pub(super) consciousness_ttl: Secs<0>,
        /// The TTL of a response without a class.
        pub(super) api_response_ttl: Secs<0>,
        /// Whether the cache is warmed at start.
        pub(super) warmup_enabled: bool,
        /// Requests and loaders in one batch of warming.
        pub(super) warmup_batch_size: NonZeroUsize,
        /// Requests and loaders of warming at once.
        pub(super) warmup_concurrency: NonZeroUsize,
        /// Whether a failing Redis is left alone for a while.
        pub(super) circuit_breaker_enabled: bool,
        /// After how many failures in a row.
        pub(super) circuit_breaker_threshold: NonZeroU32,
        /// For how long, until one request tries it again.
        pub(super) circuit_breaker_timeout: Secs<1>,
    }

    /// All that is not about Redis itself.
    #[serde(default)]
    #[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
    struct CacheSection {
        /// What all keys in Redis begin with: letters, digits and any of - _ . :
        pub(super) namespace: String,
        /// A salt of all keys: a release that sets a new one never reads what an older one stored.
        pub(super) version: String,
        /// Whether the local tier answers without asking Redis, while purges of others are heard of.
        pub(super) near_cache: bool,
        /// How long that is trusted after Redis was last heard of.
        pub(super) coherence_bound: Secs<30>,
        /// How far the local tier may be behind the purges of others while Redis is left alone. 0: it never stands in.
        pub(super) fallback_staleness: Secs<0>,
        /// Bytes of the local tier, or with a unit: 64MiB.
        pub(super) local_bytes: Size,
        /// Bytes of the largest body that is stored, less than 4 GiB.
        pub(super) max_body: Size,
        /// How long a request waits for Redis before it goes to the handler.
        pub(super) soft_limit: Secs<1>,
        /// How long a request waits for another that fetches the same.
        pub(super) coalesce_timeout: Secs<1>,
        /// For how long one instance may fetch for all; the others wait for it. 0: each fetches for itself.
        pub(super) lease: Secs<0>,
        /// For how long nobody waits after an answer that could not be stored.
        pub(super) hit_for_miss: Secs<0>,
        /// Entries that may wait to be written to Redis.
        pub(super) write_queue: NonZeroUsize,
        /// Runs of handlers that may be shared at once.
        pub(super) shared_fetches: NonZeroUsize,
        /// Bytes of all bodies that are being copied to be stored, or with a unit.
        pub(super) pending_bytes: Size,
        /// Keys that are remembered for how they were answered.
        pub(super) hit_for_miss_keys: NonZeroUsize,
        /// Scopes that may wait to be purged in Redis; with more, everything is purged.
        pub(super) purge_queue: NonZeroUsize,
        /// Cells of the record of purges, 16 bytes each in Redis: 64 to 1048576.
        pub(super) stamp_cells: usize,
        /// How often, at most, the memory of purged entries in Redis is given back. null: never.
        pub(super) sweep_interval: Option<Secs<0>>,
        /// Whether a stored response without an `ETag` is given one.
        pub(super) etag: bool,
        /// Whether a response that says nothing is fresh for a tenth of the time since its Last-Modified.
        pub(super) heuristics: bool,
        /// Whether the handler is asked if what is stale still holds.
        pub(super) validation: bool,
        /// Whether must-revalidate lets responses to credentials be stored, as public does.
        pub(super) must_revalidate_shares: bool,
        /// Whether responses with Set-Cookie are stored, and the cookie sent to everybody.
        pub(super) store_set_cookie: bool,
        /// Whether a 206 that says for how long it is fresh is stored.
        pub(super) store_parts: bool,
        /// Whether the answer to a POST that names its own URI answers GET.
        pub(super) post_answers_get: bool,
        /// Whether requests that spell one Accept-Language differently share a variant.
        pub(super) normalise_languages: bool,
        /// Whether every other field that Vary names is read as a list.
        pub(super) normalise_lists: bool,
        /// Whether a write that succeeds purges its URI.
        pub(super) invalidate_on_write: bool,
        /// Whether Cache-Tag and Surrogate-Key are taken out of responses.
        pub(super) strip_tags: bool,
        /// Whether Cache-Status names the authority, path and query of what it speaks of.
        pub(super) cache_status_key: bool,
        /// Whether what purges the result of a function purges what is made of it.
        pub(super) tag_bubbling: bool,
        /// For how long past its lifetime a response answers while a newer one is fetched.
        pub(super) stale_while_revalidate: Secs<0>,
        /// For how long past its lifetime a response answers where the handler fails.
        pub(super) stale_if_error: Secs<0>,
        /// Fields that take the place of Cache-Control for this cache, the first that is there and valid.
        pub(super) targeted: Vec<FieldName>,
        /// Whether requests may make the cache work harder.
        pub(super) client_directives: Directives,
        /// Which request fields say who is asking.
        pub(super) credentials: CredentialsSection,
        /// Which parts of a request make its key.
        pub(super) key: KeySection,
        /// Data classes by name; those of the section REDIS are there too.
        pub(super) classes: BTreeMap<String, ClassSection>,
        /// What is said of path patterns: /quantum/{id}, /files/{*rest}.
        pub(super) routes: BTreeMap<String, RouteSection>,
        /// What events purge.
        pub(super) event_rules: Vec<EventSection>,
        /// Requests that warm the cache at start.
        pub(super) warm: Vec<WarmSection>,
        /// The authority of requests of warming that name none, as clients say it: host, or host:port.
        pub(super) warm_authority: Option<String>,
        /// How long warming may take.
        pub(super) warm_timeout: Secs<1>,
        /// The bearer token of who may administer the cache. None: nobody may. Better in the variable `NB_CACHE__ADMIN_TOKEN`.
        pub(super) admin_token: Option<Secret>,
    }

    /// Which request fields say who is asking.
    #[serde(default)]
    struct CredentialsSection {
        /// The fields.
        pub(super) fields: Vec<FieldName>,
        /// Cookies that say nothing about who is asking; * at either end of a name.
        pub(super) ignore_cookies: Vec<String>,
    }

    /// Which parts of a request make its key.
    #[serde(default)]
    #[derive(Default)]
    struct KeySection {
        /// One entry for all names of the service.
        pub(super) ignore_authority: bool,
        /// Only these query parameters; * at either end of a name. Not together with `drop_params`.
        pub(super) keep_params: Option<Vec<String>>,
        /// All query parameters but these; * at either end of a name.
        pub(super) drop_params: Option<Vec<String>>,
        /// Orders the query parameters by name.
        pub(super) sort_params: bool,
        /// Request fields.
        pub(super) headers: Vec<FieldName>,
        /// Cookies.
        pub(super) cookies: Vec<String>,
    }

    /// What is said of a data class.
    #[serde(default)]
    #[derive(Default)]
    struct ClassSection {
        /// How long its responses stay fresh where nothing nearer says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) ttl: Option<Secs<0>>,
        /// For how long at most they are served, whatever says more. 0: they are not stored.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) max_ttl: Option<Secs<0>>,
        /// They are neither written to Redis nor read from it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) local_only: Option<bool>,
        /// As that of all, for this class.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) stale_while_revalidate: Option<Secs<0>>,
        /// As that of all, for this class.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) stale_if_error: Option<Secs<0>>,
    }

    /// What is said of the paths that a pattern matches.
    #[serde(default)]
    #[derive(Default)]
    struct RouteSection {
        /// How long a response stays fresh that does not say so itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) ttl: Option<Secs<0>>,
        /// How long a response stays fresh, whatever its Cache-Control says.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) override_ttl: Option<Secs<0>>,
        /// The data class.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) class: Option<String>,
        /// Tags of all its responses.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub(super) tags: Vec<String>,
        /// Whether these paths are left alone.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub(super) bypass: bool,
        /// As that of all, for these paths.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) stale_while_revalidate: Option<Secs<0>>,
        /// As that of all, for these paths.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) stale_if_error: Option<Secs<0>>,
        /// As that of all, for these paths.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) lease: Option<Secs<0>>,
        /// Which request fields say who is asking here.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) credentials: Option<CredentialsSection>,
    }

    /// What an event purges; {id} stands for the field id of its context.
    struct EventSection {
        /// The event's name.
        pub(super) event: String,
        /// All that bears these tags.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(super) tags: Vec<String>,
        /// All responses of these classes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(super) classes: Vec<String>,
        /// All variants stored under these URIs.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(super) uris: Vec<String>,
        /// All URIs that begin so.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(super) prefixes: Vec<String>,
        /// All names that match these globs.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(super) patterns: Vec<String>,
        /// What it covers becomes stale, and is not gone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub(super) soft: bool,
    }

    /// A request that warms the cache.
    struct WarmSection {
        /// Its method.
        #[serde(default = "get")]
        pub(super) method: String,
        /// Its URI: a path, or with an authority.
        pub(super) uri: String,
        /// Its fields. No output shows their values.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub(super) headers: BTreeMap<FieldName, Secret>,
        /// What is higher is asked for first.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub(super) priority: i32,
    }
}

/// Whether requests may make the cache work harder.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "testing", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum Directives {
    Obey,
    Ignore,
}

/// A section that is there counts, with nothing in it too.
fn section<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn get() -> String {
    "GET".into()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
fn is_zero(priority: &i32) -> bool {
    *priority == 0
}
