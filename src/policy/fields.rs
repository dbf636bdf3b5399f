//! One pass over a request's fields, so that a hit need not ask for each by name.

use super::credentials::Credentials;
use crate::key::KeyRules;
use http::header::{
    CACHE_CONTROL, HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    PRAGMA, RANGE, UPGRADE,
};
use http::{HeaderMap, HeaderValue};

/// What a request's fields say that matters here.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Fields<'a> {
    /// The last `Host`.
    pub(crate) host: Option<&'a HeaderValue>,
    pub(crate) hosts: usize,
    /// `Upgrade`: not for a cache.
    pub(crate) upgrade: bool,
    /// `Range`, or a precondition that only the origin can judge.
    pub(crate) partial: bool,
    /// `If-Match` or `If-Unmodified-Since`: only the origin can judge them (RFC 9110 §13.1).
    pub(crate) precondition: bool,
    /// `Range`.
    pub(crate) range: bool,
    /// `If-None-Match` or `If-Modified-Since`.
    pub(crate) conditional: bool,
    /// `Cache-Control` or `Pragma`.
    pub(crate) directives: bool,
    /// A field that says who is asking.
    pub(crate) credential: bool,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(crate) fn of(headers: &'a HeaderMap, credentials: &Credentials, key: &KeyRules) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            match *name {
                HOST => {
                    fields.host = Some(value);
                    fields.hosts += 1;
                }
                UPGRADE => fields.upgrade = true,
                RANGE => (fields.partial, fields.range) = (true, true),
                IF_RANGE => fields.partial = true,
                IF_MATCH | IF_UNMODIFIED_SINCE => {
                    (fields.partial, fields.precondition) = (true, true);
                }
                IF_NONE_MATCH | IF_MODIFIED_SINCE => fields.conditional = true,
                CACHE_CONTROL | PRAGMA => fields.directives = true,
                _ => {}
            }
            fields.credential |= credentials.counts(name, headers, key);
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::AUTHORIZATION;

    fn fields(lines: &[(&'static str, &'static str)], rule: &Credentials) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Fields::of(&headers, rule, &KeyRules::new()).credential
    }

    #[test]
    fn the_four_default_fields_are_credentials() {
        let rule = Credentials::default();
        for name in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-api-key",
        ] {
            assert!(fields(&[(name, "a=b")], &rule), "{name}");
        }
        assert!(!fields(&[("accept", "a")], &rule));
        assert!(!fields(
            &[("authorization", "a")],
            &rule.ignore(&AUTHORIZATION)
        ));
    }

    #[test]
    fn cookies_count_unless_all_are_ignored() {
        let rule = Credentials::default().ignore_cookies(["_ga*", "theme"]);
        assert!(!fields(&[("cookie", "_ga_1=x; theme=dark")], &rule));
        assert!(!fields(
            &[("cookie", "_ga=x"), ("cookie", "theme=dark;")],
            &rule
        ));
        assert!(fields(&[("cookie", "_ga=x; sid=1")], &rule));
        assert!(fields(&[("cookie", "_ga=x"), ("cookie", "sid=1")], &rule));
        assert!(fields(&[("cookie", "=sid")], &rule));
    }

    #[test]
    fn what_is_in_the_key_is_no_credential() {
        let credential = |key: KeyRules, name: &'static str, value: &'static str| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )]);
            Fields::of(&headers, &Credentials::default(), &key).credential
        };
        assert!(!credential(
            KeyRules::new().header(AUTHORIZATION),
            "authorization",
            "a"
        ));
        assert!(credential(
            KeyRules::new().header(AUTHORIZATION),
            "cookie",
            "a=b"
        ));
        assert!(!credential(KeyRules::new().cookie("a"), "cookie", "a=b"));
        assert!(credential(
            KeyRules::new().cookie("a"),
            "cookie",
            "a=b; sid=1"
        ));
    }

    #[test]
    fn hosts_are_counted() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("a"));
        headers.append(HOST, HeaderValue::from_static("b"));
        assert_eq!(
            Fields::of(&headers, &Credentials::none(), &KeyRules::new()).hosts,
            2
        );
    }

    #[test]
    fn ranges_and_preconditions_are_told_apart() {
        for (name, expected) in [
            ("range", (true, true, false)),
            ("if-range", (true, false, false)),
            ("if-match", (true, false, true)),
            ("if-unmodified-since", (true, false, true)),
            ("if-none-match", (false, false, false)),
        ] {
            let headers = crate::policy::tests::map(&[(name, "x")]);
            let found = Fields::of(&headers, &Credentials::none(), &KeyRules::new());
            let found = (found.partial, found.range, found.precondition);
            assert_eq!(found, expected, "{name}");
        }
    }
}
