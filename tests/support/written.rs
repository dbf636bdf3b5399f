//! Settings as they are written in a file.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use neuralblitz_cache::{Settings, SettingsError};
use std::fmt::Write;
use tempfile::TempDir;

pub fn load(text: impl AsRef<[u8]>) -> Result<Settings, SettingsError> {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("settings.yaml");
    std::fs::write(&path, text).expect("written");
    Settings::load(path)
}

pub fn value(settings: &Settings, path: &str) -> String {
    let found = settings.iter().find(|setting| setting.path() == path);
    let found = found.unwrap_or_else(|| panic!("no {path} in {settings:?}"));
    found.value().to_owned()
}

/// What is said of it; never what is secret in it.
pub fn refused(text: impl AsRef<[u8]>) -> SettingsError {
    let error = load(text.as_ref()).map(|settings| format!("{settings:?}"));
    let error = error.expect_err(&String::from_utf8_lossy(text.as_ref()));
    let mut all = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let _ = write!(all, " {cause} {cause:?}");
        source = cause.source();
    }
    assert!(!all.contains("geheim"), "{all}");
    error
}
