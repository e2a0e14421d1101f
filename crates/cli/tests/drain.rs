//! The real binary told to stop while hundreds of connections ask without pause: no request is lost.

mod service;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use service::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const NOW: &str = "/api/v1/rooms/2/now";
const TICKETS: &str = "/api/v1/rooms/2/tickets";

fn start(dir: &Path, drain_ms: u32) -> Service {
    Service::start(dir, &format!("[limits]\njoins_per_second_per_network = 1000000\ndrain_ms = {drain_ms}\n"))
}

impl Service {
    fn told(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    async fn ends(mut self) {
        let waited = tokio::task::spawn_blocking(move || self.child.wait());
        assert_eq!(waited.await.unwrap().unwrap().code(), Some(0));
    }
}

fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nidempotency-key: {path:0>24}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes()
}

fn join() -> Vec<u8> {
    format!("POST {TICKETS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}")
        .into_bytes()
}

struct Answer {
    status: u16,
    is_last: bool,
    body: Vec<u8>,
}

/// One answer; none if the connection ends without a byte of it.
async fn answer(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    loop {
        // A reset is an end as well.
        let read = stream.read_buf(&mut bytes).await.unwrap_or(0);
        if read == 0 {
            assert!(bytes.is_empty(), "half an answer: {}", String::from_utf8_lossy(&bytes));
            return None;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap_or_else(|| panic!("no length: {head}")).parse().unwrap();
        while bytes.len() < end + 4 + length {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap_or(0), 0, "half a body: {head}");
        }
        let status = head[9..12].parse().unwrap();
        return Some(Answer {
            status,
            is_last: head.contains("\r\nconnection: close"),
            body: bytes.split_off(end + 4),
        });
    }
}

/// A question on a connection of its own.
async fn ask(address: SocketAddr, request: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.expect("it accepts");
    stream.write_all(request).await.unwrap();
    let answer = answer(&mut stream).await.expect("it answers");
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

/// What the crowd counted so far.
#[derive(Default)]
struct Counted {
    sent: AtomicU64,
    answered: AtomicU64,
    joined: AtomicU64,
    /// Answers that were no success: shed, or not ready.
    put_off: AtomicU64,
    /// Connections that ended with an answer that said so.
    said: AtomicU64,
}

impl Counted {
    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

/// Asks on one connection until it ends; gives the requests that got no answer.
async fn speak(address: SocketAddr, number: usize, counted: Arc<Counted>) -> u64 {
    let asked = [get(NOW), join(), get("/readyz"), join(), get("/rooms/2")];
    let mut stream = TcpStream::connect(address).await.expect("it accepts");
    for request in asked.iter().cycle().skip(number) {
        counted.sent.fetch_add(1, Ordering::Relaxed);
        // A connection that is gone gives no answer either.
        let _ = stream.write_all(request).await;
        let Some(answer) = answer(&mut stream).await else { return 1 };
        counted.answered.fetch_add(1, Ordering::Relaxed);
        match answer.status {
            201 => counted.joined.fetch_add(1, Ordering::Relaxed),
            200 => 0,
            503 => counted.put_off.fetch_add(1, Ordering::Relaxed),
            other => panic!("{other}: {}", String::from_utf8_lossy(&answer.body)),
        };
        if answer.is_last {
            counted.said.fetch_add(1, Ordering::Relaxed);
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0, "it ends as it said");
            return 0;
        }
    }
    unreachable!("the cycle has no end")
}

/// A room for everybody.
async fn stage(service: &mut Service) {
    let address = service.address;
    let signed = json!({ "name": "operator", "password": service.password() }).to_string();
    let (status, session) = ask(address, &request("POST", "/api/v1/operator/sessions", "", &signed)).await;
    assert_eq!(status, 201, "{session}");
    let token = session["staff_token"].as_str().unwrap();
    let room = json!({
        "room": 2, "name": "Room", "opens_at_ms": 1, "identity_bound": false, "bookings_per_pass": 1,
        "pace": {"entries_per_minute_max": 60, "passes_max": 10, "pass_ttl_ms": 600_000,
            "latency_goal_ms": 0, "error_goal_ppm": 1_000_000}
    });
    let (status, room) =
        ask(address, &request("POST", "/api/v1/operator/rooms", token, &room.to_string())).await;
    assert_eq!(status, 201, "{room}");
    while ask(address, &get(NOW)).await.0 != 200 {}
}

async fn until_answered(counted: &Counted, address: SocketAddr, more: u64) {
    let wanted = counted.answered() + more;
    while counted.answered() < wanted {
        ask(address, &get("/healthz")).await;
    }
}

/// A service told to stop while so many connections ask without pause; so many answers are waited for
/// before and after.
async fn every_request_is_answered(connections: usize, answers: u64) {
    let dir = tempfile::tempdir().unwrap();
    // Only another signal ends the wait.
    let mut service = start(dir.path(), 600_000);
    stage(&mut service).await;
    let address = service.address;
    let counted = Arc::new(Counted::default());
    let mut crowd = JoinSet::new();
    for number in 0..connections {
        crowd.spawn(speak(address, number, Arc::clone(&counted)));
    }
    until_answered(&counted, address, answers).await;

    service.told("-TERM");
    while ask(address, &get("/readyz")).await.0 == 200 {}
    // Not ready, and there for whoever comes.
    until_answered(&counted, address, answers).await;
    let joined = loop {
        match ask(address, &join()).await {
            (201, joined) => break joined,
            (status, answer) => assert_eq!(status, 503, "{answer}"),
        }
    };
    assert!(joined["serial"].is_u64(), "{joined}");
    assert_eq!(counted.said.load(Ordering::Relaxed), 0, "nobody was sent away yet");

    service.told("-TERM");
    let mut lost = 0;
    while let Some(one) = crowd.join_next().await {
        lost += one.unwrap();
    }
    service.ends().await;
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (sent, answered, joined) = (read(&counted.sent), counted.answered(), read(&counted.joined));
    println!("{sent} sent, {answered} answered, {joined} numbers, {} put off", read(&counted.put_off));
    assert_eq!((lost, sent - answered), (0, 0), "requests without an answer");
    assert_eq!(read(&counted.said), connections as u64, "each was told with its last answer");
    assert!(joined > 0 && TcpStream::connect(address).await.is_err());

    // What people have seen is there, and nothing else: each question was answered.
    let service = start(dir.path(), 0);
    let (_, room) = ask(service.address, &get("/api/v1/rooms/2")).await;
    assert_eq!(room["issued"], joined + 1, "{room}");
    service.told("-INT");
    service.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_told_to_stop_under_load_answers_every_request_it_was_sent() {
    every_request_is_answered(400, 4_000).await;
    // Of a few, many are between two requests at any moment.
    for _ in 0..4 {
        every_request_is_answered(24, 500).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_ends_by_itself_and_whoever_asks_nothing_is_hung_up_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = start(dir.path(), 50);
    stage(&mut service).await;
    let mut fresh = TcpStream::connect(service.address).await.unwrap();
    let mut idle = TcpStream::connect(service.address).await.unwrap();
    idle.write_all(&get(NOW)).await.unwrap();
    assert_eq!(answer(&mut idle).await.unwrap().status, 200);
    service.told("-TERM");
    for stream in [&mut fresh, &mut idle] {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
    service.ends().await;
}
