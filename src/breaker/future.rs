//! [`ResponseFuture`].

use super::circuit::Permit;
use super::layer::Classify;
use super::service::BreakerError;
use crate::clock::instant;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The answer of a [`Breaker`](super::Breaker). Dropped early, or after a panic in the
    /// service, it gives its permit back and counts nothing.
    pub(crate) struct ResponseFuture<F, C> {
        #[pin]
        kind: Kind<F, C>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F, C> {
        Rejected,
        Called {
            #[pin]
            future: F,
            permit: Option<Permit>,
            classify: C,
        },
    }
}

impl<F, C> ResponseFuture<F, C> {
    pub(super) fn rejected() -> Self {
        Self {
            kind: Kind::Rejected,
        }
    }

    pub(super) fn called(future: F, permit: Permit, classify: C) -> Self {
        Self {
            kind: Kind::Called {
                future,
                permit: Some(permit),
                classify,
            },
        }
    }
}

impl<F, C, T, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, BreakerError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Rejected => Poll::Ready(Err(BreakerError::Open)),
            KindProj::Called {
                future,
                permit,
                classify,
            } => {
                let result = ready!(future.poll(cx));
                if let Some(permit) = permit.take() {
                    permit.done(classify.is_failure(&result), instant());
                }
                Poll::Ready(result.map_err(BreakerError::Inner))
            }
        }
    }
}
