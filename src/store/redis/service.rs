//! Redis as a tower service, a circuit breaker in front of it.

use super::fault::{Replies, is_failure};
use super::handle::At;
use super::slots::Slots;
use crate::breaker::{Breaker, BreakerError, BreakerLayer, Circuit};
use crate::error::Fault;
use crate::observe::Observer;
use crate::sync::lock;
use ::redis::{Pipeline, Value};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinSet;
use tower::Service;
use tower_layer::Layer;

/// Operations driven on at once after nobody waits for them any more: enough for the breaker
/// to learn how they end.
const ABANDONED: usize = 64;

type Operation = Pin<Box<dyn Future<Output = Replies> + Send>>;
type Classify = fn(&Replies) -> bool;

/// One pipeline is one operation; it ends within the socket timeout, whatever part of it hangs.
#[derive(Clone)]
pub(super) struct RedisService {
    slots: Arc<Slots>,
    timeout: Duration,
    observer: Arc<Observer>,
}

/// Commands, and where they go.
#[derive(Clone)]
pub(super) struct Request {
    pipe: Arc<Pipeline>,
    at: At,
}

impl Service<Request> for RedisService {
    type Response = Vec<Value>;
    type Error = Fault;
    type Future = Operation;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Operation {
        let Self {
            slots,
            timeout,
            observer,
        } = self.clone();
        Box::pin(async move {
            let mut used = None;
            let operation = async {
                let held = used.insert(slots.connection().await?);
                held.handle.clone().send(&request.pipe, &request.at).await
            };
            let ended = tokio::time::timeout(timeout, operation).await;
            let ended = ended.unwrap_or(Err(Fault::Timeout));
            match (&ended, used) {
                // The server may be well, and the way to it open: nothing else would tell.
                (Err(Fault::Timeout), Some(silent)) => slots.give_up_one(&silent),
                (_, Some(held)) if held.handle.is_behind() => slots.wake_keeper(),
                _ => {}
            }
            // Before the breaker sees it: it may be the reason of what the breaker does.
            ended.inspect_err(|fault| observer.failed(*fault))
        })
    }
}

fn counts(replies: &Replies) -> bool {
    replies.as_ref().is_err_and(|fault| is_failure(*fault))
}

/// The way to Redis.
pub(super) struct Client {
    service: Breaker<RedisService, Classify>,
    abandoned: Arc<Mutex<JoinSet<()>>>,
}

impl Client {
    pub(super) fn new(
        slots: Arc<Slots>,
        timeout: Duration,
        circuit: Arc<Circuit>,
        observer: Arc<Observer>,
    ) -> Self {
        let service = RedisService {
            slots,
            timeout,
            observer,
        };
        Self {
            service: BreakerLayer::new(circuit, counts as Classify).layer(service),
            abandoned: Arc::default(),
        }
    }

    pub(super) fn circuit(&self) -> &Arc<Circuit> {
        self.service.circuit()
    }

    /// Sends a pipeline. Dropped half way it is driven on to its end, so that the breaker learns
    /// of it: who waits no longer than a soft limit never sees a timeout.
    pub(super) async fn send(&self, pipe: &Arc<Pipeline>) -> Replies {
        self.send_to(&At::Keys, pipe).await
    }

    /// The same, to one master.
    pub(super) async fn send_to(&self, at: &At, pipe: &Arc<Pipeline>) -> Replies {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Fault::Disconnected);
        }
        let call = self.service.clone().call(Request {
            pipe: pipe.clone(),
            at: at.clone(),
        });
        let operation = async move {
            call.await.map_err(|error| match error {
                BreakerError::Open => Fault::LeftAlone,
                BreakerError::Inner(fault) => fault,
            })
        };
        let driven = Driven {
            operation: Some(Box::pin(operation)),
            abandoned: self.abandoned.clone(),
        };
        driven.await
    }

    /// Ends what nobody waits for.
    pub(super) fn abort(&self) {
        lock(&self.abandoned).abort_all();
    }
}

/// An operation that goes on when it is dropped.
struct Driven {
    operation: Option<Operation>,
    abandoned: Arc<Mutex<JoinSet<()>>>,
}

impl Future for Driven {
    type Output = Replies;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Replies> {
        let Some(operation) = &mut self.operation else {
            return Poll::Pending;
        };
        let ended = std::task::ready!(operation.as_mut().poll(cx));
        self.operation = None;
        Poll::Ready(ended)
    }
}

impl Drop for Driven {
    /// Past the bound, or without a runtime, it is cancelled, and the breaker counts nothing.
    fn drop(&mut self) {
        let Some(operation) = self.operation.take() else {
            return;
        };
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let mut abandoned = lock(&self.abandoned);
        while abandoned.try_join_next().is_some() {}
        if abandoned.len() < ABANDONED {
            abandoned.spawn(async move {
                // Who asked has gone: the breaker alone wants to know.
                let _ = operation.await;
            });
        }
    }
}
