//! The small things around: replacing files, keeping everything, verifying.

use std::path::Path;

use jari_journal::{
    CrashFate, Disk, FaultyDisk, FileOptions, Journal, Position, StdDisk, VerifyError, read_file,
    replace_file, verify,
};

use crate::backends::{append_and_settle, expected, open_on, own, payload, small_options};

#[test]
fn a_replaced_file_is_old_or_new_and_whole_wherever_the_power_goes() {
    let path = Path::new("/s/snapshot");
    let (old, new) = (payload(1, 3000), payload(2, 5000));
    for at in 1..8 {
        for seed in 0..40 {
            let disk = FaultyDisk::new(seed);
            replace_file(&disk, path, &old).expect("writes");
            disk.power_off_after(Some(at));
            let replaced = replace_file(&disk, path, &new).is_ok();
            disk.crash(CrashFate::KeepSectors);
            let found = read_file(&disk, path, 5000).expect("a file is always there");
            assert!(found == new || (found == old && !replaced), "operation {at}, seed {seed}");
        }
    }
}

#[test]
fn replacing_and_reading_work_on_real_files_and_mind_their_limit() {
    let dir = tempfile::tempdir().expect("a directory for temporary files");
    let path = dir.path().join("snapshot");
    replace_file(&StdDisk, &path, b"one").expect("writes");
    replace_file(&StdDisk, &path, b"three").expect("writes");
    assert_eq!(read_file(&StdDisk, &path, 5).expect("reads"), b"three");
    let error = read_file(&StdDisk, &path, 4).expect_err("is too large");
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    assert_eq!(StdDisk.list(dir.path()).expect("lists"), ["snapshot"], "nothing is left over");
}

#[test]
fn a_full_disk_keeps_the_old_file() {
    let disk = FaultyDisk::new(1);
    let path = Path::new("/s/snapshot");
    replace_file(&disk, path, b"old").expect("writes");
    disk.limit_room(Some(100));
    let error = replace_file(&disk, path, &payload(1, 1000)).expect_err("does not fit");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(read_file(&disk, path, 100).expect("reads"), b"old");
    assert_eq!(disk.used_bytes(), 3, "no half-written file takes room");
}

#[test]
fn a_journal_told_to_keep_all_keeps_all() {
    let disk = FaultyDisk::new(1);
    let options = FileOptions { keep_all: true, ..small_options("/j") };
    let (mut journal, _) = open_on(&disk, options);
    for number in 0..20 {
        append_and_settle(&mut journal, &[payload(number, 700)]);
    }
    journal.release(Position(20)).expect("is allowed");
    assert_eq!(journal.first(), Position(1));
}

#[test]
fn verify_reads_beside_a_writer_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory for temporary files");
    let missing = verify(dir.path(), &mut |_| {}).expect_err("is empty");
    assert!(matches!(missing, VerifyError::NoJournal(_)));
    let options = small_options(dir.path());
    let (mut journal, recovery) = jari_journal::FileJournal::open(options).expect("opens");
    assert!(recovery.created);
    let payloads: Vec<_> = (0..30).map(|number| payload(number, 400)).collect();
    payloads.chunks(3).for_each(|group| drop(append_and_settle(&mut journal, group)));
    let names = StdDisk.list(dir.path()).expect("lists");
    let content = |name: &String| read_file(&StdDisk, &dir.path().join(name), u64::MAX).ok();
    let before: Vec<_> = names.iter().map(content).collect();
    let mut found = Vec::new();
    let summary = verify(dir.path(), &mut |entry| found.push(own(entry))).expect("is intact");
    assert_eq!(found, expected(&payloads));
    assert_eq!((summary.first, summary.head), (Position(1), Position(30)));
    assert_eq!((summary.records, summary.torn_bytes), (30, 0));
    assert_eq!((summary.head, summary.chain), journal.head());
    assert_eq!(summary.segments, names.len() - 1, "all but the lock");
    assert_eq!(StdDisk.list(dir.path()).expect("lists"), names);
    assert_eq!(names.iter().map(content).collect::<Vec<_>>(), before);
}
