//! Servers and streams that must not be used are refused, in words that say what to change.

use std::sync::Arc;
use std::time::Duration;

use jari_journal::jetstream::{ConnectError, Flush, JetStream, JetStreamOptions, Login, SettingsError};
use serde_json::json;

use crate::servers::{Cluster, login, pretender, wall_clock};

fn refusal(options: JetStreamOptions) -> String {
    JetStream::connect(options).err().expect("is refused").to_string()
}

#[test]
fn a_server_that_acknowledges_before_it_flushes_is_refused() {
    let cluster = Cluster::start_with(1, "sync_interval: 2m");
    let says = refusal(cluster.options("jari"));
    assert!(says.contains("s0") && says.contains("sync_interval: always"), "{says}");
    let mut trusting = cluster.options("jari");
    trusting.flush = Flush::Trusted;
    JetStream::connect(trusting).expect("whoever vouches for it may");
}

#[test]
fn a_login_that_may_not_ask_how_servers_flush_is_no_proof_that_they_do() {
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let mut options = cluster.options("jari");
    options.patience = Duration::from_secs(1);
    options.flush = Flush::Checked(login("jari"));
    let says = refusal(options);
    assert!(says.contains("system account"), "{says}");
}

#[test]
fn an_old_server_is_refused_at_once() {
    for old in ["2.9.25", "2.12.1"] {
        let options = JetStreamOptions::new(vec![pretender(old)], "jari", wall_clock());
        let refused = JetStream::connect(options).err().expect("is refused");
        assert!(matches!(refused, ConnectError::Settings(SettingsError::Old { .. })), "{refused}");
        assert!(refused.to_string().contains(old), "{refused}");
    }
}

#[test]
fn a_stream_that_may_drop_records_is_refused_by_each_setting() {
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let lax = json!({
        "name": "jari", "subjects": ["jari.records"], "storage": "memory", "num_replicas": 1,
        "retention": "limits", "discard": "old", "max_age": 3_600_000_000_000_u64, "max_bytes": 104_857_600,
    });
    let made = cluster.api("STREAM.CREATE.jari", lax);
    assert!(made.get("error").is_none(), "{made}");
    let says = refusal(cluster.options("jari"));
    for wrong in ["storage", "discard", "max_age", "deny_delete", "deny_purge", "allow_direct", "duplicate"] {
        assert!(says.contains(wrong), "{wrong}: {says}");
    }
    assert!(!says.contains("subjects"), "what is right is not named: {says}");
}

#[test]
fn a_clock_that_is_far_off_is_refused_and_says_how_far() {
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let clock = wall_clock();
    let mut options = cluster.options("jari");
    options.clock = Arc::new(move || clock() + 3_600_000);
    let refused = JetStream::connect(options).err().expect("is refused");
    let ConnectError::Settings(SettingsError::Clock { off_ms, .. }) = refused else {
        panic!("the clock was expected, not {refused}")
    };
    assert!((3_500_000..3_700_000).contains(&off_ms), "{off_ms}");
}

#[test]
fn nobody_there_and_a_wrong_password_are_told_apart() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("nats://{}", nobody.local_addr().expect("it has an address"));
    drop(nobody);
    let says = refusal(JetStreamOptions::new(vec![address.clone()], "jari", wall_clock()));
    assert!(says.contains(&address) && says.contains("refused"), "{says}");
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let mut options = cluster.options("jari");
    options.login = Login::Password { user: "jari".into(), password: "wrong".into() };
    let says = refusal(options);
    assert!(says.contains("authorization"), "{says}");
}
