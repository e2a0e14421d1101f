//! The server on a real socket: limits, overload, an orderly end.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jari_web::shed::ShedOptions;
use jari_web::{ServerOptions, serve};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::harness::{TestSite, problem};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

const PAGE: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

pub struct Running {
    pub address: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub serving: JoinHandle<std::io::Result<()>>,
}

/// Whoever is silent is hung up on as soon as the server is told to stop.
pub fn at_once() -> ServerOptions {
    ServerOptions { last_call_time: Duration::ZERO, ..ServerOptions::default() }
}

pub async fn run(site: &TestSite, options: ServerOptions) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let stopped = async move {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(serve(site.site.clone(), listener, options, stopped));
    Running { address, stop, serving }
}

async fn ask(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = vec![0; 16 * 1024];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_the_end_is_orderly() {
    let site = TestSite::new().await;
    let server = run(&site, at_once()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        let answer = ask(&mut stream, HEALTH).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_has_begun_to_arrive_when_the_server_stops_is_answered() {
    let site = TestSite::new().await;
    let server = run(&site, at_once()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    // Answered once: between two requests a connection is hung up on.
    for one in [&mut stream, &mut silent] {
        ask(one, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    }
    stream.write_all(b"POST /api/v1/rooms/1/tickets HTTP/1.1\r\nho").await.unwrap();
    server.stop.send(()).unwrap();
    // The one who came later and says nothing is hung up on, and this one is still here.
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody is let in any more");
    stream.write_all(b"st: x\r\ncontent-length: 2\r\n\r\n").await.unwrap();
    let answer = ask(&mut stream, "{}").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    server.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn at_the_last_call_an_answer_says_that_the_connection_ends() {
    let site = TestSite::new().await;
    let options = ServerOptions { last_call_time: Duration::from_secs(600), ..ServerOptions::default() };
    let server = run(&site, options).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    ask(&mut stream, HEALTH).await;
    server.stop.send(()).unwrap();
    let mut said = String::new();
    while !said.contains("connection: close") {
        said = ask(&mut stream, HEALTH).await;
        assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    }
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    // Nobody else is here, so nothing is waited for.
    server.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn whoever_stands_in_the_queue_when_the_server_stops_is_answered() {
    let site = TestSite::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connect = |_| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        stream
    };
    // Fewer than its queue holds before the server makes it longer.
    let waiting: Vec<_> = (0..100).map(connect).collect();
    // It is told to stop before it has looked at anybody.
    serve(site.site.clone(), listener, at_once(), std::future::ready(())).await.unwrap();
    for mut stream in waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_site_that_drains_is_not_ready_and_serves_on() {
    let site = TestSite::new().await;
    assert_eq!(site.nobody().get("/readyz").await.status, 200);
    site.site.drain();
    assert_eq!(site.nobody().get("/readyz").await.problem(), problem(503, "restarting"));
    assert_eq!(site.nobody().get("/healthz").await.status, 200);
    site.with_room(false, None).await;
    assert_eq!(site.nobody().get("/api/v1/rooms/1/now").await.status, 200);
}

#[tokio::test]
async fn beyond_the_connection_limit_a_caller_is_told_when_to_come_back() {
    let site = TestSite::new().await;
    let server = run(&site, ServerOptions { connections_max: 1, ..ServerOptions::default() }).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    ask(&mut first, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let answer = ask(&mut second, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 5\r\nrefresh: 5\r\n"), "{answer}");
    assert!(!answer.to_lowercase().contains("set-cookie"));
    drop(first);
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
}

/// Asks without pause.
async fn keep_busy(address: SocketAddr, asked: Arc<AtomicU32>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    loop {
        let answer = ask(&mut stream, PAGE).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        asked.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn callers_get_in_beside_busy_connections_that_stay() {
    const STAY: u32 = 200;
    const COME: u32 = 50;
    const VISITS: u32 = 60;
    let site = TestSite::new().await;
    // A thread of its own: a lap is everything that the server has to do, and nothing else.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = {
        let _inside = runtime.enter();
        run(&site, ServerOptions::default()).await
    };
    let asked = Arc::new(AtomicU32::new(0));
    let mut busy = JoinSet::new();
    for _ in 0..STAY {
        busy.spawn(keep_busy(server.address, Arc::clone(&asked)));
    }
    // By then they are not young any more.
    while asked.load(Ordering::Relaxed) < STAY * 100 {
        tokio::task::yield_now().await;
    }
    let before = asked.load(Ordering::Relaxed);
    let mut callers = JoinSet::new();
    for _ in 0..COME {
        callers.spawn(async move {
            for _ in 0..VISITS {
                let mut stream = TcpStream::connect(server.address).await.unwrap();
                assert!(ask(&mut stream, PAGE).await.starts_with("HTTP/1.1 200 OK"));
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let others = asked.load(Ordering::Relaxed) - before;
    println!("{} visits beside {others} answers to others", COME * VISITS);
    // A fifth of those who ask came anew. Two at a time would have had a hundredth.
    assert!(others < COME * VISITS * 30, "{others}");
    busy.shutdown().await;
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
    runtime.shutdown_background();
}

#[tokio::test]
async fn rubbish_on_the_wire_ends_its_own_connection_only() {
    let site = TestSite::new().await;
    let server = run(&site, ServerOptions::default()).await;
    let headers = "x: y\r\n".repeat(100);
    let cases = [
        "\0\0\0\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\n{headers}\r\n"),
        "x".repeat(40_000),
    ];
    for case in cases {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The server may hang up before everything is written.
        let _ = stream.write_all(case.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let answer = ask(&mut stream, "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn writes_beyond_the_limit_are_shed_and_the_rooms_document_is_not() {
    let none = ShedOptions { writes_min: 0, writes_first: 0, writes_max: 0, waiting_max: 0 };
    let site = TestSite::with(|options| options.shed = none).await;
    let reply = site.nobody().post("/api/v1/rooms/1/tickets", &json!({})).await;
    assert_eq!(reply.problem(), problem(503, "overloaded"));
    assert_eq!(reply.headers["retry-after"], "1");
    let form =
        site.nobody().saying("host", "jari.example").saying("referer", "https://jari.example/rooms/1?x=1");
    let page = form.post("/rooms/1/join", &json!({})).await;
    assert_eq!((page.status, page.headers["refresh"].to_str().unwrap()), (503, "5; url=/rooms/1"));
    assert!(!page.headers.contains_key("set-cookie"));
    let elsewhere =
        form.saying("referer", "https://evil.example/rooms/1").post("/rooms/1/join", &json!({})).await;
    assert!(!elsewhere.headers.contains_key("refresh"));
    assert_eq!(site.nobody().get("/api/v1/rooms").await.status, 200);
    // The operator can act above all when too many are here.
    site.with_room(false, None).await;
    assert_eq!(site.nobody().get("/api/v1/rooms/1/now").await.status, 200);
}
