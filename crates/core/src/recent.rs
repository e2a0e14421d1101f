//! The outcomes of recent commands by id: the same id answers the first outcome
//! again, and the same id with other content is refused.
//!
//! The last [`RECENT_MAX`] are kept. A repeat that comes later than that meets the
//! domain's own rules (one active booking a person, campaign and dose), so nothing
//! can be given twice by it.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::chunked::Chunked;
use crate::command::Body;
use crate::ids::CommandId;
use crate::limits::RECENT_MAX;
use crate::outcome::Outcome;

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
///
/// An id has one cache line, chosen by its lower bits, with places for the numbers of
/// entries. A number whose entry was forgotten is simply written over, so that
/// forgetting touches no memory: half the cost of a command would be that otherwise.
#[derive(Clone, Debug)]
pub(crate) struct RecentIndex {
    /// A power of two of them, four kept entries to each at the most.
    lines: Vec<Line>,
    /// Entries whose line had no place left; hardly ever any.
    spilled: BTreeMap<CommandId, u64>,
    /// How many entries are kept.
    limit: u64,
}

/// Places for 16 entries: the lower 22 bits of a number, below 10 bits of the id.
#[derive(Copy, Clone, Debug)]
#[repr(align(64))]
struct Line([u32; 16]);

/// The distance to the newest entry tells which number is meant. Four times the entries
/// kept have a number of their own, so that places of forgotten ones seldom look taken.
const NUMBER_BITS: u32 = 22;
const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;
/// Up to how many entries the memory doubles as it is filled.
const SMALL_LEN: usize = 4_096;
/// No entry: a tag is never all ones.
const EMPTY: u32 = u32::MAX;

impl Default for RecentIndex {
    fn default() -> Self {
        RecentIndex::with_limit(RECENT_MAX)
    }
}

/// The upper bits of a place for an id, which most others do not share.
fn tag_of(id: CommandId) -> u32 {
    let tag = (id.0 >> 64) as u32 >> NUMBER_BITS;
    tag.min((EMPTY >> NUMBER_BITS) - 1) << NUMBER_BITS
}

/// How far the entry that a place stands for lies behind the one to come; further than any
/// that is kept if there is none.
fn behind(place: u32, end: u64) -> u32 {
    if place == EMPTY { NUMBER_MASK } else { (end as u32).wrapping_sub(place) & NUMBER_MASK }
}

impl RecentIndex {
    fn with_limit(limit: u64) -> RecentIndex {
        assert!(limit < 1 << (NUMBER_BITS - 1), "the distance to the newest tells numbers apart");
        RecentIndex { lines: vec![Line([EMPTY; 16]); 1], spilled: BTreeMap::new(), limit }
    }

    /// Builds the index of `entries`, or gives the number of the first entry whose id is
    /// there twice.
    pub(crate) fn of(entries: &Chunked<Recent>) -> Result<RecentIndex, u64> {
        let mut index = RecentIndex::default();
        index.spread_out(entries);
        for (number, recent) in (entries.first()..).zip(entries.iter()) {
            if index.find_number(entries, recent.id) != Some(number) {
                return Err(number);
            }
        }
        Ok(index)
    }

    /// The line of an id.
    fn line(&self, id: CommandId) -> usize {
        id.0 as usize & (self.lines.len() - 1)
    }

    /// Makes enough lines for the entries and places them all anew. A memory that is no
    /// longer small gets all its lines at once: moving half a million entries later would
    /// be a stop of many milliseconds.
    fn spread_out(&mut self, entries: &Chunked<Recent>) {
        let len = if entries.len() < SMALL_LEN { entries.len() } else { self.limit as usize };
        let lines = (len / 4 + 1).next_power_of_two();
        self.lines = vec![Line([EMPTY; 16]); lines];
        self.spilled.clear();
        for (number, recent) in (entries.first()..).zip(entries.iter()) {
            self.place(entries, number, recent.id);
        }
    }

    /// Notes where an entry is. The search for a free place begins anywhere, so that it
    /// nearly always ends there: three of four places are free.
    fn place(&mut self, entries: &Chunked<Recent>, number: u64, id: CommandId) {
        let line = self.line(id);
        let places = &mut self.lines[line].0;
        let (anywhere, len) = (number as usize, places.len());
        let is_free = |at: &usize| u64::from(behind(places[*at], entries.end())) > entries.len() as u64;
        match (anywhere..anywhere + len).map(|at| at % len).find(is_free) {
            Some(at) => places[at] = tag_of(id) | number as u32 & NUMBER_MASK,
            None => {
                self.spilled.insert(id, number);
            }
        }
    }

    /// The remembered command with this id.
    pub(crate) fn find(&self, entries: &Chunked<Recent>, id: CommandId) -> Option<Recent> {
        entries.get(self.find_number(entries, id)?).copied()
    }

    fn find_number(&self, entries: &Chunked<Recent>, id: CommandId) -> Option<u64> {
        let places = &self.lines[self.line(id)].0;
        let tag = tag_of(id);
        // All places are compared at once, and nearly always none has the tag of a new id.
        if places.iter().fold(false, |any, place| any | (place & !NUMBER_MASK == tag)) {
            for place in places.iter().filter(|place| *place & !NUMBER_MASK == tag) {
                let number = entries.end() - u64::from(behind(*place, entries.end()));
                if entries.get(number).is_some_and(|recent| recent.id == id) {
                    return Some(number);
                }
            }
        }
        if self.spilled.is_empty() { None } else { self.spilled.get(&id).copied() }
    }

    /// Reads where a command's id would be; the number means nothing.
    pub(crate) fn touch(&self, id: CommandId) -> u64 {
        u64::from(self.lines[self.line(id)].0[0])
    }

    /// Remembers a command, forgetting the oldest beyond the limit.
    pub(crate) fn remember(&mut self, entries: &mut Chunked<Recent>, recent: Recent) {
        while entries.len() as u64 >= self.limit {
            let gone = entries.pop_front().expect("a sequence at its limit is not empty");
            if !self.spilled.is_empty() {
                self.spilled.remove(&gone.id);
            }
        }
        if entries.len() >= self.lines.len() * 4 {
            self.spread_out(entries);
        }
        // The entry comes last: until then, the place of one that was just forgotten is free.
        let number = entries.end();
        self.place(entries, number, recent.id);
        entries.push(recent);
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
    fn ids_that_crowd_one_line_are_all_found_and_forgotten() {
        let crowded = |id: u128| Recent { id: CommandId(id << 30), ..recent(id) };
        let mut index = RecentIndex::with_limit(100);
        let mut entries = Chunked::default();
        for id in 1..=1_000 {
            index.remember(&mut entries, crowded(id));
            for other in id.saturating_sub(120).max(1)..=id {
                let found = index.find(&entries, crowded(other).id);
                assert_eq!(found, (other + 100 > id).then(|| crowded(other)));
            }
            assert!(index.spilled.len() <= 100);
        }
    }

    #[test]
    fn a_rebuilt_index_finds_the_same_and_refuses_an_id_that_is_there_twice() {
        let mut entries = Chunked::starting_at(u64::from(u32::MAX) - 10);
        for id in 1..=100 {
            entries.push(recent(id));
        }
        let index = RecentIndex::of(&entries).unwrap();
        check_kept(&index, &entries, 1..101, 100);
        let first = entries.first() + 49;
        let twice = entries.push(recent(50));
        let told = RecentIndex::of(&entries).unwrap_err();
        assert!(told == first || told == twice);
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
