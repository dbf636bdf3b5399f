//! Without the feature `yaml` nothing of it is read.

use super::WarmRequest;
use super::file::{WarmFileErrorKind, Wrong};

pub(super) fn list(_: &str) -> Result<Vec<WarmRequest>, Wrong> {
    Err(Wrong::new(WarmFileErrorKind::NoYaml, None))
}
