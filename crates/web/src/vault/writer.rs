//! The vault's one writer: gathers what waits into one transaction, flushes it, answers.
//!
//! Of a shared table it hears a row twice: from this node, right after the table kept it, and
//! from whoever follows the table, in the order of revisions. It must never let an earlier
//! revision of a name take a later one's place.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use jari_core::ids::PersonId;
use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use super::audit::{AuditKey, ENTRIES_MAX, LASTS_MS};
use super::store::{Followed, Store, Unkept};
use super::{AUDIT, DATED, ENDED, FOLLOWED, PEOPLE, STAFF, StaffRecord};

/// Writes of one transaction.
const BATCH_MAX: usize = 4_096;
/// After a write that found no room none is tried for so long: each would open the file anew.
const FULL_PAUSE: Duration = Duration::from_millis(250);
/// Rows of this node that whoever follows the table has not heard of yet; beyond it they come
/// by that way alone.
const AHEAD_MAX: usize = 262_144;

/// Who waits for a write.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Unkept>>;

/// A write and who waits for it.
pub(super) enum Write {
    /// Keeps a person's wrapped key unless there is one; answers the one in force.
    KeepKey { person: PersonId, wrapped: Vec<u8>, reply: Reply<Vec<u8>> },
    /// Deletes a person's key.
    ForgetKey { person: PersonId, reply: Reply<()> },
    /// Keeps someone of the staff, if they are as expected; answers whether they were.
    ReplaceStaff { name: String, expected: Option<StaffRecord>, record: StaffRecord, reply: Reply<bool> },
    /// Remembers that something was used that counts once; answers whether it was the first time.
    UseOnce { nonce: u64, ends_at_ms: u64, now_ms: u64, reply: Reply<bool> },
    /// Keeps an entry of the audit list.
    Note { key: AuditKey, bytes: Vec<u8>, reply: Reply<()> },
    /// Keeps since when contacts are dated, unless that is kept; answers what is in force.
    DateFrom { today: i32, reply: Reply<i32> },
    /// Remembers a staff session that was ended, until it would have ended anyway.
    EndSession { nonce: u64, ends_at_ms: u64, now_ms: u64, reply: Reply<()> },
    /// A row that the shared table keeps since a moment ago.
    Own { row: Row, reply: Reply<()> },
    /// Rows of the shared table, and up to where all of it is here then, if that is known.
    Heard { rows: Vec<Row>, followed: Option<Followed>, reply: Reply<()> },
    /// Deletes whoever is not among these, which are all that the shared table has.
    Sweep { whole: Whole, followed: Followed, reply: Reply<()> },
}

/// An entry of the shared table.
pub(super) struct Row {
    /// When it was written there.
    pub(super) revision: u64,
    /// What it is.
    pub(super) what: What,
}

/// See [`Row`].
pub(super) enum What {
    /// A person's wrapped key; none once forgotten.
    Key { person: PersonId, wrapped: Option<Vec<u8>> },
    /// Someone of the staff; none once removed.
    Staff { name: String, record: Option<StaffRecord> },
    /// A staff session that was ended.
    Ended { nonce: u64, ends_at_ms: u64, now_ms: u64 },
    /// An entry of the audit list.
    Note { key: AuditKey, bytes: Vec<u8> },
}

/// Everyone in the shared table.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) people: HashSet<u128>,
    pub(super) staff: HashSet<String>,
}

/// What of the shared table can change more than once.
#[derive(PartialEq, Eq, Hash)]
enum Name {
    Person(PersonId),
    Staff(String),
}

impl Row {
    fn name(&self) -> Option<Name> {
        match &self.what {
            What::Key { person, .. } => Some(Name::Person(*person)),
            What::Staff { name, .. } => Some(Name::Staff(name.clone())),
            What::Ended { .. } | What::Note { .. } => None,
        }
    }
}

impl Write {
    /// Whether it may change someone of the staff.
    fn is_of_staff(&self) -> bool {
        let changes = |row: &Row| matches!(row.what, What::Staff { .. });
        match self {
            Write::ReplaceStaff { .. } | Write::Sweep { .. } => true,
            Write::Own { row, .. } => changes(row),
            Write::Heard { rows, .. } => rows.iter().any(changes),
            _ => false,
        }
    }
}

/// Revisions of this node's own rows that are here before their turn. Should their transaction
/// fail they come again in their turn, so nothing has to be taken back.
#[derive(Default)]
struct Ahead(HashMap<Name, u64>);

impl Ahead {
    /// Whether a row of this node, which all up to `followed` is heard of, is to be written.
    fn admits_own(&mut self, row: &Row, followed: u64) -> bool {
        let Some(name) = row.name() else { return true };
        if row.revision <= followed || self.is_later(&name, row.revision) || self.0.len() >= AHEAD_MAX {
            return false;
        }
        self.0.insert(name, row.revision);
        true
    }

    /// Whether a row that was heard in its turn is to be written.
    fn admits_heard(&mut self, row: &Row) -> bool {
        let Some(name) = row.name() else { return true };
        if self.is_later(&name, row.revision) {
            return false;
        }
        self.0.remove(&name);
        true
    }

    fn is_later(&self, name: &Name, revision: u64) -> bool {
        self.0.get(name).is_some_and(|later| *later > revision)
    }
}

pub(super) fn write_loop(store: &Store, mut waiting: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut full_at: Option<Instant> = None;
    let mut ahead = Ahead::default();
    while waiting.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        if full_at.is_some_and(|at| at.elapsed() < FULL_PAUSE) {
            refuse(batch.drain(..), Unkept::Full);
            continue;
        }
        let kept = store.write(|transaction| apply(transaction, &batch, &mut ahead));
        full_at = (kept.as_ref().err() == Some(&Unkept::Full)).then(Instant::now);
        match kept {
            Ok(answers) => {
                if batch.iter().any(Write::is_of_staff) {
                    store.staff_changed();
                }
                store.looks().wrote(&batch);
                answer(batch.drain(..), answers);
            }
            Err(why) => refuse(batch.drain(..), why),
        }
    }
}

/// The tables of one transaction.
struct Tables<'t> {
    people: Table<'t, u128, &'static [u8]>,
    staff: Table<'t, &'static str, (u32, u8, &'static str)>,
    ended: Table<'t, u64, u64>,
    audit: Table<'t, (u64, u64), &'static [u8]>,
    followed: Table<'t, (), (u64, &'static str)>,
}

/// What a transaction answers.
#[derive(Default)]
struct Answers {
    /// The keys that are in force after it.
    in_force: HashMap<PersonId, Vec<u8>>,
    /// Of writes that are done only if something is as expected, in their order, whether they were.
    done: VecDeque<bool>,
    /// Since when contacts are dated.
    dated: Option<i32>,
}

/// One transaction for the batch.
fn apply(transaction: &WriteTransaction, batch: &[Write], ahead: &mut Ahead) -> Result<Answers, redb::Error> {
    let mut answers = Answers::default();
    let mut tables = Tables {
        people: transaction.open_table(PEOPLE)?,
        staff: transaction.open_table(STAFF)?,
        ended: transaction.open_table(ENDED)?,
        audit: transaction.open_table(AUDIT)?,
        followed: transaction.open_table(FOLLOWED)?,
    };
    for write in batch {
        match write {
            Write::KeepKey { person, wrapped, .. } => {
                let kept = tables.people.get(person.0)?.map(|kept| kept.value().to_vec());
                if kept.is_none() {
                    tables.people.insert(person.0, wrapped.as_slice())?;
                }
                answers.in_force.insert(*person, kept.unwrap_or_else(|| wrapped.clone()));
            }
            Write::ForgetKey { person, .. } => {
                tables.people.remove(person.0)?;
            }
            Write::ReplaceStaff { name, expected, record, .. } => {
                answers.done.push_back(tables.replace_staff(name, expected.as_ref(), record)?);
            }
            Write::UseOnce { nonce, ends_at_ms, now_ms, .. } => {
                let is_first = tables.ended.get(nonce)?.is_none();
                tables.end_session(*nonce, *ends_at_ms, *now_ms)?;
                answers.done.push_back(is_first);
            }
            Write::Note { key, bytes, .. } => tables.note(*key, bytes)?,
            Write::DateFrom { today, .. } => {
                let mut dated = transaction.open_table(DATED)?;
                let kept = dated.get(())?.map(|kept| kept.value());
                if kept.is_none() {
                    dated.insert((), today)?;
                }
                answers.dated = kept.or(Some(*today));
            }
            Write::EndSession { nonce, ends_at_ms, now_ms, .. } => {
                tables.end_session(*nonce, *ends_at_ms, *now_ms)?;
            }
            Write::Own { row, .. } => {
                let followed = tables.followed.get(())?.map_or(0, |kept| kept.value().0);
                if ahead.admits_own(row, followed) {
                    tables.keep(row)?;
                }
            }
            Write::Heard { rows, followed, .. } => {
                for row in rows {
                    if ahead.admits_heard(row) {
                        tables.keep(row)?;
                    }
                }
                if let Some(followed) = followed {
                    tables.follow(followed)?;
                }
            }
            Write::Sweep { whole, followed, .. } => {
                tables.people.retain(|person, _| whole.people.contains(&person))?;
                tables.staff.retain(|name, _| whole.staff.contains(name))?;
                tables.follow(followed)?;
                // Revisions of another table mean nothing in this one.
                *ahead = Ahead::default();
            }
        }
    }
    Ok(answers)
}

impl Tables<'_> {
    fn keep(&mut self, row: &Row) -> Result<(), redb::Error> {
        match &row.what {
            What::Key { person, wrapped: Some(wrapped) } => {
                self.people.insert(person.0, wrapped.as_slice())?;
            }
            What::Key { person, wrapped: None } => {
                self.people.remove(person.0)?;
            }
            What::Staff { name, record: Some(record) } => self.keep_staff(name, record)?,
            What::Staff { name, record: None } => {
                self.staff.remove(name.as_str())?;
            }
            What::Ended { nonce, ends_at_ms, now_ms } => self.end_session(*nonce, *ends_at_ms, *now_ms)?,
            What::Note { key, bytes } => self.note(*key, bytes)?,
        }
        Ok(())
    }

    fn keep_staff(&mut self, name: &str, record: &StaffRecord) -> Result<(), redb::Error> {
        self.staff.insert(name, (record.user, record.role, record.text().as_str()))?;
        Ok(())
    }

    fn replace_staff(
        &mut self,
        name: &str,
        expected: Option<&StaffRecord>,
        record: &StaffRecord,
    ) -> Result<bool, redb::Error> {
        let kept = self.staff.get(name)?.map(|kept| {
            let (user, role, text) = kept.value();
            StaffRecord::of_text(user, role, text)
        });
        if kept.as_ref() != expected {
            return Ok(false);
        }
        self.keep_staff(name, record)?;
        Ok(true)
    }

    /// Keeps an entry, and forgets what is too old or too much.
    fn note(&mut self, key: AuditKey, bytes: &[u8]) -> Result<(), redb::Error> {
        self.audit.insert(key, bytes)?;
        let oldest_ms = key.0.saturating_sub(LASTS_MS);
        loop {
            let first = self.audit.first()?.map(|(first, _)| first.value());
            let is_over = first.is_some_and(|(at_ms, _)| at_ms < oldest_ms);
            if !is_over && self.audit.len()? <= ENTRIES_MAX {
                break;
            }
            self.audit.pop_first()?;
        }
        Ok(())
    }

    fn end_session(&mut self, nonce: u64, ends_at_ms: u64, now_ms: u64) -> Result<(), redb::Error> {
        self.ended.retain(|_, ends_at| ends_at > now_ms)?;
        self.ended.insert(nonce, ends_at_ms)?;
        Ok(())
    }

    fn follow(&mut self, followed: &Followed) -> Result<(), redb::Error> {
        self.followed.insert((), (followed.revision, followed.life.as_str()))?;
        Ok(())
    }
}

/// Whoever has gone away meanwhile misses the answer, and asks again.
fn answer(batch: impl Iterator<Item = Write>, mut answers: Answers) {
    for write in batch {
        match write {
            Write::KeepKey { person, reply, .. } => {
                let _ = reply.send(answers.in_force.get(&person).cloned().ok_or(Unkept::Broken));
            }
            Write::ReplaceStaff { reply, .. } | Write::UseOnce { reply, .. } => {
                let _ = reply.send(answers.done.pop_front().ok_or(Unkept::Broken));
            }
            Write::DateFrom { reply, .. } => {
                let _ = reply.send(answers.dated.ok_or(Unkept::Broken));
            }
            Write::ForgetKey { reply, .. }
            | Write::EndSession { reply, .. }
            | Write::Note { reply, .. }
            | Write::Own { reply, .. }
            | Write::Heard { reply, .. }
            | Write::Sweep { reply, .. } => {
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
            Write::ReplaceStaff { reply, .. } | Write::UseOnce { reply, .. } => {
                let _ = reply.send(Err(why));
            }
            Write::DateFrom { reply, .. } => {
                let _ = reply.send(Err(why));
            }
            Write::ForgetKey { reply, .. }
            | Write::EndSession { reply, .. }
            | Write::Note { reply, .. }
            | Write::Own { reply, .. }
            | Write::Heard { reply, .. }
            | Write::Sweep { reply, .. } => {
                let _ = reply.send(Err(why));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(revision: u64) -> Row {
        Row { revision, what: What::Key { person: PersonId(1), wrapped: Some(vec![revision as u8]) } }
    }

    #[test]
    fn an_earlier_revision_never_takes_the_place_of_a_later_one() {
        let mut ahead = Ahead::default();
        assert!(ahead.admits_own(&key(10), 5));
        assert!(!ahead.admits_heard(&key(9)), "heard in its turn, after the later one");
        assert!(ahead.admits_heard(&key(10)));
        assert!(!ahead.admits_own(&key(10), 10), "its turn has come already");
        assert!(!ahead.admits_own(&key(8), 10));
        assert!(ahead.admits_heard(&key(12)));
        assert!(ahead.admits_own(&key(14), 12) && !ahead.admits_own(&key(13), 12));
    }

    #[test]
    fn what_runs_ahead_is_bounded() {
        let mut ahead = Ahead::default();
        let row = |number: usize| Row {
            revision: number as u64,
            what: What::Key { person: PersonId(number as u128), wrapped: None },
        };
        let admitted = (1..=AHEAD_MAX + 10).filter(|number| ahead.admits_own(&row(*number), 0)).count();
        assert_eq!(admitted, AHEAD_MAX);
    }
}
