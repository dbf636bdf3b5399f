//! Connections as bb8 manages them.
//!
//! The stock manager hides timeouts and never reports a broken connection. This one uses the
//! configured timeouts, and learns of a break from the client's own push, so that checking a
//! connection costs no round trip.

use super::handle::Handle;
use super::link::Link;
use ::redis::{PushKind, RedisError};
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

/// What commands are sent by, and whether it still stands.
pub(super) struct Connection {
    pub(super) handle: Handle,
    broken: Arc<AtomicBool>,
}

impl Connection {
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(super) fn give_up(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Its master is no longer the one that takes purges. What leads to all masters is used until
    /// another one stands.
    pub(super) fn leads_astray(&self) {
        match &self.handle {
            Handle::One(_) => self.give_up(),
            Handle::Many(nodes) => nodes.fall_behind(),
        }
    }
}

impl Manager {
    pub(super) fn new(link: Arc<Link>, broke: Arc<Notify>) -> Self {
        Self { link, broke }
    }
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = RedisError;

    async fn connect(&self) -> Result<Connection, RedisError> {
        let broken = Arc::new(AtomicBool::new(false));
        let (flag, broke) = (broken.clone(), self.broke.clone());
        let handle = self.link.connect(move |push| {
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
