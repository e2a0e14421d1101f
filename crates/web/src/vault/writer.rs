//! The vault's one writer: gathers what waits into one transaction, flushes it, answers.

use std::collections::HashMap;

use jari_core::ids::PersonId;
use redb::{Database, ReadableTable};
use tokio::sync::{mpsc, oneshot};

use super::{ENDED, PEOPLE, STAFF, StaffRecord};

/// Writes of one transaction.
const BATCH_MAX: usize = 4_096;

/// A write and who waits for it; `None` says that it did not happen.
pub(super) enum Write {
    /// Keeps a person's wrapped key unless there is one; answers the one in force.
    KeepKey { person: PersonId, wrapped: Vec<u8>, reply: oneshot::Sender<Option<Vec<u8>>> },
    /// Deletes a person's key.
    ForgetKey { person: PersonId, reply: oneshot::Sender<Option<()>> },
    /// Keeps someone of the staff, replacing them.
    KeepStaff { name: String, record: StaffRecord, reply: oneshot::Sender<Option<()>> },
    /// Remembers a staff session that was ended, until it would have ended anyway.
    EndSession { nonce: u64, ends_at_ms: u64, now_ms: u64, reply: oneshot::Sender<Option<()>> },
    /// Ends the thread and closes the file.
    #[cfg(test)]
    Close,
}

pub(super) fn write_loop(database: &Database, mut waiting: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        #[cfg(test)]
        if batch.iter().any(|write| matches!(write, Write::Close)) {
            return;
        }
        match apply(database, &batch) {
            Ok(in_force) => answer(batch.drain(..), &in_force),
            Err(error) => {
                tracing::error!(%error, "the vault cannot be written");
                // Dropping the senders tells everyone that nothing was kept.
                batch.clear();
            }
        }
    }
}

/// One transaction for the batch; gives the keys that are in force after it.
fn apply(database: &Database, batch: &[Write]) -> Result<HashMap<PersonId, Vec<u8>>, redb::Error> {
    let mut in_force = HashMap::new();
    let transaction = database.begin_write()?;
    {
        let mut people = transaction.open_table(PEOPLE)?;
        let mut staff = transaction.open_table(STAFF)?;
        let mut ended = transaction.open_table(ENDED)?;
        for write in batch {
            match write {
                Write::KeepKey { person, wrapped, .. } => {
                    let kept = people.get(person.0)?.map(|kept| kept.value().to_vec());
                    if kept.is_none() {
                        people.insert(person.0, wrapped.as_slice())?;
                    }
                    in_force.insert(*person, kept.unwrap_or_else(|| wrapped.clone()));
                }
                Write::ForgetKey { person, .. } => {
                    people.remove(person.0)?;
                }
                Write::KeepStaff { name, record, .. } => {
                    staff.insert(name.as_str(), (record.user, record.role, record.hash.as_str()))?;
                }
                Write::EndSession { nonce, ends_at_ms, now_ms, .. } => {
                    ended.retain(|_, ends_at| ends_at > *now_ms)?;
                    ended.insert(nonce, ends_at_ms)?;
                }
                #[cfg(test)]
                Write::Close => {}
            }
        }
    }
    transaction.commit()?;
    Ok(in_force)
}

/// Whoever has gone away meanwhile misses the answer, and asks again.
fn answer(batch: impl Iterator<Item = Write>, in_force: &HashMap<PersonId, Vec<u8>>) {
    for write in batch {
        match write {
            Write::KeepKey { person, reply, .. } => {
                let _ = reply.send(in_force.get(&person).cloned());
            }
            Write::ForgetKey { reply, .. }
            | Write::KeepStaff { reply, .. }
            | Write::EndSession { reply, .. } => {
                let _ = reply.send(Some(()));
            }
            #[cfg(test)]
            Write::Close => {}
        }
    }
}
