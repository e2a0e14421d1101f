//! Two bits a ticket: what became of it.

use alloc::vec::Vec;

use crate::ids::Serial;

/// What became of a ticket.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Mark {
    /// It waits, called or not.
    Waiting = 0,
    /// It has an active pass.
    Inside = 1,
    /// Its pass ended; it may enter again.
    Lapsed = 2,
    /// It was used up or given back.
    Spent = 3,
}

/// The marks of all tickets of a room. A ticket that was never marked is waiting, so
/// joining a million people costs no memory at all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// The mark of a ticket.
    #[must_use]
    pub fn get(&self, serial: Serial) -> Mark {
        let word = self.words.get(serial.0 as usize / 32).copied().unwrap_or(0);
        match word >> (serial.0 % 32 * 2) & 3 {
            0 => Mark::Waiting,
            1 => Mark::Inside,
            2 => Mark::Lapsed,
            _ => Mark::Spent,
        }
    }

    /// Marks a ticket.
    pub fn set(&mut self, serial: Serial, mark: Mark) {
        let at = serial.0 as usize / 32;
        if self.words.len() <= at {
            self.words.resize(at + 1, 0);
        }
        let shift = serial.0 % 32 * 2;
        self.words[at] = self.words[at] & !(3 << shift) | (mark as u64) << shift;
    }

    /// The packed words, 32 tickets each, lowest bits first: for snapshots. Ends with
    /// the last word that was ever written.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Brings marks back from a snapshot.
    #[must_use]
    pub fn from_words(words: Vec<u64>) -> Marks {
        Marks { words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_changes_its_own_ticket_only() {
        let mut marks = Marks::default();
        for serial in 0..200 {
            marks.set(Serial(serial), Mark::Spent);
        }
        marks.set(Serial(77), Mark::Inside);
        marks.set(Serial(31), Mark::Waiting);
        for serial in 0..300 {
            let expected = match serial {
                77 => Mark::Inside,
                31 | 200.. => Mark::Waiting,
                _ => Mark::Spent,
            };
            assert_eq!(marks.get(Serial(serial)), expected, "ticket {serial}");
        }
    }
}
