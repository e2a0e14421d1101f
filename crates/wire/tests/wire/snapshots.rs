//! Snapshots: round trips of small and large states, and what becomes of damaged ones.

use std::io::{self, Write};

use jari_core::State;
use jari_wire::Fault;
use jari_wire::snapshot::{self, SnapshotError, SnapshotMeta};

use crate::samples;

/// Bytes before the first block.
const START: usize = 9;

fn snapshot_of(bookings: u32) -> (SnapshotMeta, Vec<u8>) {
    let mut bytes = Vec::new();
    let meta = snapshot::write(&samples::data(bookings), 77, [3; 32], &mut bytes).unwrap();
    (meta, bytes)
}

/// Where each block's head, content and hash begin and end.
fn blocks(bytes: &[u8]) -> Vec<(usize, usize, usize)> {
    let mut blocks = Vec::new();
    let mut at = START;
    while at < bytes.len() {
        let len = u32::from_le_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
        blocks.push((at, at + 5 + len, at + 5 + len + 32));
        at += 5 + len + 32;
    }
    blocks
}

/// Makes every hash right again, as a careful forger would.
fn rehash(bytes: &mut [u8]) {
    let mut state = blake3::Hasher::new();
    for (head, hash, end) in blocks(bytes) {
        if bytes[head] == 255 {
            bytes[head + 5..hash].copy_from_slice(state.finalize().as_bytes());
        }
        let sum = blake3::hash(&bytes[head..hash]);
        bytes[hash..end].copy_from_slice(sum.as_bytes());
        if (2..255).contains(&bytes[head]) {
            state.update(sum.as_bytes());
        }
    }
}

#[test]
fn an_empty_state_survives_the_round_trip() {
    let empty = State::new();
    let mut bytes = Vec::new();
    let meta = snapshot::write(empty.data(), 0, [0; 32], &mut bytes).unwrap();
    let (read, data) = snapshot::read(&mut &bytes[..]).unwrap();
    assert_eq!(read, meta);
    assert_eq!(&data, empty.data());
}

#[test]
fn a_state_of_many_blocks_survives_the_round_trip() {
    let (meta, bytes) = snapshot_of(100_000);
    assert!(blocks(&bytes).iter().filter(|(head, ..)| bytes[*head] == 8).count() > 3);
    let (read, data) = snapshot::read(&mut &bytes[..]).unwrap();
    assert_eq!(read, meta);
    assert_eq!(data, samples::data(100_000));
    assert_eq!(snapshot::state_hash(&data), meta.state_hash);
    // Queues go on counting where they were.
    assert_eq!((data.recent.first(), data.effects.first(), data.events.first()), (1_000_000, 1_023, 5));
}

#[test]
fn the_state_hash_is_of_the_state_alone() {
    let data = samples::data(5);
    let written = snapshot::write(&data, 1, [9; 32], &mut io::sink()).unwrap();
    assert_eq!(written.state_hash, snapshot_of(5).0.state_hash);
    let mut other = data.clone();
    other.bookings.get_mut(3).unwrap().until.0 += 1;
    assert_ne!(snapshot::state_hash(&other), written.state_hash);
}

#[test]
fn no_truncated_snapshot_is_read() {
    let (_, bytes) = snapshot_of(5);
    for len in 0..bytes.len() {
        let error = snapshot::read(&mut &bytes[..len]).expect_err("a snapshot was cut");
        assert!(matches!(error, SnapshotError::Damaged { .. }), "{error} at {len}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let (_, bytes) = snapshot_of(5);
    for at in 0..bytes.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            assert!(snapshot::read(&mut &changed[..]).is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_changed_byte_under_a_right_checksum_is_refused_or_means_what_it_says() {
    changed_bytes_are_refused_or_mean_what_they_say(&snapshot_of(5).1);
    let later = [
        samples::data_of_rules_2(5),
        samples::data_of_rules_3(5),
        samples::data_of_rules_4(5),
        samples::data_of_rules_5(5),
    ];
    for data in later {
        let mut bytes = Vec::new();
        snapshot::write(&data, 77, [3; 32], &mut bytes).unwrap();
        changed_bytes_are_refused_or_mean_what_they_say(&bytes);
    }
}

fn changed_bytes_are_refused_or_mean_what_they_say(bytes: &[u8]) {
    let mut accepted = 0;
    for (head, hash, _) in blocks(bytes) {
        for at in head + 5..hash {
            for change in [1, 2, 0x10, 0x80, 0xff] {
                let mut changed = bytes.to_vec();
                changed[at] ^= change;
                rehash(&mut changed);
                if let Ok((meta, data)) = snapshot::read(&mut &changed[..]) {
                    let mut again = Vec::new();
                    snapshot::write(&data, meta.position, meta.chain, &mut again).unwrap();
                    assert!(again == changed, "byte {at} has two forms");
                    accepted += 1;
                }
            }
        }
    }
    assert!(accepted > 1_000, "most changes of a number make another number: {accepted}");
}

#[test]
fn damage_is_named_by_its_section() {
    let (_, bytes) = snapshot_of(100_000);
    for (section, name) in [(1, "head"), (3, "rooms"), (8, "bookings"), (10, "recent commands"), (255, "end")]
    {
        let (head, ..) = *blocks(&bytes).iter().rfind(|(head, ..)| bytes[*head] == section).unwrap();
        let mut changed = bytes.clone();
        changed[head + 7] ^= 1;
        match snapshot::read(&mut &changed[..]) {
            Err(SnapshotError::Damaged { section, block, fault: Fault::Checksum }) => {
                assert_eq!((section, block > 0), (name, name == "bookings"));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn sections_that_are_missing_doubled_or_followed_by_more_are_refused() {
    let (_, bytes) = snapshot_of(5);
    for (head, _, end) in blocks(&bytes) {
        let mut missing = [&bytes[..head], &bytes[end..]].concat();
        rehash(&mut missing);
        assert!(snapshot::read(&mut &missing[..]).is_err(), "without the block at {head}");
        let mut doubled = [&bytes[..end], &bytes[head..]].concat();
        rehash(&mut doubled);
        assert!(snapshot::read(&mut &doubled[..]).is_err(), "with the block at {head} twice");
    }
}

/// While older rules count, a newer build writes what an older one reads, and both come to the
/// same hash; from then on it says itself that it is newer.
#[test]
fn the_format_is_the_oldest_that_holds_the_state() {
    let versions = [
        (samples::data(5), 1),
        (samples::data_of_rules_2(5), 2),
        (samples::data_of_rules_3(5), 3),
        (samples::data_of_rules_4(5), 4),
        (samples::data_of_rules_5(5), 5),
    ];
    for (data, version) in versions {
        let mut bytes = Vec::new();
        snapshot::write(&data, 77, [3; 32], &mut bytes).unwrap();
        assert_eq!(bytes[START - 1], version);
        for other in (1..=snapshot::VERSION).filter(|other| *other != version) {
            bytes[START - 1] = other;
            let error = snapshot::read(&mut &bytes[..]).expect_err("one state has one encoding");
            assert!(matches!(error, SnapshotError::Damaged { .. }), "{error}");
        }
    }
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let (_, mut bytes) = snapshot_of(5);
    bytes[START - 1] = 6;
    assert!(matches!(snapshot::read(&mut &bytes[..]), Err(SnapshotError::Newer { version: 6 })));
    bytes[0] ^= 1;
    assert!(matches!(snapshot::read(&mut &bytes[..]), Err(SnapshotError::Damaged { .. })));
}

/// Fails after some bytes, as a full disk does.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = bytes.len().min(self.0);
        self.0 -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_reported() {
    let (_, bytes) = snapshot_of(5);
    for room in [0, 8, 500, bytes.len() - 1] {
        let error = snapshot::write(&samples::data(5), 77, [3; 32], &mut Full(room)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    assert!(snapshot::write(&samples::data(5), 77, [3; 32], &mut Full(bytes.len())).is_ok());
}
