//! The frames of one body, as they come, for all who read it.
//!
//! While the body may still be stored all frames are kept, and a reader that comes late gets
//! them from the start. Past the limit only what somebody has still to read is kept; the
//! fetch then waits for its slowest reader, and one that stands still is cut off.

use crate::sync::{Arc, Mutex, lock};
use bytes::Bytes;
use http::HeaderMap;
use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

/// A frame.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

/// The fetch failed, or this reader stood still for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaderFailed;

/// Whether the fetch may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Yes,
    /// Nobody reads, and nothing is kept: there is no use in going on.
    Unwanted,
}

#[derive(Debug)]
pub(crate) struct Relay {
    state: Mutex<State>,
    /// Bytes that may wait to be read once nothing is kept.
    window: usize,
}

#[derive(Debug)]
struct State {
    frames: VecDeque<Piece>,
    /// The number of the frame at the front.
    first: usize,
    bytes: usize,
    /// All frames from the start are there.
    whole: bool,
    end: Option<Result<(), LeaderFailed>>,
    readers: BTreeMap<u64, Place>,
    next_reader: u64,
    writer: Option<Waker>,
}

#[derive(Debug)]
struct Place {
    /// The number of the next frame to read.
    at: usize,
    waker: Option<Waker>,
}

impl Piece {
    /// Bytes it takes, about.
    pub(crate) fn weight(&self) -> usize {
        const FRAME: usize = 64;
        FRAME
            + match self {
                Self::Data(data) => data.len(),
                Self::Trailers(trailers) => trailers.len() * FRAME,
            }
    }
}

impl Relay {
    pub(crate) fn new(window: usize) -> Arc<Self> {
        Arc::new(Self {
            window,
            state: Mutex::new(State {
                frames: VecDeque::new(),
                first: 0,
                bytes: 0,
                whole: true,
                end: None,
                readers: BTreeMap::new(),
                next_reader: 0,
                writer: None,
            }),
        })
    }

    /// Adds a frame.
    pub(crate) fn push(&self, piece: Piece) {
        let mut state = lock(&self.state);
        state.bytes += piece.weight();
        state.frames.push_back(piece);
        state.trim();
        state.wake_readers();
    }

    /// From now on keeps only what somebody has still to read.
    pub(crate) fn forget(&self) {
        let mut state = lock(&self.state);
        state.whole = false;
        state.trim();
    }

    /// The end, good or bad. The first one counts.
    pub(crate) fn end(&self, end: Result<(), LeaderFailed>) {
        let mut state = lock(&self.state);
        state.end.get_or_insert(end);
        state.wake_readers();
    }

    /// All data so far, if it is all there and nothing but data.
    pub(crate) fn data(&self) -> Option<Vec<Bytes>> {
        let state = lock(&self.state);
        let data = |piece: &Piece| match piece {
            Piece::Data(data) => Some(data.clone()),
            Piece::Trailers(_) => None,
        };
        state
            .whole
            .then(|| state.frames.iter().map(data).collect())?
    }

    /// A reader from the start. `None`: the start is gone, or the fetch has failed.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut state = lock(&self.state);
        let usable = state.whole && state.end != Some(Err(LeaderFailed));
        usable.then(|| state.enter(self, 0))
    }

    /// A reader of what comes from now on.
    pub(crate) fn reader_from_here(self: &Arc<Self>) -> Reader {
        let mut state = lock(&self.state);
        let at = state.first + state.frames.len();
        state.enter(self, at)
    }

    /// Ready when there is room for another frame.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Room> {
        let mut state = lock(&self.state);
        if state.whole {
            Poll::Ready(Room::Yes)
        } else if state.readers.is_empty() {
            Poll::Ready(Room::Unwanted)
        } else if state.bytes <= self.window {
            Poll::Ready(Room::Yes)
        } else {
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    /// Whether somebody reads.
    pub(crate) fn is_read(&self) -> bool {
        !lock(&self.state).readers.is_empty()
    }

    /// Cuts off the readers that all others wait for.
    pub(crate) fn cut_slowest(&self) {
        let mut state = lock(&self.state);
        let first = state.first;
        let slowest = state.readers.extract_if(.., |_, place| place.at == first);
        for waker in slowest.filter_map(|(_, place)| place.waker) {
            waker.wake();
        }
        state.trim();
    }
}

impl State {
    fn enter(&mut self, relay: &Arc<Relay>, at: usize) -> Reader {
        let id = self.next_reader;
        self.next_reader += 1;
        self.readers.insert(id, Place { at, waker: None });
        Reader {
            relay: relay.clone(),
            id,
        }
    }

    /// Drops the frames that everybody has read, unless all are kept.
    fn trim(&mut self) {
        if self.whole {
            return;
        }
        let end = self.first + self.frames.len();
        let slowest = self.readers.values().map(|place| place.at).min();
        for _ in self.first..slowest.unwrap_or(end).min(end) {
            self.bytes -= self.frames.pop_front().map_or(0, |piece| piece.weight());
            self.first += 1;
        }
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn wake_readers(&mut self) {
        for place in self.readers.values_mut() {
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
    }
}

/// One who reads; leaves when dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    relay: Arc<Relay>,
    id: u64,
}

impl Reader {
    /// The next frame; `None` is the end.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece, LeaderFailed>>> {
        let mut guard = lock(&self.relay.state);
        let state = &mut *guard;
        let Some(place) = state.readers.get_mut(&self.id) else {
            return Poll::Ready(Some(Err(LeaderFailed)));
        };
        if let Some(piece) = place
            .at
            .checked_sub(state.first)
            .and_then(|at| state.frames.get(at))
        {
            let piece = piece.clone();
            place.at += 1;
            state.trim();
            return Poll::Ready(Some(Ok(piece)));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(failed)) => Poll::Ready(Some(Err(failed))),
            None => {
                place.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Reader {
    /// Whether the end has come and all before it was read.
    pub(crate) fn is_at_end(&self) -> bool {
        let state = lock(&self.relay.state);
        let place = state.readers.get(&self.id);
        let all_read = place.is_some_and(|place| place.at == state.first + state.frames.len());
        all_read && state.end == Some(Ok(()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = lock(&self.relay.state);
        state.readers.remove(&self.id);
        state.trim();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &'static str) -> Piece {
        Piece::Data(Bytes::from_static(text.as_bytes()))
    }

    fn next(reader: &mut Reader) -> Poll<Option<Result<Bytes, LeaderFailed>>> {
        let mut cx = Context::from_waker(Waker::noop());
        reader.poll_next(&mut cx).map_ok(|piece| match piece {
            Piece::Data(data) => data,
            Piece::Trailers(_) => Bytes::new(),
        })
    }

    fn ready(text: &'static str) -> Poll<Option<Result<Bytes, LeaderFailed>>> {
        Poll::Ready(Some(Ok(Bytes::from_static(text.as_bytes()))))
    }

    #[test]
    fn a_late_reader_gets_everything_from_the_start() {
        let relay = Relay::new(9);
        relay.push(data("a"));
        let mut reader = relay.reader().expect("from the start");
        assert_eq!(next(&mut reader), ready("a"));
        assert!(next(&mut reader).is_pending());
        relay.push(data("b"));
        relay.end(Ok(()));
        assert_eq!(next(&mut reader), ready("b"));
        assert_eq!(next(&mut reader), Poll::Ready(None));
        assert_eq!(relay.data(), Some(vec![Bytes::from("a"), Bytes::from("b")]));
    }

    #[test]
    fn past_the_limit_only_the_unread_is_kept_and_the_slowest_is_waited_for() {
        let relay = Relay::new(1);
        let mut cx = Context::from_waker(Waker::noop());
        let (mut fast, mut slow) = (relay.reader_from_here(), relay.reader_from_here());
        relay.push(data("ab"));
        relay.forget();
        assert!(relay.reader().is_none() && relay.data().is_none());
        assert_eq!(next(&mut fast), ready("ab"));
        assert_eq!(relay.poll_room(&mut cx), Poll::Pending);
        assert_eq!(next(&mut slow), ready("ab"));
        assert_eq!(relay.poll_room(&mut cx), Poll::Ready(Room::Yes));
        relay.push(data("cd"));
        assert_eq!(next(&mut fast), ready("cd"));
        relay.cut_slowest();
        assert_eq!(next(&mut slow), Poll::Ready(Some(Err(LeaderFailed))));
        assert_eq!(relay.poll_room(&mut cx), Poll::Ready(Room::Yes));
        drop(fast);
        assert_eq!(
            relay.poll_room(&mut cx),
            Poll::Ready(Room::Unwanted),
            "who was cut off reads no more"
        );
    }

    #[test]
    fn a_failed_fetch_is_an_error_after_what_came_before() {
        let relay = Relay::new(9);
        let mut reader = relay.reader().expect("from the start");
        relay.push(data("a"));
        relay.end(Err(LeaderFailed));
        assert_eq!(next(&mut reader), ready("a"));
        assert_eq!(next(&mut reader), Poll::Ready(Some(Err(LeaderFailed))));
        assert!(relay.reader().is_none());
    }
}
