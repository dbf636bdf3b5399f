//! A load for half an hour, one fault after the other: every answer is right, all works again
//! after each fault, and memory stays flat. Runs by `scripts/test.sh --soak [MINUTES]` alone.

#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

#[path = "support/fault_load.rs"]
mod fault_load;
#[path = "support/fault_stage.rs"]
mod fault_stage;
#[path = "support/proxy.rs"]
mod proxy;
mod support;

use fault_stage::Stage;
use proxy::{How, Spoil};
use std::time::{Duration, Instant};

/// Memory may go up by this between the second quarter of the time and the last: what half a
/// million requests leave behind if each forgets eight bytes.
const FLAT: u64 = 4 << 20;

/// Requests between two faults.
const BETWEEN: usize = 2000;

/// `None`: it is not wanted.
fn minutes() -> Option<Duration> {
    const MINUTES: u64 = 30;
    std::env::var("NB_TEST_SIZE")
        .is_ok_and(|size| size == "soak")
        .then_some(())?;
    let given = std::env::var("NB_SOAK_MINUTES").ok();
    let minutes = given.map_or(MINUTES, |given| given.parse().expect("minutes"));
    Some(Duration::from_secs(60 * minutes))
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    const PAGE: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").expect("linux");
    let pages = statm.split(' ').nth(1).expect("a second word");
    pages.parse::<u64>().expect("a number") * PAGE
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_flat_and_every_answer_right_whatever_happens() {
    let Some(time) = minutes() else {
        return;
    };
    let mut stage = Stage::start("soak").await;
    let (began, start) = (Instant::now(), resident());
    let (mut requests, mut memory) = (0, Vec::new());
    while began.elapsed() < time {
        fault(&mut stage, memory.len()).await;
        requests += stage.again().await.requests();
        stage.answered(BETWEEN).await;
        memory.push((began.elapsed(), resident()));
        println!("{:.0?}: {} KiB", began.elapsed(), resident() >> 10);
    }
    let most = by_quarter(&memory, time);
    println!(
        "{requests} requests, {} faults; {} KiB at the start, at most {:?} KiB in each quarter",
        memory.len(),
        start >> 10,
        most.map(|bytes| bytes >> 10)
    );
    assert!(is_flat(most), "{most:?}");
    stage.recover().await;
}

/// The most of each quarter of the time.
fn by_quarter(memory: &[(Duration, u64)], time: Duration) -> [u64; 4] {
    let mut most = [0; 4];
    for (at, bytes) in memory {
        let quarter = (at.as_millis() * 4 / time.as_millis()).min(3);
        let most = &mut most[usize::try_from(quarter).expect("small")];
        *most = (*bytes).max(*most);
    }
    most
}

/// What the first quarter took has warmed up.
fn is_flat([_, second, _, last]: [u64; 4]) -> bool {
    last <= second + FLAT
}

/// A check that finds nothing wrong shows something only if it can.
#[test]
fn what_forgets_eight_bytes_a_request_is_not_flat() {
    const MINUTES: u64 = 30;
    let series = |leak: u64| {
        let at = |second: u64| {
            let noise = second * 7919 % (3 << 20);
            let requests = second * 700;
            (
                Duration::from_secs(second),
                (50 << 20) + noise + requests * leak,
            )
        };
        let memory: Vec<_> = (0..60 * MINUTES).step_by(5).map(at).collect();
        is_flat(by_quarter(&memory, Duration::from_secs(60 * MINUTES)))
    };
    assert!(series(0));
    assert!(!series(8));
}

/// One fault, and its mending.
async fn fault(stage: &mut Stage, turn: usize) {
    let spoil = |how, every| {
        let longer_than = 0;
        Some(Spoil {
            how,
            every,
            longer_than,
        })
    };
    match turn % 9 {
        0 => {
            stage.redis.kill();
            stage.answered(BETWEEN).await;
            stage.redis.restart().await;
        }
        1 => {
            stage.redis.stop();
            stage.answered(BETWEEN).await;
            stage.redis.go_on();
        }
        2 => stage.proxy.spoil(spoil(How::Cut, 50)),
        3 => stage.proxy.spoil(spoil(How::Garble, 50)),
        4 => stage.proxy.spoil(spoil(How::Lose, 200)),
        5 => stage.proxy.jitter(Duration::from_millis(40)),
        6 => stage.say("FLUSHALL").await,
        7 => stage.say("SWAPDB 0 1").await,
        _ => stage.proxy.cut(),
    }
    stage.answered(BETWEEN).await;
    stage.proxy.spoil(None);
    stage.proxy.jitter(Duration::ZERO);
}
