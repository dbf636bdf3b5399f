//! Different spellings of one request field, made one (RFC 9111 §4.1).

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// More items than this are left as they are.
const MAX_ITEMS: usize = 32;

/// Which fields are made one, beside `Accept-Encoding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Normal {
    /// `Accept-Language`. A handler may take the order of equal weights for a preference, which
    /// is lost then (RFC 9110 §12.5.4).
    pub(crate) languages: bool,
    /// Any other field, as a list: lines are joined, blanks around commas dropped. Only where
    /// handlers do not tell these apart.
    pub(crate) lists: bool,
}

/// The fields that a variant is selected by: those of the request, each in the one spelling that
/// it has. What asks for something of the cache is left as it is.
pub(crate) fn selecting(request: &HeaderMap, rule: Normal) -> HeaderMap {
    let mut headers = request.clone();
    let names: Vec<&HeaderName> = match rule.lists {
        true => request.keys().filter(|name| !is_asked(name)).collect(),
        false => vec![&ACCEPT_ENCODING, &ACCEPT_LANGUAGE],
    };
    for name in names {
        let lines = request.get_all(name).iter().map(HeaderValue::as_bytes);
        let line = normalise(name, &lines.collect::<Vec<_>>(), rule);
        if let Some(line) = line.and_then(|line| HeaderValue::try_from(line).ok()) {
            headers.insert(name, line);
        }
    }
    headers
}

/// Fields that the cache itself reads to the letter.
fn is_asked(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "authorization" | "cache-control" | "cookie" | "host" | "pragma" | "range"
    ) || name.as_str().starts_with("if-")
}

/// One spelling for all that mean the same; it means that itself. `None`: leave the lines as
/// they are. Of no lines nothing is made: an absent field is not an empty one.
///
/// A handler that follows RFC 9110 §12.5 must not be able to tell two requests apart that are
/// made one. So what is dropped is only blanks, case, lines, the order of items (which says
/// nothing, §12.4.2) and how a weight is written; weights themselves stay, for a handler may
/// reckon with them, and so do items that are not wanted (`q=0`). `x-gzip` is `gzip` (§8.4.1.3).
/// With a coding that this cache does not know, an item named twice, or anything else that
/// cannot be read, the field is left alone.
pub(crate) fn normalise(name: &HeaderName, lines: &[&[u8]], rule: Normal) -> Option<Vec<u8>> {
    if lines.is_empty() {
        None
    } else if *name == ACCEPT_ENCODING {
        weighted(lines, coding)
    } else if *name == ACCEPT_LANGUAGE && rule.languages {
        weighted(lines, language)
    } else if rule.lists {
        list(lines)
    } else {
        None
    }
}

/// A list of items with weights, sorted.
fn weighted(lines: &[&[u8]], known: fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut items = Vec::new();
    for item in items_of(lines) {
        let mut parts = item.splitn(2, |b| *b == b';').map(<[u8]>::trim_ascii);
        let name = known(parts.next()?)?;
        let weight = parts.next().map_or(Some(1000), weight)?;
        items.push((name, weight));
    }
    items.sort();
    let twice = items.windows(2).any(|pair| pair[0].0 == pair[1].0);
    if twice || items.len() > MAX_ITEMS {
        return None;
    }
    let written: Vec<Vec<u8>> = items.into_iter().map(write).collect();
    Some(written.join(&b", "[..]))
}

fn items_of<'a>(lines: &'a [&'a [u8]]) -> impl Iterator<Item = &'a [u8]> {
    lines
        .iter()
        .flat_map(|line| line.split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|item| !item.is_empty())
}

/// RFC 9110 §12.4.2, in thousandths: `q=` and at most three places.
fn weight(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole @ (b'0' | b'1'), places @ ..] = parameter else {
        return None;
    };
    let places = match places {
        [] => places,
        [b'.', places @ ..] if places.len() <= 3 => places,
        _ => return None,
    };
    let mut thousandths = u16::from(*whole == b'1') * 1000;
    for (place, unit) in places.iter().zip([100, 10, 1]) {
        thousandths += match place {
            b'0'..=b'9' => u16::from(place - b'0') * unit,
            _ => return None,
        };
    }
    (thousandths <= 1000).then_some(thousandths)
}

fn write((mut name, weight): (Vec<u8>, u16)) -> Vec<u8> {
    if weight < 1000 {
        let places = format!("{weight:03}");
        let places = places.trim_end_matches('0');
        let divider = if places.is_empty() { "" } else { "." };
        name.extend_from_slice(format!(";q=0{divider}{places}").as_bytes());
    }
    name
}

fn coding(name: &[u8]) -> Option<Vec<u8>> {
    let name = name.to_ascii_lowercase();
    match &name[..] {
        b"gzip" | b"br" | b"zstd" | b"deflate" | b"identity" | b"*" => Some(name),
        b"x-gzip" => Some(b"gzip".to_vec()),
        _ => None,
    }
}

/// A language range (RFC 4647 §2.1).
fn language(name: &[u8]) -> Option<Vec<u8>> {
    let is_part =
        |part: &[u8]| (1..=8).contains(&part.len()) && part.iter().all(u8::is_ascii_alphanumeric);
    let is_range = name == b"*" || name.split(|b| *b == b'-').all(is_part);
    is_range.then(|| name.to_ascii_lowercase())
}

/// A list of anything: commas within quotes divide nothing, and blanks there stay.
fn list(lines: &[&[u8]]) -> Option<Vec<u8>> {
    let mut items: Vec<&[u8]> = Vec::new();
    for line in lines {
        let (mut start, mut quoted, mut escaped) = (0, false, false);
        for (at, byte) in line.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b',' if !quoted => {
                    items.push(&line[start..at]);
                    start = at + 1;
                }
                _ => {}
            }
        }
        if quoted {
            return None;
        }
        items.push(&line[start..]);
    }
    let items: Vec<&[u8]> = items.into_iter().map(<[u8]>::trim_ascii).collect();
    Some(items.join(&b", "[..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(name: &HeaderName, lines: &[&str], rule: Normal) -> Option<String> {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        normalise(name, &lines, rule).map(|made| String::from_utf8(made).expect("text"))
    }

    fn codings(lines: &[&str]) -> Option<String> {
        check(&ACCEPT_ENCODING, lines, Normal::default())
    }

    #[test]
    fn spellings_of_the_same_codings_are_one() {
        for lines in [
            &["gzip, br"][..],
            &["br,gzip"],
            &["br", "gzip"],
            &["GZIP;q=1.0 , ,Br ; q=1"],
            &["x-gzip, br;q=1.000"],
        ] {
            assert_eq!(codings(lines).as_deref(), Some("br, gzip"), "{lines:?}");
        }
        for (line, expected) in [
            ("", ""),
            ("*", "*"),
            (
                "gzip;q=0.50, identity;q=0, *;q=0.001",
                "*;q=0.001, gzip;q=0.5, identity;q=0",
            ),
            ("gzip, deflate, br, zstd", "br, deflate, gzip, zstd"),
        ] {
            assert_eq!(codings(&[line]).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_a_handler_could_tell_apart_stays_apart() {
        let different = [
            "gzip, br",
            "gzip, br;q=0.5",
            "gzip;q=0.5, br",
            "gzip;q=0.5, br;q=0.2",
            "gzip",
            "gzip, br;q=0",
            "gzip, identity;q=0",
            "gzip, *;q=0",
            "*",
            "",
        ];
        for (i, a) in different.iter().enumerate() {
            for (j, b) in different.iter().enumerate() {
                assert_eq!(codings(&[a]) == codings(&[b]), i == j, "{a} {b}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_left_alone() {
        for line in [
            "gzip, dcb",
            "compress",
            "gzip;q=0, gzip",
            "gzip, x-gzip",
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=0.1234",
            "gzip;q=",
            "gzip;q=.5",
            "gzip;q=0.5;x=y",
            "gzip;x=y",
            "gzip br",
            "gzip;",
        ] {
            assert_eq!(codings(&[line]), None, "{line}");
        }
        assert_eq!(codings(&[]), None);
    }

    #[test]
    fn languages_and_lists_are_made_one_only_by_rule() {
        let languages = Normal {
            languages: true,
            ..Normal::default()
        };
        let language = |line, rule| check(&ACCEPT_LANGUAGE, &[line], rule);
        let made = language("en-US, de;q=0.70", languages);
        assert_eq!(made.as_deref(), Some("de;q=0.7, en-us"));
        assert_eq!(made, language("de;q=0.7,EN-us", languages));
        assert_eq!(language("en", Normal::default()), None);
        assert_eq!(language("en_US", languages), None);
        let lists = Normal {
            lists: true,
            ..Normal::default()
        };
        let foo = || HeaderName::from_static("foo");
        let made = check(&foo(), &["1,2"], lists);
        assert_eq!(made.as_deref(), Some("1, 2"));
        assert_eq!(made, check(&foo(), &[" 1 ,  2 "], lists));
        assert_eq!(made, check(&foo(), &["1", "2"], lists));
        assert_ne!(made, check(&foo(), &["2, 1"], lists));
        let quoted = check(&foo(), &["\"a,  b\" ,c"], lists);
        assert_eq!(quoted.as_deref(), Some("\"a,  b\", c"));
        assert_eq!(check(&foo(), &["\"a", "b\""], lists), None);
        assert_eq!(check(&foo(), &["1,2"], languages), None);
    }

    proptest! {
        #[test]
        fn what_is_made_stays_as_it_is(
            name in prop_oneof![Just("accept-encoding"), Just("accept-language"), Just("foo")],
            line in "[a-z*, ]{0,6}((gzip|br|en-US|\\*)(;q=[01](\\.[0-9]{0,3})?)?[, ]{1,2}){0,4}",
        ) {
            let rule = Normal { languages: true, lists: true };
            let name = HeaderName::from_static(name);
            if let Some(made) = normalise(&name, &[line.as_bytes()], rule) {
                prop_assert_eq!(normalise(&name, &[&made], rule), Some(made.clone()));
            }
        }
    }
}
