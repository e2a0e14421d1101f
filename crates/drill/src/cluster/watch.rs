//! Looks at servers and nodes from where the crowd sits: who leads, how far each has come.
//!
//! Must never wait long for what does not answer: silence is an observation. Start at
//! [`stream_of`] and [`position_of`].

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    net::EACH,
    programs::{monitor_of, server_name, service_of},
};

/// Whoever answers at all answers within this, and a busy machine has its time.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Of a health document or a page of metrics.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
const STREAM: &str = "jari";

/// What a server says of the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamSeen {
    /// The last record that it has.
    pub last: u64,
    /// Which server leads, as far as this one knows.
    pub leader: Option<usize>,
}

/// What a server says of the stream; nothing if it says nothing.
pub async fn stream_of(server: usize) -> Option<StreamSeen> {
    let body = fetch(monitor_of(server), "/jsz?accounts=true&streams=true").await?;
    read_stream(&serde_json::from_slice(&body).ok()?)
}

/// Finds the stream in what a server's monitor shows.
pub fn read_stream(shown: &Value) -> Option<StreamSeen> {
    let accounts = shown.get("account_details")?.as_array()?;
    let streams = accounts.iter().filter_map(|account| account.get("stream_detail")?.as_array()).flatten();
    let stream = streams.into_iter().find(|stream| stream.get("name").is_some_and(|name| name == STREAM))?;
    let leader = stream.pointer("/cluster/leader").and_then(Value::as_str);
    Some(StreamSeen {
        last: stream.pointer("/state/last_seq")?.as_u64()?,
        leader: leader.and_then(|leader| (0..EACH).find(|number| server_name(*number) == leader)),
    })
}

/// The server that leads the stream, by what it says of itself and most others agree to.
pub async fn leader() -> Option<usize> {
    let mut votes = [0_usize; EACH];
    for server in 0..EACH {
        if let Some(leader) = stream_of(server).await.and_then(|seen| seen.leader) {
            votes[leader] += 1;
        }
    }
    (0..EACH).find(|server| votes[*server] * 2 > EACH)
}

/// The position that a node has applied; nothing if it does not answer. While it is ready it says so
/// itself; while it is not, its metrics show where it was when it last had time to publish them.
pub async fn position_of(node: usize) -> Option<u64> {
    if let Some(body) = fetch(service_of(node), "/readyz").await {
        let ready: Value = serde_json::from_slice(&body).ok()?;
        return ready.get("position")?.as_u64();
    }
    let body = fetch(service_of(node), "/metrics").await?;
    read_position(std::str::from_utf8(&body).ok()?)
}

/// Finds the position in a node's metrics.
pub fn read_position(metrics: &str) -> Option<u64> {
    let value = metrics.lines().find_map(|line| line.strip_prefix("jari_position "))?;
    let position = value.trim().parse::<f64>().ok()?;
    (position >= 0.0).then_some(position as u64)
}

/// Whether a node answers a question that needs no stream: the public document of a room.
pub async fn reads_of(node: usize) -> bool {
    fetch(service_of(node), "/api/v1/rooms/1/now").await.is_some()
}

/// Whether a process answers at all.
pub async fn is_silent(at: SocketAddr, path: &str) -> bool {
    fetch(at, path).await.is_none()
}

/// The body of a successful answer. The oldest HTTP there is: the answer ends with the connection,
/// and nothing has to be known of its length.
async fn fetch(at: SocketAddr, path: &str) -> Option<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(at).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await.ok()?;
        body_of(&answer)
    };
    timeout(PATIENCE, exchange).await.ok()?
}

/// What stands behind the head, if the answer is a success.
fn body_of(answer: &[u8]) -> Option<Vec<u8>> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = answer.get(9..12)?;
    (status == b"200").then(|| answer[end + 4..].to_vec())
}
