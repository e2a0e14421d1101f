//! The key ring: one or more master secrets, and the keys derived from them.
//!
//! The newest key signs tokens and wraps contacts; every key of the ring still opens
//! what it once sealed, so that a key can be replaced without signing anyone out. What
//! must stay the same for years comes from the *oldest* key, which therefore must never
//! be taken out of the ring: a person's id, a room's seed (committed to days before it
//! is revealed) and the binding of command ids.
//!
//! A key is *retired* when a service comes back from a backup: what it signed after the
//! backup was made may name places that are given to somebody else now, so nothing that
//! it signed counts any more. It still opens contacts, and it still makes the codes of the
//! bookings that the backup holds.
//!
//! Subkeys are BLAKE3 in its key derivation mode over the master secret, one context
//! each (`TOKENS` and so on below). A master secret is used for nothing else.
//!
//! This module must never print a secret: `Debug` shows key numbers only, and secrets
//! are wiped from memory when the ring is dropped.

use jari_core::ids::{BookingId, CommandId, PersonId, RoomId};
use jari_core::time::Date;
use zeroize::Zeroizing;

/// Tokens' MACs.
const TOKENS: &str = "jari 2025-11-22 tokens v1";
/// People's ids.
const PEOPLE: &str = "jari 2025-11-22 person ids v1";
/// Wrapping the keys of sealed contacts.
const CONTACTS: &str = "jari 2025-11-22 contact wrapping v1";
/// Seeds of rooms' draws.
const ROOM_SEEDS: &str = "jari 2025-11-22 room seeds v1";
/// Command ids.
const COMMANDS: &str = "jari 2025-11-22 command ids v1";
/// Sealing the challenges of one-time codes.
const CHALLENGES: &str = "jari 2026-11-26 challenge sealing v1";
/// Sealing the staff's records in a table that nodes share.
const STAFF: &str = "jari 2026-11-26 staff sealing v1";

/// The name under which an installation sends messages.
const INSTALLATIONS: &str = "jari 2026-11-26 installation names v1";

/// Keys in a ring at the most.
pub const KEYS_MAX: usize = 32;

/// Why a key file cannot be used. A person has to mend the file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no key in it.
    #[error("the key file holds no key")]
    Empty,
    /// There are more than [`KEYS_MAX`].
    #[error("the key file holds more than {KEYS_MAX} keys")]
    TooMany,
    /// A line is not `ID SECRET DATE`.
    #[error(
        "line {line} of the key file is not: number from 0 to 255, 64 hexadecimal digits, YYYY-MM-DD, and perhaps \
         the word retired with a number of bookings"
    )]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// Two keys have one number.
    #[error("two keys of the ring have the number {id}")]
    Twice {
        /// The number.
        id: u8,
    },
    /// No key is left to sign with.
    #[error("the newest key of the ring is retired: one newer must sign")]
    Retired,
    /// A key that is added is older than one of the ring. The oldest would change, and
    /// with it everyone's id.
    #[error("a new key must not bear an earlier date than the keys of the ring")]
    Backdated,
}

/// One master secret and what is derived from it.
#[derive(Clone)]
struct Key {
    id: u8,
    secret: Zeroizing<[u8; 32]>,
    tokens: Zeroizing<[u8; 32]>,
    created: Date,
    /// Retired when there were so many bookings.
    retired_at: Option<u32>,
}

impl Key {
    fn new(id: u8, secret: [u8; 32], created: Date) -> Key {
        let tokens = Zeroizing::new(blake3::derive_key(TOKENS, &secret));
        Key { id, secret: Zeroizing::new(secret), tokens, created, retired_at: None }
    }

    fn commands(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(COMMANDS, &*self.secret))
    }
}

/// See the module's documentation. There is always at least one key.
#[derive(Clone)]
pub struct KeyRing {
    /// Oldest first; keys of one day in the order in which they were added.
    keys: Vec<Key>,
    people: Zeroizing<[u8; 32]>,
    room_seeds: Zeroizing<[u8; 32]>,
    commands: Zeroizing<[u8; 32]>,
    /// Bookings from this number on are coded with this key; numbers descend.
    codes: Vec<(u32, Zeroizing<[u8; 32]>)>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl KeyRing {
    /// A ring of one key. The secret must be random; the caller draws it.
    #[must_use]
    pub fn generate(id: u8, secret: [u8; 32], created: Date) -> KeyRing {
        KeyRing::of(vec![Key::new(id, secret, created)])
    }

    /// The ring of these keys, of which there is at least one.
    fn of(mut keys: Vec<Key>) -> KeyRing {
        keys.sort_by_key(|key| key.created);
        let oldest = &*keys[0].secret;
        let people = Zeroizing::new(blake3::derive_key(PEOPLE, oldest));
        let room_seeds = Zeroizing::new(blake3::derive_key(ROOM_SEEDS, oldest));
        let commands = keys[0].commands();
        // The last retired key that was in force before a booking says which key comes after it.
        let followed = keys.windows(2).filter_map(|pair| Some((pair[0].retired_at?, pair[1].commands())));
        let codes = followed.rev().collect();
        KeyRing { keys, people, room_seeds, commands, codes }
    }

    /// This ring and one key more, which signs from now on.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Backdated`], [`KeyFileError::Twice`] and [`KeyFileError::TooMany`].
    pub fn with(&self, id: u8, secret: [u8; 32], created: Date) -> Result<KeyRing, KeyFileError> {
        if created < self.newest().created {
            return Err(KeyFileError::Backdated);
        }
        let mut keys = self.keys.clone();
        add(&mut keys, Key::new(id, secret, created))?;
        Ok(KeyRing::of(keys))
    }

    /// This ring come back from a backup that holds so many bookings: its keys are retired
    /// and a new one signs.
    ///
    /// # Errors
    ///
    /// As [`KeyRing::with`].
    pub fn restored(
        &self,
        bookings: u32,
        id: u8,
        secret: [u8; 32],
        created: Date,
    ) -> Result<KeyRing, KeyFileError> {
        let mut ring = self.with(id, secret, created)?;
        let newest = ring.keys.len() - 1;
        for key in &mut ring.keys[..newest] {
            key.retired_at = key.retired_at.or(Some(bookings));
        }
        Ok(KeyRing::of(ring.keys))
    }

    /// Reads a key file: a line for each key, `ID SECRET DATE`, where the secret is 64
    /// hexadecimal digits and the date, `YYYY-MM-DD`, says when it was made; behind a
    /// retired key also `retired` and the number of bookings at that time. Empty lines and
    /// lines that begin with `#` are passed over.
    ///
    /// # Errors
    ///
    /// See [`KeyFileError`].
    pub fn parse(text: &str) -> Result<KeyRing, KeyFileError> {
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            add(&mut keys, parse_line(line).ok_or(KeyFileError::Line { line: at + 1 })?)?;
        }
        if keys.is_empty() {
            return Err(KeyFileError::Empty);
        }
        let ring = KeyRing::of(keys);
        if ring.newest().retired_at.is_some() {
            return Err(KeyFileError::Retired);
        }
        Ok(ring)
    }

    /// The key file of this ring: secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        // Sized beforehand: growing would leave copies of secrets behind.
        let mut text = String::with_capacity(200 + self.keys.len() * 96);
        text.push_str("# Keys of this service: number, secret, date. Keep it secret, keep a copy,\n");
        text.push_str("# and never take out the oldest key: people's ids come from it.\n");
        for key in &self.keys {
            let (year, month, day) = key.created.civil();
            text.push_str(&format!("{} ", key.id));
            for byte in key.secret.iter() {
                text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
                text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
            }
            text.push_str(&format!(" {year:04}-{month:02}-{day:02}"));
            if let Some(bookings) = key.retired_at {
                text.push_str(&format!(" retired {bookings}"));
            }
            text.push('\n');
        }
        Zeroizing::new(text)
    }

    /// The numbers of the keys, oldest first.
    pub fn ids(&self) -> impl Iterator<Item = u8> + '_ {
        self.keys.iter().map(|key| key.id)
    }

    /// The number of the key that signs.
    #[must_use]
    pub fn newest_id(&self) -> u8 {
        self.newest().id
    }

    fn newest(&self) -> &Key {
        &self.keys[self.keys.len() - 1]
    }

    fn key(&self, id: u8) -> Option<&Key> {
        self.keys.iter().rev().find(|key| key.id == id)
    }

    /// The key that signs tokens, with its number.
    pub(crate) fn token_key(&self) -> (u8, &[u8; 32]) {
        let key = self.newest();
        (key.id, &key.tokens)
    }

    /// The key that a token with this key number was signed with, unless it is retired.
    pub(crate) fn token_key_of(&self, id: u8) -> Option<&[u8; 32]> {
        self.key(id).filter(|key| key.retired_at.is_none()).map(|key| &*key.tokens)
    }

    /// The key that wraps people's contact keys from now on, with its number, which
    /// belongs beside what it wraps.
    #[must_use]
    pub fn contact_key(&self) -> (u8, Zeroizing<[u8; 32]>) {
        let key = self.newest();
        (key.id, Zeroizing::new(blake3::derive_key(CONTACTS, &*key.secret)))
    }

    /// The key that once wrapped contact keys under this number.
    #[must_use]
    pub fn contact_key_of(&self, id: u8) -> Option<Zeroizing<[u8; 32]>> {
        let key = self.key(id)?;
        Some(Zeroizing::new(blake3::derive_key(CONTACTS, &*key.secret)))
    }

    /// The key that seals challenges of one-time codes from now on, with its number.
    #[must_use]
    pub fn challenge_key(&self) -> (u8, Zeroizing<[u8; 32]>) {
        let key = self.newest();
        (key.id, Zeroizing::new(blake3::derive_key(CHALLENGES, &*key.secret)))
    }

    /// The key that a challenge with this key number was sealed with, unless it is retired.
    #[must_use]
    pub fn challenge_key_of(&self, id: u8) -> Option<Zeroizing<[u8; 32]>> {
        let key = self.key(id).filter(|key| key.retired_at.is_none())?;
        Some(Zeroizing::new(blake3::derive_key(CHALLENGES, &*key.secret)))
    }

    /// The key that seals the staff's records from now on, with its number.
    #[must_use]
    pub fn staff_key(&self) -> (u8, Zeroizing<[u8; 32]>) {
        let key = self.newest();
        (key.id, Zeroizing::new(blake3::derive_key(STAFF, &*key.secret)))
    }

    /// The key that once sealed a record of the staff under this number.
    #[must_use]
    pub fn staff_key_of(&self, id: u8) -> Option<Zeroizing<[u8; 32]>> {
        let key = self.key(id)?;
        Some(Zeroizing::new(blake3::derive_key(STAFF, &*key.secret)))
    }

    /// What tells this installation's numbers from those of any other, in public: the same on every
    /// node and after a rotation, and another one once it came back from a backup, since numbers of
    /// after the backup are given again then.
    #[must_use]
    pub fn installation(&self) -> u64 {
        let alive = self.keys.iter().find(|key| key.retired_at.is_none()).unwrap_or(self.newest());
        let name = blake3::derive_key(INSTALLATIONS, &*alive.secret);
        name.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The seed of a room's draw: the same whenever it is asked for, on every node, and
    /// for every state of the ring. Nobody without the oldest key can foresee it.
    #[must_use]
    pub fn room_seed(&self, room: RoomId, salt: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.room_seeds);
        hasher.update(&room.0.to_le_bytes()).update(salt);
        *hasher.finalize().as_bytes()
    }

    /// The command id of an `Idempotency-Key` sent within a scope (who sent it, and to
    /// what end): nobody can name another scope's ids. Never 0.
    #[must_use]
    pub fn command_id(&self, scope: &[u8], key: &[u8]) -> CommandId {
        CommandId(keyed_u128(&self.commands, &[scope, key]).max(1))
    }

    /// What makes a booking's public code hard to guess. It stays the same for years; only a
    /// booking whose number was given out before, and lost with what came after a backup,
    /// gets another.
    #[must_use]
    pub fn booking_check(&self, booking: BookingId) -> u64 {
        let found = self.codes.iter().find(|(from, _)| *from <= booking.0);
        let key = found.map_or(&self.commands, |(_, key)| key);
        (keyed_u128(key, &[b"booking code", &booking.0.to_le_bytes()]).max(1) >> 64) as u64
    }

    /// The id of a person. Texts must be in one normal form: equal texts, equal person.
    #[must_use]
    pub fn person_id(&self, name_normalised: &str, birth: Date, telephone_normalised: &str) -> PersonId {
        let birth = birth.0.to_le_bytes();
        let parts = [name_normalised.as_bytes(), &birth, telephone_normalised.as_bytes()];
        PersonId(keyed_u128(&self.people, &parts))
    }
}

/// The first half of the keyed BLAKE3 of some parts. Each part is preceded by its
/// length, so that moving a byte from one to the next changes the input.
fn keyed_u128(key: &[u8; 32], parts: &[&[u8]]) -> u128 {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(half)
}

fn add(keys: &mut Vec<Key>, key: Key) -> Result<(), KeyFileError> {
    if keys.iter().any(|other| other.id == key.id) {
        return Err(KeyFileError::Twice { id: key.id });
    }
    if keys.len() == KEYS_MAX {
        return Err(KeyFileError::TooMany);
    }
    keys.push(key);
    Ok(())
}

fn parse_line(line: &str) -> Option<Key> {
    let mut fields = line.split_ascii_whitespace();
    let (id, secret, created) = (fields.next()?, fields.next()?, fields.next()?);
    let mut key = Key::new(id.parse().ok()?, parse_secret(secret)?, parse_date(created)?);
    key.retired_at = match fields.next() {
        Some("retired") => Some(fields.next()?.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    if fields.next().is_some() { None } else { Some(key) }
}

fn parse_secret(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 {
        return None;
    }
    let mut secret = [0; 32];
    for (byte, pair) in secret.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high << 4 | low) as u8;
    }
    Some(secret)
}

fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    Date::from_civil(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}
