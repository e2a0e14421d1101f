//! A hash table of 32-bit numbers in many small shards.
//!
//! One large table grows by moving everything at once: with ten million people that is
//! a stop of half a second on the busiest morning. Here a growth moves one shard, which
//! takes a fraction of a millisecond, and the shards do not grow in the same moment.
//!
//! A lookup reads one cache line, and which one is known before anything is read: a
//! batch of lookups waits for memory once. That, and not counting instructions, is why
//! this is not a map of a library, which reads two lines, one after the other.
//!
//! Keys are hashes already (people, command ids): 64 uniform bits. It must never be
//! iterated, as its order means nothing, nor trusted without comparing what a number
//! stands for: different keys share hashes.

use alloc::vec;
use alloc::vec::Vec;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Shards {
    /// The number of shards is a power of two.
    shards: Vec<Shard>,
}

/// Lines are filled from the one that a hash names, in order; nothing is ever taken out.
/// So a search ends at the first line that has a free place.
#[derive(Clone, Debug, Default)]
struct Shard {
    /// None, or a power of two of them.
    lines: Vec<Line>,
    /// Places filled, at most three in four.
    filled: usize,
}

/// One cache line: eight numbers, each with 32 bits of its hash, so that growing, and
/// passing by strangers, reads no other memory. Its places are filled in order.
#[derive(Copy, Clone, Debug)]
#[repr(align(64))]
struct Line {
    hashes: [u32; LINE_LEN],
    numbers: [u32; LINE_LEN],
}

const LINE_LEN: usize = 8;
/// The number of a free place.
const FREE: u32 = u32::MAX;

impl Line {
    const EMPTY: Line = Line { hashes: [0; LINE_LEN], numbers: [FREE; LINE_LEN] };

    fn is_full(&self) -> bool {
        self.numbers[LINE_LEN - 1] != FREE
    }

    /// The place under `hash` whose number `is_it` accepts.
    fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<usize> {
        // All hashes are compared at once; a newcomer's is nearly never among them.
        if !self.hashes.iter().fold(false, |any, other| any | (*other == hash)) {
            return None;
        }
        (0..LINE_LEN).find(|at| {
            let number = self.numbers[*at];
            self.hashes[*at] == hash && number != FREE && is_it(number)
        })
    }
}

impl Shard {
    /// The line where a hash belongs; no line if there is none at all.
    fn home(&self, hash: u32) -> usize {
        hash as usize & self.lines.len().wrapping_sub(1)
    }

    /// The line and place under `hash` whose number `is_it` accepts.
    fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<(usize, usize)> {
        let mut line = self.home(hash);
        loop {
            let searched = self.lines.get(line)?;
            if let Some(at) = searched.find(hash, &mut is_it) {
                return Some((line, at));
            }
            if !searched.is_full() {
                return None;
            }
            line = (line + 1) % self.lines.len();
        }
    }

    fn insert(&mut self, hash: u32, number: u32) {
        if (self.filled + 1) * 4 > self.lines.len() * LINE_LEN * 3 {
            self.grow((self.lines.len() * 2).max(1));
        }
        let mut line = self.home(hash);
        while self.lines[line].is_full() {
            line = (line + 1) % self.lines.len();
        }
        let Line { hashes, numbers } = &mut self.lines[line];
        let at = numbers.iter().filter(|number| **number != FREE).count();
        hashes[at] = hash;
        numbers[at] = number;
        self.filled += 1;
    }

    fn grow(&mut self, lines: usize) {
        let grown = Shard { lines: vec![Line::EMPTY; lines], filled: 0 };
        let old = core::mem::replace(self, grown);
        for line in &old.lines {
            for (hash, number) in line.hashes.iter().zip(line.numbers).filter(|(_, number)| *number != FREE) {
                self.insert(*hash, number);
            }
        }
    }
}

impl Shards {
    /// An empty table of `2^bits` shards, at most 2^16.
    pub(crate) fn new(bits: u32) -> Shards {
        assert!(bits <= 16, "a shard's number has at most 16 bits");
        Shards { shards: vec![Shard::default(); 1 << bits] }
    }

    /// Makes room for `count` numbers in all, so that filling the table moves nothing.
    pub(crate) fn reserve(&mut self, count: usize) {
        let mean = count / self.shards.len();
        // Four standard deviations of an even spread: hardly a shard will grow again.
        let each = mean + 4 * mean.isqrt() + 1;
        let lines = (each * 4).div_ceil(LINE_LEN * 3).next_power_of_two();
        for shard in self.shards.iter_mut().filter(|shard| shard.lines.len() < lines) {
            shard.grow(lines);
        }
    }

    /// The lower half of a hash chooses the shard, the upper half the place within it.
    fn split(&self, hash: u64) -> (usize, u32) {
        (hash as usize & (self.shards.len() - 1), (hash >> 32) as u32)
    }

    /// The number under `hash` that `is_it` accepts.
    pub(crate) fn find(&self, hash: u64, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let (shard, hash) = self.split(hash);
        let shard = &self.shards[shard];
        let (line, at) = shard.find(hash, is_it)?;
        Some(shard.lines[line].numbers[at])
    }

    /// Reads where the number under `hash` would be; what it gives means nothing.
    pub(crate) fn touch(&self, hash: u64) -> u32 {
        let (shard, hash) = self.split(hash);
        let shard = &self.shards[shard];
        shard.lines.get(shard.home(hash)).map_or(0, |line| line.numbers[0])
    }

    /// Adds a number, any but `u32::MAX`, that is not there yet.
    pub(crate) fn insert(&mut self, hash: u64, number: u32) {
        assert!(number != FREE, "the number that stands for a free place");
        let (shard, hash) = self.split(hash);
        self.shards[shard].insert(hash, number);
    }

    /// Puts `new` in the place of `old`; false if `old` is not there.
    #[must_use]
    pub(crate) fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        let (shard, hash) = self.split(hash);
        let shard = &mut self.shards[shard];
        let Some((line, at)) = shard.find(hash, |number| number == old) else {
            return false;
        };
        shard.lines[line].numbers[at] = new;
        true
    }

    /// Bytes that the table takes, whether filled or not.
    pub(crate) fn bytes(&self) -> usize {
        let lines = self.shards.iter().map(|shard| shard.lines.capacity()).sum::<usize>();
        lines * size_of::<Line>() + self.shards.len() * size_of::<Shard>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(number: u32) -> u64 {
        u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn every_number_is_found_and_replaced_by_its_hash() {
        let mut shards = Shards::new(4);
        for number in 0..10_000 {
            shards.insert(hash_of(number), number);
        }
        for number in 0..10_000 {
            let found = shards.find(hash_of(number), |other| other == number);
            assert_eq!(found, Some(number));
        }
        assert_eq!(shards.find(hash_of(10_000), |_| true), None);
        assert!(shards.replace(hash_of(1), 1, 77));
        assert!(!shards.replace(hash_of(2), 3, 78));
        assert_eq!(shards.find(hash_of(1), |_| true), Some(77));
        assert_eq!(shards.find(hash_of(2), |_| true), Some(2));
    }
    #[test]
    fn numbers_that_crowd_one_line_are_all_found() {
        let mut shards = Shards::new(1);
        for number in 0..100 {
            shards.insert(u64::from(number % 3) << 60, number);
        }
        for number in 0..100 {
            let hash = u64::from(number % 3) << 60;
            assert_eq!(shards.find(hash, |other| other == number), Some(number));
            assert_eq!(shards.find(hash + (1 << 60), |other| other == number), None);
        }
    }

    #[test]
    fn what_was_reserved_does_not_grow() {
        let mut shards = Shards::new(4);
        shards.reserve(10_000);
        let bytes = shards.bytes();
        for number in 0..10_000 {
            shards.insert(hash_of(number), number);
        }
        assert_eq!(shards.bytes(), bytes);
    }
}
