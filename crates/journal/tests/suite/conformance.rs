//! What every backend must do, each rule once.

use std::ops::ControlFlow;

use jari_journal::{AppendError, Chain, Journal, Position, ReadError, SettleError};

use crate::backends::{
    Backend, RECORD_BYTES_MAX, append_and_settle, expected, faulty, memory, own, payload, payloads_of, read,
    real_files, replicated, settle, try_read,
};

macro_rules! on_every_backend {
    ($($rule:ident),+ $(,)?) => {
        mod on_memory { $(#[test] fn $rule() { super::$rule(&mut super::memory()); })+ }
        mod on_real_files { $(#[test] fn $rule() { super::$rule(&mut super::real_files()); })+ }
        mod on_faulty_disk { $(#[test] fn $rule() { super::$rule(&mut super::faulty()); })+ }
        mod on_a_stream_in_memory { $(#[test] fn $rule() { super::$rule(&mut super::replicated()); })+ }
    };
}

on_every_backend!(
    a_new_journal_is_empty,
    settled_records_come_back_in_order_with_their_chain,
    nothing_is_delivered_or_read_before_it_is_settled,
    settling_nothing_delivers_nothing,
    empty_records_are_records,
    a_record_that_is_too_large_is_refused_and_harms_nothing,
    a_full_buffer_asks_for_a_settle,
    reading_starts_after_any_position_and_stops_when_told,
    reading_beyond_the_head_is_refused,
    a_reopened_journal_goes_on_where_it_ended,
    released_records_may_go_but_never_later_ones,
    a_full_disk_rolls_the_whole_settle_back_and_recovers,
);

fn some_payloads(from: u64, count: u64, bytes: usize) -> Vec<Vec<u8>> {
    (from..from + count).map(|number| payload(number, bytes)).collect()
}

fn a_new_journal_is_empty(backend: &mut dyn Backend) {
    let journal = backend.open();
    assert_eq!(journal.head(), (Position::ZERO, Chain::ZERO));
    assert_eq!(journal.first(), Position(1));
    assert_eq!(read(&*journal, 0), []);
}

fn settled_records_come_back_in_order_with_their_chain(backend: &mut dyn Backend) {
    let mut journal = backend.open();
    let payloads = some_payloads(0, 40, 333);
    let mut delivered = Vec::new();
    for group in payloads.chunks(3) {
        delivered.extend(append_and_settle(&mut *journal, group));
    }
    assert_eq!(delivered, expected(&payloads));
    assert_eq!(read(&*journal, 0), delivered);
    let (last, chain, _) = &delivered[39];
    assert_eq!(journal.head(), (Position(*last), *chain));
}

fn nothing_is_delivered_or_read_before_it_is_settled(backend: &mut dyn Backend) {
    let mut journal = backend.open();
    journal.append(b"one").expect("is taken");
    assert_eq!(journal.head().0, Position::ZERO);
    assert_eq!(read(&*journal, 0), []);
    drop(journal);
    assert_eq!(read(&*backend.open(), 0), []);
}

fn settling_nothing_delivers_nothing(backend: &mut dyn Backend) {
    let mut journal = backend.open();
    assert_eq!(settle(&mut *journal), []);
    assert_eq!(append_and_settle(&mut *journal, &[b"one".to_vec()]).len(), 1);
    assert_eq!(settle(&mut *journal), []);
    assert_eq!(journal.head().0, Position(1));
}

fn empty_records_are_records(backend: &mut dyn Backend) {
    let payloads = vec![Vec::new(), b"one".to_vec(), Vec::new()];
    append_and_settle(&mut *backend.open(), &payloads);
    assert_eq!(read(&*backend.open(), 0), expected(&payloads));
}

fn a_record_that_is_too_large_is_refused_and_harms_nothing(backend: &mut dyn Backend) {
    let mut journal = backend.open();
    assert_eq!(journal.record_bytes_max(), RECORD_BYTES_MAX);
    let largest = payload(1, RECORD_BYTES_MAX);
    journal.append(&largest).expect("the largest is taken");
    let refused = journal.append(&payload(2, RECORD_BYTES_MAX + 1));
    let sizes = (RECORD_BYTES_MAX + 1, RECORD_BYTES_MAX);
    assert!(matches!(
        refused,
        Err(AppendError::RecordTooLarge { bytes, bytes_max }) if (bytes, bytes_max) == sizes
    ));
    assert_eq!(settle(&mut *journal), expected(&[largest]));
}

fn a_full_buffer_asks_for_a_settle(backend: &mut dyn Backend) {
    let mut journal = backend.open();
    let payloads = some_payloads(0, 100, 1000);
    let refused = payloads.iter().position(|payload| journal.append(payload).is_err());
    let taken = refused.expect("a buffer has an end");
    assert!(matches!(
        journal.append(&payloads[taken]),
        Err(AppendError::SettleFirst { bytes }) if bytes >= taken * 1000
    ));
    assert_eq!(settle(&mut *journal), expected(&payloads[..taken]));
    journal.append(&payloads[taken]).expect("there is room again");
    settle(&mut *journal);
    assert_eq!(read(&*journal, 0), expected(&payloads[..=taken]));
}

fn reading_starts_after_any_position_and_stops_when_told(backend: &mut dyn Backend) {
    let mut journal = backend.open();
    let payloads = some_payloads(0, 30, 400);
    payloads.chunks(4).for_each(|group| drop(append_and_settle(&mut *journal, group)));
    let all = expected(&payloads);
    for after in 0..=30 {
        assert_eq!(read(&*journal, after), all[after as usize..], "after {after}");
        let mut first = None;
        let stop = &mut |entry: jari_journal::Entry<'_>| {
            assert_eq!(first.replace(own(entry)), None, "nothing follows a break");
            ControlFlow::Break(())
        };
        journal.read(Position(after), stop).expect("reads");
        assert_eq!(first.as_ref(), all.get(after as usize));
    }
}

fn reading_beyond_the_head_is_refused(backend: &mut dyn Backend) {
    let mut journal = backend.open();
    append_and_settle(&mut *journal, &some_payloads(0, 3, 10));
    let refused = try_read(&*journal, 4);
    let known = (Position(4), Position(3));
    assert!(matches!(
        refused,
        Err(ReadError::BeyondHead { after, head }) if (after, head) == known
    ));
}

fn a_reopened_journal_goes_on_where_it_ended(backend: &mut dyn Backend) {
    let payloads = some_payloads(0, 36, 300);
    for (index, group) in payloads.chunks(3).enumerate() {
        let mut journal = backend.open();
        let before = index * 3;
        assert_eq!(journal.head().0, Position(before as u64));
        assert_eq!(settle(&mut *journal), [], "old records are read, not delivered");
        let delivered = append_and_settle(&mut *journal, group);
        assert_eq!(delivered, expected(&payloads)[before..before + 3]);
    }
    assert_eq!(read(&*backend.open(), 0), expected(&payloads));
}

fn released_records_may_go_but_never_later_ones(backend: &mut dyn Backend) {
    let mut journal = backend.open();
    let payloads = some_payloads(0, 60, 300);
    payloads.chunks(2).for_each(|group| drop(append_and_settle(&mut *journal, group)));
    let all = expected(&payloads);
    journal.release(Position(0)).expect("releases nothing");
    assert_eq!(journal.first(), Position(1));
    journal.release(Position(35)).expect("releases");
    let first = journal.first();
    assert!(first > Position(1) && first <= Position(36), "{first}");
    drop(journal);
    let mut journal = backend.open();
    assert_eq!(journal.first(), first);
    assert_eq!(read(&*journal, first.0 - 1), all[first.0 as usize - 1..]);
    assert!(matches!(
        try_read(&*journal, first.0 - 2),
        Err(ReadError::Released { first: told, .. }) if told == first
    ));
    journal.release(Position(u64::MAX)).expect("releases what there is");
    let head = journal.head();
    assert_eq!(head.0, Position(60));
    drop(journal);
    let mut journal = backend.open();
    assert_eq!(journal.head(), head, "the end is remembered without the records");
    assert_eq!(append_and_settle(&mut *journal, &[b"more".to_vec()])[0].0, 61);
}

fn a_full_disk_rolls_the_whole_settle_back_and_recovers(backend: &mut dyn Backend) {
    let mut journal = backend.open();
    let mut kept = some_payloads(0, 2, 100);
    append_and_settle(&mut *journal, &kept);
    for room in (0..6000).step_by(250) {
        if !backend.leave_room(Some(room as u64)) {
            // A real disk cannot be filled here; the faulty one runs the same code.
            break;
        }
        let head = journal.head();
        let refused = some_payloads(1000, 4, 1900);
        // A journal that takes one record at a time has its share of it refused.
        let taken = refused.iter().take_while(|payload| journal.append(payload).is_ok()).count();
        assert!(taken > 0, "the buffer was empty");
        if taken * 1900 <= room {
            backend.leave_room(None);
            kept.extend(payloads_of(&settle(&mut *journal)));
            break;
        }
        let mut delivered = 0;
        let outcome = journal.settle(&mut |_| delivered += 1);
        assert!(matches!(outcome, Err(SettleError::Full)), "room {room}: {outcome:?}");
        assert_eq!((delivered, journal.head()), (0, head));
        assert_eq!(payloads_of(&read(&*journal, 0)), kept);
        assert!(backend.leave_room(None));
        let more = some_payloads(room as u64, 2, 100);
        append_and_settle(&mut *journal, &more);
        kept.extend(more);
    }
    append_and_settle(&mut *journal, &[b"last".to_vec()]);
    kept.push(b"last".to_vec());
    drop(journal);
    assert_eq!(read(&*backend.open(), 0), expected(&kept));
}

/// The shape of a stream shared by several writers, which files do not have.
#[test]
fn every_writer_is_delivered_the_same_order() {
    let stream = memory().0;
    let (mut left, mut right) = (stream.open(), stream.open());
    left.append(b"left 1").expect("is taken");
    right.append(b"right 1").expect("is taken");
    right.append(b"right 2").expect("is taken");
    let mut seen_right = settle(&mut right);
    let mut seen_left = settle(&mut left);
    assert_eq!(right.head().0, Position(2), "a head is what was delivered here");
    seen_right.extend(settle(&mut right));
    let order = [b"right 1".to_vec(), b"right 2".to_vec(), b"left 1".to_vec()];
    assert_eq!(seen_left, expected(&order));
    assert_eq!(seen_left, seen_right);
    seen_left.clear();
    assert_eq!(settle(&mut left), seen_left);
}
