//! Fields that speak of one connection only (RFC 9110 §7.6.1): taken out, and said anew where
//! they hold for the next connection.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

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

/// A request as it is forwarded. `streams`: it has content of unknown length.
pub(crate) fn strip_request(headers: &mut HeaderMap, streams: bool) {
    let trailers = takes_trailers(headers);
    strip(headers, |name| {
        *name == HOST || *name == CONTENT_LENGTH || (streams && *name == TRAILER)
    });
    headers.remove(PROXY_AUTHORIZATION);
    if streams {
        // Without it hyper's client sends no content with a GET.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
}

/// Takes out the fields that `Connection` names, before anything is decided by them: the origin will
/// not see them.
pub(crate) fn strip_named(headers: &mut HeaderMap) {
    let kept = [HOST, CONTENT_LENGTH];
    for name in named(headers) {
        if !kept.contains(&name) && !HOP_BY_HOP.contains(&name.as_str()) {
            headers.remove(name);
        }
    }
}

/// RFC 9110 §7.6.3: a gateway says in each request that it passed it on, and may leave that out
/// of responses.
pub(crate) fn add_via(headers: &mut HeaderMap, received: Version) {
    let member = match received {
        Version::HTTP_10 => "1.0 neuralblitz-cache",
        _ => "1.1 neuralblitz-cache",
    };
    headers.append(VIA, HeaderValue::from_static(member));
}

/// A response as it is forwarded, to a client that may take trailers.
pub(crate) fn strip_response(headers: &mut HeaderMap, trailers: bool) {
    strip(headers, |name| {
        *name == CONTENT_LENGTH || (trailers && *name == TRAILER)
    });
}

/// Nobody may have those fields taken out that say which resource is meant and where content
/// ends: these are `kept`.
fn strip(headers: &mut HeaderMap, kept: impl Fn(&HeaderName) -> bool) {
    let named = named(headers);
    let always = HOP_BY_HOP.into_iter().map(HeaderName::from_static);
    for name in named.into_iter().chain(always) {
        if !kept(&name) {
            headers.remove(name);
        }
    }
}

fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    let names = members(headers, &CONNECTION);
    let names = names.filter_map(|name| HeaderName::from_bytes(name).ok());
    names.collect()
}

/// RFC 9110 §10.1.4.
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    members(headers, &TE).any(|member| member.eq_ignore_ascii_case(b"trailers"))
}

/// Whether no transfer coding is left on content that hyper has received: it takes off a
/// `chunked` that comes last (RFC 9112 §6.1). A name that nobody has registered codes nothing.
pub(crate) fn is_decoded(headers: &HeaderMap) -> bool {
    const CODINGS: [&[u8]; 6] = [
        b"chunked",
        b"gzip",
        b"x-gzip",
        b"deflate",
        b"compress",
        b"x-compress",
    ];
    let mut codings: Vec<&[u8]> = members(headers, &TRANSFER_ENCODING).collect();
    codings.pop_if(|last| last.eq_ignore_ascii_case(b"chunked"));
    let name = |coding: &[u8]| {
        coding
            .split(|b| *b == b';')
            .next()
            .map(<[u8]>::to_ascii_lowercase)
    };
    let mut names = codings.into_iter().filter_map(name);
    !names.any(|name| CODINGS.contains(&name.trim_ascii()))
}

/// The one number that all members of `Content-Length` say (RFC 9112 §6.3).
pub(crate) fn length(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = members(headers, &CONTENT_LENGTH).map(|member| {
        let digits = member.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(member).ok().filter(|_| digits);
        text?.parse().ok()
    });
    let first: u64 = lengths.next()??;
    lengths.all(|length| length == Some(first)).then_some(first)
}

/// The members of a list, on all lines of it.
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}
