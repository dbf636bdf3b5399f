//! Why nobody gets another user's response.
//!
//! - **Credentials.** A request with `Authorization`, `Proxy-Authorization`, `Cookie` or
//!   `X-Api-Key` is answered by its handler, and the answer is not stored, unless the
//!   response says `public` or `s-maxage`, or the field is part of the key. The list is
//!   settable: [`Credentials`](crate::Credentials).
//!   [`must_revalidate_shares`](crate::CacheConfigBuilder::must_revalidate_shares) adds
//!   `must-revalidate` to what lets an answer be shared.
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
//! - **Requests that force work.** `no-cache` and the like are ignored by default, so that no
//!   client can have every request run its handler.
//! - **Requests that purge.** Whoever can send an unsafe request that its handler answers with 2xx
//!   or 3xx purges that URI, and what `Location` and `Content-Location` name on the same origin;
//!   nothing of another origin. Behind authentication that answers 401 or 403 it purges nothing.
//! - **Tags** go out to clients in `Cache-Tag` and `Surrogate-Key` unless
//!   [`strip_tags`](crate::CacheConfigBuilder::strip_tags); those of
//!   [`CacheTags`](crate::CacheTags) never do.
//! - **Redis** is trusted to hold what was stored, and what was purged: keep it on an internal
//!   network, with a password, and give the user no more than [`purging`](super::purging) lists. An
//!   envelope that is damaged, foreign or of another layout is a miss. Bodies are stored as they
//!   are; encryption is not part of this version.
//! - **Logs** hold no query, cookie or token; no error and no `Debug` output shows a
//!   password.
