//! What was released stays released, whatever becomes of the directory; what was not is missed.

use std::path::Path;
use std::sync::Arc;

use jari_journal::file::DamageKind;
use jari_journal::{
    CrashFate, Damage, Disk, FaultyDisk, FileJournal, Journal, OpenError, Position, ReleaseError,
};

use crate::backends::{append_and_settle, expected, open_on, payload, read, small_options};

const DIR: &str = "/j";
const NOTE: &str = "FIRST";

/// Three records in every segment, thirty of them.
fn thirty() -> (FaultyDisk, FileJournal) {
    let disk = FaultyDisk::new(3);
    let (mut journal, _) = open_on(&disk, small_options(DIR));
    for number in 1..=30 {
        append_and_settle(&mut journal, &[payload(number, 900)]);
    }
    (disk, journal)
}

fn names(disk: &FaultyDisk) -> Vec<String> {
    disk.list(Path::new(DIR)).expect("lists")
}

fn damage(disk: &FaultyDisk) -> Damage {
    match FileJournal::open_on(Arc::new(disk.clone()), small_options(DIR)) {
        Err(OpenError::Damaged(damage)) => *damage,
        Err(other) => panic!("not damage: {other}"),
        Ok((_, recovery)) => panic!("damage was accepted: {recovery:?}"),
    }
}

#[test]
fn a_removal_that_a_power_cut_undoes_long_after_leaves_no_gap() {
    // Note, directory, directory: each of the syncs of a release fails in its turn.
    for syncs in 0..3 {
        let (disk, mut journal) = thirty();
        disk.fail_sync_after(syncs);
        let outcome = journal.release(Position(10));
        match syncs {
            0 => assert!(matches!(outcome, Err(ReleaseError::Kept { .. })), "{outcome:?}"),
            _ => assert!(matches!(outcome, Err(ReleaseError::Broken { .. })), "{outcome:?}"),
        }
        drop(journal);
        // The process starts again, and what it sees of the directory is not what is durable.
        let (mut journal, _) = open_on(&disk, small_options(DIR));
        journal.release(Position(20)).expect("releases");
        let (first, kept) = (journal.first(), names(&disk));
        drop(journal);
        disk.crash(CrashFate::LoseUnsynced);
        let (journal, recovery) = open_on(&disk, small_options(DIR));
        assert_eq!((recovery.first, recovery.head), (first, Position(30)), "sync {syncs}");
        assert_eq!(names(&disk), kept, "what came back is removed again");
        let all: Vec<_> = (1..=30).map(|number| payload(number, 900)).collect();
        let after = first.0 - 1;
        assert_eq!(read(&journal, after), expected(&all)[usize::try_from(after).expect("is small")..]);
    }
}

#[test]
fn a_segment_that_was_not_released_is_missed_even_if_it_is_the_first() {
    let (disk, mut journal) = thirty();
    journal.release(Position(10)).expect("releases");
    drop(journal);
    let segments: Vec<_> = names(&disk).into_iter().filter(|name| name != NOTE).collect();
    for missing in &segments {
        let copy = disk.copy(1);
        copy.remove(&Path::new(DIR).join(missing)).expect("removes");
        let damage = damage(&copy);
        assert_eq!(damage.what, DamageKind::SegmentMissing);
        assert_eq!(damage.segment, Path::new(DIR).join(missing));
    }
    let empty = disk.copy(1);
    for name in &segments {
        empty.remove(&Path::new(DIR).join(name)).expect("removes");
    }
    assert_eq!(damage(&empty).segment, Path::new(DIR).join(&segments[0]), "it is no new journal");
}

#[test]
fn a_damaged_note_of_what_was_released_is_a_stop_with_a_way_out() {
    let (disk, mut journal) = thirty();
    journal.release(Position(10)).expect("releases");
    let first = journal.first();
    drop(journal);
    let note = Path::new(DIR).join(NOTE);
    for offset in 0..80 {
        let copy = disk.copy(1);
        copy.flip_bit(&note, offset, 3);
        let damage = damage(&copy);
        assert_eq!((damage.segment.as_path(), damage.what), (&*note, DamageKind::First), "flip at {offset}");
        assert!(damage.to_string().contains("remove the file here"), "{damage}");
    }
    disk.remove(&note).expect("removes");
    assert_eq!(open_on(&disk, small_options(DIR)).1.first, first, "as the message says");
}
