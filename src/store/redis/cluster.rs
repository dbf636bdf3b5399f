//! A cluster: keys lie on many masters, by their slots.
//!
//! What is sent as one pipeline goes as one for each slot, all at once: none crosses slots. The
//! client follows slots from master to master by itself. The record of purges lies in one slot,
//! the control slot, without which nothing can be judged; a fault of any other slot is one of a
//! part, and leaves the rest in use.

use super::cluster_tls::secure;
use super::dial::Dial;
use super::fault::{Replies, fault, is_failure, replies};
use super::handle::At;
use super::several::first;
use crate::config::{Node, RedisConfig};
use crate::error::Fault;
use ::redis::cluster::ClusterClientBuilder;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{
    MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, Slot, SlotAddr,
};
use ::redis::{
    Arg, Cmd, ConnectionAddr, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value,
    cmd,
};
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often the client sends one request, each time a little later: enough to follow a slot that
/// moves, and no more than an operation may take.
const RETRIES: u32 = 8;

/// Milliseconds between two of these, at least and at most.
const WAITS: (u64, u64) = (10, 250);

/// From one server that knows who has the control slot to the one that has it.
const HOPS: usize = 4;

#[derive(Debug)]
pub(super) struct Cluster {
    nodes: Vec<Node>,
    /// A key of the control slot.
    control: String,
    connect_within: Duration,
    answer_within: Duration,
}

impl Cluster {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the same face as without the feature"
    )]
    pub(super) fn new(nodes: &[Node], config: &RedisConfig, control: &str) -> Option<Self> {
        Some(Self {
            nodes: nodes.to_vec(),
            control: control.to_owned(),
            connect_within: config.socket_connect_timeout,
            answer_within: config.socket_timeout,
        })
    }

    /// Connections to all nodes.
    pub(super) async fn connect(&self, dial: &Dial) -> RedisResult<Nodes> {
        // What is wrong with all of them, the client itself does not tell.
        self.find_master(dial).await?;
        let infos: RedisResult<Vec<_>> = self
            .nodes
            .iter()
            .map(|node| dial.info(dial.address(&node.host, node.port)?))
            .collect();
        let mut builder = ClusterClientBuilder::new(infos?)
            .connection_timeout(self.connect_within)
            .response_timeout(self.answer_within)
            .retries(RETRIES)
            .min_retry_wait(WAITS.0)
            .max_retry_wait(WAITS.1);
        if let Some(tls) = dial.tls() {
            builder = secure(builder, tls)?;
        }
        Ok(Nodes {
            connection: builder.build()?.get_async_connection().await?,
            control: Slot::for_key(&self.control),
            // A little less than the whole operation may take: who is late is to be known.
            limit: self.answer_within / 16 * 15,
            behind: Arc::default(),
        })
    }

    /// The master of the control slot.
    pub(super) async fn master(&self, dial: &Dial) -> RedisResult<ConnectionAddr> {
        let (host, port) = self.find_master(dial).await?;
        dial.address(&host, port)
    }

    async fn find_master(&self, dial: &Dial) -> RedisResult<(String, u16)> {
        let ask = |node: &Node| follow(dial.clone(), node.clone(), self.control.clone());
        first(self.nodes.iter().map(ask)).await
    }
}

/// Asks one server after the other for a key, until one has its slot.
async fn follow(dial: Dial, node: Node, key: String) -> RedisResult<(String, u16)> {
    let mut at = (node.host, node.port);
    for _ in 0..HOPS {
        let mut connection = dial.connect(dial.address(&at.0, at.1)?).await?;
        let mut ask = cmd("TYPE");
        let asked = ask.arg(&key).query_async::<Value>(&mut connection).await;
        match asked {
            Ok(_) => return Ok(at),
            Err(error) => at = moved(&error, &at.0).ok_or(error)?,
        }
    }
    let kind = ErrorKind::Server(ServerErrorKind::ClusterDown);
    Err((kind, "the control slot is on its way").into())
}

/// Where a slot is instead; without a host, where it was asked for.
fn moved(error: &RedisError, asked: &str) -> Option<(String, u16)> {
    if error.kind() != ErrorKind::Server(ServerErrorKind::Moved) {
        return None;
    }
    let (host, port) = error.redirect_node()?.0.rsplit_once(':')?;
    let host = match host.trim_matches(['[', ']']) {
        "" => asked,
        host => host,
    };
    Some((host.to_owned(), port.parse().ok()?))
}

/// Connections to all nodes of a cluster, as one.
#[derive(Clone)]
pub(super) struct Nodes {
    connection: ClusterConnection,
    control: Slot,
    limit: Duration,
    /// A master was silent: another may have taken its place, and nobody would say so.
    behind: Arc<AtomicBool>,
}

/// What goes to one slot, or to one master.
struct Part {
    /// Which commands these are of the whole.
    places: Vec<usize>,
    pipe: Pipeline,
    route: SingleNodeRoutingInfo,
    slot: Option<Slot>,
}

impl Nodes {
    pub(super) async fn send(&self, pipe: &Pipeline, at: &At) -> Replies {
        let parts = match at {
            At::Keys => self.by_slot(pipe),
            At::Master { host, port } => vec![Part {
                places: (0..pipe.len()).collect(),
                pipe: pipe.clone(),
                route: SingleNodeRoutingInfo::ByAddress {
                    host: host.to_string(),
                    port: *port,
                },
                slot: None,
            }],
        };
        let sent = join_all(parts.iter().map(|part| self.send_part(part))).await;
        let mut merged = vec![Value::Nil; pipe.len()];
        let mut away = None;
        for (part, sent) in parts.iter().zip(sent) {
            match sent {
                Ok(values) => {
                    for (place, value) in part.places.iter().zip(values) {
                        merged[*place] = value;
                    }
                }
                Err(fault) if part.slot == Some(self.control) => return Err(fault),
                Err(fault) if is_failure(fault) => {
                    if fault == Fault::Timeout {
                        self.fall_behind();
                    }
                    away = Some(Fault::Partial);
                }
                Err(fault) => away = away.or(Some(fault)),
            }
        }
        away.map_or(Ok(merged), Err)
    }

    pub(super) fn fall_behind(&self) {
        self.behind.store(true, Ordering::Release);
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    async fn send_part(&self, part: &Part) -> Replies {
        let mut connection = self.connection.clone();
        let (pipe, route) = (part.pipe.clone(), part.route.clone());
        let sent = connection.route_pipeline(pipe, 0, part.places.len(), route);
        let sent = tokio::time::timeout(self.limit, sent).await;
        let sent = sent.map_err(|_| Fault::Timeout)?;
        replies(sent.map_err(|error| fault(&error))?)
    }

    fn by_slot(&self, pipe: &Pipeline) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::with_capacity(2);
        for (place, command) in pipe.cmd_iter().enumerate() {
            let slot = key_of(command).map_or(self.control, Slot::for_key);
            let known = parts.iter().position(|part| part.slot == Some(slot));
            let at = known.unwrap_or_else(|| {
                parts.push(Part {
                    places: Vec::new(),
                    pipe: Pipeline::new(),
                    route: SingleNodeRoutingInfo::SpecificNode(Route::with_slot(
                        slot,
                        SlotAddr::Master,
                    )),
                    slot: Some(slot),
                });
                parts.len() - 1
            });
            parts[at].places.push(place);
            parts[at].pipe.add_command(command.clone());
        }
        parts
    }

    pub(super) async fn masters(&self) -> Result<Vec<At>, Fault> {
        let mut connection = self.connection.clone();
        let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let told = connection.route_command(cmd("PING"), all);
        let told = tokio::time::timeout(self.limit, told).await;
        let told = told.map_err(|_| Fault::Partial)?;
        let Ok(Value::Map(told)) = told else {
            return Err(Fault::Partial);
        };
        let read = |(address, _)| {
            let Value::BulkString(address) = address else {
                return None;
            };
            let (host, port) = str::from_utf8(&address).ok()?.rsplit_once(':')?;
            Some(At::Master {
                host: host.trim_matches(['[', ']']).into(),
                port: port.parse().ok()?,
            })
        };
        let masters: Option<Vec<At>> = told.into_iter().map(read).collect();
        masters.ok_or(Fault::Foreign)
    }
}

/// The first key of a command; `None`: it has none.
fn key_of(command: &Cmd) -> Option<&[u8]> {
    let mut args = command.args_iter().map(|arg| match arg {
        Arg::Simple(bytes) => bytes,
        _ => b"",
    });
    match args.next()? {
        b"EVAL" | b"EVALSHA" => args.nth(2),
        b"PUBLISH" | b"SCAN" => None,
        _ => args.next(),
    }
}
