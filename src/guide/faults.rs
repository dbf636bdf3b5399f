//! What each fault of Redis looks like to those who ask: no answer is wrong, none is an error, and
//! none waits longer than `soft_limit` for Redis.
//!
//! # Measured
//!
//! `scripts/test.sh --test faults_refused --test faults_data --test faults_replies --test
//! faults_network -- --nocapture --test-threads=1` prints the lines of this table. Two instances,
//! one with a near tier, behind sockets; some 1200 requests a second, a quarter of them with
//! credentials; a purge every 40 ms; bodies of up to 200 KB. Of each answer the whole body is
//! compared with what its URL, user and language may have now. Settings are the defaults, with
//! `socket_timeout` 500 ms. Debug build, client, server and Redis on two cores, redis-server
//! 7.0.15, 2026-11-26; without a fault p99 is 23 to 50 ms there (7 to 14 with bodies of at most 70
//! KB). Connections are killed with the change of `maxclients` and of the password; FLUSHALL and
//! SWAPDB come eight times each, CLIENT KILL five times; of the replies every 20th is garbled or
//! cut.
//!
//! Hits are those that Redis confirmed or that a near tier that hears of purges gave, in percent of
//! the requests without credentials. *Back* is from the mending until both instances store, hit,
//! purge and hear of purges again; for a server that pauses or loads it includes what was left of
//! the pause.
//!
//! | fault | left alone | hits | in fallback | p50 | p99 | slowest | back after |
//! |---|---|---|---|---|---|---|---|
//! | LOADING | after 0.00 s | 0 % | 98 % | 0.4 ms | 2.0 ms | 9 ms | 0.2 s |
//! | maxclients | after 0.01 s | 0 % | 97 % | 0.4 ms | 4.4 ms | 8 ms | 0.3 s |
//! | wrong password | after 0.01 s | 0 % | 97 % | 0.3 ms | 1.8 ms | 47 ms | 0.3 s |
//! | READONLY replica | after 0.33 s | 0 % | 96 % | 0.4 ms | 1.1 ms | 6 ms | 0.3 s |
//! | CLIENT PAUSE | after 1.10 s | 0 % | 99 % | 0.4 ms | 0.8 ms | 53 ms | 2.4 s |
//! | ACL without rights | no | 52 % | 0 % | 0.5 ms | 8.5 ms | 45 ms | 0.2 s |
//! | noeviction, full | no | 80 % | 0 % | 0.4 ms | 47.7 ms | 52 ms | 0.7 s |
//! | MISCONF | no | 92 % | 0 % | 0.5 ms | 17.5 ms | 47 ms | 0.8 s |
//! | allkeys-lru, full | no | 76 % | 0 % | 0.6 ms | 49.7 ms | 69 ms | 0.1 s |
//! | FLUSHALL | no | 69 % | 0 % | 2.1 ms | 52.3 ms | 64 ms | 0.1 s |
//! | SWAPDB | no | 70 % | 0 % | 1.9 ms | 51.1 ms | 63 ms | 0.1 s |
//! | SCRIPT FLUSH | no | 96 % | 0 % | 0.5 ms | 12.4 ms | 50 ms | 0.1 s |
//! | foreign, older, newer, cut or damaged entries | no | 86 % | 0 % | 0.5 ms | 48.4 ms | 58 ms | 0.1 s |
//! | one bit flipped, on the way | no | 96 % | 0 % | 0.5 ms | 22.2 ms | 51 ms | 0.2 s |
//! | garbled bytes | no | 93 % | 0 % | 0.5 ms | 10.3 ms | 19 ms | 0.1 s |
//! | cut mid-reply | no | 84 % | 0 % | 3.1 ms | 24.3 ms | 46 ms | 0.4 s |
//! | CLIENT KILL | no | 28 % | 65 % | 0.4 ms | 6.7 ms | 41 ms | 0.2 s |
//! | one reply lost | no | 92 % | 0 % | 0.6 ms | 51.8 ms | 58 ms | 0.1 s |
//! | 1 % of replies lost | no | 86 % | 0 % | 0.5 ms | 53.7 ms | 57 ms | 0.1 s |
//! | latency up to 80 ms | no | 17 % | 0 % | 51.2 ms | 58.6 ms | 66 ms | 0.1 s |
//! | the server's clock steps by an hour | no | 93 % | 0 % | 0.5 ms | 18.7 ms | 52 ms | 0.1 s |
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
