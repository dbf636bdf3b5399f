//! Who may change something: whoever has the token.
//!
//! It is compared by its hash and in constant time, so that neither its length nor how much of it
//! was right can be measured. Failures past a limit are answered 429, and not counted or logged
//! any more. The right token is let in even then: a lock that anybody can close would keep the
//! operator out. Guessing is hopeless by the length of the token, not by the limit.

use super::Admin;
use super::problem::Problem;
use crate::clock::instant;
use crate::sync::lock;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

/// Failures in a row that are answered as such.
const FAILURES: u32 = 10;

/// After so long one more is.
const ONE_MORE_EVERY: Duration = Duration::from_secs(6);

/// Shorter tokens can be guessed.
const LONG_ENOUGH: usize = 16;

pub(super) struct Guard {
    /// Of the token; `None`: none is configured.
    hash: Option<[u8; 32]>,
    failures: Mutex<Failures>,
}

/// How many failures may still be answered as such.
struct Failures {
    left: u32,
    counted_at: Instant,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotConfigured,
    Missing,
    Wrong,
    TooMany,
}

impl Guard {
    pub(super) fn new(token: Option<&SecretString>) -> Self {
        let token = token.map(ExposeSecret::expose_secret);
        if token.is_some_and(|token| token.len() < LONG_ENOUGH) {
            tracing::warn!(
                "the admin token is shorter than {LONG_ENOUGH} bytes: it can be guessed"
            );
        }
        Self {
            hash: token.map(|token| hash(token.as_bytes())),
            failures: Mutex::new(Failures {
                left: FAILURES,
                counted_at: instant(),
            }),
        }
    }

    /// Whether keys and tags may be shown: not to who says no token. One that is wrong is refused.
    pub(super) fn is_admin(&self, headers: &HeaderMap) -> Result<bool, Refused> {
        match headers.contains_key(AUTHORIZATION) {
            true => self.check(headers).map(|()| true),
            false => Ok(false),
        }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let Some(expected) = &self.hash else {
            return Err(Refused::NotConfigured);
        };
        match bearer(headers) {
            Some(token) if bool::from(hash(token).ct_eq(expected)) => Ok(()),
            given => Err(self.fail(match given {
                Some(_) => Refused::Wrong,
                None => Refused::Missing,
            })),
        }
    }

    fn fail(&self, how: Refused) -> Refused {
        match lock(&self.failures).take(instant()) {
            true => {
                tracing::warn!(?how, "a request to the admin endpoints was refused");
                how
            }
            false => Refused::TooMany,
        }
    }
}

impl Failures {
    fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.counted_at);
        let more = since.as_millis() / ONE_MORE_EVERY.as_millis();
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(FAILURES);
            self.left = self.left.saturating_add(more).min(FAILURES);
            self.counted_at = now;
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The token of the one `Authorization` field (RFC 6750 §2.1); the scheme's case does not matter.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = field.as_bytes().split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// Lets requests with the token pass.
pub(super) async fn guard(
    State(admin): State<Arc<Admin>>,
    request: Request,
    next: Next,
) -> Response {
    match admin.guard.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::NotConfigured => (
                StatusCode::FORBIDDEN,
                "no admin token is configured: set it with CacheConfigBuilder::admin_token, or in \
                 NB_CACHE__ADMIN_TOKEN where the settings are loaded",
            ),
            Self::Missing => (
                StatusCode::UNAUTHORIZED,
                "say `Authorization: Bearer` with the admin token",
            ),
            Self::Wrong => (StatusCode::UNAUTHORIZED, "the token is not the admin token"),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests without the admin token of late",
            ),
        };
        let mut response = Problem::new(status, detail).into_response();
        let challenge = match self {
            Self::Missing => Some("Bearer"),
            Self::Wrong => Some("Bearer error=\"invalid_token\""),
            Self::NotConfigured | Self::TooMany => None,
        };
        let headers = response.headers_mut();
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self == Self::TooMany {
            headers.insert(RETRY_AFTER, ONE_MORE_EVERY.as_secs().into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn the_token_alone_is_let_in() {
        let token = SecretString::from("0123456789abcdef");
        let guard = Guard::new(Some(&token));
        for (lines, expected) in [
            (&["Bearer 0123456789abcdef"][..], Ok(())),
            (&["bearer  0123456789abcdef "], Ok(())),
            (&["Bearer 0123456789abcdeF"], Err(Refused::Wrong)),
            (&["Bearer 0123456789abcde"], Err(Refused::Wrong)),
            (&["Bearer "], Err(Refused::Wrong)),
            (&["Basic 0123456789abcdef"], Err(Refused::Missing)),
            (&["Bearer 0123456789abcdef"; 2], Err(Refused::Missing)),
            (&[], Err(Refused::Missing)),
        ] {
            assert_eq!(guard.check(&with(lines)), expected, "{lines:?}");
        }
        let none = Guard::new(None);
        let refused = none.check(&with(&["Bearer "]));
        assert_eq!(refused, Err(Refused::NotConfigured));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_past_the_limit_are_refused_and_allowed_again_one_by_one() {
        let mut failures = Failures {
            left: 2,
            counted_at: instant(),
        };
        let mut take = || failures.take(instant());
        assert_eq!([take(), take(), take()], [true, true, false]);
        tokio::time::advance(ONE_MORE_EVERY).await;
        assert_eq!([take(), take()], [true, false]);
        tokio::time::advance(ONE_MORE_EVERY * 1000).await;
        assert_eq!((0..20).filter(|_| take()).count(), FAILURES as usize);
    }
}
