//! Whether a request is one for the cache.

use super::fields::{Fields, Said};
use http::{Method, Uri};

/// How a request may use the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// Looked up, joined, stored.
    Shared,
    /// Carries credentials: only what is marked for everybody may be looked up or stored.
    Guarded,
}

/// Why a request is none for the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotOurs {
    Method,
    Content,
    Upgrade,
    Precondition,
}

/// An error: not ours, the handler answers as if there were no cache. RFC 9111 §3, §3.5.
///
/// A GET with content, a protocol upgrade and preconditions that only the origin can judge
/// are left alone, as is a request that names two authorities.
#[inline]
pub(crate) fn admit(
    method: &Method,
    fields: &Fields<'_>,
    has_content: bool,
) -> Result<Admitted, NotOurs> {
    let readable = method == Method::GET || method == Method::HEAD;
    if !readable {
        return Err(NotOurs::Method);
    }
    if has_content {
        return Err(NotOurs::Content);
    }
    if fields.say(Said::Upgrade) {
        return Err(NotOurs::Upgrade);
    }
    if fields.say(Said::Precondition) {
        return Err(NotOurs::Precondition);
    }
    Ok(if fields.say(Said::Credential) {
        Admitted::Guarded
    } else {
        Admitted::Shared
    })
}

/// The authority a request is for: `:authority` (or that of an absolute URI) and `Host` must
/// agree (RFC 9110 §7.2, RFC 9113 §8.3.1). `None`: they do not, or there are two hosts.
#[inline]
pub(crate) fn authority<'a>(uri: &'a Uri, fields: &Fields<'a>) -> Option<&'a str> {
    if fields.hosts > 1 {
        return None;
    }
    let host = match fields.host {
        Some(host) => Some(host.to_str().ok()?),
        None => None,
    };
    match (uri.authority().map(http::uri::Authority::as_str), host) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host).then_some(host),
        (authority, host) => Some(authority.or(host).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Credentials;
    use super::*;
    use crate::key::KeyRules;
    use http::HeaderMap;

    fn check(
        method: &Method,
        lines: &[(&'static str, &'static str)],
        content: bool,
    ) -> Result<Admitted, NotOurs> {
        let headers: HeaderMap = lines
            .iter()
            .map(|(n, v)| (n.parse().expect("a name"), v.parse().expect("a value")))
            .collect();
        admit(
            method,
            &Fields::of(&headers, &Credentials::default(), &KeyRules::new()),
            content,
        )
    }

    #[test]
    fn only_plain_reads_are_admitted() {
        use Admitted::{Guarded, Shared};
        let get = &Method::GET;
        assert_eq!(check(get, &[], false), Ok(Shared));
        assert_eq!(check(&Method::HEAD, &[], false), Ok(Shared));
        assert_eq!(check(&Method::POST, &[], false), Err(NotOurs::Method));
        assert_eq!(check(get, &[], true), Err(NotOurs::Content));
        let upgrade = check(get, &[("upgrade", "websocket")], false);
        assert_eq!(upgrade, Err(NotOurs::Upgrade));
        assert_eq!(check(get, &[("range", "bytes=0-1")], false), Ok(Shared));
        let precondition = check(get, &[("if-match", "*")], false);
        assert_eq!(precondition, Err(NotOurs::Precondition));
        assert_eq!(check(get, &[("if-none-match", "*")], false), Ok(Shared));
        assert_eq!(check(get, &[("authorization", "x")], false), Ok(Guarded));
    }

    fn who(uri: &'static str, hosts: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append("host", http::HeaderValue::from_static(host));
        }
        let uri = Uri::from_static(uri);
        let fields = Fields::of(&headers, &Credentials::none(), &KeyRules::new());
        authority(&uri, &fields).map(str::to_ascii_lowercase)
    }

    #[test]
    fn authority_and_host_must_agree() {
        assert_eq!(who("/", &[]).as_deref(), Some(""));
        assert_eq!(who("/", &["a.b:80"]).as_deref(), Some("a.b:80"));
        assert_eq!(who("http://a.b/", &[]).as_deref(), Some("a.b"));
        assert_eq!(who("http://a.b/", &["A.B"]).as_deref(), Some("a.b"));
        assert_eq!(who("http://a.b/", &["c.d"]), None);
        assert_eq!(who("/", &["a", "a"]), None);
    }
}
