//! The lobby's draw once more, written from Ethereum's specification and not from ours
//! (`compute_shuffled_index`, consensus-specs, phase 0): what a person's browser does with the
//! revealed seed, and what the auditor checks positions with.
//!
//! Must never share code with `jari-core`: two that agree prove more than one. Start at [`Shuffle`].

use sha2::{Digest as _, Sha256};

const SHUFFLE_ROUND_COUNT: u8 = 90;

/// The shuffle of one seed and count. The pivots are the same for everyone and kept.
#[derive(Debug, Clone)]
pub struct Shuffle {
    seed: [u8; 32],
    index_count: u64,
    pivots: Vec<u64>,
}

impl Shuffle {
    /// The shuffle of `seed` over `index_count` tickets.
    pub fn new(seed: [u8; 32], index_count: u32) -> Self {
        let index_count = u64::from(index_count);
        let pivot = |round: u8| {
            let hash = Sha256::new_with_prefix(seed).chain_update([round]).finalize();
            let (first, _) = hash.split_at(8);
            let number = first.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            number.checked_rem(index_count).unwrap_or(0)
        };
        Self { seed, index_count, pivots: (0..SHUFFLE_ROUND_COUNT).map(pivot).collect() }
    }

    /// How many tickets are in it.
    pub fn len(&self) -> u32 {
        u32::try_from(self.index_count).unwrap_or(u32::MAX)
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.index_count == 0
    }

    /// The position of ticket `index`; `None` when it is not of the lobby.
    pub fn position(&self, index: u32) -> Option<u32> {
        let mut index = u64::from(index);
        if index >= self.index_count {
            return None;
        }
        for (round, pivot) in (0..SHUFFLE_ROUND_COUNT).zip(&self.pivots) {
            let flip = (pivot + self.index_count - index) % self.index_count;
            let position = index.max(flip);
            let block = u32::try_from(position / 256).ok()?;
            let source =
                Sha256::new_with_prefix(self.seed).chain_update([round]).chain_update(block.to_le_bytes());
            let byte = source.finalize()[usize::try_from(position % 256 / 8).ok()?];
            if byte >> (position % 8) & 1 == 1 {
                index = flip;
            }
        }
        u32::try_from(index).ok()
    }
}

/// SHA-256, as the commitment to a seed is made.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// 32 bytes from 64 hexadecimal digits.
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Bytes as hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
