//! The lobby's draw: a permutation computed in constant memory from a seed.
//!
//! Source: `compute_shuffled_index` of Ethereum's consensus specification (phase 0),
//! the swap-or-not shuffle with 90 rounds of SHA-256. Anyone can recompute a place with
//! a dozen lines in any language; `scripts/check-draw` compares this one with one
//! written by others.
//!
//! It must never depend on anything but the revealed seed, the beacon and how many
//! there were in the lobby. Start reading at [`shuffled_index`], then [`Draw`].

use sha2::{Digest, Sha256};

/// Rounds of the shuffle (`SHUFFLE_ROUND_COUNT` of the mainnet preset).
pub const ROUNDS: u8 = 90;

/// Each round's pivot. They depend on the seed and the count alone, and are half of the
/// hashing of a place: kept, so that a place costs 90 hashes and not 180.
type Pivots = [u32; ROUNDS as usize];

/// The lobby's draw, once revealed.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Draw {
    /// What the commitment was the SHA-256 of.
    pub seed: [u8; 32],
    /// The public value mixed in; zeros if none.
    pub beacon: [u8; 32],
    /// SHA-256 of seed then beacon: the seed of the shuffle.
    pub mixed: [u8; 32],
    /// How many tickets are placed by it.
    count: u32,
    pivots: Pivots,
}

impl Draw {
    /// The draw of a lobby of `count` tickets. All else follows from these three, and a
    /// snapshot needs to hold no more.
    #[must_use]
    pub fn reveal(seed: [u8; 32], beacon: [u8; 32], count: u32) -> Draw {
        let mixed = mix(&seed, &beacon);
        Draw { seed, beacon, mixed, count, pivots: pivots(count, &mixed) }
    }

    /// The position of a ticket of the lobby.
    ///
    /// # Panics
    ///
    /// If the ticket is not of the lobby.
    #[must_use]
    pub fn position(&self, serial: u32) -> u32 {
        shuffled(serial, self.count, &self.mixed, &self.pivots)
    }
}

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
    shuffled(index, count, seed, &pivots(count, seed))
}

fn pivots(count: u32, seed: &[u8; 32]) -> Pivots {
    let mut pivots = [0; ROUNDS as usize];
    if count == 0 {
        return pivots;
    }
    for (round, pivot) in (0..ROUNDS).zip(&mut pivots) {
        let hash: [u8; 32] = Sha256::new().chain_update(seed).chain_update([round]).finalize().into();
        let mut low = [0; 8];
        low.copy_from_slice(&hash[..8]);
        *pivot = (u64::from_le_bytes(low) % u64::from(count)) as u32;
    }
    pivots
}

fn shuffled(index: u32, count: u32, seed: &[u8; 32], pivots: &Pivots) -> u32 {
    assert!(index < count, "an index to shuffle lies within the count");
    // Seed, round, block: one buffer and one SHA-256 block a round.
    let mut source = [0; 37];
    source[..32].copy_from_slice(seed);
    let mut index = index;
    for (round, pivot) in (0..ROUNDS).zip(pivots) {
        let flip = ((u64::from(*pivot) + u64::from(count - index)) % u64::from(count)) as u32;
        let position = index.max(flip);
        source[32] = round;
        source[33..].copy_from_slice(&(position / 256).to_le_bytes());
        let bits = Sha256::digest(source);
        let byte = bits[(position % 256 / 8) as usize];
        if byte >> (position % 8) & 1 == 1 {
            index = flip;
        }
    }
    index
}
