//! What a status code says about caching (RFC 9111 §3, RFC 9110 §15.1).

use http::StatusCode;

/// Statuses that may be stored when the response itself says for how long: all final ones
/// but a part, which no whole can be made of, and 304, which is no response of its own
/// (RFC 9111 §3).
pub(crate) fn may_be_explicit(status: StatusCode) -> bool {
    !status.is_informational()
        && status != StatusCode::PARTIAL_CONTENT
        && status != StatusCode::NOT_MODIFIED
}

/// Statuses that may be stored by a setting alone: those that say the request succeeded.
/// Stricter than RFC 9110 §15.1: an absence or a refusal is remembered only when the handler
/// says for how long; so is a redirect, which may depend on the scheme, no part of the key.
pub(crate) fn may_be_implicit(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204)
}

/// RFC 9110 §15.1: statuses that may be stored for a time of the cache's own choosing. 206 is
/// one of them too, but not for a cache that makes wholes only.
pub(crate) fn is_heuristic(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// Statuses whose rules this cache follows, for `must-understand` (RFC 9111 §5.2.2.3): the
/// final ones of RFC 9110, but for 206 and 304.
pub(crate) fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505
    )
}

/// Whether the handler failed, so that its answer says nothing about the resource.
pub(crate) fn is_failed(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || status == StatusCode::TOO_MANY_REQUESTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_is_stored_for_its_own_reasons() {
        // By its own words, by a setting alone, by a guess, with must-understand.
        for (status, expected) in [
            (100, [false, false, false, false]),
            (200, [true, true, true, true]),
            (201, [true, false, false, true]),
            (204, [true, true, true, true]),
            (206, [false, false, false, false]),
            (299, [true, false, false, false]),
            (301, [true, false, true, true]),
            (302, [true, false, false, true]),
            (304, [false, false, false, false]),
            (404, [true, false, true, true]),
            (418, [true, false, false, false]),
            (500, [true, false, false, true]),
            (501, [true, false, true, true]),
            (999, [true, false, false, false]),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let found = [
                may_be_explicit(status),
                may_be_implicit(status),
                is_heuristic(status),
                is_understood(status),
            ];
            assert_eq!(found, expected, "{status}");
        }
    }
}
