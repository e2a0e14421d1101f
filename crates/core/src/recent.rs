//! The outcomes of recent commands by id: the same id answers the first outcome
//! again, and the same id with other content is refused.
//!
//! The last [`RECENT_MAX`] are kept. A repeat that comes later than that meets the
//! domain's own rules (one active booking a person, campaign and dose), so nothing
//! can be given twice by it.

use core::hash::{Hash, Hasher};

use crate::chunked::Chunked;
use crate::command::Body;
use crate::ids::CommandId;
use crate::limits::RECENT_MAX;
use crate::outcome::Outcome;
use crate::shards::Shards;

/// One remembered command.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Recent {
    /// The command's id.
    pub id: CommandId,
    /// [`digest`] of its body.
    pub digest: u64,
    /// What it came to.
    pub outcome: Outcome,
}

impl Default for Recent {
    fn default() -> Self {
        Recent { id: CommandId(0), digest: 0, outcome: Outcome::Done }
    }
}

/// Finds an entry's number by its id. Derived from the entries, never stored.
#[derive(Clone, Debug)]
pub(crate) struct RecentIndex {
    shorts: Shards,
    /// How many entries are kept.
    limit: u64,
}

impl Default for RecentIndex {
    fn default() -> Self {
        RecentIndex::with_limit(RECENT_MAX)
    }
}

/// Entry numbers are kept as 32 bits; the distance to the newest disambiguates, as far
/// fewer than 2^32 entries are kept.
fn number_of(short: u32, entries: &Chunked<Recent>) -> u64 {
    let newest = entries.end();
    let behind = (newest as u32).wrapping_sub(short);
    newest - u64::from(behind)
}

fn hash_at(short: u32, entries: &Chunked<Recent>) -> u64 {
    entries.get(number_of(short, entries)).map_or(0, |recent| recent.id.0 as u64)
}

impl RecentIndex {
    fn with_limit(limit: u64) -> RecentIndex {
        RecentIndex { shorts: Shards::new(6), limit }
    }

    /// Builds the index of `entries`, or gives the number of the first entry whose id is
    /// there twice.
    pub(crate) fn of(entries: &Chunked<Recent>) -> Result<RecentIndex, u64> {
        let mut index = RecentIndex::default();
        index.shorts.reserve(entries.len());
        for (number, recent) in (entries.first()..).zip(entries.iter()) {
            if index.find(entries, recent.id).is_some() {
                return Err(number);
            }
            index.add(entries, number, recent.id);
        }
        Ok(index)
    }

    fn add(&mut self, entries: &Chunked<Recent>, number: u64, id: CommandId) {
        self.shorts.insert(id.0 as u64, number as u32, |short| hash_at(short, entries));
    }

    /// The remembered command with this id.
    pub(crate) fn find(&self, entries: &Chunked<Recent>, id: CommandId) -> Option<Recent> {
        let is_it = |short| entries.get(number_of(short, entries)).is_some_and(|recent| recent.id == id);
        let short = self.shorts.find(id.0 as u64, is_it)?;
        entries.get(number_of(short, entries)).copied()
    }

    /// Remembers a command, forgetting the oldest beyond the limit.
    pub(crate) fn remember(&mut self, entries: &mut Chunked<Recent>, recent: Recent) {
        while entries.len() as u64 >= self.limit {
            let oldest = entries.first() as u32;
            let gone = entries.pop_front().expect("a sequence at its limit is not empty");
            assert!(self.shorts.remove(gone.id.0 as u64, oldest), "a remembered command is indexed");
        }
        let number = entries.push(recent);
        self.add(entries, number, recent.id);
    }
}

/// A 64-bit digest of a command's content, the same on every machine. It guards
/// against mistakes of an honest client, not against forgery: ids are already bound
/// to their sender.
#[must_use]
pub fn digest(body: &Body) -> u64 {
    let mut mixer = Mixer(0x9e37_79b9_7f4a_7c15);
    body.hash(&mut mixer);
    mixer.finish()
}

/// Multiply-and-fold mixing over little-endian words.
struct Mixer(u64);

impl Mixer {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0xd6e8_feb8_6659_fd93_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(32);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(word) ^ ((chunk.len() as u64) << 56));
        }
    }
    fn write_u8(&mut self, value: u8) {
        self.fold(u64::from(value));
    }
    fn write_u16(&mut self, value: u16) {
        self.fold(u64::from(value));
    }
    fn write_u32(&mut self, value: u32) {
        self.fold(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        self.fold(value);
    }
    fn write_u128(&mut self, value: u128) {
        self.fold(value as u64);
        self.fold((value >> 64) as u64);
    }
    fn write_usize(&mut self, value: usize) {
        self.fold(value as u64);
    }
    fn finish(&self) -> u64 {
        let folded = self.0 ^ (self.0 >> 32);
        folded.wrapping_mul(0xd6e8_feb8_6659_fd93)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::BookingId;

    fn recent(id: u128) -> Recent {
        let outcome = Outcome::Confirmed { booking: BookingId(id as u32) };
        Recent { id: CommandId(spread(id)), digest: id as u64, outcome }
    }

    fn spread(id: u128) -> u128 {
        id.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    fn check_kept(index: &RecentIndex, entries: &Chunked<Recent>, kept: core::ops::Range<u128>, ever: u128) {
        for id in 1..=ever {
            let found = index.find(entries, CommandId(spread(id)));
            assert_eq!(found, kept.contains(&id).then(|| recent(id)), "command {id}");
        }
    }

    #[test]
    fn the_oldest_is_forgotten_exactly_at_the_limit() {
        let mut index = RecentIndex::with_limit(3_000);
        let mut entries = Chunked::default();
        for id in 1..=3_000 {
            index.remember(&mut entries, recent(id));
        }
        check_kept(&index, &entries, 1..3_001, 3_000);
        index.remember(&mut entries, recent(3_001));
        check_kept(&index, &entries, 2..3_002, 3_001);
        for id in 3_002..=10_000 {
            index.remember(&mut entries, recent(id));
        }
        check_kept(&index, &entries, 7_001..10_001, 10_000);
        assert_eq!(entries.len(), 3_000);
    }

    #[test]
    fn numbers_beyond_32_bits_are_told_apart() {
        let mut index = RecentIndex::with_limit(500);
        let mut entries = Chunked::starting_at((1 << 32) - 700);
        for id in 1..=2_000 {
            index.remember(&mut entries, recent(id));
        }
        assert!(entries.first() > u64::from(u32::MAX));
        check_kept(&index, &entries, 1_501..2_001, 2_000);
    }

    #[test]
    fn a_rebuilt_index_finds_the_same_and_refuses_an_id_that_is_there_twice() {
        let mut entries = Chunked::starting_at(u64::from(u32::MAX) - 10);
        for id in 1..=100 {
            entries.push(recent(id));
        }
        let index = RecentIndex::of(&entries).unwrap();
        check_kept(&index, &entries, 1..101, 100);
        let twice = entries.push(recent(50));
        assert_eq!(RecentIndex::of(&entries).unwrap_err(), twice);
    }

    #[test]
    fn content_that_differs_in_one_field_has_another_digest() {
        let bodies = [
            Body::CheckIn { booking: BookingId(1) },
            Body::CheckIn { booking: BookingId(2) },
            Body::Upgrade { rules: 1 },
            Body::AckEffects { upto: 1 },
            Body::PauseCampaign { campaign: crate::ids::CampaignId(1), reason: "storm".into() },
            Body::PauseCampaign { campaign: crate::ids::CampaignId(1), reason: "storms".into() },
            Body::PauseCampaign { campaign: crate::ids::CampaignId(2), reason: "storm".into() },
        ];
        let digests: alloc::collections::BTreeSet<u64> = bodies.iter().map(digest).collect();
        assert_eq!(digests.len(), bodies.len());
        assert_eq!(digest(&bodies[4]), digest(&bodies[4].clone()));
    }
}
