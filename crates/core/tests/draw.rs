//! The lobby's draw: equal to Ethereum's published shuffle, a permutation, and even.

use jari_core::waiting_room::draw::{Draw, commitment, mix, shuffled_index};
use proptest::prelude::*;

/// Cases computed by the consensus specification's own code; the file says how.
const FIXTURE: &str = include_str!("fixtures/draw.txt");

#[test]
fn every_place_is_the_one_that_the_specification_computes() {
    let mut checked = 0;
    for line in FIXTURE.lines().filter(|line| !line.starts_with('#')) {
        let [seed, count, index, position] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("four words a line: {line}");
        };
        let (count, index): (u32, u32) = (count.parse().unwrap(), index.parse().unwrap());
        assert_eq!(shuffled_index(index, count, &bytes(seed)).to_string(), position, "{line}");
        checked += 1;
    }
    assert_eq!(checked, 406);
}

#[test]
fn the_commitment_and_the_mixed_seed_are_plain_sha_256() {
    // `printf '' | sha256sum` style values, computed with coreutils: of 32 zero bytes, and
    // of 32 zero bytes followed by 32 bytes of 0xff.
    let zeros = bytes("66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
    assert_eq!(commitment(&[0; 32]), zeros);
    let mixed = bytes("bba91ca85dc914b2ec3efb9e16e7267bf9193b14350d20fba8a8b406730ae30a");
    assert_eq!(mix(&[0; 32], &[0xff; 32]), mixed);
}

#[test]
fn a_revealed_draw_places_as_the_bare_function_does() {
    for count in [1, 2, 255, 256, 257, 800_000] {
        let draw = Draw::reveal([3; 32], [4; 32], count);
        for serial in (0..count).step_by(1 + count as usize / 50) {
            assert_eq!(draw.position(serial), shuffled_index(serial, count, &mix(&[3; 32], &[4; 32])));
        }
    }
    // An empty lobby is revealed, too; it places nobody.
    assert_eq!(Draw::reveal([3; 32], [4; 32], 0).mixed, mix(&[3; 32], &[4; 32]));
}

#[test]
fn it_is_a_permutation_for_every_size_up_to_three_hundred() {
    for count in 1..=300 {
        assert_permutation(count, &[count as u8; 32]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn it_is_a_permutation_for_any_size_and_seed(count in 1_u32..6_000, seed: [u8; 32]) {
        assert_permutation(count, &seed);
    }
}

#[test]
fn every_place_is_equally_likely_for_everyone() {
    // Ten tickets, 2,000 seeds: how often each ticket got each place. The statistic has 81
    // degrees of freedom (rows and columns add up); 126.08 is exceeded once in a thousand
    // draws. The seeds are fixed, so the test always gives the same answer.
    const TICKETS: u32 = 10;
    const SEEDS: u32 = 2_000;
    let mut counts = [[0_i64; TICKETS as usize]; TICKETS as usize];
    for number in 0..SEEDS {
        let seed = mix(&[5; 32], &u256(number));
        for ticket in 0..TICKETS {
            counts[ticket as usize][shuffled_index(ticket, TICKETS, &seed) as usize] += 1;
        }
    }
    let expected = i64::from(SEEDS / TICKETS);
    let squares: i64 = counts.iter().flatten().map(|count| (count - expected).pow(2)).sum();
    let chi_square = squares as f64 / expected as f64;
    assert!((45.0..126.08).contains(&chi_square), "chi-square {chi_square}");
}

#[test]
fn neighbours_in_the_lobby_do_not_stay_neighbours() {
    // Two who joined one after the other: in a random order their distance is 33,333 on
    // average among 100,000, with a standard deviation of 23,570. The mean of 2,000 pairs
    // has one of 527; five of them are allowed.
    let mut distances = 0;
    for pair in 0..2_000 {
        let first = shuffled_index(pair * 50, 100_000, &[6; 32]);
        let second = shuffled_index(pair * 50 + 1, 100_000, &[6; 32]);
        distances += u64::from(first.abs_diff(second));
    }
    let mean = distances / 2_000;
    assert!((30_700..36_000).contains(&mean), "mean distance {mean}");
}

fn assert_permutation(count: u32, seed: &[u8; 32]) {
    let mut taken = vec![false; count as usize];
    for index in 0..count {
        let position = shuffled_index(index, count, seed) as usize;
        assert!(!taken[position], "position {position} of {count} is given twice");
        taken[position] = true;
    }
}

fn u256(number: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn bytes(hex: &str) -> [u8; 32] {
    core::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}
