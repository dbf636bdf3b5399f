//! What runs inside Redis: storing and purging, each one atomic step.

use super::Write;
use super::service::Client;
use crate::clock::millis;
use crate::error::Fault;
use crate::stamp::{FIXED, MIN_CELLS, Order, Pattern, Scope, Stamp};
use ::redis::{Pipeline, Script, Value};
use std::sync::Arc;

/// Keeps the newer of two envelopes, by stamp and then by time; numbers are compared as
/// doubles, which hold microseconds exactly for some two hundred years.
///
/// What stands aside is moved; where this user, or this server, moves nothing it is copied.
/// However that ends, it stands aside no more. One that lost pieces on the way is left out.
const STORE: &str = r"
local old = redis.pcall('GETRANGE', KEYS[1], 0, 23)
if type(old) == 'string' and #old == 24 and string.sub(old, 1, 4) == 'NBCE' then
  local stamp, time = struct.unpack('>I8I8', old, 9)
  local new_stamp, new_time = struct.unpack('>I8I8', ARGV[1], 9)
  if stamp > new_stamp or (stamp == new_stamp and time > new_time) then
    if KEYS[2] then redis.call('UNLINK', KEYS[2]) end
    return 0
  end
end
local envelope = ARGV[1]
if KEYS[2] then
  if redis.call('STRLEN', KEYS[2]) ~= tonumber(ARGV[3]) then
    redis.call('UNLINK', KEYS[2])
    return 0
  end
  local lasts = redis.pcall('PEXPIRE', KEYS[2], ARGV[2]) == 1
  if lasts and redis.pcall('RENAME', KEYS[2], KEYS[1]).ok then return 1 end
  envelope = redis.call('GET', KEYS[2])
  if not envelope then return 0 end
  redis.call('UNLINK', KEYS[2])
end
redis.call('SET', KEYS[1], envelope, 'PX', ARGV[2])
return 1
";

/// Raises the cells of scopes, and notes patterns, past everything seen before, and tells all who
/// listen what the clock was, what it is, and what was raised. A record that is missing, or
/// older than what the caller has seen, is made anew with every cell raised: nothing stored
/// before is valid then; so is what is no record at all. One of a later layout is left alone.
/// The new stamp is past the caller's own marks too. Safe to repeat.
///
/// What the last purge by pattern was, the record says: a list that does not end with it is lost,
/// and all before it purged. A user that may not publish purges all the same; who listens finds
/// the clock changed.
///
/// What it returns is what the clock was, and what it is.
///
/// The first write is one that a full server allows, and after a first write it refuses no
/// other of the script: a purge must get through when nothing can be stored.
const PURGE: &str = r"
local key, list = KEYS[1], KEYS[2]
local seen, past = tonumber(ARGV[1]), tonumber(ARGV[2])
local cells, fixed = tonumber(ARGV[3]), tonumber(ARGV[4])
local soft, scopes, channel = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local head = redis.pcall('GETRANGE', key, 0, fixed * 8 - 1)
if type(head) ~= 'string' then
  if not string.find(head.err, 'WRONGTYPE') then return head end
  head = ''
end
local most = 9007199254740992
local clock, everything, layout, held, newest = 0, 0, 0, 0, 0
if #head == fixed * 8 then
  clock, everything, layout, held, newest = struct.unpack('>I8I8I4I4I8', head)
  if layout > 2 and layout < 1000 then
    return redis.error_reply('LAYOUT the record of purges is of a later version')
  end
  if layout ~= 2 or held < fixed + 3 or clock >= most
    or redis.call('STRLEN', key) ~= held * 16 then
    clock = 0
  end
end
local n = math.max(clock, now - 1, seen, past) + 1
if n >= most then
  return redis.error_reply('CLOCK the clock of purges has run out')
end
local cell = struct.pack('>I8', n)
local function tell(previous, raised, patterns)
  local head = struct.pack('>I8I8I8BI4', previous, n, everything, soft, #raised)
  local parts = {head}
  for _, at in ipairs(raised) do parts[#parts + 1] = struct.pack('>I4', at) end
  for _, p in ipairs(patterns) do parts[#parts + 1] = struct.pack('>I4', #p) .. p end
  redis.pcall('PUBLISH', channel, table.concat(parts))
end
redis.call('PERSIST', key)
if clock == 0 or clock < seen then
  local zeros = string.rep(string.char(0), 8)
  local head = cell .. cell .. struct.pack('>I4I4', 2, cells) .. zeros .. zeros
  local hard = string.rep(cell, cells - fixed)
  redis.call('SET', key, head .. hard .. string.rep(zeros, cells))
  redis.call('DEL', list)
  everything = n
  tell(0, {}, {})
  return {'0', string.format('%.0f', n)}
end
if #ARGV == 7 then
  return {string.format('%.0f', clock), string.format('%.0f', clock)}
end
local named = held - fixed
local broad = math.max(math.floor(named / 16), 1)
local tags = math.max(math.floor(named * 7 / 16), 1)
local ones = named - broad - tags
local function cell_of(scope)
  local reach, hash = math.floor(scope / 1073741824), scope % 1073741824
  if reach == 0 then
    return fixed + hash % ones
  elseif reach == 1 then
    return fixed + ones + hash % tags
  end
  return fixed + ones + tags + hash % broad
end
local raised, patterns = {}, {}
for i = 8, 7 + scopes do
  local hash = tonumber(ARGV[i])
  local at = soft == 1 and 4 or 1
  if hash >= 0 then
    at = cell_of(hash) + soft * held
  elseif soft == 0 then
    everything = n
  end
  redis.call('SETRANGE', key, at * 8, cell)
  raised[#raised + 1] = at
end
local function at(item)
  if item and #item > 9 then
    return (struct.unpack('>I8', item))
  end
  return 0
end
local function purge_before(stamp)
  if stamp > everything then
    everything = stamp
    redis.call('SETRANGE', key, 8, struct.pack('>I8', stamp))
  end
end
if #ARGV > 7 + scopes then
  if redis.call('TYPE', list).ok ~= 'list' then
    redis.call('DEL', list)
  end
  if at(redis.call('LINDEX', list, -1)) ~= newest then
    purge_before(newest)
    redis.call('DEL', list)
  end
end
for i = 8 + scopes, #ARGV do
  local pattern = string.char(soft) .. ARGV[i]
  for _, item in ipairs(redis.call('LRANGE', list, 0, -1)) do
    if string.sub(item, 9) == pattern then
      redis.call('LREM', list, 1, item)
    end
  end
  redis.call('RPUSH', list, cell .. pattern)
  redis.call('SETRANGE', key, 24, cell)
  patterns[#patterns + 1] = ARGV[i]
end
while #patterns > 0 and redis.call('LLEN', list) > 128 do
  purge_before(at(redis.call('LPOP', list)))
end
redis.call('SETRANGE', key, 0, cell)
tell(clock, raised, patterns)
return {string.format('%.0f', clock), string.format('%.0f', n)}
";

/// Unlinks an envelope that bears a stamp; a newer one that has taken its place stays.
const UNLINK: &str = r"
local head = redis.pcall('GETRANGE', KEYS[1], 0, 15)
if type(head) == 'string' and string.sub(head, 1, 4) == 'NBCE' and string.sub(head, 9) == ARGV[1] then
  return redis.call('UNLINK', KEYS[1])
end
return 0
";

/// Gives back a lease that still bears its token, and tells who waits for its end.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', ARGV[2], ARGV[3])
return 1
";

/// The format cell: 2 for this layout in the upper half, the number of cells in the lower.
pub(super) fn cells_of(format: u64) -> Option<usize> {
    let cells = usize::try_from(format & 0xffff_ffff).ok()?;
    (format >> 32 == 2 && cells >= MIN_CELLS).then_some(cells)
}

/// One purge; of nothing it only makes sure that there is a record past `seen`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purge<'a> {
    pub(super) order: &'a Order,
    /// The highest clock read from Redis.
    pub(super) seen: Stamp,
    /// The highest mark made here.
    pub(super) past: Stamp,
}

/// The longest lifetime of a key, in milliseconds: what a server takes is bounded.
const LONGEST: u64 = (1 << 31) * 1000;

/// One script, called by its hash; sent whole to a server that does not know it yet.
struct Code {
    text: &'static str,
    hash: String,
}

pub(super) struct Scripts {
    store: Code,
    purge: Code,
    unlink: Code,
    release: Code,
}

/// What a purge writes, and where it is told.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    pub(super) stamps: &'a str,
    pub(super) patterns: &'a str,
    pub(super) channel: &'a str,
}

/// A script on a few keys.
pub(super) struct Invocation<'a> {
    code: &'a Code,
    keys: Vec<&'a [u8]>,
    args: Vec<Vec<u8>>,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let code = |text| Code {
            text,
            hash: Script::new(text).get_hash().to_owned(),
        };
        Self {
            store: code(STORE),
            purge: code(PURGE),
            unlink: code(UNLINK),
            release: code(RELEASE),
        }
    }

    /// Stores an envelope; one that stands under `aside` already takes its place.
    pub(super) fn store<'a>(&'a self, write: &'a Write, aside: Option<&'a str>) -> Invocation<'a> {
        let ttl = millis(write.ttl).clamp(1, LONGEST);
        let name = write.name.as_bytes();
        let envelope = match aside {
            None => write.entry.wire(),
            // Its header says what is newer.
            Some(_) => write.entry.header(),
        };
        Invocation {
            code: &self.store,
            keys: std::iter::once(name)
                .chain(aside.map(str::as_bytes))
                .collect(),
            args: vec![
                envelope.to_vec(),
                ttl.to_string().into_bytes(),
                write.entry.wire().len().to_string().into_bytes(),
            ],
        }
    }

    /// Unlinks an entry, if it bears this stamp.
    pub(super) fn unlink<'a>(&'a self, key: &'a [u8], stamp: u64) -> Invocation<'a> {
        Invocation {
            code: &self.unlink,
            keys: vec![key],
            args: vec![stamp.to_be_bytes().to_vec()],
        }
    }

    /// Gives a lease back, and says so.
    pub(super) fn release<'a>(
        &'a self,
        lease: &'a [u8],
        token: &[u8],
        channel: &str,
        told: Vec<u8>,
    ) -> Invocation<'a> {
        Invocation {
            code: &self.release,
            keys: vec![lease],
            args: vec![token.to_vec(), channel.as_bytes().to_vec(), told],
        }
    }

    /// A purge of the record and the list of patterns.
    pub(super) fn purge<'a>(
        &'a self,
        keys: Keys<'a>,
        cells: usize,
        purge: &Purge<'_>,
    ) -> Invocation<'a> {
        let order = purge.order;
        let scope = |scope: &Scope| match scope {
            Scope::Everything => "-1".to_owned(),
            Scope::Named(hash) => hash.to_string(),
        };
        let fixed = [
            purge.seen.0.to_string(),
            purge.past.0.to_string(),
            cells.to_string(),
            FIXED.to_string(),
            u8::from(order.soft).to_string(),
            order.scopes.len().to_string(),
            keys.channel.to_owned(),
        ];
        let words = fixed.into_iter().chain(order.scopes.iter().map(scope));
        let patterns_args = order.patterns.iter().map(Pattern::to_wire);
        Invocation {
            code: &self.purge,
            keys: vec![keys.stamps.as_bytes(), keys.patterns.as_bytes()],
            args: words.map(String::into_bytes).chain(patterns_args).collect(),
        }
    }
}

impl Invocation<'_> {
    /// The reply, an error of the script among them.
    pub(super) async fn run(&self, client: &Client) -> Result<Value, Fault> {
        match self.call(client, "EVALSHA", &self.code.hash).await? {
            Value::ServerError(error) if error.code() == "NOSCRIPT" => {
                self.call(client, "EVAL", self.code.text).await
            }
            value => Ok(value),
        }
    }

    async fn call(&self, client: &Client, name: &str, code: &str) -> Result<Value, Fault> {
        let mut pipe = Pipeline::with_capacity(1);
        pipe.cmd(name)
            .arg(code)
            .arg(self.keys.len())
            .arg(&self.keys)
            .arg(&self.args);
        let reply = client.send(&Arc::new(pipe)).await?.pop();
        reply.ok_or(Fault::Broken)
    }
}
