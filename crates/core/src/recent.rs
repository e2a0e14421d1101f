//! The outcomes of recent commands by id: the same id answers the first outcome
//! again, and the same id with other content is refused.
//!
//! The last [`RECENT_MAX`] are kept. A repeat that comes later than that meets the
//! domain's own rules (one active booking a person, campaign and dose), so nothing
//! can be given twice by it.

use core::hash::{Hash, Hasher};

use hashbrown::HashTable;

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
#[derive(Clone, Debug, Default)]
pub(crate) struct RecentIndex(HashTable<u32>);

/// Entry numbers are kept as 32 bits; the distance to the newest disambiguates.
fn number_of(short: u32, entries: &Chunked<Recent>) -> u64 {
    let newest = entries.end();
    let behind = (newest as u32).wrapping_sub(short);
    newest - u64::from(behind)
}

fn id_at(short: u32, entries: &Chunked<Recent>) -> CommandId {
    entries.get(number_of(short, entries)).map_or(CommandId(0), |recent| recent.id)
}

impl RecentIndex {
    /// Builds the index of `entries`.
    pub(crate) fn of(entries: &Chunked<Recent>) -> RecentIndex {
        let mut index = RecentIndex(HashTable::with_capacity(entries.len()));
        for (offset, recent) in entries.iter().enumerate() {
            let short = (entries.first() + offset as u64) as u32;
            index.0.insert_unique(recent.id.0 as u64, short, |s| id_at(*s, entries).0 as u64);
        }
        index
    }

    /// The remembered command with this id.
    pub(crate) fn find(&self, entries: &Chunked<Recent>, id: CommandId) -> Option<Recent> {
        let short = self.0.find(id.0 as u64, |short| id_at(*short, entries) == id)?;
        entries.get(number_of(*short, entries)).copied()
    }

    /// Remembers a command, forgetting the oldest beyond the limit.
    pub(crate) fn remember(&mut self, entries: &mut Chunked<Recent>, recent: Recent) {
        while entries.len() as u64 >= RECENT_MAX {
            let oldest = entries.first() as u32;
            if let Some(gone) = entries.front().map(|front| front.id)
                && let Ok(entry) = self.0.find_entry(gone.0 as u64, |short| *short == oldest)
            {
                entry.remove();
            }
            entries.pop_front();
        }
        let short = entries.push(recent) as u32;
        self.0.insert_unique(recent.id.0 as u64, short, |s| id_at(*s, entries).0 as u64);
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
