//! RFC 9111 as pure functions: no I/O, no clock, no log. Each names its section.

pub(crate) mod admit;
pub(crate) mod codes;
pub(crate) mod combine;
pub(crate) mod conditional;
pub(crate) mod credentials;
pub(crate) mod dates;
pub(crate) mod directives;
pub(crate) mod etag;
pub(crate) mod fields;
pub(crate) mod freshen;
pub(crate) mod hops;
pub(crate) mod invalidation;
pub(crate) mod normal;
mod permission;
pub(crate) mod posted;
pub(crate) mod ranges;
pub(crate) mod reference;
pub(crate) mod reuse;
pub(crate) mod rules;
mod stale;
pub(crate) mod status;
pub(crate) mod storable;
pub(crate) mod targeted;
pub(crate) mod ttl;
pub(crate) mod validation;
pub(crate) mod vary;

pub use credentials::Credentials;
pub use reuse::ClientDirectives;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    /// Fields, as the tables of the tests write them.
    pub(super) fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }
}
