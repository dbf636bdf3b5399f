//! Programs that the tests need and that may have to be installed.

use std::process::{Command, Output};

/// The program that a variable names, else what its script finds or installs.
pub fn tool(variable: &str, script: &str) -> String {
    if let Ok(path) = std::env::var(variable) {
        return path;
    }
    let script = format!("{}/scripts/{script}", env!("CARGO_MANIFEST_DIR"));
    succeed(&mut Command::new(script)).trim_end().to_owned()
}

/// A file below the root of the repository.
pub fn file(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

pub fn text_of(path: &str) -> String {
    let path = file(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What a command that must succeed writes.
pub fn succeed(command: &mut Command) -> String {
    let output = run(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}
