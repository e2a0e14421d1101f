//! The vault's one writer: gathers what waits into one transaction, flushes it, answers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jari_core::ids::PersonId;
use redb::{ReadableTable, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::store::{Store, Unkept};
use super::{ENDED, PEOPLE, STAFF, StaffRecord};

/// Writes of one transaction.
const BATCH_MAX: usize = 4_096;
/// After a write that found no room none is tried for so long: each would open the file anew.
const FULL_PAUSE: Duration = Duration::from_millis(250);

/// Who waits for a write.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Unkept>>;

/// A write and who waits for it.
pub(super) enum Write {
    /// Keeps a person's wrapped key unless there is one; answers the one in force.
    KeepKey { person: PersonId, wrapped: Vec<u8>, reply: Reply<Vec<u8>> },
    /// Deletes a person's key.
    ForgetKey { person: PersonId, reply: Reply<()> },
    /// Keeps someone of the staff, replacing them.
    KeepStaff { name: String, record: StaffRecord, reply: Reply<()> },
    /// Remembers a staff session that was ended, until it would have ended anyway.
    EndSession { nonce: u64, ends_at_ms: u64, now_ms: u64, reply: Reply<()> },
}

pub(super) fn write_loop(store: &Store, mut waiting: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut full_at: Option<Instant> = None;
    while waiting.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        if full_at.is_some_and(|at| at.elapsed() < FULL_PAUSE) {
            refuse(batch.drain(..), Unkept::Full);
            continue;
        }
        let kept = store.write(|transaction| apply(transaction, &batch));
        full_at = (kept.as_ref().err() == Some(&Unkept::Full)).then(Instant::now);
        match kept {
            Ok(in_force) => answer(batch.drain(..), &in_force),
            Err(why) => refuse(batch.drain(..), why),
        }
    }
}

/// One transaction for the batch; gives the keys that are in force after it.
fn apply(transaction: &WriteTransaction, batch: &[Write]) -> Result<HashMap<PersonId, Vec<u8>>, redb::Error> {
    let mut in_force = HashMap::new();
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
        }
    }
    Ok(in_force)
}

/// Whoever has gone away meanwhile misses the answer, and asks again.
fn answer(batch: impl Iterator<Item = Write>, in_force: &HashMap<PersonId, Vec<u8>>) {
    for write in batch {
        match write {
            Write::KeepKey { person, reply, .. } => {
                let _ = reply.send(in_force.get(&person).cloned().ok_or(Unkept::Broken));
            }
            Write::ForgetKey { reply, .. }
            | Write::KeepStaff { reply, .. }
            | Write::EndSession { reply, .. } => {
                let _ = reply.send(Ok(()));
            }
        }
    }
}

fn refuse(batch: impl Iterator<Item = Write>, why: Unkept) {
    for write in batch {
        // As above.
        match write {
            Write::KeepKey { reply, .. } => {
                let _ = reply.send(Err(why));
            }
            Write::ForgetKey { reply, .. }
            | Write::KeepStaff { reply, .. }
            | Write::EndSession { reply, .. } => {
                let _ = reply.send(Err(why));
            }
        }
    }
}
