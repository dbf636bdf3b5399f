//! What one exchange costs in this process: request built, service called, body collected.
//!
//! `cargo bench --bench hit`. Times are medians of rounds in which the cases take turns, to
//! be read as ratios; allocations are counted exactly; instructions by callgrind, where
//! valgrind is installed, as the difference of a long and a short run.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the time")]
#![allow(
    clippy::cast_precision_loss,
    reason = "figures are printed with two places"
)]

mod cases;
mod exchange;
mod loopback;
mod measure;
#[path = "../support/redis.rs"]
mod redis_server;

use cases::case_named;
use measure::{allocations, instructions, time};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let _inside = runtime.enter();
    match &args[1..] {
        [count, case, times] if count == "--count" => {
            let mut exchange = case_named(case);
            (0..times.parse().expect("a number")).for_each(&mut exchange);
        }
        _ => report(),
    }
}

/// A case, and the one it is compared with.
const CASES: [(&str, &str); 10] = [
    ("handler 1 KiB", "handler 1 KiB"),
    ("hit 1 KiB", "handler 1 KiB"),
    ("hit 64 KiB", "handler 64 KiB"),
    ("hit, zipf over 100k keys", "handler, zipf over 100k keys"),
    ("304 of a hit", "handler 1 KiB"),
    ("pass-through", "no layer"),
    (
        "pass-through in a router",
        "router with a layer that does nothing",
    ),
    ("miss, stored", "handler, another URI each time"),
    ("function hit, 1 KiB", "hit 1 KiB"),
    ("function hit, 1 KiB in an Arc", "hit 1 KiB"),
];

fn report() {
    local();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    println!("\n| over loopback, one after the other | µs | against the first |");
    println!("|---|---|---|");
    runtime.block_on(loopback::sockets());
    runtime.block_on(loopback::redis_hits());
}

fn local() {
    println!("| exchange | ns | against the bare one | allocations | instructions | against |");
    println!("|---|---|---|---|---|---|");
    for (case, base) in CASES {
        let (ns, ratio) = time(case_named(case), case_named(base));
        let allocations = allocations(case_named(case));
        let (count, against) = match (instructions(case), instructions(base)) {
            (Some(count), Some(base)) => (
                count.to_string(),
                format!("{:.2}", count as f64 / base as f64),
            ),
            _ => ("no valgrind".into(), String::new()),
        };
        println!("| {case} | {ns:.0} | {ratio:.2} | {allocations} | {count} | {against} |");
    }
}
