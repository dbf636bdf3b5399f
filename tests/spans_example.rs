//! The example that exports spans, as a process of its own.

mod support;

use std::process::Command;
use support::child::{built, run};

#[test]
fn the_example_exports_a_span_for_each_run_of_a_handler() {
    let mut example = Command::new(built("spans"));
    let said = run(example.env_remove("REDIS_URL"));
    assert!(said.ok, "{}", said.err);
    let spans = |name: &str| {
        said.out
            .matches(&format!("Name         : {name}\n"))
            .count()
    };
    assert_eq!(
        (spans("request"), spans("cache.fetch")),
        (4, 2),
        "{}",
        said.out
    );
    assert!(said.out.contains("/quantum/{id}"), "{}", said.out);
}
