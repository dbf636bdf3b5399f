//! Targeted cache control (RFC 9213): fields that speak to one class of caches, as
//! `CDN-Cache-Control` does.

use super::directives::Directives;
use http::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

/// What decides how a response may be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) directives: Directives,
    /// Whether `Expires` counts: not where a targeted field was found (§2.2).
    pub(crate) expires: bool,
}

/// RFC 9213 §2.2: the first of `targets` that is there, valid and not empty takes the place of
/// `Cache-Control` and `Expires`. One that cannot be parsed is as good as absent.
pub(crate) fn control(headers: &HeaderMap, targets: &[HeaderName]) -> Control {
    match targets.iter().find_map(|name| targeted(headers, name)) {
        Some(directives) => Control {
            directives,
            expires: false,
        },
        None => Control {
            directives: Directives::response(headers),
            expires: true,
        },
    }
}

fn targeted(headers: &HeaderMap, name: &HeaderName) -> Option<Directives> {
    let lines: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    let members: Dictionary = Parser::new(&lines.join(&b", "[..])).parse().ok()?;
    if members.is_empty() {
        return None;
    }
    let mut directives = Directives::default();
    for (key, value) in &members {
        put(&mut directives, key.as_str(), value);
    }
    Some(directives)
}

/// §2.1. A value of a wrong type is no number of seconds, and so stale; it does not take back
/// what forbids: `private="x"` is private. Only `?0` says that a directive is not there.
fn put(directives: &mut Directives, key: &str, value: &ListEntry) {
    let bare = match value {
        ListEntry::Item(item) => Some(&item.bare_item),
        ListEntry::InnerList(_) => None,
    };
    match bare {
        Some(BareItem::Boolean(false)) => {}
        Some(BareItem::Boolean(true)) => directives.set(key.as_bytes(), None),
        Some(BareItem::Integer(seconds)) => {
            directives.set(key.as_bytes(), Some(seconds.to_string().as_bytes()));
        }
        _ => directives.set(key.as_bytes(), Some(b"?")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(lines: &[(&'static str, &'static str)]) -> Control {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let targets = ["first-cache-control", "cdn-cache-control"];
        control(&headers, &targets.map(HeaderName::from_static))
    }

    const CDN: &str = "cdn-cache-control";

    #[test]
    fn the_first_valid_field_takes_the_place_of_cache_control_and_expires() {
        let plain = ("cache-control", "max-age=1");
        for (line, max_age, expires) in [
            ((CDN, "max-age=60"), Some(60), false),
            ((CDN, "foo, max-age=60;x=1"), Some(60), false),
            ((CDN, "foo"), None, false),
            ((CDN, "max-age=99999999999"), Some(1 << 31), false),
            // Not structured, or empty: as if it were not there.
            ((CDN, "max-age=60, &&&"), Some(1), true),
            ((CDN, "MaX-aGe=60"), Some(1), true),
            ((CDN, "max-age =60"), Some(1), true),
            ((CDN, "max-age=60,"), Some(1), true),
            ((CDN, ""), Some(1), true),
            (("x-cache-control", "max-age=60"), Some(1), true),
            // Structured, but no number of seconds.
            ((CDN, "max-age=\"60\""), Some(0), false),
            ((CDN, "max-age=60.0"), Some(0), false),
            ((CDN, "max-age=-1"), Some(0), false),
            ((CDN, "max-age=(60)"), Some(0), false),
            ((CDN, "max-age"), Some(0), false),
        ] {
            let found = check(&[plain, line]);
            let found = (found.directives.max_age, found.expires);
            assert_eq!(found, (max_age, expires), "{line:?}");
        }
        let first = ("first-cache-control", "max-age=2");
        assert_eq!(
            check(&[(CDN, "max-age=3"), first]).directives.max_age,
            Some(2)
        );
        let broken = ("first-cache-control", "&");
        assert_eq!(
            check(&[(CDN, "max-age=3"), broken]).directives.max_age,
            Some(3)
        );
    }

    #[test]
    fn its_lines_are_one_dictionary() {
        let found = check(&[(CDN, "max-age=3"), (CDN, "no-cache")]).directives;
        assert_eq!((found.max_age, found.no_cache), (Some(3), true));
    }

    #[test]
    fn what_forbids_counts_whatever_its_value() {
        for value in [
            "private",
            "private=\"x\"",
            "private=1",
            "private=(a)",
            "private=?1",
        ] {
            assert!(check(&[(CDN, value)]).directives.private, "{value}");
        }
        assert!(!check(&[(CDN, "private=?0")]).directives.private);
        assert!(check(&[(CDN, "no-store")]).directives.no_store);
        let beside = check(&[("cache-control", "no-store"), (CDN, "max-age=3")]);
        assert!(!beside.directives.no_store);
    }
}
