//! The vault: a key for each person, and the staff's password hashes, in one redb file.
//!
//! Where several nodes serve, the truth is one table that they share, and the file is each
//! node's replica of it: reads stay here, writes go to the table first, and what other nodes
//! wrote comes after a moment (see `replica`).
//!
//! A person's contact is sealed (XChaCha20-Poly1305) under their own random key; the
//! sealed bytes go to the machine, the key stays here, itself wrapped under the service's
//! key ring. Forgetting a person is deleting their key: every copy of the sealed bytes,
//! in journals and backups, is unreadable from then on.
//!
//! It must never hold a name, a number or a password in clear. Writes are gathered by one
//! thread into one transaction each, so thousands of people a second share a few flushes.
//!
//! Start reading at [`Vault::seal`] and [`Vault::forget`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jari_core::ids::PersonId;
use jari_core::time::Date;
use jari_node::Rejected;
use jari_wire::KeyRing;
use redb::TableDefinition;
use tokio::sync::{mpsc, oneshot};

use crate::language::Language;
use crate::problem::Problem;
use crate::random;

mod audit;
mod looks;
mod replica;
mod sealing;
mod shared;
mod staff;
mod store;
mod writer;

pub use audit::AuditKey;
pub(crate) use audit::LASTS_MS as AUDIT_LASTS_MS;
pub use looks::Looked;
pub(crate) use sealing::{decode, encode};
pub use shared::{Asked, Changed, Changes, Created, Kept, SharedTable, Standing, TableFault};
pub use staff::{Account, FirstRun, STAFF_MAX, StaffRecord};
pub(crate) use staff::{hashed, readable_password, verify};

use replica::{Replica, Shared};
use sealing::{open, seal};
use store::{Store, Unkept};
use writer::{Write, write_loop};

const PEOPLE: TableDefinition<'static, u128, &'static [u8]> = TableDefinition::new("people");
const STAFF: TableDefinition<'static, &'static str, (u32, u8, &'static str)> = TableDefinition::new("staff");
const ENDED: TableDefinition<'static, u64, u64> = TableDefinition::new("ended staff sessions");
/// The audit list: by time and a random number, JSON.
const AUDIT: TableDefinition<'static, (u64, u64), &'static [u8]> = TableDefinition::new("audit list");
/// Up to which revision of which shared table everything is here; one row.
const FOLLOWED: TableDefinition<'static, (), (u64, &'static str)> = TableDefinition::new("followed");
/// The same of the vault that this one is a copy of; it counts for nothing until [`Vault::rejoin`].
const COPIED: TableDefinition<'static, (), (u64, &'static str)> = TableDefinition::new("copied");

/// Since when contacts are sealed with their day, as far as this vault knows; one row.
const DATED: TableDefinition<'static, (), i32> = TableDefinition::new("contacts dated since");

/// Writes that may wait.
const WRITES_MAX: usize = 16_384;
/// When the disk is full: come back after so long.
const FULL_RETRY_MS: u32 = 5_000;
/// Memory for the database's pages.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// How a person can be reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// The name, in its normal form.
    pub name: String,
    /// The telephone number, in its normal form.
    pub telephone: String,
    /// The language of messages.
    pub language: Language,
}

/// A contact, and since when it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptContact {
    /// The contact.
    pub contact: Contact,
    /// The day on which the person last said so; none where a build of before days were kept sealed it.
    pub since: Option<Date>,
}

/// Never shows who it is.
impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact")
    }
}

/// Why a vault cannot be opened. A person has to look.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file cannot be opened, or another process has it.
    #[error("the vault cannot be opened: {0}")]
    Open(#[source] Box<redb::Error>),
    /// There is a file where a copy is to be made.
    #[error("{} is there already: a copy is written over nothing", .0.display())]
    Occupied(PathBuf),
    /// No thread for its writer.
    #[error("no thread for the vault: {0}")]
    Thread(#[from] std::io::Error),
    /// The shared table cannot be used.
    #[error(transparent)]
    Table(#[from] TableFault),
    /// The file was never a replica of a shared table, and holds something.
    #[error(
        "the vault here was kept by one machine alone: `jari journal rebuild vault` puts it into the shared one; or \
         move vault.redb away, and everything is taken from there"
    )]
    Foreign,
    /// The shared table is empty, and this replica is not.
    #[error(
        "the shared vault is empty, and this node's is not: it was lost; remove what is left of its bucket, and \
         `jari journal rebuild vault` makes it anew from the node whose vault holds most"
    )]
    Lost,
    /// The shared table holds something, and was to be made anew.
    #[error("the shared vault holds entries already: nothing is written over")]
    Filled,
    /// What the replica heard could not be written.
    #[error("the vault cannot be written: is the disk full?")]
    Unwritten,
}

/// See the module's documentation. Cheap to clone; the last one to go closes the file.
#[derive(Clone)]
pub struct Vault {
    store: Arc<Store>,
    writes: mpsc::Sender<Write>,
    keys: KeyRing,
    /// The staff as it was read last.
    book: Arc<staff::Book>,
    /// Where several nodes serve.
    shared: Option<Arc<Shared>>,
}

impl Vault {
    /// Opens the vault, making it if it is not there. Blocks for the file's check.
    ///
    /// # Errors
    ///
    /// See [`VaultError`].
    pub fn open(path: &Path, keys: KeyRing) -> Result<Vault, VaultError> {
        let store = Store::open(path).map_err(|error| VaultError::Open(Box::new(error)))?;
        let store = Arc::new(store);
        let (writes, waiting) = mpsc::channel(WRITES_MAX);
        let writer = Arc::clone(&store);
        std::thread::Builder::new().name("jari-vault".into()).spawn(move || write_loop(&writer, waiting))?;
        Ok(Vault { store, writes, keys, book: Arc::default(), shared: None })
    }

    /// Opens the vault as this node's replica of a shared table, making it if it is not there;
    /// takes over what is in the table, and follows it from then on. Needs a runtime around it.
    ///
    /// # Errors
    ///
    /// See [`VaultError`].
    pub async fn open_shared(
        path: &Path,
        keys: KeyRing,
        table: Arc<dyn SharedTable>,
    ) -> Result<Vault, VaultError> {
        let local = Vault::open(path, keys)?;
        let replica = Replica::new(local.clone(), table);
        if let Err(error) = replica.catch_up().await {
            // The writer's thread would keep the file open for a moment longer.
            local.close();
            return Err(error);
        }
        Ok(Vault { shared: Some(Arc::new(Shared::follow(replica))), ..local })
    }

    /// Puts all that this vault holds into an empty shared table, whose replica it is then.
    /// Gives how many entries that were. Nothing may be written here meanwhile.
    ///
    /// # Errors
    ///
    /// See [`VaultError`].
    pub async fn share(&self, table: Arc<dyn SharedTable>, now_ms: u64) -> Result<u64, VaultError> {
        Replica::new(self.clone(), table).fill(now_ms).await
    }

    /// Whether neither a person's key nor anyone of the staff is kept here.
    ///
    /// # Errors
    ///
    /// See [`VaultError`].
    pub fn is_empty(&self) -> Result<bool, VaultError> {
        self.store.is_empty().map_err(|error| VaultError::Open(Box::new(error)))
    }

    /// Whether this vault is a replica of that very table.
    ///
    /// # Errors
    ///
    /// See [`VaultError`].
    pub async fn follows(&self, table: &dyn SharedTable) -> Result<bool, VaultError> {
        let life = table.standing().await?.life;
        Ok(self.store.followed().is_some_and(|followed| followed.life == life))
    }

    /// Makes a copy of a replica ([`Vault::copy_to`]) a replica again, which goes on from where it was
    /// copied. False, and nothing is changed, unless that very table was followed there.
    ///
    /// # Errors
    ///
    /// See [`VaultError`].
    pub async fn rejoin(&self, table: &dyn SharedTable) -> Result<bool, VaultError> {
        let Some(copied) = self.store.copied() else { return Ok(false) };
        let standing = table.standing().await?;
        if copied.life != standing.life || copied.revision > standing.revision {
            return Ok(false);
        }
        let heard = self.write(|reply| Write::Heard { rows: Vec::new(), followed: Some(copied), reply });
        heard.await.map(|()| true).map_err(|_| VaultError::Unwritten)
    }

    /// Waits until everything is here that is in the shared table at this moment, for a copy
    /// that is to hold it. Gives up after a while; on one machine there is nothing to wait for.
    ///
    /// # Errors
    ///
    /// See [`VaultError`].
    pub async fn catch_up(&self) -> Result<(), VaultError> {
        match &self.shared {
            Some(shared) => shared.replica().catch_up().await,
            None => Ok(()),
        }
    }

    /// Writes what is kept at this moment into a new file, durably, while the service goes on.
    /// Blocks. Whoever has the copy and the key ring can read contacts of people who are
    /// forgotten later.
    ///
    /// # Errors
    ///
    /// See [`VaultError`].
    pub fn copy_to(&self, path: &Path) -> Result<(), VaultError> {
        if path.exists() {
            return Err(VaultError::Occupied(path.to_owned()));
        }
        self.store.copy_to(path).map_err(|error| VaultError::Open(Box::new(error)))
    }

    /// Seals a contact of this day under its person's key, which is durable before this answers. A
    /// new person costs one write, shared with everyone who comes in the same moment.
    ///
    /// # Errors
    ///
    /// A passing problem when the vault is overloaded, away or broken.
    pub async fn seal(&self, person: PersonId, contact: &Contact, today: Date) -> Result<Box<[u8]>, Problem> {
        let wrapped = match (&self.shared, self.wrapped_key(person)) {
            // What is here may have been replaced elsewhere a moment ago.
            (Some(shared), _) => shared.keep_key(person, self.fresh_key(person)?).await?,
            (None, Some(wrapped)) => wrapped,
            (None, None) => {
                let wrapped = self.fresh_key(person)?;
                self.write(|reply| Write::KeepKey { person, wrapped, reply }).await?
            }
        };
        let key = self.unwrap_key(person, &wrapped).ok_or_else(damaged)?;
        let sealed = seal(&key, &person.0.to_le_bytes(), &encode(contact, Some(today)))?;
        Ok(sealed.into_boxed_slice())
    }

    /// Opens a sealed contact; none once the person was forgotten. A key that is not here may
    /// have been kept by another node a moment ago, so the shared table is asked.
    ///
    /// # Errors
    ///
    /// `vault_away` when it had to be asked and did not answer: nothing is known then.
    pub async fn contact(&self, person: PersonId, sealed: &[u8]) -> Result<Option<Contact>, Problem> {
        Ok(self.kept(person, sealed).await?.map(|kept| kept.contact))
    }

    /// The same, with the day on which it was sealed.
    ///
    /// # Errors
    ///
    /// As [`Vault::contact`].
    pub async fn kept(&self, person: PersonId, sealed: &[u8]) -> Result<Option<KeptContact>, Problem> {
        if sealed.is_empty() {
            return Ok(None);
        }
        let here = self.wrapped_key(person).and_then(|wrapped| self.open_with(person, &wrapped, sealed));
        match (&self.shared, here) {
            (Some(shared), None) => {
                let wrapped = shared.find_key(person).await?;
                Ok(wrapped.and_then(|wrapped| self.open_with(person, &wrapped, sealed)))
            }
            (_, here) => Ok(here),
        }
    }

    /// Deletes a person's key. Durable before this answers; other nodes hear of it at once.
    ///
    /// # Errors
    ///
    /// A passing problem; the key may be there still: ask again.
    pub async fn forget(&self, person: PersonId) -> Result<(), Problem> {
        match &self.shared {
            Some(shared) => shared.forget_key(person).await,
            None => self.write(|reply| Write::ForgetKey { person, reply }).await,
        }
    }

    /// The day that counts for contacts of before days were sealed with them: the first on which this
    /// was asked. Durable before it answers.
    ///
    /// # Errors
    ///
    /// A passing problem of the vault.
    pub async fn dated_since(&self, today: Date) -> Result<Date, Problem> {
        let here = self
            .store
            .read(|transaction| Ok(transaction.open_table(DATED)?.get(())?.map(|since| since.value())));
        match here {
            Ok(Some(since)) => Ok(Date(since)),
            _ => self.write(|reply| Write::DateFrom { today: today.0, reply }).await.map(Date),
        }
    }

    /// Seals a secret of the staff's, as text; bound to its owner.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub(crate) fn seal_secret(&self, owner: &str, plain: &[u8]) -> Result<String, Problem> {
        let (number, key) = self.keys.staff_key();
        let mut sealed = vec![number];
        sealed.extend(seal(&key, owner.as_bytes(), plain)?);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what [`Vault::seal_secret`] sealed for this owner.
    pub(crate) fn open_secret(&self, owner: &str, sealed: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (number, sealed) = sealed.split_first()?;
        open(&*self.keys.staff_key_of(*number)?, owner.as_bytes(), sealed)
    }

    /// Closes the file at once, also for whoever has another handle to this vault.
    pub fn close(&self) {
        self.store.close();
    }

    async fn write<T>(&self, write: impl FnOnce(writer::Reply<T>) -> Write) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        self.writes.try_send(write(reply)).map_err(|_| overloaded())?;
        match answer.await {
            Ok(Ok(kept)) => Ok(kept),
            Ok(Err(Unkept::Full)) => Err(Rejected::DiskFull { retry_after_ms: FULL_RETRY_MS }.into()),
            Ok(Err(Unkept::Broken)) | Err(_) => Err(damaged()),
        }
    }

    fn wrapped_key(&self, person: PersonId) -> Option<Vec<u8>> {
        let read = self.store.read(|transaction| {
            Ok(transaction.open_table(PEOPLE)?.get(person.0)?.map(|wrapped| wrapped.value().to_vec()))
        });
        read.unwrap_or_else(|error| {
            tracing::error!(%error, "the vault cannot be read");
            None
        })
    }

    fn open_with(&self, person: PersonId, wrapped: &[u8], sealed: &[u8]) -> Option<KeptContact> {
        let key = self.unwrap_key(person, wrapped)?;
        decode(&open(&key, &person.0.to_le_bytes(), sealed)?)
    }

    /// A new key for a person, wrapped: key number, nonce, sealed key.
    fn fresh_key(&self, person: PersonId) -> Result<Vec<u8>, Problem> {
        let (number, wrapping) = self.keys.contact_key();
        let fresh: [u8; 32] = random::bytes()?;
        let mut wrapped = vec![number];
        wrapped.extend(seal(&wrapping, &person.0.to_le_bytes(), &fresh)?);
        Ok(wrapped)
    }

    fn unwrap_key(&self, person: PersonId, wrapped: &[u8]) -> Option<[u8; 32]> {
        let (number, sealed) = wrapped.split_first()?;
        let wrapping = self.keys.contact_key_of(*number)?;
        open(&wrapping, &person.0.to_le_bytes(), sealed)?.try_into().ok()
    }
}

fn overloaded() -> Problem {
    Problem::busy(
        "vault_busy",
        "Too many identities at once",
        "More people identify themselves than can be stored this moment. Nothing was changed; try again shortly.",
        2_000,
    )
}

fn damaged() -> Problem {
    Problem::ours("Your contact could not be stored. Nothing was changed; try again, or ask the operator.")
}

#[cfg(test)]
mod tests;
