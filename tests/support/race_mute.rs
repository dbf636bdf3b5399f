//! A way to Redis on which messages to subscribers can get lost, and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct Mute {
    pub(crate) address: SocketAddr,
    muted: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Mute {
    pub(crate) async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let muted = Arc::new(AtomicBool::new(false));
        let accepting = tokio::spawn(accept(listener, port, muted.clone()));
        Self {
            address,
            muted,
            accepting,
        }
    }

    /// From now on no message comes through.
    pub(crate) fn mute(&self) {
        self.muted.store(true, Ordering::SeqCst);
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, port: u16, muted: Arc<AtomicBool>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(connect(client, port, muted.clone()));
    }
}

async fn connect(client: TcpStream, port: u16, muted: Arc<AtomicBool>) {
    let server = TcpStream::connect(("127.0.0.1", port)).await;
    let (mut from_server, mut to_server) = server.expect("a server").into_split();
    let (mut from_client, mut to_client) = client.into_split();
    let replies = async {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(len @ 1..) = from_server.read(&mut buffer).await {
            let mut piece = buffer[..len].to_vec();
            if muted.load(Ordering::SeqCst) {
                while let Some((at, len)) = message(&piece) {
                    piece.drain(at..at + len);
                }
            }
            if to_client.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = replies => {}
    }
}

/// Where a message begins, and how long it is: three strings behind `>3`.
fn message(piece: &[u8]) -> Option<(usize, usize)> {
    const HEAD: &[u8] = b">3\r\n$7\r\nmessage\r\n";
    let at = piece.windows(HEAD.len()).position(|part| part == HEAD)?;
    let mut end = at + HEAD.len();
    for _ in 0..2 {
        let line = piece[end..].windows(2).position(|part| part == b"\r\n")?;
        let len = std::str::from_utf8(&piece[end + 1..end + line]).ok()?;
        end += line + 2 + len.parse::<usize>().ok()? + 2;
    }
    (end <= piece.len()).then_some((at, end - at))
}
