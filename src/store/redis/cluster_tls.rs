//! A cluster whose connections are encrypted.

use super::tls::Tls;
use ::redis::RedisResult;
use ::redis::cluster::ClusterClientBuilder;

pub(super) fn secure(
    builder: ClusterClientBuilder,
    tls: &Tls,
) -> RedisResult<ClusterClientBuilder> {
    Ok(builder.certs(tls.certificates()?))
}
