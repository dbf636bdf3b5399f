//! Troubleshooting: by what is seen, with the command that shows the cause.
//!
//! The commands are for the example, and stand here with what it says; `…` stands for what is left
//! out, and `jq .` makes any of it easier to read:
//!
//! ```text
//! export TOKEN=$(openssl rand -hex 16) REDIS_URL=redis://127.0.0.1:6379
//! NB_CACHE__ADMIN_TOKEN=$TOKEN cargo run --release --example server
//! ```
//!
//! Three things tell most: the `Cache-Status` field of an answer (RFC 9211), `/cache/explain`, which
//! says by the code that decides what would happen to a request, and `/metrics/cache`. What they count
//! is explained in [`operating`](super::operating). `/cache/dashboard` shows the same at a glance.
//!
//! | `Cache-Status` | what happened |
//! |---|---|
//! | none | the request was none for the cache (`neuralblitz_cache_bypassed_total`, by reason), or its route is not behind the layer |
//! | `hit; ttl=299` | answered from the store; fresh for so many seconds more |
//! | `hit; ttl=-12; detail=stale-while-revalidate` | past its lifetime, within its window; a newer one is being fetched |
//! | `hit; ttl=298; detail=fallback` | from local memory, because Redis is left alone |
//! | `fwd=uri-miss; stored` | nothing was stored; this will be, if its body comes to its end within `max_body` |
//! | `fwd=uri-miss` | nothing was stored, and this may not be ([`storing`](super::storing)), or Redis did not answer |
//! | `fwd=uri-miss; collapsed` | answered by another request's run of the handler |
//! | `fwd=vary-miss` | something is stored, for other values of the fields that `Vary` names |
//! | `fwd=stale` | what is stored is past its lifetime, or its windows |
//! | `fwd=stale; fwd-status=503; detail=stale-if-error` | the handler failed, and a stale answer stands in |
//! | `fwd=bypass` | the request bears credentials |
//! | `fwd=partial` | a part is stored, and not all that was asked for (`store_parts`) |
//! | `fwd=request` | the request asked for it (`ClientDirectives::Obey`) |
//!
//! # Redis cannot be reached
//!
//! Connections failed; the alerts `CacheConnectionFailed` and `CacheBreakerOpen`.
//!
//! ```text
//! $ curl -s localhost:3000/cache/health
//! {"fault":"disconnected","mode":"redis","reasons":["redis is not connected"],…"status":"degraded"}
//! $ curl -s localhost:3000/metrics | grep -E '^neuralblitz_cache_(connected|coherent) '
//! neuralblitz_cache_connected 0
//! neuralblitz_cache_coherent 0
//! $ redis-cli -u $REDIS_URL ping
//! Could not connect to Redis at 127.0.0.1:6379: Connection refused
//! ```
//!
//! `fault` says what went wrong last; a server that answers and refuses something shows in `errors` of
//! `/metrics/cache` alone, by operation. `mode` is `fallback` once the breaker is open, after five failed
//! operations: then the local tier stands in, and nobody waits.
//!
//! | fault | look at |
//! |---|---|
//! | `disconnected` | is the server there (`redis-cli ping`), at `REDIS.host` and `REDIS.port` as they are in force: `cargo run --example settings -- settings.yaml` |
//! | `timeout` | a server that hangs, or a network that drops: `redis-cli --latency`, `SLOWLOG GET` |
//! | `denied` | `REDIS.username`, `REDIS.password` |
//! | `forbidden` | the rights of the user: the list in [`purging`](super::purging) |
//! | `tls` | `REDIS.ca_file`, the name in the certificate, its end: [`topologies`](super::topologies) |
//! | `unready` | a server that loads its data, a replica without its master, or one node of a cluster that is not configured as one |
//! | `read-only` | `maxmemory` with `noeviction`, a disk that cannot be saved to: entries are read and not stored |
//! | `broken` | something between that is no Redis, or changes what passes |
//! | `left-alone` | nothing more: the breaker is open, and the one before this was the cause |
//!
//! # Few hits
//!
//! A high miss rate; the alert `CacheHitRateLow`. First which route, then why, then one request:
//!
//! ```text
//! $ curl -s -o /dev/null localhost:3000/api/v1/quantum/7
//! $ curl -s localhost:3000/metrics/cache/hit-rate
//! {"routes":{"/api/v1/quantum/{id}":{"total":{"hit_rate":0.0,"hits":0,"misses":1},"windows":{"1m":…
//! $ curl -s localhost:3000/metrics/cache
//! …"misses":{"credentials":0,"request":0,"stale":0,"uri-miss":1,"vary-miss":0}…
//! $ curl -si localhost:3000/api/v1/quantum/7 | grep -i cache-status
//! cache-status: neuralblitz-cache; hit; ttl=…
//! $ curl -s -H "Authorization: Bearer $TOKEN" "localhost:3000/cache/explain?uri=/api/v1/quantum/8"
//! {"credentials":false,"found":null,"happens":"forward","key":{"authority":"",…"path":"/api/v1/quantum/8","query":null},"may_be_stored":true,"not_stored_of_late":false,"policy":{"class":"quantum_state",…"ttl_ms":300000},"tier":null,"under_way":false,"why":"uri-miss"}
//! $ curl -s -H "Authorization: Bearer $TOKEN" "localhost:3000/cache/explain?uri=/api/v1/quantum/7&header=cookie:theme=dark"
//! {"credentials":true,"found":null,"happens":"forward",…"why":"bypass"}
//! ```
//!
//! Ask with the fields that your clients send: `header` may be given many times. What is in a URL may be
//! logged on the way: send a real credential as content
//! (`-H 'content-type: application/json' -d '{"uri": "/x", "header": ["cookie: a=b"]}'`).
//!
//! | what it says | why | what helps |
//! |---|---|---|
//! | no `Cache-Status` | the route was added or merged after the layer; the method; a rule | [`order`](super::order), and `bypassed` of `/metrics/cache` |
//! | `credentials: true`, `fwd=bypass` | a cookie of an analytics script, or a token that changes no answer | [`Credentials::ignore_cookies`](crate::Credentials::ignore_cookies), [`ignore`](crate::Credentials::ignore); `public` in the response; the field in the key |
//! | `not_stored_of_late: true`, `fwd=uri-miss` without `stored` | the response forbids it: `no-store`, `private`, `Set-Cookie`, `Vary: *`, a status without a lifetime | the list in [`storing`](super::storing); a session layer goes outside ([`order`](super::order)) |
//! | every answer `stored`, none a hit | the body breaks off or grows past `max_body`; or the key is another each time | `max_body`; look at the keys |
//! | `vary-miss` | a variant for each value of a field that `Vary` names | vary by less; `normalise_languages`, `normalise_lists`; CORS outside |
//! | `uri-miss`, and the key was stored before | its lifetime ended, it was purged, or it was evicted | [`lifetimes`](super::lifetimes); `purges`, `evictions` of `/metrics/cache`; `evicted_keys` of `redis-cli info stats` |
//! | `uri-miss`, each time another `query` in `key` | `utm_source` and the like | `drop_params`, `keep_params`, `sort_params` of `key` |
//! | each instance misses for itself | `key.authority` is the instance's own address | [`KeyRules::ignore_authority`](crate::KeyRules::ignore_authority) |
//! | nothing is `stored` by any instance | Redis is later than `soft_limit` every time: `"errors":{"lookup":{"timeout":…` | the section on slow answers |
//!
//! The keys that are stored, with their URIs, sizes and times:
//!
//! ```text
//! $ curl -s -H "Authorization: Bearer $TOKEN" "localhost:3000/metrics/cache/keys?uri=quantum"
//! {"cursor":null,"keys":[{"bytes":…,"expires_in_ms":…,"key":"nb:api_response:GET:…","kind":"response","uri":"/api/v1/quantum/7"}]}
//! ```
//!
//! # Memory
//!
//! The alert `CacheEvictionPressure`, a process that grows, a Redis that is full:
//!
//! ```text
//! $ curl -s -o /dev/null localhost:3000/api/v1/quantum/7
//! $ curl -s localhost:3000/metrics/cache
//! …"evictions":0…"tiers":{"local":{"bytes":…,"keys":1},"redis":{"age_seconds":…,"bytes":…,"keys":1}}}
//! $ curl -s -H "Authorization: Bearer $TOKEN" "localhost:3000/metrics/cache/keys?limit=1000"
//! {"cursor":null,"keys":[…{"bytes":1048576,"expires_in_ms":null,"key":"nb:{c}:stamps","kind":"record","uri":null}…
//! $ redis-cli -u $REDIS_URL info memory | grep -E 'used_memory_human|maxmemory'
//! used_memory_human:2.62M
//! maxmemory:67108864
//! maxmemory_human:64.00M
//! maxmemory_policy:allkeys-lru
//! ```
//!
//! The local tier stays below `local_bytes`; entries that are read, are on their way to Redis
//! (`queued_writes`) or are being copied come on top, within bounds of their own
//! ([`tuning`](super::tuning)). What a process has beyond that is not the cache's, or memory that its
//! allocator keeps. In Redis there are the record of purges, 16 bytes for each of `stamp_cells`, and
//! entries until they expire: of what was purged the memory comes back after `sweep_interval` and as
//! long as the walk through all keys takes (`swept`). A `count` of Redis that is old says so in
//! `age_seconds`.
//!
//! # Stale answers after a purge
//!
//! ```text
//! $ curl -s -o /dev/null localhost:3000/api/v1/quantum/7
//! $ curl -s -X POST -H "Authorization: Bearer $TOKEN" "localhost:3000/cache/purge?uri=/api/v1/quantum/7"
//! {"purged":"applied"}
//! $ curl -s -H "Authorization: Bearer $TOKEN" "localhost:3000/cache/explain?uri=/api/v1/quantum/7"
//! …"happens":"forward"…"why":"uri-miss"}
//! $ curl -si localhost:3000/api/v1/quantum/7 | grep -i cache-status
//! cache-status: neuralblitz-cache; fwd=uri-miss; stored
//! ```
//!
//! If this is what you see, and the answer is old all the same, the handler gave it:
//!
//! 1. It reads a database replica that lags, or a cache of its own; or the purge came before the
//!    commit. Purge after the commit.
//! 2. A cache in front has it: the browser by `Cache-Control: max-age`, a CDN. `Age` without our
//!    `Cache-Status`, or two members in it, say so; no purge here reaches them. `s-maxage` is for us
//!    and not for browsers.
//!
//! If it is a `hit`:
//!
//! 1. The purge covered something else: another query (a URI without it leaves `?x=1`; a prefix or a
//!    tag covers both), another spelling (`/a%37` is not `/a7`), another authority, or a tag that the
//!    response never had. `"tags"` in `found` of `/cache/explain` are those that it has.
//! 2. `detail=fallback`: Redis is left alone, and purges of other instances are not heard of, for at
//!    most `fallback_staleness`.
//! 3. `detail=stale-while-revalidate`: the purge was soft.
//! 4. With `near_cache`, another instance's: it is over within `coherence_bound`.
//! 5. `queued` instead of `applied`: below.
//! 6. Keys were deleted by hand: purge through the cache.
//!
//! # The answer of another user
//!
//! First purge it, then look. Where you do not know what else is wrong, clear everything. Then ask what
//! the cache thinks of the request, with the field by which your app knows its users:
//!
//! ```text
//! $ curl -s -X POST -H "Authorization: Bearer $TOKEN" localhost:3000/cache/clear
//! {"purged":"applied"}
//! $ curl -s -H "Authorization: Bearer $TOKEN" "localhost:3000/cache/explain?uri=/api/v1/me&header=authorization:Bearer%20alice"
//! {"credentials":true,…"happens":"forward",…"why":"bypass"}
//! $ curl -s -H "Authorization: Bearer $TOKEN" "localhost:3000/cache/explain?uri=/api/v1/me&header=x-session:alice"
//! {"credentials":false,…"happens":"forward",…"why":"uri-miss"}
//! ```
//!
//! The second is the mistake: nothing tells that `x-session` says who is asking. Look for:
//!
//! 1. A field that is not among the credentials: [`Credentials::field`](crate::Credentials::field), or
//!    into the key ([`KeyRules::header`](crate::KeyRules::header),
//!    [`cookie`](crate::KeyRules::cookie)).
//! 2. `Credentials::none`, `ignore` or `ignore_cookies` for what does change answers.
//! 3. A response to somebody that says `public` or `s-maxage`: `"for_everybody":true` in `found`.
//! 4. A cache outside authentication ([`order`](super::order)).
//! 5. A part of the request that the handler reads and that is neither in the key nor in `Vary`: a
//!    tenant by subdomain together with `ignore_authority`, a parameter that `drop_params` names, the
//!    client's address, a field that a proxy adds.
//! 6. A cache in front of this one.
//!
//! The whole key is compared on every hit; two users share an answer only if their keys are equal.
//! [`security`](super::security) has what the defaults do.
//!
//! # No hit behind a nest or a merge
//!
//! No `Cache-Status` at all: `Router::layer` is around what was added before it. Put it after the last
//! `nest` and `merge`, and only the admin router after it. Two caches, each with a layer of its own
//! `CacheLayer::new`, do not know of each other: make one, and the layers by
//! [`Cache::layer`](crate::Cache::layer). Answers of one nest in the other: the crate was built without
//! the feature `axum`, by which the original path is known. Two `Cache-Status` members: a layer with
//! rules of its own inside another's.
//!
//! # 401, 403 and 429 from the admin endpoints
//!
//! ```text
//! $ curl -s -X POST localhost:3000/cache/clear
//! {"detail":"say `Authorization: Bearer` with the admin token","status":401,…
//! $ curl -s -X POST -H "Authorization: Bearer wrong" localhost:3000/cache/clear
//! {"detail":"the token is not the admin token","status":401,…
//! ```
//!
//! 403: none is configured (`admin_token`, `NB_CACHE__ADMIN_TOKEN`). 429: more than ten failures; the
//! right token gets in all the same. 404: the admin router is not merged, or nested under a prefix. An
//! authentication layer of yours around it asks for its own token in the same field: merge the admin
//! router outside of that.
//!
//! # Purges stay queued
//!
//! The alert `CachePurgesQueued`:
//!
//! ```text
//! $ curl -s -X POST -H "Authorization: Bearer $TOKEN" "localhost:3000/cache/purge?uri=/api/v1/quantum/7"
//! {"purged":"queued"}
//! $ curl -s localhost:3000/cache/stats
//! …"queued_purges":1…
//! ```
//!
//! Redis has not taken it: it is in force on this instance alone, and lost if that ends before. It is
//! tried until it succeeds; `neuralblitz_cache_purge_lag_seconds` tells how long it took. If `connected`
//! is true: the user may not write (`"errors":{"purge":{"forbidden":…`), the server cannot save
//! (`read-only`) or is a replica. A full memory does not hold purges up. Not to be had: a purge that
//! holds everywhere while Redis is away. If only this instance cannot reach it, purge through another;
//! else the others' answers end with `fallback_staleness`.
//!
//! # Purges of other instances are not heard of
//!
//! The alert `CacheNotCoherent`; or `near_cache` is on, and no hit is the faster for it:
//!
//! ```text
//! $ curl -s localhost:3000/cache/stats
//! {"breaker":"closed","coherent":false,"connected":true,…"last_fault":"forbidden",…
//! ```
//!
//! No answer is wrong for it: each hit is confirmed by Redis. The connection that hears of purges does
//! not stand: here the user may not `SUBSCRIBE`, which `redis-cli acl log` says too; or it lacks the
//! channel (`&nb:*`), the server is a replica, or something between speaks no RESP3.
//!
//! # Slow answers
//!
//! The alert `CacheLookupSlow`, or users who wait:
//!
//! ```text
//! $ curl -s -o /dev/null localhost:3000/api/v1/quantum/7
//! $ curl -s localhost:3000/metrics/cache
//! …"operations":{"fetch":{"count":1,"p50_at_most":…,"p95_at_most":…,"p99_at_most":…,"seconds":0.…},"lookup":{"count":…
//! $ redis-cli -u $REDIS_URL --latency
//! min: 0, max: 1, avg: 0.08 (100 samples)
//! ```
//!
//! | what it says | why | what helps |
//! |---|---|---|
//! | `fetch` is slow, and many | misses: handlers are as slow as they are | the section on few hits; `stale_while_revalidate` |
//! | `lookup` p99 at 0.05 or more, `errors.lookup.timeout` grows | Redis is later than `soft_limit` | the network; `SLOWLOG GET`; a server that swaps or forks; `near_cache` |
//! | all answers take 50 ms for some seconds, then none | Redis hung, until the breaker opened | a shorter `socket_timeout` ([`outages`](super::outages)) |
//! | hits are fast, and clients wait | the time is before the cache: a concurrency limit or a queue outside it | [`order`](super::order) |
//! | misses wait for each other, though nothing is stored | answers that may be stored for some only | `hit_for_miss`; `bypass` of that route |
//! | writes take a second | they wait for their purge, and Redis does not take it | as in purges that stay queued |
