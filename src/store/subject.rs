//! What is judged by purges: entries, and responses on their way.

use crate::entry::{Entry, Kind};
use crate::key::{Namespace, RequestKey};
use crate::stamp::{Named, Scope, Stamp, Subject};

/// Something that a purge may cover.
pub(crate) trait Covered: Named {
    fn scopes(&self) -> &[Scope];

    /// As a subject whose handler began at `stamp`.
    fn at(&self, stamp: Stamp) -> Subject<'_>;
}

/// An entry, and what is needed to know its name.
pub(super) struct EntryNames<'a> {
    pub(super) entry: &'a Entry,
    pub(super) namespace: &'a Namespace,
}

impl Named for EntryNames<'_> {
    fn uri(&self) -> Option<&str> {
        self.entry.uri()
    }

    fn name(&self) -> String {
        name(
            self.namespace,
            self.entry.kind,
            &self.entry.key,
            &self.entry.variant,
        )
    }
}

impl Covered for EntryNames<'_> {
    fn scopes(&self) -> &[Scope] {
        &self.entry.scopes
    }

    fn at(&self, stamp: Stamp) -> Subject<'_> {
        Subject {
            stamp,
            scopes: self.scopes(),
            named: self,
        }
    }
}

/// The name in Redis, without the namespace.
pub(crate) fn name(namespace: &Namespace, kind: Kind, key: &[u8], variant: &[u8]) -> String {
    let Some(key) = RequestKey::from_bytes(key) else {
        return String::new();
    };
    if kind == Kind::Value {
        return key.value_name();
    }
    let names = namespace.names(&key);
    let name = match variant {
        [] => names.primary,
        _ => namespace.variant(&names, &key, variant),
    };
    namespace.strip(&name).unwrap_or(&name).to_owned()
}
