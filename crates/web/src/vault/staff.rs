//! The staff: names, roles, argon2id password hashes, and what else belongs to an account.
//!
//! A record is kept as three columns, as it was when it had no more: number, role, and a text. The text
//! is the hash, and where there is more a line of JSON behind it. A build that does not know of it takes
//! all of it for a hash that no password fits, so it never lets somebody in who is locked or has a second
//! factor. It must never write over a change that it has not seen: see [`Vault::change_staff`].

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use redb::{ReadableTable, ReadableTableMetadata};
use serde::{Deserialize, Serialize};

use super::writer::Write;
use super::{ENDED, STAFF, Vault, damaged, overloaded};
use crate::problem::Problem;
use crate::random;
use crate::staff::Role;

/// Accounts of one service at the most.
pub const STAFF_MAX: usize = 500;
/// A change is tried so often while others change the same account.
const CHANGES_TRIED: usize = 8;

/// Someone of the staff.
#[derive(Clone, PartialEq, Eq)]
pub struct StaffRecord {
    /// Their number.
    pub user: u32,
    /// Their role: see `staff::Role`.
    pub role: u8,
    /// argon2id, in the PHC string format.
    pub hash: String,
    /// What else belongs to the account.
    pub more: Account,
}

/// What belongs to an account beside its password; nothing for one that was made before there was more.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Counts what ends all sessions: another password, role or second factor, a lock. 0 at first.
    pub generation: u16,
    /// Nobody signs in.
    pub locked: bool,
    /// The password is a first one: another one has to be set before anything else.
    pub must_change: bool,
    /// The clinics that a clinic's account is bound to.
    pub clinics: Vec<u32>,
    /// The secret of the second factor, sealed, in hexadecimal digits; empty without.
    pub totp: String,
    /// Keyed hashes of the recovery codes that are left.
    pub recovery: Vec<String>,
}

impl Account {
    /// Ends all sessions that were begun before.
    pub fn end_sessions(&mut self) {
        self.generation = self.generation.wrapping_add(1).max(1);
    }
}

impl StaffRecord {
    /// An account with nothing but a password.
    #[must_use]
    pub fn plain(user: u32, role: u8, hash: String) -> StaffRecord {
        StaffRecord { user, role, hash, more: Account::default() }
    }

    /// The hash, and behind it what else there is.
    pub(super) fn text(&self) -> String {
        if self.more == Account::default() {
            return self.hash.clone();
        }
        // Texts and numbers always serialise; without them the account would not open.
        let more = serde_json::to_string(&self.more).unwrap_or_default();
        format!("{}\n{more}", self.hash)
    }

    /// Reads what [`StaffRecord::text`] wrote. What cannot be read locks the account.
    pub(super) fn of_text(user: u32, role: u8, text: &str) -> StaffRecord {
        let (hash, more) = match text.split_once('\n') {
            None => (text, Account::default()),
            Some((hash, more)) => {
                let locked = Account { locked: true, generation: 1, ..Account::default() };
                (hash, serde_json::from_str(more).unwrap_or(locked))
            }
        };
        StaffRecord { user, role, hash: hash.to_owned(), more }
    }
}

/// The first operator, made because there was none. Print the password once.
pub struct FirstRun {
    /// The name to sign in with.
    pub name: &'static str,
    /// The password: 80 random bits.
    pub password: String,
}

/// The whole staff as it was read last, by number.
pub(super) type Book = RwLock<(u64, Arc<BTreeMap<u32, (String, StaffRecord)>>)>;

impl Vault {
    /// Makes the first operator if there is no staff; gives the password, which is kept
    /// nowhere else. Of several nodes that start at the same time one makes it.
    ///
    /// # Errors
    ///
    /// When the vault cannot be read or written.
    pub async fn first_run(&self) -> Result<Option<FirstRun>, Problem> {
        let empty = self.store.read(|transaction| Ok(transaction.open_table(STAFF)?.is_empty()?));
        if !empty.map_err(|_| damaged())? {
            return Ok(None);
        }
        let password = readable_password()?;
        let name = "operator";
        let record = StaffRecord::plain(1, Role::Operator.number(), hashed(&password).await?);
        Ok(self.add_staff(name, record).await?.then_some(FirstRun { name, password }))
    }

    /// Gives someone of the staff a new password, which is kept nowhere else; none if there is
    /// nobody of that name. Sessions that were begun before end.
    ///
    /// # Errors
    ///
    /// When the vault cannot be written.
    pub async fn reset_password(&self, name: &str) -> Result<Option<String>, Problem> {
        let password = readable_password()?;
        let hash = hashed(&password).await?;
        let changed = self.change_staff(name, |mut record| {
            record.hash.clone_from(&hash);
            record.more.end_sessions();
            Ok(record)
        });
        Ok(changed.await?.map(|_| password))
    }

    /// Makes an account, or sets the number, role and password of the one there is. Hashing takes
    /// some 30 ms of one core and 19 MB, off the request threads.
    ///
    /// # Errors
    ///
    /// When the vault cannot be written.
    pub async fn set_password(&self, name: &str, user: u32, role: u8, password: &str) -> Result<(), Problem> {
        let record = StaffRecord::plain(user, role, hashed(password).await?);
        if self.add_staff(name, record.clone()).await? {
            return Ok(());
        }
        let change = |before: StaffRecord| Ok(StaffRecord { more: before.more, ..record.clone() });
        self.change_staff(name, change).await.map(drop)
    }

    /// Makes an account unless there is one of that name. Gives whether it was made.
    ///
    /// # Errors
    ///
    /// When the vault cannot be written.
    pub async fn add_staff(&self, name: &str, record: StaffRecord) -> Result<bool, Problem> {
        match &self.shared {
            Some(shared) => shared.add_staff(name, record).await,
            None => {
                let name = name.to_owned();
                self.write(|reply| Write::ReplaceStaff { name, expected: None, record, reply }).await
            }
        }
    }

    /// Changes an account as it is at this moment; nobody's change in between is written over, at
    /// whichever node it is made. `change` may be asked several times. Gives the account as it is then;
    /// none if there is nobody of that name.
    ///
    /// # Errors
    ///
    /// What `change` says, and when the vault cannot be written.
    pub async fn change_staff(
        &self,
        name: &str,
        change: impl Fn(StaffRecord) -> Result<StaffRecord, Problem>,
    ) -> Result<Option<StaffRecord>, Problem> {
        for _ in 0..CHANGES_TRIED {
            let revision = match &self.shared {
                Some(shared) => shared.find_staff(name).await?,
                None => None,
            };
            let Some(before) = self.staff(name) else { return Ok(None) };
            let after = change(before.clone())?;
            let kept = match (&self.shared, revision) {
                (Some(shared), Some(revision)) => shared.replace_staff(name, after.clone(), revision).await?,
                (Some(_), None) => return Ok(None),
                (None, _) => {
                    let (name, expected, record) = (name.to_owned(), Some(before), after.clone());
                    self.write(|reply| Write::ReplaceStaff { name, expected, record, reply }).await?
                }
            };
            if kept {
                return Ok(Some(after));
            }
        }
        Err(overloaded())
    }

    /// Someone of the staff by name, as of this moment wherever the change was made; as of
    /// what is here while the shared table does not answer.
    pub async fn staff_now(&self, name: &str) -> Option<StaffRecord> {
        if let Some(shared) = &self.shared
            && let Err(problem) = shared.find_staff(name).await
        {
            tracing::warn!(code = problem.code, "someone of the staff is taken as this node knows them");
        }
        self.staff(name)
    }

    /// Someone of the staff by name.
    #[must_use]
    pub fn staff(&self, name: &str) -> Option<StaffRecord> {
        let read = self.store.read(|transaction| {
            Ok(transaction.open_table(STAFF)?.get(name)?.map(|kept| {
                let (user, role, text) = kept.value();
                StaffRecord::of_text(user, role, text)
            }))
        });
        read.ok().flatten()
    }

    /// The staff that is here, by name.
    ///
    /// # Errors
    ///
    /// When the vault cannot be read.
    pub fn all_staff(&self) -> Result<Vec<(String, StaffRecord)>, Problem> {
        let read = self.store.read(|transaction| {
            let table = transaction.open_table(STAFF)?;
            let rows = table.iter()?.map(|row| {
                let (name, kept) = row?;
                let (user, role, text) = kept.value();
                Ok((name.value().to_owned(), StaffRecord::of_text(user, role, text)))
            });
            rows.collect::<Result<_, redb::StorageError>>().map_err(redb::Error::from)
        });
        read.map_err(|_| damaged())
    }

    /// Someone of the staff by number, with their name. Costs a look into memory, unless someone of
    /// the staff was changed since the last time.
    #[must_use]
    pub fn account(&self, user: u32) -> Option<(String, StaffRecord)> {
        let version = self.store.staff_version();
        let known = self.book.read().unwrap_or_else(PoisonError::into_inner).clone();
        if known.0 == version {
            return known.1.get(&user).cloned();
        }
        // The version was read first: what changes meanwhile is read again the next time.
        let all = self.all_staff().ok()?;
        let book: BTreeMap<_, _> =
            all.into_iter().map(|(name, record)| (record.user, (name, record))).collect();
        let found = book.get(&user).cloned();
        *self.book.write().unwrap_or_else(PoisonError::into_inner) = (version, Arc::new(book));
        found
    }

    /// Brings here what other nodes changed of the staff a moment ago.
    pub async fn hear_staff(&self) {
        if let Some(shared) = &self.shared
            && let Err(error) = shared.hear_news().await
        {
            tracing::warn!(%error, "the staff is taken as this node knows it");
        }
    }

    /// Remembers that a staff session was ended before its time.
    ///
    /// # Errors
    ///
    /// When the vault cannot be written: the session still counts.
    pub async fn end_session(&self, nonce: u64, ends_at_ms: u64, now_ms: u64) -> Result<(), Problem> {
        match &self.shared {
            Some(shared) => shared.end_session(nonce, ends_at_ms, now_ms).await,
            None => self.write(|reply| Write::EndSession { nonce, ends_at_ms, now_ms, reply }).await,
        }
    }

    /// Whether a staff session was ended. Another node's end is here after a moment. A vault that cannot
    /// be read ends them all.
    #[must_use]
    pub fn session_ended(&self, nonce: u64) -> bool {
        let read = self.store.read(|transaction| Ok(transaction.open_table(ENDED)?.get(nonce)?.is_some()));
        read.unwrap_or(true)
    }

    /// Uses something that counts once, by a number that nothing else has, at whichever node it is
    /// brought; it is remembered for `lasts_ms`. Gives whether it is the first time.
    ///
    /// # Errors
    ///
    /// When the vault cannot be written: it does not count then.
    pub async fn use_once(&self, number: u64, lasts_ms: u64, now_ms: u64) -> Result<bool, Problem> {
        // No two uses of the same look alike in the table, or both would be taken for the first.
        let apart = u64::from(u32::from_le_bytes(random::bytes()?) >> 2);
        let ends_at_ms = now_ms + lasts_ms + apart;
        match &self.shared {
            Some(shared) => shared.use_once(number, ends_at_ms, now_ms).await,
            None => self.write(|reply| Write::UseOnce { nonce: number, ends_at_ms, now_ms, reply }).await,
        }
    }
}

/// A hash of a password, made off the request threads.
pub(crate) async fn hashed(password: &str) -> Result<String, Problem> {
    let password = password.to_owned();
    let salt: [u8; 16] = random::bytes()?;
    let hashed = tokio::task::spawn_blocking(move || hash(&password, &salt)).await;
    hashed.ok().flatten().ok_or_else(damaged)
}

fn hash(password: &str, salt: &[u8]) -> Option<String> {
    let salt = SaltString::encode_b64(salt).ok()?;
    Argon2::default().hash_password(password.as_bytes(), &salt).ok().map(|hash| hash.to_string())
}

/// Whether a password belongs to a hash. Takes the same time for a wrong one.
pub(crate) fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// 16 characters of an alphabet without look-alikes, in four groups: 80 random bits.
pub(crate) fn readable_password() -> Result<String, Problem> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let drawn: [u8; 16] = random::bytes()?;
    let mut text = String::with_capacity(19);
    for (at, byte) in drawn.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_more_is_as_it_ever_was_and_one_with_more_fits_no_password_of_an_old_build() {
        let hash = hash("twelve-signs-long", &[7; 16]).unwrap();
        let plain = StaffRecord::plain(3, 1, hash.clone());
        assert_eq!(plain.text(), hash);
        assert!(StaffRecord::of_text(3, 1, &hash) == plain);
        let more = Account { locked: true, clinics: vec![4], generation: 2, ..Account::default() };
        let record = StaffRecord { more, ..plain };
        assert!(StaffRecord::of_text(3, 1, &record.text()) == record);
        assert!(verify("twelve-signs-long", &hash) && !verify("twelve-signs-long", &record.text()));
    }

    #[test]
    fn what_cannot_be_read_is_locked_and_what_is_newer_is_read_as_far_as_it_is_known() {
        assert!(StaffRecord::of_text(3, 1, "hash\nrubbish").more.locked);
        let newer = StaffRecord::of_text(3, 1, "hash\n{\"generation\":4,\"passkeys\":[1]}");
        assert_eq!((newer.more.generation, newer.more.locked), (4, false));
    }
}
