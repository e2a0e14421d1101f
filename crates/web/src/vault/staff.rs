//! The staff: names, roles and argon2id password hashes.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use redb::ReadableTableMetadata;

use super::writer::Write;
use super::{ENDED, STAFF, Vault, damaged};
use crate::problem::Problem;
use crate::random;

/// Someone of the staff.
#[derive(Clone, PartialEq, Eq)]
pub struct StaffRecord {
    /// Their number.
    pub user: u32,
    /// Their role: see `actions::operator`.
    pub role: u8,
    /// argon2id, in the PHC string format.
    pub hash: String,
}

/// The first operator, made because there was none. Print the password once.
pub struct FirstRun {
    /// The name to sign in with.
    pub name: &'static str,
    /// The password: 80 random bits.
    pub password: String,
}

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
        let record = record(1, crate::actions::operator::ROLE_OPERATOR, &password).await?;
        let made = match &self.shared {
            Some(shared) => shared.keep_staff(name, record, true).await?,
            None => {
                self.keep_staff(name, record).await?;
                true
            }
        };
        Ok(made.then_some(FirstRun { name, password }))
    }

    /// Gives someone of the staff a new password, which is kept nowhere else; none if there is
    /// nobody of that name. Sessions that were begun before go on until they end.
    ///
    /// # Errors
    ///
    /// When the vault cannot be written.
    pub async fn reset_password(&self, name: &str) -> Result<Option<String>, Problem> {
        let Some(StaffRecord { user, role, .. }) = self.staff_now(name).await else {
            return Ok(None);
        };
        let password = readable_password()?;
        self.set_password(name, user, role, &password).await?;
        Ok(Some(password))
    }

    /// Sets someone's number, role and password. Hashing takes some 30 ms of one core and
    /// 19 MB, off the request threads.
    ///
    /// # Errors
    ///
    /// When the vault cannot be written.
    pub async fn set_password(&self, name: &str, user: u32, role: u8, password: &str) -> Result<(), Problem> {
        self.keep_staff(name, record(user, role, password).await?).await
    }

    async fn keep_staff(&self, name: &str, record: StaffRecord) -> Result<(), Problem> {
        let name = name.to_owned();
        match &self.shared {
            Some(shared) => shared.keep_staff(&name, record, false).await.map(drop),
            None => self.write(|reply| Write::KeepStaff { name, record, reply }).await,
        }
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
                let (user, role, hash) = kept.value();
                StaffRecord { user, role, hash: hash.to_owned() }
            }))
        });
        read.ok().flatten()
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

    /// Whether a staff session was ended. Another node's end is here after a moment. A vault that cannot be read ends them all.
    #[must_use]
    pub fn session_ended(&self, nonce: u64) -> bool {
        let read = self.store.read(|transaction| Ok(transaction.open_table(ENDED)?.get(nonce)?.is_some()));
        read.unwrap_or(true)
    }
}

/// Hashes a password, off the request threads.
async fn record(user: u32, role: u8, password: &str) -> Result<StaffRecord, Problem> {
    let password = password.to_owned();
    let salt: [u8; 16] = random::bytes()?;
    let hashed = tokio::task::spawn_blocking(move || hash(&password, &salt)).await;
    let hash = hashed.ok().flatten().ok_or_else(damaged)?;
    Ok(StaffRecord { user, role, hash })
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

/// 16 characters of an alphabet without look-alikes, in four groups.
fn readable_password() -> Result<String, Problem> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let drawn: [u8; 16] = random::bytes()?;
    let mut password = String::with_capacity(19);
    for (at, byte) in drawn.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            password.push('-');
        }
        password.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    Ok(password)
}
