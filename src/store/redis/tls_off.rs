//! Without the feature `tls` nothing is encrypted: nothing of this type can exist.

use crate::config::RedisConfig;
use ::redis::{ConnectionAddr, RedisError, RedisResult};

#[derive(Clone, Debug)]
pub(super) enum Tls {}

impl Tls {
    pub(super) fn new(_: &RedisConfig) -> Option<Self> {
        None
    }

    pub(super) fn address(&self, _: &str, _: u16) -> RedisResult<ConnectionAddr> {
        match *self {}
    }
}

pub(super) fn is_refusal(_: &RedisError) -> bool {
    false
}
