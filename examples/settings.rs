//! The settings in force, and where each came from; secrets are hidden:
//! `cargo run --example settings -- settings.yaml`. Without a file: the environment alone.

use neuralblitz_cache::{Settings, SettingsError};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (file, more) = (arguments.next(), arguments.next());
    if more.is_some() {
        eprintln!("usage: settings [FILE]");
        return ExitCode::from(2);
    }
    let settings = match &file {
        Some(file) => Settings::load(file),
        None => Settings::from_env(),
    };
    match settings {
        Ok(settings) => {
            for setting in settings.iter() {
                println!("{setting}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

fn tell(error: &SettingsError) {
    eprintln!("{error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
}
