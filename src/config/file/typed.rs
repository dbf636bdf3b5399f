//! Reads what settings are made of from a [`Node`], as serde asks for it.

use super::error::{Kind, SettingsError, join};
use super::node::{Member, Node, Origin, Value};
use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, Expected, IntoDeserializer, Unexpected};
use serde::de::{MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::slice;

/// `T` as the tree says it.
pub(super) fn read<T: for<'de> Deserialize<'de>>(root: &Node) -> Result<T, SettingsError> {
    serde_path_to_error::deserialize(root).map_err(|error| {
        let path = error.path().clone();
        let Mistake { kind, origin, key } = error.into_inner();
        let path = join(&path, key);
        SettingsError::new(path, origin.unwrap_or(Origin::Default), kind)
    })
}

/// What a value must be and is not; never the value.
#[derive(Debug)]
pub(super) struct Mistake {
    kind: Kind,
    origin: Option<Origin>,
    /// A key that is missing from where the path points to.
    key: Option<&'static str>,
}

impl Mistake {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            origin: None,
            key: None,
        }
    }

    fn at(mut self, origin: &Origin) -> Self {
        self.origin.get_or_insert_with(|| origin.clone());
        self
    }
}

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Unusable(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Kind::WrongType(in_words(&expected.to_string())))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Kind::Unusable(in_words(&expected.to_string())))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Kind::Unusable(expected.join(" or ")))
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::new(Kind::Unknown)
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            key: Some(field),
            ..Self::new(Kind::Missing)
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Mistake {}

/// What serde calls its types, for who writes settings.
fn in_words(expected: &str) -> String {
    let words = match expected {
        "a boolean" => "true or false",
        "a string" => "text; what looks like a number is put in quotes",
        "u16" => "a whole number, 0 to 65535",
        "a nonzero u16" => "a whole number, 1 to 65535",
        "u32" => "a whole number, 0 to 4294967295",
        "a nonzero u32" => "a whole number, 1 to 4294967295",
        "usize" | "u64" => "a whole number, 0 or more",
        "a nonzero usize" => "a whole number, 1 or more",
        "a sequence" => "a list",
        "a map" => "a mapping",
        other if other.starts_with("struct ") => "a mapping",
        other if other.starts_with("enum ") => "one of its words",
        other => other,
    };
    words.to_owned()
}

impl Node {
    /// Hands a scalar of the file over as it is, one of the environment as `read` makes it.
    fn scalar<'de, V: Visitor<'de>>(
        &self,
        visitor: V,
        read: impl FnOnce(V, &str) -> Result<V::Value, Mistake>,
    ) -> Result<V::Value, Mistake> {
        let read = match &self.value {
            Value::Raw(text) => read(visitor, text),
            _ => self.deserialize_any(visitor),
        };
        read.map_err(|mistake| mistake.at(&self.origin))
    }

    /// What a type itself refuses once it has read it stands here too.
    fn fill<'de, T: DeserializeSeed<'de>>(&self, seed: T) -> Result<T::Value, Mistake> {
        let filled = seed.deserialize(self);
        filled.map_err(|mistake| mistake.at(&self.origin))
    }

    /// What the environment says, as YAML.
    fn raw(&self, text: &str) -> Result<Self, Mistake> {
        match Self::read(text) {
            Ok(node) => Ok(node.moved_to(&self.origin)),
            Err(error) => Err(Mistake::new(error.into_kind()).at(&self.origin)),
        }
    }
}

/// Numbers of the environment: whole ones, then all others, else text.
fn number<'de, V: Visitor<'de>>(visitor: V, text: &str) -> Result<V::Value, Mistake> {
    match (text.parse(), text.parse(), text.parse()) {
        (Ok(number), _, _) => visitor.visit_u64(number),
        (_, Ok(number), _) => visitor.visit_i64(number),
        (_, _, Ok(number)) => visitor.visit_f64(number),
        _ => visitor.visit_str(text),
    }
}

fn boolean<'de, V: Visitor<'de>>(visitor: V, text: &str) -> Result<V::Value, Mistake> {
    match text {
        "true" => visitor.visit_bool(true),
        "false" => visitor.visit_bool(false),
        _ => visitor.visit_str(text),
    }
}

macro_rules! scalars {
    ($($method:ident as $read:expr),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            self.scalar(visitor, $read)
        })*
    };
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let read = match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_str(value),
            Value::Raw(text) => number(visitor, text),
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Map(members) => visitor.visit_map(Members {
                left: members.iter(),
                value: None,
            }),
        };
        read.map_err(|mistake| mistake.at(&self.origin))
    }

    scalars! {
        deserialize_bool as boolean,
        deserialize_i8 as number, deserialize_i16 as number, deserialize_i32 as number,
        deserialize_i64 as number, deserialize_u8 as number, deserialize_u16 as number,
        deserialize_u32 as number, deserialize_u64 as number,
        deserialize_f32 as number, deserialize_f64 as number,
        deserialize_char as Visitor::visit_str,
        deserialize_str as Visitor::visit_str,
        deserialize_string as Visitor::visit_str,
        deserialize_identifier as Visitor::visit_str,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Null => visitor.visit_none(),
            Value::Raw(text) if text == "null" || text == "~" => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    /// A list with nothing in it may be left empty.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Null => visitor.visit_seq(Items([].iter())),
            Value::Raw(text) => (&self.raw(text)?).deserialize_seq(visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A section with nothing in it may be left empty.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Null => {
                let (left, value) = ([].iter(), None);
                let empty = visitor.visit_map(Members { left, value });
                empty.map_err(|mistake| mistake.at(&self.origin))
            }
            Value::Raw(text) => (&self.raw(text)?).deserialize_map(visitor),
            Value::Map(_) => self.deserialize_any(visitor),
            // What is a mapping is none without the names of its keys.
            _ => Err(Mistake::new(Kind::WrongType("a mapping".into())).at(&self.origin)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let read = match &self.value {
            Value::Text(text) | Value::Raw(text) => {
                let word: StrDeserializer<'_, Mistake> = text.as_str().into_deserializer();
                word.deserialize_enum(name, variants, visitor)
            }
            _ => Err(Mistake::new(Kind::WrongType(variants.join(" or ")))),
        };
        read.map_err(|mistake| mistake.at(&self.origin))
    }

    serde::forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct ignored_any
    }
}

struct Items<'a>(slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mistake> {
        self.0.next().map(|node| node.fill(seed)).transpose()
    }
}

struct Members<'a> {
    left: slice::Iter<'a, Member>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mistake> {
        let Some(member) = self.left.next() else {
            return Ok(None);
        };
        self.value = Some(&member.node);
        let key: StrDeserializer<'_, Mistake> = member.key.as_str().into_deserializer();
        let read = seed.deserialize(key);
        read.map(Some).map_err(|mistake| mistake.at(&member.origin))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        match self.value.take() {
            Some(node) => node.fill(seed),
            None => Err(Mistake::new(Kind::Missing)),
        }
    }
}
