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
//! How many callers may be new at a time follows what they do to everyone: a visit is many
//! requests, and each caller let in brings the rest of theirs. While everything that is ready
//! to run takes longer than [`LAP`] for one lap, fewer are let in at a time.
//!
//! It must never refuse anyone itself. On systems whose kernel keeps the first length
//! forever, that length counts.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The longest wait in a queue that hardly ever runs empty.
const WAIT: Duration = Duration::from_millis(20);
/// How often the queue's length is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Lengths of the queue.
const QUEUE_MIN: u32 = 8;
pub(crate) const QUEUE_MAX: u32 = 4_096;
/// Callers who are new at a time. Beyond it nobody is accepted: they wait in the kernel's queue.
/// Fewer would starve callers where many connections stay and are busy.
const NEWCOMERS_MIN: u32 = 64;
const NEWCOMERS_MAX: u32 = 256;
/// While everything that is ready to run takes longer than this for one lap, fewer may be new.
const LAP: Duration = Duration::from_millis(1);
/// How often a lap is measured.
const LAP_EVERY: Duration = Duration::from_micros(500);

/// See the module's documentation.
pub(crate) struct Door {
    listener: TcpListener,
    queue: u32,
    newcomers: Arc<Newcomers>,
    lapped: Instant,
    looked: Instant,
    accepted: u32,
    /// How long nobody was there although there was room.
    empty: Duration,
}

impl Door {
    pub(crate) fn new(listener: TcpListener) -> Door {
        let newcomers = Arc::new(Newcomers::new(NEWCOMERS_MAX));
        let mut door = Door {
            listener,
            queue: 0,
            newcomers,
            lapped: Instant::now(),
            looked: Instant::now(),
            accepted: 0,
            empty: Duration::ZERO,
        };
        door.set_queue(QUEUE_MAX);
        door
    }

    /// The next caller, when there is room for a newcomer.
    pub(crate) async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr, Newcomer)> {
        let newcomer = self.newcomers.enter().await;
        let now = Instant::now();
        self.look(now);
        if now - self.lapped >= LAP_EVERY {
            lap().await;
            self.lapped = Instant::now();
            self.newcomers.adapt(self.lapped - now);
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
        Ok((stream, peer, newcomer))
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
        let next = next_queue(self.queue, self.accepted, took, self.empty >= took / 4);
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

/// The queue's next length, after `accepted` callers in `took`.
fn next_queue(queue: u32, accepted: u32, took: Duration, is_calm: bool) -> u32 {
    if is_calm {
        return (queue * 2).min(QUEUE_MAX);
    }
    let in_wait = f64::from(accepted) * WAIT.as_secs_f64() / took.as_secs_f64();
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

/// How many callers are new, and how many may be.
struct Newcomers {
    count: AtomicU32,
    max: AtomicU32,
    /// The accepting loop alone waits here.
    one_left: Notify,
}

/// A caller's place among the newcomers. Dropping it lets the next one in.
pub(crate) struct Newcomer(Arc<Newcomers>);

impl Newcomers {
    fn new(max: u32) -> Newcomers {
        Newcomers { count: AtomicU32::new(0), max: AtomicU32::new(max), one_left: Notify::new() }
    }

    async fn enter(self: &Arc<Self>) -> Newcomer {
        while self.count.load(Ordering::SeqCst) >= self.max() {
            self.one_left.notified().await;
        }
        self.count.fetch_add(1, Ordering::SeqCst);
        Newcomer(Arc::clone(self))
    }

    fn max(&self) -> u32 {
        self.max.load(Ordering::Relaxed)
    }

    /// Fewer at a time if a lap takes long, one more if it does not.
    fn adapt(&self, lap: Duration) {
        let max = self.max();
        let next = if lap > LAP { max - max.div_ceil(8) } else { max + 1 };
        self.max.store(next.clamp(NEWCOMERS_MIN, NEWCOMERS_MAX), Ordering::Relaxed);
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.one_left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(100);

    #[test]
    fn a_queue_that_hardly_runs_empty_is_cut_to_what_is_accepted_in_the_wait() {
        assert_eq!(next_queue(QUEUE_MAX, 500, TOOK, false), 100);
        assert_eq!(next_queue(QUEUE_MAX, 0, TOOK, false), QUEUE_MIN);
        assert_eq!(next_queue(100, 900_000, TOOK, false), QUEUE_MAX);
    }

    #[test]
    fn a_queue_that_mostly_is_empty_grows_back() {
        assert_eq!(next_queue(100, 500, TOOK, true), 200);
        assert_eq!(next_queue(QUEUE_MAX, 500, TOOK, true), QUEUE_MAX);
    }

    #[tokio::test]
    async fn as_many_newcomers_as_may_be_enter_and_the_next_when_one_is_not_new_any_more() {
        let newcomers = Arc::new(Newcomers::new(2));
        let (first, _second) = (newcomers.enter().await, newcomers.enter().await);
        let mut third = pin!(newcomers.enter());
        assert!(poll_once(third.as_mut()).is_none());
        drop(first);
        assert!(poll_once(third.as_mut()).is_some());
        newcomers.max.store(1, Ordering::Relaxed);
        let mut fourth = pin!(newcomers.enter());
        assert!(poll_once(fourth.as_mut()).is_none());
    }

    fn poll_once<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }
}
