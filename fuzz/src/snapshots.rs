//! Snapshots: what reads, writes to the same bytes, and restores or breaks a named invariant.
//!
//! Every block carries a checksum, which a fuzzer does not guess: it is put right before the
//! reading, for every other input, so that what stands behind it is reached.

use jari_core::State;
use jari_wire::snapshot;

const START_BYTES: usize = 9;
const HEAD_BYTES: usize = 5;
const HASH_BYTES: usize = 32;
/// Tags of blocks that are not part of the state.
const OUTSIDE: [u8; 2] = [1, 255];

pub fn run(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if first & 1 == 0 {
        put_right(&mut bytes);
    }
    let Ok((meta, data)) = snapshot::read(&mut &bytes[..]) else { return };
    let mut again = Vec::with_capacity(bytes.len());
    let written = snapshot::write(&data, meta.position, meta.chain, &mut again);
    assert_eq!(written.expect("writing to memory"), meta);
    assert_eq!(again, bytes, "one encoding for each state");
    // Sound or not: never a panic, and a state that is let in holds all invariants.
    if let Ok(state) = State::restore(data) {
        jari_core::invariants::check(state.data()).expect("what was restored holds");
    }
}

/// Recomputes the hash of each block, and the state's hash in the last one.
fn put_right(bytes: &mut [u8]) {
    let mut at = START_BYTES;
    let mut state = blake3::Hasher::new();
    while let Some(head) = bytes.get(at..at + HEAD_BYTES) {
        let (tag, len) = (head[0], u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize);
        let end = at.saturating_add(HEAD_BYTES).saturating_add(len);
        if end.saturating_add(HASH_BYTES) > bytes.len() {
            return;
        }
        if tag == 255 && len == HASH_BYTES {
            bytes[at + HEAD_BYTES..end].copy_from_slice(state.finalize().as_bytes());
        }
        let hash = blake3::hash(&bytes[at..end]);
        bytes[end..end + HASH_BYTES].copy_from_slice(hash.as_bytes());
        if !OUTSIDE.contains(&tag) {
            state.update(hash.as_bytes());
        }
        at = end + HASH_BYTES;
    }
}
