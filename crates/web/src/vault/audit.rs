//! The audit list in the vault: entries by time, the same at every node, the oldest forgotten.
//!
//! In a cluster an entry goes to the shared table first, sealed like the staff, and every replica hears
//! it; each is written once and never again. It is bounded by time ([`LASTS_MS`], which the servers keep
//! as well) and by number ([`ENTRIES_MAX`], here). Start at [`Vault::note`].

use std::sync::atomic::{AtomicU32, Ordering};

use redb::ReadableTable;

use super::writer::Write;
use super::{AUDIT, Vault, damaged};
use crate::problem::Problem;
use crate::random;
use crate::staff::audit::Entry;

/// How long an entry is kept: thirteen months.
pub const LASTS_MS: u64 = 396 * 86_400_000;
/// Entries that a node keeps at the most.
pub const ENTRIES_MAX: u64 = 500_000;

/// Where an entry is: its time, and a number that puts those of one moment in their order at the node
/// that wrote them, with a random part that tells nodes apart.
pub type AuditKey = (u64, u64);

/// Counts what this process noted.
static NOTED: AtomicU32 = AtomicU32::new(0);

impl Vault {
    /// Writes an entry, durably, before this answers.
    ///
    /// # Errors
    ///
    /// When the vault cannot be written: whatever the entry is about must not be done then.
    pub async fn note(&self, entry: &Entry) -> Result<(), Problem> {
        let (apart, nth) = (u32::from_le_bytes(random::bytes()?), NOTED.fetch_add(1, Ordering::Relaxed));
        let key = (entry.at_ms, u64::from(nth) << 32 | u64::from(apart));
        let bytes = serde_json::to_vec(entry).map_err(|_| damaged())?;
        match &self.shared {
            Some(shared) => shared.note(key, bytes).await,
            None => self.write(|reply| Write::Note { key, bytes, reply }).await,
        }
    }

    /// What `take` takes of all entries, as they are kept.
    pub(super) fn notes<T>(
        &self,
        take: impl Fn(AuditKey, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, redb::Error> {
        self.store.read(|transaction| {
            let mut taken = Vec::new();
            for row in transaction.open_table(AUDIT)?.iter()? {
                let (key, bytes) = row?;
                taken.extend(take(key.value(), bytes.value()));
            }
            Ok(taken)
        })
    }

    /// Entries from `from` on and before `upto`, the newest first, that `fits`; at most `count` of them,
    /// each with its key.
    ///
    /// # Errors
    ///
    /// When the vault cannot be read.
    pub fn noted(
        &self,
        from: AuditKey,
        upto: AuditKey,
        count: usize,
        fits: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<(AuditKey, Entry)>, Problem> {
        let read = self.store.read(|transaction| {
            let table = transaction.open_table(AUDIT)?;
            let mut found = Vec::new();
            for row in table.range(from..upto)?.rev() {
                let (key, bytes) = row?;
                let entry = serde_json::from_slice::<Entry>(bytes.value()).ok().filter(|entry| fits(entry));
                found.extend(entry.map(|entry| (key.value(), entry)));
                if found.len() >= count {
                    break;
                }
            }
            Ok(found)
        });
        read.map_err(|_| damaged())
    }
}
