//! Every cut, every flipped bit, every missing file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jari_journal::file::DamageKind;
use jari_journal::{
    Disk, FaultyDisk, FileJournal, FileOptions, Journal, OpenError, Position, ReadError, VerifyError,
    verify_on,
};

use crate::backends::{append_and_settle, expected, open_on, payload, read, small_options, try_read};

const FRAME_BYTES: usize = 80;

fn segment_path(first: u64) -> PathBuf {
    PathBuf::from(format!("/j/{first:020}.segment"))
}

fn one_segment() -> FileOptions {
    FileOptions { segment_bytes_max: 64 << 20, ..small_options("/j") }
}

/// Three groups of two small records in one segment, without the zeros that
/// are filled ahead. Gives the disk and where each group starts.
fn three_groups() -> (FaultyDisk, Vec<usize>, Vec<Vec<u8>>) {
    let disk = FaultyDisk::new(7);
    let payloads: Vec<_> = (0..6).map(|number| payload(number, 20 + number as usize)).collect();
    let (mut journal, _) = open_on(&disk, one_segment());
    let mut starts = vec![FRAME_BYTES];
    for group in payloads.chunks(2) {
        append_and_settle(&mut journal, group);
        let records: usize = group.iter().map(|payload| 28 + payload.len()).sum();
        starts.push(starts[starts.len() - 1] + FRAME_BYTES + records + FRAME_BYTES);
    }
    drop(journal);
    let end = starts[3];
    let path = segment_path(1);
    let bytes = disk.contents(&path).expect("exists");
    assert!(bytes[end..].iter().all(|byte| *byte == 0), "the layout is as documented");
    disk.edit(&path, |bytes| bytes.truncate(end));
    (disk, starts, payloads)
}

fn open_fails(disk: &FaultyDisk, options: FileOptions) -> jari_journal::Damage {
    let before = all_bytes(disk);
    match FileJournal::open_on(Arc::new(disk.clone()), options) {
        Err(OpenError::Damaged(damage)) => {
            assert_eq!(all_bytes(disk), before, "damage changes nothing");
            *damage
        }
        Err(other) => panic!("not damage: {other}"),
        Ok((_, recovery)) => panic!("damage was accepted: {recovery:?}"),
    }
}

fn all_bytes(disk: &FaultyDisk) -> Vec<(String, Option<Vec<u8>>)> {
    let names = disk.list(Path::new("/j")).expect("lists");
    names.into_iter().map(|name| (name.clone(), disk.contents(&Path::new("/j").join(name)))).collect()
}

fn check_tail(disk: &FaultyDisk, kept: &[Vec<u8>], torn_bytes: u64, what: &str) {
    let mut verified = Vec::new();
    let summary = verify_on(disk, Path::new("/j"), &mut |entry| {
        verified.push(crate::backends::own(entry));
    });
    let summary = summary.unwrap_or_else(|error| panic!("{what}: {error}"));
    let (mut journal, recovery) = open_on(disk, one_segment());
    assert_eq!(recovery.records, kept.len() as u64, "{what}");
    assert_eq!(summary.torn_bytes, recovery.torn_bytes, "{what}");
    assert_eq!(recovery.torn_bytes, torn_bytes, "{what}");
    assert_eq!(verified, expected(kept), "{what}");
    assert_eq!(read(&journal, 0), expected(kept), "{what}");
    append_and_settle(&mut journal, &[b"afterwards".to_vec()]);
    drop(journal);
    let (journal, recovery) = open_on(disk, one_segment());
    assert_eq!(recovery.torn_bytes, 0, "{what}: once dropped, it is gone");
    let all = [kept, &[b"afterwards".to_vec()]].concat();
    assert_eq!(read(&journal, 0), expected(&all), "{what}");
}

#[test]
fn a_last_group_cut_at_any_byte_is_dropped_whole_and_nothing_else_is() {
    let (disk, starts, payloads) = three_groups();
    let seal = starts[3] - FRAME_BYTES;
    for cut in starts[2]..=starts[3] {
        let kept = if cut >= seal { 6 } else { 4 };
        let frame_end = if cut >= seal { seal } else { starts[2] };
        let torn = if cut == starts[3] { 0 } else { cut - frame_end };
        let shorter = disk.copy(1);
        shorter.edit(&segment_path(1), |bytes| bytes.truncate(cut));
        // The last bytes before a cut may be zero, and do not count then.
        let bytes = shorter.contents(&segment_path(1)).expect("exists");
        let zeros = bytes[cut - torn..].iter().rev().take_while(|byte| **byte == 0).count();
        let torn = (torn - zeros) as u64;
        check_tail(&shorter, &payloads[..kept], torn, &format!("cut at {cut}"));
        let zeroed = disk.copy(1);
        zeroed.edit(&segment_path(1), |bytes| bytes[cut..].fill(0));
        check_tail(&zeroed, &payloads[..kept], torn, &format!("zero from {cut}"));
    }
}

#[test]
fn a_bit_flipped_in_any_byte_of_a_sealed_group_is_a_stop() {
    let (disk, starts, payloads) = three_groups();
    let all = expected(&payloads);
    for offset in 0..starts[3] - FRAME_BYTES {
        let flipped = disk.copy(1);
        flipped.flip_bit(&segment_path(1), offset, (offset % 8) as u8);
        let damage = open_fails(&flipped, one_segment());
        assert_eq!(damage.segment, segment_path(1));
        let group = starts.iter().filter(|start| **start <= offset).count();
        let from = if group == 0 { 0 } else { starts[group - 1] };
        let found = damage.offset as usize;
        assert!((from..=offset).contains(&found), "flip at {offset}, found at {found}");
        let intact = group.saturating_sub(1) * 2;
        let suspect = damage.position.0 as usize;
        assert!((intact + 1..=intact + 3).contains(&suspect), "flip at {offset}: {damage}");
        let mut verified = Vec::new();
        let visit = &mut |entry: jari_journal::Entry<'_>| verified.push(crate::backends::own(entry));
        let error = verify_on(&flipped, Path::new("/j"), visit).expect_err("is damaged");
        assert!(matches!(error, VerifyError::Damaged(told) if *told == damage));
        assert_eq!(verified, all[..verified.len()], "flip at {offset}");
        assert!(verified.len() >= intact, "what comes before is handed out");
    }
}

#[test]
fn a_bit_flipped_in_the_last_seal_loses_nothing() {
    let (disk, starts, payloads) = three_groups();
    for offset in starts[3] - FRAME_BYTES..starts[3] {
        let flipped = disk.copy(1);
        flipped.flip_bit(&segment_path(1), offset, (offset % 8) as u8);
        let bytes = flipped.contents(&segment_path(1)).expect("exists");
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let torn = (FRAME_BYTES - zeros) as u64;
        check_tail(&flipped, &payloads, torn, &format!("flip at {offset}"));
    }
}

#[test]
fn a_bit_flipped_in_an_older_segment_is_a_stop_on_opening_or_on_reading() {
    let disk = FaultyDisk::new(3);
    let (mut journal, _) = open_on(&disk, small_options("/j"));
    let payloads: Vec<_> = (0..30).map(|number| payload(number, 300)).collect();
    payloads.chunks(2).for_each(|group| drop(append_and_settle(&mut journal, group)));
    drop(journal);
    let all = expected(&payloads);
    let second = disk.list(Path::new("/j")).expect("lists")[1].clone();
    let path = Path::new("/j").join(&second);
    let bytes = disk.contents(&path).expect("exists").len();
    for offset in 0..bytes {
        let flipped = disk.copy(1);
        flipped.flip_bit(&path, offset, (offset % 8) as u8);
        let thorough = FileOptions { check_all: true, ..small_options("/j") };
        assert_eq!(open_fails(&flipped, thorough).segment, path, "flip at {offset}");
        match FileJournal::open_on(Arc::new(flipped.clone()), small_options("/j")) {
            Err(OpenError::Damaged(damage)) => assert_eq!(damage.segment, path),
            Err(other) => panic!("flip at {offset}: {other}"),
            Ok((journal, _)) => check_read_stops(&journal, &path, &all, offset),
        }
    }
}

fn check_read_stops(journal: &FileJournal, path: &Path, all: &[crate::backends::Owned], offset: usize) {
    let mut read = Vec::new();
    let outcome = journal.read(Position::ZERO, &mut |entry| {
        read.push(crate::backends::own(entry));
        std::ops::ControlFlow::Continue(())
    });
    match outcome {
        Err(ReadError::Damaged(damage)) => assert_eq!(damage.segment, path, "flip at {offset}"),
        other => panic!("flip at {offset} was read over: {other:?}"),
    }
    assert_eq!(read, all[..read.len()], "flip at {offset}: only good records are handed out");
}

#[test]
fn a_missing_segment_is_a_stop_wherever_it_was() {
    let disk = FaultyDisk::new(3);
    let (mut journal, _) = open_on(&disk, small_options("/j"));
    for number in 0..30 {
        append_and_settle(&mut journal, &[payload(number, 500)]);
    }
    drop(journal);
    let segments: Vec<_> = disk.list(Path::new("/j")).expect("lists");
    assert!(segments.len() >= 4, "{segments:?}");
    // Without the first it looks like a released one; that is what release is.
    for missing in &segments[1..] {
        let copy = disk.copy(1);
        copy.remove(&Path::new("/j").join(missing)).expect("removes");
        let damage = open_fails(&copy, small_options("/j"));
        assert_eq!(damage.what, DamageKind::SegmentMissing);
        assert_eq!(damage.segment, Path::new("/j").join(missing));
    }
}

#[test]
fn a_segment_of_another_journal_is_a_stop() {
    let build = |salt: u64| {
        let disk = FaultyDisk::new(3);
        let (mut journal, _) = open_on(&disk, small_options("/j"));
        for number in 0..20 {
            append_and_settle(&mut journal, &[payload(number + salt, 500)]);
        }
        disk
    };
    let (ours, theirs) = (build(0), build(100));
    let second = Path::new("/j").join(&ours.list(Path::new("/j")).expect("lists")[1]);
    let foreign = theirs.contents(&second).expect("the same sizes give the same names");
    let ours = ours.copy(1);
    ours.edit(&second, |bytes| *bytes = foreign);
    assert_eq!(open_fails(&ours, small_options("/j")).what, DamageKind::Discontinuous);
}

#[test]
fn damage_says_where_it_is_and_what_to_do() {
    let (disk, starts, _) = three_groups();
    let offset = starts[1] + FRAME_BYTES + 30;
    disk.flip_bit(&segment_path(1), offset, 0);
    let text = open_fails(&disk, one_segment()).to_string();
    let place = format!("00000000000000000001.segment at byte {}", starts[1] + FRAME_BYTES);
    for part in [&place, "Records before 3 are intact", "a record is damaged", "What to do"] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn a_tail_lost_without_trace_is_noticed_by_whoever_remembers_a_position() {
    let (disk, starts, _) = three_groups();
    disk.edit(&segment_path(1), |bytes| bytes.truncate(starts[2]));
    let (journal, _) = open_on(&disk, one_segment());
    let refused = try_read(&journal, 6);
    assert!(matches!(refused, Err(ReadError::BeyondHead { head: Position(4), .. })));
}
