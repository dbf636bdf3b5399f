//! RFC 9111 as pure functions: no I/O, no clock, no log. Each names its section.

pub(crate) mod admit;
pub(crate) mod conditional;
pub(crate) mod credentials;
pub(crate) mod directives;
pub(crate) mod fields;
pub(crate) mod reuse;
pub(crate) mod status;
pub(crate) mod storable;
pub(crate) mod ttl;
pub(crate) mod vary;

pub use credentials::Credentials;
pub use reuse::ClientDirectives;
