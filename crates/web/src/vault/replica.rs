//! This node's replica of the table that all nodes share.
//!
//! Everything that is written goes to the table first and is answered when it is here, too.
//! What other nodes wrote is asked for five times a second, from the revision that the file
//! remembers; when the table is another one than the file remembers, or has lost its end, all
//! of it is taken and whatever it does not have is deleted here. A read that finds nothing
//! asks the table before it says so.
//!
//! It must never delete what is here because the table is empty, and never take silence of
//! the table for an absence.
//!
//! Start reading at [`Replica::catch_up`], then at `follow`.

use std::sync::Arc;
use std::time::Duration;

use jari_core::ids::PersonId;
use jari_node::Rejected;
use redb::ReadableTable;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use super::audit::LASTS_MS;
use super::shared::{Changes, Created, Kept, SharedTable, Standing, TableFault};
use super::store::Followed;
use super::writer::{Row, What, Whole, Write};
use super::{
    AuditKey, ENDED, FULL_RETRY_MS, PEOPLE, StaffRecord, Vault, VaultError, damaged, overloaded, shared,
};
use crate::problem::{Culprit, Problem};

/// The table is asked so often what is new.
const ASKED_EVERY: Duration = Duration::from_millis(200);
/// It is looked at as a whole so often: another one may be in its place.
const ALIGNED_EVERY: Duration = Duration::from_secs(10);
/// A replica of the table that lags behind its leader is waited for so long.
const LAG_MAX: Duration = Duration::from_secs(2);
/// Between two looks at one that lags behind.
const LAG_PAUSE: Duration = Duration::from_millis(50);
/// Requests of people that may wait for the table.
const ASKED_MAX: usize = 1_024;
/// Entries that are put into a new table at the same time.
const FILLED_AT_ONCE: usize = 64;
/// Entries read at a time to be put into a new table.
const FILLED_MAX: usize = 4_096;

/// The replica and the table. See the module's documentation.
pub(super) struct Replica {
    /// The vault without the table.
    local: Vault,
    table: Arc<dyn SharedTable>,
    /// Held by the one that takes what is new: two would write it in each other's order.
    taking: Mutex<()>,
}

impl Replica {
    pub(super) fn new(local: Vault, table: Arc<dyn SharedTable>) -> Replica {
        Replica { local, table, taking: Mutex::new(()) }
    }

    /// Brings everything here that is in the table at this moment, also from a server of it
    /// that lags behind for a moment.
    pub(super) async fn catch_up(&self) -> Result<(), VaultError> {
        let _taking = self.taking.lock().await;
        let standing = self.align().await?;
        let deadline = Instant::now() + LAG_MAX;
        while self.take_new().await? < standing.revision && Instant::now() < deadline {
            // The last revisions may be of entries that are over, so they never come.
            tokio::time::sleep(LAG_PAUSE).await;
        }
        Ok(())
    }

    /// Makes sure that the table is the one that is followed, and takes what is new in it.
    async fn align(&self) -> Result<Standing, VaultError> {
        let followed = self.local.store.followed();
        let standing = self.standing(followed.as_ref()).await?;
        match followed {
            None if !self.local.is_empty()? => return Err(VaultError::Foreign),
            None => {
                let followed = Followed { life: standing.life.clone(), revision: 0 };
                self.hear(Vec::new(), Some(followed)).await?;
            }
            Some(followed) if followed.life == standing.life && followed.revision <= standing.revision => {}
            Some(_) if standing.names == 0 && !self.local.is_empty()? => return Err(VaultError::Lost),
            Some(followed) => {
                tracing::warn!(
                    followed = followed.revision,
                    last = standing.revision,
                    "the shared vault is another one than this node followed: all of it is taken"
                );
                self.take_whole(&standing).await?;
            }
        }
        self.take_new().await?;
        Ok(standing)
    }

    /// What is known of the table. A leader that was just elected may not have seen everything
    /// yet that it is bound to have, so it is asked again before it counts as cut short.
    async fn standing(&self, followed: Option<&Followed>) -> Result<Standing, VaultError> {
        let deadline = Instant::now() + LAG_MAX;
        loop {
            let standing = self.table.standing().await?;
            let behind = followed.is_some_and(|followed| {
                followed.life == standing.life && followed.revision > standing.revision
            });
            if !behind || Instant::now() >= deadline {
                return Ok(standing);
            }
            tokio::time::sleep(LAG_PAUSE).await;
        }
    }

    /// Goes on taking what is new until it is aborted.
    async fn follow(self: Arc<Self>) {
        let mut interval = tokio::time::interval(ASKED_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut aligned = Some(Instant::now());
        loop {
            interval.tick().await;
            let _taking = self.taking.lock().await;
            let due = aligned.is_none_or(|at| at.elapsed() >= ALIGNED_EVERY);
            let taken = if due { self.align().await.map(drop) } else { self.take_new().await.map(drop) };
            match taken {
                Ok(()) if due => aligned = Some(Instant::now()),
                Ok(()) => {}
                Err(error) => {
                    if aligned.take().is_some() {
                        tracing::warn!(%error, "the shared vault is not followed for now; reads go on");
                    }
                }
            }
        }
    }

    /// Takes what changed since; gives up to which revision everything is here.
    async fn take_new(&self) -> Result<u64, VaultError> {
        let followed = self.local.store.followed();
        let Followed { life, mut revision } = followed.ok_or(VaultError::Unwritten)?;
        loop {
            let Changes { changed, more } = self.table.changes(revision).await?;
            let Some(last) = changed.last() else { return Ok(revision) };
            revision = last.kept.revision;
            let rows = self.rows(&changed);
            self.hear(rows, Some(Followed { life: life.clone(), revision })).await?;
            if !more {
                return Ok(revision);
            }
        }
    }

    /// Takes all of the table, then deletes what it does not have.
    async fn take_whole(&self, standing: &Standing) -> Result<(), VaultError> {
        let (mut whole, mut revision) = (Whole::default(), 0);
        loop {
            let Changes { changed, more } = self.table.changes(revision).await?;
            let rows = self.rows(&changed);
            for row in &rows {
                match &row.what {
                    What::Key { person, wrapped: Some(_) } => drop(whole.people.insert(person.0)),
                    What::Staff { name, record: Some(_) } => drop(whole.staff.insert(name.clone())),
                    What::Key { .. } | What::Staff { .. } | What::Ended { .. } | What::Note { .. } => {}
                }
            }
            revision = changed.last().map_or(revision, |last| last.kept.revision);
            self.hear(rows, None).await?;
            if !more {
                break;
            }
        }
        let followed = Followed { life: standing.life.clone(), revision };
        self.local.write(|reply| Write::Sweep { whole, followed, reply }).await.map_err(unwritten)
    }

    /// Puts everything that is here into the table, which must be empty.
    pub(super) async fn fill(&self, now_ms: u64) -> Result<u64, VaultError> {
        let standing = self.table.standing().await?;
        if standing.names > 0 {
            return Err(VaultError::Filled);
        }
        let mut count = 0;
        let mut after = None;
        loop {
            let people = self.people_after(after)?;
            let Some((last, _)) = people.last() else { break };
            after = Some(*last);
            let entries =
                people.into_iter().map(|(person, key)| (shared::person_name(PersonId(person)), key));
            count += self.create_all(entries.collect()).await?;
        }
        let mut staff = Vec::new();
        for (name, record) in self.local.all_staff().map_err(unwritten)? {
            let value = shared::staff_value(&self.local.keys, &name, &record).map_err(unwritten)?;
            staff.push((shared::staff_name(&self.local.keys, &name), value));
        }
        count += self.create_all(staff).await?;
        for (nonce, ends_at_ms) in self.ended_here()? {
            if let Some(lasts_ms) = ends_at_ms.checked_sub(now_ms).filter(|lasts_ms| *lasts_ms > 0) {
                let (name, value) = (shared::ended_name(nonce), shared::ended_value(ends_at_ms, now_ms));
                self.table.put(&name, &value, Some(lasts_ms.div_ceil(1_000))).await?;
                count += 1;
            }
        }
        count += self.fill_audit(now_ms).await?;
        self.hear(Vec::new(), Some(Followed { life: standing.life, revision: 0 })).await?;
        Ok(count)
    }

    /// Puts the audit list into the table, each entry for the rest of its time.
    async fn fill_audit(&self, now_ms: u64) -> Result<u64, VaultError> {
        let (mut upto, mut count) = ((u64::MAX, u64::MAX), 0);
        loop {
            let noted = self.local.noted((0, 0), upto, FILLED_MAX, |_| true).map_err(unwritten)?;
            let Some((last, _)) = noted.last() else { return Ok(count) };
            upto = *last;
            for (key, entry) in noted {
                let lasts_ms = (key.0 + LASTS_MS).saturating_sub(now_ms).max(1_000);
                let name = shared::audit_name(key);
                let bytes = serde_json::to_vec(&entry).map_err(|_| VaultError::Unwritten)?;
                let value = shared::audit_value(&self.local.keys, &name, &bytes).map_err(unwritten)?;
                self.table.put(&name, &value, Some(lasts_ms / 1_000)).await?;
                count += 1;
            }
        }
    }

    async fn create_all(&self, entries: Vec<(String, Vec<u8>)>) -> Result<u64, VaultError> {
        let count = entries.len() as u64;
        let mut running = JoinSet::new();
        let settle = |created: Option<Result<Result<Created, TableFault>, _>>| match created {
            Some(Ok(Ok(Created::Now(_)))) | None => Ok(()),
            Some(Ok(Ok(Created::Before(_)))) => Err(VaultError::Filled),
            Some(Ok(Err(fault))) => Err(fault.into()),
            Some(Err(_)) => Err(VaultError::Unwritten),
        };
        for (name, value) in entries {
            if running.len() >= FILLED_AT_ONCE {
                settle(running.join_next().await)?;
            }
            let table = Arc::clone(&self.table);
            running.spawn(async move { table.create(&name, &value).await });
        }
        while !running.is_empty() {
            settle(running.join_next().await)?;
        }
        Ok(count)
    }

    fn people_after(&self, after: Option<u128>) -> Result<Vec<(u128, Vec<u8>)>, VaultError> {
        let from = match after {
            Some(u128::MAX) => return Ok(Vec::new()),
            Some(last) => last + 1,
            None => 0,
        };
        let read = self.local.store.read(|transaction| {
            let table = transaction.open_table(PEOPLE)?;
            let rows = table.range(from..)?.take(FILLED_MAX);
            rows.map(|row| row.map(|(person, key)| (person.value(), key.value().to_vec())))
                .collect::<Result<_, _>>()
                .map_err(redb::Error::from)
        });
        read.map_err(|error| VaultError::Open(Box::new(error)))
    }

    fn ended_here(&self) -> Result<Vec<(u64, u64)>, VaultError> {
        let read = self.local.store.read(|transaction| {
            let table = transaction.open_table(ENDED)?;
            let rows = table.iter()?.map(|row| row.map(|(nonce, ends_at)| (nonce.value(), ends_at.value())));
            rows.collect::<Result<_, _>>().map_err(redb::Error::from)
        });
        read.map_err(|error| VaultError::Open(Box::new(error)))
    }

    /// What of these changes is ours and can be opened.
    fn rows(&self, changed: &[shared::Changed]) -> Vec<Row> {
        let staff = self.local.all_staff().unwrap_or_default();
        let staff: Vec<String> = staff.into_iter().map(|(name, _)| name).collect();
        let row = |changed| {
            let row = shared::row_of(&self.local.keys, &staff, changed);
            if row.is_none() && changed.kept.value.is_some() {
                tracing::error!(
                    revision = changed.kept.revision,
                    "an entry of the shared vault is not ours, or this node's file `keys` lacks the newest key"
                );
            }
            row
        };
        changed.iter().filter_map(row).collect()
    }

    async fn hear(&self, rows: Vec<Row>, followed: Option<Followed>) -> Result<(), VaultError> {
        self.local.write(|reply| Write::Heard { rows, followed, reply }).await.map_err(unwritten)
    }
}

/// What a shared vault does for requests, beside following the table.
pub(super) struct Shared {
    replica: Arc<Replica>,
    permits: Semaphore,
    follower: JoinHandle<()>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Shared {
    pub(super) fn follow(replica: Replica) -> Shared {
        let replica = Arc::new(replica);
        let follower = tokio::spawn(Arc::clone(&replica).follow());
        Shared { replica, permits: Semaphore::new(ASKED_MAX), follower }
    }

    pub(super) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Keeps a person's wrapped key unless there is one; gives the one in force.
    pub(super) async fn keep_key(&self, person: PersonId, fresh: Vec<u8>) -> Result<Vec<u8>, Problem> {
        let name = shared::person_name(person);
        let created = self.asked(self.replica.table.create(&name, &fresh)).await?;
        let (revision, wrapped) = match created {
            Created::Now(revision) => (revision, fresh),
            Created::Before(Kept { revision, value }) => (revision, value.ok_or_else(damaged)?),
        };
        self.own(revision, What::Key { person, wrapped: Some(wrapped.clone()) }).await?;
        Ok(wrapped)
    }

    /// A person's wrapped key as the table has it; it is here as well then.
    pub(super) async fn find_key(&self, person: PersonId) -> Result<Option<Vec<u8>>, Problem> {
        let name = shared::person_name(person);
        let Some(Kept { revision, value }) = self.asked(self.replica.table.get(&name)).await? else {
            return Ok(None);
        };
        self.own(revision, What::Key { person, wrapped: value.clone() }).await?;
        Ok(value)
    }

    pub(super) async fn forget_key(&self, person: PersonId) -> Result<(), Problem> {
        let name = shared::person_name(person);
        let revision = self.asked(self.replica.table.erase(&name)).await?;
        self.own(revision, What::Key { person, wrapped: None }).await
    }

    /// Makes an account, if there is nobody of that name. Gives whether it was made.
    pub(super) async fn add_staff(&self, name: &str, record: StaffRecord) -> Result<bool, Problem> {
        let (entry, value) = self.staff_entry(name, &record)?;
        match self.asked(self.replica.table.create(&entry, &value)).await? {
            Created::Now(revision) => {
                self.own(revision, What::Staff { name: name.to_owned(), record: Some(record) }).await?;
                Ok(true)
            }
            Created::Before(kept) => {
                self.take_over(entry, kept).await?;
                Ok(false)
            }
        }
    }

    /// Keeps someone of the staff, if they are still as they were at this revision. Gives whether they
    /// were.
    pub(super) async fn replace_staff(
        &self,
        name: &str,
        record: StaffRecord,
        revision: u64,
    ) -> Result<bool, Problem> {
        let (entry, value) = self.staff_entry(name, &record)?;
        let Some(revision) = self.asked(self.replica.table.replace(&entry, &value, revision)).await? else {
            return Ok(false);
        };
        self.own(revision, What::Staff { name: name.to_owned(), record: Some(record) }).await?;
        Ok(true)
    }

    fn staff_entry(&self, name: &str, record: &StaffRecord) -> Result<(String, Vec<u8>), Problem> {
        let keys = &self.replica.local.keys;
        Ok((shared::staff_name(keys, name), shared::staff_value(keys, name, record)?))
    }

    /// Brings someone of the staff here as the table has them at this moment; gives the revision.
    pub(super) async fn find_staff(&self, name: &str) -> Result<Option<u64>, Problem> {
        let entry = shared::staff_name(&self.replica.local.keys, name);
        let Some(kept) = self.asked(self.replica.table.get(&entry)).await? else { return Ok(None) };
        let revision = kept.revision;
        self.take_over(entry, kept).await?;
        Ok(Some(revision))
    }

    /// Brings here what is new in the table.
    pub(super) async fn hear_news(&self) -> Result<(), VaultError> {
        let _permit = self.permits.try_acquire().map_err(|_| VaultError::Unwritten)?;
        let _taking = self.replica.taking.lock().await;
        self.replica.take_new().await.map(drop)
    }

    /// Remembers that something was used that counts once; gives whether it is the first time. It is
    /// kept in two steps: the first decides, the second lets the servers forget it in time.
    pub(super) async fn use_once(&self, nonce: u64, ends_at_ms: u64, now_ms: u64) -> Result<bool, Problem> {
        let (name, value) = (shared::ended_name(nonce), shared::ended_value(ends_at_ms, now_ms));
        let created = self.asked(self.replica.table.create(&name, &value)).await?;
        if !matches!(created, Created::Now(_)) {
            return Ok(false);
        }
        self.end_session(nonce, ends_at_ms, now_ms).await?;
        Ok(true)
    }

    /// Keeps an entry of the audit list.
    pub(super) async fn note(&self, key: AuditKey, bytes: Vec<u8>) -> Result<(), Problem> {
        let name = shared::audit_name(key);
        let value = shared::audit_value(&self.replica.local.keys, &name, &bytes)?;
        let table = &self.replica.table;
        let revision = self.asked(table.put(&name, &value, Some(LASTS_MS / 1_000))).await?;
        self.own(revision, What::Note { key, bytes }).await
    }

    async fn take_over(&self, name: String, kept: Kept) -> Result<(), Problem> {
        let changed = [shared::Changed { name, kept }];
        let row = self.replica.rows(&changed).pop().ok_or_else(damaged)?;
        self.own(row.revision, row.what).await
    }

    pub(super) async fn end_session(&self, nonce: u64, ends_at_ms: u64, now_ms: u64) -> Result<(), Problem> {
        let lasts_s = ends_at_ms.saturating_sub(now_ms).div_ceil(1_000);
        let (name, value) = (shared::ended_name(nonce), shared::ended_value(ends_at_ms, now_ms));
        let revision = self.asked(self.replica.table.put(&name, &value, Some(lasts_s))).await?;
        self.own(revision, What::Ended { nonce, ends_at_ms, now_ms }).await
    }

    /// Asks the table, if not too many do.
    async fn asked<T>(&self, question: shared::Asked<'_, T>) -> Result<T, Problem> {
        let _permit = self.permits.try_acquire().map_err(|_| overloaded())?;
        question.await.map_err(problem)
    }

    /// Writes a row that the table keeps since a moment ago.
    async fn own(&self, revision: u64, what: What) -> Result<(), Problem> {
        let row = Row { revision, what };
        self.replica.local.write(|reply| Write::Own { row, reply }).await
    }
}

fn problem(fault: TableFault) -> Problem {
    tracing::warn!(%fault, "the shared vault did not do what was asked");
    match fault {
        TableFault::Full => Rejected::DiskFull { retry_after_ms: FULL_RETRY_MS }.into(),
        TableFault::Broken(_) => damaged(),
        TableFault::Away(_) => Problem {
            culprit: Culprit::Upstream,
            ..Problem::busy(
                "vault_away",
                "Identities cannot be kept at this moment",
                "The servers that keep who people are do not answer. Your place and your bookings are safe; try \
                 again in a few seconds.",
                5_000,
            )
        },
    }
}

fn unwritten(problem: Problem) -> VaultError {
    tracing::error!(code = problem.code, "the vault cannot be written");
    VaultError::Unwritten
}
