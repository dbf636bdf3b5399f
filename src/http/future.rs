//! [`ResponseFuture`].

use super::body::CacheBody;
use super::reply::fresh;
use crate::clock::Timestamp;
use crate::entry::Entry;
use bytes::Buf;
use http::{Request, Response};
use hyper::body::Body;
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower::Service;

type Slow<ResB, E> = Pin<Box<dyn Future<Output = Result<Response<CacheBody<ResB>>, E>> + Send>>;

pin_project! {
    /// The answer of a [`CacheService`](crate::CacheService).
    pub struct ResponseFuture<S, ReqB, ResB>
    where
        S: Service<Request<ReqB>>,
    {
        #[pin]
        kind: Kind<S, ReqB, ResB>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<S, ReqB, ResB>
    where
        S: Service<Request<ReqB>>,
    {
        /// A hit of the local tier, to be answered whole, as it was at the time of the call.
        Hit { entry: Option<Arc<Entry>>, now: Timestamp },
        /// Another answer that is known at once, or the error of a handler that is not ready.
        Ready { answer: Option<Result<Response<CacheBody<ResB>>, S::Error>> },
        /// Not for this layer.
        Pass { #[pin] future: S::Future },
        /// Waits for Redis, another request or the handler's readiness.
        Slow { future: Slow<ResB, S::Error> },
    }
}

impl<S, ReqB, ResB> ResponseFuture<S, ReqB, ResB>
where
    S: Service<Request<ReqB>>,
{
    /// The answer is made where it is asked for, and so moved less.
    #[inline]
    pub(super) fn hit(entry: Arc<Entry>, now: Timestamp) -> Self {
        let entry = Some(entry);
        Self {
            kind: Kind::Hit { entry, now },
        }
    }

    pub(super) fn ready(answer: Result<Response<CacheBody<ResB>>, S::Error>) -> Self {
        let answer = Some(answer);
        Self {
            kind: Kind::Ready { answer },
        }
    }

    #[inline]
    pub(super) fn pass(future: S::Future) -> Self {
        Self {
            kind: Kind::Pass { future },
        }
    }

    pub(super) fn slow(future: Slow<ResB, S::Error>) -> Self {
        Self {
            kind: Kind::Slow { future },
        }
    }
}

impl<S, ReqB, ResB> Future for ResponseFuture<S, ReqB, ResB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data: Buf>,
{
    type Output = Result<Response<CacheBody<ResB>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Hit { entry, now } => match entry.take() {
                Some(entry) => Poll::Ready(Ok(fresh(&entry, *now))),
                None => Poll::Pending,
            },
            KindProj::Ready { answer } => match answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            },
            KindProj::Pass { future } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(response.map(CacheBody::pass)))
            }
            KindProj::Slow { future } => future.as_mut().poll(cx),
        }
    }
}

impl<S, ReqB, ResB> fmt::Debug for ResponseFuture<S, ReqB, ResB>
where
    S: Service<Request<ReqB>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
