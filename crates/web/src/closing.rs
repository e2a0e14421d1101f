//! How the connections that are open end when the server stops.
//!
//! At the *last call* every answer says `connection: close`, so whoever asks without pause learns that
//! this connection is over with an answer in hand. Whoever is *silent* after it is hung up on, but only
//! when everything that has arrived was read and nothing of a request was in it.
//!
//! It must never end a connection from which a byte of a request was taken that is not answered.
//! Start reading at [`until_ended`].

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What the server's end asks of its connections.
pub(crate) struct Closing {
    /// Looked at with each answer: one load.
    last_call: AtomicBool,
    silent: watch::Sender<bool>,
}

impl Closing {
    pub(crate) fn new() -> Arc<Closing> {
        Arc::new(Closing { last_call: AtomicBool::new(false), silent: watch::Sender::new(false) })
    }

    /// From now on each answer is its connection's last.
    pub(crate) fn call_last(&self) {
        self.last_call.store(true, Ordering::Relaxed);
    }

    /// Whether an answer given now is its connection's last.
    pub(crate) fn is_last(&self) -> bool {
        self.last_call.load(Ordering::Relaxed)
    }

    /// From now on whoever says nothing is hung up on.
    pub(crate) fn hang_up_on_silence(&self) {
        self.silent.send_replace(true);
    }

    pub(crate) fn silence(&self) -> watch::Receiver<bool> {
        self.silent.subscribe()
    }
}

/// What was heard on one connection.
#[derive(Default)]
pub(crate) struct Line {
    /// Bytes were read that no request made use of yet.
    is_speaking: AtomicBool,
    /// Whoever finds nothing to read asks the kernel, and says so below.
    is_looked_at: AtomicBool,
    /// At the last look nothing had arrived.
    ran_dry: AtomicBool,
}

impl Line {
    /// A request's head is whole, or its answer is ready: what was read so far belongs to it.
    pub(crate) fn is_understood(&self) {
        self.is_speaking.store(false, Ordering::Relaxed);
    }

    fn look(&self) {
        self.is_looked_at.store(true, Ordering::Relaxed);
        self.ran_dry.store(false, Ordering::Relaxed);
    }

    fn is_silent(&self) -> bool {
        self.ran_dry.load(Ordering::Relaxed) && !self.is_speaking.load(Ordering::Relaxed)
    }
}

/// A connection's bytes, and what is heard of them.
pub(crate) struct Wire {
    stream: TcpStream,
    line: Arc<Line>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, line: Arc<Line>) -> Wire {
        Wire { stream, line }
    }

    /// Whether nothing has arrived, by the kernel's word: the runtime may not have heard of it yet.
    fn is_dry(&self) -> bool {
        let peeked = recv(&self.stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(error) if error == Errno::WOULDBLOCK)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_pending() && self.line.is_looked_at.load(Ordering::Relaxed) {
            self.line.ran_dry.store(self.is_dry(), Ordering::Relaxed);
        }
        ready!(polled)?;
        if buffer.filled().len() > before {
            self.line.is_speaking.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Serves a connection to its end, or until it is silent after the last call. `end` tells what serves
/// it that there is no next request.
pub(crate) async fn until_ended<S: Future>(
    mut serving: Pin<&mut S>,
    end: impl Fn(Pin<&mut S>),
    line: &Line,
    mut silence: watch::Receiver<bool>,
) -> S::Output {
    let hang_up = async { silence.wait_for(|silent| *silent).await.is_ok() };
    tokio::select! {
        ended = serving.as_mut() => return ended,
        // A server that is gone without a word hangs up as well.
        _ = hang_up => {}
    }
    poll_fn(|context| {
        line.look();
        // What has arrived is taken first, and a request in it answered.
        if let Poll::Ready(ended) = serving.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        if !line.is_silent() {
            return Poll::Pending;
        }
        end(serving.as_mut());
        serving.as_mut().poll(context)
    })
    .await
}
