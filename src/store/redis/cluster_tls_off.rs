//! Without the feature `tls` no connection is encrypted.

use super::tls::Tls;
use ::redis::RedisResult;
use ::redis::cluster::ClusterClientBuilder;

pub(super) fn secure(_: ClusterClientBuilder, tls: &Tls) -> RedisResult<ClusterClientBuilder> {
    match *tls {}
}
