//! Where Redis is, and whether what says so can be used.

use super::redis_url::split_host;
use super::{RedisConfig, tls};
use crate::error::{ConfigError, ConfigErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What holds of certificates without it.
const WITHOUT_TLS: &str = "left out, or set together with `tls`";

/// Whether a cluster can be used.
const CLUSTER: bool = cfg!(feature = "cluster");

/// Whether sentinels can be asked.
const SENTINEL: bool = cfg!(feature = "sentinel");

/// What is connected to.
#[derive(Clone, Debug)]
pub(crate) enum Topology {
    /// The one server at host and port.
    Server,
    /// The one server at a unix socket.
    Socket(PathBuf),
    /// The one server that sentinels name.
    Sentinel(Sentinels),
    /// The cluster that these belong to.
    Cluster(Vec<Node>),
}

/// Who knows the master.
#[derive(Clone, Debug)]
pub(crate) struct Sentinels {
    pub(crate) master: String,
    pub(crate) nodes: Vec<Node>,
}

/// One server of several; without a host it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Node {
    pub(super) fn all<I>(texts: I, port: u16) -> Vec<Self>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let read = |text: I::Item| {
            let (host, port) = split_host(text.as_ref(), port).unwrap_or_default();
            let host = host.to_owned();
            Self { host, port }
        };
        texts.into_iter().map(read).collect()
    }

    fn is_readable(&self) -> bool {
        !self.host.is_empty() && self.port != 0
    }
}

impl RedisConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.check_topology()?;
        self.check_logins()?;
        self.check_tls()?;
        let times = [
            ("socket_timeout", self.socket_timeout),
            ("socket_connect_timeout", self.socket_connect_timeout),
            ("health_check_interval", self.health_check_interval),
        ];
        let zero = |(_, time): &(&str, Duration)| time.is_zero();
        match times.into_iter().find(zero) {
            Some((setting, _)) => Err(ConfigError::new(
                setting,
                ConfigErrorKind::OutOfRange("more than zero"),
            )),
            None => Ok(()),
        }
    }

    fn check_tls(&self) -> Result<(), ConfigError> {
        let certificate = self.client_certificate.as_ref();
        match (self.tls, &self.topology) {
            (false, _) if self.ca_file.is_some() => return malformed("ca_file", WITHOUT_TLS),
            (false, _) if certificate.is_some() => {
                return malformed("client_certificate", WITHOUT_TLS);
            }
            (false, _) => return Ok(()),
            (true, Topology::Socket(_)) => return malformed("tls", "off for a socket"),
            (true, _) => needs("tls", tls::ON)?,
        }
        if let Some(path) = &self.ca_file {
            check_file("ca_file", path, tls::holds_certificates)?;
        }
        if let Some((certificate, key)) = certificate {
            check_file("client_certificate", certificate, tls::holds_certificates)?;
            check_file("client_key", key, tls::holds_key)?;
        }
        Ok(())
    }

    /// A user without a password would not be told to the server.
    fn check_logins(&self) -> Result<(), ConfigError> {
        let logins = [
            ("username", &self.username, &self.password),
            (
                "sentinel_username",
                &self.sentinel_username,
                &self.sentinel_password,
            ),
        ];
        let alone = logins
            .into_iter()
            .find(|(_, name, password)| name.is_some() && password.is_none());
        match alone {
            Some((setting, ..)) => malformed(setting, "set together with its password"),
            None => Ok(()),
        }
    }

    fn check_topology(&self) -> Result<(), ConfigError> {
        match &self.topology {
            Topology::Server if self.host.is_empty() => malformed("host", "a name or address"),
            Topology::Server if self.port == 0 => Err(ConfigError::new(
                "port",
                ConfigErrorKind::OutOfRange("1 to 65535"),
            )),
            Topology::Socket(path) if path.as_os_str().is_empty() => {
                malformed("socket", "the path of a socket")
            }
            Topology::Server | Topology::Socket(_) => Ok(()),
            Topology::Cluster(_) if self.db != 0 => malformed("db", "0 in a cluster"),
            Topology::Cluster(nodes) => {
                needs("cluster", CLUSTER)?;
                check_nodes("cluster", nodes)
            }
            Topology::Sentinel(sentinels) => {
                needs("sentinel", SENTINEL)?;
                if sentinels.master.is_empty() {
                    return malformed("sentinel_master", "the name of a master");
                }
                check_nodes("sentinel", &sentinels.nodes)
            }
        }
    }
}

fn malformed(setting: &'static str, form: &'static str) -> Result<(), ConfigError> {
    Err(ConfigError::new(setting, ConfigErrorKind::Malformed(form)))
}

/// A setting that is of the same name as the feature that it needs.
fn needs(setting: &'static str, on: bool) -> Result<(), ConfigError> {
    match on {
        true => Ok(()),
        false => Err(ConfigError::new(
            setting,
            ConfigErrorKind::NeedsFeature(setting),
        )),
    }
}

fn check_file(
    setting: &'static str,
    path: &Path,
    holds: fn(&[u8]) -> bool,
) -> Result<(), ConfigError> {
    match std::fs::read(path) {
        Ok(pem) if holds(&pem) => Ok(()),
        _ => Err(ConfigError::new(setting, ConfigErrorKind::Unreadable)),
    }
}

fn check_nodes(setting: &'static str, nodes: &[Node]) -> Result<(), ConfigError> {
    match !nodes.is_empty() && nodes.iter().all(Node::is_readable) {
        true => Ok(()),
        false => malformed(setting, "one or more of host[:port]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(redis: &RedisConfig) -> &'static str {
        redis.check().expect_err("refused").setting()
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        let redis = RedisConfig::new;
        assert!(redis().check().is_ok());
        assert_eq!(refused(&redis().host("")), "host");
        assert_eq!(refused(&redis().port(0)), "port");
        assert_eq!(refused(&redis().socket("")), "socket");
        let zero = Duration::ZERO;
        assert_eq!(refused(&redis().socket_timeout(zero)), "socket_timeout");
        assert_eq!(
            refused(&redis().socket_connect_timeout(zero)),
            "socket_connect_timeout"
        );
        assert_eq!(
            refused(&redis().health_check_interval(zero)),
            "health_check_interval"
        );
    }

    #[test]
    fn what_belongs_together_is_set_together() {
        let redis = RedisConfig::new;
        assert_eq!(refused(&redis().username("app")), "username");
        assert_eq!(
            refused(&redis().sentinel_username("app")),
            "sentinel_username"
        );
        assert_eq!(refused(&redis().ca_file("x")), "ca_file");
        let certificate = redis().client_certificate("x", "y");
        assert_eq!(refused(&certificate), "client_certificate");
        assert_eq!(refused(&redis().socket("/x").tls(true)), "tls");
        assert_eq!(refused(&redis().cluster(["a"]).db(1)), "db");
    }

    #[test]
    fn nodes_that_cannot_be_read_are_refused() {
        let redis = RedisConfig::new;
        let none: [&str; 0] = [];
        for nodes in [&none[..], &["a", ""], &["a:b"], &["a:0"], &["[::1"]] {
            assert_eq!(refused(&redis().sentinel("main", nodes)), "sentinel");
            assert_eq!(refused(&redis().cluster(nodes)), "cluster");
        }
        let nodes = Node::all(["a", "b:1", "[::1]:2"], 6379);
        let read: Vec<_> = nodes.iter().map(|node| (&*node.host, node.port)).collect();
        assert_eq!(read, [("a", 6379), ("b", 1), ("::1", 2)]);
    }
}
