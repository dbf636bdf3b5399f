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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// What the breaker counts, and what it does not.
    #[test]
    fn a_refusal_of_the_server_is_of_its_class() {
        for (line, class, counts) in [
            ("LOADING Redis is loading", Fault::Unready, true),
            ("MASTERDOWN Link is down", Fault::Unready, true),
            ("CLUSTERDOWN Hash slot not served", Fault::Unready, true),
            ("NOAUTH Authentication required.", Fault::Denied, true),
            ("WRONGPASS invalid password", Fault::Denied, true),
            ("NOPERM no permissions", Fault::Forbidden, false),
            ("OOM command not allowed", Fault::ReadOnly, false),
            ("MISCONF cannot save", Fault::ReadOnly, false),
            ("READONLY a replica", Fault::ReadOnly, false),
        ] {
            let value = ::redis::parse_redis_value(format!("-{line}\r\n").as_bytes());
            let value = value.expect("an error is a value");
            assert_eq!(
                replies(vec![Value::Nil, value.clone()]),
                Err(class),
                "{line}"
            );
            let error = value.extract_error().expect_err("one");
            assert_eq!(fault(&error), class, "{line}");
            assert_eq!(is_failure(class), counts, "{line}");
        }
        for line in [
            "WRONGTYPE not a string",
            "NOSCRIPT no such script",
            "ERR no",
        ] {
            let value = ::redis::parse_redis_value(format!("-{line}\r\n").as_bytes());
            let value = value.expect("an error is a value");
            assert!(
                replies(vec![value.clone()]).is_ok(),
                "of one command: {line}"
            );
            let error = value.extract_error().expect_err("one");
            assert!(!is_failure(fault(&error)), "{line}");
        }
    }

    #[test]
    fn what_breaks_the_way_there_counts() {
        for (kind, class) in [
            (io::ErrorKind::TimedOut, Fault::Timeout),
            (io::ErrorKind::ConnectionRefused, Fault::Disconnected),
            (io::ErrorKind::ConnectionReset, Fault::Broken),
            (io::ErrorKind::BrokenPipe, Fault::Broken),
            (io::ErrorKind::UnexpectedEof, Fault::Broken),
        ] {
            let error = RedisError::from(io::Error::from(kind));
            assert_eq!(fault(&error), class, "{kind}");
            assert!(is_failure(class));
        }
        let garbled = ::redis::parse_redis_value(b"?4\r\nwhat\r\n").expect_err("no reply");
        assert_eq!(fault(&garbled), Fault::Broken);
    }
}
