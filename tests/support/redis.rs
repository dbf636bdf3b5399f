//! A private redis-server on a free port, killed when dropped.

use neuralblitz_cache::{CacheConfig, CacheConfigBuilder};
use redis::aio::MultiplexedConnection;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub struct Redis {
    pub port: u16,
    /// One more, for settings that say `{second}`.
    pub second: u16,
    server: Child,
    dir: TempDir,
    program: String,
    args: Vec<String>,
    environment: Vec<(String, PathBuf)>,
}

impl Redis {
    /// Starts a server and waits until it answers.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with settings of `redis-server` (`--maxmemory 20mb`).
    pub async fn start_with(args: &[&str]) -> Self {
        Self::start_as(&program(), args).await
    }

    /// The same, with variables in its environment.
    pub async fn start_in(environment: &[(&str, PathBuf)]) -> Self {
        Self::start_how(&program(), &[], environment).await
    }

    /// The same, with another program that takes the same settings.
    pub async fn start_as(program: &str, args: &[&str]) -> Self {
        Self::start_how(program, args, &[]).await
    }

    async fn start_how(program: &str, args: &[&str], environment: &[(&str, PathBuf)]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let environment = environment.iter();
        let environment = environment.map(|(name, value)| ((*name).to_owned(), value.clone()));
        let environment: Vec<_> = environment.collect();
        // A port can be taken between being found and being used: the next one is tried.
        for _ in 0..20 {
            let (port, second) = (free_port(), free_port());
            let with = |arg: &String| arg.replace("{second}", &second.to_string());
            let args: Vec<String> = args.iter().map(with).collect();
            let mut redis = Self {
                port,
                second,
                server: spawn(program, port, &dir, (&args, &environment)),
                dir: tempfile::tempdir().expect("a folder"),
                program: program.to_owned(),
                args,
                environment: environment.clone(),
            };
            if redis.answers().await {
                redis.dir = dir;
                return redis;
            }
        }
        panic!("no redis-server answers");
    }

    /// Starts the killed server again, empty, on its old port.
    pub async fn restart(&mut self) {
        self.kill();
        let how = (&self.args[..], &self.environment[..]);
        self.server = spawn(&self.program, self.port, &self.dir, how);
        assert!(self.answers().await, "the server is back");
    }

    /// The same with further settings, on the data it saved; does not wait until it is loaded.
    pub async fn restart_with(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(ToString::to_string));
        self.restart().await;
    }

    /// A folder beside the server's data.
    pub fn make_folder(&self, name: &str) {
        std::fs::create_dir(self.dir.path().join(name)).expect("a folder");
    }

    pub fn remove_folder(&self, name: &str) {
        std::fs::remove_dir(self.dir.path().join(name)).expect("an empty folder");
    }

    pub fn kill(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// SIGSTOP: it hangs, its sockets stay open.
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.server.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// A builder that uses this server, with a soft limit that a busy machine keeps.
    pub fn config(&self) -> CacheConfigBuilder {
        CacheConfig::builder()
            .redis_url(&self.url())
            .soft_limit(Duration::from_secs(5))
    }

    pub async fn connection(&self) -> MultiplexedConnection {
        connect(&self.url()).await
    }

    /// All keys of the server, sorted.
    pub async fn keys(&self) -> Vec<String> {
        let mut connection = self.connection().await;
        let keys = redis::cmd("KEYS")
            .arg("*")
            .query_async(&mut connection)
            .await;
        let mut keys: Vec<String> = keys.expect("keys");
        keys.sort();
        keys
    }

    /// Whether it is this server, not a stranger on the same port, that answers.
    async fn answers(&mut self) -> bool {
        let client = redis::Client::open(self.url()).expect("a client");
        let pid = self.server.id().to_string();
        let waiting = async {
            loop {
                if self.server.try_wait().expect("a state").is_some() {
                    return false;
                }
                if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
                    let info: String = redis::cmd("INFO")
                        .arg("server")
                        .query_async(&mut connection)
                        .await
                        .unwrap_or_default();
                    return info.lines().any(|line| line == format!("process_id:{pid}"));
                }
                tokio::task::yield_now().await;
            }
        };
        let limit = Duration::from_secs(10);
        tokio::time::timeout(limit, waiting).await.unwrap_or(false)
    }
}

/// A connection that a busy machine does not cut short.
pub async fn connect(url: &str) -> MultiplexedConnection {
    let limit = Duration::from_secs(10);
    let config = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limit))
        .set_response_timeout(Some(limit));
    let client = redis::Client::open(url).expect("a client");
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    connection.await.expect("a connection")
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// The redis-server that tests run.
pub fn program() -> String {
    std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into())
}

type How<'a> = (&'a [String], &'a [(String, PathBuf)]);

fn spawn(program: &str, port: u16, dir: &TempDir, (args, environment): How<'_>) -> Child {
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .args(args)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} does not start ({error}); see scripts/test.sh"))
}
