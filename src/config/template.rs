//! Templates: text with fields that are filled in later, `state:{id}`.

use std::borrow::Cow;
use std::convert::Infallible;

/// A template that was read.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
}

impl Template {
    /// `None`: a brace has no partner, or a field no name.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            let (part, after) = brace(from)?;
            parts.extend([Part::Text(before.into()), part]);
            rest = after;
        }
        parts.push(Part::Text(rest.into()));
        let text = text.into();
        Some(Self { text, parts })
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// With what `value` says of each field.
    pub(crate) fn fill<'a, E>(
        &'a self,
        mut value: impl FnMut(&'a str) -> Result<Cow<'a, str>, E>,
    ) -> Result<String, E> {
        let mut filled = String::with_capacity(self.text.len());
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Field(name) => filled.push_str(&value(name)?),
            }
        }
        Ok(filled)
    }

    /// With something in each field.
    pub(super) fn sample(&self) -> String {
        let something = |_| Ok::<_, Infallible>(Cow::Borrowed("x"));
        self.fill(something).unwrap_or_else(|never| match never {})
    }
}

/// What stands at a brace, and what follows it.
fn brace(from: &str) -> Option<(Part, &str)> {
    for (doubled, meant) in [("{{", "{"), ("}}", "}")] {
        if let Some(after) = from.strip_prefix(doubled) {
            return Some((Part::Text(meant.into()), after));
        }
    }
    let (name, after) = from.strip_prefix('{')?.split_once('}')?;
    let named = !name.contains('{') && name.split('.').all(|step| !step.is_empty());
    named.then(|| (Part::Field(name.into()), after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_stand_in_braces_and_doubled_braces_are_meant_as_they_are() {
        let table = [
            ("", Some("")),
            ("plain", Some("plain")),
            ("state:{id}", Some("state:<id>")),
            ("{a}{b.c}/{d}", Some("<a><b.c>/<d>")),
            ("nb:{{c}}:{x}", Some("nb:{c}:<x>")),
            ("}}{{", Some("}{")),
            ("{", None),
            ("}", None),
            ("a{b", None),
            ("a}b", None),
            ("{a{b}}", None),
            ("{}", None),
            ("{a..b}", None),
            ("{.a}", None),
        ];
        for (text, expected) in table {
            let filled = Template::read(text).map(|template| {
                let named = template.fill(|name| Ok::<_, ()>(format!("<{name}>").into()));
                named.expect("no field fails")
            });
            assert_eq!(filled.as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_one_without_braces_stays_as_it_is(text in "[{}a.]{0,12}") {
            let read = Template::read(&text);
            if !text.contains(['{', '}']) {
                prop_assert_eq!(read.expect("no braces").sample(), text);
            }
        }
    }
}
