//! The fields a response was selected by (RFC 9110 §12.5.5, RFC 9111 §4.1).

use http::header::VARY;
use http::{HeaderMap, HeaderName};

/// More fields than this make a response not worth storing.
const MAX_FIELDS: usize = 16;

/// The names in all `Vary` lines, sorted, each once. `None`: `*`, a name that is none, or
/// too many.
pub(crate) fn fields(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for line in headers.get_all(VARY) {
        for name in line
            .as_bytes()
            .split(|b| *b == b',')
            .map(<[u8]>::trim_ascii)
        {
            if name == b"*" {
                return None;
            }
            if !name.is_empty() {
                names.push(HeaderName::from_bytes(name).ok()?);
            }
        }
    }
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    (names.len() <= MAX_FIELDS).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(lines: &[&'static str]) -> Option<Vec<String>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(VARY, HeaderValue::from_static(line));
        }
        fields(&headers).map(|names| names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn all_lines_count_and_a_star_anywhere_forbids() {
        assert_eq!(of(&[]), Some(vec![]));
        assert_eq!(
            of(&["B, a,,A", "c"]),
            Some(vec!["a".into(), "b".into(), "c".into()])
        );
        for starred in [&["*"][..], &["a, *"], &["a", " * "]] {
            assert_eq!(of(starred), None);
        }
        assert_eq!(of(&["a b"]), None);
        for empty in [&[""][..], &[",", " "]] {
            assert_eq!(of(empty), Some(vec![]));
        }
        for starred in [&["*, *"][..], &["", "*"], &[", *"], &["*, a"], &["*", "a"]] {
            assert_eq!(of(starred), None);
        }
    }
}
