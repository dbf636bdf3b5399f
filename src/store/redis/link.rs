//! The way to Redis: one server, the one that sentinels name, or a cluster.

use super::cluster::Cluster;
use super::dial::Dial;
use super::handle::Handle;
use super::sentinel::Sentinel;
use crate::config::{RedisConfig, Topology};
use ::redis::aio::MultiplexedConnection;
use ::redis::{ConnectionAddr, ErrorKind, PushInfo, RedisResult, ServerErrorKind, Value};
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
    Sentinel(Box<Sentinel>),
    Cluster(Cluster),
}

impl Link {
    /// `control` is the key of the record of purges. `None`: a feature that is needed is off.
    pub(super) fn new(config: &RedisConfig, control: &str) -> Option<Self> {
        let dial = Dial::new(config)?;
        let way = match &config.topology {
            Topology::Server => Way::Server {
                host: config.host.clone(),
                port: config.port,
            },
            Topology::Socket(path) => Way::Socket(path.clone()),
            Topology::Sentinel(known) => {
                Way::Sentinel(Box::new(Sentinel::new(known, dial.for_sentinels(config))?))
            }
            Topology::Cluster(nodes) => Way::Cluster(Cluster::new(nodes, config, control)?),
        };
        Some(Self { dial, way })
    }

    /// Whether what is connected to finds a new master by itself.
    pub(super) fn follows_masters(&self) -> bool {
        matches!(self.way, Way::Cluster(_))
    }

    /// What commands are sent by; `hear` is told what is pushed, except in a cluster.
    pub(super) async fn connect(
        &self,
        hear: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<Handle> {
        match &self.way {
            Way::Cluster(cluster) => Ok(Handle::Many(cluster.connect(&self.dial).await?)),
            _ => Ok(Handle::One(self.listen(hear).await?.0)),
        }
    }

    /// A connection to the master that takes purges, whose pushes are heard, and where that is.
    pub(super) async fn listen(
        &self,
        hear: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<(MultiplexedConnection, String)> {
        let address = match &self.way {
            Way::Server { host, port } => self.dial.address(host, *port)?,
            Way::Socket(path) => ConnectionAddr::Unix(path.clone()),
            Way::Sentinel(sentinel) => sentinel.master().await?,
            Way::Cluster(cluster) => cluster.master(&self.dial).await?,
        };
        let place = address.to_string();
        let mut connection = self.dial.listen(address, hear).await?;
        match is_replica(&mut connection).await {
            true => Err((ErrorKind::Server(ServerErrorKind::MasterDown), "a replica").into()),
            false => Ok((connection, place)),
        }
    }
}

/// A replica may not have heard of a purge that its master took: it is as good as no server. One
/// that may not be asked is taken for a master.
async fn is_replica(connection: &mut MultiplexedConnection) -> bool {
    let role = ::redis::cmd("ROLE").query_async(connection).await;
    role.is_ok_and(|role| says_replica(&role))
}

pub(super) fn says_replica(role: &Value) -> bool {
    match role {
        Value::Array(parts) => {
            matches!(parts.first(), Some(Value::BulkString(role)) if role != b"master")
        }
        _ => false,
    }
}
