//! Errors, one type per cause.

use std::error::Error;
use std::fmt;

type Source = Box<dyn Error + Send + Sync>;

/// A setting that cannot be used. [`setting`](Self::setting) names it; neither the message
/// nor `Debug` shows a secret.
#[derive(Debug)]
pub struct ConfigError {
    setting: &'static str,
    item: Option<usize>,
    kind: ConfigErrorKind,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// Below or above what is possible; the text says what is.
    OutOfRange(&'static str),
    /// Not of the form it must have; the text says which.
    Malformed(&'static str),
    /// A class that nothing is said of.
    UnknownClass,
    /// A path pattern that cannot be read, or that means the same as another.
    BadPattern,
    /// A file that cannot be read, or does not hold, in PEM, what it should.
    Unreadable,
    /// This feature of the crate is off.
    NeedsFeature(&'static str),
}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, kind: ConfigErrorKind) -> Self {
        let item = None;
        Self {
            setting,
            item,
            kind,
        }
    }

    pub(crate) fn of_item(mut self, item: usize) -> Self {
        self.item = Some(item);
        self
    }

    /// The name of the setting.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// Which of several it is, the first being 0: a route or an event rule, in the order in which
    /// they were added. `None`: there is one only.
    #[must_use]
    pub fn item(&self) -> Option<usize> {
        self.item
    }

    /// What is wrong with it.
    #[must_use]
    pub fn kind(&self) -> &ConfigErrorKind {
        &self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            Some(item) => write!(f, "setting `{}[{item}]`: {}", self.setting, self.kind),
            None => write!(f, "setting `{}`: {}", self.setting, self.kind),
        }
    }
}

impl fmt::Display for ConfigErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange(range) => write!(f, "must be {range}"),
            Self::Malformed(form) => write!(f, "must be {form}"),
            Self::UnknownClass => f.write_str("names a class that nothing is said of"),
            Self::BadPattern => f.write_str("has a path pattern that cannot be used"),
            Self::Unreadable => {
                f.write_str("names a file that does not hold, in PEM, what it should")
            }
            Self::NeedsFeature(feature) => write!(f, "needs the feature `{feature}`"),
        }
    }
}

impl Error for ConfigError {}

/// A manual operation on the cache that could not be done.
#[derive(Debug)]
pub struct CacheError {
    kind: CacheErrorKind,
    source: Option<Source>,
}

/// Why a manual operation could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheErrorKind {
    /// The key is empty or belongs to the cache's own records.
    InvalidKey,
    /// The URI has no path, or cannot be read.
    InvalidUri,
    /// The value cannot be encoded, or is larger than the largest stored body.
    InvalidValue,
    /// The store did not answer in time or refused.
    Unavailable,
    /// A cache is installed already.
    Installed,
    /// No cache is installed, and none was given.
    NotInstalled,
}

impl CacheError {
    pub(crate) fn new(kind: CacheErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn because(kind: CacheErrorKind, source: impl Into<Source>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// Why it could not be done.
    #[must_use]
    pub fn kind(&self) -> CacheErrorKind {
        self.kind
    }
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            CacheErrorKind::InvalidKey => "the key is empty or reserved",
            CacheErrorKind::InvalidUri => "the URI cannot be read",
            CacheErrorKind::InvalidValue => "the value cannot be stored",
            CacheErrorKind::Unavailable => "the store is not available",
            CacheErrorKind::Installed => "a cache is installed already",
            CacheErrorKind::NotInstalled => "no cache is installed",
        })
    }
}

impl Error for CacheError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|s| &**s as _)
    }
}

/// Why Redis gave no answer. Never shown to a request: a fault is a miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No connection, and none is being made right now.
    Disconnected,
    /// An operation took longer than `socket_timeout`, connecting longer than
    /// `socket_connect_timeout`, or a lookup longer than `soft_limit`.
    Timeout,
    /// The stream broke or was garbled.
    Broken,
    /// The server is not ready: it loads its data, its master is away, or it belongs to a cluster and
    /// has not what it was asked for.
    Unready,
    /// One master of a cluster does not answer; what others have is used.
    Partial,
    /// TLS could not be agreed on: a certificate is unknown, expired or of another name, or the server
    /// wants one of ours.
    Tls,
    /// The server does not accept the user name or the password.
    Denied,
    /// The user lacks the right to a command, a key or a channel. Reads and writes may differ.
    Forbidden,
    /// The server takes no writes: its memory is full, it cannot save, or it is a replica. It
    /// may be read all the same.
    ReadOnly,
    /// The server refused a command for another reason.
    Refused,
    /// What was found is not of this cache, or is damaged.
    Foreign,
    /// Not asked: the circuit breaker is open.
    LeftAlone,
}

impl Fault {
    pub(crate) const ALL: [Self; 12] = [
        Self::Disconnected,
        Self::Timeout,
        Self::Broken,
        Self::Unready,
        Self::Partial,
        Self::Tls,
        Self::Denied,
        Self::Forbidden,
        Self::ReadOnly,
        Self::Refused,
        Self::Foreign,
        Self::LeftAlone,
    ];

    /// In one word, for labels.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Unready => "unready",
            Self::Partial => "partial",
            Self::Tls => "tls",
            Self::Denied => "denied",
            Self::Forbidden => "forbidden",
            Self::ReadOnly => "read-only",
            Self::Refused => "refused",
            Self::Foreign => "foreign",
            Self::LeftAlone => "left-alone",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "no connection",
            Self::Timeout => "timed out",
            Self::Broken => "the stream broke",
            Self::Unready => "the server is not ready",
            Self::Partial => "a part of the cluster does not answer",
            Self::Tls => {
                "TLS could not be agreed on: see `tls`, `ca_file` and `client_certificate`"
            }
            Self::Denied => "the server does not accept `username` or `password`",
            Self::Forbidden => "the user lacks a right",
            Self::ReadOnly => "the server takes no writes",
            Self::Refused => "the server refused a command",
            Self::Foreign => "foreign or damaged data",
            Self::LeftAlone => "not asked while the circuit breaker is open",
        })
    }
}
