//! The draw, computed again by other code than the service's.
//!
//! The service computes one place at a time, backwards from its number (`compute_shuffled_index`).
//! This computes all places at once by exchanging the people of a list, as clients of the beacon
//! chain do: each round mirrors the list at a pivot, and one hash decides 256 pairs. Two different
//! algorithms that agree on every place are a better check than one written twice.
//!
//! Source: Ethereum consensus specification, phase 0, `compute_shuffled_index`; the list form is
//! due to protolambda. Must never call the service's code. Start at [`places`].

use sha2::{Digest, Sha256};

const ROUNDS: u8 = 90;

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// Whether a revealed seed is the one that was committed to.
#[must_use]
pub fn seed_matches(seed: &[u8; 32], commitment: &[u8; 32]) -> bool {
    hash(&[seed]) == *commitment
}

/// The seed of the shuffle: the revealed seed mixed with the public value.
#[must_use]
pub fn mixed(seed: &[u8; 32], beacon: &[u8; 32]) -> [u8; 32] {
    hash(&[seed, beacon])
}

/// The place of every ticket of a lobby: `places(n, seed)[serial]`.
#[must_use]
pub fn places(count: u32, mixed: &[u8; 32]) -> Vec<u32> {
    // `at[place]` is who stands there. Rounds in their order move a person from index to place.
    let mut at: Vec<u32> = (0..count).collect();
    for round in (0..ROUNDS).filter(|_| count > 1) {
        exchange(&mut at, mixed, round);
    }
    let mut places = vec![0; count as usize];
    for (place, serial) in (0..).zip(&at) {
        places[*serial as usize] = place;
    }
    places
}

/// One round: whoever stands at `i` and at `pivot - i` change places if the bit of the larger of
/// the two says so.
fn exchange(at: &mut [u32], mixed: &[u8; 32], round: u8) {
    let count = at.len() as u64;
    let pivot_hash = hash(&[mixed, &[round]]);
    let low = u64::from_le_bytes(std::array::from_fn(|byte| pivot_hash[byte]));
    let pivot = low % count;
    let mut block = (u64::MAX, [0; 32]);
    let mut bit = |place: u64| {
        if block.0 != place / 256 {
            let number = (place / 256) as u32;
            block = (place / 256, hash(&[mixed, &[round], &number.to_le_bytes()]));
        }
        block.1[(place % 256 / 8) as usize] >> (place % 8) & 1 == 1
    };
    // Below the pivot the mirror image of i is pivot - i; above it, pivot + count - i.
    for (first, last) in [(0, pivot), (pivot + 1, count - 1)] {
        let (mut i, mut j) = (first, last);
        while i < j && j < count {
            if bit(j) {
                at.swap(i as usize, j as usize);
            }
            i += 1;
            j -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jari_core::waiting_room::draw;

    #[test]
    fn two_ways_to_shuffle_agree_on_every_place() {
        for count in [0, 1, 2, 3, 7, 255, 256, 257, 1_000, 4_096] {
            let seed = hash(&[&[count as u8], b"seed"]);
            let places = places(count, &seed);
            for serial in 0..count {
                assert_eq!(
                    places[serial as usize],
                    draw::shuffled_index(serial, count, &seed),
                    "{serial}/{count}"
                );
            }
        }
    }

    #[test]
    fn a_flipped_bit_of_the_seed_is_noticed() {
        let seed = [7; 32];
        let mut other = seed;
        other[31] ^= 1;
        assert!(seed_matches(&seed, &hash(&[&seed])));
        assert!(!seed_matches(&other, &hash(&[&seed])));
        assert_ne!(places(1_000, &mixed(&seed, &[0; 32])), places(1_000, &mixed(&other, &[0; 32])));
    }
}
