//! Interim responses (RFC 9110 §15.2): hyper's server sends none, so that they are written to the
//! client's connection past it, where nothing of a final response has been.

use crate::hops;
use http::{HeaderMap, Request, StatusCode, Version};
use hyper::body::Incoming;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A client's connection.
pub(crate) struct Wire {
    read: OwnedReadHalf,
    write: Interim,
}

/// Where interim responses to a client go.
#[derive(Clone)]
pub(crate) struct Interim(Arc<Mutex<State>>);

struct State {
    write: OwnedWriteHalf,
    /// What is left of interim responses: before all else.
    pending: Vec<u8>,
    /// Something of a final response may be on its way: nothing may come between.
    busy: bool,
    /// Requests so far.
    requests: u64,
    /// Which of them waits for its final response, if its client takes interim ones.
    waits: Option<u64>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        let state = State {
            write,
            pending: Vec::new(),
            busy: false,
            requests: 0,
            waits: None,
        };
        Self {
            read,
            write: Interim(Arc::new(Mutex::new(state))),
        }
    }

    pub(crate) fn interim(&self) -> Interim {
        self.write.clone()
    }
}

impl Interim {
    /// Has what the origin says before its response passed on, until that is there.
    pub(crate) fn open(&self, request: &mut Request<Incoming>) {
        if request.version() != Version::HTTP_11 {
            return;
        }
        let mut state = self.state();
        state.requests += 1;
        let nth = state.requests;
        state.waits = Some(nth);
        let client = self.clone();
        hyper::ext::on_informational(request, move |interim| {
            client.pass(nth, interim.status(), interim.headers());
        });
    }

    /// The final response is there. What was answered from the cache may be fetched anew still,
    /// when another request has come by this connection.
    pub(crate) fn close(&self) {
        self.state().waits = None;
    }

    /// hyper says 100 itself, and who upgrades nothing says no 101.
    fn pass(&self, nth: u64, status: StatusCode, headers: &HeaderMap) {
        let mut state = self.state();
        if state.waits != Some(nth) || state.busy || status.as_u16() < 102 {
            return;
        }
        let mut headers = headers.clone();
        hops::strip_response(&mut headers, false);
        let reason = status.canonical_reason().unwrap_or_default();
        let line = format!("HTTP/1.1 {} {reason}\r\n", status.as_str());
        state.pending.extend_from_slice(line.as_bytes());
        for (name, value) in &headers {
            let line = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat();
            state.pending.extend_from_slice(&line);
        }
        state.pending.extend_from_slice(b"\r\n");
        // What does not fit goes before the next that is written; so does a failure show.
        if let Ok(written) = state.write.try_write(&state.pending) {
            state.pending.drain(..written);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready where the next bytes may be written.
    fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<io::Result<MutexGuard<'_, State>>> {
        let mut guard = self.state();
        let state = &mut *guard;
        while !state.pending.is_empty() {
            let written = Pin::new(&mut state.write).poll_write(cx, &state.pending);
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(state.pending.drain(..written)),
            }
        }
        state.busy = true;
        Poll::Ready(Ok(guard))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = ready!(self.write.poll_turn(cx))?;
        Pin::new(&mut state.write).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = ready!(self.write.poll_turn(cx))?;
        Pin::new(&mut state.write).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper flushes when all that it has is written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.write.state();
        state.busy = false;
        Pin::new(&mut state.write).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write.state().write).poll_shutdown(cx)
    }
}
