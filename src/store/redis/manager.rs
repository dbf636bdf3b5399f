//! Connections as bb8 manages them.
//!
//! The stock manager hides timeouts and never reports a broken connection. This one uses the
//! configured timeouts, and learns of a break from the client's own push, so that checking a
//! connection costs no round trip.

use super::link::Link;
use ::redis::aio::MultiplexedConnection;
use ::redis::{ErrorKind, PushInfo, PushKind, RedisError, ServerErrorKind, Value};
use bb8_redis::bb8::ManageConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

#[derive(Debug)]
pub(super) struct Manager {
    link: Arc<Link>,
    /// Told when a connection breaks.
    broke: Arc<Notify>,
}

/// One multiplexed connection and whether it still stands.
pub(super) struct Connection {
    pub(super) handle: MultiplexedConnection,
    broken: Arc<AtomicBool>,
}

impl Connection {
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(super) fn give_up(&self) {
        self.broken.store(true, Ordering::Release);
    }
}

impl Manager {
    pub(super) fn new(link: Arc<Link>, broke: Arc<Notify>) -> Self {
        Self { link, broke }
    }

    /// A connection to a master, whose pushes are heard.
    pub(super) async fn listen(
        &self,
        hear: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, RedisError> {
        let mut handle = self.link.listen(hear).await?;
        match is_replica(&mut handle).await {
            true => Err((ErrorKind::Server(ServerErrorKind::MasterDown), "a replica").into()),
            false => Ok(handle),
        }
    }
}

/// A replica may not have heard of a purge that its master took: it is as good as no server. One
/// that may not be asked is taken for a master.
async fn is_replica(handle: &mut MultiplexedConnection) -> bool {
    let role = ::redis::cmd("ROLE").query_async(handle).await;
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

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = RedisError;

    async fn connect(&self) -> Result<Connection, RedisError> {
        let broken = Arc::new(AtomicBool::new(false));
        let (flag, broke) = (broken.clone(), self.broke.clone());
        let handle = self.listen(move |push| {
            if push.kind == PushKind::Disconnection {
                flag.store(true, Ordering::Release);
                broke.notify_one();
            }
        });
        Ok(Connection {
            handle: handle.await?,
            broken,
        })
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), RedisError> {
        match connection.is_broken() {
            true => Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()),
            false => Ok(()),
        }
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.is_broken()
    }
}
