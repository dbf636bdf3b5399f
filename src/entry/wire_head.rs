//! The head of a response in the envelope.

use super::head_with_places;
use super::kept::keep;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{AGE, CACHE_STATUS};
use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) fn head_len(headers: &HeaderMap) -> Option<usize> {
    u16::try_from(headers.len()).ok()?;
    let line = |(name, value): (&HeaderName, &HeaderValue)| 6 + name.as_str().len() + value.len();
    Some(2 + headers.iter().map(line).sum::<usize>())
}

pub(super) fn put_head(wire: &mut BytesMut, headers: &HeaderMap) -> Option<()> {
    wire.put_u16(u16::try_from(headers.len()).ok()?);
    for (name, value) in headers {
        wire.put_u16(u16::try_from(name.as_str().len()).ok()?);
        wire.put_u32(u32::try_from(value.len()).ok()?);
        wire.put_slice(name.as_str().as_bytes());
        wire.put_slice(value.as_bytes());
    }
    Some(())
}

/// The head, and what caches further up have said in `Cache-Status`, as one line.
pub(super) fn read_head(mut head: Bytes) -> Option<(HeaderMap, Option<HeaderValue>)> {
    let count = usize::from(head.try_get_u16().ok()?);
    if count > head.len() / 6 {
        return None;
    }
    let mut headers = head_with_places(count)?;
    let mut upstream: Vec<HeaderValue> = Vec::new();
    for _ in 0..count {
        let name = usize::from(head.try_get_u16().ok()?);
        let value = head.try_get_u32().ok()? as usize;
        if name.checked_add(value)? > head.len() {
            return None;
        }
        let name = HeaderName::from_bytes(&head.split_to(name)).ok()?;
        let value = HeaderValue::from_maybe_shared(head.split_to(value)).ok()?;
        match name {
            // What it was is part of the age it came with.
            AGE => {}
            CACHE_STATUS => upstream.push(value),
            name => {
                let value = keep(&name, value);
                headers.try_append(name, value).ok()?;
            }
        }
    }
    let upstream: Vec<&[u8]> = upstream.iter().map(HeaderValue::as_bytes).collect();
    let upstream = HeaderValue::from_bytes(&upstream.join(&b", "[..])).ok();
    head.is_empty()
        .then_some((headers, upstream.filter(|line| !line.is_empty())))
}
