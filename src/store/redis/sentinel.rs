//! The master, as sentinels know it.
//!
//! It is asked for at each connect, of all sentinels at once; the first that knows it is believed.
//! Whether it is a master indeed, the connection to it tells.

use super::dial::Dial;
use super::fault::fault;
use super::several::first;
use crate::config::{Node, Sentinels};
use crate::error::Fault;
use ::redis::{ConnectionAddr, ErrorKind, RedisError, RedisResult, cmd};

#[derive(Debug)]
pub(super) struct Sentinel {
    master: String,
    nodes: Vec<Node>,
    dial: Dial,
}

impl Sentinel {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the same face as without the feature"
    )]
    pub(super) fn new(known: &Sentinels, dial: Dial) -> Option<Self> {
        Some(Self {
            master: known.master.clone(),
            nodes: known.nodes.clone(),
            dial,
        })
    }

    pub(super) async fn master(&self) -> RedisResult<ConnectionAddr> {
        let tries = self
            .nodes
            .iter()
            .map(|node| ask(self.dial.clone(), node.clone(), self.master.clone()));
        let (host, port) = first(tries).await.map_err(at_sentinels)?;
        self.dial.address(&host, port)
    }
}

async fn ask(dial: Dial, sentinel: Node, name: String) -> RedisResult<(String, u16)> {
    let address = dial.address(&sentinel.host, sentinel.port)?;
    let mut connection = dial.connect(address).await?;
    let mut ask = cmd("SENTINEL");
    ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let known: Option<(String, u16)> = ask.query_async(&mut connection).await?;
    known.ok_or_else(|| {
        let kind = ErrorKind::MasterNameNotFoundBySentinel;
        RedisError::from((kind, "no sentinel knows this name"))
    })
}

/// What an error at a sentinel bears as its detail, to be told from one at the master.
const LOGIN: &str = "sentinel_password";

/// Who may not ask sentinels is refused by them, and not by the master.
fn at_sentinels(error: RedisError) -> RedisError {
    match fault(&error) {
        Fault::Denied | Fault::Forbidden => {
            let kind = ErrorKind::AuthenticationFailed;
            RedisError::from((kind, "refused by sentinels", LOGIN.to_owned()))
        }
        _ => error,
    }
}

/// Whether it is the sentinels that refuse.
pub(super) fn is_login(error: &RedisError) -> bool {
    error.detail() == Some(LOGIN)
}
