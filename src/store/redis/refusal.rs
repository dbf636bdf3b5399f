//! Why connecting failed. What settings can mend is one line that names them, and no other until
//! Redis is reached again, whatever fails in between.

use super::fault::fault;
use super::sentinel;
use crate::error::Fault;
use crate::sync::lock;
use ::redis::RedisError;
use bb8_redis::bb8::{ErrorSink, RunError};
use std::sync::{Arc, Mutex};

/// Why connecting failed last: the pool itself says only that there is no connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusal(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    last: Option<Reason>,
    told: Option<Setting>,
}

#[derive(Debug)]
struct Reason {
    fault: Fault,
    setting: Option<Setting>,
    words: String,
}

/// What is to be set in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Login,
    LoginAtSentinels,
    Database,
    Certificates,
}

impl Reason {
    fn of(error: &RedisError) -> Self {
        let (fault, setting) = match fault(error) {
            Fault::Denied if sentinel::is_login(error) => {
                (Fault::Denied, Some(Setting::LoginAtSentinels))
            }
            Fault::Denied => (Fault::Denied, Some(Setting::Login)),
            // Not of one command alone: without a connection there is nothing.
            Fault::Forbidden | Fault::Refused => (Fault::Disconnected, Some(Setting::Database)),
            Fault::Tls => (Fault::Tls, Some(Setting::Certificates)),
            other => (other, None),
        };
        Self {
            fault,
            setting,
            words: error.to_string(),
        }
    }
}

impl ErrorSink<RedisError> for Refusal {
    fn sink(&self, error: RedisError) {
        lock(&self.0).last = Some(Reason::of(&error));
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<RedisError>> {
        Box::new(self.clone())
    }
}

impl Refusal {
    /// What the pool's error comes from. `again`: a try failed before it.
    pub(super) fn why(&self, error: &RunError<RedisError>, again: bool) -> Fault {
        let last = lock(&self.0).last.take();
        let reason = match error {
            RunError::User(error) => Some(Reason::of(error)),
            RunError::TimedOut => last,
        };
        let fault = reason.as_ref().map_or(Fault::Timeout, |last| last.fault);
        match reason {
            Some(Reason {
                setting: Some(setting),
                words,
                ..
            }) => self.tell(setting, &words),
            _ if again => {}
            _ => tracing::warn!(%fault, "redis cannot be reached"),
        }
        fault
    }

    /// What is wrong after this is told again.
    pub(super) fn is_over(&self) {
        lock(&self.0).told = None;
    }

    fn tell(&self, setting: Setting, reason: &str) {
        if lock(&self.0).told.replace(setting) == Some(setting) {
            return;
        }
        match setting {
            Setting::Login => tracing::error!(
                "redis does not accept the login: `REDIS.password`, or `REDIS.username`, is wrong or not set"
            ),
            Setting::LoginAtSentinels => tracing::error!(
                "the sentinels do not accept the login: `REDIS.sentinel_password`, or `REDIS.sentinel_username`, is wrong or not set, or lacks a right"
            ),
            Setting::Database => tracing::error!(
                reason,
                "redis does not let the user connect: `REDIS.username` lacks a right, or `REDIS.db` is none of its databases"
            ),
            Setting::Certificates => tracing::error!(
                reason,
                "redis and its client do not trust each other's certificates: see `REDIS.ca_file` and `REDIS.client_certificate`"
            ),
        }
    }
}
