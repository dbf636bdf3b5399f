//! What an administrator asks of Redis: its own figures, a page of keys, one entry.

use super::reply::bytes_of;
use super::{Remote, Shared, scan};
use crate::entry::{Entry, Peeked, decode};
use crate::error::Fault;
use crate::store::inspect::{Listed, Page, PageQuery};
use ::redis::{Pipeline, Value};
use bytes::Bytes;

/// Keys looked at in one step of a page, and how many steps it takes at most.
const AT_ONCE: usize = 200;
const STEPS: usize = 20;

/// As much of an entry as holds its URI, unless that is very long.
const BEGINNING: usize = 2048;

/// What the server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) redis_version: String,
    pub(crate) used_memory_human: String,
    pub(crate) connected_clients: u64,
    /// Bytes.
    pub(crate) used_memory: u64,
    /// Bytes; 0: no limit.
    pub(crate) maxmemory: u64,
    pub(crate) evicted_keys: u64,
}

impl Remote {
    /// What the server says of itself; empty where this user may not ask.
    pub(crate) async fn info(&self) -> Result<Info, Fault> {
        let mut pipe = Pipeline::with_capacity(4);
        for section in ["server", "memory", "clients", "stats"] {
            pipe.cmd("INFO").arg(section);
        }
        let texts = self.shared.ask(pipe).await?.into_iter();
        let text: String = texts
            .filter_map(|value| ::redis::from_redis_value::<String>(value).ok())
            .collect();
        let field = |name: &str| {
            let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned());
            text.lines().find_map(value).unwrap_or_default()
        };
        let number = |name: &str| field(name).parse().unwrap_or(0);
        Ok(Info {
            redis_version: field("redis_version"),
            used_memory_human: field("used_memory_human"),
            connected_clients: number("connected_clients"),
            used_memory: number("used_memory"),
            maxmemory: number("maxmemory"),
            evicted_keys: number("evicted_keys"),
        })
    }

    /// A page of keys: some steps of going through them all, so that Redis is never held up. It
    /// may be empty, and not the last.
    pub(crate) async fn page(&self, query: &PageQuery) -> Result<Page, Fault> {
        let shared = &*self.shared;
        let (mut keys, mut next) = (Vec::new(), query.cursor);
        let masters = shared.slots.connection().await?.handle.masters().await?;
        for _ in 0..STEPS {
            let Some(master) = masters.get(next.master) else {
                return Ok(Page { keys, next: None });
            };
            let at = next.at.to_string();
            let of = (&*query.pattern, at.as_bytes());
            let (later, found) = scan::step(shared, master, of, AT_ONCE).await?;
            let listed = listed(shared, found).await?;
            keys.extend(listed.into_iter().filter(|key| query.wants(key)));
            let later = std::str::from_utf8(&later).ok();
            next.at = later.and_then(|at| at.parse().ok()).unwrap_or(0);
            if next.at == 0 {
                next.master += 1;
            }
            if keys.len() >= query.limit {
                break;
            }
        }
        let more = next.master < masters.len();
        Ok(Page {
            keys,
            next: more.then_some(next),
        })
    }

    /// The entry of this name.
    pub(crate) async fn named(&self, name: &str) -> Result<Option<Entry>, Fault> {
        let mut pipe = Pipeline::with_capacity(1);
        pipe.cmd("GET").arg(name);
        let wire = self.shared.ask(pipe).await?.pop().and_then(bytes_of);
        Ok(wire.and_then(decode))
    }
}

async fn listed(shared: &Shared, keys: Vec<Bytes>) -> Result<Vec<Listed>, Fault> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = Pipeline::with_capacity(keys.len() * 3);
    for key in &keys {
        pipe.cmd("GETRANGE").arg(&key[..]).arg(0).arg(BEGINNING - 1);
        pipe.cmd("STRLEN").arg(&key[..]);
        pipe.cmd("PTTL").arg(&key[..]);
    }
    let mut values = shared.ask(pipe).await?.into_iter();
    let mut listed = Vec::with_capacity(keys.len());
    for key in keys {
        let peeked = values.next().and_then(bytes_of);
        let peeked = peeked.and_then(|beginning| Peeked::read(&beginning));
        let (bytes, ttl_ms) = (number(values.next()), number(values.next()));
        let Ok(name) = std::str::from_utf8(&key) else {
            continue;
        };
        listed.push(Listed {
            name: name.to_owned(),
            kind: peeked.as_ref().map(Peeked::kind),
            uri: peeked.and_then(|peeked| Some(peeked.uri()?.to_owned())),
            bytes: bytes.unwrap_or(0),
            ttl_ms,
        });
    }
    Ok(listed)
}

fn number(value: Option<Value>) -> Option<u64> {
    match value? {
        Value::Int(number) => u64::try_from(number).ok(),
        _ => None,
    }
}
