//! Entry points for fuzzing: each panics if what it is given breaks an invariant.

use crate::entry::{decode, put_checksum};
use crate::policy::directives::Directives;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CACHE_CONTROL};

/// Whatever is decoded is whole: its envelope is the input, and its parts lie within it.
///
/// Decoded as it is, and once more with a checksum that is right: no chance finds one.
pub fn decode_entry(data: &[u8]) {
    check_entry(data);
    let mut resealed = data.to_vec();
    put_checksum(&mut resealed);
    check_entry(&resealed);
}

fn check_entry(data: &[u8]) {
    if let Some(entry) = decode(Bytes::copy_from_slice(data)) {
        assert_eq!(&entry.wire()[..], data);
        assert!(entry.body.len() + entry.key.len() + entry.variant.len() <= data.len());
    }
}

/// No bytes behind a `no-store` of its own take it back.
pub fn parse_directives(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.append(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(CACHE_CONTROL, value.clone());
    assert!(Directives::response(&headers).no_store);
    let alone = HeaderMap::from_iter([(CACHE_CONTROL, value)]);
    let first = Directives::response(&alone);
    assert_eq!(first, Directives::response(&alone));
    assert!(first.max_age.is_none_or(|seconds| seconds <= 1 << 31));
}
