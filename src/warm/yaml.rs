//! Requests in YAML.

use super::WarmRequest;
use super::file::{WarmFileErrorKind, Wrong};
use crate::config::file::{Origin, SettingsErrorKind, warm};

pub(super) fn list(text: &str) -> Result<Vec<WarmRequest>, Wrong> {
    warm::list(text).map_err(|error| {
        let line = match error.origin() {
            Origin::File { line, .. } => Some(*line),
            _ => None,
        };
        let kind = match error.kind() {
            SettingsErrorKind::TooLarge => WarmFileErrorKind::TooLarge,
            _ => WarmFileErrorKind::Malformed,
        };
        Wrong {
            source: Some(error.into()),
            ..Wrong::new(kind, line)
        }
    })
}
