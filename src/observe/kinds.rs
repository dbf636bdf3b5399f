//! What is told apart where it is counted.

/// Why a request is none for the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// A method that is not looked up.
    Method,
    /// A rule of the layer.
    Rule,
    /// A setting of the route.
    Route,
    /// A GET with content.
    Content,
    Upgrade,
    /// Only the handler can judge it.
    Precondition,
    /// Two of them, or none that can be read.
    Authority,
    /// A layer of the same cache further out looks after it.
    Nested,
    /// Called outside of a runtime.
    Runtime,
}

impl Passed {
    pub(crate) const ALL: [Self; 9] = [
        Self::Method,
        Self::Rule,
        Self::Route,
        Self::Content,
        Self::Upgrade,
        Self::Precondition,
        Self::Authority,
        Self::Nested,
        Self::Runtime,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Rule => "rule",
            Self::Route => "route",
            Self::Content => "content",
            Self::Upgrade => "upgrade",
            Self::Precondition => "precondition",
            Self::Authority => "authority",
            Self::Nested => "nested",
            Self::Runtime => "runtime",
        }
    }
}

/// What is done with Redis, or by a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Lookup,
    Store,
    Purge,
    Delete,
    /// Reading what came.
    Decode,
    Sweep,
    /// Taking and giving back the right to fetch for all instances.
    Lease,
    /// Counting the keys of the namespace.
    Count,
    /// Keeping and reading what is asked for most.
    Hottest,
    /// A run of the handler, to its head.
    Fetch,
}

impl Operation {
    pub(crate) const ALL: [Self; 10] = [
        Self::Lookup,
        Self::Store,
        Self::Purge,
        Self::Delete,
        Self::Decode,
        Self::Sweep,
        Self::Lease,
        Self::Count,
        Self::Hottest,
        Self::Fetch,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Store => "store",
            Self::Purge => "purge",
            Self::Delete => "delete",
            Self::Decode => "decode",
            Self::Sweep => "sweep",
            Self::Lease => "lease",
            Self::Count => "count",
            Self::Hottest => "hottest",
            Self::Fetch => "fetch",
        }
    }

    /// Who does it.
    pub(crate) fn tier(self) -> &'static str {
        match self {
            Self::Fetch => "handler",
            _ => "redis",
        }
    }
}
