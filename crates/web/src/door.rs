//! The listener and its queue of callers who are not accepted yet.
//!
//! Refusing someone costs as much as serving them once their connection is made. So when
//! more come than can be served, the kernel lets them wait and drops what its queue cannot
//! hold, which costs nearly nothing; their browser tries again by itself after a second. The
//! queue is first come first served, so it must be short: whoever waits in a long one has
//! given up when they are served at last. Measured in time, that is: while callers find the
//! queue never empty, it is cut to what is accepted in [`WAIT`]; once it has run empty again,
//! it grows back, so that a burst finds room.
//!
//! It must never refuse anyone itself. On systems whose kernel keeps the first length
//! forever, that length counts.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

/// The longest wait in a queue that never runs empty.
const WAIT: Duration = Duration::from_millis(20);
/// How often the queue's length is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Lengths of the queue.
const QUEUE_MIN: u32 = 8;
pub(crate) const QUEUE_MAX: u32 = 4_096;

/// See the module's documentation.
pub(crate) struct Door {
    listener: TcpListener,
    queue: u32,
    looked: Instant,
    accepted: u32,
    /// Someone was waited for since the last look.
    ran_empty: bool,
}

impl Door {
    pub(crate) fn new(listener: TcpListener) -> Door {
        let mut door = Door { listener, queue: 0, looked: Instant::now(), accepted: 0, ran_empty: true };
        door.set_queue(QUEUE_MAX);
        door
    }

    /// The next caller.
    pub(crate) async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        self.look(Instant::now());
        let accepted = {
            // The runtime's own pauses would look like an empty queue.
            let mut accepting = pin!(tokio::task::unconstrained(self.listener.accept()));
            let ran_empty = &mut self.ran_empty;
            poll_fn(move |context| {
                let polled = accepting.as_mut().poll(context);
                *ran_empty |= polled.is_pending();
                polled
            })
            .await
        };
        self.accepted += u32::from(accepted.is_ok());
        accepted
    }

    /// Closes it; gives whoever stood in the queue. Their requests may have arrived already, and would
    /// be lost with the queue.
    pub(crate) fn close(self) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
        // The runtime may not have heard of all of them yet: the kernel itself is asked.
        let listener = self.listener.into_std()?;
        let mut rest = Vec::new();
        while rest.len() < QUEUE_MAX as usize {
            match listener.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    rest.push((TcpStream::from_std(stream)?, peer));
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
        let next = next_queue(self.queue, self.accepted, took, self.ran_empty);
        if next != self.queue {
            self.set_queue(next);
        }
        (self.looked, self.accepted, self.ran_empty) = (now, 0, false);
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

/// The queue's next length, after `accepted` callers in `took`.
fn next_queue(queue: u32, accepted: u32, took: Duration, ran_empty: bool) -> u32 {
    if ran_empty {
        return (queue * 2).min(QUEUE_MAX);
    }
    let in_wait = f64::from(accepted) * WAIT.as_secs_f64() / took.as_secs_f64();
    (in_wait.ceil() as u32).clamp(QUEUE_MIN, QUEUE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_never_runs_empty_is_cut_to_what_is_accepted_in_the_wait() {
        let took = Duration::from_millis(100);
        assert_eq!(next_queue(QUEUE_MAX, 500, took, false), 100);
        assert_eq!(next_queue(QUEUE_MAX, 0, took, false), QUEUE_MIN);
        assert_eq!(next_queue(100, 900_000, took, false), QUEUE_MAX);
    }

    #[test]
    fn a_queue_that_ran_empty_grows_back() {
        let took = Duration::from_millis(100);
        assert_eq!(next_queue(100, 500, took, true), 200);
        assert_eq!(next_queue(QUEUE_MAX, 500, took, true), QUEUE_MAX);
    }
}
