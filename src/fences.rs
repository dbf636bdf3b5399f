//! The fences that keep answers right, each of which can be taken down: a check that finds no
//! violation shows something only if it finds one without them.

/// One of the things that keep answers right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(unreachable_pub, reason = "seen through `testing` alone")]
pub enum Fence {
    /// A fill is stamped before its handler runs, not when it is stored.
    StampBefore,
    /// A follower takes nothing that a purge it could know of covers.
    FollowerRule,
    /// A purge marks this process before Redis is asked.
    OwnMarks,
    /// A hit in Redis is judged by the record of purges.
    Record,
    /// A record that is older than what was seen is made anew, all purged.
    Regression,
    /// What the mirror did not hear of is noticed by the clock before a purge.
    Gaps,
    /// The mirror is trusted for a bounded time only.
    Trust,
    /// What is fetched in an outage stays out of Redis, and is gone when it is back.
    Outage,
}

/// Those that stand: all, but in a test of the tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fences(u16);

impl Default for Fences {
    fn default() -> Self {
        Self(u16::MAX)
    }
}

impl Fences {
    #[cfg(feature = "testing")]
    pub(crate) fn without(self, fence: Fence) -> Self {
        Self(self.0 & !(1 << fence as u16))
    }

    #[inline]
    pub(crate) fn stands(self, fence: Fence) -> bool {
        self.0 & (1 << fence as u16) != 0
    }
}
