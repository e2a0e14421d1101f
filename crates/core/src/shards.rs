//! A hash table of 32-bit numbers in many small shards.
//!
//! One large table grows by moving everything at once: with ten million people that is
//! a stop of half a second on the busiest morning. Here a growth moves one shard, which
//! takes a millisecond at the most, and the shards do not grow in the same moment.
//!
//! Keys are hashes already (people, command ids): 64 uniform bits. It must never be
//! iterated, as its order means nothing.

use alloc::vec::Vec;

use hashbrown::HashTable;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Shards {
    /// The number of shards is a power of two.
    tables: Vec<HashTable<u32>>,
}

impl Shards {
    /// An empty table of `2^bits` shards, at most 2^16.
    pub(crate) fn new(bits: u32) -> Shards {
        assert!(bits <= 16, "a shard's number has at most 16 bits");
        Shards { tables: (0..1 << bits).map(|_| HashTable::new()).collect() }
    }

    /// Makes room for `count` numbers in all, so that filling the table moves nothing.
    /// Call it while the table is empty.
    pub(crate) fn reserve(&mut self, count: usize) {
        let mean = count / self.tables.len();
        // Four standard deviations of an even spread: hardly a shard will grow again.
        let each = mean + 4 * mean.isqrt() + 1;
        for table in &mut self.tables {
            table.reserve(each, |_| 0);
        }
    }

    /// Bits 32 to 47 choose the shard: within a shard the lowest and the highest seven
    /// bits are used.
    fn shard(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.tables.len() - 1)
    }

    /// The number under `hash` that `is_it` accepts.
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.tables[self.shard(hash)].find(hash, |number| is_it(*number)).copied()
    }

    /// Adds a number that is not there yet. `hash_of` gives the hash of one that is, for
    /// when the shard grows.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) {
        let shard = self.shard(hash);
        self.tables[shard].insert_unique(hash, number, |number| hash_of(*number));
    }

    /// Puts `new` in the place of `old`; false if `old` is not there.
    #[must_use]
    pub(crate) fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        let shard = self.shard(hash);
        match self.tables[shard].find_mut(hash, |number| *number == old) {
            Some(number) => {
                *number = new;
                true
            }
            None => false,
        }
    }

    /// Takes a number out; false if it is not there.
    #[must_use]
    pub(crate) fn remove(&mut self, hash: u64, number: u32) -> bool {
        let shard = self.shard(hash);
        match self.tables[shard].find_entry(hash, |other| *other == number) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    /// Bytes that the table takes, whether filled or not.
    pub(crate) fn bytes(&self) -> usize {
        let tables = self.tables.iter().map(HashTable::allocation_size).sum::<usize>();
        tables + self.tables.len() * size_of::<HashTable<u32>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(number: u32) -> u64 {
        u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn every_number_is_found_replaced_and_taken_out_by_its_hash() {
        let mut shards = Shards::new(4);
        for number in 0..10_000 {
            shards.insert(hash_of(number), number, hash_of);
        }
        for number in (0..10_000).step_by(2) {
            assert!(shards.remove(hash_of(number), number));
            assert!(!shards.remove(hash_of(number), number));
        }
        for number in 0..10_000 {
            let found = shards.find(hash_of(number), |other| other == number);
            assert_eq!(found, (number % 2 == 1).then_some(number));
        }
        assert!(shards.replace(hash_of(1), 1, 77));
        assert!(!shards.replace(hash_of(2), 2, 78));
        assert_eq!(shards.find(hash_of(1), |_| true), Some(77));
    }
}
