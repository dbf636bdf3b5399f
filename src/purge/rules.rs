//! Rules: what an event purges by the settings, its context filled in.
//!
//! What a context brings in never widens a purge: it names one thing, or nothing is purged.

use super::failures::{EventFailure, EventFailureKind, Of};
use super::{Purge, Purged};
use crate::cache::Cache;
use crate::config::{Target, Templated};
use crate::key::Namespace;
use crate::stamp::Order;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// A field, and why it cannot be filled in.
type Unfilled<'a> = (&'a str, EventFailureKind);

impl Cache {
    /// Purges what the rules of an event say, all that is hard in one step, all that is soft in
    /// another. Under way when this returns; the future only waits.
    pub(super) fn give_rules(
        &self,
        event: &Arc<str>,
        context: &Value,
    ) -> (
        impl Future<Output = Purged> + Send + use<>,
        Vec<EventFailure>,
    ) {
        let (mut hard, mut soft) = (Order::default(), Order::default());
        soft.soft = true;
        let mut failures = Vec::new();
        for rule in self.inner.config.event_rules.of(event) {
            let order = if rule.soft { &mut soft } else { &mut hard };
            match self.order_of(rule, context) {
                Ok(more) => {
                    order.scopes.extend(more.scopes);
                    order.patterns.extend(more.patterns);
                }
                Err(failed) => failures.push(failed.named(event, rule)),
            }
        }
        let orders = [hard, soft].into_iter().filter(|order| !order.is_empty());
        let given: Vec<_> = orders.map(|order| self.give(&order)).collect();
        let all = async move {
            let mut purged = Purged::Applied;
            for purge in given {
                purged = purged.and(purge.await);
            }
            purged
        };
        (all, failures)
    }

    fn order_of<'a>(&self, rule: &'a Templated, context: &'a Value) -> Result<Order, Failed<'a>> {
        let namespace = &self.inner.store.namespace;
        let purge = filled(rule, context, namespace).map_err(Failed::Field)?;
        purge.order(self).map_err(Failed::Purge)
    }
}

enum Failed<'a> {
    Field(Unfilled<'a>),
    Purge(crate::error::CacheError),
}

impl Failed<'_> {
    fn named(self, event: &Arc<str>, rule: &Templated) -> EventFailure {
        let template = rule.template.text().to_owned();
        let of = |field: Option<&str>| Of::Rule {
            template,
            field: field.map(Into::into),
        };
        match self {
            Self::Field((field, kind)) => EventFailure::new(event, of(Some(field)), kind),
            Self::Purge(error) => EventFailure::new(event, of(None), EventFailureKind::Unpurgeable)
                .with(Some(error.into())),
        }
    }
}

fn filled<'a>(
    rule: &'a Templated,
    context: &'a Value,
    namespace: &Namespace,
) -> Result<Purge, Unfilled<'a>> {
    let quote = match rule.target {
        Target::Tag | Target::Class => as_it_is,
        Target::Uri | Target::Prefix => in_uri,
        Target::Pattern => in_glob,
    };
    let text = rule
        .template
        .fill(|field| Ok(quote(value(context, field)?)))?;
    Ok(match rule.target {
        Target::Tag => Purge::tags([text]),
        Target::Class => Purge::class(text),
        Target::Uri => Purge::uri(text),
        Target::Prefix => Purge::prefix(text),
        Target::Pattern => {
            // A namespace that a value brings in is none: it must not be taken off.
            let written = namespace.strip(rule.template.text()).is_some();
            Purge::pattern(match written {
                true => text,
                false => namespace.name(&text),
            })
        }
    })
}

/// What is filled in for a field.
fn value<'a>(context: &'a Value, field: &'a str) -> Result<Cow<'a, str>, Unfilled<'a>> {
    let found = field.split('.').try_fold(context, |at, step| at.get(step));
    match found {
        None | Some(Value::Null) => Err((field, EventFailureKind::FieldMissing)),
        Some(Value::String(text)) if !text.is_empty() => Ok(text.into()),
        Some(Value::Number(number)) => Ok(number.to_string().into()),
        Some(Value::Bool(bool)) => Ok(bool.to_string().into()),
        Some(_) => Err((field, EventFailureKind::FieldUnusable)),
    }
}

fn as_it_is(text: Cow<'_, str>) -> Cow<'_, str> {
    text
}

/// Meant as it is, in a set too.
fn in_glob(text: Cow<'_, str>) -> Cow<'_, str> {
    const SPECIAL: [char; 7] = ['*', '?', '[', ']', '^', '-', '\\'];
    if !text.contains(SPECIAL) {
        return text;
    }
    let mut quoted = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if SPECIAL.contains(&char) {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.into()
}

/// One segment of a path, or one value of a query (RFC 3986 §2).
fn in_uri(text: Cow<'_, str>) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$'()*,;:@".contains(&byte);
    if text.bytes().all(plain) {
        return text;
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded.into()
}

#[cfg(test)]
mod tests {
    use super::EventFailureKind::{FieldMissing, FieldUnusable};
    use super::*;
    use crate::stamp::{Named, Pattern};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn fields_are_strings_numbers_and_booleans_at_any_depth() {
        let context = json!({
            "id": 42, "name": "a b", "on": true, "x": 1.5, "user": { "id": "u1", "none": null },
            "list": [1], "empty": "",
        });
        let table = [
            ("id", Ok("42")),
            ("name", Ok("a b")),
            ("on", Ok("true")),
            ("x", Ok("1.5")),
            ("user.id", Ok("u1")),
            ("user.none", Err(FieldMissing)),
            ("user.id.more", Err(FieldMissing)),
            ("nobody", Err(FieldMissing)),
            ("user", Err(FieldUnusable)),
            ("list", Err(FieldUnusable)),
            ("empty", Err(FieldUnusable)),
        ];
        for (field, expected) in table {
            let expected = expected.map_err(|kind| (field, kind));
            assert_eq!(value(&context, field).as_deref(), expected.as_deref());
        }
    }

    #[test]
    fn values_are_quoted_for_where_they_stand() {
        let table = [
            ("a-b", "a\\-b", "a-b"),
            ("*", "\\*", "*"),
            ("[a]?^\\", "\\[a\\]\\?\\^\\\\", "%5Ba%5D%3F%5E%5C"),
            ("a/b?c=d&e", "a/b\\?c=d&e", "a%2Fb%3Fc%3Dd%26e"),
            ("é %", "é %", "%C3%A9%20%25"),
        ];
        for (text, glob, uri) in table {
            assert_eq!(in_glob(text.into()), glob);
            assert_eq!(in_uri(text.into()), uri);
        }
    }

    struct Name(String);

    impl Named for Name {
        fn uri(&self) -> Option<&str> {
            None
        }

        fn name(&self) -> String {
            self.0.clone()
        }
    }

    proptest! {
        #[test]
        fn a_value_in_a_glob_matches_itself_alone(
            value in "[a-c*?^\\[\\]\\\\-]{1,6}",
            other in "[a-c*?^\\[\\]\\\\-]{1,6}",
        ) {
            let glob = format!("x:{}:y", in_glob(value.as_str().into()));
            let pattern = Pattern::Names(glob.into());
            let covers = |name: &str| pattern.covers(&Name(format!("x:{name}:y")));
            prop_assert!(covers(&value));
            prop_assert_eq!(covers(&other), value == other);
        }
    }
}
