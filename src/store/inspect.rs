//! What is stored, for who looks after the cache. Nothing here is on the way of a request.

use super::asked::Asked;
use super::subject::name;
use super::{Lookup, Store, Tiers};
use crate::entry::{Entry, Kind};
use crate::error::Fault;
use crate::key::RequestKey;
use crate::stamp::matches_glob;
use http::HeaderMap;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;

/// Where a page begins: how far one of the masters was gone through. Local memory, and one server,
/// are master 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) master: usize,
    pub(crate) at: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.master {
            0 => write!(f, "{}", self.at),
            master => write!(f, "{}.{master}", self.at),
        }
    }
}

impl FromStr for Cursor {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (at, master) = text.split_once('.').unwrap_or((text, "0"));
        Ok(Self {
            master: master.parse()?,
            at: at.parse()?,
        })
    }
}

/// Which keys are wanted, and how many of them, about.
#[derive(Clone, Debug)]
pub(crate) struct PageQuery {
    /// Where the page before ended.
    pub(crate) cursor: Cursor,
    pub(crate) limit: usize,
    /// A glob over whole names.
    pub(crate) pattern: String,
    /// What their URIs, `authority/path?query`, must hold.
    pub(crate) uri: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) keys: Vec<Listed>,
    /// Where the next one begins; `None`: this is the last.
    pub(crate) next: Option<Cursor>,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// `None`: it is no entry, a record of purges perhaps.
    pub(crate) kind: Option<Kind>,
    pub(crate) uri: Option<String>,
    pub(crate) bytes: u64,
    /// Until it expires; `None`: it does not.
    pub(crate) ttl_ms: Option<u64>,
}

impl PageQuery {
    pub(crate) fn wants(&self, key: &Listed) -> bool {
        let uri = |wanted: &String| key.uri.as_ref().is_some_and(|uri| uri.contains(wanted));
        self.uri.as_ref().is_none_or(uri)
    }
}

impl Store {
    /// A page of what is in Redis, or without one in local memory.
    pub(crate) async fn page(&self, query: &PageQuery) -> Result<Page, Fault> {
        match &self.remote {
            Some(remote) => remote.page(query).await,
            None => Ok(self.local_page(query)),
        }
    }

    /// The entry of this name in Redis, or without one in local memory.
    pub(crate) async fn named(&self, wanted: &str) -> Result<Option<Arc<Entry>>, Fault> {
        match &self.remote {
            Some(remote) => Ok(remote.named(wanted).await?.map(Arc::new)),
            None => Ok(self
                .local
                .find_by(|entry| entry.kind != Kind::Vary && self.full_name(entry) == wanted)),
        }
    }

    /// What a lookup would find now: nothing is kept, removed or counted.
    pub(crate) async fn look(
        &self,
        key: &RequestKey<'_>,
        headers: &HeaderMap,
        tiers: Tiers,
    ) -> Lookup {
        let moment = self.now_here();
        let local = || Lookup::local(self.at_once(key, headers, self.clock.now()), moment);
        let asked = match &self.remote {
            Some(remote) if !moment.is_alone() => Asked {
                store: self,
                remote,
                key,
                headers,
                names: self.namespace.names(key),
                tiers,
                dry: true,
            },
            _ => return local(),
        };
        let found = tokio::time::timeout(self.soft_limit, asked.lookup(moment)).await;
        match found {
            Ok(Ok(lookup)) => lookup,
            _ if self.now_here().is_alone() => local(),
            _ => Lookup::nothing(moment),
        }
    }

    /// What it is called in Redis.
    pub(crate) fn full_name(&self, entry: &Entry) -> String {
        let name = name(&self.namespace, entry.kind, &entry.key, &entry.variant);
        self.namespace.name(&name)
    }

    fn local_page(&self, query: &PageQuery) -> Page {
        let now = self.clock.now();
        let list = |entry: &Arc<Entry>| {
            let listed = Listed {
                name: self.full_name(entry),
                kind: Some(entry.kind),
                uri: entry.uri().map(str::to_owned),
                bytes: entry.wire().len() as u64,
                ttl_ms: Some(entry.meta.stale_until.since(now)),
            };
            let wanted = matches_glob(query.pattern.as_bytes(), listed.name.as_bytes());
            (wanted && query.wants(&listed)).then_some(listed)
        };
        let (keys, next) = self.local.page(query.cursor.at, query.limit, list);
        let next = next.map(|at| Cursor { master: 0, at });
        Page { keys, next }
    }
}
