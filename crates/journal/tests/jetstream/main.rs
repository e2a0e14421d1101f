//! The replicated journal on real servers: orders, losses, restarts, wrong settings.
//!
//! Each test has servers of its own and ends them. The conformance suite runs on them too,
//! in the test `suite`.

mod faults;
#[path = "../servers/mod.rs"]
mod servers;
mod settings;
mod table;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use jari_journal::jetstream::{JetStream, JetStreamOptions};
use jari_journal::{FileOptions, Journal, Position, ReplicatedJournal, ReplicatedOptions, Stream};

/// The keys of a stream must differ between all openings, as the lives of real nodes do.
pub fn next_life() -> ReplicatedOptions {
    static LIVES: AtomicU64 = AtomicU64::new(1);
    ReplicatedOptions { life: LIVES.fetch_add(1, Ordering::Relaxed), tries_max: 60 }
}

/// Opens a node's journal on a stream of real servers.
pub fn open(options: JetStreamOptions, dir: &Path) -> ReplicatedJournal<JetStream> {
    let stream = JetStream::connect(options).expect("the stream is good");
    open_on(stream, dir)
}

/// Opens a node's journal on any stream.
pub fn open_on<S: Stream>(stream: S, dir: &Path) -> ReplicatedJournal<S> {
    ReplicatedJournal::open(stream, FileOptions::new(dir), next_life()).expect("the journal opens").0
}

/// Writes one record; gives what was delivered, which must hold this record once.
pub fn write(journal: &mut dyn Journal, record: &[u8]) -> Vec<(Position, Vec<u8>)> {
    journal.append(record).expect("is taken");
    let mut delivered = Vec::new();
    journal.settle(&mut |entry| delivered.push((entry.position, entry.payload.to_vec()))).expect("settles");
    assert_eq!(delivered.iter().filter(|(_, delivered)| delivered == record).count(), 1);
    delivered
}

/// All records of a journal.
pub fn read(journal: &dyn Journal) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    journal
        .read(Position(journal.first().0 - 1), &mut |entry| {
            records.push(entry.payload.to_vec());
            ControlFlow::Continue(())
        })
        .expect("reads");
    records
}

#[test]
fn writers_at_the_same_time_see_one_order() {
    let cluster = servers::Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let open_node =
        |node: usize| open(cluster.options("jari"), &dir.path().join(node.to_string()).join("journal"));
    let journals: Vec<_> = (0..3).map(open_node).collect();
    let seen: Vec<_> = std::thread::scope(|scope| {
        let write_some = |(node, mut journal): (usize, ReplicatedJournal<JetStream>)| {
            move || {
                let mut seen = Vec::new();
                for number in 0..40 {
                    seen.extend(write(&mut journal, format!("{node} {number}").as_bytes()));
                }
                (journal, seen)
            }
        };
        let running: Vec<_> =
            journals.into_iter().enumerate().map(write_some).map(|run| scope.spawn(run)).collect();
        running.into_iter().map(|run| run.join().expect("no panic")).collect()
    });
    let mut orders = BTreeSet::new();
    for (mut journal, mut seen) in seen {
        // What the others wrote after this one's last record is heard without writing.
        let mut tries = 0;
        while seen.len() < 120 && tries < 100 {
            let entries =
                &mut |entry: jari_journal::Entry<'_>| seen.push((entry.position, entry.payload.to_vec()));
            journal.settle(entries).expect("settles");
            tries += 1;
        }
        let positions: Vec<u64> = seen.iter().map(|(position, _)| position.0).collect();
        assert_eq!(positions, (1..=120).collect::<Vec<_>>(), "each once, without a gap");
        assert_eq!(read(&journal).len(), 120);
        let each_node_in_its_own_order = (0..3).all(|node| {
            let own = seen.iter().filter(|(_, record)| record.starts_with(format!("{node} ").as_bytes()));
            own.map(|(_, record)| record.clone())
                .eq((0..40).map(|number| format!("{node} {number}").into_bytes()))
        });
        assert!(each_node_in_its_own_order);
        orders.insert((seen, journal.head().1.0));
    }
    assert_eq!(orders.len(), 1, "one order, one chain");
}

#[test]
fn a_node_that_was_away_catches_up_over_several_batches() {
    let cluster = servers::Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let mut away = open(cluster.options("jari"), &dir.path().join("away"));
    write(&mut away, b"before");
    drop(away);
    let mut here = open(cluster.options("jari"), &dir.path().join("here"));
    // More bytes than one batch of the stream, and one group of the files, can hold.
    let record = |number: u8| vec![number; 900_000];
    for number in 0..22 {
        write(&mut here, &record(number));
    }
    let back = open(cluster.options("jari"), &dir.path().join("away"));
    assert_eq!(back.head(), here.head());
    let all: Vec<Vec<u8>> = [b"before".to_vec()].into_iter().chain((0..22).map(record)).collect();
    assert!(read(&back) == all, "every byte is there");
}

#[test]
fn a_node_is_told_at_once_of_what_another_one_wrote() {
    let cluster = servers::Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let mut here = open(cluster.options("jari"), &dir.path().join("here"));
    let mut there = open(cluster.options("jari"), &dir.path().join("there"));
    let (sender, told) = std::sync::mpsc::channel();
    // Whoever was told enough no longer listens.
    let tell = move |position| {
        let _ = sender.send(position);
    };
    assert!(here.watch(std::sync::Arc::new(tell)));
    // The subscription is on its way: what comes before it is not told of.
    let mut number = 0;
    let mut first = None;
    while first.is_none() {
        write(&mut there, format!("before {number}").as_bytes());
        number += 1;
        first = told.recv_timeout(std::time::Duration::from_millis(100)).ok();
    }
    let mut heard = Vec::new();
    here.settle(&mut |entry| heard.push(entry.position)).expect("settles");
    for number in 0..30 {
        let record = format!("after {number}");
        write(&mut there, record.as_bytes());
        let head = there.head().0;
        while told.recv().expect("it is told") < head {}
        let mut delivered = Vec::new();
        here.settle(&mut |entry| delivered.push(entry.payload.to_vec())).expect("settles");
        assert_eq!(
            delivered.last().map(Vec::as_slice),
            Some(record.as_bytes()),
            "what it was told of is there"
        );
    }
    assert_eq!(here.head(), there.head());
}
