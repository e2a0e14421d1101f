//! B10: what a wait costs in bytes. The waiting page is fetched over HTTP as a browser
//! does, compressed and with everything it loads; then the wait of 3 h 36 min is lived
//! through by the page's own rule of when to ask, a thousand times, with answers as large
//! as the real ones.
//!
//! Bytes are what the server sends: status line, headers and body. What a browser sends is
//! its own affair and counted apart, with headers as a phone's browser sends them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use jari_bench::answer::{Answer, Parsed, body, header, parse};
use jari_bench::random::Random;
use jari_web::poll::interval_ms;
use serde_json::json;

const LIVES: u64 = 1_000;

/// Weighs the waiting page and a wait.
#[derive(Parser)]
struct Arguments {
    /// The service
    #[arg(long)]
    target: SocketAddr,
    /// The room
    #[arg(long, default_value_t = 1)]
    room: u32,
    /// The ticket of someone who waits
    #[arg(long)]
    ticket: String,
    /// How long the wait is, minutes
    #[arg(long, default_value_t = 216)]
    wait_minutes: u64,
    /// Where the jitter comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

struct Fetched {
    sent_bytes: usize,
    head_bytes: usize,
    body_bytes: usize,
    text: String,
}

impl Fetched {
    fn bytes(&self) -> usize {
        self.head_bytes + self.body_bytes
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let room = arguments.room;
    let page_path = format!("/rooms/{room}");
    let cookie = format!("cookie: jari_ticket_{room}={}\r\n", arguments.ticket);
    let mut pages = Vec::new();
    for language in ["ko", "en"] {
        let headers = format!("{cookie}accept-language: {language}\r\n");
        let page = fetch(&arguments, &page_path, &headers)?;
        ensure!(page.text.contains("data-serial="), "the page is not that of someone who waits");
        let mut loads = Vec::new();
        for path in loaded(&page.text) {
            loads.push((path.clone(), fetch(&arguments, &path, "")?));
        }
        pages.push((language, page, loads));
    }
    let now_path = format!("/api/v1/rooms/{room}/now");
    let document = fetch(&arguments, &now_path, "")?;
    let heaviest = pages.iter().map(|(_, page, loads)| weight(page, loads)).max().unwrap_or(0);
    let requests_first = pages.iter().map(|(_, _, loads)| 1 + loads.len()).max().unwrap_or(0);
    let polls = polls(arguments.wait_minutes * 60_000, arguments.seed);
    let polls_most = *polls.last().context("a thousand lives")?;
    let polls_median = polls[polls.len() / 2];
    let pages_json = pages.iter().map(|(language, page, loads)| {
        json!({ "language": language, "bytes": weight(page, loads),
            "bodies_bytes": page.body_bytes + loads.iter().map(|(_, one)| one.body_bytes).sum::<usize>(),
            "page_bytes": page.bytes(),
            "loads": loads.iter().map(|(path, one)| json!([path, one.bytes()])).collect::<Vec<_>>() })
    });
    println!(
        "{}",
        json!({
            "page_bytes": heaviest,
            "pages": pages_json.collect::<Vec<_>>(),
            "document": document.text,
            "document_bytes": document.bytes(),
            "document_head_bytes": document.head_bytes,
            "polls_median": polls_median,
            "polls_most": polls_most,
            "wait_requests": requests_first + polls_most,
            "wait_bytes": heaviest + polls_most * document.bytes(),
            "wait_bytes_median": heaviest + polls_median * document.bytes(),
            "poll_sent_bytes": document.sent_bytes,
        })
    );
    Ok(())
}

fn weight(page: &Fetched, loads: &[(String, Fetched)]) -> usize {
    page.bytes() + loads.iter().map(|(_, one)| one.bytes()).sum::<usize>()
}

/// How many times a page asks in a wait that goes as foretold: sorted, one for each life.
fn polls(wait_ms: u64, seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed);
    let life = |_| {
        let mut left = wait_ms;
        let mut polls = 0;
        // The page as it came is the first answer.
        loop {
            let pause = interval_ms(left, random.unit());
            polls += 1;
            if pause >= left {
                return polls;
            }
            left -= pause;
        }
    };
    let mut all: Vec<usize> = (0..LIVES).map(life).collect();
    all.sort_unstable();
    all
}

/// What a browser loads with a page: style sheets, scripts, images.
fn loaded(html: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for tag in html.split('<') {
        let Some((tag, _)) = tag.split_once('>') else { continue };
        let name = match tag.split_whitespace().next() {
            Some("script" | "img") => "src=\"",
            Some("link") if tag.contains("stylesheet") || tag.contains("icon") || tag.contains("preload") => {
                "href=\""
            }
            _ => continue,
        };
        let Some((_, rest)) = tag.split_once(name) else { continue };
        let Some((path, _)) = rest.split_once('"') else { continue };
        if !path.starts_with("data:") {
            paths.push(path.to_owned());
        }
    }
    paths
}

fn fetch(arguments: &Arguments, path: &str, headers: &str) -> anyhow::Result<Fetched> {
    let mut stream = TcpStream::connect(arguments.target)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: Mozilla/5.0 (Linux; Android 9; SM-G960N) AppleWebKit/537.36 \
         (KHTML, like Gecko) Chrome/118.0.0.0 Mobile Safari/537.36\r\naccept: */*\r\naccept-encoding: gzip, \
         deflate, br\r\n{headers}\r\n",
        arguments.target
    );
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut part = [0; 16_384];
    let answer = loop {
        let read = stream.read(&mut part).with_context(|| format!("reading {path}"))?;
        ensure!(read > 0, "{path}: the connection closed in the middle");
        bytes.extend_from_slice(&part[..read]);
        match parse(&bytes) {
            Parsed::Whole(answer) => break answer,
            Parsed::Partial => {}
            Parsed::Unknown => bail!("{path}: not understood"),
        }
    };
    ensure!(answer.status == 200, "{path} answers {}", answer.status);
    let text = text(&bytes, &answer).with_context(|| format!("the body of {path}"))?;
    Ok(Fetched {
        sent_bytes: request.len(),
        head_bytes: answer.head_bytes,
        body_bytes: answer.bytes - answer.head_bytes,
        text,
    })
}

fn text(bytes: &[u8], answer: &Answer) -> anyhow::Result<String> {
    let body = body(bytes, answer);
    let coding = header(&bytes[..answer.head_bytes], b"content-encoding:");
    let mut text = String::new();
    match coding {
        None => text = String::from_utf8(body)?,
        Some(b"gzip") => {
            flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text)?;
        }
        Some(other) => bail!("compressed as {:?}", String::from_utf8_lossy(other)),
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_loads_its_sheets_scripts_and_images_and_not_its_links() {
        let html = r#"<link rel="stylesheet" href="/a.css"><link rel="icon" href="data:,"><a href="/b">b</a>
            <img src="/c.png"><script src="/d.js" defer></script><script>1</script>"#;
        assert_eq!(loaded(html), ["/a.css", "/c.png", "/d.js"]);
    }

    #[test]
    fn a_longer_wait_asks_more_often_but_hardly() {
        let most = |minutes: u64| *polls(minutes * 60_000, 1).last().unwrap();
        assert!(most(216) > most(10));
        // Far back one asks every ten minutes, a fifth more often by chance.
        assert!(most(2_160) - most(216) <= (2_160 - 216) / 10 * 5 / 4);
    }
}
