//! Several nodes on one stream: what the composite promises when streams and disks fail.

use jari_journal::replicated::{AckFate, RebuildError, ReplicatedOpenError, rebuild_files, rebuild_stream};
use jari_journal::{
    AppendError, CrashFate, FaultyDisk, FaultyStream, FileOptions, Journal, Position, ReplicatedOptions,
    SettleError, Stream, TakeError,
};

use crate::backends::{
    Owned, append_and_settle, expected, open_node, payload, payloads_of, read, replicated, settle,
    small_options,
};

fn broken(outcome: Result<(), SettleError>) -> String {
    match outcome {
        Err(SettleError::Broken { reason }) => reason,
        other => panic!("broken was expected, not {other:?}"),
    }
}

fn try_settle(journal: &mut dyn Journal) -> Result<(), SettleError> {
    journal.settle(&mut |entry| panic!("{} was delivered", entry.position))
}

#[test]
fn three_writers_see_one_order() {
    let mut nodes = [replicated(), replicated(), replicated()];
    for number in 1..3 {
        nodes[number] = nodes[0].neighbour(number as u64);
    }
    let mut journals: Vec<_> = nodes.iter_mut().map(|node| node.open_node()).collect();
    let mut seen: Vec<Vec<Owned>> = vec![Vec::new(); 3];
    for turn in 0..60_usize {
        // Uneven turns, so that each finds none, one or several of the others' records.
        let node = (turn * turn / 3) % 3;
        journals[node].append(&payload(turn as u64, 100 + turn)).expect("is taken");
        let delivered = settle(&mut journals[node]);
        assert_eq!(delivered.last().expect("its own").2, payload(turn as u64, 100 + turn));
        seen[node].extend(delivered);
    }
    for (journal, seen) in journals.iter_mut().zip(&mut seen) {
        seen.extend(settle(journal));
        assert_eq!(seen.len(), 60);
    }
    let payloads: Vec<_> = (0..60).map(|turn| payload(turn, 100 + turn as usize)).collect();
    assert_eq!(seen[0], expected(&payloads));
    assert_eq!(seen[1], seen[0]);
    assert_eq!(seen[2], seen[0]);
    assert_eq!(read(&journals[2], 0), seen[0]);
}

#[test]
fn a_second_record_waits_for_the_first_ones_place() {
    let mut journal = replicated().open_node();
    journal.append(b"one").expect("is taken");
    assert!(matches!(journal.append(b"two"), Err(AppendError::SettleFirst { .. })));
    assert_eq!(payloads_of(&settle(&mut journal)), [b"one".to_vec()]);
    journal.append(b"two").expect("is taken");
}

#[test]
fn a_node_that_was_away_catches_up() {
    let mut here = replicated();
    let mut away = here.neighbour(1);
    let mut journal = here.open_node();
    append_and_settle(&mut away.open_node(), &[payload(0, 50)]);
    let payloads: Vec<_> = (0..80).map(|number| payload(number, 300)).collect();
    append_and_settle(&mut journal, &payloads[1..]);
    let (back, found) = open_node(&away.disk, away.stream.clone(), 99).expect("opens");
    assert_eq!((found.records, found.files.head), (79, Position(1)));
    assert_eq!(read(&back, 0), read(&journal, 0));
    assert_eq!(back.head(), journal.head());
}

#[test]
fn a_lost_acknowledgement_delivers_the_record_exactly_once() {
    use AckFate::{Late, Lost, Stored};
    let series = [
        vec![Some(Stored)],
        vec![Some(Lost)],
        vec![Some(Late)],
        vec![Some(Stored), Some(Lost), Some(Stored), Some(Late)],
        vec![Some(Late), Some(Late), Some(Late), Some(Late)],
    ];
    for fates in series {
        let mut node = replicated();
        let mut journal = node.open_node();
        append_and_settle(&mut journal, &[b"before".to_vec()]);
        let offers = node.stream.offers();
        node.stream.lose_acks(fates.clone());
        let own = append_and_settle(&mut journal, &[b"own".to_vec()]);
        assert_eq!(payloads_of(&own), [b"own".to_vec()], "{fates:?}");
        assert_eq!(node.stream.offers() - offers, fates.len() as u64 + 1);
        node.stream.let_arrive();
        append_and_settle(&mut journal, &[b"after".to_vec()]);
        let all = [&b"before"[..], b"own", b"after"].map(<[u8]>::to_vec);
        assert_eq!(read(&journal, 0), expected(&all), "{fates:?}");
    }
}

#[test]
fn an_acknowledgement_that_never_comes_breaks_and_a_restart_finds_the_record_once() {
    for (fate, kept) in [(AckFate::Stored, true), (AckFate::Lost, false)] {
        let mut node = replicated();
        let mut journal = node.open_node();
        node.stream.lose_acks([Some(fate); 5]);
        journal.append(b"own").expect("is taken");
        let reason = broken(try_settle(&mut journal));
        assert!(reason.contains("unknown"), "{reason}");
        assert!(matches!(journal.append(b"more"), Err(AppendError::Broken { .. })));
        drop(journal);
        let mut journal = node.open_node();
        assert_eq!(read(&journal, 0).len(), usize::from(kept));
        assert_eq!(settle(&mut journal), [], "what was found at the start is read, not delivered");
    }
}

/// A record of a life that ended is stored after the next life has begun.
#[test]
fn a_record_of_an_earlier_life_that_arrives_late_is_delivered_like_any_other() {
    let mut node = replicated();
    let mut journal = node.open_node();
    node.stream.lose_acks([Some(AckFate::Late); 5]);
    journal.append(b"early").expect("is taken");
    broken(try_settle(&mut journal));
    drop(journal);
    let mut journal = node.open_node();
    append_and_settle(&mut journal, &[b"first".to_vec()]);
    node.stream.let_arrive();
    let delivered = append_and_settle(&mut journal, &[b"second".to_vec()]);
    assert_eq!(payloads_of(&delivered), [b"early".to_vec(), b"second".to_vec()]);
}

#[test]
fn two_lives_never_use_the_same_key() {
    let mut node = replicated();
    append_and_settle(&mut node.open_node(), &[b"same".to_vec()]);
    append_and_settle(&mut node.open_node(), &[b"same".to_vec()]);
    assert_eq!(read(&node.open_node(), 0).len(), 2);
}

#[test]
fn a_refusal_after_an_unknown_offer_is_not_believed() {
    let mut node = replicated();
    let mut journal = node.open_node();
    node.stream.lose_acks([Some(AckFate::Late)]);
    node.stream.limit_room(Some(50));
    let offered = node.stream.clone();
    journal.append(b"own").expect("is taken");
    node.stream.lose_acks([]);
    // The first offer is on its way when the stream fills up.
    let mut filler = Filler(offered, 0);
    filler.fill();
    let (mut journal, _) = {
        drop(journal);
        open_node(&node.disk, filler, 7).expect("opens")
    };
    journal.append(b"own").expect("is taken");
    let reason = broken(try_settle(&mut journal));
    assert!(reason.contains("unknown"), "{reason}");
}

/// A stream whose first offer is unknown and which is full from then on.
struct Filler(FaultyStream, u32);

impl Filler {
    fn fill(&mut self) {
        self.0.limit_room(None);
    }
}

impl Stream for Filler {
    fn offer(&mut self, key: u128, record: &[u8]) -> Result<Position, jari_journal::OfferError> {
        self.1 += 1;
        self.0.limit_room((self.1 > 1).then_some(0));
        self.0.offer(key, record)
    }

    fn take(
        &mut self,
        after: Position,
        at_least: Position,
        visit: &mut dyn FnMut(Position, &[u8]) -> std::ops::ControlFlow<()>,
    ) -> Result<(), TakeError> {
        self.0.take(after, at_least, visit)
    }

    fn ends(&mut self, at_least: Position) -> Result<(Position, Position), TakeError> {
        self.0.ends(at_least)
    }

    fn record_bytes_max(&self) -> usize {
        self.0.record_bytes_max()
    }
}

#[test]
fn a_full_stream_still_delivers_what_others_wrote_before() {
    let mut left = replicated();
    let mut right = left.neighbour(1);
    let (mut left_journal, mut right_journal) = (left.open_node(), right.open_node());
    append_and_settle(&mut left_journal, &[b"left".to_vec()]);
    left.stream.limit_room(Some(0));
    right_journal.append(b"right").expect("is taken");
    let mut delivered = Vec::new();
    let outcome = right_journal.settle(&mut |entry| delivered.push(entry.payload.to_vec()));
    assert!(matches!(outcome, Err(SettleError::Full)));
    assert_eq!(delivered, [b"left".to_vec()]);
    left.stream.limit_room(None);
    let later = append_and_settle(&mut right_journal, &[b"later".to_vec()]);
    assert_eq!(payloads_of(&later), [b"later".to_vec()]);
}

#[test]
fn a_stream_that_is_away_breaks_a_writer_but_not_a_reader() {
    let mut node = replicated();
    let mut journal = node.open_node();
    node.stream.set_away(true);
    assert_eq!(settle(&mut journal), []);
    journal.append(b"own").expect("is taken");
    broken(try_settle(&mut journal));
    drop(journal);
    let refused = open_node(&node.disk, node.stream.clone(), 5).err().expect("is refused");
    assert!(matches!(refused, ReplicatedOpenError::Stream(TakeError::Away { .. })), "{refused}");
}

#[test]
fn a_full_local_disk_never_says_that_the_record_is_not_kept() {
    let mut node = replicated();
    let mut journal = node.open_node();
    append_and_settle(&mut journal, &[payload(1, 300)]);
    node.disk.limit_room(Some(node.disk.used_bytes()));
    let mut kept = vec![payload(1, 300)];
    let reason = loop {
        // What the files have set aside is used up first.
        let next = payload(kept.len() as u64 + 1, 300);
        journal.append(&next).expect("is taken");
        kept.push(next);
        match journal.settle(&mut |_| {}) {
            Ok(()) => {}
            other => break broken(other),
        }
        assert!(kept.len() < 10_000, "the disk has a limit");
    };
    assert!(reason.contains("disk is full"), "{reason}");
    drop(journal);
    let refused = open_node(&node.disk, node.stream.clone(), 50).err().expect("is refused");
    assert!(refused.to_string().contains("disk is full"), "{refused}");
    node.disk.limit_room(None);
    assert_eq!(read(&node.open_node(), 0), expected(&kept));
}

/// Whatever a power cut leaves of the files, the stream has the rest.
#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged_and_doubles_nothing() {
    for operations in 0..120 {
        let mut node = replicated();
        let mut journal = node.open_node();
        node.disk.power_off_after(Some(operations));
        let mut acknowledged = 0;
        for number in 0..20 {
            if journal.append(&payload(number, 500)).is_err() || journal.settle(&mut |_| {}).is_err() {
                break;
            }
            acknowledged += 1;
        }
        drop(journal);
        node.disk.crash(CrashFate::KeepSectors);
        let found = read(&node.open_node(), 0);
        assert!(found.len() >= acknowledged, "after {operations} operations");
        let payloads: Vec<_> = (0..found.len() as u64).map(|number| payload(number, 500)).collect();
        assert_eq!(found, expected(&payloads));
    }
}

#[test]
fn a_stream_that_lost_its_tail_stops_the_node_that_knows_better() {
    let mut node = replicated();
    append_and_settle(&mut node.open_node(), &[b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    node.stream.lose_after(Position(1));
    let refused = open_node(&node.disk, node.stream.clone(), 9).err().expect("is refused");
    assert!(
        matches!(refused, ReplicatedOpenError::LostTail { head: Position(3), last: Position(1) }),
        "{refused}"
    );
    assert!(refused.to_string().contains("jari journal rebuild"), "{refused}");
}

#[test]
fn a_tail_that_is_lost_while_nodes_run_is_noticed_at_the_next_record_of_either() {
    let mut knows = replicated();
    let mut young = knows.neighbour(1);
    let (mut knowing, mut other) = (knows.open_node(), young.open_node());
    append_and_settle(&mut knowing, &[b"one".to_vec()]);
    settle(&mut other);
    append_and_settle(&mut knowing, &[b"lost".to_vec()]);
    knows.stream.lose_after(Position(1));
    append_and_settle(&mut other, &[b"instead".to_vec()]);
    append_and_settle(&mut other, &[b"more".to_vec()]);
    // It finds `more` where it expects a record after its own second one.
    let reason = broken(try_settle(&mut knowing));
    assert!(reason.contains("another history"), "{reason}");
    drop(knowing);
    let refused = open_node(&knows.disk, knows.stream.clone(), 9).err().expect("is refused");
    assert!(matches!(refused, ReplicatedOpenError::Differs { position: Position(2) }), "{refused}");
}

#[test]
fn a_position_given_twice_is_noticed() {
    let mut node = replicated();
    let mut journal = node.open_node();
    append_and_settle(&mut journal, &[b"one".to_vec(), b"two".to_vec()]);
    node.stream.lose_after(Position(1));
    journal.append(b"three").expect("is taken");
    let reason = broken(try_settle(&mut journal));
    assert!(reason.contains("position 2, which is taken"), "{reason}");
}

#[test]
fn a_gap_in_the_stream_names_both_positions() {
    let mut here = replicated();
    let mut away = here.neighbour(1);
    let mut journal = away.open_node();
    append_and_settle(&mut here.open_node(), &[b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    here.stream.lose(Position(2));
    let reason = broken(journal.settle(&mut |_| {}));
    assert!(reason.contains("position 2 was expected, 3 came"), "{reason}");
}

#[test]
fn a_record_that_another_node_changed_is_noticed_by_the_writers_chain() {
    let mut here = replicated();
    let mut away = here.neighbour(1);
    let mut reader = away.open_node();
    let mut journal = here.open_node();
    append_and_settle(&mut journal, &[b"one".to_vec()]);
    here.stream.flip_bit(Position(1));
    append_and_settle(&mut journal, &[b"two".to_vec()]);
    let reason = broken(reader.settle(&mut |_| {}));
    assert!(reason.contains("position 2") && reason.contains("another history"), "{reason}");
    drop(journal);
    let mut last = replicated();
    append_and_settle(&mut last.open_node(), &[b"one".to_vec()]);
    last.stream.flip_bit(Position(1));
    let refused = open_node(&last.disk, last.stream.clone(), 9).err().expect("is refused");
    assert!(matches!(refused, ReplicatedOpenError::Differs { position: Position(1) }), "{refused}");
}

#[test]
fn a_node_that_was_away_longer_than_the_stream_keeps_records_says_where_to_start() {
    let mut here = replicated();
    let mut away = here.neighbour(1);
    append_and_settle(&mut away.open_node(), &[b"one".to_vec()]);
    append_and_settle(&mut here.open_node(), &[b"two".to_vec(), b"three".to_vec()]);
    here.stream.release(Position(1));
    let refused = open_node(&away.disk, away.stream.clone(), 9).err().expect("is refused");
    assert!(
        matches!(refused, ReplicatedOpenError::Behind { head: Position(1), first: Position(2) }),
        "{refused}"
    );
    let nobody = FaultyDisk::new(3);
    let refused = open_node(&nobody, away.stream.clone(), 9).err().expect("is refused");
    assert!(matches!(refused, ReplicatedOpenError::Behind { head: Position::ZERO, .. }), "{refused}");
    assert_eq!(read(&here.open_node(), 0).len(), 3, "who has an overlap goes on");
}

#[test]
fn a_node_reads_on_where_a_stream_that_releases_overtakes_it_only_with_an_error() {
    let mut here = replicated();
    let mut slow = here.neighbour(1);
    let mut journal = slow.open_node();
    append_and_settle(&mut here.open_node(), &[b"one".to_vec(), b"two".to_vec()]);
    here.stream.release(Position(1));
    let reason = broken(try_settle(&mut journal));
    assert!(reason.contains("oldest that the stream keeps is 2"), "{reason}");
}

#[test]
fn stream_and_files_can_be_made_anew_from_each_other() {
    let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = ReplicatedOptions { life: 1, tries_max: 5 };
    let files = |dir: &tempfile::TempDir| small_options(dir.path().join("journal"));
    let mut node = replicated();
    let payloads: Vec<_> = (0..700).map(|number| payload(number, 40)).collect();
    append_and_settle(&mut node.open_node(), &payloads);
    let summary = rebuild_files(files(&left), node.stream.clone(), options).expect("files from the stream");
    assert_eq!(summary.records, 700);
    assert_eq!(summary.chain, node.open_node().head().1);
    let again = rebuild_files(files(&left), node.stream.clone(), options);
    assert!(matches!(again, Err(RebuildError::FilesNotEmpty { head: Position(700), .. })), "{again:?}");

    let mut fresh = FaultyStream::new(5000);
    fresh.lose_acks([None, Some(AckFate::Stored), Some(AckFate::Lost)]);
    let ends = rebuild_stream(files(&left), &mut fresh, options).expect("the stream from files");
    assert_eq!(ends, (Position(1), Position(700)));
    let again = rebuild_stream(files(&left), &mut fresh, options);
    assert!(matches!(again, Err(RebuildError::StreamNotEmpty { last: Position(700) })), "{again:?}");
    let summary = rebuild_files(files(&right), fresh.clone(), options).expect("files from the new stream");
    assert_eq!(summary.chain, node.open_node().head().1);

    // A node goes on with its old files on the new stream.
    let mut old = open_node(&node.disk, fresh, 77).expect("opens").0;
    assert_eq!(append_and_settle(&mut old, &[b"on".to_vec()])[0].0, 701);
}

#[test]
fn a_stream_of_another_beginning_is_not_filled() {
    let dir = tempfile::tempdir().unwrap();
    let options = ReplicatedOptions { life: 1, tries_max: 5 };
    let mut node = replicated();
    append_and_settle(&mut node.open_node(), &vec![payload(1, 500); 30]);
    let files = FileOptions { keep_all: false, ..small_options(dir.path().join("journal")) };
    rebuild_files(files.clone(), node.stream.clone(), options).expect("files from the stream");
    let (mut journal, _) = jari_journal::FileJournal::open(files.clone()).expect("opens");
    journal.release(Position(20)).expect("releases");
    let first = journal.first();
    assert!(first > Position(1));
    drop(journal);
    let refused = rebuild_stream(files, &mut FaultyStream::new(5000), options);
    assert!(matches!(refused, Err(RebuildError::OtherBeginning { .. })), "{refused:?}");
}
