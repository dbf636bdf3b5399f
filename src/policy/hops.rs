//! Fields that speak of one connection only (RFC 9110 §7.6.1).

use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName};

const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authentication-info",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// RFC 9111 §3.1, RFC 9110 §7.6.1: fields of one connection are not stored, nor those that
/// `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    strip(headers, |_| false);
}

/// RFC 9110 §7.6.1: a request as it is forwarded. A client may not have the fields taken out
/// that say which resource is meant and where the content ends; `Proxy-Authorization` is for
/// this hop (§11.7.2).
#[allow(dead_code, reason = "wired in next")]
pub(crate) fn strip_request(headers: &mut HeaderMap) {
    strip(headers, |name| *name == HOST || *name == CONTENT_LENGTH);
    headers.remove(http::header::PROXY_AUTHORIZATION);
}

fn strip(headers: &mut HeaderMap, kept: impl Fn(&HeaderName) -> bool) {
    for name in named(headers).iter().filter(|name| !kept(name)) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The fields that `Connection` names, on all its lines.
pub(super) fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(&name.as_str()) || *name == http::header::PROXY_AUTHORIZATION
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::map;

    #[test]
    fn fields_of_the_connection_are_not_stored() {
        let mut headers = map(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "1"),
            ("transfer-encoding", "chunked"),
            ("x-end", "1"),
            ("x-end", "2"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers, map(&[("x-end", "1"), ("x-end", "2")]));
    }

    #[test]
    fn fields_of_the_connection_are_not_forwarded_but_the_host_is() {
        let mut headers = map(&[
            ("connection", "Host, x-a, content-length, "),
            ("connection", "x-b,,not a name"),
            ("x-a", "1"),
            ("x-b", "1"),
            ("host", "a"),
            ("content-length", "3"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "x"),
            ("authorization", "x"),
        ]);
        strip_request(&mut headers);
        let left = [
            ("host", "a"),
            ("content-length", "3"),
            ("authorization", "x"),
        ];
        assert_eq!(headers, map(&left));
    }
}
