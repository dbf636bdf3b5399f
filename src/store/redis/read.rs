//! Entries and the record of purges, read together.

use super::Remote;
use super::header::{self, Record};
use super::large::{AT_ONCE, PIECE, goes_on};
use super::reply::{bytes_of, listed, stamp_of};
use crate::clock::instant;
use crate::entry::{HEADER_LEN, claimed_stamp};
use crate::error::Fault;
use crate::fences::Fence;
use crate::observe::Operation;
use crate::stamp::{Stamp, Subject, Verdict, by_cells};
use ::redis::Pipeline;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::sync::atomic::Ordering;
use tokio::time::{Instant, timeout_at};

/// What to read of one key.
#[derive(Debug)]
pub(crate) enum Get {
    Whole(String),
    /// The fixed part of the envelope only.
    Header(String),
}

/// As much of a key; `None`: all of it.
struct Part<'a> {
    key: &'a str,
    bytes: Option<usize>,
}

impl<'a> Part<'a> {
    fn header(key: &'a str) -> Self {
        let bytes = Some(HEADER_LEN);
        Self { key, bytes }
    }

    fn whole(key: &'a str) -> Self {
        Self { key, bytes: None }
    }
}

impl Get {
    fn first(&self) -> Part<'_> {
        match self {
            Self::Header(key) => Part::header(key),
            Self::Whole(key) => Part {
                key,
                bytes: Some(PIECE),
            },
        }
    }
}

/// What has come of a key of which there is more.
struct Pieced<'a> {
    /// Its place among the keys.
    at: usize,
    name: &'a str,
    first: Bytes,
}

/// Replies to a read, and the record of purges at a moment after them.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) values: Vec<Option<Bytes>>,
    record: Record,
}

impl Record {
    /// Whether a purge of everything covers what begins so.
    fn covers(&self, begun: &[u8]) -> bool {
        let [hard, soft] = self.everything;
        claimed_stamp(begun).is_some_and(|stamp| by_cells(stamp, hard, soft).is_purged())
    }
}

impl Read {
    pub(crate) fn clock(&self) -> Stamp {
        self.record.clock
    }
}

impl Remote {
    /// Reads keys and the clock in one round trip; large entries in further ones, and the clock
    /// after them. Creates the record of purges if it is missing or older than what was seen:
    /// then nothing stored before is valid.
    pub(crate) async fn read(&self, gets: &[Get]) -> Result<Read, Fault> {
        let begun = instant();
        let mut read = self.read_parts(gets.iter().map(Get::first)).await?;
        let is_begun = |(get, value): (&Get, &Option<Bytes>)| {
            matches!(get, Get::Whole(_)) && value.as_deref().is_some_and(goes_on)
        };
        if gets.iter().zip(&read.values).any(is_begun) {
            // Apart: what reads small entries is to be small itself.
            Box::pin(self.read_large(gets, &mut read, begun)).await?;
        }
        Ok(read)
    }

    /// Reads what is behind the first pieces, as long as there is time: what would come too late
    /// for any answer is a miss of which the clock is known, and which is stored.
    async fn read_large(&self, gets: &[Get], read: &mut Read, begun: Instant) -> Result<(), Fault> {
        let mut pieced = Vec::new();
        for (at, get) in gets.iter().enumerate() {
            let Get::Whole(name) = get else { continue };
            let Some(first) = read.values[at].take_if(|first| goes_on(first)) else {
                continue;
            };
            if !read.record.covers(&first) {
                pieced.push(Pieced { at, name, first });
            }
        }
        if pieced.is_empty() {
            return Ok(());
        }
        let shared = &*self.shared;
        match timeout_at(begun + shared.patience, self.read_pieces(&pieced)).await {
            Ok(whole) => {
                let (wholes, record) = whole?;
                read.record = record;
                for (Pieced { at, .. }, whole) in pieced.iter().zip(wholes) {
                    read.values[*at] = whole;
                }
            }
            Err(_) => shared.observer.fault(Operation::Lookup, Fault::Timeout),
        }
        Ok(())
    }

    /// Pieces are those of one entry if its header after them is the one before them; what another
    /// took the place of meanwhile is read again, in one go.
    async fn read_pieces(
        &self,
        pieced: &[Pieced<'_>],
    ) -> Result<(Vec<Option<Bytes>>, Record), Fault> {
        let shared = &*self.shared;
        let mut rests = Vec::with_capacity(pieced.len());
        for key in pieced {
            rests.push(shared.read_rest(key.name, &key.first));
        }
        let wholes = stream::iter(rests).buffered(AT_ONCE).map_ok(Some);
        let mut wholes: Vec<_> = wholes.try_collect().await?;
        let headers = pieced.iter().map(|key| Part::header(key.name));
        let mut later = self.read_parts(headers).await?;
        let mut others = Vec::new();
        for (at, (key, header)) in pieced.iter().zip(&later.values).enumerate() {
            if header.as_deref() != key.first.get(..HEADER_LEN) {
                others.push((at, key.name));
            }
        }
        if !others.is_empty() {
            let again = others.iter().map(|(_, name)| Part::whole(name));
            later = self.read_parts(again).await?;
            for ((at, _), whole) in others.into_iter().zip(later.values) {
                wholes[at] = whole;
            }
        }
        Ok((wholes, later.record))
    }

    /// In one round trip, and the clock last, so that it is no older than they are.
    async fn read_parts<'a>(
        &self,
        parts: impl ExactSizeIterator<Item = Part<'a>>,
    ) -> Result<Read, Fault> {
        let shared = &*self.shared;
        let (seen, asked) = (self.seen(), shared.clock.now());
        let len = parts.len();
        let mut pipe = Pipeline::with_capacity(len + 1);
        for Part { key, bytes } in parts {
            match bytes {
                None => pipe.cmd("GET").arg(key),
                Some(bytes) => pipe.cmd("GETRANGE").arg(key).arg(0).arg(bytes - 1),
            };
        }
        header::get(&mut pipe, &shared.stamps);
        let mut values = shared.ask(pipe).await?.into_iter();
        // Of a key that is not there the first bytes are none.
        let some = |value| bytes_of(value).filter(|bytes| !bytes.is_empty());
        let read = values.by_ref().take(len).map(some).collect();
        let record = values.next().and_then(bytes_of).unwrap_or_default();
        let record = match Record::read(&record) {
            Some(record) if record.clock >= seen || !shared.fences.stands(Fence::Regression) => {
                record
            }
            _ => shared.make_record().await?,
        };
        shared.saw(record.clock);
        shared.contact.fetch_max(asked.0, Ordering::AcqRel);
        Ok(Read {
            values: read,
            record,
        })
    }

    /// Judges by the record that was read, at that time or later.
    pub(crate) async fn judge(&self, read: &Read, subject: Subject<'_>) -> Result<Verdict, Fault> {
        let (shared, record) = (&*self.shared, &read.record);
        let [hard, soft] = record.everything;
        if by_cells(subject.stamp, hard, soft).is_purged() || subject.stamp > record.clock {
            return Ok(Verdict::Purged);
        }
        let banned = record.newest_ban > subject.stamp;
        let pipe = shared.cells(record, subject, banned);
        let mut values = shared.ask(pipe).await?.into_iter();
        let mut verdict = Verdict::Valid;
        for _ in subject.scopes {
            let mut cell = || stamp_of(values.next());
            let (Some(hard), Some(soft)) = (cell(), cell()) else {
                // The record has lost its end: all before a new one is purged.
                shared.make_record().await?;
                return Ok(Verdict::Purged);
            };
            verdict = verdict.and(by_cells(subject.stamp, hard, soft));
        }
        if banned {
            verdict = verdict.and(listed(values.next(), record.newest_ban, subject));
        }
        // After all else: a pattern that has left the list since is part of everything by now.
        let now = values.next().and_then(bytes_of).unwrap_or_default();
        let same = |now: &Record| now.cells == record.cells && now.clock >= record.clock;
        let now = Record::read(&now).filter(same).ok_or(Fault::Foreign)?;
        let [hard, soft] = now.everything;
        Ok(verdict.and(by_cells(subject.stamp, hard, soft)))
    }
}
