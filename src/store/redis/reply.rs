//! What replies hold.

use crate::stamp::{Ban, Stamp, Subject, Verdict, by_bans};
use ::redis::Value;
use bytes::Bytes;

pub(super) fn stamp_of(value: Option<Value>) -> Option<Stamp> {
    let cell = bytes_of(value?)?;
    Some(Stamp(u64::from_be_bytes(cell[..].try_into().ok()?)))
}

/// What the list of purges by pattern says of a subject; one that lacks the newest, or cannot be
/// read, is lost, and with it what it covered.
pub(super) fn listed(list: Option<Value>, newest: Stamp, subject: Subject<'_>) -> Verdict {
    match bans_of(list) {
        Some(bans) if bans.last().is_some_and(|ban| ban.at >= newest) => by_bans(subject, &bans),
        _ => Verdict::Purged,
    }
}

pub(super) fn bans_of(list: Option<Value>) -> Option<Vec<Ban>> {
    let Value::Array(items) = list? else {
        return None;
    };
    let read = |item| Ban::read(&bytes_of(item)?);
    items.into_iter().map(read).collect()
}

/// The bytes of a reply; an error or anything else that is no string is nothing.
pub(super) fn bytes_of(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        _ => None,
    }
}
