//! What commands are sent by: one connection, or those to all masters of a cluster.

use super::cluster::Nodes;
use super::fault::{Replies, fault, replies};
use crate::error::Fault;
use ::redis::Pipeline;
use ::redis::aio::MultiplexedConnection;
use std::sync::Arc;

#[derive(Clone)]
pub(super) enum Handle {
    One(MultiplexedConnection),
    Many(Nodes),
}

/// Where commands go.
#[cfg_attr(
    not(feature = "cluster"),
    allow(dead_code, reason = "one server is no cluster")
)]
#[derive(Clone, Debug)]
pub(super) enum At {
    /// Where their keys are; without any, where the record of purges is.
    Keys,
    /// To one master of a cluster, wherever their keys are.
    Master { host: Arc<str>, port: u16 },
}

impl Handle {
    pub(super) async fn send(&mut self, pipe: &Pipeline, at: &At) -> Replies {
        match self {
            Self::One(connection) => {
                let sent = connection.send_packed_commands(pipe, 0, pipe.len()).await;
                replies(sent.map_err(|error| fault(&error))?)
            }
            Self::Many(nodes) => nodes.send(pipe, at).await,
        }
    }

    /// Whether another one, made now, may know more of its cluster.
    pub(super) fn is_behind(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Many(nodes) => nodes.is_behind(),
        }
    }

    /// Where to look for all keys there are.
    pub(super) async fn masters(&self) -> Result<Vec<At>, Fault> {
        match self {
            Self::One(_) => Ok(vec![At::Keys]),
            Self::Many(nodes) => nodes.masters().await,
        }
    }
}
