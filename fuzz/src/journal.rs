//! Journal segments on disk: whatever the files hold, opening recovers or stops with an error, and
//! what is delivered checks out.
//!
//! The first byte says where the bytes come from: the input as it is; a sound journal with bytes
//! changed or cut off; or frames of the input's making whose checksums are right, as nobody but the
//! journal itself would write them.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use jari_journal::{
    Chain, Disk, FaultyDisk, FileJournal, FileOptions, Journal, OpenMode, Position, verify_on,
};

use crate::Source;

const DIR: &str = "/j";
const FIRST: &str = "/j/00000000000000000001.segment";
const HEADER_BYTES: usize = 80;
const FRAME_BYTES: usize = 80;
const GROUPS_MAX: u64 = 12;
const MAGICS: [&[u8; 4]; 3] = [b"jGRP", b"jSEA", b"jEND"];

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let disk = FaultyDisk::new(1);
    match source.number::<1>() % 3 {
        0 => {
            let second_at = source.number::<2>() as usize;
            let rest = source.rest();
            let (first, second) = rest.split_at(rest.len().min(second_at));
            write(&disk, FIRST, first);
            if !second.is_empty() {
                write(&disk, "/j/00000000000000000009.segment", second);
            }
            recover(&disk, &[]);
        }
        1 => {
            let groups = sound(&disk, &mut source);
            let edits = source.number::<1>() % 4;
            let is_cut = change(&disk, &mut source, edits);
            let found = recover(&disk, &groups.concat());
            if let Some(found) = found
                && edits <= 1
                && !is_cut
            {
                // One bad byte can hide in the last group alone: all others were sealed.
                let sure: usize = groups.iter().rev().skip(1).map(Vec::len).sum();
                assert!(found >= sure, "{found} of at least {sure} records are there");
            }
        }
        _ => {
            write(&disk, FIRST, &forged(&mut source));
            recover(&disk, &[]);
        }
    }
}

fn options() -> FileOptions {
    FileOptions {
        segment_bytes_max: 2_048,
        record_bytes_max: 4_096,
        group_bytes_max: 8_192,
        ..FileOptions::new(DIR)
    }
}

fn write(disk: &FaultyDisk, path: &str, bytes: &[u8]) {
    disk.create_dir(Path::new(DIR)).expect("a directory in memory");
    let file = disk.open(Path::new(path), OpenMode::Create).expect("a file in memory");
    file.write_at(0, bytes).expect("room in memory");
    file.sync().expect("memory is durable");
}

/// A sound journal; gives the payloads of each of its groups.
fn sound(disk: &FaultyDisk, source: &mut Source<'_>) -> Vec<Vec<Vec<u8>>> {
    let (mut journal, _) = FileJournal::open_on(Arc::new(disk.clone()), options()).expect("an empty disk");
    let mut groups = Vec::new();
    for number in 0..source.number::<1>() % GROUPS_MAX {
        let mut group = Vec::new();
        for record in 0..1 + source.number::<1>() % 3 {
            let len = source.number::<2>() as usize % 700;
            let payload: Vec<u8> = (0..len).map(|at| (at as u64 * 31 + number * 7 + record) as u8).collect();
            journal.append(&payload).expect("a small record");
            group.push(payload);
        }
        journal.settle(&mut |_| {}).expect("a sound disk");
        groups.push(group);
    }
    groups
}

/// Changes single bytes, and may cut off a tail; says whether it did.
fn change(disk: &FaultyDisk, source: &mut Source<'_>, edits: u64) -> bool {
    let names: Vec<String> = disk.list(Path::new(DIR)).expect("lists");
    let segments: Vec<&String> = names.iter().filter(|name| name.ends_with(".segment")).collect();
    let path = |pick: u64| Path::new(DIR).join(segments[pick as usize % segments.len()]);
    for _ in 0..edits {
        let (pick, offset, flip) = (source.number::<1>(), source.number::<3>(), source.number::<1>());
        disk.edit(&path(pick), |bytes| {
            if !bytes.is_empty() {
                let at = offset as usize % bytes.len();
                bytes[at] ^= flip as u8;
            }
        });
    }
    let is_cut = source.number::<1>() == 1;
    if is_cut {
        let (pick, len) = (source.number::<1>(), source.number::<3>());
        disk.edit(&path(pick), |bytes| bytes.truncate(len as usize));
    }
    is_cut
}

/// A header and frames with right checksums; all else is the input's.
fn forged(source: &mut Source<'_>) -> Vec<u8> {
    let mut bytes = b"JARIJRNL".to_vec();
    bytes.extend((1 + source.number::<1>() as u32 / 200).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((1 + source.number::<1>() / 128).to_le_bytes());
    bytes.extend([0; 40]);
    checksum(&mut bytes, 0);
    let (mut position, mut chain) = (1, Chain::ZERO);
    while !source.is_empty() && bytes.len() < 16_384 {
        let start = bytes.len();
        let (kind, oddity) = (source.number::<1>() as usize % 4, source.number::<1>());
        let before = chain;
        let body = if kind == 0 { body(source, &mut position, &mut chain) } else { Vec::new() };
        if kind == 3 {
            let len = source.number::<1>() as usize;
            bytes.extend(source.take(len));
            continue;
        }
        let wild = |which: u64, source: &mut Source<'_>, value: u64| {
            if oddity == which { source.number::<8>() } else { value }
        };
        let records = wild(1, source, u64::from(kind == 0)) as u32;
        // A group names its first record, a mark the last one before it.
        let at = wild(2, source, position - 1);
        let len = wild(3, source, body.len() as u64);
        let offset = wild(4, source, start as u64);
        bytes.extend(MAGICS[kind]);
        bytes.extend(records.to_le_bytes());
        bytes.extend(at.to_le_bytes());
        bytes.extend(len.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend(if oddity == 5 { [7; 32] } else { before.0 });
        checksum(&mut bytes, start);
        bytes.extend(body);
    }
    bytes
}

/// One record of a group; its chain is right for its position.
fn body(source: &mut Source<'_>, position: &mut u64, chain: &mut Chain) -> Vec<u8> {
    let len = source.number::<1>() as usize;
    let payload = source.take(len);
    *chain = chain.after(Position(*position), payload);
    let mut body = (payload.len() as u32).to_le_bytes().to_vec();
    body.extend(position.to_le_bytes());
    body.extend(&chain.0[..16]);
    body.extend(payload);
    *position += 1;
    body
}

fn checksum(bytes: &mut Vec<u8>, start: usize) {
    let hash = blake3::hash(&bytes[start..]);
    bytes.extend(&hash.as_bytes()[..16]);
    assert!(bytes.len() - start == HEADER_BYTES && HEADER_BYTES == FRAME_BYTES);
}

/// Opens what lies there; gives how many records were found. What opens also verifies, can be
/// written to, and holds all of it when it is opened again.
fn recover(disk: &FaultyDisk, originals: &[Vec<u8>]) -> Option<usize> {
    let (mut journal, recovery) = match FileJournal::open_on(Arc::new(disk.clone()), options()) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let found = match read(&journal) {
        Some(found) => found,
        // Segments before the newest are read through only when they are asked for.
        None => return None,
    };
    assert_eq!(found.len() as u64, recovery.records);
    if !originals.is_empty() {
        assert!(originals.starts_with(&found), "what was settled comes back as it was, in its order");
    }
    journal.append(b"one more").expect("a small record");
    let mut delivered = 0;
    journal
        .settle(&mut |entry| delivered += usize::from(entry.payload == b"one more"))
        .expect("a sound disk");
    assert_eq!(delivered, 1);
    drop(journal);
    let (journal, again) = FileJournal::open_on(Arc::new(disk.clone()), options()).expect("opens once more");
    assert_eq!((again.torn_bytes, again.head.0), (0, recovery.head.0 + 1));
    let all = read(&journal).expect("reads once more");
    assert!(all.starts_with(&found) && all.len() == found.len() + 1);
    verify_on(disk, Path::new(DIR), &mut |_| {}).expect("what opens and reads verifies");
    Some(found.len())
}

/// All records, each checked against the chain; none when a segment is damaged.
fn read(journal: &FileJournal) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut last: Option<(Position, Chain)> = None;
    let from = Position(journal.first().0 - 1);
    let done = journal.read(from, &mut |entry| {
        if let Some((position, chain)) = last {
            assert_eq!(entry.position, position.next(), "no gap");
            assert_eq!(entry.chain, chain.after(entry.position, entry.payload), "the chain holds");
        }
        last = Some((entry.position, entry.chain));
        found.push(entry.payload.to_vec());
        ControlFlow::Continue(())
    });
    done.is_ok().then_some(found)
}
