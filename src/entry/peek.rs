//! What an envelope says of itself, read from its beginning: how long it is, and what may purge it.

use super::codec::{Begun, CHECKSUM, HEADER_LEN, LENGTHS, MAGIC, VERSION, begun, read_scopes};
use super::{Kind, uri};
use crate::stamp::{Named, Scope, Stamp, Subject};
use bytes::Bytes;

/// The stamp of what says that it is an envelope of this layout, and may be damaged.
pub(crate) fn claimed_stamp(wire: &[u8]) -> Option<Stamp> {
    let ours = wire.starts_with(&MAGIC) && wire.get(4) == Some(&VERSION);
    let stamp = wire.get(8..16).filter(|_| ours)?;
    Some(Stamp(u64::from_be_bytes(stamp.try_into().ok()?)))
}

/// How long the envelope is, by its beginning, which may be damaged. `None`: it is none of this
/// layout.
pub(crate) fn claimed_len(wire: &[u8]) -> Option<usize> {
    claimed_stamp(wire)?;
    let (lengths, _) = wire.get(LENGTHS..CHECKSUM)?.as_chunks::<4>();
    let mut parts = lengths.iter().map(|len| u32::from_be_bytes(*len) as usize);
    parts.try_fold(HEADER_LEN, usize::checked_add)
}

/// What the beginning of an envelope says of what may purge it. Nothing is served by it, so that
/// no checksum is asked for.
#[derive(Debug)]
pub(crate) struct Peeked {
    kind: Kind,
    stamp: Stamp,
    key: Bytes,
    variant: Bytes,
    label: Bytes,
    scopes: Box<[Scope]>,
}

impl Peeked {
    /// `None`: it is none of ours, or says more before its scopes than was read.
    pub(crate) fn read(wire: &Bytes) -> Option<Self> {
        let Begun {
            kind,
            stamp,
            parts: [key, variant, label, scopes],
        } = begun(wire)?;
        Some(Self {
            kind,
            stamp,
            key,
            variant,
            label,
            scopes: read_scopes(&scopes),
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// `authority/path?query` of a response.
    pub(crate) fn uri(&self) -> Option<&str> {
        uri(self.kind, &self.label)
    }

    /// With the way its name is made.
    pub(crate) fn named<F>(self, name: F) -> PeekedNames<F>
    where
        F: Fn(Kind, &[u8], &[u8]) -> String + Sync,
    {
        PeekedNames { peeked: self, name }
    }
}

pub(crate) struct PeekedNames<F> {
    peeked: Peeked,
    name: F,
}

impl<F: Fn(Kind, &[u8], &[u8]) -> String + Sync> PeekedNames<F> {
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            stamp: self.peeked.stamp,
            scopes: &self.peeked.scopes,
            named: self,
        }
    }
}

impl<F: Fn(Kind, &[u8], &[u8]) -> String + Sync> Named for PeekedNames<F> {
    fn uri(&self) -> Option<&str> {
        uri(self.peeked.kind, &self.peeked.label)
    }

    fn name(&self) -> String {
        let Peeked {
            kind, key, variant, ..
        } = &self.peeked;
        (self.name)(*kind, key, variant)
    }
}
