//! Which of the things that RFC 9111 leaves open are done.

/// What a cache may do beyond the defaults. All off: as an API's cache should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a rule of its own, set by itself"
)]
pub(crate) struct Rules {
    /// A response that says nothing is fresh for a tenth of the time since it was last
    /// modified (RFC 9111 §4.2.2).
    pub(crate) heuristic: bool,
    /// What is stale from the start is stored all the same, if it can be validated (§4.3).
    pub(crate) store_for_validation: bool,
    /// `must-revalidate` lets answers to requests with credentials be shared, as `public` does
    /// (§3.5).
    pub(crate) must_revalidate_shares: bool,
    /// `Set-Cookie` is stored and served again (§7.3).
    pub(crate) set_cookie: bool,
    /// A part of a representation is stored (§3.3).
    pub(crate) parts: bool,
    /// The answer to a POST may answer GET (RFC 9110 §9.3.3).
    pub(crate) posted: bool,
}
