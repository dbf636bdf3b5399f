//! The envelope on the wire: fixed header, then key, variant, label, scopes, tags, head and
//! body. Decoding takes slices of the one buffer; whatever is not exactly ours is refused.

use super::wire_head::{head_len, put_head, read_head};
use super::{Entry, Kind, Meta, StaleWindows, answer, read_vary};
use crate::clock::Timestamp;
use crate::stamp::{Scope, Stamp};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use twox_hash::XxHash3_64;

pub(super) const MAGIC: [u8; 4] = *b"NBCE";
pub(super) const VERSION: u8 = 2;

/// Where the checksum stands, the last field of the header.
pub(super) const CHECKSUM: usize = 100;

/// Where the lengths of the parts stand.
pub(super) const LENGTHS: usize = 72;

/// Bytes of the fixed part. The stamp is at 8, `stored_at` at 16: the store script reads
/// both.
pub(crate) const HEADER_LEN: usize = CHECKSUM + 8;

const PUBLIC: u32 = 1;
const MUST_VALIDATE: u32 = 2;
const NEVER_STALE: u32 = 4;
const OWN_ETAG: u32 = 8;

/// What an envelope is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) kind: Kind,
    pub(crate) meta: Meta,
    pub(crate) status: StatusCode,
    pub(crate) key: &'a [u8],
    pub(crate) variant: &'a [u8],
    /// Method, authority and URI in clear, for people and for purges by prefix.
    pub(crate) label: &'a str,
    pub(crate) scopes: &'a [Scope],
    pub(crate) tags: &'a [String],
    pub(crate) headers: &'a HeaderMap,
    pub(crate) frames: &'a [Bytes],
}

/// Makes an entry, its envelope encoded. `None`: a part is too long to be described.
pub(crate) fn seal(draft: &Draft<'_>) -> Option<Entry> {
    let wire = encode(draft)?;
    let sections = Sections::read(&wire)?;
    // Read back, so that the values are slices of the envelope: the handler's may keep a far
    // larger buffer alive.
    let (head, upstream_status) = read_head(sections.head)?;
    Some(Entry {
        kind: draft.kind,
        meta: draft.meta,
        upstream_status,
        answer: answer(draft.status, head),
        scopes: draft.scopes.into(),
        key: sections.key,
        label: sections.label,
        variant: sections.variant,
        vary: read_vary(draft.kind, &sections.body),
        body: sections.body,
        verified: AtomicU64::new(draft.meta.stamp.0),
        epoch: AtomicU64::new(0),
        stale_since: AtomicU64::new(u64::MAX),
        queued: AtomicBool::new(false),
        route: AtomicU8::new(0),
        outage: false,
        local_only: false,
        decoded: OnceLock::new(),
        wire,
    })
}

/// Reads an envelope. `None`: foreign, of another version, cut short or damaged.
pub(crate) fn decode(wire: Bytes) -> Option<Entry> {
    let header = wire.get(..HEADER_LEN)?;
    if checksum(&wire) != header[CHECKSUM..].try_into().ok().map(u64::from_be_bytes)? {
        return None;
    }
    let sections = Sections::read(&wire)?;
    let (head, upstream_status) = read_head(sections.head)?;
    let meta = read_meta(header)?;
    let kind = read_kind(header[5])?;
    let status = StatusCode::from_u16(u16::from_be_bytes([header[6], header[7]])).ok()?;
    Some(Entry {
        kind,
        meta,
        upstream_status,
        answer: answer(status, head),
        scopes: read_scopes(&sections.scopes),
        key: sections.key,
        label: sections.label,
        variant: sections.variant,
        vary: read_vary(kind, &sections.body),
        body: sections.body,
        verified: AtomicU64::new(meta.stamp.0),
        epoch: AtomicU64::new(0),
        stale_since: AtomicU64::new(u64::MAX),
        queued: AtomicBool::new(false),
        route: AtomicU8::new(0),
        outage: false,
        local_only: false,
        decoded: OnceLock::new(),
        wire,
    })
}

/// The beginning of an envelope: its key, variant, label and scopes.
pub(super) struct Begun {
    pub(super) kind: Kind,
    pub(super) stamp: Stamp,
    pub(super) parts: [Bytes; 4],
}

/// Reads as much as comes before the tags; the rest need not be there.
pub(super) fn begun(wire: &Bytes) -> Option<Begun> {
    let mut parts = Parts::of(wire)?;
    Some(Begun {
        kind: read_kind(wire[5])?,
        stamp: read_meta(&wire[..HEADER_LEN])?.stamp,
        parts: [parts.next()?, parts.next()?, parts.next()?, parts.next()?],
    })
}

fn encode(draft: &Draft<'_>) -> Option<Bytes> {
    let head = head_len(draft.headers)?;
    let tags: usize = draft.tags.iter().map(|tag| 2 + tag.len()).sum();
    let body: usize = draft.frames.iter().map(Bytes::len).sum();
    let lengths = [
        draft.key.len(),
        draft.variant.len(),
        draft.label.len(),
        draft.scopes.len() * 4,
        tags,
        head,
        body,
    ];
    let mut wire = BytesMut::with_capacity(HEADER_LEN + lengths.iter().sum::<usize>());
    put_header(&mut wire, draft, &lengths)?;
    wire.put_slice(draft.key);
    wire.put_slice(draft.variant);
    wire.put_slice(draft.label.as_bytes());
    draft
        .scopes
        .iter()
        .for_each(|scope| wire.put_u32(scope_to_wire(*scope)));
    for tag in draft.tags {
        wire.put_u16(u16::try_from(tag.len()).ok()?);
        wire.put_slice(tag.as_bytes());
    }
    put_head(&mut wire, draft.headers)?;
    draft.frames.iter().for_each(|frame| wire.put_slice(frame));
    let sum = checksum(&wire).to_be_bytes();
    wire[CHECKSUM..HEADER_LEN].copy_from_slice(&sum);
    Some(wire.freeze())
}

fn put_header(wire: &mut BytesMut, draft: &Draft<'_>, lengths: &[usize; 7]) -> Option<()> {
    let meta = &draft.meta;
    wire.put_slice(&MAGIC);
    wire.put_u8(VERSION);
    wire.put_u8(match draft.kind {
        Kind::Response => 1,
        Kind::Vary => 2,
        Kind::Value => 3,
    });
    wire.put_u16(draft.status.as_u16());
    wire.put_u64(meta.stamp.0);
    wire.put_u64(meta.stored_at.0);
    wire.put_u64(meta.fresh_until.0);
    wire.put_u64(meta.stale_until.0);
    wire.put_u32(meta.handler_ms);
    wire.put_u64(meta.age_ms);
    let flags = [
        (meta.public, PUBLIC),
        (meta.must_validate, MUST_VALIDATE),
        (meta.never_stale, NEVER_STALE),
        (meta.own_etag, OWN_ETAG),
    ];
    wire.put_u32(flags.iter().filter(|flag| flag.0).map(|flag| flag.1).sum());
    wire.put_u64(meta.stale.while_revalidate);
    wire.put_u64(meta.stale.if_error);
    for len in lengths {
        wire.put_u32(u32::try_from(*len).ok()?);
    }
    wire.put_u64(0);
    Some(())
}

fn read_meta(header: &[u8]) -> Option<Meta> {
    let mut rest = header.get(8..LENGTHS)?;
    Some(Meta {
        stamp: Stamp(rest.get_u64()),
        stored_at: Timestamp(rest.get_u64()),
        fresh_until: Timestamp(rest.get_u64()),
        stale_until: Timestamp(rest.get_u64()),
        handler_ms: rest.get_u32(),
        age_ms: rest.get_u64(),
        ..flags(rest.get_u32())
    })
    .map(|meta| Meta {
        stale: StaleWindows {
            while_revalidate: rest.get_u64(),
            if_error: rest.get_u64(),
        },
        ..meta
    })
}

fn flags(flags: u32) -> Meta {
    Meta {
        public: flags & PUBLIC != 0,
        must_validate: flags & MUST_VALIDATE != 0,
        never_stale: flags & NEVER_STALE != 0,
        own_etag: flags & OWN_ETAG != 0,
        ..Meta::default()
    }
}

fn read_kind(kind: u8) -> Option<Kind> {
    match kind {
        1 => Some(Kind::Response),
        2 => Some(Kind::Vary),
        3 => Some(Kind::Value),
        _ => None,
    }
}

/// Over all but itself: a stream of the right length may still have been garbled.
fn checksum(wire: &[u8]) -> u64 {
    let seed = XxHash3_64::oneshot(&wire[..CHECKSUM]);
    XxHash3_64::oneshot_with_seed(seed, &wire[HEADER_LEN..])
}

/// Makes the checksum of `wire` right, whatever it holds: to see what lies behind it.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn put_checksum(wire: &mut [u8]) {
    if wire.len() >= HEADER_LEN {
        let sum = checksum(wire).to_be_bytes();
        wire[CHECKSUM..HEADER_LEN].copy_from_slice(&sum);
    }
}

/// The parts behind the header that are still to be read.
struct Parts<'a> {
    lengths: &'a [u8],
    rest: Bytes,
}

impl<'a> Parts<'a> {
    /// `None`: it is none of ours, or of another version.
    fn of(wire: &'a Bytes) -> Option<Self> {
        let header = wire.get(..HEADER_LEN)?;
        (header[..4] == MAGIC && header[4] == VERSION).then(|| Self {
            lengths: &header[LENGTHS..CHECKSUM],
            rest: wire.slice(HEADER_LEN..),
        })
    }

    fn next(&mut self) -> Option<Bytes> {
        let len = self.lengths.try_get_u32().ok()? as usize;
        (len <= self.rest.len()).then(|| self.rest.split_to(len))
    }
}

/// The parts behind the header.
struct Sections {
    key: Bytes,
    variant: Bytes,
    label: Bytes,
    scopes: Bytes,
    head: Bytes,
    body: Bytes,
}

impl Sections {
    fn read(wire: &Bytes) -> Option<Self> {
        let mut parts = Parts::of(wire)?;
        let mut next = || parts.next();
        let (key, variant, label) = (next()?, next()?, next()?);
        let (scopes, _tags, head, body) = (next()?, next()?, next()?, next()?);
        parts.rest.is_empty().then_some(Self {
            key,
            variant,
            label,
            scopes,
            head,
            body,
        })
    }
}

/// `Named(0)` and "everything" share a number: everything is checked always, and never listed.
fn scope_to_wire(scope: Scope) -> u32 {
    match scope {
        Scope::Everything => 0,
        Scope::Named(hash) => hash,
    }
}

/// Tells the tags, each of which stands with its length.
pub(super) fn each_tag(wire: &Bytes, tell: &mut dyn FnMut(&str)) {
    let parts = Parts::of(wire).and_then(|mut parts| {
        (0..4).try_for_each(|_| parts.next().map(drop))?;
        parts.next()
    });
    let mut rest = parts.unwrap_or_default();
    while let Ok(len) = rest.try_get_u16() {
        let len = usize::from(len).min(rest.len());
        tell(&String::from_utf8_lossy(&rest.split_to(len)));
    }
}

pub(super) fn read_scopes(scopes: &[u8]) -> Box<[Scope]> {
    let (cells, _) = scopes.as_chunks::<4>();
    cells
        .iter()
        .map(|c| Scope::Named(u32::from_be_bytes(*c)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn meta() -> Meta {
        Meta {
            stamp: Stamp(7),
            stored_at: Timestamp(1_000),
            fresh_until: Timestamp(2_000),
            stale_until: Timestamp(3_000),
            handler_ms: 12,
            age_ms: 3,
            public: true,
            must_validate: true,
            never_stale: false,
            own_etag: true,
            stale: StaleWindows {
                while_revalidate: 4,
                if_error: 5,
            },
        }
    }

    fn draft<'a>(headers: &'a HeaderMap, frames: &'a [Bytes], tags: &'a [String]) -> Draft<'a> {
        Draft {
            kind: Kind::Response,
            meta: meta(),
            status: StatusCode::OK,
            key: b"key",
            variant: b"variant",
            label: "GET h /",
            scopes: &[Scope::Named(9), Scope::Named(u32::MAX)],
            tags,
            headers,
            frames,
        }
    }

    #[test]
    fn stamp_and_time_stand_where_the_store_script_reads_them() {
        let entry = seal(&draft(&HeaderMap::new(), &[], &[])).expect("sealed");
        assert_eq!(entry.wire()[8..16], 7u64.to_be_bytes());
        assert_eq!(entry.wire()[16..24], 1_000u64.to_be_bytes());
    }

    #[test]
    fn another_version_is_refused() {
        let mut wire = seal(&draft(&HeaderMap::new(), &[], &[]))
            .expect("sealed")
            .wire()
            .to_vec();
        wire[4] = VERSION + 1;
        put_checksum(&mut wire);
        assert!(decode(wire.into()).is_none());
    }

    fn field() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
        let byte = prop_oneof![Just(b'\t'), 32..127u8, 128..=255u8];
        let value = proptest::collection::vec(byte, 0..20);
        ("[a-z][a-z0-9-]{0,12}", value).prop_map(|(name, value)| {
            (
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_bytes(&value).expect("a value"),
            )
        })
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_read_back(
            fields in proptest::collection::vec(field(), 0..8),
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..4),
            tags in proptest::collection::vec(".{0,8}", 0..3),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(name, value);
            }
            headers.remove("age");
            headers.remove("cache-status");
            let frames: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
            let sealed = seal(&draft(&headers, &frames, &tags)).expect("sealed");
            let read = decode(sealed.wire().clone()).expect("decoded");
            prop_assert_eq!(read.meta, meta());
            prop_assert_eq!(read.head(), sealed.head());
            let mut sent = read.head().clone();
            sent.remove("age");
            sent.remove("cache-status");
            prop_assert_eq!(sent, headers);
            prop_assert_eq!(&read.body, &Bytes::from(frames.concat()));
            prop_assert_eq!(&*read.key, b"key");
            prop_assert_eq!(&*read.variant, b"variant");
            prop_assert_eq!(&read.scopes, &sealed.scopes);
        }

        #[test]
        fn one_changed_bit_or_a_cut_is_refused(
            body in proptest::collection::vec(any::<u8>(), 0..64),
            at in any::<prop::sample::Index>(),
            bit in 0..8u8,
        ) {
            let wire = seal(&draft(&HeaderMap::new(), &[Bytes::from(body)], &[])).expect("sealed").wire().to_vec();
            let at = at.index(wire.len());
            let mut garbled = wire.clone();
            garbled[at] ^= 1 << bit;
            prop_assert!(decode(garbled.into()).is_none());
            prop_assert!(decode(wire[..at].to_vec().into()).is_none());
        }
    }
}
