//! Large entries, in pieces: whoever asks for something small meanwhile waits for one piece at
//! most, on the connection, in the server and in this process.

use super::lease::token;
use super::reply::bytes_of;
use super::{Shared, Write};
use crate::clock::millis;
use crate::entry::claimed_len;
use crate::error::Fault;
use ::redis::{Pipeline, Value};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of the largest envelope that is an argument of the script that stores it.
const LARGE: usize = 64 << 10;

/// Bytes of the largest envelope that is read in one go, and of the pieces of a larger one, there
/// and back.
pub(super) const PIECE: usize = 128 << 10;

/// Pieces of one entry that are asked for at once, and entries: each by a connection of its own,
/// where there are as many. What is far away would not come in time one by one.
pub(super) const AT_ONCE: usize = 4;

/// What a damaged length may have made room for in vain.
const MOST_RESERVED: usize = 8 << 20;

/// For how long a larger one may stand aside.
const ASIDE: Duration = Duration::from_mins(1);

/// Whether what was read says that there is more of it than the first piece.
pub(super) fn goes_on(begun: &[u8]) -> bool {
    begun.len() == PIECE && claimed_len(begun).is_some_and(|len| len > PIECE)
}

impl Shared {
    /// Reads what comes after the first piece. If another entry takes the place of the first in
    /// the meantime the pieces do not fit together: that is to be looked for afterwards.
    pub(super) async fn read_rest(&self, name: &str, begun: &[u8]) -> Result<Bytes, Fault> {
        let len = claimed_len(begun).unwrap_or_default();
        let mut whole = Vec::with_capacity(len.min(MOST_RESERVED));
        whole.extend_from_slice(begun);
        let pieces = (PIECE..len).step_by(PIECE).map(|from| {
            let mut pipe = Pipeline::with_capacity(1);
            pipe.cmd("GETRANGE")
                .arg(name)
                .arg(from)
                .arg(len.min(from + PIECE) - 1);
            self.ask(pipe)
        });
        let mut pieces = pin!(stream::iter(pieces).buffered(AT_ONCE));
        while let Some(piece) = pieces.next().await {
            // Anything else says nothing of what is there.
            let piece = piece?.pop().and_then(bytes_of).ok_or(Fault::Refused)?;
            whole.extend_from_slice(&piece);
            // The last one, or it has ended before its time.
            if piece.len() < PIECE {
                break;
            }
        }
        whole.shrink_to_fit();
        Ok(whole.into())
    }

    /// A large envelope is sent aside first: a script copies its arguments twice, and for some
    /// milliseconds nobody else would be answered.
    pub(super) async fn put(&self, write: &Write) -> Result<Value, Fault> {
        let is_large = write.entry.wire().len() > LARGE;
        let Some(aside) = is_large.then(|| self.aside(&write.name)).flatten() else {
            return self.scripts.store(write, None).run(&self.client).await;
        };
        let stored = match self.send_aside(&aside, write.entry.wire()).await {
            // Where it would stand for ever it is sent at once.
            Err(Fault::Forbidden) => {
                self.delete(&aside).await?;
                self.scripts.store(write, None)
            }
            sent => {
                sent?;
                self.scripts.store(write, Some(&aside))
            }
        };
        stored.run(&self.client).await
    }

    /// Piece by piece: whoever asks for something small meanwhile waits for one piece at most, on
    /// the connection, in the server and in this process. The last one goes first, so that the
    /// place is made at once, and is too short if it was lost in between.
    async fn send_aside(&self, aside: &str, envelope: &[u8]) -> Result<(), Fault> {
        let pieces = envelope.chunks(PIECE).enumerate();
        for (at, piece) in pieces.rev() {
            let mut pipe = Pipeline::with_capacity(2);
            pipe.cmd("SETRANGE").arg(aside).arg(at * PIECE).arg(piece);
            pipe.cmd("PEXPIRE").arg(aside).arg(millis(ASIDE));
            let mut replies = self.client.send(&Arc::new(pipe)).await?.into_iter();
            if !matches!(replies.next(), Some(Value::Int(_))) {
                return Err(Fault::Refused);
            }
        }
        Ok(())
    }

    /// A name that nobody else has, in the slot of `name`; `None`: there is none.
    fn aside(&self, name: &str) -> Option<String> {
        let (tag, token) = (slot_tag(name), token());
        let aside = self.namespace.name(&format!("part:{{{tag}}}:{token}"));
        (slot_tag(&aside) == tag).then_some(aside)
    }
}

/// The part of a name that decides over its slot in a cluster.
fn slot_tag(name: &str) -> &str {
    let braced = name
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let tag = braced.map(|(tag, _)| tag);
    tag.filter(|tag| !tag.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_first_braces_decides_over_the_slot() {
        for (name, tag) in [
            ("nb:x", "nb:x"),
            ("nb:{x}:y{z}", "x"),
            ("nb:{x", "nb:{x"),
            ("nb:x}", "nb:x}"),
            ("nb:{}:{x}", "nb:{}:{x}"),
            ("nb:{{x}}", "{x"),
            ("nb:}{x}", "x"),
        ] {
            assert_eq!(slot_tag(name), tag, "{name}");
        }
    }
}
