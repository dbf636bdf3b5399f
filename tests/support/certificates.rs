//! An authority, and what it signs, in PEM files.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its own certificate.
    pub file: String,
}

/// A certificate and its key.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("signed");
        let file = write(dir.path(), "ca.pem", &issuer.pem());
        Self { dir, issuer, file }
    }

    /// For a server at 127.0.0.1, or a client.
    pub fn signs(&self, name: &str) -> Pair {
        self.sign(name, |params| {
            let loopback = std::net::Ipv4Addr::LOCALHOST.into();
            params.subject_alt_names.push(SanType::IpAddress(loopback));
        })
    }

    /// One whose time is over.
    pub fn signs_expired(&self, name: &str) -> Pair {
        self.sign(name, |params| {
            let loopback = std::net::Ipv4Addr::LOCALHOST.into();
            params.subject_alt_names.push(SanType::IpAddress(loopback));
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    /// One for another server.
    pub fn signs_for(&self, name: &str, host: &str) -> Pair {
        self.sign(name, |params| {
            let host = host.try_into().expect("a name");
            params.subject_alt_names.push(SanType::DnsName(host));
        })
    }

    /// What a server is set to, to speak TLS at its second port as well.
    pub fn settings<'a>(&'a self, pair: &'a Pair) -> [(&'static str, &'a str); 5] {
        [
            ("tls-port", "{second}"),
            ("tls-ca-cert-file", &self.file),
            ("tls-cert-file", &pair.certificate),
            ("tls-key-file", &pair.key),
            ("tls-auth-clients", "no"),
        ]
    }

    fn sign(&self, name: &str, what: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new([]).expect("no names");
        // By another name than its issuer: else it would pass for its own.
        params.distinguished_name.push(DnType::CommonName, name);
        what(&mut params);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        let file = |end: &str, pem: &str| write(self.dir.path(), &format!("{name}.{end}"), pem);
        Pair {
            certificate: file("pem", &signed.pem()),
            key: file("key", &key.serialize_pem()),
        }
    }
}

fn write(dir: &Path, name: &str, pem: &str) -> String {
    let path: PathBuf = dir.join(name);
    std::fs::write(&path, pem).expect("written");
    path.to_str().expect("text").to_owned()
}
