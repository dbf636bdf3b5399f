//! Entries and the record of purges, read together.

use super::Remote;
use super::header::{self, Record};
use super::reply::{bytes_of, listed, stamp_of};
use crate::entry::HEADER_LEN;
use crate::error::Fault;
use crate::fences::Fence;
use crate::stamp::{Stamp, Subject, Verdict, by_cells};
use ::redis::Pipeline;
use bytes::Bytes;
use std::sync::atomic::Ordering;

/// What to read of one key.
#[derive(Debug)]
pub(crate) enum Get {
    Whole(String),
    /// The fixed part of the envelope only.
    Header(String),
}

/// Replies to a read, and the record of purges at a moment after them.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) values: Vec<Option<Bytes>>,
    record: Record,
}

impl Read {
    pub(crate) fn clock(&self) -> Stamp {
        self.record.clock
    }
}

impl Remote {
    /// Reads keys and the clock in one round trip; keys first, so that the clock is no older
    /// than they are. Creates the record of purges if it is missing or older than what was
    /// seen: then nothing stored before is valid.
    pub(crate) async fn read(&self, gets: &[Get]) -> Result<Read, Fault> {
        let shared = &*self.shared;
        let (seen, asked) = (self.seen(), shared.clock.now());
        let mut pipe = Pipeline::with_capacity(gets.len() + 1);
        for get in gets {
            match get {
                Get::Whole(key) => pipe.cmd("GET").arg(key),
                Get::Header(key) => pipe.cmd("GETRANGE").arg(key).arg(0).arg(HEADER_LEN - 1),
            };
        }
        header::get(&mut pipe, &shared.stamps);
        let mut values = shared.ask(pipe).await?.into_iter();
        let read = values.by_ref().take(gets.len()).map(bytes_of).collect();
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
