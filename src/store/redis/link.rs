//! The way to Redis: one server, or the one that sentinels name.

use super::dial::Dial;
use super::sentinel::Sentinel;
use crate::config::{RedisConfig, Topology};
use ::redis::aio::MultiplexedConnection;
use ::redis::{ConnectionAddr, PushInfo, RedisResult};

#[derive(Debug)]
pub(super) struct Link {
    dial: Dial,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Server(ConnectionAddr),
    Sentinel(Sentinel),
}

impl Link {
    /// `None`: the feature that it needs is off.
    pub(super) fn new(config: &RedisConfig) -> Option<Self> {
        let dial = Dial::new(config);
        let way = match &config.topology {
            Topology::Server => Way::Server(Dial::address(&config.host, config.port)),
            Topology::Socket(path) => Way::Server(ConnectionAddr::Unix(path.clone())),
            Topology::Sentinel(known) => {
                Way::Sentinel(Sentinel::new(known, dial.for_sentinels(config))?)
            }
        };
        Some(Self { dial, way })
    }

    /// A connection to the server that takes purges, and whose pushes are heard.
    pub(super) async fn listen(
        &self,
        hear: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<MultiplexedConnection> {
        let address = match &self.way {
            Way::Server(address) => address.clone(),
            Way::Sentinel(sentinel) => sentinel.master().await?,
        };
        self.dial.listen(address, hear).await
    }
}
