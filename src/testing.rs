//! Entry points for fuzzing, each of which panics if what it is given breaks an invariant, and
//! for comparing decisions with those of others.

use crate::clock::Timestamp;
pub use crate::fences::Fence;

use crate::config::CacheConfig;
use crate::entry::{Meta, decode, put_checksum};
use crate::key::KeyRules;
use crate::policy::conditional::{head_of_304, not_modified};
use crate::policy::directives::Directives;
use crate::policy::fields::Fields;
use crate::policy::freshen::freshen;
use crate::policy::normal::{Normal, normalise};
use crate::policy::ranges::{Ranged, content_range, head_of_206, head_of_416, ranged};
use crate::policy::reference::Base;
use crate::policy::reuse::{Bounds, Demand, Reuse, reuse_within};
use crate::policy::rules::Rules;
use crate::policy::storable::{Head, Storable, storable};
use crate::policy::ttl::Ttls;
use crate::policy::validation::{ask, has_validator, selects};
use crate::policy::{ClientDirectives, Credentials, dates, targeted, vary};
use crate::stamp::Stamp;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE, VARY};
use http::header::{CONTENT_LENGTH, DATE, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::time::{Duration, SystemTime};

/// Whatever is decoded is whole: its envelope is the input, and its parts lie within it.
///
/// Decoded as it is, and once more with a checksum that is right: no chance finds one.
pub fn decode_entry(data: &[u8]) {
    check_entry(data);
    let mut resealed = data.to_vec();
    put_checksum(&mut resealed);
    check_entry(&resealed);
}

fn check_entry(data: &[u8]) {
    if let Some(entry) = decode(Bytes::copy_from_slice(data)) {
        assert_eq!(&entry.wire()[..], data);
        assert!(entry.body.len() + entry.key.len() + entry.variant.len() <= data.len());
    }
}

/// No bytes behind a `no-store` of its own take it back.
pub fn parse_directives(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.append(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(CACHE_CONTROL, value.clone());
    assert!(Directives::response(&headers).no_store);
    let alone = HeaderMap::from_iter([(CACHE_CONTROL, value.clone())]);
    let first = Directives::response(&alone);
    assert_eq!(first, Directives::response(&alone));
    assert!(first.max_age.is_none_or(|seconds| seconds <= 1 << 31));
    let name = HeaderName::from_static("cdn-cache-control");
    headers.append(&name, value);
    let control = targeted::control(&headers, &[name]);
    assert!(control.directives.no_store || !control.expires);
}

/// No settings panic; what is refused says so.
pub fn parse_settings(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        crate::config::file::fuzz(text);
    }
}

/// The JSON Schema of settings files.
#[must_use]
pub fn settings_schema() -> serde_json::Value {
    crate::config::file::schema::schema()
}

/// A date means the same in any case, and as it is written by others.
pub fn parse_date(data: &[u8]) {
    let (now, value) = number(data);
    let found = dates::parse(value, Timestamp(now));
    assert_eq!(
        found,
        dates::parse(&value.to_ascii_uppercase(), Timestamp(now))
    );
    let Some(found) = found else {
        return;
    };
    let written = httpdate::fmt_http_date(found.to_system_time());
    assert_eq!(dates::parse(written.as_bytes(), Timestamp(0)), Some(found));
    let text = std::str::from_utf8(value).ok();
    let theirs = text.and_then(|text| httpdate::parse_http_date(text).ok());
    // A leap second, and the century of a year of two digits, are read differently.
    if let Some(theirs) = theirs.filter(|_| !value.contains(&b'-')) {
        let theirs = Timestamp::from_system_time(theirs);
        assert!(theirs.since(found) <= 1000 && theirs >= found);
    }
}

/// The fields that select are sorted, each there once, none where `*` stands anywhere; and what
/// is made one stays as it is.
pub fn parse_vary(data: &[u8]) {
    let headers = fields(data, &[VARY, VARY, VARY]);
    let starred = headers.get_all(VARY).iter().any(|line| {
        let mut names = line.as_bytes().split(|b| *b == b',');
        names.any(|name| name.trim_ascii() == b"*")
    });
    if let Some(names) = vary::fields(&headers) {
        assert!(!starred);
        assert!(
            names
                .windows(2)
                .all(|pair| pair[0].as_str() < pair[1].as_str())
        );
    }
    let lines: Vec<&[u8]> = headers
        .get_all(VARY)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let rule = Normal {
        languages: true,
        lists: true,
    };
    for name in ["accept-encoding", "accept-language", "foo"] {
        let name = HeaderName::from_static(name);
        if let Some(made) = normalise(&name, &lines, rule) {
            assert_eq!(normalise(&name, &[&made], rule), Some(made.clone()));
        }
    }
}

/// What is answered lies within what there is, and says so.
pub fn parse_ranges(data: &[u8]) {
    let (total, lines) = number(data);
    let headers = fields(
        lines,
        &[RANGE, IF_RANGE, ETAG, LAST_MODIFIED, DATE, CONTENT_RANGE],
    );
    if let Some(part) = content_range(&headers) {
        assert!(part.first <= part.last && part.total.is_none_or(|total| part.last < total));
    }
    match ranged(&headers, &headers, total, NOW) {
        Ranged::Whole => {}
        Ranged::NotSatisfiable(all) => {
            let head = head_of_416(&headers, all);
            assert_eq!(head[CONTENT_RANGE], format!("bytes */{total}"));
        }
        Ranged::Part(part) => {
            assert!(part.first <= part.last && part.last < total);
            let head = head_of_206(&headers, part);
            let said = content_range(&head).expect("what is written is read");
            assert_eq!((said.first, said.last), (part.first, part.last));
            assert_eq!(
                head[CONTENT_LENGTH],
                (part.last - part.first + 1).to_string()
            );
        }
    }
}

/// What is asked about by its own validators is unmodified, and the 304 speaks of it.
pub fn parse_conditional(data: &[u8]) {
    let (received, lines) = number(data);
    let request = fields(lines, &[IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH]);
    let stored = fields(lines, &[ETAG, LAST_MODIFIED, DATE, CONTENT_LENGTH]);
    let received = Timestamp(received);
    let _ = not_modified(&request, &stored, Some(received), NOW);
    let mut any = request.clone();
    any.append(IF_NONE_MATCH, HeaderValue::from_static("*"));
    assert!(not_modified(&any, &stored, None, NOW));
    let update = head_of_304(&stored);
    let head = freshen(&stored, &update, received, false);
    assert_eq!(head.get(CONTENT_LENGTH), stored.get(CONTENT_LENGTH));
    assert_eq!(head.get(ETAG), stored.get(ETAG));
    let mut asked_for = request;
    let asked = ask(&mut asked_for, Some(&stored), &[]);
    assert_eq!(asked.is_some(), has_validator(&stored));
    if let Some(asked) = asked {
        assert!(selects(&stored, &update, asked, NOW));
        let readable = dates::field(&stored, &LAST_MODIFIED, NOW).is_some();
        if asked_for.contains_key(IF_NONE_MATCH) || readable {
            assert!(not_modified(&asked_for, &stored, None, NOW));
        }
    }
}

/// What a reference points to is of the same origin, and an absolute path.
pub fn parse_reference(data: &[u8]) {
    let base = Base {
        scheme: Some("http"),
        authority: "a",
        path: "/b/c/d",
        query: Some("q"),
    };
    if let Some(target) = base.resolve(data) {
        assert_eq!(target.authority, "a");
        assert!(target.path.starts_with('/'));
        let dots = |segment| matches!(segment, "." | "..");
        assert!(!target.path.split('/').any(dots));
    }
}

/// 14 November 2023.
const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// The first eight bytes, as far as they are there, and the rest.
fn number(data: &[u8]) -> (u64, &[u8]) {
    let (first, rest) = data.split_at(data.len().min(8));
    let add = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
    (first.iter().fold(0, add), rest)
}

/// Lines of `data`, as the values of these fields.
fn fields(data: &[u8], names: &[HeaderName]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (line, name) in data.split(|b| *b == b'\n').zip(names) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    headers
}

/// How a response to a GET is stored, by the letter of RFC 9111: heuristics on, and
/// `must-revalidate` shares.
#[derive(Clone, Debug)]
pub struct Judged {
    storable: Storable,
    now: Timestamp,
}

/// What this cache would store. `None`: nothing.
#[must_use]
pub fn judge(
    status: StatusCode,
    request: &HeaderMap,
    response: &HeaderMap,
    now: SystemTime,
) -> Option<Judged> {
    let now = Timestamp::from_system_time(now);
    let head = Head {
        status,
        headers: response,
        guarded: request.contains_key(http::header::AUTHORIZATION),
        asked: now,
        now,
        targeted: &[],
    };
    let ttls = Ttls {
        rules: Rules {
            heuristic: true,
            must_revalidate_shares: true,
            ..Rules::default()
        },
        ..Ttls::default()
    };
    let storable = storable(&head, &ttls).ok()?;
    (!demand(request).no_store).then_some(Judged { storable, now })
}

impl Judged {
    /// For how long it is fresh.
    #[must_use]
    pub fn fresh_for(&self) -> Duration {
        self.storable.fresh_for
    }

    /// How old it was when it came.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.storable.age_ms)
    }

    /// Whether it answers `request`, so long after it came, without having been validated.
    #[must_use]
    pub fn answers(&self, request: &HeaderMap, later: Duration) -> bool {
        let stored = &self.storable;
        let fresh_until = self.now.after(stored.fresh_for);
        let meta = Meta {
            stamp: Stamp(0),
            stored_at: self.now,
            fresh_until,
            stale_until: fresh_until.after(stored.stale.longest()),
            age_ms: stored.age_ms,
            public: stored.public,
            stale: stored.stale,
            ..Meta::default()
        };
        let bounds = Bounds {
            must_validate: stored.must_validate,
            never_stale: stored.never_stale,
        };
        let guarded = request.contains_key(http::header::AUTHORIZATION);
        let now = self.now.after(later);
        let found = reuse_within(&meta, bounds, &demand(request), guarded, now);
        matches!(
            found,
            Reuse::Fresh | Reuse::StaleAllowed | Reuse::WhileRevalidate
        )
    }
}

fn demand(request: &HeaderMap) -> Demand {
    let fields = Fields::of(request, &Credentials::none(), &KeyRules::new());
    Demand::of(request, &fields, ClientDirectives::Obey)
}

/// The same settings, one of the fences taken down: then answers may be wrong.
#[must_use]
pub fn without_fence(mut config: CacheConfig, fence: Fence) -> CacheConfig {
    config.fences = config.fences.without(fence);
    config
}
