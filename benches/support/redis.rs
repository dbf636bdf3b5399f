//! A redis-server of our own, ended when dropped.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take until it listens.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Redis {
    pub(crate) port: u16,
    child: Child,
    _data: TempDir,
}

impl Redis {
    /// `None`: there is none to be started; `REDIS_SERVER` says which it is.
    pub(crate) fn start() -> Option<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let server = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
        let data = tempfile::tempdir().expect("a folder");
        let child = Command::new(server)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(data.path())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let redis = Self {
            port,
            child,
            _data: data,
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < LIMIT, "redis-server does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Some(redis)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
