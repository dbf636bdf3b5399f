//! The JSON Schema of settings files.

use super::sections::Document;
use super::values::{FieldName, LONGEST, Secret, Secs, Size};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::time::Duration;

/// The schema of a whole file.
pub(crate) fn schema() -> serde_json::Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<Document>().into()
}

macro_rules! described {
    ($([$($generics:tt)*] $type:ty, $name:expr, $schema:expr;)*) => {
        $(impl<$($generics)*> JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        })*
    };
}

described! {
    [const MIN: u64] Secs<MIN>, format!("Seconds{MIN}"), json_schema!({
        "type": "number",
        "minimum": Duration::from_millis(MIN).as_secs_f64(),
        "maximum": LONGEST,
    });
    [] Size, "Bytes", json_schema!({
        "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9]+ *[KMG]iB$" },
        ],
    });
    [] Secret, "Secret", json_schema!({ "type": "string", "minLength": 1 });
    [] FieldName, "FieldName", json_schema!({
        "type": "string",
        "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    });
}
