//! [`CacheService`].

use super::ask::{Begin, Hit, begin};
use super::body::CacheBody;
use super::find::{Answer, answer};
use super::future::ResponseFuture;
use super::layer::Shared;
use super::nested::{Note, leave_note};
use super::reply::{self, Form};
use super::told;
use super::write::write;
use crate::observe::Passed;
use crate::policy::status::name_key;
use bytes::Buf;
use http::{Request, Response};
use hyper::body::Body;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tower::Service;
use tower::util::ServiceExt;

/// A service whose responses are cached. It is always ready: a hit waits for nothing, and a
/// miss waits for its own clone of the handler.
#[derive(Clone)]
pub struct CacheService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> CacheService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for CacheService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Send, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
    ReqB: Body + Send + 'static,
    ResB: Body<Data: Buf> + Send + 'static,
{
    type Response = Response<CacheBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqB, ResB>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let cache = &self.shared.cache.inner;
        match begin(&self.shared, &request) {
            // Taken apart at once: to move what has just been written is to wait for it.
            Begin::Hit(Hit {
                entry,
                tier,
                now,
                head,
                conditional,
                ranged,
            }) => {
                let exception = told(&cache.observer, tier, &entry, now);
                if !(head || conditional || ranged || cache.config.status_key)
                    && exception.is_none()
                {
                    return ResponseFuture::hit(entry, now);
                }
                let form = Form {
                    head,
                    conditional: conditional.then(|| request.headers()),
                    ranged: ranged.then(|| request.headers()),
                };
                let mut response = reply::stored(&entry, now, form, exception);
                if cache.config.status_key {
                    name_key(response.headers_mut(), entry.uri().unwrap_or_default());
                }
                ResponseFuture::ready(Ok(response))
            }
            Begin::Ask(ask) if tokio::runtime::Handle::try_current().is_ok() => {
                cache.start();
                let handler = self.inner.clone();
                let key = cache.config.status_key.then(|| ask.key.uri());
                let answer = answer(self.shared.clone(), handler, request, *ask);
                ResponseFuture::slow(Box::pin(with_key(answer, key)))
            }
            Begin::Bypass => {
                cache.observer.passed(Passed::Rule);
                leave_note(request.extensions_mut(), Note::of(&self.shared.cache));
                pass(&mut self.inner, request)
            }
            Begin::Write(begun) if tokio::runtime::Handle::try_current().is_ok() => {
                cache.observer.passed(Passed::Method);
                let (shared, handler) = (self.shared.clone(), self.inner.clone());
                ResponseFuture::slow(Box::pin(write(shared, handler, request, begun)))
            }
            Begin::Ask(_) | Begin::Write(_) => {
                cache.observer.passed(Passed::Runtime);
                pass(&mut self.inner, request)
            }
            Begin::Pass(why) => {
                cache.observer.passed(why);
                pass(&mut self.inner, request)
            }
        }
    }
}

/// An answer whose `Cache-Status` names the key, if that is wanted.
async fn with_key<B, E>(
    answer: impl Future<Output = Answer<B, E>>,
    key: Option<String>,
) -> Answer<B, E> {
    let mut response = answer.await?;
    if let Some(key) = key {
        name_key(response.headers_mut(), &key);
    }
    Ok(response)
}

/// Calls the handler as if there were no cache. One that is not ready yet is waited for inside
/// the future, which asks again with a waker that is heard; a fresh clone takes its place here,
/// so that no permit it may be given is kept.
fn pass<S, ReqB, ResB>(handler: &mut S, request: Request<ReqB>) -> ResponseFuture<S, ReqB, ResB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Future: Send> + Clone + Send + 'static,
    ReqB: Send + 'static,
    ResB: 'static,
{
    let deaf = &mut Context::from_waker(Waker::noop());
    match handler.poll_ready(deaf) {
        Poll::Ready(Ok(())) => ResponseFuture::pass(handler.call(request)),
        Poll::Ready(Err(error)) => ResponseFuture::ready(Err(error)),
        Poll::Pending => {
            let fresh = handler.clone();
            let waiting = std::mem::replace(handler, fresh);
            ResponseFuture::slow(Box::pin(async move {
                Ok(waiting.oneshot(request).await?.map(CacheBody::pass))
            }))
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for CacheService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
