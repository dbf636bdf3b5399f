//! Purges of what no scope names: by a glob over names, or by the beginning of a URI.

use super::Stamp;
use bytes::Buf;
use std::sync::{Arc, OnceLock};

/// What a purge by pattern covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pattern {
    /// A glob over the names of keys, without the namespace, as Redis reads globs.
    Names(Arc<str>),
    /// The beginning of a URI: `/path` under any authority, or `authority/path`.
    Uris(Arc<str>),
}

/// A purge by pattern that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ban {
    pub(crate) at: Stamp,
    pub(crate) soft: bool,
    pub(crate) pattern: Pattern,
}

/// What a purge may cover, as patterns see it.
pub(crate) trait Named: Sync {
    /// `authority/path?query`; a value has none.
    fn uri(&self) -> Option<&str>;
    /// The name in Redis, without the namespace.
    fn name(&self) -> String;
}

/// Makes a name once: that takes some hashing.
pub(super) struct Remembered<'a> {
    named: &'a dyn Named,
    name: OnceLock<String>,
}

impl<'a> Remembered<'a> {
    pub(super) fn new(named: &'a dyn Named) -> Self {
        let name = OnceLock::new();
        Self { named, name }
    }
}

impl Named for Remembered<'_> {
    fn uri(&self) -> Option<&str> {
        self.named.uri()
    }

    fn name(&self) -> String {
        self.name.get_or_init(|| self.named.name()).clone()
    }
}

impl Pattern {
    pub(crate) fn covers(&self, subject: &dyn Named) -> bool {
        match self {
            Self::Names(glob) => matches(glob.as_bytes(), subject.name().as_bytes()),
            Self::Uris(prefix) => subject.uri().is_some_and(|uri| begins(uri, prefix)),
        }
    }

    /// As the purge script takes it: a letter for the kind, then the text.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let (kind, text) = match self {
            Self::Names(text) => (b'n', text),
            Self::Uris(text) => (b'u', text),
        };
        [&[kind], text.as_bytes()].concat()
    }

    pub(crate) fn read(wire: &[u8]) -> Option<Self> {
        let (kind, text) = wire.split_first()?;
        let text = std::str::from_utf8(text).ok()?.into();
        match kind {
            b'n' => Some(Self::Names(text)),
            b'u' => Some(Self::Uris(text)),
            _ => None,
        }
    }
}

impl Ban {
    /// As it stands in the list: its stamp, whether it is soft, its pattern.
    pub(crate) fn read(mut wire: &[u8]) -> Option<Self> {
        let at = Stamp(wire.try_get_u64().ok()?);
        let soft = wire.try_get_u8().ok()? == 1;
        let pattern = Pattern::read(wire)?;
        Some(Self { at, soft, pattern })
    }

    #[cfg(test)]
    fn to_wire(&self) -> Vec<u8> {
        use bytes::BufMut;
        let mut wire = Vec::new();
        wire.put_u64(self.at.0);
        wire.put_u8(u8::from(self.soft));
        wire.put_slice(&self.pattern.to_wire());
        wire
    }
}

fn begins(uri: &str, prefix: &str) -> bool {
    let path = |uri: &str| uri.find('/').unwrap_or(uri.len());
    match (uri.starts_with('/'), prefix.starts_with('/')) {
        // Stored under every authority: the prefix is of a path alone, whatever it names.
        (true, _) => uri.starts_with(&prefix[path(prefix)..]),
        (false, true) => uri[path(uri)..].starts_with(prefix),
        (false, false) => uri.starts_with(prefix),
    }
}

/// A glob as Redis reads it: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before what is meant as it is.
/// One star is tried at a time, so that a hostile glob takes no more than the product of both
/// lengths.
pub(crate) fn matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut at) = (glob, 0);
    // Where to go on if the last star is to take one byte more.
    let mut star: Option<(&[u8], usize)> = None;
    loop {
        if let [b'*', after @ ..] = rest {
            star = Some((after, at));
            rest = after;
            continue;
        }
        let step = match text.get(at) {
            None if rest.is_empty() => return true,
            None => None,
            Some(byte) => one(rest, *byte),
        };
        match (step, &mut star) {
            (Some(after), _) => (rest, at) = (after, at + 1),
            (None, Some((after, from))) if *from < text.len() => {
                *from += 1;
                (rest, at) = (after, *from);
            }
            _ => return false,
        }
    }
}

/// What follows the first element of a glob, if that element matches `byte`.
fn one(glob: &[u8], byte: u8) -> Option<&[u8]> {
    match glob {
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => {
            let (found, rest) = set(rest, byte);
            found.then_some(rest)
        }
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte).then_some(rest),
        [] => None,
    }
}

/// Whether `byte` is of a set, and what follows it. A set that does not end, ends with the glob.
fn set(inside: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut rest) = match inside {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, inside),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => return (found != negated, rest),
            [b']', after @ ..] => return (found != negated, after),
            [b'\\', literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
            [from, b'-', to, after @ ..] if *to != b']' => {
                let (low, high) = (from.min(to), from.max(to));
                found |= (low..=high).contains(&&byte);
                after
            }
            [literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn globs_are_read_as_redis_reads_them() {
        let table = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[abc]x", "bx", true),
            ("[^abc]x", "bx", false),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", true),
            ("[a-]x", "-x", true),
            ("[\\]]x", "]x", true),
            ("[ab", "a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("quantum_state:*", "quantum_state:7", true),
            ("quantum_state:*", "quantum:7", false),
        ];
        for (glob, text, expected) in table {
            assert_eq!(
                matches(glob.as_bytes(), text.as_bytes()),
                expected,
                "{glob} {text}"
            );
        }
    }

    struct Subject(Option<&'static str>);

    impl Named for Subject {
        fn uri(&self) -> Option<&str> {
            self.0
        }

        fn name(&self) -> String {
            "name".into()
        }
    }

    #[test]
    fn a_uri_is_covered_by_its_beginning_with_or_without_its_authority() {
        let covers = |prefix: &str, uri| Pattern::Uris(prefix.into()).covers(&Subject(uri));
        assert!(covers("/a", Some("h/a/b?c")));
        assert!(covers("h/a", Some("h/a/b?c")));
        assert!(covers("/a/b?", Some("h/a/b?c")));
        assert!(!covers("i/a", Some("h/a/b?c")));
        assert!(!covers("/b", Some("h/a/b?c")));
        assert!(!covers("/", None));
        assert!(covers("h/a", Some("/a/b")), "under every authority");
        assert!(Pattern::Names("na*".into()).covers(&Subject(None)));
    }

    proptest! {
        #[test]
        fn a_ban_is_read_back(at in any::<u64>(), soft: bool, names: bool, text in ".{0,12}") {
            let pattern = if names { Pattern::Names } else { Pattern::Uris };
            let ban = Ban { at: Stamp(at), soft, pattern: pattern(text.as_str().into()) };
            prop_assert_eq!(Ban::read(&ban.to_wire()), Some(ban));
        }

        #[test]
        fn no_glob_panics_and_a_literal_matches_itself(
            glob in proptest::collection::vec(any::<u8>(), 0..20),
            text in "[a-z:]{0,20}",
        ) {
            let _ = matches(&glob, text.as_bytes());
            prop_assert!(matches(text.as_bytes(), text.as_bytes()));
            let (prefix, longer) = ([&text, "*"].concat(), [&text, "x"].concat());
            prop_assert!(matches(prefix.as_bytes(), longer.as_bytes()));
        }
    }
}
