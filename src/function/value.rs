//! What can be stored of what a function returns, and how.

use crate::entry::Entry;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::ser::{Impossible, Serialize, Serializer};
use std::any::type_name;
use std::fmt;

/// What can be stored: all that serde writes and reads, and that can be copied.
///
/// An `Arc<T>` is handed out of the local tier as it is; everything else is decoded.
#[diagnostic::on_unimplemented(
    message = "the result `{Self}` cannot be cached",
    label = "not `Serialize + DeserializeOwned + Clone + Send + Sync + 'static`",
    note = "derive `Clone`, `serde::Serialize` and `serde::Deserialize`; of a `Result` only what is in `Ok` must be so"
)]
pub trait CacheValue: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> CacheValue for T {}

pub(super) fn encode<T: Serialize>(value: &T) -> Option<Bytes> {
    Some(rmp_serde::to_vec_named(value).ok()?.into())
}

/// `None`: it is of another shape.
pub(super) fn decode<T: CacheValue>(entry: &Entry) -> Option<T> {
    if let Some(value) = entry.decoded::<T>() {
        return Some(value.clone());
    }
    let value: T = rmp_serde::from_slice(&entry.body).ok()?;
    keep(entry, &value);
    Some(value)
}

/// Keeps a value that is shared rather than copied.
pub(super) fn keep<T: CacheValue>(entry: &Entry, value: &T) {
    if type_name::<T>().starts_with("alloc::sync::Arc<") {
        entry.keep_decoded(value.clone());
    }
}

/// What a value is, beside being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Plain,
    None,
    Error,
}

/// As its serialisation begins: that sees through aliases.
pub(super) fn shape<T: Serialize>(value: &T) -> Shape {
    match value.serialize(Probe) {
        Ok(never) => match never {},
        Err(Found(shape)) => shape,
    }
}

/// Looks at the first thing that is written.
struct Probe;

#[derive(Debug)]
struct Found(Shape);

#[derive(Debug)]
enum Never {}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Found {}

impl serde::ser::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(Shape::Plain)
    }
}

const PLAIN: Result<Never, Found> = Err(Found(Shape::Plain));

type Compound = Impossible<Never, Found>;

macro_rules! plain {
    ($($method:ident($($of:ty),*) -> $to:ty;)*) => {
        $(fn $method(self, $(_: $of),*) -> Result<$to, Found> {
            Err(Found(Shape::Plain))
        })*
    };
}

impl Serializer for Probe {
    type Ok = Never;
    type Error = Found;
    type SerializeSeq = Compound;
    type SerializeTuple = Compound;
    type SerializeTupleStruct = Compound;
    type SerializeTupleVariant = Compound;
    type SerializeMap = Compound;
    type SerializeStruct = Compound;
    type SerializeStructVariant = Compound;

    plain! {
        serialize_bool(bool) -> Never;
        serialize_i8(i8) -> Never;
        serialize_i16(i16) -> Never;
        serialize_i32(i32) -> Never;
        serialize_i64(i64) -> Never;
        serialize_u8(u8) -> Never;
        serialize_u16(u16) -> Never;
        serialize_u32(u32) -> Never;
        serialize_u64(u64) -> Never;
        serialize_f32(f32) -> Never;
        serialize_f64(f64) -> Never;
        serialize_char(char) -> Never;
        serialize_str(&str) -> Never;
        serialize_bytes(&[u8]) -> Never;
        serialize_unit() -> Never;
        serialize_unit_struct(&'static str) -> Never;
        serialize_unit_variant(&'static str, u32, &'static str) -> Never;
        serialize_seq(Option<usize>) -> Compound;
        serialize_tuple(usize) -> Compound;
        serialize_tuple_struct(&'static str, usize) -> Compound;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Compound;
        serialize_map(Option<usize>) -> Compound;
        serialize_struct(&'static str, usize) -> Compound;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Compound;
    }

    fn serialize_none(self) -> Result<Never, Found> {
        Err(Found(Shape::None))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Never, Found> {
        PLAIN
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<Never, Found> {
        PLAIN
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Never, Found> {
        match (of, variant) {
            ("Result", "Err") => Err(Found(Shape::Error)),
            // A `None` in it is one.
            ("Result", "Ok") => value.serialize(self),
            _ => PLAIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn none_and_errors_are_seen_however_they_are_named() {
        type Fetched<T> = Result<T, u8>;
        type Found<T> = Option<T>;
        let table = [
            (shape(&None::<u8>), Shape::None),
            (shape(&Found::Some(1)), Shape::Plain),
            (shape(&Fetched::<u8>::Err(1)), Shape::Error),
            (shape(&Fetched::Ok(1)), Shape::Plain),
            (shape(&Fetched::Ok(None::<u8>)), Shape::None),
            (shape(&Arc::new(None::<u8>)), Shape::None),
            (shape(&[None::<u8>]), Shape::Plain),
            (shape(&()), Shape::Plain),
            (shape(&"x"), Shape::Plain),
        ];
        for (at, (found, expected)) in table.into_iter().enumerate() {
            assert_eq!(found, expected, "{at}");
        }
    }
}
