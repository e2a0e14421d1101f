//! The listener and its queue of callers who are not accepted yet.
//!
//! Refusing someone costs as much as serving them once their connection is made. So when
//! more come than can be served, the kernel lets them wait and drops what its queue cannot
//! hold, which costs nearly nothing; their browser tries again by itself after a second. The
//! queue is first come first served, so it must be short: whoever waits in a long one has
//! given up when they are served at last. Measured in time, that is: while it is
//! hardly ever empty, it is cut to what is accepted in [`WAIT`]; while it is empty for a
//! quarter of the time, it grows back, so that a burst finds room.
//!
//! How many callers may be new at a time follows what they do to everyone: see [`guests`]. Only
//! while it is they who fill the service is the queue cut to [`WAIT`]; beside busy connections that
//! stay, whoever comes is accepted slowly, and would be dropped again and again by a short one.
//!
//! It must never refuse anyone itself. On systems whose kernel keeps the first length
//! forever, that length counts.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

mod guests;

pub(crate) use guests::Guest;
use guests::Guests;

/// The longest wait in a queue that hardly ever runs empty: where newcomers fill the service, and
/// where others do.
const WAIT: Duration = Duration::from_millis(4);
const WAIT_BESIDE_OTHERS: Duration = Duration::from_millis(20);
/// How often the queue's length is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Lengths of the queue.
const QUEUE_MIN: u32 = 4;
pub(crate) const QUEUE_MAX: u32 = 4_096;
/// How often a lap is measured.
const LAP_EVERY: Duration = Duration::from_micros(500);

/// See the module's documentation.
pub(crate) struct Door {
    listener: TcpListener,
    queue: u32,
    guests: Arc<Guests>,
    lapped: Instant,
    looked: Instant,
    accepted: u32,
    /// How long nobody was there although there was room.
    empty: Duration,
}

impl Door {
    pub(crate) fn new(listener: TcpListener) -> Door {
        let mut door = Door {
            listener,
            queue: 0,
            guests: Guests::new(),
            lapped: Instant::now(),
            looked: Instant::now(),
            accepted: 0,
            empty: Duration::ZERO,
        };
        door.set_queue(QUEUE_MAX);
        door
    }

    /// The next caller, when there is room for a newcomer.
    pub(crate) async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr, Guest)> {
        let guest = self.guests.enter().await;
        let now = Instant::now();
        self.look(now);
        if now - self.lapped >= LAP_EVERY {
            lap().await;
            self.lapped = Instant::now();
            self.guests.adapt(self.lapped - now);
        }
        let mut empty_since = None;
        let accepted = {
            // The runtime's own pauses would look like an empty queue.
            let mut accepting = pin!(tokio::task::unconstrained(self.listener.accept()));
            let empty_since = &mut empty_since;
            poll_fn(move |context| {
                let polled = accepting.as_mut().poll(context);
                if polled.is_pending() {
                    empty_since.get_or_insert_with(Instant::now);
                }
                polled
            })
            .await
        };
        self.empty += empty_since.map_or(Duration::ZERO, |since| since.elapsed());
        let (stream, peer) = accepted?;
        self.accepted += 1;
        Ok((stream, peer, guest))
    }

    /// Closes it; gives whoever stood in the queue. Their requests may have arrived already, and would
    /// be lost with the queue.
    pub(crate) fn close(self) -> io::Result<Vec<(TcpStream, SocketAddr, Guest)>> {
        // The runtime may not have heard of all of them yet: the kernel itself is asked.
        let listener = self.listener.into_std()?;
        let mut rest = Vec::new();
        while rest.len() < QUEUE_MAX as usize {
            match listener.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    rest.push((TcpStream::from_std(stream)?, peer, self.guests.enter_at_once()));
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Nobody is left, or no file for them.
                Err(_) => break,
            }
        }
        Ok(rest)
    }

    fn look(&mut self, now: Instant) {
        let took = now - self.looked;
        if took < LOOK_EVERY {
            return;
        }
        let wait = if self.guests.are_mostly_new() { WAIT } else { WAIT_BESIDE_OTHERS };
        let in_wait = f64::from(self.accepted) * wait.as_secs_f64() / took.as_secs_f64();
        let next = next_queue(self.queue, in_wait, self.empty >= took / 4);
        if next != self.queue {
            self.set_queue(next);
        }
        (self.looked, self.accepted, self.empty) = (now, 0, Duration::ZERO);
    }

    fn set_queue(&mut self, queue: u32) {
        // Listening again on Linux changes the length and nothing else.
        let length = i32::try_from(queue).unwrap_or(i32::MAX);
        match rustix::net::listen(&self.listener, length) {
            Ok(()) => self.queue = queue,
            Err(error) => tracing::warn!(%error, "the queue of callers keeps its length"),
        }
    }
}

/// The queue's next length, if so many are accepted in the longest wait.
fn next_queue(queue: u32, in_wait: f64, is_calm: bool) -> u32 {
    if is_calm {
        return (queue * 2).min(QUEUE_MAX);
    }
    (in_wait.ceil() as u32).clamp(QUEUE_MIN, QUEUE_MAX)
}

/// Lets everything that is ready to run have its turn.
async fn lap() {
    let mut has_run = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_run, true) {
            return Poll::Ready(());
        }
        // Unlike the runtime's own way to yield, it does not wait for news from the kernel.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_hardly_runs_empty_is_cut_to_what_is_accepted_in_the_wait() {
        assert_eq!(next_queue(QUEUE_MAX, 99.2, false), 100);
        assert_eq!(next_queue(QUEUE_MAX, 0.0, false), QUEUE_MIN);
        assert_eq!(next_queue(100, 36_000.0, false), QUEUE_MAX);
    }

    #[test]
    fn a_queue_that_mostly_is_empty_grows_back() {
        assert_eq!(next_queue(100, 20.0, true), 200);
        assert_eq!(next_queue(QUEUE_MAX, 20.0, true), QUEUE_MAX);
    }
}
