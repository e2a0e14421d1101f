//! The small things around: replacing files, keeping everything, verifying.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jari_journal::{
    CopyError, CrashFate, Disk, FaultyDisk, FileJournal, FileOptions, Journal, Position, StdDisk,
    VerifyError, copy, read_file, replace_file, verify,
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

#[test]
fn a_copy_beside_a_running_writer_is_whole_and_holds_all_that_was_settled_before() {
    let dir = tempfile::tempdir().expect("a directory for temporary files");
    let source = dir.path().join("source");
    // Segments are begun and released all the time.
    let options = FileOptions { segment_bytes_max: 6_000, ..FileOptions::new(&source) };
    let (mut journal, _) = FileJournal::open(options).expect("opens");
    let (settled, ends) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut number = 0;
            while !ends.load(Ordering::Relaxed) {
                number += 1;
                append_and_settle(&mut journal, &[payload(number, 400)]);
                settled.store(number, Ordering::Release);
                if number.is_multiple_of(50) {
                    journal.release(Position(number - 45)).expect("releases");
                }
            }
        });
        let mut copies = 0;
        while copies < 40 && !writer.is_finished() {
            let before = settled.load(Ordering::Acquire);
            let target = dir.path().join(format!("copy{copies}"));
            let summary = copy(&source, &target).expect("copies");
            assert!(summary.head.0 >= before, "copy {copies} ends at {}, not at {before}", summary.head);
            let (opened, found) = FileJournal::open(FileOptions::new(&target)).expect("opens");
            assert_eq!((opened.head(), found.torn_bytes), ((summary.head, summary.chain), 0));
            opened
                .read(Position(summary.first.0 - 1), &mut |entry| {
                    assert_eq!(entry.payload, payload(entry.position.0, 400), "position {}", entry.position);
                    std::ops::ControlFlow::Continue(())
                })
                .expect("reads");
            copies += 1;
        }
        ends.store(true, Ordering::Relaxed);
        writer.join().expect("the writer goes on");
        assert_eq!(copies, 40);
    });
}

#[test]
fn a_damaged_journal_is_not_copied_and_a_copy_is_written_over_nothing() {
    let dir = tempfile::tempdir().expect("a directory for temporary files");
    let (source, target) = (dir.path().join("source"), dir.path().join("copy"));
    let options = FileOptions { segment_bytes_max: 2_000, ..FileOptions::new(&source) };
    let (mut journal, _) = FileJournal::open(options).expect("opens");
    for number in 0..12 {
        append_and_settle(&mut journal, &[payload(number, 300)]);
    }
    drop(journal);
    copy(&source, &target).expect("copies");
    assert!(matches!(copy(&source, &target), Err(CopyError::Target(_))), "there is one already");
    let first = source.join(format!("{:020}.segment", 1));
    let mut bytes = std::fs::read(&first).expect("reads");
    bytes[200] ^= 1;
    std::fs::write(&first, bytes).expect("writes");
    let refused = copy(&source, &dir.path().join("other")).expect_err("is damaged");
    assert!(matches!(refused, CopyError::Source(VerifyError::Damaged(_))), "{refused}");
}
