//! What the vault needs of a table that several nodes share, and how its entries look there.
//!
//! | name | value |
//! |---|---|
//! | `person.` and 32 hexadecimal digits | the wrapped key |
//! | `staff.` and a keyed hash of the name | number of a key, then sealed: number, role, name, hash |
//! | `ended.` and 16 digits of a session, or of something that counts once | until when it is remembered, when it was ended |
//! | `audit.`, 16 digits of a time, `.` and 16 that are random | number of a key, then sealed: an entry |
//!
//! Nothing in it can be read without the service's keys, and no member of the staff can be
//! made without them. Start reading at [`SharedTable`].

use std::future::Future;
use std::pin::Pin;

use jari_core::ids::PersonId;
use jari_wire::KeyRing;

use super::audit::AuditKey;
use super::sealing::{open, seal};
use super::staff::StaffRecord;
use super::writer::{Row, What};
use crate::hex;
use crate::problem::Problem;

/// An answer on its way.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, TableFault>> + Send + 'a>>;

/// Why a shared table did not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TableFault {
    /// It does not answer. Whether it was done is unknown; ask again.
    #[error("the shared vault does not answer: {0}")]
    Away(String),
    /// It has no room. It was not done.
    #[error("the shared vault has no room")]
    Full,
    /// A person has to look.
    #[error("the shared vault is broken: {0}")]
    Broken(String),
}

/// What a name has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// When it was written, counted by the table.
    pub revision: u64,
    /// The value; none once erased.
    pub value: Option<Vec<u8>>,
}

/// What making a value came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Created {
    /// It is kept now, under this revision.
    Now(u64),
    /// The name had a value, and has it still.
    Before(Kept),
}

/// A name that changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// Which.
    pub name: String,
    /// What it has now.
    pub kept: Kept,
}

/// Some of what changed, in the order of revisions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Of a name that changed more than once the last change, at the least.
    pub changed: Vec<Changed>,
    /// Whether there is more at this moment.
    pub more: bool,
}

/// What is known of a table as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Another table in its place has another.
    pub life: String,
    /// The last revision.
    pub revision: u64,
    /// Names that have something, erased ones included.
    pub names: u64,
}

/// A durable table of values by name, the same for all nodes. Revisions count every change,
/// one after the other; an erased name is among the changes for ever. Each call may take some
/// seconds.
pub trait SharedTable: Send + Sync {
    /// What is known of it as a whole, at this moment.
    fn standing(&self) -> Asked<'_, Standing>;
    /// What a name has, at this moment; none if it never had anything.
    fn get<'a>(&'a self, name: &'a str) -> Asked<'a, Option<Kept>>;
    /// Keeps a value unless the name has one.
    fn create<'a>(&'a self, name: &'a str, value: &'a [u8]) -> Asked<'a, Created>;
    /// Keeps a value, for so many seconds if they are given; gives the revision.
    fn put<'a>(&'a self, name: &'a str, value: &'a [u8], lasts_s: Option<u64>) -> Asked<'a, u64>;
    /// Keeps a value if the name still has what it had at this revision; gives the new one, or none if
    /// it was changed.
    fn replace<'a>(&'a self, name: &'a str, value: &'a [u8], revision: u64) -> Asked<'a, Option<u64>>;
    /// Makes a value unreadable for good; gives the revision of the mark that stays.
    fn erase<'a>(&'a self, name: &'a str) -> Asked<'a, u64>;
    /// Some of what changed after a revision. It may lag behind by moments.
    fn changes(&self, after: u64) -> Asked<'_, Changes>;
}

/// The name of a person's key.
pub(super) fn person_name(person: PersonId) -> String {
    format!("person.{}", hex::encode(&person.0.to_be_bytes()))
}

/// The name of someone of the staff: it does not tell theirs.
pub(super) fn staff_name(keys: &KeyRing, name: &str) -> String {
    format!("staff.{}", hex::encode(&keys.command_id(b"staff name", name.as_bytes()).0.to_be_bytes()))
}

/// The name of a staff session that was ended.
pub(super) fn ended_name(nonce: u64) -> String {
    format!("ended.{}", hex::encode(&nonce.to_be_bytes()))
}

/// The value of someone of the staff.
pub(super) fn staff_value(keys: &KeyRing, name: &str, record: &StaffRecord) -> Result<Vec<u8>, Problem> {
    let (number, key) = keys.staff_key();
    let mut plain = record.user.to_le_bytes().to_vec();
    plain.push(record.role);
    plain.extend((name.len() as u16).to_le_bytes());
    plain.extend(name.as_bytes());
    plain.extend(record.text().as_bytes());
    let mut value = vec![number];
    value.extend(seal(&key, staff_name(keys, name).as_bytes(), &plain)?);
    Ok(value)
}

/// Reads what [`staff_value`] wrote under this name.
fn open_staff(keys: &KeyRing, name: &str, value: &[u8]) -> Option<(String, StaffRecord)> {
    let (number, sealed) = value.split_first()?;
    let plain = open(&*keys.staff_key_of(*number)?, name.as_bytes(), sealed)?;
    let (user, rest) = plain.split_first_chunk()?;
    let (role, rest) = rest.split_first()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (name, hash) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    let text = std::str::from_utf8(hash).ok()?;
    let record = StaffRecord::of_text(u32::from_le_bytes(*user), *role, text);
    Some((String::from_utf8(name.to_vec()).ok()?, record))
}

/// The value of an ended session.
pub(super) fn ended_value(ends_at_ms: u64, now_ms: u64) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&ends_at_ms.to_le_bytes());
    value[8..].copy_from_slice(&now_ms.to_le_bytes());
    value
}

/// The name of an entry of the audit list.
pub(super) fn audit_name((at_ms, number): AuditKey) -> String {
    format!("audit.{}.{}", hex::encode(&at_ms.to_be_bytes()), hex::encode(&number.to_be_bytes()))
}

/// The value of an entry of the audit list.
pub(super) fn audit_value(keys: &KeyRing, name: &str, bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let (number, key) = keys.staff_key();
    let mut value = vec![number];
    value.extend(seal(&key, name.as_bytes(), bytes)?);
    Ok(value)
}

/// Reads what [`audit_value`] wrote under this name.
fn open_audit(keys: &KeyRing, name: &str, value: &[u8]) -> Option<What> {
    let (at_ms, number) = name.strip_prefix("audit.")?.split_once('.')?;
    let key = (u64::from_be_bytes(hex::decode(at_ms)?), u64::from_be_bytes(hex::decode(number)?));
    let (key_number, sealed) = value.split_first()?;
    let bytes = open(&*keys.staff_key_of(*key_number)?, name.as_bytes(), sealed)?;
    Some(What::Note { key, bytes })
}

/// An entry of the table as a row of the replica; none for what is not ours or cannot be
/// opened. `staff` are the names of the staff here, since an erased entry does not tell them.
pub(super) fn row_of(keys: &KeyRing, staff: &[String], changed: &Changed) -> Option<Row> {
    let Changed { name, kept: Kept { revision, value } } = changed;
    let (kind, id) = name.split_once('.')?;
    let what = match (kind, value) {
        ("person", value) => {
            let person = PersonId(u128::from_be_bytes(hex::decode(id)?));
            What::Key { person, wrapped: value.clone() }
        }
        ("staff", Some(value)) => {
            let (name, record) = open_staff(keys, name, value)?;
            What::Staff { name, record: Some(record) }
        }
        ("staff", None) => {
            let gone = staff.iter().find(|known| staff_name(keys, known) == *name)?;
            What::Staff { name: gone.clone(), record: None }
        }
        ("audit", Some(value)) => open_audit(keys, name, value)?,
        ("ended", Some(value)) => {
            let nonce = u64::from_be_bytes(hex::decode(id)?);
            let (ends_at, now) = value.split_first_chunk()?;
            let (ends_at_ms, now_ms) =
                (u64::from_le_bytes(*ends_at), u64::from_le_bytes(now.try_into().ok()?));
            What::Ended { nonce, ends_at_ms, now_ms }
        }
        _ => return None,
    };
    Some(Row { revision: *revision, what })
}
