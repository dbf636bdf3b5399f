//! What kind of fault an error is, and whose.

use super::tls;
use crate::error::Fault;
use ::redis::{ErrorKind, RedisError, ServerError, ServerErrorKind, Value};

/// Replies in the order of commands, refusals of single ones among them.
pub(super) type Replies = Result<Vec<Value>, Fault>;

/// A server that is not ready, or a right that is missing, stands for every reply.
pub(super) fn replies(values: Vec<Value>) -> Replies {
    let refusal = values.iter().find_map(|value| match value {
        Value::ServerError(error) => by_code(error.code()).or_else(|| in_script(error)),
        _ => None,
    });
    refusal.map_or(Ok(values), Err)
}

/// A command that a script may not run has no code of its own.
fn in_script(error: &ServerError) -> Option<Fault> {
    let details = error.details()?;
    details
        .starts_with("The user executing the script can't")
        .then_some(Fault::Forbidden)
}

/// A slot that is elsewhere, on its way or with nobody, is there again later.
fn by_code(code: &str) -> Option<Fault> {
    match code {
        "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "MOVED" | "ASK" | "TRYAGAIN" => {
            Some(Fault::Unready)
        }
        "NOAUTH" | "WRONGPASS" => Some(Fault::Denied),
        "NOPERM" => Some(Fault::Forbidden),
        "OOM" | "MISCONF" | "READONLY" => Some(Fault::ReadOnly),
        _ => None,
    }
}

/// What kind of fault an error of the client is.
pub(super) fn fault(error: &RedisError) -> Fault {
    match error.kind() {
        _ if error.is_timeout() => Fault::Timeout,
        _ if tls::is_refusal(error) => Fault::Tls,
        _ if error.is_connection_refusal() => Fault::Disconnected,
        ErrorKind::AuthenticationFailed => Fault::Denied,
        ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => {
            Fault::Unready
        }
        ErrorKind::Server(_) | ErrorKind::Extension => {
            error.code().and_then(by_code).unwrap_or(Fault::Refused)
        }
        ErrorKind::UnexpectedReturnType => Fault::Refused,
        // Its sentinels may know it later.
        ErrorKind::MasterNameNotFoundBySentinel => Fault::Unready,
        _ => Fault::Broken,
    }
}

/// What says that the server, or the way to it, is ill; a refusal of one command does not, nor
/// does one master of a cluster that is away.
pub(super) fn is_failure(fault: Fault) -> bool {
    match fault {
        Fault::Forbidden
        | Fault::ReadOnly
        | Fault::Refused
        | Fault::Foreign
        | Fault::LeftAlone
        | Fault::Partial => false,
        Fault::Disconnected
        | Fault::Timeout
        | Fault::Broken
        | Fault::Unready
        | Fault::Tls
        | Fault::Denied => true,
    }
}
