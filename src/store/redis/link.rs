//! The way to Redis: one server, or the one that sentinels name.

use super::dial::Dial;
use super::sentinel::Sentinel;
use crate::config::{RedisConfig, Topology};
use ::redis::aio::MultiplexedConnection;
use ::redis::{ConnectionAddr, PushInfo, RedisResult};
use std::path::PathBuf;

#[derive(Debug)]
pub(super) struct Link {
    dial: Dial,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Server { host: String, port: u16 },
    Socket(PathBuf),
    Sentinel(Sentinel),
}

impl Link {
    /// `None`: the feature that it needs is off.
    pub(super) fn new(config: &RedisConfig) -> Option<Self> {
        let dial = Dial::new(config)?;
        let way = match &config.topology {
            Topology::Server => Way::Server {
                host: config.host.clone(),
                port: config.port,
            },
            Topology::Socket(path) => Way::Socket(path.clone()),
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
            Way::Server { host, port } => self.dial.address(host, *port)?,
            Way::Socket(path) => ConnectionAddr::Unix(path.clone()),
            Way::Sentinel(sentinel) => sentinel.master().await?,
        };
        self.dial.listen(address, hear).await
    }
}
