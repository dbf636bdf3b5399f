//! `Cache-Control` (RFC 9111 §5.2): the whole list syntax, both forms of argument.

use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderValue};

/// The directives of a request or a response. Unknown ones are ignored; of one that occurs
/// twice the first counts (§4.2.1); an argument that is no number of seconds is zero, so
/// that what cannot be read is stale. A list that is malformed stores nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a directive of its own"
)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<u32>,
    pub(crate) s_maxage: Option<u32>,
    pub(crate) min_fresh: Option<u32>,
    /// [`ANY_AGE`] where it has no argument.
    pub(crate) max_stale: Option<u32>,
    pub(crate) must_understand: bool,
    /// Part of the list could not be read: it may have said anything.
    pub(crate) malformed: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    /// RFC 5861 §3.
    pub(crate) stale_while_revalidate: Option<u32>,
    /// RFC 5861 §4.
    pub(crate) stale_if_error: Option<u32>,
}

/// §1.2.2: the largest number of seconds that must be told apart.
const MAX_SECONDS: u32 = 1 << 31;

/// §5.2.1.2: `max-stale` alone accepts a response however stale.
pub(crate) const ANY_AGE: u32 = u32::MAX;

impl Directives {
    /// The directives of a response.
    pub(crate) fn response(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        headers
            .get_all(CACHE_CONTROL)
            .iter()
            .for_each(|line| directives.read(line.as_bytes()));
        directives
    }

    /// The directives of a request: `Pragma: no-cache` counts where there is no
    /// `Cache-Control` (§5.4).
    pub(crate) fn request(headers: &HeaderMap) -> Self {
        let mut directives = Self::response(headers);
        if !headers.contains_key(CACHE_CONTROL) {
            let mut pragma = headers.get_all(PRAGMA).iter().map(HeaderValue::as_bytes);
            directives.no_cache = pragma.any(names_no_cache);
        }
        directives
    }

    fn read(&mut self, line: &[u8]) {
        let mut rest = line;
        while !rest.is_empty() {
            let (item, after) = next_item(rest);
            rest = after;
            match item {
                Item::Directive { name, argument } => self.set(name, argument),
                Item::Empty => {}
                // What was meant is unknown: `private; max-age=60` is meant to be private.
                Item::Malformed => {
                    self.no_store = true;
                    self.malformed = true;
                }
            }
        }
    }

    /// Adds one directive.
    pub(super) fn set(&mut self, name: &[u8], argument: Option<&[u8]>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache = true;
        } else if is("private") {
            self.private = true;
        } else if is("public") {
            self.public = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("max-age") {
            self.max_age.get_or_insert(seconds(argument));
        } else if is("s-maxage") {
            self.s_maxage.get_or_insert(seconds(argument));
        } else if is("min-fresh") {
            self.min_fresh.get_or_insert(seconds(argument));
        } else if is("max-stale") {
            let any = || argument.map_or(ANY_AGE, |_| seconds(argument));
            self.max_stale.get_or_insert_with(any);
        } else if is("must-understand") {
            self.must_understand = true;
        } else if is("must-revalidate") {
            self.must_revalidate = true;
        } else if is("proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if is("stale-while-revalidate") {
            self.stale_while_revalidate.get_or_insert(seconds(argument));
        } else if is("stale-if-error") {
            self.stale_if_error.get_or_insert(seconds(argument));
        }
    }
}

fn names_no_cache(line: &[u8]) -> bool {
    line.split(|b| *b == b',')
        .any(|d| d.trim_ascii().eq_ignore_ascii_case(b"no-cache"))
}

/// RFC 9111 §1.2.2 delta-seconds: digits; too large is the largest; all else is zero.
pub(crate) fn seconds(argument: Option<&[u8]>) -> u32 {
    let digits = argument.unwrap_or_default();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let value = digits.iter().fold(0u64, |n, digit| {
        (n * 10 + u64::from(digit - b'0')).min(u64::from(MAX_SECONDS))
    });
    u32::try_from(value).unwrap_or(MAX_SECONDS)
}

/// One item of the list.
enum Item<'a> {
    Directive {
        name: &'a [u8],
        argument: Option<&'a [u8]>,
    },
    /// Between two commas.
    Empty,
    /// Not of the form `token`, `token=token` or `token="quoted string"`.
    Malformed,
}

/// The first item of a list, and what follows its comma. Blanks around `=` are let pass.
fn next_item(list: &[u8]) -> (Item<'_>, &[u8]) {
    let (name, rest) = token(list.trim_ascii_start());
    let rest = rest.trim_ascii_start();
    let (argument, rest) = match rest {
        [b'=', rest @ ..] if !name.is_empty() => {
            let Some((argument, rest)) = argument(rest.trim_ascii_start()) else {
                return (Item::Malformed, &[]);
            };
            (Some(argument), rest.trim_ascii_start())
        }
        _ => (None, rest),
    };
    match rest {
        [b',', rest @ ..] if name.is_empty() => (Item::Empty, rest),
        [] if name.is_empty() => (Item::Empty, rest),
        [b',', rest @ ..] => (Item::Directive { name, argument }, rest),
        [] => (Item::Directive { name, argument }, rest),
        _ => (Item::Malformed, &[]),
    }
}

/// RFC 9110 §5.6.2.
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let is_tchar = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let end = text.iter().position(|b| !is_tchar(b)).unwrap_or(text.len());
    text.split_at(end)
}

/// A token or a quoted string (RFC 9110 §5.6.4), without its quotes.
fn argument(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b'"', rest @ ..] = text else {
        let (token, rest) = token(text);
        return (!token.is_empty()).then_some((token, rest));
    };
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some((&rest[..at], &rest[at + 1..])),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Directives {
        let mut directives = Directives::default();
        directives.read(line.as_bytes());
        directives
    }

    #[test]
    fn directives_are_read() {
        let of = |f: fn(&mut Directives)| {
            let mut directives = Directives::default();
            f(&mut directives);
            directives
        };
        let malformed = |f: fn(&mut Directives)| {
            let mut directives = of(f);
            (directives.no_store, directives.malformed) = (true, true);
            directives
        };
        let table: [(&str, Directives); 33] = [
            ("", of(|_| {})),
            (" , ,", of(|_| {})),
            ("max-age=60", of(|d| d.max_age = Some(60))),
            ("MAX-AGE=60", of(|d| d.max_age = Some(60))),
            ("max-age=\"60\"", of(|d| d.max_age = Some(60))),
            ("max-age = 60", of(|d| d.max_age = Some(60))),
            ("Must-Revalidate", of(|d| d.must_revalidate = true)),
            ("proxy-revalidate", of(|d| d.proxy_revalidate = true)),
            (
                "stale-while-revalidate=5, stale-if-error=x",
                of(|d| {
                    d.stale_while_revalidate = Some(5);
                    d.stale_if_error = Some(0);
                }),
            ),
            ("max-age=060", of(|d| d.max_age = Some(60))),
            ("max-age=1, max-age=2", of(|d| d.max_age = Some(1))),
            ("max-age=2, max-age=1", of(|d| d.max_age = Some(2))),
            ("max-age=x, max-age=1", of(|d| d.max_age = Some(0))),
            ("max-age='60'", of(|d| d.max_age = Some(0))),
            ("max-stale", of(|d| d.max_stale = Some(ANY_AGE))),
            ("max-stale=60", of(|d| d.max_stale = Some(60))),
            ("max-stale=x", of(|d| d.max_stale = Some(0))),
            ("Must-Understand", of(|d| d.must_understand = true)),
            ("max-age=99999999999", of(|d| d.max_age = Some(MAX_SECONDS))),
            ("private; max-age=60", malformed(|_| {})),
            ("no-cache no-store", malformed(|_| {})),
            ("\"no-store\"", malformed(|_| {})),
            ("x=y; no-store", malformed(|_| {})),
            ("a=b\"c, no-store, d=e\"f", malformed(|_| {})),
            ("public, =1", malformed(|d| d.public = true)),
            ("x=, public", malformed(|_| {})),
            ("max-age=-1", of(|d| d.max_age = Some(0))),
            ("max-age=1.5", of(|d| d.max_age = Some(0))),
            ("max-age", of(|d| d.max_age = Some(0))),
            ("x=\"no-store, private\", public", of(|d| d.public = true)),
            (
                "x=\"a\\\", no-store\"",
                of(|d| {
                    let _ = d;
                }),
            ),
            ("private=\"set-cookie\"", of(|d| d.private = true)),
            ("x=\"no end, public", malformed(|_| {})),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line), expected, "{line}");
        }
    }

    #[test]
    fn pragma_counts_only_without_cache_control() {
        let mut headers = HeaderMap::new();
        headers.insert(PRAGMA, HeaderValue::from_static("x, No-Cache"));
        assert!(Directives::request(&headers).no_cache);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
        assert!(!Directives::request(&headers).no_cache);
    }

    proptest! {
        #[test]
        fn no_store_is_found_wherever_it_stands(
            before in "[a-z]{1,6}(=[a-z0-9]{1,4}|=\"[a-z, =]{0,8}\")?",
            after in "[a-z]{1,6}(=\"[a-z, =]{0,8}\")?",
            spaces in " {0,2}",
        ) {
            let line = format!("{before}{spaces},{spaces}No-Store{spaces},{after}");
            prop_assert!(parse(&line).no_store, "{}", line);
        }

        #[test]
        fn nothing_written_after_a_directive_takes_no_store_back(garbage in ".{0,40}") {
            let line = format!("no-store,{garbage}");
            prop_assert!(parse(&line).no_store, "{}", line);
        }
    }
}
