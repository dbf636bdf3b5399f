//! Without the feature `cluster` there is none: nothing of these types can exist.

#![allow(clippy::unused_async, reason = "the same face as with the feature")]

use super::dial::Dial;
use super::fault::Replies;
use super::handle::At;
use crate::config::{Node, RedisConfig};
use crate::error::Fault;
use ::redis::{ConnectionAddr, Pipeline, RedisResult};

#[derive(Debug)]
pub(super) enum Cluster {}

impl Cluster {
    pub(super) fn new(_: &[Node], _: &RedisConfig, _: &str) -> Option<Self> {
        None
    }

    pub(super) async fn connect(&self, _: &Dial) -> RedisResult<Nodes> {
        match *self {}
    }

    pub(super) async fn master(&self, _: &Dial) -> RedisResult<ConnectionAddr> {
        match *self {}
    }
}

#[derive(Clone)]
pub(super) enum Nodes {}

impl Nodes {
    pub(super) async fn send(&self, _: &Pipeline, _: &At) -> Replies {
        match *self {}
    }

    pub(super) async fn masters(&self) -> Result<Vec<At>, Fault> {
        match *self {}
    }

    pub(super) fn fall_behind(&self) {
        match *self {}
    }

    pub(super) fn is_behind(&self) -> bool {
        match *self {}
    }
}
