//! How often somebody of the staff looked at a name, by booking: for its person.
//!
//! All of it follows from the audit list and is in memory alone: counted once after a start, off the
//! request threads, and kept up by the vault's writer from then on. Until it is counted nothing is said.
//!
//! It must never say who looked: that is for auditors.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::audit::{AuditKey, ENTRIES_MAX, LASTS_MS};
use super::writer::{What, Write};
use super::{Vault, damaged};
use crate::actions::staff::{LOOK_AT_CONTACT, PRINT_NAMES};
use crate::problem::Problem;
use crate::staff::audit::Entry;

/// Looks at one thing, in the time for which the audit list goes back.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Looked {
    /// How many.
    pub times: u32,
    /// When the last was, ms; 0 without any.
    pub last_ms: u64,
}

type Seen = BTreeSet<(String, AuditKey)>;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Looks(Mutex<Counted>);

#[derive(Default)]
enum Counted {
    /// Nothing is known.
    #[default]
    Not,
    /// The list is being read; what is noted meanwhile.
    Under(Seen),
    /// All there are.
    All(Seen),
}

impl Looks {
    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the looks among what was written. An entry may come twice: as this node's own, and heard.
    pub(super) fn wrote(&self, batch: &[Write]) {
        for write in batch {
            match write {
                Write::Note { key, bytes, .. } => self.noted(*key, bytes),
                Write::Own { row, .. } => self.heard(&row.what),
                Write::Heard { rows, .. } => rows.iter().for_each(|row| self.heard(&row.what)),
                _ => {}
            }
        }
    }

    fn heard(&self, what: &What) {
        if let What::Note { key, bytes } = what {
            self.noted(*key, bytes);
        }
    }

    fn noted(&self, key: AuditKey, bytes: &[u8]) {
        let Some(subject) = subject_of(bytes) else { return };
        let mut counted = self.counted();
        let (Counted::Under(seen) | Counted::All(seen)) = &mut *counted else { return };
        seen.insert((subject, key));
        if seen.len() as u64 > ENTRIES_MAX {
            // Most of them are older than the list: it is read again.
            *counted = Counted::Not;
        }
    }
}

impl Vault {
    /// Counts the looks that are in the audit list, if that is still to be done. Blocks for as long as
    /// reading the list takes, half a second at its longest.
    ///
    /// # Errors
    ///
    /// When the vault cannot be read.
    pub fn count_looks(&self) -> Result<(), Problem> {
        let looks = self.store.looks();
        {
            let mut counted = looks.counted();
            if !matches!(*counted, Counted::Not) {
                return Ok(());
            }
            *counted = Counted::Under(Seen::new());
        }
        let read = self.notes(|key, bytes| subject_of(bytes).map(|subject| (subject, key)));
        let mut counted = looks.counted();
        let noted = match std::mem::take(&mut *counted) {
            Counted::Under(noted) => noted,
            Counted::Not | Counted::All(_) => Seen::new(),
        };
        let mut seen: Seen = read.map_err(|_| damaged())?.into_iter().collect();
        seen.extend(noted);
        *counted = Counted::All(seen);
        Ok(())
    }

    /// Looks at the name behind a booking, and at the list with names of a clinic's day. None while they
    /// are not counted.
    #[must_use]
    pub fn looked(&self, booking: u32, desk: u32, day: &str, now_ms: u64) -> Option<[Looked; 2]> {
        let counted = self.store.looks().counted();
        let Counted::All(seen) = &*counted else { return None };
        let oldest = (now_ms.saturating_sub(LASTS_MS), 0);
        let looked = |subject: String| {
            let of = seen.range((subject.clone(), oldest)..=(subject, (u64::MAX, u64::MAX)));
            of.fold(Looked::default(), |looked, (_, (at_ms, _))| Looked {
                times: looked.times.saturating_add(1),
                last_ms: looked.last_ms.max(*at_ms),
            })
        };
        Some([looked(format!("booking {booking}")), looked(format!("desk {desk}, {day}"))])
    }
}

/// What was looked at: a booking, or a clinic's day. None for an entry of anything else.
fn subject_of(bytes: &[u8]) -> Option<String> {
    // Most entries are of something else, and not worth the reading.
    let names = |what: &str| bytes.windows(what.len()).any(|part| part == what.as_bytes());
    if !names(LOOK_AT_CONTACT) && !names(PRINT_NAMES) {
        return None;
    }
    let entry = serde_json::from_slice::<Entry>(bytes).ok().filter(|entry| entry.refused.is_empty())?;
    match entry.what.as_str() {
        LOOK_AT_CONTACT => Some(entry.on),
        // Behind the day stands how many were on the list.
        PRINT_NAMES => entry.on.rsplit_once(", ").map(|(subject, _)| subject.to_owned()),
        _ => None,
    }
}
