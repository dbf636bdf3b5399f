//! How Redis is reached.

use crate::error::{ConfigError, ConfigErrorKind};
use secrecy::SecretString;
use std::num::NonZeroU32;
use std::time::Duration;

/// How Redis is reached: the `REDIS` section of the settings.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) db: i64,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
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
            db: 0,
            username: None,
            password: None,
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

    /// Reads `redis://[[user]:password@]host[:port][/db]`; all else keeps its default.
    ///
    /// # Errors
    /// Names the setting `url` and never shows the URL, which may hold a password.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let malformed = || {
            ConfigError::new(
                "url",
                ConfigErrorKind::Malformed("redis://[[user]:password@]host[:port][/db]"),
            )
        };
        let rest = url.strip_prefix("redis://").ok_or_else(malformed)?;
        let (rest, db) = match rest.split_once('/') {
            Some((rest, "")) => (rest, 0),
            Some((rest, db)) => (rest, db.parse().map_err(|_| malformed())?),
            None => (rest, 0),
        };
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        let (host, port) = split_host(host).ok_or_else(malformed)?;
        let mut config = Self::new().host(host).port(port).db(db);
        if let Some((name, password)) = user.map(|user| user.split_once(':').unwrap_or(("", user)))
        {
            let decoded = |part| decode(part).ok_or_else(malformed);
            config.username = Some(decoded(name)?).filter(|name| !name.is_empty());
            config.password = Some(decoded(password)?.into());
        }
        Ok(config)
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

    /// The pool's size, an upper bound: up to four multiplexed connections are held.
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

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let positive = |setting, value: Duration| match value.is_zero() {
            true => Err(ConfigError::new(
                setting,
                ConfigErrorKind::OutOfRange("more than zero"),
            )),
            false => Ok(()),
        };
        if self.host.is_empty() {
            return Err(ConfigError::new(
                "host",
                ConfigErrorKind::Malformed("a name or address"),
            ));
        }
        if self.port == 0 {
            return Err(ConfigError::new(
                "port",
                ConfigErrorKind::OutOfRange("1 to 65535"),
            ));
        }
        positive("socket_timeout", self.socket_timeout)?;
        positive("socket_connect_timeout", self.socket_connect_timeout)?;
        positive("health_check_interval", self.health_check_interval)
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_host(host: &str) -> Option<(&str, u16)> {
    let (name, port) = match host.strip_prefix('[') {
        Some(v6) => {
            let (name, rest) = v6.split_once(']')?;
            (name, rest.strip_prefix(':'))
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let port = port.map_or(Some(6379), |port| port.parse().ok())?;
    (!name.is_empty()).then_some((name, port))
}

/// Percent-decoding (RFC 3986 §2.1).
fn decode(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = tail.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn urls_are_read() {
        let read = |url| RedisConfig::from_url(url).expect("readable");
        let plain = read("redis://localhost");
        assert_eq!((&*plain.host, plain.port, plain.db), ("localhost", 6379, 0));
        let full = read("redis://me:p%40ss@[::1]:7000/3");
        assert_eq!((&*full.host, full.port, full.db), ("::1", 7000, 3));
        assert_eq!(full.username.as_deref(), Some("me"));
        assert_eq!(full.password.expect("one").expose_secret(), "p@ss");
        assert_eq!(read("redis://:pw@h").username, None);
    }

    #[test]
    fn an_unreadable_url_is_refused_without_showing_it() {
        for url in [
            "",
            "http://x",
            "redis://",
            "redis://h:port",
            "redis://:geheim@h:70000",
            "redis://h/x",
        ] {
            let error = RedisConfig::from_url(url).expect_err(url);
            assert_eq!(error.setting(), "url");
            assert!(!format!("{error} {error:?}").contains("geheim"));
        }
    }

    #[test]
    fn debug_output_shows_no_password() {
        let config = RedisConfig::new().password("geheim");
        assert!(!format!("{config:?}").contains("geheim"));
    }
}
