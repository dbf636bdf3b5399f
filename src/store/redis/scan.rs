//! Going through the keys of the namespace, a few at a time: never all at once.

use super::Shared;
use super::handle::At;
use super::reply::bytes_of;
use crate::error::Fault;
use ::redis::{Pipeline, Value};
use bytes::Bytes;

/// Where going through the keys begins, and ends.
pub(super) const START: &[u8] = b"0";

/// Where to go on in one master, and keys that match, some of them perhaps twice; `at_once` bounds the work.
pub(super) async fn step(
    shared: &Shared,
    master: &At,
    (pattern, cursor): (&str, &[u8]),
    at_once: usize,
) -> Result<(Bytes, Vec<Bytes>), Fault> {
    let mut pipe = Pipeline::with_capacity(1);
    pipe.cmd("SCAN").arg(cursor);
    pipe.arg("MATCH").arg(pattern).arg("COUNT").arg(at_once);
    scanned(shared.ask_at(master, pipe).await?.pop()).ok_or(Fault::Foreign)
}

fn scanned(reply: Option<Value>) -> Option<(Bytes, Vec<Bytes>)> {
    let Value::Array(parts) = reply? else {
        return None;
    };
    let mut parts = parts.into_iter();
    let (cursor, Value::Array(keys)) = (bytes_of(parts.next()?)?, parts.next()?) else {
        return None;
    };
    Some((cursor, keys.into_iter().filter_map(bytes_of).collect()))
}
