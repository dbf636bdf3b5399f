//! Cookies of requests, by their names.

use super::rules::decoded_name;
use http::HeaderMap;
use http::header::COOKIE;
use std::borrow::Cow;

/// All cookies of a request as (name, value), in order (RFC 6265 §4.2.1).
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers
        .get_all(COOKIE)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b';'))
        .map(|pair| {
            let mut parts = pair.splitn(2, |b| *b == b'=');
            let name = parts.next().unwrap_or_default().trim_ascii();
            (name, parts.next().unwrap_or_default().trim_ascii())
        })
}

/// What a cookie says of `wanted`. There are handlers that decode names, and others that do not:
/// an encoded one is told apart by bytes that no value has.
pub(super) fn cookie<'a>(wanted: &str, (name, value): (&[u8], &'a [u8])) -> Option<Cow<'a, [u8]>> {
    let wanted = wanted.as_bytes();
    if name == wanted {
        return Some(Cow::Borrowed(value));
    }
    let encoded = name.contains(&b'%') && decoded_name(name) == wanted;
    encoded.then(|| Cow::Owned([b"\0", name, b"=", value].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_with_an_encoded_name_is_neither_the_cookie_nor_none() {
        let said = |pair| cookie("lang", pair).map(Cow::into_owned);
        assert_eq!(said((b"lang", b"fr")), Some(b"fr".to_vec()));
        assert_eq!(said((b"%6Cang", b"fr")), Some(b"\0%6Cang=fr".to_vec()));
        assert_eq!(said((b"%6Dang", b"fr")), None);
        assert_eq!(said((b"\xff%6Cang", b"fr")), None);
        assert_eq!(said((b"other", b"fr")), None);
    }
}
