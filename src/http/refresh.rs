//! Fetching anew in the background what was answered stale (RFC 5861 §3).

use super::ask::Ask;
use super::everywhere;
use super::fetch::Fetch;
use super::find::Turn;
use super::layer::Shared;
use crate::sync::lock;
use crate::taint::Taint;
use bytes::Buf;
use http::{Request, Response};
use hyper::body::Body;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tower::Service;

/// Refreshes at once; past it stale answers are given without one.
const MOST: usize = 1024;

/// How long a handler has for its head, and for each frame of its body: nobody waits for it who
/// could give up.
pub(crate) const WITHIN: Duration = Duration::from_mins(1);

/// The refreshes under way.
#[derive(Default)]
pub(crate) struct Refreshes {
    tasks: Mutex<JoinSet<()>>,
}

impl Refreshes {
    pub(crate) fn len(&self) -> usize {
        let mut tasks = lock(&self.tasks);
        forget_ended(&mut tasks);
        tasks.len()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.len() < MOST
    }

    /// Starts one; it is driven to its end, whatever becomes of the request it was made from.
    pub(crate) fn spawn(&self, refresh: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        // Each would be kept with all that it was made of.
        forget_ended(&mut tasks);
        tasks.spawn(refresh);
    }

    /// Ends them all.
    pub(crate) fn abort(&self) {
        lock(&self.tasks).abort_all();
    }

    /// Ends them all, and waits for their end.
    pub(crate) async fn shutdown(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
    }
}

fn forget_ended(tasks: &mut JoinSet<()>) {
    while tasks.try_join_next().is_some() {}
}

/// Fetches once for all: the original request, its conditions left out, to the end of the body.
/// One that takes too long is dropped, and hands its flight over.
pub(super) async fn refresh<S, ReqB, ResB>(
    shared: Arc<Shared>,
    handler: S,
    request: Request<ReqB>,
    ask: Ask,
    mut turn: Turn,
) where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Send>,
    ResB: Body<Data: Buf> + Send + 'static,
{
    if !everywhere::refreshes(&shared.cache.inner, &ask, &mut turn).await {
        // It will be found by the next lookup.
        if let Some(lead) = turn.lead.take() {
            lead.release();
        }
        return;
    }
    let fetch = Fetch {
        shared: &shared,
        ask: &ask,
        turn,
        background: true,
        taint: Taint::default(),
    };
    let answer = tokio::time::timeout(WITHIN, fetch.run(handler, request)).await;
    // A failure leaves the stale entry where it is.
    let Ok(Ok(response)) = answer else {
        return;
    };
    let mut body = response.into_body();
    loop {
        let end = std::future::poll_fn(|cx| body.poll_end(cx));
        let Ok(false) = tokio::time::timeout(WITHIN, end).await else {
            return;
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn none_that_has_ended_is_kept_beside_the_next() {
        let refreshes = Refreshes::default();
        for _ in 0..100 {
            let (ended, end) = tokio::sync::oneshot::channel::<()>();
            refreshes.spawn(async move { drop(ended) });
            assert!(end.await.is_err());
        }
        assert!(lock(&refreshes.tasks).len() <= 2);
    }
}
