//! The live drill without the command line, and a measure of its HTTP client.
//!
//! `crowd measure` sends requests to a tiny server in the same process for three seconds, with the
//! drill's client and with hyper's. `crowd drill NAME JARI [tiny] [SEED]` runs a live drill with
//! the binary at JARI and writes its report to `target/live-NAME/`.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use jari_drill::live::{
    self, LiveOptions, Step,
    http::{Connection, Request, Target},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

const MEASURED: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 32;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["measure"] => measure(),
        ["drill", name, jari, rest @ ..] => drill(name, jari, rest),
        _ => bail!("say `measure`, or `drill NAME JARI [tiny] [SEED]`"),
    }
}

fn drill(name: &str, jari: &str, rest: &[&str]) -> anyhow::Result<()> {
    let seed = rest.iter().find_map(|word| word.parse().ok()).unwrap_or(1);
    let options = LiveOptions {
        target: None,
        jari: PathBuf::from(jari),
        scale: None,
        tiny: rest.contains(&"tiny"),
        seed,
        command: format!("cargo run --example crowd -- drill {name} {jari} {}", rest.join(" ")),
        progress: Arc::new(|step| match step {
            Step::Phase(words) => println!("{words}"),
            Step::Second(progress) => {
                let (second, counts) = (&progress.second, progress.second.counts);
                println!(
                    "{:>4} s  arrived {:>6}  in line {:>6}  inside {:>5}  booked {:>6}  {:>6} requests, {} come back, {} failed, p50 {:.1} ms, p99 {:.1} ms",
                    second.at_s,
                    counts.arrived,
                    counts.waiting,
                    counts.inside,
                    counts.booked,
                    second.requests,
                    second.shed,
                    second.failed,
                    second.p50_ms,
                    second.p99_ms
                );
            }
        }),
    };
    let report = live::run(name, &options)?;
    let dir = PathBuf::from("target").join(format!("live-{name}"));
    report.write(&dir)?;
    report.print_summary(&mut std::io::stdout().lock())?;
    println!("{}", dir.join("report.html").display());
    Ok(())
}

fn measure() -> anyhow::Result<()> {
    // The server has a thread of its own; each client has this one.
    let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = server.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    server.spawn(serve(listener));
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (name, hyper) in [("ours", false), ("hyper", true)] {
        let before = live::service::usage(std::process::id()).context("no /proc here")?;
        let began = Instant::now();
        let sent = client.block_on(async {
            let tasks: Vec<_> = (0..CONNECTIONS)
                .map(|_| match hyper {
                    true => tokio::spawn(with_hyper(address)),
                    false => tokio::spawn(with_ours(address)),
                })
                .collect();
            let mut sent = 0;
            for task in tasks {
                sent += task.await??;
            }
            anyhow::Ok(sent)
        })?;
        let after = live::service::usage(std::process::id()).context("no /proc here")?;
        let per_s = sent as f64 / began.elapsed().as_secs_f64();
        println!(
            "{name}: {per_s:.0} requests/s, {:.1} us of processor each, server included",
            (after.cpu_s - before.cpu_s) * 1e6 / sent as f64
        );
    }
    Ok(())
}

async fn with_ours(address: SocketAddr) -> anyhow::Result<u64> {
    let mut connection = Connection::new(Target::new(address));
    let request = Request::new("GET", "/").into_bytes();
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < MEASURED {
        connection.send(&request, Duration::from_secs(5)).await?;
        sent += 1;
    }
    Ok(sent)
}

async fn with_hyper(address: SocketAddr) -> anyhow::Result<u64> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < MEASURED {
        let request =
            http::Request::get("/").header("Host", "localhost").body(Empty::<bytes::Bytes>::new())?;
        let answer = tokio::time::timeout(Duration::from_secs(5), sender.send_request(request)).await??;
        answer.into_body().collect().await?;
        sent += 1;
    }
    Ok(sent)
}

async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            // The measured requests fit into one read.
            while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {
                let answer =
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        });
    }
}
