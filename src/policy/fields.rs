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
pub(crate) struct Fields<'a> {
    /// The last `Host`.
    pub(crate) host: Option<&'a HeaderValue>,
    pub(crate) hosts: usize,
    /// A bit for each [`Said`].
    said: u8,
}

/// What a request may say by a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said {
    /// `Upgrade`: not for a cache.
    Upgrade = 1,
    /// `Range`, or a precondition that only the origin can judge.
    Partial = 2,
    /// `If-Match` or `If-Unmodified-Since`: only the origin can judge them (RFC 9110 §13.1).
    Precondition = 4,
    /// `If-None-Match` or `If-Modified-Since`.
    Conditional = 8,
    /// `Cache-Control` or `Pragma`.
    Directives = 16,
    /// A field that says who is asking.
    Credential = 32,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(crate) fn of(headers: &'a HeaderMap, credentials: &Credentials, key: &KeyRules) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            fields.said |= match *name {
                HOST => {
                    fields.host = Some(value);
                    fields.hosts += 1;
                    0
                }
                UPGRADE => Said::Upgrade as u8,
                RANGE | IF_RANGE => Said::Partial as u8,
                IF_MATCH | IF_UNMODIFIED_SINCE => Said::Partial as u8 | Said::Precondition as u8,
                IF_NONE_MATCH | IF_MODIFIED_SINCE => Said::Conditional as u8,
                CACHE_CONTROL | PRAGMA => Said::Directives as u8,
                _ => 0,
            };
            if credentials.may_count(name) && credentials.counts(name, headers, key) {
                fields.said |= Said::Credential as u8;
            }
        }
        fields
    }

    #[inline]
    pub(crate) fn say(&self, what: Said) -> bool {
        self.said & what as u8 != 0
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
        Fields::of(&headers, rule, &KeyRules::new()).say(Said::Credential)
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
            Fields::of(&headers, &Credentials::default(), &key).say(Said::Credential)
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
            ("range", (true, false)),
            ("if-range", (true, false)),
            ("if-match", (true, true)),
            ("if-unmodified-since", (true, true)),
            ("if-none-match", (false, false)),
        ] {
            let headers = crate::policy::tests::map(&[(name, "x")]);
            let found = Fields::of(&headers, &Credentials::none(), &KeyRules::new());
            let found = (found.say(Said::Partial), found.say(Said::Precondition));
            assert_eq!(found, expected, "{name}");
        }
    }
}
