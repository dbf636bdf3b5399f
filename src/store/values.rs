//! Many values in one lookup.

use super::asked::is_same;
use super::{Get, Remote, Store, Tier, value_key};
use crate::clock::instant;
use crate::entry::{Entry, decode};
use crate::error::Fault;
use crate::observe::Operation;
use bytes::Bytes;
use http::HeaderMap;
use std::sync::Arc;
use tokio::runtime::Handle;

type Value = Option<(Arc<Entry>, Tier)>;

impl Store {
    /// Looks up values, together and within the soft limit; a fault is a miss of all.
    pub(crate) async fn lookup_values(&self, names: &[&str]) -> Vec<Value> {
        match &self.remote {
            Some(remote) if !self.now_here().is_alone() && Handle::try_current().is_ok() => {
                let asked = self.ask_values(remote, names);
                let begun = instant();
                let asked = tokio::time::timeout(self.soft_limit, asked).await;
                self.observer.took(Operation::Lookup, begun.elapsed());
                let fault = match asked.unwrap_or(Err(Fault::Timeout)) {
                    Ok(found) => return found,
                    Err(fault) => fault,
                };
                self.observer.fault(Operation::Lookup, fault);
            }
            _ => {}
        }
        let now = self.clock.now();
        let local = |name: &&str| {
            let (found, tier) = self.at_once(&value_key(name), &HeaderMap::new(), now);
            Some((found?, tier))
        };
        names.iter().map(local).collect()
    }

    /// What the local tier has a copy of is asked for by its header.
    async fn ask_values(&self, remote: &Remote, names: &[&str]) -> Result<Vec<Value>, Fault> {
        let copies: Vec<_> = names.iter().map(|name| self.copy(name)).collect();
        let gets = names.iter().zip(&copies).map(|(name, copy)| {
            let name = self.namespace.value(name).primary;
            match copy {
                Some(_) => Get::Header(name),
                None => Get::Whole(name),
            }
        });
        let gets: Vec<Get> = gets.collect();
        let mut read = remote.read(&gets).await?;
        let values = std::mem::take(&mut read.values);
        let mut found = Vec::with_capacity(names.len());
        for ((name, copy), value) in names.iter().zip(copies).zip(values) {
            let entry = match copy {
                Some(copy) if is_same(&copy, value.as_deref()) => Some(copy),
                // Another has its place.
                Some(_) => {
                    found.push(self.lookup_value(name).await.found);
                    continue;
                }
                None => value.and_then(|wire| self.keep_value(name, wire)),
            };
            found.push(match entry {
                Some(entry) if self.confirm(remote, &entry, &read).await? => {
                    Some((entry, Tier::Redis))
                }
                _ => None,
            });
        }
        Ok(found)
    }

    fn copy(&self, name: &str) -> Option<Arc<Entry>> {
        self.local.find(&value_key(name), &HeaderMap::new())
    }

    fn keep_value(&self, name: &str, wire: Bytes) -> Option<Arc<Entry>> {
        let key = value_key(name);
        let entry = decode(wire).filter(|entry| key.matches(&entry.key));
        let Some(entry) = entry.map(Arc::new) else {
            self.observer.fault(Operation::Decode, Fault::Foreign);
            return None;
        };
        self.local.insert(&key, entry.clone());
        Some(entry)
    }
}
