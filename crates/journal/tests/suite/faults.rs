//! Failing syncs and writes, full disks, second writers.

use std::path::Path;
use std::sync::Arc;

use jari_journal::{
    AppendError, CrashFate, FaultyDisk, FileJournal, FileOptions, Journal, OpenError, Position, ReleaseError,
    SettleError,
};

use crate::backends::{
    append_and_settle, expected, faulty, open_on, payload, payloads_of, read, real_files, small_options,
};

#[test]
fn a_second_writer_is_refused_by_name_until_the_first_is_gone() {
    let disk = faulty().0;
    let first = open_on(&disk, small_options("/j")).0;
    let second = FileJournal::open_on(Arc::new(disk.clone()), small_options("/j"));
    let error = second.err().expect("is refused");
    assert_eq!(error.to_string(), "/j is in use by another writer: stop it, or use another directory");
    drop(first);
    open_on(&disk, small_options("/j"));

    let files = real_files();
    let first = FileJournal::open(small_options(files.0.path())).expect("opens");
    let second = FileJournal::open(small_options(files.0.path()));
    assert!(matches!(second, Err(OpenError::Locked(dir)) if dir == files.0.path()));
    drop(first);
    FileJournal::open(small_options(files.0.path())).expect("opens again");
}

#[test]
fn a_failed_fsync_breaks_the_journal_for_good_and_loses_nothing_settled() {
    for syncs in 0..3 {
        let disk = FaultyDisk::new(syncs);
        let (mut journal, _) = open_on(&disk, small_options("/j"));
        append_and_settle(&mut journal, &[payload(1, 1900), payload(2, 1500)]);
        // The next group needs a new segment: its file, directory and end mark
        // are synced first.
        disk.fail_sync_after(syncs);
        journal.append(&payload(3, 1000)).expect("is taken");
        for _ in 0..2 {
            let outcome = journal.settle(&mut |entry| panic!("delivered {entry:?}"));
            assert!(matches!(outcome, Err(SettleError::Broken { .. })), "{outcome:?}");
        }
        assert!(matches!(journal.append(b"more"), Err(AppendError::Broken { .. })));
        assert!(matches!(journal.release(Position(1)), Err(ReleaseError::Broken { .. })));
        let settled = [payload(1, 1900), payload(2, 1500)];
        assert_eq!(payloads_of(&read(&journal, 0)), settled, "what is durable can be read");
        drop(journal);
        let (mut journal, _) = open_on(&disk, small_options("/j"));
        let kept = payloads_of(&read(&journal, 0));
        assert_eq!(kept[..2], settled, "sync {syncs}");
        append_and_settle(&mut journal, &[b"after".to_vec()]);
        drop(journal);
        // What the reopened journal built on must be durable by now.
        disk.crash(CrashFate::LoseUnsynced);
        let (journal, _) = open_on(&disk, small_options("/j"));
        let all = [kept, vec![b"after".to_vec()]].concat();
        assert_eq!(read(&journal, 0), expected(&all), "sync {syncs}");
    }
}

#[test]
fn a_group_seen_after_a_failed_fsync_is_made_durable_before_it_counts() {
    let disk = FaultyDisk::new(1);
    let options = FileOptions { segment_bytes_max: 64 << 20, ..small_options("/j") };
    let (mut journal, _) = open_on(&disk, options.clone());
    append_and_settle(&mut journal, &[payload(1, 900)]);
    disk.fail_sync_after(0);
    journal.append(&payload(2, 900)).expect("is taken");
    assert!(journal.settle(&mut |_| {}).is_err());
    drop(journal);
    let (journal, recovery) = open_on(&disk, options.clone());
    assert_eq!(recovery.records, 2, "the page cache still shows it");
    drop(journal);
    disk.crash(CrashFate::LoseUnsynced);
    let (journal, recovery) = open_on(&disk, options);
    assert_eq!(recovery.records, 2);
    assert_eq!(read(&journal, 0), expected(&[payload(1, 900), payload(2, 900)]));
}

#[test]
fn a_failed_write_never_costs_a_settled_record() {
    for writes in 0..12 {
        let disk = FaultyDisk::new(writes);
        let (mut journal, _) = open_on(&disk, small_options("/j"));
        disk.fail_write_after(writes);
        let mut delivered = Vec::new();
        for number in 0..12 {
            if journal.append(&payload(number, 700)).is_err() {
                break;
            }
            let _ = journal.settle(&mut |entry| delivered.push(crate::backends::own(entry)));
        }
        assert!(journal.append(b"more").is_err(), "an I/O error breaks the journal");
        drop(journal);
        disk.crash(CrashFate::KeepSectors);
        let (journal, _) = open_on(&disk, small_options("/j"));
        let kept = read(&journal, 0);
        assert_eq!(kept[..delivered.len()], delivered, "write {writes}");
        assert!(kept.len() <= delivered.len() + 1);
    }
}

#[test]
fn what_a_full_disk_still_took_is_sealed_so_that_rot_in_it_is_no_interrupted_write() {
    for room in 0..700 {
        let disk = FaultyDisk::new(room);
        let options = FileOptions { segment_bytes_max: 100_000, ..small_options("/j") };
        let (mut journal, _) = open_on(&disk, options.clone());
        append_and_settle(&mut journal, &[payload(1, 300)]);
        disk.limit_room(Some(disk.used_bytes() + room));
        let mut settled = 1;
        for number in 2..4 {
            journal.append(&payload(number, 200)).expect("is taken");
            settled += u64::from(journal.settle(&mut |_| {}).is_ok());
        }
        drop(journal);
        disk.crash(CrashFate::KeepAll);
        let path = Path::new("/j").join(format!("{:020}.segment", 1));
        let bytes = disk.contents(&path).expect("the segment exists");
        let rotten = payload(settled, if settled == 1 { 300 } else { 200 });
        let at = bytes.windows(rotten.len()).position(|window| window == rotten).expect("the last is there");
        disk.flip_bit(&path, at + 7, 3);
        let opened = FileJournal::open_on(Arc::new(disk.clone()), options);
        assert!(matches!(opened, Err(OpenError::Damaged(_))), "room {room}: {settled} were acknowledged");
    }
}

#[test]
fn a_full_disk_leaves_only_what_was_settled_wherever_it_strikes() {
    for room in 0..2600 {
        let disk = FaultyDisk::new(room);
        let options = FileOptions { segment_bytes_max: 1400, ..small_options("/j") };
        let (mut journal, _) = open_on(&disk, options.clone());
        append_and_settle(&mut journal, &[payload(1, 900)]);
        disk.limit_room(Some(disk.used_bytes() + room));
        let mut kept = vec![payload(1, 900)];
        for number in 2..5 {
            journal.append(&payload(number, 300)).expect("is taken");
            match journal.settle(&mut |_| {}) {
                Ok(()) => kept.push(payload(number, 300)),
                Err(SettleError::Full) => {}
                Err(broken) => panic!("room {room}: {broken}"),
            }
        }
        assert_eq!(read(&journal, 0), expected(&kept), "room {room}");
        drop(journal);
        disk.crash(CrashFate::KeepSectors);
        let (mut journal, recovery) = open_on(&disk, options.clone());
        assert_eq!(recovery.records, kept.len() as u64, "a full disk can be opened, room {room}");
        disk.limit_room(None);
        kept.push(b"more".to_vec());
        append_and_settle(&mut journal, &[b"more".to_vec()]);
        drop(journal);
        disk.crash(CrashFate::LoseUnsynced);
        assert_eq!(read(&open_on(&disk, options).0, 0), expected(&kept), "room {room}");
    }
}

#[test]
fn options_that_cannot_work_are_refused_in_words() {
    let tries = [
        (FileOptions { record_bytes_max: 0, ..small_options("/j") }, "must not be 0"),
        (FileOptions { group_bytes_max: 2027, ..small_options("/j") }, "needs 2028"),
        (FileOptions { group_bytes_max: 1 << 30, ..small_options("/j") }, "must not exceed"),
    ];
    for (options, words) in tries {
        let refused = FileJournal::open_on(Arc::new(FaultyDisk::new(0)), options);
        let error = refused.err().expect("is refused").to_string();
        assert!(error.contains(words), "{error}");
    }
}
