//! The file behind the vault, opened again after a write that failed.
//!
//! After a failed write redb refuses everything, reads included, until its file is opened anew; what
//! was committed before is untouched. So that a full disk costs no more than the writes that found
//! no room, the store does that by itself. It must never answer a write that was not committed.
//!
//! Start reading at [`Store::write`].

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};

use super::looks::Looks;
use super::{AUDIT, CACHE_BYTES, COPIED, DATED, ENDED, FOLLOWED, PEOPLE, STAFF};

/// Why a write did not happen. Nothing of it is kept.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Unkept {
    /// The disk is full: try again later.
    Full,
    /// Anything else: a person has to look.
    Broken,
}

/// Up to where a shared table is here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Followed {
    /// Which table: see [`super::Standing`].
    pub(super) life: String,
    /// Everything up to this revision is here.
    pub(super) revision: u64,
}

type Open = Box<dyn Fn() -> Result<Database, redb::Error> + Send + Sync>;

/// See the module's documentation.
pub(super) struct Store {
    open: Open,
    /// None while the file could not be opened again.
    database: RwLock<Option<Database>>,
    /// Nothing opens it again.
    closed: AtomicBool,
    /// Counts changes of the staff.
    staff_version: AtomicU64,
    /// Who was looked at.
    looks: Looks,
}

impl Store {
    /// The store in a file, made if it is not there.
    pub(super) fn open(path: &Path) -> Result<Store, redb::Error> {
        let path = path.to_owned();
        Store::open_with(Box::new(move || {
            Ok(Database::builder().set_cache_size(CACHE_BYTES).create(&path)?)
        }))
    }

    /// The store in whatever `open` opens.
    pub(super) fn open_with(open: Open) -> Result<Store, redb::Error> {
        let database = open()?;
        // The tables exist from the first moment: reading never meets a missing one.
        let transaction = database.begin_write()?;
        transaction.open_table(PEOPLE)?;
        transaction.open_table(STAFF)?;
        transaction.open_table(ENDED)?;
        transaction.open_table(FOLLOWED)?;
        transaction.open_table(COPIED)?;
        transaction.open_table(AUDIT)?;
        transaction.open_table(DATED)?;
        transaction.commit()?;
        let (database, closed) = (RwLock::new(Some(database)), AtomicBool::new(false));
        // Nobody has read version 1.
        let (staff_version, looks) = (AtomicU64::new(1), Looks::default());
        Ok(Store { open, database, closed, staff_version, looks })
    }

    /// Reads what was last committed.
    pub(super) fn read<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        look(&database.as_ref().ok_or(redb::Error::DatabaseClosed)?.begin_read()?)
    }

    /// Changes the store durably, or not at all.
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Unkept> {
        let written = self.try_write(change);
        written.map_err(|error| {
            tracing::error!(%error, "the vault cannot be written; it is opened again");
            self.open_again();
            if is_full(&error) { Unkept::Full } else { Unkept::Broken }
        })
    }

    /// Grows whenever someone of the staff was changed.
    pub(super) fn staff_version(&self) -> u64 {
        self.staff_version.load(Ordering::Acquire)
    }

    /// Who was looked at, of what is committed.
    pub(super) fn looks(&self) -> &Looks {
        &self.looks
    }

    /// Someone of the staff was changed, and that is committed.
    pub(super) fn staff_changed(&self) {
        self.staff_version.fetch_add(1, Ordering::Release);
    }

    /// Up to where a shared table is here, if one was ever followed.
    pub(super) fn followed(&self) -> Option<Followed> {
        self.row_of(FOLLOWED)
    }

    /// Up to where a shared table was in what this is a copy of, if it followed one.
    pub(super) fn copied(&self) -> Option<Followed> {
        self.row_of(COPIED)
    }

    fn row_of(&self, table: TableDefinition<'static, (), (u64, &'static str)>) -> Option<Followed> {
        let read = self.read(|transaction| {
            Ok(transaction.open_table(table)?.get(())?.map(|kept| {
                let (revision, life) = kept.value();
                Followed { life: life.to_owned(), revision }
            }))
        });
        read.ok().flatten()
    }

    /// Whether there is neither a person nor anyone of the staff.
    pub(super) fn is_empty(&self) -> Result<bool, redb::Error> {
        self.read(|transaction| {
            Ok(transaction.open_table(PEOPLE)?.is_empty()? && transaction.open_table(STAFF)?.is_empty()?)
        })
    }

    /// Writes what is committed at this moment into a new file, durably; the store goes on meanwhile.
    /// The copy follows no shared table, since what comes back from a backup belongs to none; it only
    /// remembers which one this follows, for a node that is made from it while the others live.
    pub(super) fn copy_to(&self, path: &Path) -> Result<(), redb::Error> {
        let copy = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
        self.read(|from| {
            let into = copy.begin_write()?;
            {
                let mut people = into.open_table(PEOPLE)?;
                for row in from.open_table(PEOPLE)?.iter()? {
                    let (person, wrapped) = row?;
                    people.insert(person.value(), wrapped.value())?;
                }
                let mut staff = into.open_table(STAFF)?;
                for row in from.open_table(STAFF)?.iter()? {
                    let (name, record) = row?;
                    staff.insert(name.value(), record.value())?;
                }
                let mut ended = into.open_table(ENDED)?;
                for row in from.open_table(ENDED)?.iter()? {
                    let (nonce, ends_at) = row?;
                    ended.insert(nonce.value(), ends_at.value())?;
                }
                let mut audit = into.open_table(AUDIT)?;
                for row in from.open_table(AUDIT)?.iter()? {
                    let (key, entry) = row?;
                    audit.insert(key.value(), entry.value())?;
                }
                if let Some(since) = from.open_table(DATED)?.get(())? {
                    into.open_table(DATED)?.insert((), since.value())?;
                }
                if let Some(followed) = from.open_table(FOLLOWED)?.get(())? {
                    into.open_table(COPIED)?.insert((), followed.value())?;
                }
            }
            into.commit()?;
            Ok(())
        })
    }

    fn try_write<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let transaction = database.as_ref().ok_or(redb::Error::DatabaseClosed)?.begin_write()?;
        let changed = change(&transaction)?;
        transaction.commit()?;
        Ok(changed)
    }

    fn open_again(&self) {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The file is locked while it is open: the old one has to go first.
        *database = None;
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        match (self.open)() {
            Ok(opened) => *database = Some(opened),
            Err(error) => {
                tracing::error!(%error, "the vault cannot be opened again; the next write tries it")
            }
        }
    }

    /// Closes the file for good: whatever is asked afterwards is refused.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn is_full(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(error) if matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    ))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use redb::StorageBackend;
    use redb::backends::FileBackend;

    use super::*;

    /// A file whose disk can be full.
    #[derive(Debug)]
    struct Crowded {
        file: FileBackend,
        is_full: Arc<AtomicBool>,
    }

    impl Crowded {
        fn room(&self) -> io::Result<()> {
            let is_full = self.is_full.load(Ordering::Relaxed);
            if is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    impl StorageBackend for Crowded {
        fn len(&self) -> io::Result<u64> {
            self.file.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.file.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.room()?;
            self.file.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.file.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            // What lies in the head already takes no more room.
            if offset > 0 {
                self.room()?;
            }
            self.file.write(offset, data)
        }

        fn close(&self) -> io::Result<()> {
            self.file.close()
        }
    }

    fn keep(store: &Store, person: u128) -> Result<(), Unkept> {
        store.write(|transaction| {
            transaction.open_table(PEOPLE)?.insert(person, [7; 50].as_slice())?;
            Ok(())
        })
    }

    fn is_kept(store: &Store, person: u128) -> bool {
        store.read(|transaction| Ok(transaction.open_table(PEOPLE)?.get(person)?.is_some())).unwrap()
    }

    #[test]
    fn a_full_disk_costs_only_the_writes_that_found_no_room() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault.redb");
        let is_full = Arc::new(AtomicBool::new(false));
        let crowded = Arc::clone(&is_full);
        let store = Store::open_with(Box::new(move || {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let file = FileBackend::new(file.map_err(redb::Error::Io)?)?;
            let backend = Crowded { file, is_full: Arc::clone(&crowded) };
            Ok(Database::builder().create_with_backend(backend)?)
        }))
        .unwrap();
        keep(&store, 1).unwrap();
        is_full.store(true, Ordering::Relaxed);
        for person in 2..5 {
            assert_eq!(keep(&store, person), Err(Unkept::Full));
            assert!(is_kept(&store, 1), "reads go on");
        }
        is_full.store(false, Ordering::Relaxed);
        keep(&store, 5).unwrap();
        let kept: Vec<u128> = (1..6).filter(|person| is_kept(&store, *person)).collect();
        assert_eq!(kept, [1, 5], "nothing of what was refused is there");
    }
}
