//! How much a settings file may ask for.

use serde_saphyr::Options;

/// Bytes of the largest file that is read.
pub(super) const BYTES: u64 = 1 << 20;

/// Bytes of one variable of the environment.
pub(super) const VARIABLE: usize = 1 << 16;

/// Errors show no lines of the file. What aliases repeat counts as if it were written out, and is
/// bounded like it.
pub(super) fn options() -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_documents: 1,
            max_events: 200_000,
            max_nodes: 100_000,
            max_anchors: 1000,
            max_aliases: 1000,
            max_merge_keys: 1000,
            max_recorded_anchor_events: 50_000,
            max_recorded_anchor_bytes: 4 << 20,
            max_total_scalar_bytes: 4 << 20,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
    }
}
