//! The answers of the service that are read, and the questions that are asked. Shapes and
//! numbers are those of the JetStream API; only what is used is named.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::contract::Position;
use crate::jetstream::options::JetStreamOptions;

/// Nothing is kept under that subject or position.
pub(crate) const NOTHING_FOUND: [u32; 2] = [10037, 10057];
/// The subject's last record is not the one that was expected.
pub(crate) const OTHER_LAST: [u32; 2] = [10071, 10164];
/// No such stream.
pub(crate) const STREAM_NOT_FOUND: u32 = 10059;
/// The record is for another stream than the one that got it.
pub(crate) const OTHER_STREAM: u32 = 10060;
/// The stream could not store it; the description says why.
const STORE_FAILED: u32 = 10077;
/// The account or the servers have no room. All three are said before the record is given
/// to the replicas.
const NO_RESOURCES: [u32; 3] = [10002, 10023, 10047];

/// An error of the API.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ApiError {
    #[serde(default)]
    pub err_code: u32,
    #[serde(default)]
    pub description: String,
}

impl ApiError {
    /// Whether it says that there is no room, and nothing else.
    pub(crate) fn is_full(&self) -> bool {
        NO_RESOURCES.contains(&self.err_code)
            || (self.err_code == STORE_FAILED
                && matches!(&*self.description, "maximum bytes exceeded" | "maximum messages exceeded"))
    }
}

/// What comes back for a record.
#[derive(Debug, Deserialize)]
pub(crate) struct Ack {
    pub error: Option<ApiError>,
    #[serde(default)]
    pub stream: String,
    #[serde(default)]
    pub seq: u64,
}

/// What is known of a stream.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamInfo {
    pub error: Option<ApiError>,
    #[serde(default)]
    pub config: Value,
    #[serde(default)]
    pub state: StreamState,
    /// When it was made: another stream of the same name has another.
    #[serde(default)]
    pub created: String,
    pub cluster: Option<Cluster>,
    /// The answering server's time.
    pub ts: Option<String>,
}

impl StreamInfo {
    /// Whether the answer shows the clock of whoever gave it: one about a stream does, an error need not.
    pub(crate) fn tells_time(&self) -> bool {
        self.ts.as_ref().is_some_and(|stamp| !stamp.is_empty())
    }
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct StreamState {
    pub messages: u64,
    pub first_seq: u64,
    pub last_seq: u64,
}

impl StreamState {
    /// The oldest and the last position; of an empty stream the first is the next.
    pub(crate) fn ends(&self) -> (Position, Position) {
        let first = if self.messages == 0 { self.last_seq + 1 } else { self.first_seq };
        (Position(first), Position(self.last_seq))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Cluster {
    #[serde(default)]
    pub leader: String,
    #[serde(default)]
    pub replicas: Vec<Peer>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Peer {
    pub name: String,
}

/// What one server says of itself to the system account.
#[derive(Debug, Deserialize)]
pub(crate) struct ServerStatus {
    pub server: ServerName,
    pub data: Option<ServerData>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ServerName {
    pub name: String,
    pub ver: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ServerData {
    #[serde(default)]
    pub jetstream: Value,
}

impl ServerData {
    /// Whether the server flushes before it acknowledges.
    pub(crate) fn flushes(&self) -> bool {
        self.jetstream.pointer("/config/sync_always").and_then(Value::as_bool).unwrap_or(false)
    }
}

/// The stream as it is to be made.
pub(crate) fn stream_config(options: &JetStreamOptions, begin: Position) -> Value {
    let mut config = json!({
        "name": options.stream,
        "subjects": [options.subject],
        "description": "The order of a Jari service. Each node keeps all of it in its own files.",
        "retention": "limits",
        "storage": "file",
        "num_replicas": options.replicas,
        "discard": "new",
        "max_bytes": options.stream_bytes_max,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_age": 0,
        "max_consumers": -1,
        "duplicate_window": u64::try_from(options.keys_remembered.as_nanos()).unwrap_or(u64::MAX),
        "allow_direct": true,
        "deny_delete": true,
        "deny_purge": true,
        "republish": { "src": options.subject, "dest": options.stored_subject(), "headers_only": true },
    });
    if begin > Position(1) {
        config["first_seq"] = json!(begin.0);
    }
    config
}

/// Asks for records from a position on.
pub(crate) fn batch_request(subject: &str, from: Position, records_max: u32, bytes_max: u32) -> Vec<u8> {
    let request =
        json!({ "seq": from.0, "next_by_subj": subject, "batch": records_max, "max_bytes": bytes_max });
    request.to_string().into_bytes()
}

/// The stream behind a table as it is to be made: the last value of each name.
pub(crate) fn table_config(options: &JetStreamOptions, bucket: &str) -> Value {
    json!({
        "name": format!("KV_{bucket}"),
        "subjects": [format!("$KV.{bucket}.>")],
        "description": "What the nodes of a Jari service share besides its order.",
        "retention": "limits",
        "storage": "file",
        "num_replicas": options.replicas,
        "discard": "new",
        "max_bytes": -1,
        "max_msgs": -1,
        "max_msgs_per_subject": 1,
        "max_age": 0,
        "max_consumers": -1,
        "allow_direct": true,
        "allow_rollup_hdrs": true,
        "allow_msg_ttl": true,
        "deny_delete": false,
        "deny_purge": false,
    })
}

/// The answer to a question for one record.
#[derive(Debug, Deserialize)]
pub(crate) struct Found {
    pub error: Option<ApiError>,
    pub message: Option<FoundRecord>,
}

/// A record as the leader gives it: headers and content in base 64.
#[derive(Debug, Deserialize)]
pub(crate) struct FoundRecord {
    pub seq: u64,
    #[serde(default)]
    pub hdrs: String,
    #[serde(default)]
    pub data: String,
}

/// The answer to a request that only succeeds or fails.
#[derive(Debug, Deserialize)]
pub(crate) struct Deed {
    pub error: Option<ApiError>,
    #[serde(default)]
    pub success: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_a_server_without_a_leader_says_nothing_about_clocks() {
        let info = |text: &str| serde_json::from_str::<StreamInfo>(text).expect("is an answer");
        let away = r#"{"type":"io.nats.jetstream.api.v1.stream_info_response","error":{"code":503,"err_code":10008,
            "description":"JetStream system temporarily unavailable"}}"#;
        assert!(!info(away).tells_time());
        assert!(
            info(r#"{"state":{"messages":1,"first_seq":1,"last_seq":1},"ts":"2026-11-26T13:00:00Z"}"#)
                .tells_time()
        );
    }
}
