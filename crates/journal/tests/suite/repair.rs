//! What opening decides in the rare cases, and what it repairs for good.

use std::path::Path;
use std::sync::Arc;

use jari_journal::file::DamageKind;
use jari_journal::{CrashFate, Disk, FaultyDisk, FileJournal, FileOptions, OpenError, OpenMode, Recovery};

use crate::backends::{append_and_settle, expected, open_on, payload, read, small_options};

const FRAME_BYTES: usize = 80;
const FIRST: &str = "/j/00000000000000000001.segment";
/// Frame, record header, payload of 100 bytes, seal.
const GROUP_BYTES: usize = FRAME_BYTES + 28 + 100 + FRAME_BYTES;

fn one_segment() -> FileOptions {
    FileOptions { segment_bytes_max: 64 << 20, ..small_options("/j") }
}

/// Groups of one record of 100 bytes, the first of them 1.
fn groups(count: u64) -> (FaultyDisk, Vec<Vec<u8>>) {
    let disk = FaultyDisk::new(5);
    let payloads: Vec<_> = (1..=count).map(|number| payload(number, 100)).collect();
    let (mut journal, _) = open_on(&disk, one_segment());
    for payload in &payloads {
        append_and_settle(&mut journal, std::slice::from_ref(payload));
    }
    (disk, payloads)
}

/// Makes the seal after group `number` unreadable.
fn lose_seal(disk: &FaultyDisk, number: usize) {
    let end = FRAME_BYTES + number * GROUP_BYTES;
    disk.edit(Path::new(FIRST), |bytes| bytes[end - FRAME_BYTES..end].fill(0));
}

fn damage(disk: &FaultyDisk, options: FileOptions) -> jari_journal::Damage {
    match FileJournal::open_on(Arc::new(disk.clone()), options) {
        Err(OpenError::Damaged(damage)) => *damage,
        Err(other) => panic!("not damage: {other}"),
        Ok((_, recovery)) => panic!("damage was accepted: {recovery:?}"),
    }
}

fn reopen(disk: &FaultyDisk) -> Recovery {
    open_on(disk, one_segment()).1
}

#[test]
fn a_seal_that_never_arrived_costs_nothing_and_is_written_again() {
    let (disk, payloads) = groups(3);
    lose_seal(&disk, 2);
    lose_seal(&disk, 3);
    let (journal, recovery) = open_on(&disk, one_segment());
    assert_eq!((recovery.records, recovery.torn_bytes), (3, 0));
    assert_eq!(read(&journal, 0), expected(&payloads));
    drop(journal);
    // The third group is sealed now, so the seal before it must be good too.
    assert_eq!(reopen(&disk).records, 3);
}

#[test]
fn a_seal_that_was_durable_may_not_be_missing() {
    for behind in [&[][..], &[2], &[2, 3]] {
        let (disk, _) = groups(3);
        lose_seal(&disk, 1);
        behind.iter().for_each(|number| lose_seal(&disk, *number));
        let damage = damage(&disk, one_segment());
        let place = (FRAME_BYTES + GROUP_BYTES - FRAME_BYTES) as u64;
        assert_eq!((damage.offset, damage.what), (place, DamageKind::Frame), "{behind:?}");
        assert_eq!(damage.position.0, 2);
    }
}

#[test]
fn a_group_that_was_kept_without_a_seal_is_sealed_by_opening() {
    let (disk, _) = groups(3);
    lose_seal(&disk, 3);
    assert_eq!(reopen(&disk).records, 3);
    disk.flip_bit(Path::new(FIRST), FRAME_BYTES + 2 * GROUP_BYTES + FRAME_BYTES + 50, 3);
    assert_eq!(damage(&disk, one_segment()).what, DamageKind::Record);
}

#[test]
fn nothing_of_a_dropped_write_stays_in_the_file() {
    let (disk, payloads) = groups(2);
    let (mut journal, _) = open_on(&disk, one_segment());
    append_and_settle(&mut journal, &[payload(3, 1900)]);
    drop(journal);
    let start = FRAME_BYTES + 2 * GROUP_BYTES;
    disk.edit(Path::new(FIRST), |bytes| bytes.truncate(start + 1500));
    let (mut journal, recovery) = open_on(&disk, one_segment());
    assert_eq!((recovery.records, recovery.torn_bytes), (2, 1500));
    assert_eq!(disk.contents(Path::new(FIRST)).map(|bytes| bytes.len()), Some(start));
    append_and_settle(&mut journal, &[payload(3, 100)]);
    drop(journal);
    assert_eq!(reopen(&disk).torn_bytes, 0);
    let all = [payloads, vec![payload(3, 100)]].concat();
    assert_eq!(read(&open_on(&disk, one_segment()).0, 0), expected(&all));
}

#[test]
fn an_empty_next_segment_proves_what_came_before_it() {
    let (disk, _) = groups(3);
    // The next group does not fit any more, so a second segment is made.
    let options = FileOptions { segment_bytes_max: 1000, ..small_options("/j") };
    let (mut journal, _) = open_on(&disk, options.clone());
    append_and_settle(&mut journal, &[payload(4, 100)]);
    drop(journal);
    let second = Path::new("/j/00000000000000000004.segment");
    disk.edit(second, |bytes| bytes.truncate(FRAME_BYTES));

    let undone = disk.copy(1);
    let (journal, recovery) = open_on(&undone, options.clone());
    assert_eq!((recovery.records, recovery.segments), (3, 1), "an unused segment is taken back");
    assert_eq!(undone.contents(second), None);
    drop(journal);
    assert_eq!(open_on(&undone, options.clone()).1.records, 3);

    // The third group, its seal and the end mark are gone or bad. Without the
    // second segment this would look like an interrupted write.
    lose_seal(&disk, 3);
    let group = FRAME_BYTES + 2 * GROUP_BYTES;
    disk.edit(Path::new(FIRST), |bytes| bytes.truncate(group + GROUP_BYTES));
    disk.flip_bit(Path::new(FIRST), group + FRAME_BYTES + 50, 1);
    let damage = damage(&disk, options);
    assert_eq!((damage.segment.as_path(), damage.position.0), (Path::new(FIRST), 3));
    assert_eq!(damage.what, DamageKind::Record);
}

#[test]
fn a_name_whose_directory_failed_to_sync_is_made_anew() {
    let disk = FaultyDisk::new(1);
    disk.fail_sync_after(1);
    let failed = FileJournal::open_on(Arc::new(disk.clone()), one_segment());
    assert!(matches!(failed, Err(OpenError::Io { .. })));
    assert!(disk.contents(Path::new(FIRST)).is_some(), "the name is visible, but not durable");
    let (mut journal, _) = open_on(&disk, one_segment());
    append_and_settle(&mut journal, &[payload(1, 100)]);
    drop(journal);
    disk.crash(CrashFate::LoseUnsynced);
    assert_eq!(reopen(&disk).records, 1);
}

#[test]
fn half_written_files_are_cleared_away_and_foreign_ones_left_alone() {
    let (disk, _) = groups(1);
    for name in ["/j/00000000000000000002.segment.new", "/j/notes.new", "/j/notes.segment"] {
        disk.open(Path::new(name), OpenMode::Create).expect("creates");
    }
    assert_eq!(reopen(&disk).segments, 1);
    let names = disk.list(Path::new("/j")).expect("lists");
    assert_eq!(names, ["00000000000000000001.segment", "notes.new", "notes.segment"]);
}

#[test]
fn a_journal_of_a_newer_format_is_left_alone() {
    let (disk, _) = groups(1);
    disk.edit(Path::new(FIRST), |bytes| {
        bytes[8] = 2;
        let checksum = blake3::hash(&bytes[..64]);
        bytes[64..80].copy_from_slice(&checksum.as_bytes()[..16]);
    });
    let newer = damage(&disk, one_segment());
    assert_eq!(newer.what, DamageKind::UnknownVersion(2));
    assert!(newer.to_string().contains("start the program that wrote it"), "{newer}");
}

#[test]
fn the_bytes_on_disk_are_those_of_format_version_1() {
    let (disk, _) = groups(3);
    let mut bytes = disk.contents(Path::new(FIRST)).expect("exists");
    bytes.truncate(FRAME_BYTES + 3 * GROUP_BYTES);
    // A change here is a change of the format: it needs a new version, and
    // the old one must still be read.
    let hash = blake3::hash(&bytes).to_hex();
    assert_eq!(hash.as_str(), "e84b4218c8b1af76dfde7f8d9fa44d1908b576b83a67bb9aa439f550416d4206");
}
