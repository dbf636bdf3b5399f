//! [`Breaker`] and [`BreakerError`].

use super::circuit::Circuit;
use super::future::ResponseFuture;
use super::layer::Classify;
use crate::clock::instant;
use crate::sync::Arc;
use std::error::Error;
use std::fmt;
use std::task::{Context, Poll};
use tower::Service;

/// A service that is not called while its circuit is open. Clones share the circuit.
#[derive(Clone)]
pub(crate) struct Breaker<S, C> {
    inner: S,
    circuit: Arc<Circuit>,
    classify: C,
}

impl<S, C> Breaker<S, C> {
    /// Puts `circuit` before `inner`; `classify` says what a failure is.
    pub(crate) fn new(inner: S, circuit: Arc<Circuit>, classify: C) -> Self {
        Self {
            inner,
            circuit,
            classify,
        }
    }

    /// What decides over the calls.
    pub(crate) fn circuit(&self) -> &Arc<Circuit> {
        &self.circuit
    }
}

impl<S, C, R> Service<R> for Breaker<S, C>
where
    S: Service<R>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = BreakerError<S::Error>;
    type Future = ResponseFuture<S::Future, C>;

    /// The readiness of the inner service; its error is no call's result and is not counted.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(BreakerError::Inner)
    }

    // The permit is taken here and not in `poll_ready`, or a ready service that is never
    // called would keep the only trial from all others.
    fn call(&mut self, request: R) -> Self::Future {
        match self.circuit.acquire(instant()) {
            Ok(permit) => {
                let future = self.inner.call(request);
                ResponseFuture::called(future, permit, self.classify.clone())
            }
            Err(_) => ResponseFuture::rejected(),
        }
    }
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreakerError<E> {
    /// The circuit is open; the service was not called.
    Open,
    /// The service failed.
    Inner(E),
}

impl<E> fmt::Display for BreakerError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "the circuit breaker is open",
            Self::Inner(_) => "the service behind the circuit breaker failed",
        })
    }
}

impl<E: Error + 'static> Error for BreakerError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Open => None,
            Self::Inner(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BreakerLayer, Settings, State};
    use super::*;
    use futures_util::FutureExt;
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::sync::{mpsc, oneshot};
    use tokio::time::advance;
    use tower::util::ServiceExt;
    use tower::{ServiceBuilder, service_fn};

    const OPEN_FOR: Duration = Duration::from_secs(10);

    type Answer = Result<u8, &'static str>;

    fn circuit(threshold: u32) -> Arc<Circuit> {
        let settings = Settings {
            threshold: threshold.try_into().ok(),
            open_for: OPEN_FOR,
        };
        Circuit::new(settings, instant(), |_| ())
    }

    fn any_error(result: &Answer) -> bool {
        result.is_err()
    }

    /// Answers with what it is asked for, and counts.
    fn echo(
        circuit: &Arc<Circuit>,
        calls: &Arc<AtomicUsize>,
    ) -> impl Service<Answer, Response = u8, Error = BreakerError<&'static str>> + Clone {
        let calls = calls.clone();
        ServiceBuilder::new()
            .layer(BreakerLayer::new(circuit.clone(), any_error))
            .service(service_fn(move |answer: Answer| {
                calls.fetch_add(1, Ordering::SeqCst);
                std::future::ready(answer)
            }))
    }

    #[tokio::test(start_paused = true)]
    async fn the_sixth_call_after_five_failures_is_rejected_without_a_call() {
        let (circuit, calls) = (circuit(5), Arc::default());
        let service = echo(&circuit, &calls);
        for _ in 0..5 {
            let failed = service.clone().oneshot(Err("down")).await;
            assert_eq!(failed, Err(BreakerError::Inner("down")));
        }
        let rejected = service.clone().oneshot(Ok(1)).await;
        assert_eq!(rejected, Err(BreakerError::Open));
        assert_eq!(calls.load(Ordering::SeqCst), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_succeeds_lets_all_clones_call_again() {
        let (circuit, calls) = (circuit(1), Arc::default());
        let service = echo(&circuit, &calls);
        assert!(service.clone().oneshot(Err("down")).await.is_err());
        advance(OPEN_FOR).await;
        assert_eq!(service.clone().oneshot(Ok(1)).await, Ok(1));
        assert_eq!(service.clone().oneshot(Ok(2)).await, Ok(2));
        assert_eq!(circuit.state(), (State::Closed, instant()));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_classified_as_failure_counts() {
        let circuit = circuit(1);
        let is_bad = |result: &Answer| matches!(result, Ok(0) | Err("down"));
        let inner = service_fn(|answer: Answer| std::future::ready(answer));
        let service = Breaker::new(inner, circuit.clone(), is_bad);
        for fine in [Ok(1), Err("refused")] {
            let _ = service.clone().oneshot(fine).await;
            assert_eq!(circuit.state().0, State::Closed, "{fine:?}");
        }
        assert_eq!(service.clone().oneshot(Ok(0)).await, Ok(0));
        assert_eq!(circuit.state().0, State::Open);
    }

    /// A service whose answers come from outside, one channel a call.
    fn answered_by_hand() -> (
        mpsc::UnboundedReceiver<oneshot::Sender<Answer>>,
        impl Service<(), Response = u8, Error = &'static str, Future: Send> + Clone,
    ) {
        let (tx, rx) = mpsc::unbounded_channel();
        let service = service_fn(move |()| {
            let (answer, asked) = oneshot::channel();
            tx.send(answer).unwrap();
            async move { asked.await.unwrap() }
        });
        (rx, service)
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_trial_gives_its_place_to_the_next_call() {
        let circuit = circuit(1);
        let (mut asked, inner) = answered_by_hand();
        let mut service = Breaker::new(inner, circuit.clone(), any_error);
        circuit.acquire(instant()).unwrap().done(true, instant());
        advance(OPEN_FOR).await;

        let trial = service.call(());
        let beside = service.call(()).now_or_never();
        assert_eq!(beside, Some(Err(BreakerError::Open)));
        drop(trial);
        let next = service.call(());
        asked.try_recv().unwrap();
        asked.try_recv().unwrap().send(Ok(1)).unwrap();
        assert_eq!(next.now_or_never(), Some(Ok(1)));
        assert_eq!(circuit.state().0, State::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_comes_after_the_circuit_closed_again_counts_nothing() {
        let circuit = circuit(1);
        let (mut asked, inner) = answered_by_hand();
        let mut service = Breaker::new(inner, circuit.clone(), any_error);
        let late = service.call(());
        circuit.acquire(instant()).unwrap().done(true, instant());
        advance(OPEN_FOR).await;
        circuit.acquire(instant()).unwrap().done(false, instant());

        asked.try_recv().unwrap().send(Err("down")).unwrap();
        assert_eq!(late.await, Err(BreakerError::Inner("down")));
        assert_eq!(circuit.state().0, State::Closed);
    }

    /// Never ready, or ready with an error.
    #[derive(Clone)]
    struct Unready(Poll<Result<(), &'static str>>);

    impl Service<()> for Unready {
        type Response = u8;
        type Error = &'static str;
        type Future = std::future::Ready<Answer>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            self.0
        }

        fn call(&mut self, (): ()) -> Self::Future {
            panic!("it is not ready");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn readiness_is_the_inner_one_and_its_error_is_not_counted() {
        let circuit = circuit(1);
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        let mut waits = Breaker::new(Unready(Poll::Pending), circuit.clone(), any_error);
        assert_eq!(waits.poll_ready(cx), Poll::Pending);
        let mut fails = Breaker::new(Unready(Poll::Ready(Err("gone"))), circuit, any_error);
        let gone = Err(BreakerError::Inner("gone"));
        assert_eq!(fails.poll_ready(cx), Poll::Ready(gone));
        assert_eq!(fails.circuit().state().0, State::Closed);
    }

    #[test]
    fn the_error_keeps_its_source() {
        let inner = BreakerError::Inner(io::Error::from(io::ErrorKind::TimedOut));
        let source = inner.source().and_then(|e| e.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::TimedOut));
        assert!(BreakerError::<io::Error>::Open.source().is_none());
    }
}
