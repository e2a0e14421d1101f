//! Servers that are killed, acknowledgements that are lost, streams that lose records.

use std::ops::ControlFlow;

use jari_journal::jetstream::{ConnectError, JetStream};
use jari_journal::replicated::{RebuildError, ReplicatedOpenError, rebuild_files, rebuild_stream};
use jari_journal::{
    FileOptions, Journal, OfferError, Position, ReplicatedJournal, SettleError, Stream, TakeError,
};
use serde_json::json;

use crate::servers::Cluster;
use crate::{next_life, open, open_on, read, write};

fn record(number: usize) -> Vec<u8> {
    format!("record {number}").into_bytes()
}

/// A fresh node takes the whole stream: everything acknowledged is there, once, in order.
fn assert_stream_holds(cluster: &Cluster, records: &[Vec<u8>]) {
    let dir = tempfile::tempdir().unwrap();
    let fresh = open(cluster.options("jari"), &dir.path().join("journal"));
    assert_eq!(read(&fresh), records);
}

#[test]
fn killed_servers_and_leaders_lose_nothing_acknowledged() {
    let mut cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(cluster.options("jari"), &dir.path().join("journal"));
    let mut records = Vec::new();
    for number in 0..60 {
        match number {
            10 => cluster.kill((cluster.leader("jari") + 1) % 3),
            30 => cluster.kill(cluster.leader("jari")),
            45 => (0..3).for_each(|index| cluster.kill(index)),
            _ => {}
        }
        if matches!(number, 20 | 40 | 45) {
            cluster.restart_all();
        }
        records.push(record(number));
        let delivered = write(&mut journal, &records[number]);
        assert_eq!(delivered, [(Position(number as u64 + 1), records[number].clone())], "exactly once");
    }
    assert_eq!(read(&journal), records);
    assert_stream_holds(&cluster, &records);
}

/// Loses the answers to the first tries of every offer, after the servers have stored it.
struct Forgetful<'a> {
    stream: JetStream,
    /// Called between the first try, which was stored, and the next.
    between: Box<dyn FnMut() + Send + 'a>,
    last: Option<u128>,
    offers: Vec<Position>,
}

impl Stream for Forgetful<'_> {
    fn offer(&mut self, key: u128, record: &[u8]) -> Result<Position, OfferError> {
        let position = self.stream.offer(key, record)?;
        self.offers.push(position);
        if self.last.replace(key) == Some(key) {
            return Ok(position);
        }
        (self.between)();
        Err(OfferError::Unknown { reason: "the answer was lost".into() })
    }

    fn take(
        &mut self,
        after: Position,
        at_least: Position,
        visit: &mut dyn FnMut(Position, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), TakeError> {
        self.stream.take(after, at_least, visit)
    }

    fn ends(&mut self, at_least: Position) -> Result<(Position, Position), TakeError> {
        self.stream.ends(at_least)
    }

    fn record_bytes_max(&self) -> usize {
        self.stream.record_bytes_max()
    }
}

#[test]
fn a_record_offered_again_after_a_lost_answer_is_stored_once_even_by_another_leader() {
    let mut cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let stream = JetStream::connect(cluster.options("jari")).expect("connects");
    let options = cluster.options("jari");
    let mut kills = 0;
    let between = Box::new(|| {
        kills += 1;
        if kills == 2 {
            let leader = cluster.leader("jari");
            cluster.kill(leader);
        }
        if kills == 3 {
            // What they remember of keys must outlive all of them.
            cluster.restart_all();
            (0..3).for_each(|index| cluster.kill(index));
            cluster.restart_all();
        }
    });
    let forgetful = Forgetful { stream, between, last: None, offers: Vec::new() };
    let mut journal = open_on(forgetful, &dir.path().join("journal"));
    let records: Vec<_> = (0..4).map(record).collect();
    for (number, record) in records.iter().enumerate() {
        let delivered = write(&mut journal, record);
        assert_eq!(delivered, [(Position(number as u64 + 1), record.clone())]);
    }
    let offers: Vec<u64> = journal.stream().offers.iter().map(|position| position.0).collect();
    assert_eq!(offers, [1, 1, 2, 2, 3, 3, 4, 4], "each was stored by the first try and found by the second");
    drop(journal);
    let fresh = open(options, &dir.path().join("fresh"));
    assert_eq!(read(&fresh), records);
}

#[test]
fn a_stream_that_lost_its_tail_is_noticed_and_made_anew_from_the_files() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let (files, copy) = (dir.path().join("journal"), dir.path().join("copy"));
    let records: Vec<_> = (0..30).map(record).collect();
    let mut journal = open(cluster.options("jari"), &files);
    records.iter().for_each(|record| drop(write(&mut journal, record)));
    let head = journal.head();
    drop(journal);

    let removed = cluster.api("STREAM.DELETE.jari", json!({}));
    assert_eq!(removed["success"], json!(true), "{removed}");
    let mut options = cluster.options("jari");
    options.create_at = None;
    let refused = JetStream::connect(options.clone()).err().expect("is refused");
    assert!(matches!(refused, ConnectError::Missing { .. }), "{refused}");

    // Somebody who knows nothing of the files makes the stream again, and writes to it.
    let mut stranger = open(cluster.options("jari"), &dir.path().join("stranger"));
    write(&mut stranger, &records[0]);
    let stream = JetStream::connect(options.clone()).expect("connects");
    let refused = ReplicatedJournal::open(stream, FileOptions::new(&files), next_life());
    let refused = refused.err().expect("is refused");
    let lost = ReplicatedOpenError::LostTail { head: Position(30), last: Position(1) };
    assert_eq!(refused.to_string(), lost.to_string());
    let mut stream = JetStream::connect(options.clone()).expect("connects");
    let refused = rebuild_stream(FileOptions::new(&files), &mut stream, next_life());
    assert!(matches!(refused, Err(RebuildError::StreamNotEmpty { last: Position(1) })), "{refused:?}");

    cluster.api("STREAM.DELETE.jari", json!({}));
    let mut stream = JetStream::connect(cluster.options("jari")).expect("connects");
    let ends = rebuild_stream(FileOptions::new(&files), &mut stream, next_life()).expect("is made anew");
    assert_eq!(ends, (Position(1), Position(30)));
    let summary = rebuild_files(FileOptions::new(&copy), stream, next_life()).expect("files are made anew");
    assert_eq!((summary.head, summary.chain), head);
    let mut journal = open(options, &files);
    assert_eq!(write(&mut journal, b"on")[0].0, Position(31));
}

#[test]
fn a_stream_can_begin_where_the_files_of_a_node_do() {
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let dir = tempfile::tempdir().unwrap();
    let files = FileOptions { segment_bytes_max: 2000, ..FileOptions::new(dir.path().join("journal")) };
    let stream = JetStream::connect(cluster.options("old")).expect("connects");
    let (mut journal, _) = ReplicatedJournal::open(stream, files.clone(), next_life()).expect("opens");
    for number in 0..20 {
        write(&mut journal, &[number; 500]);
    }
    journal.release(Position(12)).expect("releases");
    let (first, head) = (journal.first(), journal.head());
    assert!(first > Position(5), "{first}");
    drop(journal);
    let mut options = cluster.options("new");
    options.create_at = Some(first);
    let mut stream = JetStream::connect(options).expect("connects");
    let ends = rebuild_stream(files.clone(), &mut stream, next_life()).expect("is made anew");
    assert_eq!(ends, (first, Position(20)));
    let (mut journal, found) = ReplicatedJournal::open(stream, files, next_life()).expect("opens");
    assert_eq!((found.records, journal.head()), (0, head));
    assert_eq!(write(&mut journal, b"on")[0].0, Position(21));
    let fresh = JetStream::connect(cluster.options("new")).expect("connects");
    let refused = ReplicatedJournal::open(fresh, FileOptions::new(dir.path().join("fresh")), next_life());
    assert!(matches!(refused, Err(ReplicatedOpenError::Behind { .. })), "a node without files cannot join");
}

#[test]
fn a_full_stream_refuses_a_record_for_good_and_takes_the_next_when_there_is_room() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let mut options = cluster.options("jari");
    options.stream_bytes_max = 20_000;
    let mut journal = open(options, &dir.path().join("journal"));
    let mut kept = Vec::new();
    let refused = loop {
        let next = vec![kept.len() as u8; 4_000];
        journal.append(&next).expect("is taken");
        match journal.settle(&mut |entry| kept.push(entry.payload.to_vec())) {
            Ok(()) => assert!(kept.len() < 10, "the stream has an end"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SettleError::Full), "{refused}");
    assert_eq!(kept.len(), 4);
    let mut config = cluster.api("STREAM.INFO.jari", json!({}))["config"].clone();
    config["max_bytes"] = json!(200_000);
    let updated = cluster.api("STREAM.UPDATE.jari", config);
    assert!(updated.get("error").is_none(), "{updated}");
    write(&mut journal, b"again");
    kept.push(b"again".to_vec());
    assert_eq!(read(&journal), kept);
}

#[test]
fn a_cluster_without_a_majority_acknowledges_nothing_and_goes_on_when_it_has_one() {
    let mut cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let stream = JetStream::connect(cluster.options("jari")).expect("connects");
    let life = jari_journal::ReplicatedOptions { tries_max: 2, ..next_life() };
    let files = FileOptions::new(dir.path().join("journal"));
    let (mut journal, _) = ReplicatedJournal::open(stream, files, life).expect("opens");
    write(&mut journal, b"one");
    cluster.kill(0);
    cluster.kill(1);
    journal.append(b"two").expect("is taken");
    let outcome = journal.settle(&mut |_| panic!("nothing can be final"));
    assert!(matches!(outcome, Err(SettleError::Broken { .. })), "{outcome:?}");
    drop(journal);
    cluster.restart(0);
    cluster.restart(1);
    let mut journal = open(cluster.options("jari"), &dir.path().join("journal"));
    write(&mut journal, b"three");
    let records = read(&journal);
    let unknown = records.iter().filter(|record| *record == b"two").count();
    assert!(unknown <= 1 && records.len() == 2 + unknown, "{records:?}");
    assert_stream_holds(&cluster, &records);
}
