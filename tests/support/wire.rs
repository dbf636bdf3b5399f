//! The example proxy as a process, before an origin that says exact bytes; and a client that
//! sees exact bytes.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// The longest that anything here may take.
pub const LIMIT: Duration = Duration::from_secs(20);

/// An origin that answers its nth request with the nth of `answers`, later ones with the last,
/// and closes the connection; an empty answer closes it at once.
pub struct Origin {
    pub url: String,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl Origin {
    pub async fn says<A: AsRef<[u8]>>(answers: impl IntoIterator<Item = A>) -> Self {
        let answers: Vec<Vec<u8>> = answers.into_iter().map(|a| last(a.as_ref())).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (record, answers) = (record.clone(), answers.clone());
                tokio::spawn(async move {
                    let request = read_request(&mut stream).await;
                    if request.is_empty() {
                        return;
                    }
                    let answer = {
                        let mut seen = record.lock().expect("no panic");
                        seen.push(request);
                        answers[(seen.len() - 1).min(answers.len() - 1)].clone()
                    };
                    let _ = stream.write_all(&answer).await;
                });
            }
        });
        Self {
            url: format!("http://{address}"),
            seen,
            task,
        }
    }

    /// The requests that came.
    pub fn seen(&self) -> Vec<Message> {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().map(|bytes| Message::of(bytes)).collect()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().expect("no panic").len()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A response that says that the connection ends, where it says nothing of that: else the next
/// request may be on its way when it does.
fn last(answer: &[u8]) -> Vec<u8> {
    let has = |text: &[u8]| {
        let mut places = answer.windows(text.len());
        places.position(|place| place.eq_ignore_ascii_case(text))
    };
    match has(b"\r\n") {
        Some(end) if has(b"connection:").is_none() && has(b"\r\n\r\n").is_some() => {
            let close = b"\r\nconnection: close";
            [&answer[..end], close, &answer[end..]].concat()
        }
        _ => answer.to_vec(),
    }
}

/// Reads a request with its content; nothing, where the client only opened a connection.
pub async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            break;
        }
    }
    bytes
}

fn is_whole(bytes: &[u8]) -> bool {
    if !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        return false;
    }
    let message = Message::of(bytes);
    let length = message.field("content-length");
    match message.field("transfer-encoding").as_slice() {
        [] => {
            let length = length.first().map_or("0", |length| length.as_str());
            message.body.len() >= length.parse().expect("a length")
        }
        _ => {
            let end = b"\r\n\r\n";
            let last = message.body.strip_prefix(b"0").or_else(|| {
                let mut places = message.body.windows(4);
                let place = places.position(|place| place == b"\n0\r\n")?;
                message.body.get(place + 2..)
            });
            last.is_some_and(|last| last.windows(4).any(|place| place == end))
        }
    }
}

/// A message as it went over the wire. Bytes above ASCII are shown as Latin-1.
#[derive(Debug)]
pub struct Message {
    pub start: String,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        let (head, body) = match end {
            Some(end) => (&bytes[..end], &bytes[end + 4..]),
            None => (bytes, &[][..]),
        };
        let head: String = head.iter().copied().map(char::from).collect();
        let mut lines = head.split("\r\n").map(str::to_owned);
        let start = lines.next().unwrap_or_default();
        let field = |line: String| {
            let (name, value) = line.split_once(':').expect("a field");
            (name.to_lowercase(), value.trim().to_owned())
        };
        Self {
            start,
            fields: lines.map(field).collect(),
            body: body.to_vec(),
        }
    }

    pub fn field(&self, name: &str) -> Vec<String> {
        let lines = self.fields.iter().filter(|(line, _)| line == name);
        lines.map(|(_, value)| value.clone()).collect()
    }

    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.fields.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names
    }

    pub fn status(&self) -> &str {
        let status = self.start.strip_prefix("HTTP/1.1 ");
        &status.unwrap_or_else(|| panic!("{:?}", self.start))[..3]
    }

    pub fn cache(&self) -> String {
        self.field("cache-status").concat()
    }

    pub fn is_hit(&self) -> bool {
        self.cache().contains("; hit")
    }

    /// The content, its chunks joined; `None`: it is not whole, or there is no message at all.
    pub fn content(&self) -> Option<Vec<u8>> {
        if self.start.is_empty() {
            return None;
        }
        if self.field("transfer-encoding").is_empty() {
            let length = self.field("content-length").concat();
            let whole = length
                .parse()
                .map_or(true, |length: usize| length == self.body.len());
            return whole.then(|| self.body.clone());
        }
        let (mut rest, mut content) = (&*self.body, Vec::new());
        loop {
            let line = rest.windows(2).position(|end| end == b"\r\n")?;
            let size = std::str::from_utf8(&rest[..line]).expect("a size");
            let size = usize::from_str_radix(size, 16).expect("a size");
            if size == 0 {
                return Some(content);
            }
            content.extend_from_slice(rest.get(line + 2..line + 2 + size)?);
            rest = rest.get(line + 4 + size..)?;
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.content().expect("a whole content")).expect("text")
    }
}

/// The example, killed when dropped.
pub struct Proxy {
    _child: Child,
    pub address: String,
}

/// The example, built anew: what `cargo test` left there may be older than the sources.
pub fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's own path");
        let profile = test.ancestors().nth(2).expect("the folder of the profile");
        let target = profile.parent().expect("the target folder");
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--offline", "--example", "proxy", "--target-dir"]);
        cargo.arg(target);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success());
        profile.join("examples/proxy")
    })
}

impl Proxy {
    pub async fn before(origin: &Origin) -> Self {
        Self::with(origin, &[]).await
    }

    pub async fn with(origin: &Origin, flags: &[&str]) -> Self {
        Self::at(&origin.url, flags).await
    }

    pub async fn at(origin: &str, flags: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.args(["--listen", "127.0.0.1:0", "--origin", origin]);
        command.args(flags).stdin(Stdio::null()).kill_on_drop(true);
        command.stderr(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let out = child.stdout.take().expect("an output");
        let mut lines = BufReader::new(out).lines();
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await;
        let line = line.expect("in time").expect("readable").expect("a line");
        let address = line.strip_prefix("listening on http://");
        Self {
            _child: child,
            address: address.expect("where it listens").into(),
        }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.expect("connects")
    }

    /// Sends bytes, and reads until the proxy closes.
    pub async fn send(&self, bytes: impl AsRef<[u8]>) -> Message {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.expect("sent");
        let mut answer = Vec::new();
        let read = async { while stream.read_buf(&mut answer).await.unwrap_or(0) > 0 {} };
        tokio::time::timeout(LIMIT, read).await.expect("in time");
        Message::of(&answer)
    }

    /// Sends a request without content; `fields` are whole lines.
    pub async fn ask(&self, line: &str, fields: &str) -> Message {
        let head =
            format!("{line} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n{fields}\r\n");
        self.send(head).await
    }

    pub async fn get(&self, path: &str) -> Message {
        self.ask(&format!("GET {path}"), "").await
    }
}

/// A response of the origin; `fields` are whole lines.
pub fn ok(fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{fields}\r\n{body}")
}
