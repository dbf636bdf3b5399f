//! [`CacheBody`]: the body of every response that passes the layer.

use super::fill::{Driven, Source};
use super::relay::{LeaderFailed, Piece, Reader};
use crate::sync::Arc;
use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

type BoxError = Box<dyn Error + Send + Sync>;

pin_project! {
    /// The body of a response that passed a [`CacheLayer`](crate::CacheLayer): stored bytes,
    /// the handler's own body, or one that several requests share.
    pub struct CacheBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        /// Stored bytes, given out once.
        Full { data: Option<Bytes> },
        /// The handler's, untouched.
        Pass { #[pin] body: B },
        /// The handler's, copied as it passes. Boxed, so that a hit need not carry its size.
        Lead { lead: Box<Lead<B>> },
        /// Somebody else's fetch.
        Follow { follow: Box<Follow> },
    }
}

struct Lead<B> {
    source: Arc<Source<B>>,
    reader: Option<Follow>,
    /// Bytes still to come, where the body said how many there are.
    left: Option<u64>,
}

impl<B> Drop for Lead<B> {
    fn drop(&mut self) {
        self.source.leave();
    }
}

struct Follow {
    reader: Reader,
    left: Option<u64>,
}

impl<B> CacheBody<B> {
    pub(crate) fn full(data: Bytes) -> Self {
        let data = Some(data).filter(|data| !data.is_empty());
        Self {
            kind: Kind::Full { data },
        }
    }

    pub(crate) fn empty() -> Self {
        Self {
            kind: Kind::Full { data: None },
        }
    }

    pub(crate) fn pass(body: B) -> Self {
        Self {
            kind: Kind::Pass { body },
        }
    }

    pub(crate) fn lead(source: Arc<Source<B>>, left: Option<u64>) -> Self {
        let lead = Box::new(Lead {
            source,
            reader: None,
            left,
        });
        Self {
            kind: Kind::Lead { lead },
        }
    }

    pub(crate) fn follow(reader: Reader, left: Option<u64>) -> Self {
        let follow = Box::new(Follow { reader, left });
        Self {
            kind: Kind::Follow { follow },
        }
    }
}

/// Empty. Layers that answer by themselves (CORS, timeouts) make the body of what they wrap.
impl<B> Default for CacheBody<B> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<B> CacheBody<B>
where
    B: Body<Data: Buf> + Send + 'static,
{
    /// Drives what may be stored to its end, as if somebody read it; false: it goes on.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let (Kind::Lead { lead }, mut more) = (&mut self.kind, true) else {
            return Poll::Ready(true);
        };
        if let Some(follow) = &mut lead.reader {
            more = matches!(ready!(follow.reader.poll_next(cx)), Some(Ok(_)));
        } else {
            match ready!(lead.source.poll_frame(cx)) {
                Driven::Here(frame) => more = matches!(frame, Some(Ok(_))),
                Driven::Elsewhere(None) => more = false,
                Driven::Elsewhere(Some(reader)) => {
                    lead.reader = Some(Follow { reader, left: None });
                }
            }
        }
        Poll::Ready(!more)
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl Follow {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled {
        let piece = ready!(self.reader.poll_next(cx));
        Poll::Ready(piece.map(|piece| match piece {
            Ok(piece) => Ok(frame(piece, &mut self.left)),
            Err(failed) => Err(failed.into()),
        }))
    }
}

impl<B> Lead<B>
where
    B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled {
        loop {
            if let Some(follow) = &mut self.reader {
                return follow.poll_frame(cx);
            }
            match ready!(self.source.poll_frame(cx)) {
                Driven::Here(None) | Driven::Elsewhere(None) => return Poll::Ready(None),
                Driven::Here(Some(Ok(piece))) => {
                    return Poll::Ready(Some(Ok(frame(piece, &mut self.left))));
                }
                Driven::Here(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(BodyError::of_handler(error))));
                }
                Driven::Elsewhere(Some(reader)) => {
                    let left = self.left;
                    self.reader = Some(Follow { reader, left });
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.reader {
            Some(follow) => follow.reader.is_at_end(),
            None => self
                .source
                .ask(Body::is_end_stream)
                .unwrap_or(self.left == Some(0)),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let known = || {
            self.left
                .map_or_else(SizeHint::default, SizeHint::with_exact)
        };
        match &self.reader {
            Some(follow) => follow
                .left
                .map_or_else(SizeHint::default, SizeHint::with_exact),
            None => self.source.ask(Body::size_hint).unwrap_or_else(known),
        }
    }
}

fn frame(piece: Piece, left: &mut Option<u64>) -> Frame<Bytes> {
    match piece {
        Piece::Data(data) => {
            *left = left.map(|left| left.saturating_sub(data.len() as u64));
            Frame::data(data)
        }
        Piece::Trailers(trailers) => Frame::trailers(*trailers),
    }
}

impl<B> Body for CacheBody<B>
where
    B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match self.project().kind.project() {
            KindProj::Full { data } => Poll::Ready(data.take().map(|data| Ok(Frame::data(data)))),
            KindProj::Pass { body } => {
                let frame = ready!(body.poll_frame(cx));
                Poll::Ready(frame.map(|frame| match frame {
                    Ok(frame) => {
                        Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                    }
                    Err(error) => Err(BodyError::of_handler(error)),
                }))
            }
            KindProj::Lead { lead } => lead.poll_frame(cx),
            KindProj::Follow { follow } => follow.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full { data } => data.is_none(),
            Kind::Pass { body } => body.is_end_stream(),
            Kind::Lead { lead } => lead.is_end_stream(),
            Kind::Follow { follow } => follow.reader.is_at_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full { data } => SizeHint::with_exact(data.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Pass { body } => body.size_hint(),
            Kind::Lead { lead } => lead.size_hint(),
            Kind::Follow { follow } => follow
                .left
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl<B> fmt::Debug for CacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            Kind::Full { .. } => "CacheBody(stored)",
            Kind::Pass { .. } => "CacheBody(passed)",
            Kind::Lead { .. } => "CacheBody(leading)",
            Kind::Follow { .. } => "CacheBody(following)",
        })
    }
}

/// A body broke off: the handler's own error is the source; without one, the request whose
/// fetch this one shared has failed.
#[derive(Debug)]
pub struct BodyError {
    source: Option<BoxError>,
}

impl BodyError {
    fn of_handler(error: impl Into<BoxError>) -> Self {
        Self {
            source: Some(error.into()),
        }
    }
}

impl From<LeaderFailed> for BodyError {
    fn from(_: LeaderFailed) -> Self {
        Self { source: None }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Some(_) => "the response body failed",
            None => "the fetch that this response shared failed",
        })
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
