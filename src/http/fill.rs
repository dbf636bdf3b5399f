//! A body on its way to the client that is copied as it passes, and stored if it completes.

use super::Shown;
use super::plan::Plan;
use super::relay::{LeaderFailed, Piece, Reader, Relay, Room};
use crate::clock::instant;
use crate::flight::Landing;
use crate::sync::{Arc, Mutex, lock};
use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// For how long a body may stand still until newcomers no longer join it; and for how long one
/// that nobody reads any more is driven on.
const IDLE: Duration = Duration::from_secs(30);

/// For how long the readers of a body that is not kept wait for the slowest of them, before
/// it is cut off.
const STALL: Duration = Duration::from_secs(30);

/// What many small frames may take beyond twice the largest body.
const SLACK: u64 = 64 << 10;

/// A body being copied.
pub(crate) struct Fill<B> {
    body: Pin<Box<B>>,
    relay: Arc<Relay>,
    /// What to do when it is complete; taken when it is, or cannot be any more.
    plan: Option<Plan>,
    /// As many bytes as there must be, where that is known.
    expected: Option<u64>,
    copied: u64,
    /// Bytes that the frames take, headers and all.
    held: u64,
    end: Result<(), LeaderFailed>,
}

impl<B> Fill<B>
where
    B: Body<Data: Buf>,
{
    pub(crate) fn new(body: B, relay: Arc<Relay>, plan: Plan, expected: Option<u64>) -> Self {
        let mut fill = Self {
            body: Box::pin(body),
            relay,
            plan: Some(plan),
            expected,
            copied: 0,
            held: 0,
            end: Err(LeaderFailed),
        };
        fill.check_end();
        fill
    }

    /// The next frame, copied on its way.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, B::Error>>> {
        let polled = std::task::ready!(self.body.as_mut().poll_frame(cx));
        Poll::Ready(match polled {
            Some(Ok(frame)) => Some(Ok(self.pass(frame))),
            Some(Err(error)) => {
                self.fail();
                Some(Err(error))
            }
            None => {
                self.complete();
                self.finish();
                None
            }
        })
    }

    fn pass(&mut self, frame: Frame<B::Data>) -> Piece {
        let piece = match frame.into_data() {
            Ok(mut data) => Piece::Data(data.copy_to_bytes(data.remaining())),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => Piece::Trailers(Box::new(trailers)),
                Err(_) => Piece::Data(Bytes::new()),
            },
        };
        match &piece {
            Piece::Data(data) => self.copy(data),
            // A body with trailers is more than what would be stored.
            Piece::Trailers(_) => self.give_up(),
        }
        if !matches!(&piece, Piece::Data(data) if data.is_empty()) {
            self.held += piece.weight() as u64;
            self.relay.push(piece.clone());
        }
        self.check_end();
        piece
    }

    /// Whoever sends the body on may not poll for the end once it has all the bytes.
    fn check_end(&mut self) {
        if self.expected == Some(self.copied) {
            self.complete();
        }
        if self.body.is_end_stream() {
            self.complete();
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.end = Ok(());
        self.relay.end(Ok(()));
    }

    fn copy(&mut self, data: &Bytes) {
        self.copied += data.len() as u64;
        let Some(plan) = &mut self.plan else {
            return;
        };
        if self.copied > plan.limit
            || self.held > 2 * plan.limit + SLACK
            || self.expected.is_some_and(|expected| self.copied > expected)
        {
            self.give_up();
        } else if plan.share.take(data.len()) {
            plan.see(data);
        } else {
            // No fault of this key's: the next one may be stored, and is waited for.
            self.plan = None;
            self.relay.forget();
        }
    }

    /// Who comes from now on fetches anew; those who read it read on.
    fn close(&mut self) {
        if let Some(plan) = &mut self.plan {
            plan.landing = None;
        }
    }

    /// The body will not be stored; it goes on all the same.
    fn give_up(&mut self) {
        if let Some(plan) = self.plan.take() {
            plan.abandon();
            self.relay.forget();
        }
    }

    /// The body broke off: nothing is stored, and who reads it is told.
    fn fail(&mut self) {
        self.plan = None;
        self.end = Err(LeaderFailed);
        self.relay.end(self.end);
    }

    /// The end of the body; stores it if it is as long as it must be.
    fn complete(&mut self) {
        let Some(plan) = self.plan.take() else {
            return;
        };
        let whole = self.expected.is_none_or(|expected| expected == self.copied);
        if whole {
            self.end = Ok(());
        }
        // The relay has the last frame by the time the expected length is reached, or no
        // frame is to come.
        match self.relay.data() {
            Some(data) if whole => drop(plan.store(&data)),
            _ => plan.abandon(),
        }
    }
}

impl<B> Drop for Fill<B> {
    /// Dropped half way: whoever still reads learns that no more will come.
    fn drop(&mut self) {
        self.relay.end(self.end);
    }
}

/// Where a fill stands: with the leader's own body, or with a task of its own since somebody
/// else reads it too.
pub(crate) struct Source<B> {
    state: Mutex<State<B>>,
    relay: Arc<Relay>,
}

struct State<B> {
    fill: Option<Fill<B>>,
    /// The leader's place among the readers, once a task has taken over.
    reader: Option<Reader>,
    leader: Option<Waker>,
}

/// Lets a task drive the body, so that no reader waits for the leader's client.
pub(crate) trait TakeOver: Send + Sync {
    fn take_over(&self);
}

impl<B> Source<B>
where
    B: Body<Data: Buf> + Send + 'static,
{
    pub(crate) fn new(fill: Fill<B>) -> Arc<Self> {
        Arc::new(Self {
            relay: fill.relay.clone(),
            state: Mutex::new(State {
                fill: Some(fill),
                reader: None,
                leader: None,
            }),
        })
    }

    /// The leader's next frame, if the body is still the leader's to drive.
    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Driven<B::Error>> {
        let mut state = lock(&self.state);
        let Some(fill) = &mut state.fill else {
            return Poll::Ready(Driven::Elsewhere(state.reader.take()));
        };
        match fill.poll_frame(cx) {
            Poll::Pending => {
                state.leader = Some(cx.waker().clone());
                Poll::Pending
            }
            Poll::Ready(frame) => Poll::Ready(Driven::Here(frame)),
        }
    }

    /// What the body says of its size and end, while it is the leader's to drive.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&B) -> T) -> Option<T> {
        let state = lock(&self.state);
        state.fill.as_ref().map(|fill| ask(&fill.body))
    }
}

impl<B> Source<B> {
    /// Publishes, and keeps the flight open until the body is complete. Under the lock, so
    /// that no follower takes the body away in between.
    pub(crate) fn land(&self, publish: impl FnOnce() -> Landing<Shown>) {
        let mut state = lock(&self.state);
        let landing = publish();
        if let Some(plan) = state.fill.as_mut().and_then(|fill| fill.plan.as_mut()) {
            plan.landing = Some(landing);
        }
    }

    /// The leader's client has gone.
    pub(crate) fn leave(&self) {
        let (fill, reader) = {
            let mut state = lock(&self.state);
            (state.fill.take(), state.reader.take())
        };
        drop((fill, reader));
    }
}

/// Who drives a body.
pub(crate) enum Driven<E> {
    Here(Option<Result<Piece, E>>),
    /// A task; the leader reads like everybody else.
    Elsewhere(Option<Reader>),
}

impl<B> TakeOver for Source<B>
where
    B: Body<Data: Buf> + Send + 'static,
{
    fn take_over(&self) {
        let mut state = lock(&self.state);
        let Some(fill) = state.fill.take() else {
            return;
        };
        state.reader = Some(self.relay.reader_from_here());
        let leader = state.leader.take();
        drop(state);
        tokio::spawn(drive(fill));
        if let Some(leader) = leader {
            leader.wake();
        }
    }
}

/// Drives a body to its end, or until nobody wants it.
async fn drive<B>(mut fill: Fill<B>)
where
    B: Body<Data: Buf> + Send + 'static,
{
    let relay = fill.relay.clone();
    let mut unread = Unread::default();
    while let Some(limit) = unread.left(&relay) {
        tokio::task::coop::consume_budget().await;
        let room = std::future::poll_fn(|cx| relay.poll_room(cx));
        match tokio::time::timeout(STALL, room).await {
            Ok(Room::Yes) => {}
            Ok(Room::Unwanted) => return,
            Err(_) => {
                relay.cut_slowest();
                continue;
            }
        }
        let frame = std::future::poll_fn(|cx| fill.poll_frame(cx));
        match tokio::time::timeout(limit, frame).await {
            Ok(Some(Ok(_))) => {}
            Ok(_) => return,
            Err(_) => fill.close(),
        }
    }
}

/// For how long nobody has read a body.
#[derive(Default)]
struct Unread {
    since: Option<Instant>,
}

impl Unread {
    /// For how long to wait for the next frame; `None`: it was unread for too long.
    fn left(&mut self, relay: &Relay) -> Option<Duration> {
        if relay.is_read() {
            self.since = None;
            return Some(IDLE);
        }
        let since = *self.since.get_or_insert_with(instant);
        IDLE.checked_sub(since.elapsed())
            .filter(|left| !left.is_zero())
    }
}
