//! Several servers, asked for the same.

use super::dial::Dial;
use super::fault::fault;
use crate::error::Fault;
use ::redis::aio::MultiplexedConnection;
use ::redis::{ConnectionAddr, RedisError, RedisResult};
use tokio::task::JoinSet;

impl Dial {
    /// A connection to ask a server by.
    pub(super) async fn connect(
        &self,
        address: ConnectionAddr,
    ) -> RedisResult<MultiplexedConnection> {
        self.connect_with(address, &self.config).await
    }
}

/// The first that succeeds of several tries at once: no server that hangs is waited for while
/// another answers. Else the error of the last one, unless settings can mend that of another: it
/// says more than that one is away.
pub(super) async fn first<T: Send + 'static>(
    tries: impl Iterator<Item = impl Future<Output = RedisResult<T>> + Send + 'static>,
) -> RedisResult<T> {
    let mut tries: JoinSet<_> = tries.collect();
    let mut error = std::io::Error::from(std::io::ErrorKind::NotConnected).into();
    let is_refusal =
        |error: &RedisError| matches!(fault(error), Fault::Denied | Fault::Forbidden | Fault::Tls);
    while let Some(ended) = tries.join_next().await {
        match ended {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(other)) if is_refusal(&other) || !is_refusal(&error) => error = other,
            // A try is cancelled only with its runtime.
            Ok(Err(_)) | Err(_) => {}
        }
    }
    Err(error)
}
