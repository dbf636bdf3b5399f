//! How a connection to any one server is made.

use super::tls::Tls;
use crate::config::RedisConfig;
use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisConnectionInfo, RedisResult,
};
use secrecy::{ExposeSecret, SecretString};

#[derive(Clone, Debug)]
pub(super) struct Dial {
    login: RedisConnectionInfo,
    pub(super) config: AsyncConnectionConfig,
    tls: Option<Tls>,
}

impl Dial {
    /// `None`: the feature that it needs is off.
    pub(super) fn new(config: &RedisConfig) -> Option<Self> {
        let login = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(config.db)
            .set_lib_name("neuralblitz-cache", env!("CARGO_PKG_VERSION"));
        let tls = match config.tls {
            true => Some(Tls::new(config)?),
            false => None,
        };
        Some(Self {
            login: with_login(login, config.username.as_ref(), config.password.as_ref()),
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(config.socket_connect_timeout))
                .set_response_timeout(Some(config.socket_timeout)),
            tls,
        })
    }

    /// The same way to a server with another login, and without a database: a sentinel.
    pub(super) fn for_sentinels(&self, config: &RedisConfig) -> Self {
        let login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2);
        let (user, password) = (&config.sentinel_username, &config.sentinel_password);
        Self {
            login: with_login(login, user.as_ref(), password.as_ref()),
            ..self.clone()
        }
    }

    pub(super) fn address(&self, host: &str, port: u16) -> RedisResult<ConnectionAddr> {
        match &self.tls {
            Some(tls) => tls.address(host, port),
            None => Ok(ConnectionAddr::Tcp(host.to_owned(), port)),
        }
    }

    /// An address and who connects to it.
    pub(super) fn info(&self, address: ConnectionAddr) -> RedisResult<ConnectionInfo> {
        let info = address.into_connection_info()?;
        Ok(info.set_redis_settings(self.login.clone()))
    }

    /// How connections are encrypted; `None`: they are not.
    #[cfg_attr(
        not(feature = "cluster"),
        allow(dead_code, reason = "only a cluster asks")
    )]
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// A connection whose pushes are heard, one after the other, each before the replies behind
    /// it.
    pub(super) async fn listen(
        &self,
        address: ConnectionAddr,
        hear: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<MultiplexedConnection> {
        let config = self.config.clone().set_push_sender(move |push: PushInfo| {
            hear(push);
            Ok::<(), ::redis::aio::SendError>(())
        });
        self.connect_with(address, &config).await
    }

    pub(super) async fn connect_with(
        &self,
        address: ConnectionAddr,
        config: &AsyncConnectionConfig,
    ) -> RedisResult<MultiplexedConnection> {
        let client = Client::open(self.info(address)?)?;
        client
            .get_multiplexed_async_connection_with_config(config)
            .await
    }
}

fn with_login(
    mut login: RedisConnectionInfo,
    name: Option<&String>,
    password: Option<&SecretString>,
) -> RedisConnectionInfo {
    if let Some(name) = name {
        login = login.set_username(name);
    }
    if let Some(password) = password {
        login = login.set_password(password.expose_secret());
    }
    login
}
