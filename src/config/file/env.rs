//! The environment, laid over a settings file.

use super::error::{Kind, SettingsError};
use super::limits;
use super::node::{Node, Origin, Value};
use crate::config::{RedisConfig, Topology};
use secrecy::ExposeSecret;
use std::ffi::{OsStr, OsString};

/// What the names of variables begin with that are settings of the section `CACHE`.
const PREFIX: &str = "NB_CACHE__";

/// Steps of the longest path; no setting lies deeper.
const DEEPEST: usize = 8;

/// What is set beside the URL wins over what the URL says.
const REDIS: [(&str, &str); 4] = [
    ("REDIS_HOST", "host"),
    ("REDIS_PORT", "port"),
    ("REDIS_DB", "db"),
    ("REDIS_PASSWORD", "password"),
];

/// A variable that is a setting.
struct Variable {
    name: String,
    value: String,
}

impl Variable {
    fn origin(&self) -> Origin {
        Origin::Variable(self.name.clone())
    }

    fn raw(&self) -> Node {
        Node {
            value: Value::Raw(self.value.clone()),
            origin: self.origin(),
        }
    }

    /// The keys of `NB_CACHE__KEY__SORT_PARAMS`: `key`, `sort_params`.
    fn keys(&self) -> Option<Vec<String>> {
        let path = self.name.strip_prefix(PREFIX)?.to_ascii_lowercase();
        Some(path.split("__").map(String::from).collect())
    }
}

/// Lays what the variables say over the tree.
pub(super) fn overlay(
    root: &mut Node,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(), SettingsError> {
    let mut ours = Vec::new();
    for (name, value) in variables {
        ours.extend(read(&name, value)?);
    }
    // A section before what is in it.
    ours.sort_by_cached_key(|variable| {
        (
            variable.keys().map_or(0, |k| k.len()),
            variable.name.clone(),
        )
    });
    if let Some(url) = ours.iter().find(|variable| variable.name == "REDIS_URL") {
        overlay_url(root, url)?;
    }
    for variable in &ours {
        let origin = variable.origin();
        let of_redis = REDIS.iter().find(|(name, _)| *name == variable.name);
        match (of_redis, variable.keys()) {
            (Some((_, key)), _) => {
                *root.entry("REDIS", &origin).entry(key, &origin) = variable.raw();
            }
            (None, Some(keys)) if keys.len() > DEEPEST => {
                return Err(SettingsError::new("CACHE", origin, Kind::Unknown));
            }
            (None, Some(keys)) => {
                let section = root.entry("CACHE", &origin);
                *keys
                    .iter()
                    .fold(section, |node, key| node.entry(key, &origin)) = variable.raw();
            }
            (None, None) => {}
        }
    }
    Ok(())
}

/// `None`: none of ours, or empty, which is as good as not set.
fn read(name: &OsStr, value: OsString) -> Result<Option<Variable>, SettingsError> {
    let name = name.to_string_lossy().into_owned();
    let of_redis = REDIS.iter().any(|(redis, _)| *redis == name) || name == "REDIS_URL";
    if (!of_redis && !name.starts_with(PREFIX)) || value.is_empty() {
        return Ok(None);
    }
    let refused = |kind| SettingsError::new("", Origin::Variable(name.clone()), kind);
    if value.len() > limits::VARIABLE {
        return Err(refused(Kind::TooLarge("more than 64 KiB")));
    }
    match value.into_string() {
        Ok(value) => Ok(Some(Variable { name, value })),
        // Not shown: it may be a secret.
        Err(_) => Err(refused(Kind::Malformed("not Unicode".into()))),
    }
}

/// The URL says all that a URL can say: where it is silent, the file does not count either.
fn overlay_url(root: &mut Node, url: &Variable) -> Result<(), SettingsError> {
    let origin = url.origin();
    let config = RedisConfig::from_url(&url.value)
        .map_err(|error| SettingsError::new("REDIS", origin.clone(), Kind::Refused(error)))?;
    // What is not named here cannot be said in a URL.
    #[rustfmt::skip]
    let RedisConfig {
        host, port, db, username, password, topology, tls, ca_file: _, client_certificate: _,
        sentinel_username: _, sentinel_password: _, max_connections: _, socket_timeout: _,
        socket_connect_timeout: _, retry_on_timeout: _, health_check_interval: _,
    } = config;
    let password = password.map(|password| password.expose_secret().to_owned());
    let socket = match topology {
        Topology::Socket(path) => Value::Text(path.to_string_lossy().into_owned()),
        _ => Value::Null,
    };
    let values = [
        ("socket", socket),
        ("cluster", Value::Null),
        ("sentinel", Value::Null),
        ("sentinel_master", Value::Null),
        ("tls", Value::Bool(tls)),
        ("host", Value::Text(host)),
        ("port", Value::Unsigned(port.into())),
        ("db", Value::Signed(db)),
        ("username", username.map_or(Value::Null, Value::Text)),
        ("password", password.map_or(Value::Null, Value::Text)),
    ];
    let section = root.entry("REDIS", &origin);
    for (key, value) in values {
        *section.entry(key, &origin) = Node {
            value,
            origin: origin.clone(),
        };
    }
    Ok(())
}
