//! The shared table on real servers: who is first, erasing, following, outages.

use std::sync::Arc;
use std::time::Duration;

use jari_journal::jetstream::{ConnectError, Created, JetStreamOptions, Kept, Table, TableError};
use serde_json::json;

use crate::servers::Cluster;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

async fn connect(options: &JetStreamOptions) -> Table {
    Table::connect(options, "jari-vault", true).await.expect("the table is good")
}

/// All that changed after a revision.
async fn changes(table: &Table, mut after: u64) -> Vec<(String, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    loop {
        let (changed, more) = table.changes(after).await.expect("is answered");
        after = changed.last().map_or(after, |last| last.kept.revision);
        all.extend(changed.into_iter().map(|changed| (changed.name, changed.kept.value)));
        if !more {
            return all;
        }
    }
}

/// Waits until the servers that are read from have seen a revision.
async fn seen(table: &Table, revision: u64) {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..250 {
        again.tick().await;
        let (changed, _) = table.changes(revision - 1).await.expect("is answered");
        if changed.first().is_some_and(|first| first.kept.revision >= revision) {
            return;
        }
    }
    panic!("revision {revision} never shows");
}

#[test]
fn of_many_that_make_the_same_name_one_is_first_and_all_learn_its_value() {
    let cluster = Cluster::start();
    let options = cluster.options("jari");
    runtime().block_on(async {
        let mut tables = Vec::new();
        for _ in 0..3 {
            tables.push(Arc::new(connect(&options).await));
        }
        for round in 0..10_u8 {
            let name = format!("person.{round}");
            let mut running = tokio::task::JoinSet::new();
            for node in 0..12_u8 {
                let (table, name) = (Arc::clone(&tables[usize::from(node) % 3]), name.clone());
                running.spawn(async move { (node, table.create(&name, &[round, node]).await) });
            }
            let (mut firsts, mut values) = (Vec::new(), Vec::new());
            for (node, created) in running.join_all().await {
                match created.expect("is answered") {
                    Created::Now { .. } => firsts.push(vec![round, node]),
                    Created::Before(kept) => values.push(kept.value.expect("there is a value")),
                }
            }
            assert_eq!((firsts.len(), values.len()), (1, 11));
            assert!(values.iter().all(|value| *value == firsts[0]), "{firsts:?} {values:?}");
        }
        assert_eq!(tables[0].standing().await.unwrap().names, 10);
    });
}

#[test]
fn what_is_erased_can_be_read_nowhere_and_whoever_was_away_hears_it() {
    let cluster = Cluster::start();
    let options = cluster.options("jari");
    let secret = b"a wrapped key that nobody is to read again";
    let stored = || {
        let mut found = 0;
        for server in 0..3 {
            let dir =
                cluster.config_dir().join(format!("s{server}/jetstream/JARI/streams/KV_jari-vault/msgs"));
            for file in std::fs::read_dir(dir).expect("the server keeps the stream there") {
                let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
                found += usize::from(bytes.windows(secret.len()).any(|part| part == secret));
            }
        }
        found
    };
    runtime().block_on(async {
        let table = connect(&options).await;
        let Created::Now { revision } = table.create("person.1", secret).await.unwrap() else {
            panic!("nobody was before")
        };
        let kept = table.put("person.2", b"stays", None).await.unwrap();
        seen(&table, kept).await;
        assert!(stored() >= 2, "most servers have it on disk");
        let mark = table.erase("person.1").await.unwrap();
        seen(&table, mark).await;
        assert_eq!(table.get("person.1").await.unwrap(), Some(Kept { revision: mark, value: None }));
        let all = changes(&table, 0).await;
        assert_eq!(all, [("person.2".into(), Some(b"stays".to_vec())), ("person.1".into(), None)]);
        assert_eq!(changes(&table, kept).await, [("person.1".into(), None)], "heard by whoever was away");
        // Neither by its position nor in the files of the servers.
        let by_position =
            cluster_api(&cluster, "STREAM.MSG.GET.KV_jari-vault", json!({ "seq": revision })).await;
        assert_eq!(by_position["error"]["code"], 404, "{by_position}");
        let mut again = tokio::time::interval(Duration::from_millis(50));
        for _ in 0..100 {
            again.tick().await;
            if stored() == 0 {
                break;
            }
        }
        assert_eq!(stored(), 0, "its bytes are written over");
        // Erasing again is no error, and the name can be made again.
        assert!(table.erase("person.1").await.unwrap() > mark);
        let again = table.create("person.1", b"another").await.unwrap();
        assert!(matches!(again, Created::Now { .. }), "{again:?}");
        let before = table.create("person.1", b"a third").await.unwrap();
        assert!(matches!(before, Created::Before(Kept { value: Some(value), .. }) if value == b"another"));
        assert_eq!(table.get("never.there").await.unwrap(), None);
        // A change that knows what it changes: one that was made meanwhile is not written over.
        let first = table.put("staff.1", b"one", None).await.unwrap();
        let second = table.replace("staff.1", b"two", first).await.unwrap().expect("nobody changed it");
        assert_eq!(table.replace("staff.1", b"three", first).await.unwrap(), None);
        assert_eq!(table.get("staff.1").await.unwrap().and_then(|kept| kept.value), Some(b"two".to_vec()));
        assert_eq!(
            table.replace("staff.1", b"two", first).await.unwrap(),
            Some(second),
            "as it was asked again"
        );
        assert_eq!(table.replace("staff.2", b"one", 7).await.unwrap(), None, "nobody is there");
    });
}

async fn cluster_api(cluster: &Cluster, subject: &str, question: serde_json::Value) -> serde_json::Value {
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| scope.spawn(|| cluster.api(subject, question)).join())
    })
    .expect("is answered")
}

#[test]
fn changes_come_in_order_over_several_answers_and_what_lasts_a_second_is_over() {
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let options = cluster.options("jari");
    runtime().block_on(async {
        let table = connect(&options).await;
        for number in 0..1_100 {
            table.put(&format!("person.{number}"), &[1], None).await.unwrap();
        }
        let short = table.put("ended.1", b"over soon", Some(1)).await.unwrap();
        let names: Vec<String> = changes(&table, 0).await.into_iter().map(|(name, _)| name).collect();
        let expected = (0..1_100).map(|number| format!("person.{number}")).chain(["ended.1".to_owned()]);
        assert!(names.iter().cloned().eq(expected), "{} names", names.len());
        let mut again = tokio::time::interval(Duration::from_millis(100));
        let mut over = false;
        for _ in 0..100 {
            again.tick().await;
            over = over || table.get("ended.1").await.unwrap().is_none();
            if over {
                break;
            }
        }
        assert!(over, "revision {short} lasted a second");
        let refused = table.put("not a name", b"", None).await.unwrap_err();
        assert!(matches!(refused, TableError::Broken { .. }), "{refused}");
        for name in ["", ".", "a..b", "a.*", "a.>", &"x".repeat(200)] {
            assert!(table.get(name).await.is_err(), "{name}");
        }
    });
}

#[test]
fn a_table_outlives_one_server_and_without_two_it_says_that_it_is_away() {
    let mut cluster = Cluster::start();
    let mut options = cluster.options("jari");
    options.patience = Duration::from_secs(10);
    let runtime = runtime();
    let table = runtime.block_on(connect(&options));
    runtime.block_on(table.create("person.1", b"one")).unwrap();
    let leader = cluster.leader("KV_jari-vault");
    cluster.kill(leader);
    let created = runtime.block_on(table.create("person.2", b"two")).expect("others elect a leader");
    assert!(matches!(created, Created::Now { .. }));
    let last = (0..3).find(|index| *index != leader).expect("three servers");
    cluster.kill(last);
    let away = runtime.block_on(table.create("person.3", b"three")).unwrap_err();
    assert!(matches!(away, TableError::Away { .. }), "{away}");
    cluster.restart_all();
    let created = runtime.block_on(table.create("person.3", b"three")).expect("they are back");
    assert!(matches!(created, Created::Now { .. }), "its own earlier try is no one else: {created:?}");
    let kept = runtime.block_on(table.get("person.2")).unwrap().unwrap();
    assert_eq!(kept.value.as_deref(), Some(&b"two"[..]));
}

#[test]
fn a_bucket_that_would_keep_what_was_erased_or_is_missing_is_refused() {
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let options = cluster.options("jari");
    let runtime = runtime();
    let connect = |may_make| runtime.block_on(Table::connect(&options, "jari-vault", may_make));
    let missing = connect(false).err().expect("is refused");
    assert!(matches!(missing, ConnectError::NoTable { .. }), "{missing}");
    assert!(missing.to_string().contains("jari journal rebuild vault"), "{missing}");
    let lax = json!({
        "name": "KV_jari-vault", "subjects": ["$KV.jari-vault.>"], "storage": "memory", "num_replicas": 1,
        "retention": "limits", "discard": "old", "max_msgs_per_subject": 5, "max_age": 3_600_000_000_000_u64,
    });
    let made = cluster.api("STREAM.CREATE.KV_jari-vault", lax);
    assert!(made.get("error").is_none(), "{made}");
    let says = connect(true).err().expect("is refused").to_string();
    for wrong in
        ["storage", "max_msgs_per_subject", "max_age", "discard", "allow_rollup_hdrs", "allow_msg_ttl"]
    {
        assert!(says.contains(wrong), "{wrong}: {says}");
    }
    cluster.api("STREAM.DELETE.KV_jari-vault", json!({}));
    let lives = [connect(true), connect(false)].map(|table| {
        let table = table.expect("it is made, and found");
        runtime.block_on(table.standing()).unwrap().life
    });
    assert_eq!(lives[0], lives[1]);
    cluster.api("STREAM.DELETE.KV_jari-vault", json!({}));
    let other = connect(true).expect("it is made again");
    assert_ne!(runtime.block_on(other.standing()).unwrap().life, lives[0], "another table is told apart");
}
