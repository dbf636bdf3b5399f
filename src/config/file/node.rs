//! A settings file as a tree that knows where each of its values came from.

use super::error::SettingsError;
use super::limits;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_path_to_error::{Path, Track};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nothing says otherwise.
    Default,
    /// The settings file; line and column begin at 1.
    File {
        /// The line.
        line: u64,
        /// The column, in characters.
        column: u64,
    },
    /// The environment variable of this name.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line, column } => write!(f, "line {line}, column {column}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

impl From<Location> for Origin {
    fn from(at: Location) -> Self {
        Self::File {
            line: at.line(),
            column: at.column(),
        }
    }
}

/// A value and where it came from. It may be a secret: there is no `Debug`.
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

pub(super) enum Value {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    /// Of the environment: read as what is wanted in its place.
    Raw(String),
    List(Vec<Node>),
    Map(Vec<Member>),
}

pub(super) struct Member {
    pub(super) key: String,
    /// Of the key itself.
    pub(super) origin: Origin,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn empty() -> Self {
        Self {
            value: Value::Null,
            origin: Origin::Default,
        }
    }

    /// Reads YAML in bounded memory: deep, long or repeated beyond [`limits`] is refused.
    pub(super) fn read(text: &str) -> Result<Self, SettingsError> {
        let read = serde_saphyr::from_str_with_options(text, limits::options());
        read.map_err(|error| SettingsError::of_yaml(&error, &path_of_error(text)))
    }

    /// What stands under `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(members) = &self.value else {
            return None;
        };
        let found = members.iter().find(|member| member.key == key);
        found.map(|member| &member.node)
    }

    /// The place of `key`, made if there is none; whatever is no mapping becomes one.
    pub(super) fn entry(&mut self, key: &str, origin: &Origin) -> &mut Self {
        if let Value::Raw(text) = &self.value
            && let Ok(read) = Self::read(text)
        {
            self.value = read.moved_to(&self.origin).value;
        }
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
            self.origin = origin.clone();
        }
        let Value::Map(members) = &mut self.value else {
            unreachable!("it has just been made one")
        };
        let at = members.iter().position(|member| member.key == key);
        let at = at.unwrap_or_else(|| {
            members.push(Member {
                key: key.into(),
                origin: origin.clone(),
                node: Self {
                    value: Value::Null,
                    origin: origin.clone(),
                },
            });
            members.len() - 1
        });
        &mut members[at].node
    }

    /// The same, all of it from `origin`.
    pub(super) fn moved_to(self, origin: &Origin) -> Self {
        let value = match self.value {
            Value::List(nodes) => {
                Value::List(nodes.into_iter().map(|n| n.moved_to(origin)).collect())
            }
            Value::Map(members) => {
                let moved = |member: Member| Member {
                    key: member.key,
                    origin: origin.clone(),
                    node: member.node.moved_to(origin),
                };
                Value::Map(members.into_iter().map(moved).collect())
            }
            value => value,
        };
        let origin = origin.clone();
        Self { value, origin }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            value: read.value,
            origin: read.referenced.into(),
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Signed(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = items.next_element()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            members.push(Member {
                key: key.value,
                origin: key.referenced.into(),
                node: entries.next_value()?,
            });
        }
        Ok(Value::Map(members))
    }
}

/// Where in `text` reading fails, as a path of keys: read once more for it, because keys that
/// know their places hide their names from the path.
fn path_of_error(text: &str) -> Path {
    let mut track = Track::new();
    // It fails, as it did before.
    let _ = serde_saphyr::with_deserializer_from_str_with_options(text, limits::options(), |de| {
        Skimmed::deserialize(serde_path_to_error::Deserializer::new(de, &mut track))
    });
    track.path()
}

/// Read, and nothing kept.
struct Skimmed;

impl<'de> Deserialize<'de> for Skimmed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Skim)
    }
}

struct Skim;

impl<'de> Visitor<'de> for Skim {
    type Value = Skimmed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Skimmed, E> {
        Ok(Skimmed)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Skimmed, E> {
        Ok(Skimmed)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Skimmed, E> {
        Ok(Skimmed)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Skimmed, E> {
        Ok(Skimmed)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Skimmed, E> {
        Ok(Skimmed)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Skimmed, E> {
        Ok(Skimmed)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Skimmed, A::Error> {
        while items.next_element::<Skimmed>()?.is_some() {}
        Ok(Skimmed)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Skimmed, A::Error> {
        while entries.next_entry::<String, Skimmed>()?.is_some() {}
        Ok(Skimmed)
    }
}
