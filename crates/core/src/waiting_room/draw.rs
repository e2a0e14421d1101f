//! The lobby's draw: a permutation computed in constant memory from a seed.
//!
//! Source: `compute_shuffled_index` of Ethereum's consensus specification (phase 0),
//! the swap-or-not shuffle with 90 rounds of SHA-256. Public test vectors exist; anyone
//! can recompute a place with a dozen lines in any language.

use sha2::{Digest, Sha256};

/// Rounds of the shuffle (`SHUFFLE_ROUND_COUNT` of the mainnet preset).
pub const ROUNDS: u8 = 90;

/// SHA-256 of a seed: what is published before the lobby fills.
#[must_use]
pub fn commitment(seed: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(seed).into()
}

/// The seed of the shuffle: SHA-256 of the committed seed, then the beacon.
#[must_use]
pub fn mix(seed: &[u8; 32], beacon: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(seed).chain_update(beacon).finalize().into()
}

/// The position of `index` among `count` under the shuffle of `seed`.
///
/// # Panics
///
/// If `index` is not below `count`.
#[must_use]
pub fn shuffled_index(index: u32, count: u32, seed: &[u8; 32]) -> u32 {
    assert!(index < count, "an index to shuffle lies within the count");
    let count = u64::from(count);
    let mut index = u64::from(index);
    for round in 0..ROUNDS {
        let pivot_hash: [u8; 32] = Sha256::new().chain_update(seed).chain_update([round]).finalize().into();
        let mut low = [0; 8];
        low.copy_from_slice(&pivot_hash[..8]);
        let pivot = u64::from_le_bytes(low) % count;
        let flip = (pivot + count - index) % count;
        let position = index.max(flip);
        let block = (position / 256) as u32;
        let source = Sha256::new()
            .chain_update(seed)
            .chain_update([round])
            .chain_update(block.to_le_bytes())
            .finalize();
        let byte = source[(position % 256 / 8) as usize];
        if byte >> (position % 8) & 1 == 1 {
            index = flip;
        }
    }
    index as u32
}
