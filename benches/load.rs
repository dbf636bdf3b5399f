//! The demo API under load: without the layer, cached in memory, cached in Redis.
//!
//! `scripts/load.sh` builds what is needed and runs this; `--rate` and `--seconds` (of the
//! open loop, for each case) change the defaults. Server, Redis and clients are processes of
//! their own that share one machine and speak over loopback. Two loads, each of keep-alive
//! HTTP/1 connections that ask for the four slow endpoints in turn:
//!
//! - closed: every connection asks again as soon as it is answered, which gives the requests
//!   per second;
//! - open: requests are due at fixed times, however slow the answers are. A latency counts
//!   from the time a request was due, so that a stall is paid for by all that it held up.
//!
//! The first case is the floor: a path that has no handler, without the layer. What it costs
//! is the server's and the machine's.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the time")]

#[path = "support/redis.rs"]
mod redis_server;

use redis_server::Redis;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SLOW: [&str; 4] = [
    "/api/v1/capabilities",
    "/api/v1/quantum/7",
    "/api/v1/reality/7",
    "/api/v1/consciousness",
];

/// Answered with 404 and no more: what is left is the price of the server and the machine.
const NOTHING: &str = "/nothing";

/// Connections of the closed loop.
const CLOSED: usize = 64;

/// Connections of the open loop: enough for all that wait for a handler at once.
const OPEN: usize = 400;

/// The cases take turns, so that they share what else the machine does meanwhile.
const ROUNDS: u32 = 5;

/// How long anything may take before the measurement is given up.
const LIMIT: Duration = Duration::from_secs(10);

/// A sleep ends late by about half of this; the rest is spun.
const SPIN: Duration = Duration::from_micros(120);

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        // It is `cargo test` that runs this: there is nothing to be checked.
        return;
    }
    let (rate, seconds) = (argument("--rate", 2000), argument("--seconds", 7));
    let redis = Redis::start();
    let mut cases = vec![
        Case::new("no handler, no layer", ("NB_CACHE", "off"), &[NOTHING]),
        Case::new("no layer", ("NB_CACHE", "off"), &SLOW),
        Case::new("cached in memory", ("NB_CACHE", "on"), &SLOW),
    ];
    if let Some(redis) = &redis {
        let url = format!("redis://127.0.0.1:{}", redis.port);
        cases.push(Case::new("cached in Redis", ("REDIS_URL", &url), &SLOW));
    } else {
        eprintln!("no redis-server: set REDIS_SERVER to the path of one");
    }
    let time = Duration::from_secs(seconds.into()) / ROUNDS;
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for case in &mut cases {
            case.measure(rate, time);
        }
    }
    report(&cases, rate);
}

/// The number after `name`.
fn argument(name: &str, default: u32) -> u32 {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    let number = args.next().map(|arg| arg.parse());
    let number = number.unwrap_or(Ok(default)).ok().filter(|n| *n > 0);
    number.unwrap_or_else(|| panic!("{name} takes a number above zero"))
}

fn report(cases: &[Case], rate: u32) {
    let cores = thread::available_parallelism().expect("a number of cores");
    println!("{cores} cores for clients, server and Redis; medians of {ROUNDS} rounds.\n");
    println!(
        "| | requests/s, {CLOSED} connections | p50 at {rate}/s | p99 | p99.9 | hits | sent late, p99 |"
    );
    println!("|---|---|---|---|---|---|---|");
    for Case { name, rounds, .. } in cases {
        let median = |figure: fn(&Round) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        println!(
            "| {name} | {:.0} | {:.3} ms | {:.3} ms | {:.3} ms | {:.2} % | {:.3} ms |",
            median(|round| round.throughput),
            median(|round| ms(&round.open.latency, 500)),
            median(|round| ms(&round.open.latency, 990)),
            median(|round| ms(&round.open.latency, 999)),
            median(|round| round.open.hits),
            median(|round| ms(&round.open.late, 990)),
        );
    }
}

/// The time below which so many of a thousand lie, in milliseconds.
fn ms(sorted: &[Duration], permille: usize) -> f64 {
    let at = (sorted.len() * permille).div_ceil(1000).max(1) - 1;
    sorted[at].as_secs_f64() * 1000.0
}

/// A server, what it is asked for, and what was seen.
struct Case {
    name: &'static str,
    paths: &'static [&'static str],
    connections: Vec<Connection>,
    rounds: Vec<Round>,
    _server: Server,
}

struct Round {
    throughput: f64,
    open: Open,
}

impl Case {
    fn new(name: &'static str, env: (&str, &str), paths: &'static [&'static str]) -> Self {
        let server = Server::start(env);
        let open = |_| Connection::open(server.address);
        let mut connections: Vec<Connection> = (0..OPEN).map(open).collect();
        if env.1 != "off" {
            warm(&mut connections[0], paths);
        }
        Self {
            name,
            paths,
            connections,
            rounds: Vec::new(),
            _server: server,
        }
    }

    fn measure(&mut self, rate: u32, time: Duration) {
        let throughput = closed(&mut self.connections[..CLOSED], self.paths, time / 2);
        let open = open(&mut self.connections, self.paths, rate, time);
        self.rounds.push(Round { throughput, open });
    }
}

/// Until every path is answered by the cache.
fn warm(connection: &mut Connection, paths: &[&str]) {
    let begun = Instant::now();
    for path in paths {
        while !connection.get(path) {
            assert!(begun.elapsed() < LIMIT, "{path} is no hit");
        }
    }
}

/// Requests per second: of each connection up to its own last answer, added up.
fn closed(connections: &mut [Connection], paths: &[&str], time: Duration) -> f64 {
    let begun = Instant::now();
    let rates = on_each(connections, |number, connection| {
        let mut done = 0;
        for path in paths.iter().cycle().skip(number % paths.len()) {
            connection.get(path);
            done += 1;
            if begun.elapsed() >= time {
                break;
            }
        }
        f64::from(done) / begun.elapsed().as_secs_f64()
    });
    rates.iter().sum()
}

/// Runs `client` for every connection at once, each in a thread of its own.
fn on_each<T: Send>(
    connections: &mut [Connection],
    client: impl Fn(usize, &mut Connection) -> T + Sync,
) -> Vec<T> {
    let client = &client;
    thread::scope(|scope| {
        let threads: Vec<_> = connections
            .iter_mut()
            .enumerate()
            .map(|(number, connection)| scope.spawn(move || client(number, connection)))
            .collect();
        let results = threads.into_iter().map(ScopedJoinHandle::join);
        results.map(|result| result.expect("no panic")).collect()
    })
}

/// What an open loop saw, times sorted.
struct Open {
    /// Of a hundred answers.
    hits: f64,
    latency: Vec<Duration>,
    /// By how much requests were sent later than due: what of the latency is the client's own
    /// doing, or that of a server that left no connection idle.
    late: Vec<Duration>,
}

/// When requests are due.
struct Schedule {
    begin: Instant,
    end: Instant,
    rate: u32,
    next: AtomicU32,
}

impl Schedule {
    /// The number of the next request that nobody has taken, and when it is due.
    fn take(&self) -> Option<(u32, Instant)> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.begin + Duration::from_secs(n.into()) / self.rate;
        (due < self.end).then_some((n, due))
    }
}

fn open(connections: &mut [Connection], paths: &[&str], rate: u32, time: Duration) -> Open {
    // When all threads are there.
    let begin = Instant::now() + Duration::from_millis(50);
    let schedule = Schedule {
        begin,
        end: begin + time,
        rate,
        next: AtomicU32::new(0),
    };
    let seen = on_each(connections, |_, connection| {
        follow(&schedule, paths, connection)
    });
    let seen: Vec<Exchange> = seen.into_iter().flatten().collect();
    let sorted = |time: fn(&Exchange) -> Duration| {
        let mut times: Vec<Duration> = seen.iter().map(time).collect();
        times.sort_unstable();
        times
    };
    let hits = seen.iter().filter(|exchange| exchange.hit).count();
    let number = |count: usize| f64::from(u32::try_from(count).expect("no more than were due"));
    Open {
        hits: 100.0 * number(hits) / number(seen.len()),
        latency: sorted(|exchange| exchange.latency),
        late: sorted(|exchange| exchange.late),
    }
}

struct Exchange {
    hit: bool,
    latency: Duration,
    late: Duration,
}

fn follow(schedule: &Schedule, paths: &[&str], connection: &mut Connection) -> Vec<Exchange> {
    let mut seen = Vec::new();
    while let Some((n, due)) = schedule.take() {
        wait_until(due);
        let late = due.elapsed();
        let hit = connection.get(paths[n as usize % paths.len()]);
        let latency = due.elapsed();
        seen.push(Exchange { hit, latency, late });
    }
    seen
}

fn wait_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if let Some(sleep) = left.checked_sub(SPIN) {
        thread::sleep(sleep);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}

/// A keep-alive connection: one request, one answer.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// It has carried one exchange when this returns, which makes no handler run.
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connects");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(LIMIT)).expect("a socket");
        let answer = Vec::new();
        let mut connection = Self { stream, answer };
        connection.get(NOTHING);
        connection
    }

    /// Whether the answer is a hit.
    fn get(&mut self, path: &str) -> bool {
        let request = format!("GET {path} HTTP/1.1\r\nhost: load\r\n\r\n");
        let sent = self.stream.write_all(request.as_bytes());
        sent.expect("the server reads");
        self.answer.clear();
        let mut part = [0; 4096];
        loop {
            let read = self.stream.read(&mut part).expect("an answer in time");
            assert!(read > 0, "the server hung up");
            self.answer.extend_from_slice(&part[..read]);
            if let Some(head) = head_of_whole(&self.answer) {
                return head.contains("; hit");
            }
        }
    }
}

/// The head of an answer that is there to its last byte.
fn head_of_whole(answer: &[u8]) -> Option<&str> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = str::from_utf8(&answer[..end]).expect("text");
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("a length").parse().expect("a number");
    (answer.len() >= end + 4 + length).then_some(head)
}

/// The demo as a process, killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    _data: TempDir,
}

impl Server {
    fn start((variable, value): (&str, &str)) -> Self {
        let bench = std::env::current_exe().expect("the path of this bench");
        let target = bench.ancestors().nth(2).expect("a target folder");
        let path = target.join("examples").join("server");
        let data = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(&path)
            .env_remove("REDIS_URL")
            .env("DEMO_DATA", data.path())
            .env("LISTEN", "127.0.0.1:0")
            .env(variable, value)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}; see scripts/load.sh", path.display()));
        let mut first = String::new();
        let out = child.stdout.as_mut().expect("an output");
        let read = BufReader::new(out).read_line(&mut first);
        read.expect("a line");
        let address = first.trim().strip_prefix("listening on http://");
        Self {
            child,
            address: address.expect("where it listens").parse().expect("one"),
            _data: data,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
