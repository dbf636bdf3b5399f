//! Fetching anew in the background what was answered stale (RFC 5861 §3).

use super::ask::Ask;
use super::fetch::Fetch;
use super::find::Turn;
use super::layer::Shared;
use crate::sync::lock;
use bytes::Buf;
use http::{Request, Response};
use hyper::body::Body;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tower::Service;

/// Refreshes at once; past it stale answers are given without one.
const MOST: usize = 1024;

/// How long a handler has to answer: nobody waits for it who could give up.
const WITHIN: Duration = Duration::from_mins(1);

/// The refreshes under way.
#[derive(Default)]
pub(crate) struct Refreshes {
    tasks: Mutex<JoinSet<()>>,
}

impl Refreshes {
    pub(crate) fn len(&self) -> usize {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.len() < MOST
    }

    /// Starts one; it is driven to its end, whatever becomes of the request it was made from.
    pub(super) fn spawn(&self, refresh: impl Future<Output = ()> + Send + 'static) {
        lock(&self.tasks).spawn(async {
            // One that takes too long is dropped, and hands its flight over.
            let _ = tokio::time::timeout(WITHIN, refresh).await;
        });
    }

    /// Ends them all.
    pub(crate) fn abort(&self) {
        lock(&self.tasks).abort_all();
    }
}

/// Fetches once for all: the original request, its conditions left out; the body is driven to
/// its end by a task of its own.
pub(super) async fn refresh<S, ReqB, ResB>(
    shared: Arc<Shared>,
    handler: S,
    request: Request<ReqB>,
    ask: Ask,
    turn: Turn,
) where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Send>,
    ResB: Body<Data: Buf> + Send + 'static,
{
    let fetch = Fetch {
        shared: &shared,
        ask: &ask,
        turn,
        background: true,
    };
    // Whatever it is, nobody waits for it; a failure leaves the stale entry where it is.
    let _ = fetch.run(handler, request).await;
}
