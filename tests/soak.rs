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

/// Memory may go up by this between the first half and the second.
const FLAT: u64 = 16 << 20;

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
    let (began, mut most) = (Instant::now(), [0; 4]);
    for turn in 0.. {
        let quarter = began.elapsed().as_millis() * 4 / time.as_millis();
        let Some(most) = usize::try_from(quarter)
            .ok()
            .and_then(|at| most.get_mut(at))
        else {
            break;
        };
        fault(&mut stage, turn).await;
        stage.again().await;
        stage.answered(BETWEEN).await;
        let now = resident();
        *most = now.max(*most);
        println!("{:.0?}: {} KiB", began.elapsed(), now >> 10);
    }
    println!(
        "most of each quarter: {:?} KiB",
        most.map(|bytes| bytes >> 10)
    );
    // What the first quarter took has warmed up.
    assert!(most[3] <= most[1].max(most[0]) + FLAT, "{most:?}");
    stage.recover().await;
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
