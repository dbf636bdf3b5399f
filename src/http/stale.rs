//! A stale answer in place of a failure (RFC 5861 §4).

use super::ask::Ask;
use super::body::CacheBody;
use super::reply;
use crate::cache::Inner;
use crate::entry::Entry;
use crate::observe::Answered;
use crate::policy::reuse::usable_on_error;
use crate::policy::status::Exception;
use http::{Response, StatusCode};

/// The answer of what was found, if it is within its window and no purge has come since.
pub(super) async fn stand_in<B>(
    cache: &Inner,
    ask: &Ask,
    entry: &Entry,
    failed: Option<StatusCode>,
) -> Option<Response<CacheBody<B>>> {
    let now = cache.clock.now();
    let usable = usable_on_error(&entry.facts(), &ask.demand, ask.guarded, now);
    if !usable || !cache.store.is_still_valid(entry).await {
        return None;
    }
    cache
        .observer
        .answered(ask.route, Answered::StaleIfError, now);
    let exception = Some(Exception::IfError(failed));
    Some(reply::stored(entry, now, ask.form(), exception))
}
