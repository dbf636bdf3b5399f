//! Without the feature `tls` nothing is read.

/// Whether the feature is on.
pub(super) const ON: bool = false;

pub(super) fn holds_certificates(_: &[u8]) -> bool {
    false
}

pub(super) fn holds_key(_: &[u8]) -> bool {
    false
}
