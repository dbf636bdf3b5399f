//! What each fault of Redis looks like to those who ask: no answer is wrong, none is an error, and
//! none waits longer than `soft_limit` for Redis.
//!
//! # Measured
//!
//! `scripts/test.sh --test faults_refused --test faults_data --test faults_replies --test
//! faults_network -- --nocapture --test-threads=1` prints this table. Two instances, one with a
//! near tier, behind sockets; some 1200 requests a second, a quarter of them with credentials; a
//! purge every 40 ms. Of each answer the whole body is compared with what its URL, user and language
//! may have now. Settings are the defaults, with `socket_timeout` 500 ms. Debug build, two cores
//! shared with builds, redis-server 7.0.15, 2026-11-25; without a fault p99 is 7 to 14 ms there.
//!
//! Hits are those that Redis confirmed or that a near tier that hears of purges gave, in percent of
//! the requests without credentials. *Back* is from the mending until both instances store, hit,
//! purge and hear of purges again; for a server that pauses or loads it includes what was left of
//! the pause.
//!
//! | fault | left alone | hits | in fallback | p50 | p99 | back after |
//! |---|---|---|---|---|---|---|
//! | LOADING | from the restart on | 0 % | 99 % | 0.4 ms | 1.1 ms | 0.6 s |
//! | maxclients, all connections killed | after 0.02 s | 0 % | 98 % | 0.5 ms | 1.5 ms | 0.3 s |
//! | password changed, all connections killed | after 0.02 s | 0 % | 98 % | 0.6 ms | 4.1 ms | 0.3 s |
//! | master becomes a replica | after 0.34 s | 0 % | 96 % | 0.4 ms | 2.6 ms | 0.6 s |
//! | CLIENT PAUSE | after 0.89 s, p99 63 ms until then | 0 % | 98 % | 0.6 ms | 7.6 ms | 2.9 s |
//! | user without rights | no | 49 % | | 0.7 ms | 9.6 ms | 0.1 s |
//! | noeviction, full | no | 87 % | | 0.7 ms | 12 ms | 0.8 s |
//! | MISCONF | no | 92 % | | 0.7 ms | 7.6 ms | 0.8 s |
//! | allkeys-lru under pressure | no | 87 % | | 0.8 ms | 38 ms | 0.2 s |
//! | FLUSHALL, eight times | no | 74 % | | 2.8 ms | 54 ms | 0.1 s |
//! | SWAPDB, eight times | no | 73 % | | 2.7 ms | 46 ms | 0.1 s |
//! | SCRIPT FLUSH, eight times | no | 95 % | | 0.6 ms | 10 ms | 0.1 s |
//! | foreign, older, newer, cut, damaged entries, wrong types | no | 90 % | | 0.8 ms | 15 ms | 0.1 s |
//! | one bit flipped in each body that comes | no | 95 % | | 0.7 ms | 13 ms | 0.1 s |
//! | every 20th reply garbled | no | 93 % | | 0.9 ms | 18 ms | 0.2 s |
//! | every 20th reply cut, and its connection closed | no | 92 % | | 0.7 ms | 9.3 ms | 0.1 s |
//! | CLIENT KILL of all, five times | in between | 24 % | 71 % | 0.6 ms | 11 ms | 0.2 s |
//! | one reply in a hundred lost, its connection silent | no | 80 % | | 0.6 ms | 53 ms | 0.2 s |
//! | latency of 0 to 80 ms | no | 22 % | | 48 ms | 56 ms | 0.1 s |
//! | the server's clock steps by an hour, on and back | no | 94 % | | 0.6 ms | 11 ms | 0.1 s |
//!
//! # What it does
//!
//! - **The circuit breaker counts** timeouts, connections that are refused, reset or broken, streams
//!   that are garbled, LOADING, MASTERDOWN, CLUSTERDOWN and refused logins; after
//!   `circuit_breaker_threshold` of them in a row Redis is left alone. It comes
//!   back by itself, as do all others (*back after*, above). Only told of, in `Stats::last_fault` and `errors_total`: OOM, MISCONF, READONLY, NOPERM, WRONGTYPE,
//!   one master of a cluster that is away. NOSCRIPT is answered by the script. Tried once more after a
//!   timeout (`retry_on_timeout`): reads, purges and removals, which may be repeated; never the
//!   storing of an entry.
//! - **A login that is refused** (NOAUTH, WRONGPASS) is an outage; one line in the log names
//!   `REDIS.password` and `REDIS.username`, or those of the sentinels where these refuse, once until
//!   Redis is reached again. So is a user that may not connect, a database that there is not
//!   (`REDIS.db`), and a certificate that is refused (`REDIS.ca_file`, `REDIS.client_certificate`).
//! - **A missing right** (NOPERM) is none: what needs it is a miss, is not stored or is a queued
//!   purge. One line for each kind of operation, and another when it is allowed again. What a user
//!   must be allowed stands in [`purging`](super::purging).
//! - **A server that takes no writes** (OOM, MISCONF, READONLY) is read. Writes are dropped for a
//!   second at a time, then some are tried. A purge gets through a full memory; a server that
//!   cannot save refuses it, and it stays queued.
//! - **A connection over which nothing comes** is replaced after one `socket_timeout`. Until then
//!   the lookups that it is given wait the soft limit.
//! - **A damaged entry** is a miss, is taken away, and is replaced by the next answer. One of a
//!   later layout is replaced if it is not newer.
//! - **The clock of the server** decides nothing alone: purges count on from the highest clock seen,
//!   lifetimes are those of the process, whose own clock is read once at its start.
