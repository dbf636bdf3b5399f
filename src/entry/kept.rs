//! Values that many responses share, kept for the life of the process.
//!
//! A copy of such a value counts no references. On a hit that is most of what a copied head
//! costs, and the counts of a hot entry are what the cores would fight over. The table is
//! bounded: at most [`MOST`] values of at most [`LONGEST`] bytes; beyond it values are shared
//! as ever.

use http::{HeaderName, HeaderValue};
use std::collections::HashSet;
use std::sync::{LazyLock, PoisonError, RwLock};

/// Values kept.
const MOST: usize = 1024;

/// Bytes of the longest of them.
const LONGEST: usize = 128;

static KEPT: LazyLock<RwLock<HashSet<&'static str>>> = LazyLock::new(RwLock::default);

/// `value`, from the table where it may be.
pub(super) fn keep(name: &HeaderName, value: HeaderValue) -> HeaderValue {
    let Ok(text) = value.to_str() else {
        return value;
    };
    if text.len() > LONGEST || is_of_one_response(name) {
        return value;
    }
    if let Some(kept) = KEPT
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(text)
    {
        return HeaderValue::from_static(kept);
    }
    let mut table = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    if table.len() >= MOST {
        return value;
    }
    let kept: &'static str = match table.get(text) {
        Some(kept) => kept,
        None => Box::leak(text.into()),
    };
    table.insert(kept);
    HeaderValue::from_static(kept)
}

/// Fields whose values would fill the table and never be asked for again.
fn is_of_one_response(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "etag"
            | "date"
            | "last-modified"
            | "expires"
            | "location"
            | "content-location"
            | "x-request-id"
    )
}
