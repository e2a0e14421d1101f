//! What servers and stream must be like, checked at each start.
//!
//! It must never pass what it could not see: an answer that is missing is an error. Start
//! reading at [`stream_settings`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::jetstream::api::{ServerStatus, StreamInfo};
use crate::jetstream::options::JetStreamOptions;

/// The oldest servers that are used: 2.9 could not flush at all, 2.12.1 was shown to lose
/// acknowledged records even with `sync_interval: always`, and batches by position exist
/// since 2.11. The tests run on 2.15.
pub const SERVER_VERSION_MIN: (u64, u64, u64) = (2, 14, 0);

/// Why servers or stream are not used. Each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A server is too old.
    #[error("the server {server} is version {version}; at least {}.{}.{} is needed: upgrade it", min.0, min.1, min.2)]
    Old {
        /// Its name.
        server: String,
        /// What it is.
        version: String,
        /// What is needed.
        min: (u64, u64, u64),
    },
    /// A server has no JetStream.
    #[error(
        "the server {server} has JetStream turned off: add a block `jetstream {{ ... }}` to its configuration"
    )]
    NoJetStream {
        /// Its name.
        server: String,
    },
    /// A server acknowledges before it flushes.
    #[error(
        "the server {server} acknowledges records before they are on its disk: set `sync_interval: always` in \
         the block `jetstream {{ ... }}` of its configuration and restart it"
    )]
    NotFlushed {
        /// Its name.
        server: String,
    },
    /// Most servers of the stream did not say how they flush.
    #[error(
        "the servers {servers:?} keep the stream but did not say whether they flush: start them, and give the \
         login of a user of the system account; or vouch for `sync_interval: always` in the configuration"
    )]
    Silent {
        /// Their names.
        servers: Vec<String>,
    },
    /// The stream is set up differently.
    #[error("the stream {stream} is not set up as it is needed: {}", wrong.join("; "))]
    Stream {
        /// Its name.
        stream: String,
        /// Each setting that is wrong, what it is and what it must be.
        wrong: Vec<String>,
    },
    /// The node's clock is off.
    #[error(
        "this machine's clock is {off_ms} ms away from the clock of the stream's servers, and at most \
         {off_ms_max} are allowed: let both follow a time server"
    )]
    Clock {
        /// How far, without sign.
        off_ms: u64,
        /// How far it may be.
        off_ms_max: u64,
    },
}

/// What a setting must be.
enum Must {
    Be(Value),
    BeAtLeast(u64),
    /// Absent, or an empty value of whatever kind.
    BeUnset,
}

/// Compares a stream's settings with those the journal needs.
pub(crate) fn stream_settings(info: &StreamInfo, options: &JetStreamOptions) -> Result<(), SettingsError> {
    let remembered = u64::try_from(options.keys_remembered.as_nanos()).unwrap_or(u64::MAX);
    let needed = [
        ("subjects", Must::Be(json!([options.subject]))),
        ("storage", Must::Be(json!("file"))),
        ("num_replicas", Must::Be(json!(options.replicas))),
        ("retention", Must::Be(json!("limits"))),
        ("discard", Must::Be(json!("new"))),
        ("max_msgs", Must::Be(json!(-1))),
        ("max_msgs_per_subject", Must::Be(json!(-1))),
        ("max_msg_size", Must::Be(json!(-1))),
        ("max_bytes", Must::Be(json!(options.stream_bytes_max))),
        ("max_age", Must::Be(json!(0))),
        ("allow_direct", Must::Be(json!(true))),
        ("deny_delete", Must::Be(json!(true))),
        ("deny_purge", Must::Be(json!(true))),
        ("duplicate_window", Must::BeAtLeast(remembered)),
        ("no_ack", Must::BeUnset),
        ("sealed", Must::BeUnset),
        ("mirror", Must::BeUnset),
        ("sources", Must::BeUnset),
        ("subject_transform", Must::BeUnset),
        ("allow_rollup_hdrs", Must::BeUnset),
        ("allow_msg_ttl", Must::BeUnset),
        ("allow_msg_counter", Must::BeUnset),
    ];
    compare(info, &options.stream, &needed)
}

/// Compares the settings of the stream behind a table with those it needs. More records a
/// subject would keep what was erased.
pub(crate) fn table_settings(
    info: &StreamInfo,
    options: &JetStreamOptions,
    bucket: &str,
) -> Result<(), SettingsError> {
    let needed = [
        ("subjects", Must::Be(json!([format!("$KV.{bucket}.>")]))),
        ("storage", Must::Be(json!("file"))),
        ("num_replicas", Must::Be(json!(options.replicas))),
        ("retention", Must::Be(json!("limits"))),
        ("discard", Must::Be(json!("new"))),
        ("max_msgs", Must::Be(json!(-1))),
        ("max_msgs_per_subject", Must::Be(json!(1))),
        ("max_age", Must::Be(json!(0))),
        ("allow_direct", Must::Be(json!(true))),
        ("allow_rollup_hdrs", Must::Be(json!(true))),
        ("allow_msg_ttl", Must::Be(json!(true))),
        ("deny_delete", Must::BeUnset),
        ("deny_purge", Must::BeUnset),
        ("no_ack", Must::BeUnset),
        ("sealed", Must::BeUnset),
        ("mirror", Must::BeUnset),
        ("sources", Must::BeUnset),
        ("subject_transform", Must::BeUnset),
    ];
    compare(info, &format!("KV_{bucket}"), &needed)
}

fn compare(info: &StreamInfo, stream: &str, needed: &[(&str, Must)]) -> Result<(), SettingsError> {
    let mut wrong: Vec<String> =
        needed.iter().filter_map(|(name, must)| setting_fault(name, info.config.get(name), must)).collect();
    // Since 2.12 a stream may be told to acknowledge before anything is written.
    if info.config.get("persist_mode").is_some_and(|mode| !matches!(mode.as_str(), Some("default" | ""))) {
        wrong.push("persist_mode must be \"default\"".into());
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(SettingsError::Stream { stream: stream.into(), wrong })
}

fn setting_fault(name: &str, is: Option<&Value>, must: &Must) -> Option<String> {
    let is = is.unwrap_or(&Value::Null);
    match must {
        Must::Be(value) if is != value => Some(format!("{name} is {is} and must be {value}")),
        Must::BeAtLeast(least) if is.as_u64().is_none_or(|is| is < *least) => {
            Some(format!("{name} is {is} and must be at least {least}"))
        }
        Must::BeUnset if !is_unset(is) => Some(format!("{name} is {is} and must not be set")),
        _ => None,
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// The servers that keep the stream.
pub(crate) fn keepers(info: &StreamInfo) -> BTreeSet<String> {
    let Some(cluster) = &info.cluster else { return BTreeSet::new() };
    let replicas = cluster.replicas.iter().map(|peer| peer.name.clone());
    replicas.chain([cluster.leader.clone()]).filter(|name| !name.is_empty()).collect()
}

/// Checks what the servers said to the system account. Most of `keepers` must have spoken:
/// a node must come up while one server is down, and what most have on disk is safe. Of a
/// single server, which has no cluster, it must be that one.
pub(crate) fn servers(keepers: &BTreeSet<String>, said: &[ServerStatus]) -> Result<(), SettingsError> {
    let by_name: BTreeMap<&str, &ServerStatus> =
        said.iter().map(|status| (&*status.server.name, status)).collect();
    let silent: Vec<String> =
        keepers.iter().filter(|name| !by_name.contains_key(&***name)).cloned().collect();
    if silent.len() * 2 > keepers.len() || said.is_empty() {
        return Err(SettingsError::Silent { servers: silent });
    }
    if !silent.is_empty() {
        tracing::warn!(servers = ?silent, "servers that keep the stream are down, or did not say how they flush");
    }
    for (name, status) in by_name {
        if !keepers.is_empty() && !keepers.contains(name) {
            continue;
        }
        let server = name.to_string();
        version(&server, &status.server.ver)?;
        match &status.data {
            Some(data) if data.jetstream.get("config").is_none() => {
                return Err(SettingsError::NoJetStream { server });
            }
            Some(data) if data.flushes() => {}
            _ => return Err(SettingsError::NotFlushed { server }),
        }
    }
    Ok(())
}

/// Checks one server's version. What cannot be read is too old.
pub(crate) fn version(server: &str, version: &str) -> Result<(), SettingsError> {
    let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    if (next(), next(), next()) >= SERVER_VERSION_MIN {
        return Ok(());
    }
    let (server, version) = (server.to_string(), version.to_string());
    Err(SettingsError::Old { server, version, min: SERVER_VERSION_MIN })
}

/// How far the node's clock is from a server's stamp. The question was asked and answered
/// between `asked` and `answered`, by the node's clock: within that the two agree.
pub(crate) fn clock_off_ms(stamp: &str, asked: u64, answered: u64) -> Option<u64> {
    let there = u64::try_from(stamp.parse::<Timestamp>().ok()?.as_millisecond()).ok()?;
    Some(if there < asked { asked - there } else { there.saturating_sub(answered) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract::Position;
    use crate::jetstream::api::stream_config;

    fn options() -> JetStreamOptions {
        JetStreamOptions::new(vec!["nats://127.0.0.1".into()], "jari", Arc::new(|| 0))
    }

    fn info(change: impl FnOnce(&mut Value)) -> StreamInfo {
        let mut config = stream_config(&options(), Position(1));
        config["max_msg_size"] = json!(-1);
        change(&mut config);
        serde_json::from_value(json!({ "config": config })).expect("it is an answer")
    }

    #[test]
    fn each_setting_that_would_lose_records_is_named() {
        stream_settings(&info(|_| {}), &options()).expect("what is made is what is needed");
        for (name, value) in [
            ("storage", json!("memory")),
            ("num_replicas", json!(1)),
            ("discard", json!("old")),
            ("retention", json!("workqueue")),
            ("max_age", json!(1000)),
            ("max_msgs", json!(7)),
            ("deny_purge", json!(false)),
            ("deny_delete", json!(null)),
            ("allow_direct", json!(false)),
            ("duplicate_window", json!(1_000_000_000)),
            ("no_ack", json!(true)),
            ("sources", json!([{ "name": "other" }])),
            ("persist_mode", json!("async")),
            ("subjects", json!(["jari.>"])),
        ] {
            let refused = stream_settings(&info(|config| config[name] = value.clone()), &options());
            let refused = refused.expect_err(name).to_string();
            assert!(refused.contains(name), "{name}: {refused}");
        }
    }

    fn said(name: &str, ver: &str, jetstream: Value) -> ServerStatus {
        let status = json!({ "server": { "name": name, "ver": ver }, "data": { "jetstream": jetstream } });
        serde_json::from_value(status).expect("it is an answer")
    }

    #[test]
    fn old_lazy_and_silent_servers_are_refused_by_name() {
        let flushing = json!({ "config": { "sync_always": true } });
        let lazy = json!({ "config": { "sync_interval": 120_000_000_000_u64 } });
        let keepers: BTreeSet<String> = ["a", "b", "down"].map(String::from).into();
        let good = || said("a", "2.15.1", flushing.clone());
        servers(&keepers, &[good(), said("b", "2.14.0", flushing.clone())]).expect("two of three are good");
        for (other, says) in [
            (said("b", "2.12.1", flushing.clone()), "b is version 2.12.1"),
            (said("b", "2.9.24", flushing.clone()), "at least 2.14.0"),
            (said("b", "2.15.1", lazy.clone()), "sync_interval: always"),
            (said("b", "2.15.1", json!({})), "b has JetStream turned off"),
            (said("c", "2.15.1", flushing.clone()), "[\"b\", \"down\"]"),
        ] {
            let refused = servers(&keepers, &[good(), other]).expect_err(says).to_string();
            assert!(refused.contains(says), "{refused}");
        }
        // A server that does not keep the stream may be anything.
        let bystander = said("c", "2.9.0", lazy);
        servers(&keepers, &[good(), said("b", "2.15.1", flushing), bystander]).expect("it does not count");
        assert!(servers(&BTreeSet::new(), &[]).is_err(), "nobody spoke");
    }

    #[test]
    fn versions_compare_by_number() {
        for (is, good) in
            [("2.14.0", true), ("2.15.1", true), ("3.0.0-beta.1", true), ("2.9.9", false), ("", false)]
        {
            assert_eq!(version("s", is).is_ok(), good, "{is:?}");
        }
    }

    #[test]
    fn a_clock_is_off_only_by_what_the_journey_cannot_explain() {
        let stamp = "2026-01-01T00:00:10.500Z";
        let there = 1_767_225_610_500;
        assert_eq!(clock_off_ms(stamp, there - 20, there + 5), Some(0));
        assert_eq!(clock_off_ms(stamp, there + 700, there + 705), Some(700));
        assert_eq!(clock_off_ms(stamp, there - 900, there - 800), Some(800));
        assert_eq!(clock_off_ms("yesterday", 0, 0), None);
    }
}
