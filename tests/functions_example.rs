//! The example of cached functions, as a process of its own: it counts its runs itself.
#![cfg(feature = "macros")]

mod support;

use std::process::Command;
use support::child::{built_with, run};
use support::redis::Redis;

const CASES: [&str; 7] = [
    "basic:",
    "condition:",
    "manual operations:",
    "invalidate one:",
    "invalidate all:",
    "event to pattern:",
    "by hand:",
];

fn runs_case_after_case(redis: Option<&Redis>) {
    let mut example = Command::new(built_with("functions", "macros"));
    example.env_remove("REDIS_URL");
    example.envs(redis.map(|redis| ("REDIS_URL", redis.url())));
    let said = run(&mut example);
    assert!(said.ok, "{}{}", said.out, said.err);
    let lines = said.out.lines().filter(|line| !line.starts_with(' '));
    let cases: Vec<&str> = lines.collect();
    let places: Vec<_> = CASES
        .map(|case| cases.iter().position(|line| line.starts_with(case)))
        .into();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?}: {}",
        said.out
    );
}

#[test]
fn one_case_after_the_other_runs_in_local_memory() {
    runs_case_after_case(None);
}

#[tokio::test]
async fn and_with_redis() {
    let redis = Redis::start().await;
    runs_case_after_case(Some(&redis));
}
