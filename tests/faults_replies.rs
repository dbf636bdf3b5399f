//! Replies that are cut, garbled or changed on their way. A load runs throughout, and every
//! answer is checked: none may show it.

#[path = "support/fault_load.rs"]
mod fault_load;
#[path = "support/fault_stage.rs"]
mod fault_stage;
#[path = "support/proxy.rs"]
mod proxy;
mod support;

use fault_stage::Stage;
use proxy::{How, Spoil};

/// Longer than the reply to a question for the clock: an entry, or its header.
const AN_ENTRY: usize = 400;

/// Of the replies so long every so manieth is spoilt; how many were.
async fn spoilt(stage: &mut Stage, how: How, every: u64, longer_than: usize) -> u64 {
    stage.proxy.spoil(Some(Spoil {
        how,
        every,
        longer_than,
    }));
    stage.suffer().await;
    stage.proxy.spoil(None);
    stage.proxy.spoilt()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_the_middle_of_a_reply_costs_its_lookups_and_no_more() {
    let mut stage = Stage::start("cut mid-reply").await;
    let spoilt = spoilt(&mut stage, How::Cut, 20, 0).await;
    assert!(spoilt > 3, "{spoilt}");
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbled_bytes_reach_nobody() {
    let mut stage = Stage::start("garbled bytes").await;
    let spoilt = spoilt(&mut stage, How::Garble, 20, 0).await;
    assert!(spoilt > 3, "{spoilt}");
    stage.recover().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_that_is_another_in_a_body_makes_it_a_miss() {
    let mut stage = Stage::start("one bit flipped, on the way").await;
    let spoilt = spoilt(&mut stage, How::Flip, 1, AN_ENTRY).await;
    assert!(spoilt > 3, "{spoilt}");
    assert!(stage.load.instances[1].cache.stats().faults > 0);
    stage.recover().await;
}
