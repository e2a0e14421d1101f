//! The vault: a key for each person, and the staff's password hashes, in one redb file.
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

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use jari_core::ids::PersonId;
use jari_node::Rejected;
use jari_wire::KeyRing;
use redb::TableDefinition;
use tokio::sync::{mpsc, oneshot};

use crate::language::Language;
use crate::problem::Problem;
use crate::random;

mod staff;
mod store;
mod writer;

pub(crate) use staff::verify;
pub use staff::{FirstRun, StaffRecord};

use store::{Store, Unkept};
use writer::{Write, write_loop};

const PEOPLE: TableDefinition<'static, u128, &'static [u8]> = TableDefinition::new("people");
const STAFF: TableDefinition<'static, &'static str, (u32, u8, &'static str)> = TableDefinition::new("staff");
const ENDED: TableDefinition<'static, u64, u64> = TableDefinition::new("ended staff sessions");

const NONCE_BYTES: usize = 24;
/// Contacts are padded to a multiple of this: their length tells little.
const PAD_BYTES: usize = 64;
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
}

/// See the module's documentation. Cheap to clone; the last one to go closes the file.
#[derive(Clone)]
pub struct Vault {
    store: Arc<Store>,
    writes: mpsc::Sender<Write>,
    keys: KeyRing,
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
        Ok(Vault { store, writes, keys })
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

    /// Seals a contact under its person's key, which is durable before this answers. A
    /// new person costs one write, shared with everyone who comes in the same moment.
    ///
    /// # Errors
    ///
    /// A passing problem when the vault is overloaded or broken.
    pub async fn seal(&self, person: PersonId, contact: &Contact) -> Result<Box<[u8]>, Problem> {
        let wrapped = match self.wrapped_key(person) {
            Some(wrapped) => wrapped,
            None => {
                let fresh = self.wrap(person, &random::bytes()?)?;
                self.write(|reply| Write::KeepKey { person, wrapped: fresh, reply }).await?
            }
        };
        let key = self.unwrap_key(person, &wrapped).ok_or_else(damaged)?;
        let sealed = seal(&key, person, &encode(contact))?;
        Ok(sealed.into_boxed_slice())
    }

    /// Opens a sealed contact; none once the person was forgotten.
    #[must_use]
    pub fn open_contact(&self, person: PersonId, sealed: &[u8]) -> Option<Contact> {
        if sealed.is_empty() {
            return None;
        }
        let key = self.unwrap_key(person, &self.wrapped_key(person)?)?;
        decode(&open(&key, person, sealed)?)
    }

    /// Deletes a person's key. Durable before this answers.
    ///
    /// # Errors
    ///
    /// A passing problem; the key may be there still: ask again.
    pub async fn forget(&self, person: PersonId) -> Result<(), Problem> {
        self.write(|reply| Write::ForgetKey { person, reply }).await
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

    /// Key number, nonce, sealed key.
    fn wrap(&self, person: PersonId, key: &[u8; 32]) -> Result<Vec<u8>, Problem> {
        let (number, wrapping) = self.keys.contact_key();
        let mut wrapped = vec![number];
        wrapped.extend(seal(&wrapping, person, key)?);
        Ok(wrapped)
    }

    fn unwrap_key(&self, person: PersonId, wrapped: &[u8]) -> Option<[u8; 32]> {
        let (number, sealed) = wrapped.split_first()?;
        let wrapping = self.keys.contact_key_of(*number)?;
        open(&wrapping, person, sealed)?.try_into().ok()
    }
}

/// Nonce, then the sealed bytes. Bound to the person: sealed bytes of one do not open as
/// another's.
fn seal(key: &[u8; 32], person: PersonId, plain: &[u8]) -> Result<Vec<u8>, Problem> {
    let nonce: [u8; NONCE_BYTES] = random::bytes()?;
    let payload = Payload { msg: plain, aad: &person.0.to_le_bytes() };
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| damaged())?;
    let mut bytes = nonce.to_vec();
    bytes.extend(sealed);
    Ok(bytes)
}

fn open(key: &[u8; 32], person: PersonId, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
    let payload = Payload { msg: sealed, aad: &person.0.to_le_bytes() };
    XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), payload).ok()
}

/// Version 1, language, name's length, name, telephone's length, telephone, zeros.
fn encode(contact: &Contact) -> Vec<u8> {
    let language = match contact.language {
        Language::Korean => 0,
        Language::English => 1,
    };
    let mut bytes = vec![1, language];
    for text in [&contact.name, &contact.telephone] {
        let text = &text.as_bytes()[..text.len().min(255)];
        bytes.push(text.len() as u8);
        bytes.extend(text);
    }
    bytes.resize(bytes.len().next_multiple_of(PAD_BYTES), 0);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Contact> {
    let (head, rest) = bytes.split_at_checked(2)?;
    let language = match head {
        [1, 0] => Language::Korean,
        [1, 1] => Language::English,
        _ => return None,
    };
    let (name, rest) = take_text(rest)?;
    let (telephone, _) = take_text(rest)?;
    Some(Contact { name, telephone, language })
}

fn take_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
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
mod tests {
    use jari_core::time::Date;

    use super::*;

    fn contact(name: &str) -> Contact {
        Contact { name: name.into(), telephone: "01012345678".into(), language: Language::English }
    }

    #[tokio::test]
    async fn a_forgotten_person_cannot_be_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let keys = KeyRing::generate(1, [3; 32], Date(20_000));
        let vault = Vault::open(&directory.path().join("vault.redb"), keys).unwrap();
        let (one, other) = (PersonId(1), PersonId(2));
        let sealed = vault.seal(one, &contact("김하늘")).await.unwrap();
        assert_eq!(vault.open_contact(one, &sealed), Some(contact("김하늘")));
        vault.seal(other, &contact("Lee")).await.unwrap();
        assert_eq!(vault.open_contact(other, &sealed), None);
        vault.forget(one).await.unwrap();
        assert_eq!(vault.open_contact(one, &sealed), None);
        let again = vault.seal(one, &contact("김하늘")).await.unwrap();
        assert_eq!(vault.open_contact(one, &sealed), None);
        assert_eq!(vault.open_contact(one, &again), Some(contact("김하늘")));
    }

    #[tokio::test]
    async fn keys_survive_a_restart_and_a_new_service_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault.redb");
        let keys = KeyRing::generate(1, [3; 32], Date(20_000));
        let vault = Vault::open(&path, keys.clone()).unwrap();
        let sealed = vault.seal(PersonId(1), &contact("Kim")).await.unwrap();
        vault.close();
        let keys = keys.with(2, [4; 32], Date(20_001)).unwrap();
        let vault = Vault::open(&path, keys).unwrap();
        assert_eq!(vault.open_contact(PersonId(1), &sealed), Some(contact("Kim")));
    }

    #[tokio::test]
    async fn a_copy_holds_what_was_there_and_is_written_over_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let keys = KeyRing::generate(1, [3; 32], Date(20_000));
        let vault = Vault::open(&path("vault.redb"), keys.clone()).unwrap();
        let first = vault.first_run().await.unwrap().unwrap();
        let early = vault.seal(PersonId(1), &contact("Kim")).await.unwrap();
        vault.copy_to(&path("copy")).unwrap();
        let late = vault.seal(PersonId(2), &contact("Lee")).await.unwrap();
        assert!(matches!(vault.copy_to(&path("copy")), Err(VaultError::Occupied(_))));
        let copy = Vault::open(&path("copy"), keys).unwrap();
        assert_eq!(copy.open_contact(PersonId(1), &early), Some(contact("Kim")));
        assert_eq!(copy.open_contact(PersonId(2), &late), None);
        assert!(verify(&first.password, &copy.staff("operator").unwrap().hash));
    }

    #[tokio::test]
    async fn a_new_password_replaces_the_old_one_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let keys = KeyRing::generate(1, [3; 32], Date(20_000));
        let vault = Vault::open(&directory.path().join("vault.redb"), keys).unwrap();
        assert!(vault.reset_password("operator").await.unwrap().is_none(), "there is nobody yet");
        let first = vault.first_run().await.unwrap().unwrap();
        let before = vault.staff("operator").unwrap();
        let password = vault.reset_password("operator").await.unwrap().unwrap();
        let after = vault.staff("operator").unwrap();
        assert_eq!((before.user, before.role), (after.user, after.role));
        assert!(verify(&password, &after.hash) && !verify(&first.password, &after.hash));
    }

    #[test]
    fn rubbish_is_no_contact() {
        for bytes in [&[][..], &[1], &[1, 0, 9], &[1, 0, 1, 0xff, 0], &[2, 0, 0, 0]] {
            assert_eq!(decode(bytes), None);
        }
    }
}
