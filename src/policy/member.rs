//! A member of `Cache-Status` with all that it can say (RFC 9211). The common ones are written
//! beforehand, in [`status`](super::status).

#![allow(dead_code, reason = "wired in next")]

use super::status::{Forwarded, NAME};
use http::{HeaderValue, StatusCode};
use sfv::{Integer, KeyRef, ListSerializer, ParameterSerializer, RefBareItem, StringRef, TokenRef};

/// What became of one request (§2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a parameter of its own"
)]
pub(crate) struct Member<'a> {
    /// Answered from what is stored, nothing forwarded (§2.1).
    pub(crate) hit: bool,
    /// Why it went forward; not written for a hit (§2.2).
    pub(crate) forwarded: Option<Forwarded>,
    /// What the handler answered, where that is not what the client gets (§2.3).
    pub(crate) status: Option<StatusCode>,
    /// What is left of the lifetime, in seconds; less than zero for what is stale (§2.4).
    pub(crate) ttl: Option<i64>,
    /// §2.5.
    pub(crate) stored: bool,
    /// §2.6.
    pub(crate) collapsed: bool,
    /// §2.7. Says what others have asked for: only where that is wanted.
    pub(crate) key: Option<&'a str>,
    /// §2.8.
    pub(crate) detail: Option<&'a str>,
}

impl Member<'_> {
    /// RFC 9211 §2. What cannot be written in a structured field is left out.
    pub(crate) fn value(&self) -> HeaderValue {
        self.written()
            .and_then(|text| HeaderValue::try_from(text).ok())
            .unwrap_or(HeaderValue::from_static(NAME))
    }

    fn written(&self) -> Option<String> {
        let mut list = ListSerializer::new();
        let params = list.bare_item(TokenRef::from_str(NAME).ok()?);
        let params = put(params, "hit", flag(self.hit));
        let reason = match self.hit {
            true => None,
            false => self.forwarded,
        };
        let params = put(
            params,
            "fwd",
            reason.and_then(|reason| token(reason.name())),
        );
        let status = self.status.map(|status| i64::from(status.as_u16()));
        let params = put(params, "fwd-status", status.and_then(integer));
        let params = put(params, "ttl", self.ttl.and_then(integer));
        let params = put(params, "stored", flag(self.stored));
        let params = put(params, "collapsed", flag(self.collapsed));
        let params = put(params, "key", self.key.and_then(string));
        let detail = |text| token(text).or_else(|| string(text));
        let _ = put(params, "detail", self.detail.and_then(detail)).finish();
        list.finish()
    }
}

fn put<'w>(
    params: ParameterSerializer<&'w mut String>,
    name: &str,
    value: Option<RefBareItem<'_>>,
) -> ParameterSerializer<&'w mut String> {
    match (KeyRef::from_str(name), value) {
        (Ok(name), Some(value)) => params.parameter(name, value),
        _ => params,
    }
}

fn flag(set: bool) -> Option<RefBareItem<'static>> {
    set.then_some(RefBareItem::Boolean(true))
}

fn token(text: &str) -> Option<RefBareItem<'_>> {
    TokenRef::from_str(text).ok().map(RefBareItem::Token)
}

fn string(text: &str) -> Option<RefBareItem<'_>> {
    StringRef::from_str(text).ok().map(RefBareItem::String)
}

/// At most as large as a structured field has it.
fn integer(number: i64) -> Option<RefBareItem<'static>> {
    let (min, max) = (i64::from(Integer::MIN), i64::from(Integer::MAX));
    let number = Integer::try_from(number.clamp(min, max)).ok()?;
    Some(RefBareItem::Integer(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::status::{Fate, forwarded, hit};
    use proptest::prelude::*;

    #[test]
    fn each_parameter_is_written_in_its_place() {
        let none = Member::default();
        for (member, expected) in [
            (none, "neuralblitz-cache"),
            (
                Member {
                    hit: true,
                    ttl: Some(-412),
                    forwarded: Some(Forwarded::Stale),
                    ..none
                },
                "neuralblitz-cache;hit;ttl=-412",
            ),
            (
                Member {
                    forwarded: Some(Forwarded::Stale),
                    status: Some(StatusCode::NOT_MODIFIED),
                    stored: true,
                    ..none
                },
                "neuralblitz-cache;fwd=stale;fwd-status=304;stored",
            ),
            (
                Member {
                    forwarded: Some(Forwarded::Partial),
                    collapsed: true,
                    key: Some("/a \"b\""),
                    detail: Some("a b"),
                    ..none
                },
                "neuralblitz-cache;fwd=partial;collapsed;key=\"/a \\\"b\\\"\";detail=\"a b\"",
            ),
            (
                Member {
                    ttl: Some(i64::MAX),
                    key: Some("ü"),
                    detail: Some("only-if-cached"),
                    ..none
                },
                "neuralblitz-cache;ttl=999999999999999;detail=only-if-cached",
            ),
        ] {
            assert_eq!(member.value(), expected);
        }
    }

    #[test]
    fn what_is_written_beforehand_says_the_same() {
        let bare = |value: &HeaderValue| value.to_str().expect("text").replace("; ", ";");
        for reason in Forwarded::ALL {
            for (stored, collapsed) in [(false, false), (true, false), (false, true), (true, true)]
            {
                let member = Member {
                    forwarded: Some(reason),
                    stored,
                    collapsed,
                    ..Member::default()
                };
                let beforehand = forwarded(reason, Fate { stored, collapsed });
                assert_eq!(bare(&member.value()), bare(&beforehand));
            }
        }
        let member = Member {
            hit: true,
            ttl: Some(60),
            ..Member::default()
        };
        assert_eq!(bare(&member.value()), bare(&hit(0, 60, None).1));
    }

    proptest! {
        #[test]
        fn it_is_always_a_structured_field(key in ".{0,12}", detail in ".{0,12}", ttl in any::<i64>()) {
            let member = Member {
                ttl: Some(ttl),
                key: Some(&key),
                detail: Some(&detail),
                ..Member::default()
            };
            let list: Result<sfv::List, _> = sfv::Parser::new(member.value().as_bytes()).parse();
            prop_assert_eq!(list.ok().map(|list| list.len()), Some(1));
        }
    }
}
