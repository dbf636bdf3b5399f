//! A TCP proxy in front of a server, to slow it down, to cut and to refuse it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Stands between a client and a server; gone when dropped.
pub struct Proxy {
    pub address: SocketAddr,
    faults: Arc<Faults>,
    accepting: JoinHandle<()>,
}

struct Faults {
    /// Milliseconds by which replies come late.
    delay: AtomicU64,
    /// The next reply of some length alone comes late by this.
    delay_once: AtomicU64,
    refuses: AtomicBool,
    /// Connections that were asked for.
    tries: AtomicU64,
    /// Changes when all connections are to be cut.
    cut: watch::Sender<u64>,
}

impl Proxy {
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let faults = Arc::new(Faults {
            delay: AtomicU64::new(0),
            delay_once: AtomicU64::new(0),
            refuses: AtomicBool::new(false),
            tries: AtomicU64::new(0),
            cut: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, port, faults.clone()));
        Self {
            address,
            faults,
            accepting,
        }
    }

    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// From now on all replies come late by this.
    pub fn delay(&self, delay: Duration) {
        self.faults.delay.store(millis(delay), Ordering::SeqCst);
    }

    /// The next reply that is longer than the clock of purges, and no other, comes late by this.
    pub fn delay_once(&self, delay: Duration) {
        self.faults
            .delay_once
            .store(millis(delay), Ordering::SeqCst);
    }

    /// Whether the late reply has been on its way.
    pub fn has_delayed(&self) -> bool {
        self.faults.delay_once.load(Ordering::SeqCst) == 0
    }

    /// Cuts all connections; new ones are let in.
    pub fn cut(&self) {
        self.faults.cut.send_modify(|times| *times += 1);
    }

    /// Connections that were asked for so far.
    pub fn tries(&self) -> u64 {
        self.faults.tries.load(Ordering::SeqCst)
    }

    /// Refuses new connections and cuts those there are.
    pub fn cut_off(&self) {
        self.refuse(true);
        self.cut();
    }

    /// Whether new connections are closed at once.
    pub fn refuse(&self, refuse: bool) {
        self.faults.refuses.store(refuse, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).expect("short")
}

async fn accept(listener: TcpListener, port: u16, faults: Arc<Faults>) {
    while let Ok((client, _)) = listener.accept().await {
        faults.tries.fetch_add(1, Ordering::SeqCst);
        if !faults.refuses.load(Ordering::SeqCst) {
            tokio::spawn(connect(client, port, faults.clone()));
        }
    }
}

/// One connection, until either side ends it or it is cut.
async fn connect(client: TcpStream, port: u16, faults: Arc<Faults>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    client.set_nodelay(true).expect("a socket");
    server.set_nodelay(true).expect("a socket");
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = faults.cut.subscribe();
    tokio::select! {
        () = copy(from_client, to_server, |_| Duration::ZERO) => {}
        () = copy(from_server, to_client, |len| faults.next_delay(len)) => {}
        _ = cut.changed() => {}
    }
}

impl Faults {
    fn next_delay(&self, len: usize) -> Duration {
        const CLOCK: usize = 100;
        let once = match len > CLOCK {
            true => self.delay_once.swap(0, Ordering::SeqCst),
            false => 0,
        };
        Duration::from_millis(once.max(self.delay.load(Ordering::SeqCst)))
    }
}

/// Each piece late by itself: a later one does not wait for the delay of those before it.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: impl Fn(usize) -> Duration) {
    let (send, mut pieces) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(len @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + delay(len);
            if send.send((due, buffer[..len].to_vec())).is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some((due, piece)) = pieces.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}
