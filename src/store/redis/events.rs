//! Events told to other instances: a channel beside that of purges. Who does not listen when one
//! is told never hears of it.

use super::{Remote, Shared};
use crate::error::Fault;
use ::redis::{Pipeline, Value};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// Called for one event after the other, by the connection itself.
type Hear = Box<dyn Fn(Bytes) + Send + Sync>;

/// The channel of events, and who hears of them.
pub(super) struct Events {
    pub(super) channel: String,
    hears: OnceLock<Hear>,
}

impl Events {
    pub(super) fn new(channel: String) -> Self {
        let hears = OnceLock::new();
        Self { channel, hears }
    }

    pub(super) fn is_channel(&self, name: Option<&Value>) -> bool {
        matches!(name, Some(Value::BulkString(name)) if name == self.channel.as_bytes())
    }

    pub(super) fn hear(&self, told: Bytes) {
        if let Some(hear) = self.hears.get() {
            hear(told);
        }
    }
}

impl Remote {
    /// Who is told of events from now on; the first stays.
    pub(crate) fn hear_events(&self, hear: impl Fn(Bytes) + Send + Sync + 'static) {
        let _ = self.shared.events.hears.set(Box::new(hear));
    }

    /// Tells all instances of an event, this one too. Not repeated: it might be told twice.
    pub(crate) fn tell(
        &self,
        event: Vec<u8>,
    ) -> impl Future<Output = Result<(), Fault>> + Send + use<> {
        let shared = self.shared.clone();
        async move { shared.tell(&event).await }
    }
}

impl Shared {
    async fn tell(&self, event: &[u8]) -> Result<(), Fault> {
        let mut pipe = Pipeline::with_capacity(1);
        pipe.cmd("PUBLISH").arg(&self.events.channel).arg(event);
        match self.client.send(&Arc::new(pipe)).await?.pop() {
            Some(Value::Int(_)) => Ok(()),
            _ => Err(Fault::Refused),
        }
    }
}
