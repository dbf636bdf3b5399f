//! What is asked of Redis, one operation at a time.

use super::handle::At;
use super::header::{self, Record};
use super::reply::bytes_of;
use super::scripts::{Keys, Purge};
use super::{Shared, Write};
use crate::clock::instant;
use crate::error::Fault;
use crate::observe::Operation;
use crate::stamp::{Order, Stamp, Subject};
use ::redis::{Pipeline, Value};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::Instrument;

impl Shared {
    pub(super) fn seen(&self) -> Stamp {
        Stamp(self.seen.load(Ordering::Acquire))
    }

    pub(super) fn saw(&self, clock: Stamp) {
        self.seen.fetch_max(clock.0, Ordering::AcqRel);
    }

    /// A read, or what may be repeated: tried once more if it timed out, where that is wanted.
    /// A caller with a limit of its own is not kept longer: dropped, it tries no more.
    pub(super) async fn ask(&self, pipe: Pipeline) -> Result<Vec<Value>, Fault> {
        self.ask_at(&At::Keys, pipe).await
    }

    /// The same, of one master.
    pub(super) async fn ask_at(&self, at: &At, pipe: Pipeline) -> Result<Vec<Value>, Fault> {
        let pipe = Arc::new(pipe);
        match self.client.send_to(at, &pipe).await {
            Err(Fault::Timeout) if self.retry => self.client.send_to(at, &pipe).await,
            replies => replies,
        }
    }

    /// Reads what decides over a subject, and the fixed part after it.
    pub(super) fn cells(&self, record: &Record, subject: Subject<'_>, banned: bool) -> Pipeline {
        let mut pipe = Pipeline::with_capacity(2 * subject.scopes.len() + 2);
        let cells = subject.scopes.iter();
        for cell in cells.flat_map(|scope| scope.cells(record.cells)) {
            let (from, to) = (cell * 8, cell * 8 + 7);
            pipe.cmd("GETRANGE").arg(&self.stamps).arg(from).arg(to);
        }
        if banned {
            pipe.cmd("LRANGE").arg(&self.patterns).arg(0).arg(-1);
        }
        header::get(&mut pipe, &self.stamps);
        pipe
    }

    /// Makes the record, if there is none or it is older than what was seen; then nothing
    /// stored before is valid.
    pub(super) async fn make_record(&self) -> Result<Record, Fault> {
        self.purge(&Order::default(), Stamp(0)).await?;
        let mut pipe = Pipeline::with_capacity(1);
        header::get(&mut pipe, &self.stamps);
        let record = self.ask(pipe).await?.pop().and_then(bytes_of);
        Record::read(&record.unwrap_or_default()).ok_or(Fault::Foreign)
    }

    /// Purges past everything seen, and past the mark `past`: what the clock was before, and what
    /// it is.
    pub(super) async fn purge(&self, order: &Order, past: Stamp) -> Result<(Stamp, Stamp), Fault> {
        let purge = Purge {
            order,
            seen: Stamp(self.seen.load(Ordering::Acquire)),
            past,
        };
        let keys = Keys {
            stamps: &self.stamps,
            patterns: &self.patterns,
            channel: &self.channel,
        };
        let call = self.scripts.purge(keys, self.wanted_cells, &purge);
        let begun = instant();
        let span = Operation::Purge.span();
        let reply = match call.run(&self.client).instrument(span.clone()).await {
            Err(Fault::Timeout) if self.retry => call.run(&self.client).instrument(span).await,
            reply => reply,
        };
        self.observer.took(Operation::Purge, begun.elapsed());
        let (before, n): (u64, u64) =
            ::redis::from_redis_value(reply?).map_err(|_| Fault::Refused)?;
        self.saw(Stamp(n));
        Ok((Stamp(before), Stamp(n)))
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), Fault> {
        let mut pipe = Pipeline::with_capacity(1);
        pipe.cmd("UNLINK").arg(name);
        let begun = instant();
        let deleted = self.ask(pipe).await;
        self.observer.took(Operation::Delete, begun.elapsed());
        match deleted?.pop() {
            Some(Value::ServerError(_)) => Err(Fault::Refused),
            _ => Ok(()),
        }
    }

    pub(super) async fn store(&self, write: &Write) -> Result<(), Fault> {
        let begun = instant();
        let stored = self.put(write).instrument(Operation::Store.span()).await;
        self.observer.took(Operation::Store, begun.elapsed());
        match stored? {
            Value::ServerError(_) => Err(Fault::Refused),
            _ => Ok(()),
        }
    }
}
