//! Without the feature `sentinel` none can be asked: nothing of this type can exist.

#![allow(clippy::unused_async, reason = "the same face as with the feature")]

use super::dial::Dial;
use crate::config::Sentinels;
use ::redis::{ConnectionAddr, RedisError, RedisResult};

#[derive(Debug)]
pub(super) enum Sentinel {}

impl Sentinel {
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the same face as with the feature"
    )]
    pub(super) fn new(_: &Sentinels, _: Dial) -> Option<Self> {
        None
    }

    pub(super) async fn master(&self) -> RedisResult<ConnectionAddr> {
        match *self {}
    }
}

pub(super) fn is_login(_: &RedisError) -> bool {
    false
}
