//! Several servers, asked for the same.

use super::dial::Dial;
use ::redis::aio::MultiplexedConnection;
use ::redis::{ConnectionAddr, RedisResult};
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

/// The first that succeeds of several tries at once, or the error of the last one: no server
/// that hangs is waited for while another answers.
pub(super) async fn first<T: Send + 'static>(
    tries: impl Iterator<Item = impl Future<Output = RedisResult<T>> + Send + 'static>,
) -> RedisResult<T> {
    let mut tries: JoinSet<_> = tries.collect();
    let mut error = std::io::Error::from(std::io::ErrorKind::NotConnected).into();
    while let Some(ended) = tries.join_next().await {
        match ended {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(refused)) => error = refused,
            // Only with its runtime.
            Err(_) => {}
        }
    }
    Err(error)
}
