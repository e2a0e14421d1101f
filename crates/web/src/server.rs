//! The server: accepts connections, speaks HTTP/1.1, ends in good order.
//!
//! Everything is bounded: connections, their headers and the time to send them, bodies,
//! the time of a request. Beyond the connection limit a caller gets one canned answer that
//! says when to come back, and the connection ends.
//!
//! When it stops it first takes in whoever stands in the kernel's queue, then accepts nobody, then
//! ends what is open (`closing`): no request is dropped that was sent on a connection it accepted.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::closing::{Closing, Line, Wire, until_ended};
use crate::door::{Door, Guest};
use crate::front::{Caller, FULL_PAGE, Front, FrontBody};
use crate::network::Peer;
use crate::site::Site;
use crate::tasks;

/// Settings of a server.
#[derive(Copy, Clone, Debug)]
pub struct ServerOptions {
    /// Connections at once; an idle one holds some 20 kB.
    pub connections_max: usize,
    /// The time in which a request's headers must arrive.
    pub headers_time: Duration,
    /// Headers of a request.
    pub headers_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// A caller whose machine acknowledges nothing of what it is sent for so long is hung up on: a
    /// place is not for one who went away in the middle of an answer, nor for one who never reads.
    pub untaken_time: Duration,
    /// A connection on which nothing is asked may stay open for so long after the last caller was
    /// accepted: whoever asks meanwhile is answered, and told that the connection ends.
    pub last_call_time: Duration,
    /// The time that requests in flight have to end after that: as long as one may take, and its
    /// head to arrive.
    pub stop_time: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            connections_max: 32_768,
            headers_time: Duration::from_secs(5),
            headers_max: 64,
            head_bytes_max: 16 * 1024,
            untaken_time: Duration::from_secs(60),
            last_call_time: Duration::from_secs(1),
            stop_time: Duration::from_secs(20),
        }
    }
}

/// A newcomer who has asked nothing by then counts no longer, or a few who say nothing could
/// keep everyone out. Whoever has asked in full counts until the answer, however long it
/// takes: when answers take long is when it matters.
const NEWCOMER_TIME: Duration = Duration::from_millis(50);
/// Callers beyond the limit who are told so at once; more than these are hung up on.
const TURNED_AWAY_MAX: usize = 256;
/// How long one of them may take.
const TURN_AWAY_TIME: Duration = Duration::from_secs(1);
/// Nothing can be accepted for so long after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves a site until `stop` ends, then lets what is in flight end. The listener's queue is
/// kept by the server from now on.
///
/// # Errors
///
/// When the listener itself breaks.
pub async fn serve(
    site: Arc<Site>,
    listener: TcpListener,
    options: ServerOptions,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let _tasks = tasks::start(&site);
    let reception = Reception::new(site, &options);
    let mut door = Door::new(listener);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = door.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer, guest)) => reception.receive(stream, peer, guest),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Mostly too many open files: those that end make room.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    for (stream, peer, guest) in door.close()? {
        reception.receive(stream, peer, guest);
    }
    reception.end(&options).await;
    Ok(())
}

/// Takes in whoever is accepted, and knows who is here.
struct Reception {
    front: Front,
    http: http1::Builder,
    places: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
    closing: Arc<Closing>,
    untaken_time: Duration,
}

impl Reception {
    fn new(site: Arc<Site>, options: &ServerOptions) -> Reception {
        Reception {
            front: Front::new(site),
            http: http_of(options),
            places: Arc::new(Semaphore::new(options.connections_max)),
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY_MAX)),
            closing: Closing::new(),
            untaken_time: options.untaken_time,
        }
    }

    /// Serves a caller, or tells them that there is no room.
    fn receive(&self, stream: TcpStream, peer: SocketAddr, guest: Guest) {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                let untaken_ms = u32::try_from(self.untaken_time.as_millis()).unwrap_or(u32::MAX);
                // Without it the kernel waits for a quarter of an hour, and for ever if only the
                // window is shut. An error here would be the connection's own, which is met below.
                let _ = set_tcp_user_timeout(&stream, untaken_ms);
                let connection = Connection {
                    front: self.front.clone(),
                    peer: Peer(peer.ip()),
                    guest: Arc::new(guest),
                    closing: Arc::clone(&self.closing),
                    _place: place,
                };
                tokio::spawn(connection.run(self.http.clone(), stream));
            }
            Err(_) => {
                self.front.turned_away();
                turn_away(stream, &self.turned_away);
            }
        }
    }

    /// Waits for everyone who is here to be answered and to go.
    async fn end(self, options: &ServerOptions) {
        let all = u32::try_from(options.connections_max).unwrap_or(u32::MAX);
        let everyone = async {
            let _places = self.places.acquire_many(all).await;
            let _turned_away = self.turned_away.acquire_many(TURNED_AWAY_MAX as u32).await;
        };
        let mut everyone = std::pin::pin!(everyone);
        self.closing.call_last();
        self.front.end_streams();
        if tokio::time::timeout(options.last_call_time, everyone.as_mut()).await.is_ok() {
            return;
        }
        self.closing.hang_up_on_silence();
        if tokio::time::timeout(options.stop_time, everyone).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
    }
}

fn http_of(options: &ServerOptions) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(options.headers_time)
        .max_headers(options.headers_max)
        .max_buf_size(options.head_bytes_max.max(8 * 1024))
        .pipeline_flush(true)
        .half_close(false);
    http
}

/// One connection and the place it takes.
struct Connection {
    front: Front,
    peer: Peer,
    guest: Arc<Guest>,
    closing: Arc<Closing>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, http: http1::Builder, stream: TcpStream) {
        // An answer is written whole; waiting to fill a packet would only delay it.
        let _ = stream.set_nodelay(true);
        let Connection { front, peer, guest, closing, _place } = self;
        let answered = Arc::clone(&guest);
        let caller = Caller::new(peer, Arc::new(move || answered.is_answered()));
        let has_asked = Arc::new(AtomicBool::new(false));
        let (line, silence) = (Arc::new(Line::default()), closing.silence());
        let asked =
            Asked { front, caller, has_asked: Arc::clone(&has_asked), line: Arc::clone(&line), closing };
        let asked = Arc::new(asked);
        let service = service_fn(move |request| answer(Arc::clone(&asked), request));
        let wire = TokioIo::new(Wire::new(stream, Arc::clone(&line)));
        let mut serving = std::pin::pin!(http.serve_connection(wire, service));
        if let Ok(ended) = tokio::time::timeout(NEWCOMER_TIME, serving.as_mut()).await {
            return tell(ended);
        }
        if !has_asked.load(Ordering::Relaxed) {
            guest.is_no_longer_new();
        }
        tell(until_ended(serving, |serving| serving.graceful_shutdown(), &line, silence).await);
    }
}

fn tell(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
}

/// What a connection's requests share.
struct Asked {
    front: Front,
    caller: Caller,
    /// The last request was sent in full.
    has_asked: Arc<AtomicBool>,
    line: Arc<Line>,
    closing: Arc<Closing>,
}

async fn answer(asked: Arc<Asked>, request: Request<Incoming>) -> Result<Response<FrontBody>, Infallible> {
    asked.line.is_understood();
    // A body that is still to come may take its sender as long as they like.
    asked.has_asked.store(request.body().is_end_stream(), Ordering::Relaxed);
    let mut response = asked.front.answer(&asked.caller, request).await;
    // Its body was read, too.
    asked.line.is_understood();
    if asked.closing.is_last() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Reads what the caller says, so that the answer is not lost to a reset, and answers.
fn turn_away(mut stream: TcpStream, turned_away: &Arc<Semaphore>) {
    metrics::counter!("jari_turned_away_total").increment(1);
    let Ok(permit) = Arc::clone(turned_away).try_acquire_owned() else {
        return;
    };
    tokio::spawn(async move {
        let _permit = permit;
        let told = async {
            let mut head = [0; 2048];
            let read = stream.read(&mut head).await?;
            stream.write_all(&full_answer(head[..read].starts_with(b"GET "))).await?;
            stream.shutdown().await
        };
        // A caller who takes longer is hung up on.
        let _ = tokio::time::timeout(TURN_AWAY_TIME, told).await;
    });
}

/// The canned answer; a page that was only looked at loads again by itself.
fn full_answer(looked_at: bool) -> Bytes {
    let len = FULL_PAGE.len();
    let refresh = if looked_at { "refresh: 5\r\n" } else { "" };
    Bytes::from(format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/html; charset=utf-8\r\nretry-after: 5\r\n{refresh}\
         cache-control: no-store\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n{FULL_PAGE}"
    ))
}

/// Errors of the connection that was to be accepted, not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
