//! URLs of a Redis.

use super::RedisConfig;
use crate::error::{ConfigError, ConfigErrorKind};

impl RedisConfig {
    /// Reads `redis://[[user]:password@]host[:port][/db]`, the same with `rediss` for TLS, or
    /// `unix://[[user]:password@]/path[?db=number]`; all else keeps its default.
    ///
    /// # Errors
    /// Names the setting `url` and never shows the URL, which may hold a password.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let read = || match url.split_once("://")? {
            ("redis", rest) => server(rest),
            ("rediss", rest) => Some(server(rest)?.tls(true)),
            ("unix" | "redis+unix", rest) => socket(rest),
            _ => None,
        };
        read().ok_or_else(|| {
            let form = "redis[s]://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path[?db=number]";
            ConfigError::new("url", ConfigErrorKind::Malformed(form))
        })
    }

    /// With the user and the password before an `@`.
    fn login(mut self, user: Option<&str>) -> Option<Self> {
        if let Some(user) = user {
            let (name, password) = user.split_once(':').unwrap_or(("", user));
            self.username = Some(decode(name)?).filter(|name| !name.is_empty());
            self.password = Some(decode(password)?.into());
        }
        Some(self)
    }
}

fn server(rest: &str) -> Option<RedisConfig> {
    let (rest, db) = match rest.split_once('/') {
        Some((rest, "")) => (rest, 0),
        Some((rest, db)) => (rest, db.parse().ok()?),
        None => (rest, 0),
    };
    let (user, host) = split_user(rest);
    let (host, port) = split_host(host, 6379)?;
    RedisConfig::new().host(host).port(port).db(db).login(user)
}

fn socket(rest: &str) -> Option<RedisConfig> {
    let (user, path) = rest.split_at(rest.find('/')?);
    let (path, db) = match path.split_once('?') {
        Some((path, query)) => (path, query.strip_prefix("db=")?.parse().ok()?),
        None => (path, 0),
    };
    let user = match user {
        "" => None,
        user => Some(user.strip_suffix('@')?),
    };
    RedisConfig::new().socket(decode(path)?).db(db).login(user)
}

fn split_user(rest: &str) -> (Option<&str>, &str) {
    match rest.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`; without a port it is `default`.
pub(super) fn split_host(host: &str, default: u16) -> Option<(&str, u16)> {
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
    let port = port.map_or(Some(default), |port| port.parse().ok())?;
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
    use super::super::reach::Topology;
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
        assert!(read("rediss://h").tls && !plain.tls);
    }

    #[test]
    fn urls_of_sockets_are_read() {
        let path = |config: &RedisConfig| match &config.topology {
            Topology::Socket(path) => path.to_str().expect("text").to_owned(),
            other => panic!("{other:?}"),
        };
        let plain = RedisConfig::from_url("unix:///run/redis%20a.sock").expect("readable");
        assert_eq!((&*path(&plain), plain.db), ("/run/redis a.sock", 0));
        let full = RedisConfig::from_url("redis+unix://me:p%40ss@/run/a?db=3").expect("readable");
        assert_eq!((&*path(&full), full.db), ("/run/a", 3));
        assert_eq!(full.username.as_deref(), Some("me"));
        assert_eq!(full.password.expect("one").expose_secret(), "p@ss");
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
            "unix://",
            "unix://:geheim@",
            "unix://:geheim/run/a",
            "unix:///run/a?d=1",
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
