//! A TCP proxy in front of a server, to slow it down, to cut and to refuse it, and to spoil
//! what it says.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(clippy::disallowed_methods, reason = "a test reads the time")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
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
    /// Milliseconds up to which replies come late, each by another time.
    jitter: AtomicU64,
    spoil: Mutex<Option<Spoil>>,
    /// Replies that may be spoilt, and those that were.
    replies: AtomicU64,
    spoilt: AtomicU64,
    /// Connections that stand and over which nothing comes any more.
    silent: AtomicU64,
    refuses: AtomicBool,
    /// Connections that were asked for.
    tries: AtomicU64,
    /// Changes when all connections are to be cut.
    cut: watch::Sender<u64>,
    /// Nothing goes either way; connections stay open.
    held: watch::Sender<bool>,
}

/// What becomes of every so manieth reply that is long enough.
#[derive(Clone, Copy, Debug)]
pub struct Spoil {
    pub how: How,
    /// Zero: the next one alone.
    pub every: u64,
    pub longer_than: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Half of it, and then the connection is closed.
    Cut,
    /// Some bytes in its middle are others.
    Garble,
    /// One bit is another: 80 bytes before its end, in the body of an entry.
    Flip,
    /// It never comes, nor does, as in any stream with a hole, what is behind it; the connection
    /// stays open.
    Lose,
}

impl Proxy {
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let faults = Arc::new(Faults {
            delay: AtomicU64::new(0),
            delay_once: AtomicU64::new(0),
            jitter: AtomicU64::new(0),
            spoil: Mutex::new(None),
            replies: AtomicU64::new(0),
            spoilt: AtomicU64::new(0),
            silent: AtomicU64::new(0),
            refuses: AtomicBool::new(false),
            tries: AtomicU64::new(0),
            cut: watch::Sender::new(0),
            held: watch::Sender::new(false),
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

    /// From now on each reply comes late by another time, up to this.
    pub fn jitter(&self, most: Duration) {
        self.faults.jitter.store(millis(most), Ordering::SeqCst);
    }

    pub fn spoil(&self, spoil: Option<Spoil>) {
        *self.faults.spoil.lock().expect("no panic") = spoil;
    }

    /// Replies spoilt so far.
    pub fn spoilt(&self) -> u64 {
        self.faults.spoilt.load(Ordering::SeqCst)
    }

    /// Connections that stand and have lost a reply.
    pub fn silent(&self) -> u64 {
        self.faults.silent.load(Ordering::SeqCst)
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

    /// Whether nothing goes either way, as where a network is parted; what was said by who is still
    /// there arrives afterwards.
    pub fn hold(&self, hold: bool) {
        self.faults.held.send_replace(hold);
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
    let held = || faults.held.subscribe();
    let lost = AtomicBool::new(false);
    tokio::select! {
        () = copy(from_client, to_server, held(), |_| (Duration::ZERO, Fate::Whole)) => {}
        () = copy(from_server, to_client, held(), |piece| {
            let (delay, fate) = faults.befall(piece);
            if fate == Fate::Lost && !lost.swap(true, Ordering::SeqCst) {
                faults.silent.fetch_add(1, Ordering::SeqCst);
            }
            (delay, fate)
        }) => {}
        _ = cut.changed() => {}
    }
    if lost.load(Ordering::SeqCst) {
        faults.silent.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How a piece goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Whole,
    /// Nothing comes after it.
    Last,
    /// Neither it nor anything after it arrives.
    Lost,
}

impl Faults {
    /// When a reply arrives, as what, and whether another one does.
    fn befall(&self, piece: &mut Vec<u8>) -> (Duration, Fate) {
        (self.next_delay(piece.len()), self.spoil(piece))
    }

    fn next_delay(&self, len: usize) -> Duration {
        const CLOCK: usize = 100;
        let once = match len > CLOCK {
            true => self.delay_once.swap(0, Ordering::SeqCst),
            false => 0,
        };
        let jitter = match self.jitter.load(Ordering::SeqCst) {
            0 => 0,
            most => mixed(self.replies.fetch_add(1, Ordering::SeqCst)) % most,
        };
        Duration::from_millis(once.max(self.delay.load(Ordering::SeqCst)) + jitter)
    }

    fn spoil(&self, piece: &mut Vec<u8>) -> Fate {
        let mut wanted = self.spoil.lock().expect("no panic");
        let Some(spoil) = *wanted else {
            return Fate::Whole;
        };
        let nth = self.replies.fetch_add(1, Ordering::SeqCst) + 1;
        match spoil.every {
            _ if piece.len() <= spoil.longer_than => return Fate::Whole,
            0 => *wanted = None,
            every if nth.is_multiple_of(every) => {}
            _ => return Fate::Whole,
        }
        let (len, which) = (piece.len(), self.spoilt.fetch_add(1, Ordering::SeqCst));
        match spoil.how {
            How::Cut => {
                piece.truncate(len / 2);
                Fate::Last
            }
            How::Garble => {
                let from = len / 2;
                let some = piece[from..].iter_mut().take(12).enumerate();
                some.for_each(|(i, byte)| *byte = mixed(which * 12 + i as u64).to_be_bytes()[0]);
                Fate::Whole
            }
            How::Flip => {
                piece[len.saturating_sub(80)] ^= 1 << (which % 8);
                Fate::Whole
            }
            How::Lose => Fate::Lost,
        }
    }
}

/// Looks random.
fn mixed(n: u64) -> u64 {
    (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8
}

/// Each piece late by itself: a later one does not wait for the delay of those before it.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut held: watch::Receiver<bool>,
    befall: impl Fn(&mut Vec<u8>) -> (Duration, Fate),
) {
    let (send, mut pieces) = mpsc::unbounded_channel::<(Instant, Vec<u8>, Fate)>();
    let read = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(len @ 1..) = from.read(&mut buffer).await {
            let mut piece = buffer[..len].to_vec();
            let (delay, fate) = befall(&mut piece);
            if send.send((Instant::now() + delay, piece, fate)).is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some((due, piece, fate)) = pieces.recv().await {
            tokio::time::sleep_until(due).await;
            // The proxy is gone with its connections.
            let _ = held.wait_for(|held| !held).await;
            if fate == Fate::Lost {
                std::future::pending::<()>().await;
            }
            if to.write_all(&piece).await.is_err() || fate == Fate::Last {
                return;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}
