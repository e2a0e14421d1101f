//! A small HTTP/1.1 client for loads: one request at a time on a connection that stays open.
//!
//! Made for one thing, to cost little: a request is one buffer and one write, and an answer is
//! read into a buffer that is used again. In a drill the generator shares the machine with the
//! service it measures: in an unoptimised build it took a fifth less processor time a request than
//! hyper's client, the server's part included (`cargo run --example crowd -- measure` compares
//! them). It also knows the bytes on the wire of each exchange. It speaks what our service speaks
//! (a `Content-Length` on every body, no TLS) and refuses everything else.
//!
//! Must never send a request twice by itself: whoever asked decides, and keeps the key. Must never
//! wait or grow without a bound. Start at [`Connection::send`], then [`Workers`].

use std::{
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

mod workers;

pub use workers::{Done, Job, Workers};

/// The largest answer taken in, head and body.
const ANSWER_BYTES_MAX: usize = 4 << 20;
const HEADERS_MAX: usize = 48;
/// A connection that was idle this long is looked at before it is used again.
const IDLE_MAX: Duration = Duration::from_millis(500);

/// Why there is no answer. In every case the request may or may not have been carried out.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody listens there.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// The answer did not come in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke before the answer was complete.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// The answer is not what this client understands.
    #[error("not understood: {0}")]
    NotUnderstood(&'static str),
}

/// Where the service is. It can move: after a restart it listens on another port.
#[derive(Debug, Clone)]
pub struct Target(Arc<RwLock<SocketAddr>>);

impl Target {
    /// A service at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self(Arc::new(RwLock::new(address)))
    }

    /// Where it is now.
    pub fn address(&self) -> SocketAddr {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is at `address` from now on; open connections stay with the old one.
    pub fn moved_to(&self, address: SocketAddr) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// A request, written out as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    /// A request without a body. `path` starts with a slash and is written as it is.
    pub fn new(method: &str, path: &str) -> Self {
        let mut head = String::with_capacity(256);
        // Writing to a String cannot fail, here and below.
        let _ = write!(head, "{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        Self { head, body: Vec::new() }
    }

    /// With a header more. The value must not hold line ends: those that do are left out.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if !value.contains(['\r', '\n']) {
            let _ = write!(self.head, "{name}: {value}\r\n");
        }
        self
    }

    /// With a header more, if there is a value for it.
    pub fn header_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// With a bearer's credentials.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With a body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        // Our bodies are plain structures; an empty body would be refused and counted.
        self.body = serde_json::to_vec(body).unwrap_or_default();
        self.header("Content-Type", "application/json")
    }

    /// The bytes to send.
    pub fn into_bytes(mut self) -> Vec<u8> {
        if !self.body.is_empty() || !self.head.starts_with("GET") {
            let _ = write!(self.head, "Content-Length: {}\r\n", self.body.len());
        }
        self.head.push_str("\r\n");
        let mut bytes = self.head.into_bytes();
        bytes.append(&mut self.body);
        bytes
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// `Retry-After`, if it was there in seconds.
    pub retry_after_s: Option<u32>,
    /// Bytes on the wire for the request, without TCP's own.
    pub sent_bytes: u32,
    /// Bytes on the wire for the answer, without TCP's own.
    pub received_bytes: u32,
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What the head of an answer says.
struct Head {
    status: u16,
    head_bytes: usize,
    body_bytes: usize,
    keep_alive: bool,
    retry_after_s: Option<u32>,
}

/// One connection, opened when it is needed.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    stream: Option<(TcpStream, SocketAddr)>,
    buffer: Vec<u8>,
    used_at: Instant,
    ready_at: Instant,
}

impl Connection {
    /// A connection to `target`; nothing is sent yet.
    pub fn new(target: Target) -> Self {
        let now = Instant::now();
        Self { target, stream: None, buffer: Vec::new(), used_at: now, ready_at: now }
    }

    /// When the last request had a connection to go over.
    pub fn ready_at(&self) -> Instant {
        self.ready_at
    }

    /// Sends a request and waits for its answer, connecting included, for `time_max`. After an
    /// error the connection is closed, and the next request opens a new one.
    pub async fn send(&mut self, request: &[u8], time_max: Duration) -> Result<Answer, HttpError> {
        let mut stream = match timeout(time_max, self.open()).await {
            Ok(opened) => opened?,
            Err(_) => return Err(HttpError::Timeout),
        };
        self.ready_at = Instant::now();
        // The stream is put back only after a whole answer: a cut-off exchange ends it.
        let left = time_max.saturating_sub(self.used_at.elapsed());
        let exchanged = timeout(left, exchange(&mut stream.0, &mut self.buffer, request)).await;
        let (answer, keep_alive) = exchanged.map_err(|_| HttpError::Timeout)??;
        if keep_alive {
            self.stream = Some(stream);
        }
        self.used_at = Instant::now();
        Ok(answer)
    }

    async fn open(&mut self) -> Result<(TcpStream, SocketAddr), HttpError> {
        let address = self.target.address();
        let idle = self.used_at.elapsed() > IDLE_MAX;
        self.used_at = Instant::now();
        if let Some((stream, connected_to)) = self.stream.take()
            && connected_to == address
            && (!idle || is_quiet(&stream))
        {
            return Ok((stream, address));
        }
        let stream = TcpStream::connect(address).await.map_err(HttpError::Connect)?;
        // A port nobody listens on may be picked as our own end: TCP then connects it to itself.
        if stream.local_addr().is_ok_and(|own| own == address) {
            return Err(HttpError::Connect(io::ErrorKind::ConnectionRefused.into()));
        }
        stream.set_nodelay(true).map_err(HttpError::Connect)?;
        Ok((stream, address))
    }
}

/// Whether nothing came on an idle connection, not even its end.
fn is_quiet(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

async fn exchange(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    request: &[u8],
) -> Result<(Answer, bool), HttpError> {
    stream.write_all(request).await.map_err(HttpError::Broken)?;
    buffer.clear();
    let head = loop {
        if stream.read_buf(buffer).await.map_err(HttpError::Broken)? == 0 {
            return Err(HttpError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        if let Some(head) = parse(buffer)? {
            break head;
        }
        if buffer.len() > ANSWER_BYTES_MAX {
            return Err(HttpError::NotUnderstood("a head without an end"));
        }
    };
    let all_bytes = head.head_bytes + head.body_bytes;
    while buffer.len() < all_bytes {
        if stream.read_buf(buffer).await.map_err(HttpError::Broken)? == 0 {
            return Err(HttpError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    let answer = Answer {
        status: head.status,
        body: buffer[head.head_bytes..all_bytes].to_vec(),
        retry_after_s: head.retry_after_s,
        sent_bytes: u32::try_from(request.len()).unwrap_or(u32::MAX),
        received_bytes: u32::try_from(all_bytes).unwrap_or(u32::MAX),
    };
    // Bytes beyond the answer would belong to no request of ours.
    Ok((answer, head.keep_alive && buffer.len() == all_bytes))
}

/// The answer at the beginning of `bytes`, once all of it is there. Of the bytes sent it knows
/// nothing.
pub(super) fn answer_in(bytes: &[u8]) -> Result<Option<Answer>, HttpError> {
    let Some(head) = parse(bytes)? else {
        return match bytes.len() {
            0..=ANSWER_BYTES_MAX => Ok(None),
            _ => Err(HttpError::NotUnderstood("a head without an end")),
        };
    };
    let all_bytes = head.head_bytes + head.body_bytes;
    Ok((bytes.len() >= all_bytes).then(|| Answer {
        status: head.status,
        body: bytes[head.head_bytes..all_bytes].to_vec(),
        retry_after_s: head.retry_after_s,
        sent_bytes: 0,
        received_bytes: u32::try_from(all_bytes).unwrap_or(u32::MAX),
    }))
}

/// The head, once all of it is there.
fn parse(buffer: &[u8]) -> Result<Option<Head>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head_bytes = match response.parse(buffer) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HttpError::NotUnderstood("no HTTP/1.1 answer")),
    };
    let status = response.code.unwrap_or(0);
    let mut head = Head { status, head_bytes, body_bytes: 0, keep_alive: true, retry_after_s: None };
    let mut is_sized = status == 204 || status == 304;
    for header in response.headers.iter() {
        let number = || std::str::from_utf8(header.value).ok()?.trim().parse::<u32>().ok();
        if header.name.eq_ignore_ascii_case("content-length") && !matches!(status, 204 | 304) {
            head.body_bytes =
                number().ok_or(HttpError::NotUnderstood("a length that is no number"))? as usize;
            is_sized = true;
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            head.retry_after_s = number();
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.keep_alive = !header.value.eq_ignore_ascii_case(b"close");
        }
    }
    if !is_sized {
        return Err(HttpError::NotUnderstood("an answer without a length"));
    }
    if head.body_bytes > ANSWER_BYTES_MAX - head.head_bytes.min(ANSWER_BYTES_MAX) {
        return Err(HttpError::NotUnderstood("too large an answer"));
    }
    Ok(Some(head))
}
