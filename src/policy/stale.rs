//! For how long a response may be used stale (RFC 9111 §4.2.4, RFC 5861).

use super::codes::{is_failed, is_heuristic};
use super::directives::Directives;
use super::storable::Head;
use super::targeted::Control;
use super::ttl::{self, Ttls};
use super::validation::has_validator;
use crate::entry::StaleWindows;
use http::StatusCode;

/// §4.2.4, §5.2.2.2, §5.2.2.8, §5.2.2.10: what must be validated once stale. A stored failure is
/// never better than asking.
pub(super) fn is_never_stale(status: StatusCode, directives: &Directives) -> bool {
    directives.no_cache
        || directives.must_revalidate
        || directives.proxy_revalidate
        || directives.s_maxage.is_some()
        || status.is_server_error()
}

/// For how long it may be served stale: as its own fields say (RFC 5861), else as the settings
/// do. Never where it must be validated first (RFC 9111 §4.2.4); `s-maxage` asks for that too
/// (§5.2.2.10), but where a response names both, it names the exception.
pub(super) fn stale_windows(directives: &Directives, settings: StaleWindows) -> StaleWindows {
    if directives.no_cache || directives.must_revalidate || directives.proxy_revalidate {
        return StaleWindows::default();
    }
    let settings = match directives.s_maxage {
        Some(_) => StaleWindows::default(),
        None => settings,
    };
    let said = |seconds: Option<u32>, setting| {
        seconds.map_or(setting, |seconds| u64::from(seconds) * 1000)
    };
    StaleWindows {
        while_revalidate: said(directives.stale_while_revalidate, settings.while_revalidate),
        if_error: said(directives.stale_if_error, settings.if_error),
    }
}

/// §3, §4.2.4: whether a response that is stale from the start is worth storing: it can be
/// validated, or says itself that it may be used stale. Not if it is so because the handler's
/// extension or a setting said zero.
pub(super) fn may_be_stored_stale(head: &Head<'_>, control: &Control, ttls: &Ttls) -> bool {
    let directives = &control.directives;
    let status = head.status;
    let windows = stale_windows(directives, StaleWindows::default());
    let lasting = ttl::is_said(head.headers, control) || is_heuristic(status) || directives.public;
    ttls.rules.store_for_validation
        && ttls.extension.or(ttls.overriding).is_none()
        && !is_failed(status)
        && status != StatusCode::PARTIAL_CONTENT
        && ttl::may_be_said(status, ttls.rules)
        && lasting
        && (has_validator(head.headers) || !windows.longest().is_zero())
}
