//! [`SettingsError`].

use super::node::Origin;
use crate::error::ConfigError;
use serde_path_to_error::{Path, Segment};
use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::path::PathBuf;

/// Characters of a key that are shown.
const SHOWN: usize = 64;

/// Settings that cannot be read or used: which key, and where it stands. Neither the message nor
/// `Debug` shows a value, which may be a secret.
#[derive(Debug)]
pub struct SettingsError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    file: Option<PathBuf>,
    path: String,
    origin: Origin,
    kind: Kind,
}

/// What is wrong with settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsErrorKind {
    /// The file cannot be read.
    Unreadable,
    /// The file, or what its aliases make of it, is larger than is read.
    TooLarge,
    /// No UTF-8, or no YAML.
    Malformed,
    /// A key stands there twice.
    Duplicate,
    /// There is no such key.
    Unknown,
    /// A key that must be there is not.
    Missing,
    /// A value of another type than the setting's.
    WrongType,
    /// A value out of range, or of a form that cannot be used.
    Unusable,
}

#[derive(Debug)]
pub(super) enum Kind {
    Unreadable(io::Error),
    TooLarge(&'static str),
    Malformed(String),
    Duplicate,
    Unknown,
    Missing,
    /// What it must be.
    WrongType(String),
    Unusable(String),
    Refused(ConfigError),
}

impl SettingsError {
    pub(super) fn new(path: impl Into<String>, origin: Origin, kind: Kind) -> Self {
        Self(Box::new(Inner {
            file: None,
            path: path.into(),
            origin,
            kind,
        }))
    }

    pub(super) fn of_yaml(error: &serde_saphyr::Error, path: &Path) -> Self {
        use serde_saphyr::Error as Yaml;
        let at = error.location();
        let kind = match innermost(error) {
            Yaml::DuplicateMappingKey { key, .. } => {
                let path = join(path, key.as_deref());
                let origin = at.map_or(Origin::Default, Origin::from);
                return Self::new(path, origin, Kind::Duplicate);
            }
            Yaml::Budget { .. }
            | Yaml::AliasReplayCounterOverflow { .. }
            | Yaml::AliasReplayLimitExceeded { .. }
            | Yaml::AliasExpansionLimitExceeded { .. }
            | Yaml::AliasReplayStackDepthExceeded { .. } => {
                Kind::TooLarge("too deep, too long, or too much by its aliases")
            }
            Yaml::MultipleDocuments { .. } => Kind::Malformed("more than one document".into()),
            Yaml::UnknownAnchor { .. } => Kind::Malformed("an alias without an anchor".into()),
            // What the scanner says names no more than one character of the file.
            Yaml::ExternalMessage { msg, .. } => {
                let said = msg.split(": `").next().unwrap_or_default();
                Kind::Malformed(said.to_owned())
            }
            _ => Kind::Malformed("not of a form that settings can have".into()),
        };
        let origin = at.map_or(Origin::Default, Origin::from);
        Self::new(join(path, None), origin, kind)
    }

    pub(super) fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        if !matches!(self.0.origin, Origin::Variable(_)) {
            self.0.file = Some(file.into());
        }
        self
    }

    /// What is wrong, wherever it is.
    pub(super) fn into_kind(self) -> Kind {
        self.0.kind
    }

    /// The path of the key, `REDIS.port`; empty: it is about the whole file.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Where it stands.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> SettingsErrorKind {
        match &self.0.kind {
            Kind::Unreadable(_) => SettingsErrorKind::Unreadable,
            Kind::TooLarge(_) => SettingsErrorKind::TooLarge,
            Kind::Malformed(_) => SettingsErrorKind::Malformed,
            Kind::Duplicate => SettingsErrorKind::Duplicate,
            Kind::Unknown => SettingsErrorKind::Unknown,
            Kind::Missing => SettingsErrorKind::Missing,
            Kind::WrongType(_) => SettingsErrorKind::WrongType,
            Kind::Unusable(_) | Kind::Refused(_) => SettingsErrorKind::Unusable,
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.origin, &self.0.file) {
            (Origin::Variable(name), _) => write!(f, "{name}: ")?,
            (_, Some(file)) => write!(f, "{}: ", file.display())?,
            (_, None) => {}
        }
        match self.0.path.as_str() {
            "" => {}
            path => write!(f, "{path}: ")?,
        }
        write!(f, "{}", self.0.kind)?;
        match &self.0.origin {
            Origin::Default | Origin::Variable(_) => Ok(()),
            Origin::File { .. } => write!(f, " at {}", self.0.origin),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(_) => f.write_str("cannot be read"),
            Self::TooLarge(limit) => write!(f, "too large: {limit}"),
            Self::Malformed(what) => write!(f, "cannot be understood: {what}"),
            Self::Duplicate => f.write_str("is there twice"),
            Self::Unknown => f.write_str("there is no such setting"),
            Self::Missing => f.write_str("is missing"),
            Self::WrongType(form) | Self::Unusable(form) => write!(f, "must be {form}"),
            Self::Refused(error) => write!(f, "{}", error.kind()),
        }
    }
}

impl Error for SettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.kind {
            Kind::Unreadable(error) => Some(error),
            Kind::Refused(error) => Some(error),
            _ => None,
        }
    }
}

fn innermost(error: &serde_saphyr::Error) -> &serde_saphyr::Error {
    match error {
        serde_saphyr::Error::AliasError { error, .. }
        | serde_saphyr::Error::WithSnippet { error, .. } => innermost(error),
        error => error,
    }
}

/// `CACHE.routes["/a/{id}"].ttl`, `CACHE.warm[0]`.
pub(super) fn join(path: &Path, last: Option<&str>) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push_index(&mut text, *index),
            Segment::Map { key } | Segment::Enum { variant: key } => push_key(&mut text, key),
            Segment::Unknown => {}
        }
    }
    if let Some(key) = last {
        push_key(&mut text, key);
    }
    text
}

pub(super) fn push_index(path: &mut String, index: usize) {
    let _ = write!(path, "[{index}]");
}

/// What is no plain word is put in quotes, and cut short where it is long.
pub(super) fn push_key(path: &mut String, key: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let shown: String = key.chars().take(SHOWN).collect();
    let _ = match (
        !shown.is_empty() && shown.chars().all(plain),
        path.is_empty(),
    ) {
        (true, true) => write!(path, "{shown}"),
        (true, false) => write!(path, ".{shown}"),
        (false, _) => write!(path, "[{shown:?}]"),
    };
}
