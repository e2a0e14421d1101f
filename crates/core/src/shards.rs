//! A hash table of 32-bit numbers in many small shards.
//!
//! One large table grows by moving everything at once: with ten million people that is
//! a stop of half a second on the busiest morning. Here a growth moves one shard, which
//! takes a millisecond at the most, and the shards do not grow in the same moment.
//!
//! Keys are hashes already (people, command ids): 64 uniform bits. It must never be
//! iterated, as its order means nothing, nor trusted without comparing what a number
//! stands for: different keys share hashes.

use alloc::vec::Vec;

use hashbrown::HashTable;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Shards {
    /// The number of shards is a power of two.
    tables: Vec<HashTable<Entry>>,
}

/// A number with 32 bits of its hash: growing, and passing by strangers, then reads no
/// other memory than the table.
#[derive(Copy, Clone, Debug)]
struct Entry {
    hash: u32,
    number: u32,
}

impl Entry {
    /// Spreads the bits to where a table looks for them: the lowest and the highest seven.
    fn spread(&self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

impl Shards {
    /// An empty table of `2^bits` shards, at most 2^16.
    pub(crate) fn new(bits: u32) -> Shards {
        assert!(bits <= 16, "a shard's number has at most 16 bits");
        Shards { tables: (0..1 << bits).map(|_| HashTable::new()).collect() }
    }

    /// Makes room for `count` numbers in all, so that filling the table moves nothing.
    pub(crate) fn reserve(&mut self, count: usize) {
        let mean = count / self.tables.len();
        // Four standard deviations of an even spread: hardly a shard will grow again.
        let each = mean + 4 * mean.isqrt() + 1;
        for table in &mut self.tables {
            table.reserve(each, Entry::spread);
        }
    }

    /// The lower half of a hash chooses the shard, the upper half the place within it.
    fn split(&self, hash: u64, number: u32) -> (usize, Entry) {
        let shard = hash as usize & (self.tables.len() - 1);
        (shard, Entry { hash: (hash >> 32) as u32, number })
    }

    /// The number under `hash` that `is_it` accepts.
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let (shard, sought) = self.split(hash, 0);
        let same = |entry: &Entry| entry.hash == sought.hash && is_it(entry.number);
        Some(self.tables[shard].find(sought.spread(), same)?.number)
    }

    /// Adds a number that is not there yet.
    pub(crate) fn insert(&mut self, hash: u64, number: u32) {
        let (shard, entry) = self.split(hash, number);
        self.tables[shard].insert_unique(entry.spread(), entry, Entry::spread);
    }

    /// Puts `new` in the place of `old`; false if `old` is not there.
    #[must_use]
    pub(crate) fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        let (shard, sought) = self.split(hash, old);
        match self.tables[shard].find_mut(sought.spread(), |entry| entry.number == old) {
            Some(entry) => {
                entry.number = new;
                true
            }
            None => false,
        }
    }

    /// Bytes that the table takes, whether filled or not.
    pub(crate) fn bytes(&self) -> usize {
        let tables = self.tables.iter().map(HashTable::allocation_size).sum::<usize>();
        tables + self.tables.len() * size_of::<HashTable<Entry>>()
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
}
