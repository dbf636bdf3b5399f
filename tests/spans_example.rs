//! The example that exports spans, as a process of its own.

use std::process::Command;

#[test]
fn the_example_exports_a_span_for_each_run_of_a_handler() {
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test.ancestors().nth(2).expect("the folder of the profile");
    let mut example = Command::new(profile.join("examples").join("spans"));
    let output = example.env_remove("REDIS_URL").output().expect("it runs");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{said}");
    let spans = |name: &str| said.matches(&format!("Name         : {name}\n")).count();
    assert_eq!((spans("request"), spans("cache.fetch")), (4, 2), "{said}");
    assert!(said.contains("/quantum/{id}"), "{said}");
}
