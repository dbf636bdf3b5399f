//! A moment on the clock of purges, as known here.

use super::Applied;
use crate::stamp::Stamp;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(super) known: Known,
    /// On the clock of this process alone.
    pub(super) own: Stamp,
}

/// What the clock of purges was.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    /// As read from Redis; a fill is stamped with it, or less.
    Redis { clock: Stamp, stamp: Stamp },
    /// As this process counts: no Redis is configured, or it is left alone.
    Alone(Stamp),
    /// Redis did not say.
    Nothing,
}

impl Moment {
    pub(super) fn alone(clock: Stamp, own: Stamp) -> Self {
        let known = Known::Alone(clock);
        Self { known, own }
    }

    pub(super) fn unknown(own: Stamp) -> Self {
        let known = Known::Nothing;
        Self { known, own }
    }

    /// A fill that starts now bears the clock read with its lookup, or what is `applied` here
    /// where the handler may be given answers of the local tier that are as old.
    pub(super) fn at(self, clock: Stamp, applied: Option<Stamp>) -> Self {
        let stamp = applied.map_or(clock, |applied| applied.min(clock));
        let known = Known::Redis { clock, stamp };
        Self { known, ..self }
    }

    /// What a fill that starts now is stamped with; `None`: it must not be stored.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        match self.known {
            Known::Redis { stamp, .. } | Known::Alone(stamp) => Some(stamp),
            Known::Nothing => None,
        }
    }

    /// What a purge was given at, if the clock was this moment's until then: no other purge came
    /// between.
    pub(crate) fn until_purge(self, applied: Applied) -> Option<Self> {
        match (self.known, applied) {
            (Known::Redis { clock, .. }, Applied::At { stamp, after }) if after == Some(clock) => {
                Some(self.at(stamp, None))
            }
            _ => None,
        }
    }

    /// Whether this process counted by itself.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(self.known, Known::Alone(_))
    }
}
