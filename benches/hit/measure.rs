//! Time, allocations and instructions of an exchange.

use crate::cases::Exchange;
use std::process::Command;
use std::time::Instant;

/// Nanoseconds of `case`, and its median ratio to `base`, the two taking turns.
pub(crate) fn time(mut case: Exchange, mut base: Exchange) -> (f64, f64) {
    const ROUNDS: usize = 101;
    const BATCH: usize = 1000;
    let mut calls = 0;
    let mut batch = |exchange: &mut Exchange| {
        let start = Instant::now();
        for _ in 0..BATCH {
            calls += 1;
            exchange(calls);
        }
        start.elapsed().as_nanos() as f64 / BATCH as f64
    };
    batch(&mut case);
    batch(&mut base);
    let mut rounds: Vec<(f64, f64)> = (0..ROUNDS)
        .map(|_| {
            let (ours, theirs) = (batch(&mut case), batch(&mut base));
            (ours, ours / theirs)
        })
        .collect();
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ns = rounds[ROUNDS / 2].0;
    rounds.sort_by(|a, b| a.1.total_cmp(&b.1));
    (ns, rounds[ROUNDS / 2].1)
}

/// Allocations of one exchange.
pub(crate) fn allocations(mut case: Exchange) -> u64 {
    (0..100).for_each(&mut case);
    allocation_counter::measure(|| case(100)).count_total
}

/// Instructions of one exchange.
pub(crate) fn instructions(case: &str) -> Option<u64> {
    let (short, long) = (1000, 3000);
    let [short_run, long_run] = [short, long].map(|times| collected(case, times));
    Some((long_run? - short_run?) / (long - short))
}

fn collected(case: &str, times: u64) -> Option<u64> {
    let this = std::env::current_exe().ok()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["--count", case, &times.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}
