//! TLS: by what the server is known, and by what it knows us.
//!
//! The files are read at each connect: one that is renewed in its place is used from then on.

use crate::config::RedisConfig;
use ::redis::{Client, ClientTlsConfig, ConnectionAddr, RedisError, RedisResult, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(super) struct Tls {
    ca: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the same face as without the feature"
    )]
    pub(super) fn new(config: &RedisConfig) -> Option<Self> {
        Some(Self {
            ca: config.ca_file.clone(),
            client: config.client_certificate.clone(),
        })
    }

    pub(super) fn address(&self, host: &str, port: u16) -> RedisResult<ConnectionAddr> {
        let address = ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: false,
            tls_params: None,
        };
        let client = Client::build_with_tls(address, self.certificates()?)?;
        Ok(client.get_connection_info().addr().clone())
    }

    pub(super) fn certificates(&self) -> RedisResult<TlsCertificates> {
        name_provider();
        let read = |path: &PathBuf| std::fs::read(path);
        let client = self.client.as_ref().map(|(certificate, key)| {
            Ok::<_, io::Error>(ClientTlsConfig {
                client_cert: read(certificate)?,
                client_key: read(key)?,
            })
        });
        Ok(TlsCertificates {
            client_tls: client.transpose()?,
            root_cert: self.ca.as_ref().map(read).transpose()?,
        })
    }
}

/// The client takes the cryptography of the process, and panics where two could be meant; what
/// the app has named stays.
fn name_provider() {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been first.
        let _ = ring::default_provider().install_default();
    }
}

/// Whether TLS could not be agreed on: a certificate that one side does not accept, say.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    type Inner = Arc<dyn Error + Send + Sync>;
    let inner = error
        .source()
        .and_then(|source| source.downcast_ref::<Inner>());
    let io = inner.and_then(|inner| inner.downcast_ref::<io::Error>());
    io.and_then(io::Error::get_ref)
        .is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
}
