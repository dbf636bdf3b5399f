//! What was asked for most, as one run of an instance leaves it to the next.
//!
//! It holds URIs with their queries, and of request fields those of content negotiation alone: what
//! was asked for with any other, or under a key with parts of its own, and what a class keeps out of
//! Redis, is left out. What has other fields when it is read was written by nobody of ours.

use crate::clock::Timestamp;
use crate::key::{RequestKey, variant_fields};
use crate::observe::Asked;
use std::collections::HashMap;
use std::time::Duration;

/// Requests that are kept.
pub(crate) const MOST: usize = 100;

/// The fields of RFC 9110 §12.5, which say nothing of who is asking.
const NEGOTIATED: [&str; 4] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
];

const HALF_LIFE: Duration = Duration::from_mins(10);

/// The layout of what is written; of another one nothing is read.
const LAYOUT: u8 = 1;

/// A GET that many asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hot {
    /// Empty: the key has none.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// What was asked for, and how often of late: hits of ten minutes ago count for half.
#[derive(Debug, Default)]
pub(crate) struct Ranking(HashMap<Hot, f64>);

type Written = (u8, u64, Vec<(f64, (String, String), Vec<(String, String)>)>);

impl Hot {
    /// `None`: it cannot be asked for again, or is not to be written down.
    fn of(asked: &Asked) -> Option<Self> {
        let key = RequestKey::from_bytes(&asked.key)?;
        let plain = key.extras.is_empty() && key.depth == 0 && key.path.starts_with('/');
        if asked.local_only || !plain || asked.label.strip_prefix("GET ")? != key.uri() {
            return None;
        }
        let mut fields = Vec::new();
        for (name, value) in variant_fields(&asked.variant)? {
            let value = std::str::from_utf8(value).ok()?.to_owned();
            let name = std::str::from_utf8(name).ok()?.to_owned();
            fields.push((name, value));
        }
        let query = key.query.iter().flat_map(|query| ["?", query]);
        let hot = Self {
            authority: key.authority.into_owned(),
            target: [&*key.path].into_iter().chain(query).collect(),
            fields,
        };
        hot.is_plain().then_some(hot)
    }

    /// Whether it has no fields but those that say nothing of who is asking.
    fn is_plain(&self) -> bool {
        let mut names = self.fields.iter().map(|(name, _)| &**name);
        names.all(|name| NEGOTIATED.contains(&name))
    }
}

impl Ranking {
    /// What this instance was asked for.
    #[allow(clippy::cast_precision_loss, reason = "counts are compared roughly")]
    pub(super) fn of(asked: &[(Asked, u64)]) -> Self {
        let hot = asked.iter();
        let hot = hot.filter_map(|(asked, hits)| Some((Hot::of(asked)?, *hits as f64)));
        Self(hot.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with the higher of both counts: to merge the same once more changes nothing.
    pub(super) fn merge(&mut self, other: Self) {
        for (hot, hits) in other.0 {
            let known = self.0.entry(hot).or_default();
            *known = known.max(hits);
        }
    }

    /// The most wanted first.
    pub(super) fn into_top(self) -> Vec<(Hot, f64)> {
        let mut top: Vec<_> = self.0.into_iter().collect();
        top.sort_by(|(a, more), (b, less)| {
            less.total_cmp(more).then_with(|| a.target.cmp(&b.target))
        });
        top.truncate(MOST);
        top
    }

    pub(super) fn write(self, now: Timestamp) -> Option<Vec<u8>> {
        let top = self.into_top().into_iter();
        let top = top.map(|(hot, hits)| (hits, (hot.authority, hot.target), hot.fields));
        let written: Written = (LAYOUT, now.0, top.collect());
        rmp_serde::to_vec(&written).ok()
    }

    /// What was written, with what has faded since; nothing of what cannot be read.
    #[allow(clippy::cast_precision_loss, reason = "counts are compared roughly")]
    pub(super) fn read(written: &[u8], now: Timestamp) -> Self {
        let Ok((LAYOUT, at, top)) = rmp_serde::from_slice::<Written>(written) else {
            return Self::default();
        };
        let half_lives = now.since(Timestamp(at)) as f64 / HALF_LIFE.as_millis() as f64;
        let left = half_lives.min(f64::from(f64::MAX_EXP)).exp2().recip();
        let hot = top.into_iter().map(|(hits, (authority, target), fields)| {
            let hot = Hot {
                authority,
                target,
                fields,
            };
            (hot, hits * left)
        });
        let usable = |(hot, hits): &(Hot, f64)| *hits > 0.0 && hits.is_finite() && hot.is_plain();
        Self(hot.filter(usable).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyRules, variant_bytes};
    use http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderValue};
    use http::{HeaderMap, HeaderName};

    fn asked(
        path: &str,
        query: Option<&str>,
        vary: &[(HeaderName, Option<&'static str>)],
    ) -> Asked {
        let key = KeyRules::new().uri.key("h", path, query);
        let names: Vec<_> = vary.iter().map(|(name, _)| name.clone()).collect();
        let sent = vary
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), (*value)?)));
        let sent: HeaderMap = sent
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect();
        Asked {
            label: format!("GET {}", key.uri()).into(),
            key: key.to_bytes().into(),
            variant: variant_bytes(&names, &sent).into(),
            local_only: false,
        }
    }

    fn targets(ranking: Ranking) -> Vec<String> {
        let top = ranking.into_top().into_iter();
        top.map(|(hot, _)| hot.target).collect()
    }

    #[test]
    fn what_is_written_is_read_and_fades() {
        let now = Timestamp(1_000_000);
        let language = [(ACCEPT_LANGUAGE, Some("de"))];
        let own = [
            (asked("/a", Some("q=1"), &language), 8),
            (asked("/b", None, &[]), 9),
        ];
        let written = Ranking::of(&own).write(now).expect("written");
        let top = Ranking::read(&written, now.after(HALF_LIFE * 2)).into_top();
        assert_eq!((&*top[0].0.target, top[0].1), ("/b", 2.25));
        assert_eq!((&*top[1].0.target, top[1].1), ("/a?q=1", 2.0));
        assert_eq!(top[1].0.authority, "h");
        assert_eq!(top[1].0.fields, [("accept-language".into(), "de".into())]);
        let week = Ranking::read(&written, now.after(Duration::from_hours(24 * 6)));
        assert_eq!(targets(week), ["/b", "/a?q=1"]);
        for cut in 0..written.len() {
            assert!(Ranking::read(&written[..cut], now).is_empty());
        }
    }

    #[test]
    fn what_instances_say_is_merged_however_often() {
        let now = Timestamp(1);
        let of = |path, hits| Ranking::of(&[(asked(path, None, &[]), hits)]);
        let mut all = of("/a", 5);
        for _ in 0..3 {
            all.merge(of("/b", 7));
            all.merge(of("/a", 3));
        }
        assert_eq!(targets(all), ["/b", "/a"]);
        let many: Vec<_> = (0..200)
            .map(|n| (asked(&format!("/{n}"), None, &[]), n + 1))
            .collect();
        let written = Ranking::of(&many).write(now).expect("written");
        let top = targets(Ranking::read(&written, now));
        assert_eq!((top.len(), &*top[0]), (MOST, "/199"));
    }

    /// Whoever can write to Redis sends no request with fields of their choice, and no count that
    /// never fades.
    #[test]
    fn what_was_not_written_so_is_not_read() {
        let of = |hits, name: &str| {
            let fields = vec![(name.to_owned(), "x".to_owned())];
            (hits, ("h".to_owned(), "/a".to_owned()), fields)
        };
        let read = |one| {
            let written: Written = (LAYOUT, 1, vec![one]);
            let written = rmp_serde::to_vec(&written).expect("encoded");
            targets(Ranking::read(&written, Timestamp(1)))
        };
        assert_eq!(read(of(1.0, "accept")), ["/a"]);
        for one in [
            of(1.0, "authorization"),
            of(1.0, "host"),
            of(f64::INFINITY, "accept"),
            of(f64::NAN, "accept"),
            of(-1.0, "accept"),
        ] {
            assert_eq!(read(one), [""; 0]);
        }
    }

    #[test]
    fn who_was_asking_is_not_written_down() {
        let cookie = asked("/a", None, &[(COOKIE, Some("id=secret"))]);
        assert_eq!(Hot::of(&cookie), None);
        let without = asked("/a", None, &[(COOKIE, None)]);
        assert!(Hot::of(&without).is_some_and(|hot| hot.fields.is_empty()));
        let mut key = KeyRules::new().uri.key("h", "/a", None);
        key.extras = b"authorization: secret".to_vec();
        let parts = Asked {
            key: key.to_bytes().into(),
            ..asked("/a", None, &[])
        };
        assert_eq!(Hot::of(&parts), None);
        let local = Asked {
            local_only: true,
            ..asked("/a", None, &[])
        };
        assert_eq!(Hot::of(&local), None);
        let function = Asked {
            label: "user_data:1".into(),
            ..asked("/a", None, &[])
        };
        assert_eq!(Hot::of(&function), None);
    }
}
