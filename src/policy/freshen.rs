//! A stored head, made new by a 304 or the answer to a HEAD (RFC 9111 §3.2).

use super::hops;
use super::vary::fields;
use crate::clock::Timestamp;
use http::header::{AGE, CACHE_STATUS, DATE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The first moment that a date on the wire has no room for: 1 January 10000.
const END_OF_DATES: Timestamp = Timestamp(253_402_300_800_000);

/// RFC 9111 §3.2, §4.3.4, §4.3.5: all fields of `update` take the place of those stored, but for
/// what describes the stored content, what speaks of one connection, and `Set-Cookie` where it
/// is not stored. The `Age` and `Cache-Status` stored are those of another journey, and go. What the
/// stored response varies by, it still does: without content many say less.
///
/// Whether the result may be kept must be asked anew: `update` may forbid it.
pub(crate) fn freshen(
    stored: &HeaderMap,
    update: &HeaderMap,
    received: Timestamp,
    set_cookie: bool,
) -> HeaderMap {
    let named = hops::named(update);
    let replaced = |name: &HeaderName| {
        !describes_content(name)
            && !hops::is_hop_by_hop(name)
            && !named.contains(name)
            && (set_cookie || *name != SET_COOKIE)
    };
    let mut head = stored.clone();
    head.remove(AGE);
    head.remove(CACHE_STATUS);
    let varies_by = fields(stored);
    for name in update.keys().filter(|name| replaced(name)) {
        if *name == VARY && fields(update).is_some_and(|new| is_known(&new, varies_by.as_deref())) {
            continue;
        }
        if *name != VARY {
            head.remove(name);
        }
        for line in update.get_all(name) {
            head.append(name, line.clone());
        }
    }
    // The date stored would make it as old as it was (RFC 9110 §6.6.1).
    if !update.contains_key(DATE)
        && let Some(date) = date(received)
    {
        head.insert(DATE, date);
    }
    head
}

fn is_known(new: &[HeaderName], known: Option<&[HeaderName]>) -> bool {
    known.is_some_and(|known| new.iter().all(|name| known.contains(name)))
}

/// §3.2: `Content-Length` must stay; the others too, for a 304 has no content to speak of, and
/// what servers add to it by habit must not change how the stored bytes are read.
fn describes_content(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "content-length" | "content-encoding" | "content-type" | "content-range"
    )
}

fn date(received: Timestamp) -> Option<HeaderValue> {
    let time = (received < END_OF_DATES).then(|| received.to_system_time())?;
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::map;

    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const RECEIVED: Timestamp = Timestamp(784_111_777_000);

    #[test]
    fn fields_of_the_update_take_the_place_of_those_stored() {
        let stored = map(&[
            ("age", "9"),
            ("cache-status", "origin; hit"),
            ("date", "Sun, 06 Nov 1994 08:00:00 GMT"),
            ("x-kept", "1"),
            ("x-many", "1"),
            ("x-many", "2"),
            ("x-one", "1"),
            ("content-length", "3"),
            ("content-type", "a/b"),
            ("content-encoding", "gzip"),
            ("content-location", "/a"),
        ]);
        let update = map(&[
            ("date", THEN),
            ("age", "1"),
            ("x-many", "3"),
            ("x-one", "1"),
            ("x-one", "2"),
            ("x-new", "n"),
            ("content-length", "0"),
            ("content-type", "text/html"),
            ("content-encoding", "br"),
            ("content-range", "bytes 0-1/2"),
            ("content-location", "/b"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=b"),
        ]);
        let mut expected = map(&[
            ("date", THEN),
            ("age", "1"),
            ("x-kept", "1"),
            ("x-many", "3"),
            ("x-one", "1"),
            ("x-one", "2"),
            ("x-new", "n"),
            ("content-length", "3"),
            ("content-type", "a/b"),
            ("content-encoding", "gzip"),
            ("content-location", "/b"),
        ]);
        assert_eq!(freshen(&stored, &update, RECEIVED, false), expected);
        expected.insert("set-cookie", HeaderValue::from_static("a=b"));
        assert_eq!(freshen(&stored, &update, RECEIVED, true), expected);
    }

    #[test]
    fn an_update_without_date_is_of_now() {
        let stored = map(&[("date", "Sun, 06 Nov 1994 08:00:00 GMT")]);
        let head = freshen(&stored, &map(&[]), RECEIVED, false);
        assert_eq!(head, map(&[("date", THEN)]));
        freshen(&stored, &map(&[]), Timestamp(u64::MAX), false);
    }
}
