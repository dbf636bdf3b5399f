//! Requests in a file.

use super::yaml;
use crate::config::WarmRequest;
use http::{Method, Uri};
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of the largest file that is read.
const BYTES: u64 = 1 << 20;

/// Requests of the longest file that is read.
const MOST: usize = 10_000;

/// A file of requests that cannot be read or used. It shows nothing of what the file holds.
#[derive(Debug)]
pub struct WarmFileError {
    file: PathBuf,
    line: Option<u64>,
    kind: WarmFileErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What is wrong with a file of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarmFileErrorKind {
    /// It cannot be read.
    Unreadable,
    /// It has more than 1 MiB, or more than 10,000 requests.
    TooLarge,
    /// What stands there is no request.
    Malformed,
    /// It is YAML, and the feature `yaml` is off.
    NoYaml,
}

impl WarmFileError {
    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> WarmFileErrorKind {
        self.kind
    }

    /// The line, counted from 1; `None`: it is about the whole file.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.line
    }
}

impl fmt::Display for WarmFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        f.write_str(match self.kind {
            WarmFileErrorKind::Unreadable => ": cannot be read",
            WarmFileErrorKind::TooLarge => ": more than 1 MiB, or than 10000 requests",
            WarmFileErrorKind::Malformed => {
                ": must be a URI with an absolute path, or a method and such a URI"
            }
            WarmFileErrorKind::NoYaml => ": YAML needs the feature `yaml`",
        })
    }
}

impl Error for WarmFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What is wrong, and in which line.
pub(super) struct Wrong {
    pub(super) kind: WarmFileErrorKind,
    pub(super) line: Option<u64>,
    pub(super) source: Option<Box<dyn Error + Send + Sync>>,
}

impl Wrong {
    pub(super) fn new(kind: WarmFileErrorKind, line: Option<u64>) -> Self {
        let source = None;
        Self { kind, line, source }
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<WarmRequest>, WarmFileError> {
    requests(path).map_err(|Wrong { kind, line, source }| WarmFileError {
        file: path.to_owned(),
        line,
        kind,
        source,
    })
}

fn requests(path: &Path) -> Result<Vec<WarmRequest>, Wrong> {
    let text = text(path)?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    let requests = match extension {
        Some("yaml" | "yml") => yaml::list(&text)?,
        _ => lines(&text)?,
    };
    match requests.len() <= MOST {
        true => Ok(requests),
        false => Err(Wrong::new(WarmFileErrorKind::TooLarge, None)),
    }
}

fn text(path: &Path) -> Result<String, Wrong> {
    let unreadable = |error: io::Error| Wrong {
        source: Some(error.into()),
        ..Wrong::new(WarmFileErrorKind::Unreadable, None)
    };
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(unreadable)?.take(BYTES + 1);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > BYTES {
        return Err(Wrong::new(WarmFileErrorKind::TooLarge, None));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (valid, _) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let line = valid.split(|byte| *byte == b'\n').count();
        Wrong::new(WarmFileErrorKind::Malformed, Some(line as u64))
    })
}

/// One request a line.
fn lines(text: &str) -> Result<Vec<WarmRequest>, Wrong> {
    let lines = text.lines().map(str::trim).zip(1..);
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let requests = lines.map(|(line, number)| {
        let malformed = || Wrong::new(WarmFileErrorKind::Malformed, Some(number));
        request(line).ok_or_else(malformed)
    });
    requests.take(MOST + 1).collect()
}

fn request(line: &str) -> Option<WarmRequest> {
    let mut words = line.split_ascii_whitespace().rev();
    let uri: Uri = words.next()?.parse().ok()?;
    let method = match words.next() {
        Some(method) => Method::from_bytes(method.as_bytes()).ok()?,
        None => Method::GET,
    };
    let whole = words.next().is_none() && uri.path().starts_with('/');
    whole.then(|| WarmRequest::get(uri).method(method))
}
