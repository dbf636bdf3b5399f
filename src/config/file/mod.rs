//! Settings from a YAML file and the environment over it.
//!
//! What is written becomes a tree that knows where each value stands; the environment is laid over
//! it; the sections are read from the whole, and handed to the builder.

mod apply;
mod defaults;
mod env;
mod error;
mod limits;
mod node;
mod place;
#[cfg(feature = "testing")]
pub(crate) mod schema;
mod sections;
mod show;
mod typed;
mod values;
pub(crate) mod warm;

pub use error::{SettingsError, SettingsErrorKind};
pub use node::Origin;
pub use show::Setting;

use super::CacheConfig;
use error::Kind;
use node::Node;
use place::Names;
use sections::Document;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

impl CacheConfig {
    /// Reads a settings file, and the environment over it; [`guide::settings`](crate::guide::settings)
    /// has all keys and variables.
    ///
    /// # Errors
    /// Names the key and where it stands, and shows no value.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        Settings::load(path).map(Settings::into_config)
    }

    /// Reads the environment alone. Without any of its variables: local memory only.
    ///
    /// # Errors
    /// Names the key and the variable, and shows no value.
    pub fn from_env() -> Result<Self, SettingsError> {
        Settings::from_env().map(Settings::into_config)
    }
}

/// Settings that were read, and where each came from.
///
/// ```
/// use neuralblitz_cache::{Origin, Settings};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("settings.yaml");
/// std::fs::write(&path, "CACHE:\n  near_cache: true\n")?;
/// let settings = Settings::load(&path)?;
/// let near = settings.iter().find(|setting| setting.path() == "CACHE.near_cache");
/// let near = near.expect("all settings are there");
/// assert_eq!(near.value(), "true");
/// assert_eq!(near.origin(), &Origin::File { line: 2, column: 15 });
/// let cfg = settings.into_config();
/// # let _ = cfg;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Settings {
    config: CacheConfig,
    shown: Vec<Setting>,
}

impl Settings {
    /// Reads a settings file, and the environment over it.
    ///
    /// # Errors
    /// As [`CacheConfig::load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        let path = path.as_ref();
        let root = read_file(path).and_then(|text| Node::read(&text));
        let settings = root.and_then(|root| Self::of(root, std::env::vars_os()));
        settings.map_err(|error| error.in_file(path))
    }

    /// Reads settings from text, what a program is built with, say, and the environment over it.
    ///
    /// # Errors
    /// As [`CacheConfig::load`].
    pub fn from_yaml(text: &str) -> Result<Self, SettingsError> {
        if text.len() as u64 > limits::BYTES {
            let kind = Kind::TooLarge("more than 1 MiB");
            return Err(SettingsError::new("", Origin::Default, kind));
        }
        Self::of(Node::read(text)?, std::env::vars_os())
    }

    /// Reads the environment alone.
    ///
    /// # Errors
    /// As [`CacheConfig::from_env`].
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::of(Node::empty(), std::env::vars_os())
    }

    fn of(
        mut root: Node,
        variables: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    ) -> Result<Self, SettingsError> {
        env::overlay(&mut root, variables)?;
        let document: Document = typed::read(&root)?;
        let (shown, names) = (show::settings(&document, &root), Names::of(&document));
        let builder = apply::builder(document);
        let config = builder.and_then(|builder| builder.build().map_err(|e| names.wrong(e)));
        let config = config.map_err(|wrong| wrong.in_tree(&root))?;
        Ok(Self { config, shown })
    }

    /// The configuration that they make.
    #[must_use]
    pub fn config(&self) -> &CacheConfig {
        &self.config
    }

    /// The configuration that they make.
    #[must_use]
    pub fn into_config(self) -> CacheConfig {
        self.config
    }

    /// All settings in force, those that nobody set too; secrets are hidden.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.shown.iter()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.shown).finish()
    }
}

/// The text of a file of at most [`limits::BYTES`].
fn read_file(path: &Path) -> Result<String, SettingsError> {
    let refused = |kind| SettingsError::new("", Origin::Default, kind);
    let unreadable = |error: io::Error| refused(Kind::Unreadable(error));
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let mut file = file.take(limits::BYTES + 1);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limits::BYTES {
        return Err(refused(Kind::TooLarge("more than 1 MiB")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (valid, _) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let line = valid.split(|b| *b == b'\n').count();
        let last = valid.rsplit(|b| *b == b'\n').next().unwrap_or_default();
        let origin = Origin::File {
            line: line as u64,
            column: 1 + String::from_utf8_lossy(last).chars().count() as u64,
        };
        SettingsError::new("", origin, Kind::Malformed("not UTF-8".into()))
    })
}

/// Whatever the text, its tree is read in bounded memory, and what is refused is no panic.
#[cfg(feature = "testing")]
pub(crate) fn fuzz(text: &str) {
    let read = Node::read(text).and_then(|root| Settings::of(root, std::iter::empty()));
    match read {
        Ok(settings) => assert!(settings.iter().count() > 0),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
