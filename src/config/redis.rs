//! How Redis is reached.

use super::reach::{Node, Sentinels, Topology};
use secrecy::SecretString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// How Redis is reached: the `REDIS` section of the settings.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) topology: Topology,
    pub(crate) tls: bool,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) client_certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) db: i64,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) sentinel_username: Option<String>,
    pub(crate) sentinel_password: Option<SecretString>,
    pub(crate) max_connections: u32,
    pub(crate) socket_timeout: Duration,
    pub(crate) socket_connect_timeout: Duration,
    pub(crate) retry_on_timeout: bool,
    pub(crate) health_check_interval: Duration,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            host: "redis".into(),
            port: 6379,
            topology: Topology::Server,
            tls: false,
            ca_file: None,
            client_certificate: None,
            db: 0,
            username: None,
            password: None,
            sentinel_username: None,
            sentinel_password: None,
            max_connections: 50,
            socket_timeout: Duration::from_secs(5),
            socket_connect_timeout: Duration::from_secs(5),
            retry_on_timeout: true,
            health_check_interval: Duration::from_secs(30),
        }
    }
}

impl RedisConfig {
    /// Host `redis`, port 6379, database 0, no password.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The server's name or address. Default: `redis`.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The server's port. Default: 6379.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The path of a unix socket, in the place of host and port. Default: none.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.topology = Topology::Socket(path.into());
        self
    }

    /// Some nodes of a cluster, each `host` or `host:port` (6379), in the place of host and port:
    /// any that answers tells of the others. Needs the feature `cluster`. Default: none.
    #[must_use]
    pub fn cluster<I>(mut self, nodes: I) -> Self
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.topology = Topology::Cluster(Node::all(nodes, 6379));
        self
    }

    /// Sentinels, each `host` or `host:port` (26379), and the name they know the master by, in the
    /// place of host and port: one of them is asked for the master at each connect. Needs the
    /// feature `sentinel`. Default: none.
    #[must_use]
    pub fn sentinel<I>(mut self, master: impl Into<String>, sentinels: I) -> Self
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.topology = Topology::Sentinel(Sentinels {
            master: master.into(),
            nodes: Node::all(sentinels, 26379),
        });
        self
    }

    /// The ACL user for the sentinels. Default: none, their default user.
    #[must_use]
    pub fn sentinel_username(mut self, name: impl Into<String>) -> Self {
        self.sentinel_username = Some(name.into());
        self
    }

    /// The password for the sentinels. Default: none; that of the master is not told to them.
    #[must_use]
    pub fn sentinel_password(mut self, password: impl Into<SecretString>) -> Self {
        self.sentinel_password = Some(password.into());
        self
    }

    /// Whether connections are encrypted, to sentinels too. Needs the feature `tls`. Default: false.
    #[must_use]
    pub fn tls(mut self, encrypt: bool) -> Self {
        self.tls = encrypt;
        self
    }

    /// A PEM file of the authorities that servers' certificates are signed by, in the place of
    /// those of the system. Read at each connect. Default: none.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// PEM files of a certificate, with those that sign it, and of its key, for servers that ask
    /// for one. Read at each connect. Default: none.
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client_certificate = Some((certificate.into(), key.into()));
        self
    }

    /// The number of the database. Default: 0.
    #[must_use]
    pub fn db(mut self, db: u16) -> Self {
        self.db = db.into();
        self
    }

    /// The ACL user. Default: none, the server's default user.
    #[must_use]
    pub fn username(mut self, name: impl Into<String>) -> Self {
        self.username = Some(name.into());
        self
    }

    /// The password. Default: none. No error and no `Debug` output shows it.
    #[must_use]
    pub fn password(mut self, password: impl Into<SecretString>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The pool's size, an upper bound: up to four multiplexed connections are held; to each node of
    /// a cluster.
    /// Default: 50.
    #[must_use]
    pub fn max_connections(mut self, connections: NonZeroU32) -> Self {
        self.max_connections = connections.get();
        self
    }

    /// How long one operation may take. It does not bound a request: that is
    /// [`soft_limit`](crate::CacheConfigBuilder::soft_limit). Default: 5 s.
    #[must_use]
    pub fn socket_timeout(mut self, timeout: Duration) -> Self {
        self.socket_timeout = timeout;
        self
    }

    /// How long connecting may take. Default: 5 s.
    #[must_use]
    pub fn socket_connect_timeout(mut self, timeout: Duration) -> Self {
        self.socket_connect_timeout = timeout;
        self
    }

    /// Whether a lookup or a purge that timed out is tried once more, a lookup within the
    /// [`soft_limit`](crate::CacheConfigBuilder::soft_limit) only. Default: true.
    #[must_use]
    pub fn retry_on_timeout(mut self, retry: bool) -> Self {
        self.retry_on_timeout = retry;
        self
    }

    /// How often each held connection is probed. Default: 30 s.
    #[must_use]
    pub fn health_check_interval(mut self, interval: Duration) -> Self {
        self.health_check_interval = interval;
        self
    }
}
