//! The examples as processes of their own, in environments of their own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// An example, built anew: what `cargo test` left there may be older than the sources, or nothing.
pub fn built(name: &str) -> PathBuf {
    built_with(name, "default")
}

/// One that needs features beside the default ones.
pub fn built_with(name: &str, features: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test.ancestors().nth(2).expect("the folder of the profile");
    let target = profile.parent().expect("the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--offline", "--example", name]);
    cargo.args(["--features", features, "--target-dir"]);
    cargo.arg(target);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the example does not build");
    profile.join("examples").join(name)
}

/// The example that shows settings, built once.
pub fn settings() -> &'static Path {
    static SETTINGS: OnceLock<PathBuf> = OnceLock::new();
    SETTINGS.get_or_init(|| built("settings"))
}

/// What it said, and whether it was content.
pub struct Said {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            ok: output.status.success(),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// The value and origin of a setting.
    pub fn setting(&self, path: &str) -> (&str, &str) {
        let mut lines = self.out.lines();
        let found = lines.find_map(|line| line.strip_prefix(path)?.strip_prefix(" = "));
        let found = found.unwrap_or_else(|| panic!("no {path} in {}{}", self.out, self.err));
        found.split_once("  # ").expect("an origin")
    }

    /// The whole complaint.
    pub fn error(&self) -> &str {
        assert!(!self.ok, "it is content: {}", self.out);
        &self.err
    }
}

pub fn run(command: &mut Command) -> Said {
    Said::of(command.stdin(Stdio::null()).output().expect("it runs"))
}

/// With nothing but these variables.
pub fn with_variables<V: AsRef<OsStr>>(file: Option<&Path>, variables: &[(&str, V)]) -> Said {
    let mut command = Command::new(settings());
    command.env_clear().args(file);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    run(&mut command)
}
