//! Where a field like `Location` points (RFC 9110 §4.1, RFC 3986 §5.2).

/// Longer references are not followed.
const MAX_LEN: usize = 8 << 10;

/// The URI that a request was for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base<'a> {
    /// `http` or `https`, where that is known.
    pub(crate) scheme: Option<&'a str>,
    /// As the key has it.
    pub(crate) authority: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
}

/// A URI of the same origin, as the key of a request for it would have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
}

impl Base<'_> {
    /// The request's own URI.
    pub(crate) fn target(&self) -> Target {
        self.at(self.path.to_owned(), self.query)
    }

    /// RFC 3986 §5.2.2. `None`: another origin, or no reference at all.
    pub(crate) fn resolve(&self, reference: &[u8]) -> Option<Target> {
        let reference = text(reference)?;
        let whole = reference.split('#').next()?;
        let (scheme, rest) = split_scheme(whole);
        let (authority, rest) = split_authority(rest);
        if scheme.is_some() && authority.is_none() {
            return None;
        }
        if !authority.is_none_or(|authority| self.is_origin(scheme, authority)) {
            return None;
        }
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        Some(match path {
            "" if authority.is_none() => self.at(self.path.to_owned(), query.or(self.query)),
            "" => self.at("/".to_owned(), query),
            _ if path.starts_with('/') => self.at(without_dots(path), query),
            _ => self.at(without_dots(&self.merge(path)), query),
        })
    }

    fn at(&self, path: String, query: Option<&str>) -> Target {
        Target {
            authority: self.authority.to_owned(),
            path,
            query: query.map(str::to_owned),
        }
    }

    /// RFC 3986 §5.2.3.
    fn merge(&self, path: &str) -> String {
        let (directory, _) = self.path.rsplit_once('/').unwrap_or_default();
        format!("{directory}/{path}")
    }

    /// RFC 9110 §4.3.1, §4.3.2: whether that is where this came from. Where one scheme is not
    /// known it is taken for the other.
    fn is_origin(&self, scheme: Option<&str>, authority: &str) -> bool {
        let same = match (self.scheme, scheme) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            _ => true,
        };
        let scheme = scheme.or(self.scheme);
        same && host(scheme, authority).eq_ignore_ascii_case(host(scheme, self.authority))
    }
}

/// The authority without the port that its scheme has anyway.
fn host<'a>(scheme: Option<&str>, authority: &'a str) -> &'a str {
    let port = match scheme {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => ":443",
        Some(_) => ":80",
        None => ":",
    };
    let authority = authority.strip_suffix(port).unwrap_or(authority);
    authority.strip_suffix(':').unwrap_or(authority)
}

/// Text without blanks, controls and what no URI may have.
fn text(reference: &[u8]) -> Option<&str> {
    let reference = reference.trim_ascii();
    let may = |b: &u8| matches!(b, 0x21..=0x7e) && !b"\"<>\\^`{|}".contains(b);
    let readable = reference.len() <= MAX_LEN && reference.iter().all(may);
    std::str::from_utf8(reference).ok().filter(|_| readable)
}

/// `http` and `https` only: no other scheme is of this origin, and its rest is then no path.
fn split_scheme(reference: &str) -> (Option<&str>, &str) {
    let end = reference.find([':', '/', '?']);
    match end.map(|end| reference.split_at(end)) {
        Some((scheme, rest)) if rest.starts_with(':') => (Some(scheme), &rest[1..]),
        _ => (None, reference),
    }
}

fn split_authority(rest: &str) -> (Option<&str>, &str) {
    let Some(rest) = rest.strip_prefix("//") else {
        return (None, rest);
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    (Some(authority), rest)
}

/// RFC 3986 §5.2.4, of a path that begins with `/`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
        // What ends in dots is a directory.
        if last && matches!(segment, "." | "..") {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from<'a>(scheme: Option<&'a str>, authority: &'a str) -> Base<'a> {
        Base {
            scheme,
            authority,
            path: "/b/c/d;p",
            query: Some("q"),
        }
    }

    fn shown(base: &Base<'_>, reference: &str) -> Option<String> {
        let target = base.resolve(reference.as_bytes())?;
        assert_eq!(target.authority, base.authority);
        let query = target.query.map(|query| format!("?{query}"));
        Some(target.path + &query.unwrap_or_default())
    }

    #[test]
    fn references_are_resolved_as_in_the_examples_of_the_rfc() {
        for (reference, expected) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("//a", "/"),
            ("//a?y", "/?y"),
            ("?y", "/b/c/d;p?y"),
            ("g?y", "/b/c/g?y"),
            ("#s", "/b/c/d;p?q"),
            ("g#s", "/b/c/g"),
            ("g?y#s", "/b/c/g?y"),
            (";x", "/b/c/;x"),
            ("g;x?y#s", "/b/c/g;x?y"),
            ("", "/b/c/d;p?q"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../g", "/g"),
            ("../../../g", "/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            ("..g", "/b/c/..g"),
            ("./g/.", "/b/c/g/"),
            ("g/../h", "/b/c/h"),
            ("g;x=1/../y", "/b/c/y"),
            ("g?y/../x", "/b/c/g?y/../x"),
            ("/a?b=http://c", "/a?b=http://c"),
            ("http://a/g", "/g"),
            ("HTTP://A:80/g", "/g"),
            ("http://a", "/"),
        ] {
            let found = shown(&from(Some("http"), "a"), reference);
            assert_eq!(found.as_deref(), Some(expected), "{reference}");
        }
    }

    #[test]
    fn other_origins_and_what_is_no_reference_are_not_followed() {
        for reference in [
            "http://b/g",
            "https://a/g",
            "http://a:81/g",
            "http://u@a/g",
            "//b/g",
            "http:/g",
            "http:g",
            "mailto:a",
            "g:h",
            "a b",
            "/a\u{1}",
            "/\u{fc}",
            "\\\\a\\b",
            "http://[a/g",
        ] {
            assert_eq!(
                shown(&from(Some("http"), "a"), reference),
                None,
                "{reference}"
            );
        }
        let long = "/".repeat(MAX_LEN + 1);
        assert_eq!(shown(&from(Some("http"), "a"), &long), None);
    }

    #[test]
    fn the_port_of_the_scheme_may_be_left_out() {
        for (scheme, authority, reference, same) in [
            (Some("https"), "a", "https://a:443/g", true),
            (Some("https"), "a:443", "//a/g", true),
            (Some("https"), "a", "https://a:80/g", false),
            (None, "a", "https://a:443/g", true),
            (None, "a", "http://a/g", true),
            (None, "a:8080", "http://a:8080/g", true),
            (None, "a:8080", "http://a/g", false),
            (None, "a", "//a:8080/g", false),
            (Some("http"), "[::1]:80", "http://[::1]/g", true),
        ] {
            let found = shown(&from(scheme, authority), reference);
            assert_eq!(found.is_some(), same, "{authority} {reference}");
        }
    }
}
