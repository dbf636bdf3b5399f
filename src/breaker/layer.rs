//! [`BreakerLayer`] and [`Classify`].

use super::circuit::Circuit;
use super::service::Breaker;
use crate::sync::Arc;
use tower_layer::Layer;

/// Tells which results speak against the service.
pub(crate) trait Classify<T, E> {
    /// Whether `result` counts as a failure; every other one counts as a success.
    fn is_failure(&self, result: &Result<T, E>) -> bool;
}

impl<F, T, E> Classify<T, E> for F
where
    F: Fn(&Result<T, E>) -> bool,
{
    fn is_failure(&self, result: &Result<T, E>) -> bool {
        self(result)
    }
}

/// Puts one circuit before each service it wraps: they all open and close together.
#[derive(Clone)]
pub(crate) struct BreakerLayer<C> {
    circuit: Arc<Circuit>,
    classify: C,
}

impl<C> BreakerLayer<C> {
    /// A layer over `circuit`; `classify` says what a failure is.
    pub(crate) fn new(circuit: Arc<Circuit>, classify: C) -> Self {
        Self { circuit, classify }
    }
}

impl<S, C: Clone> Layer<S> for BreakerLayer<C> {
    type Service = Breaker<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Breaker::new(inner, self.circuit.clone(), self.classify.clone())
    }
}
