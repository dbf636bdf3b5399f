//! `Cache-Control` (RFC 9111 §5.2): the whole list syntax, both forms of argument.

use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderValue};

/// The directives of a request or a response. Unknown ones are ignored; of one that occurs
/// twice the first counts (§4.2.1); an argument that is no number of seconds is zero, so
/// that what cannot be read is stale.
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
}

/// §1.2.2: the largest number of seconds that must be told apart.
const MAX_SECONDS: u32 = 1 << 31;

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
                // What the broken rest would have said is unknown: assume the worst.
                Item::Unterminated => self.no_store = true,
            }
        }
    }

    fn set(&mut self, name: &[u8], argument: Option<&[u8]>) {
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

enum Item<'a> {
    Directive {
        name: &'a [u8],
        argument: Option<&'a [u8]>,
    },
    /// A quoted string that never ends.
    Unterminated,
}

/// The first `name`, `name=token` or `name="quoted string"` of a list, and what follows its
/// comma.
fn next_item(list: &[u8]) -> (Item<'_>, &[u8]) {
    let Some(end) = item_end(list) else {
        return (Item::Unterminated, &[]);
    };
    let item = list[..end].trim_ascii();
    let rest = list.get(end + 1..).unwrap_or_default();
    let mut parts = item.splitn(2, |b| *b == b'=');
    let name = parts.next().unwrap_or_default().trim_ascii();
    let argument = parts.next().map(|argument| unquote(argument.trim_ascii()));
    (Item::Directive { name, argument }, rest)
}

/// Where the comma after the first item stands; commas inside quotes do not count.
fn item_end(list: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in list.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return Some(at),
            _ => {}
        }
    }
    (!quoted).then_some(list.len())
}

fn unquote(argument: &[u8]) -> &[u8] {
    match argument {
        [b'"', inner @ .., b'"'] => inner,
        _ => argument,
    }
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
        let table: [(&str, Directives); 16] = [
            ("", of(|_| {})),
            (" , ,", of(|_| {})),
            ("max-age=60", of(|d| d.max_age = Some(60))),
            ("MAX-AGE=60", of(|d| d.max_age = Some(60))),
            ("max-age=\"60\"", of(|d| d.max_age = Some(60))),
            ("max-age = 60", of(|d| d.max_age = Some(60))),
            ("max-age=060", of(|d| d.max_age = Some(60))),
            ("max-age=1, max-age=2", of(|d| d.max_age = Some(1))),
            ("max-age=99999999999", of(|d| d.max_age = Some(MAX_SECONDS))),
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
            ("x=\"no end, public", of(|d| d.no_store = true)),
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
