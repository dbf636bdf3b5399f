//! The settings in force, and where each came from.

use super::node::{Node, Origin};
use super::place::{Step, text};
use super::sections::Document;
use serde_json::Value;
use std::fmt;

/// One setting in force.
#[derive(Clone, Debug)]
pub struct Setting {
    path: String,
    value: String,
    origin: Origin,
}

impl Setting {
    /// Its path, `REDIS.port`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its value as JSON; `"***"` for a secret. Times are in seconds, sizes in bytes.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// `REDIS.port = 6380  # line 3, column 9`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  # {}", self.path, self.value, self.origin)
    }
}

pub(super) fn settings(document: &Document, root: &Node) -> Vec<Setting> {
    let mut shown = Vec::new();
    // Nothing in a section refuses to be written.
    let value = serde_json::to_value(document).unwrap_or_default();
    push(&mut shown, &mut Vec::new(), &value, root);
    shown
}

fn push(shown: &mut Vec<Setting>, at: &mut Vec<Step>, value: &Value, root: &Node) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                at.push(Step::from(key.as_str()));
                push(shown, at, value, root);
                at.pop();
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, value) in items.iter().enumerate() {
                at.push(Step::from(index));
                push(shown, at, value, root);
                at.pop();
            }
        }
        _ => shown.push(Setting {
            path: text(at),
            value: value.to_string(),
            origin: root.origin_of(at),
        }),
    }
}
