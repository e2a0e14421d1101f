//! Signed strings that people carry: safe in URLs, cookies and headers.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | kind: 1 ticket, 2 pass, 3 session, 4 slip, 5 staff session, 6 form token, 7 errand |
//! | 1 | version of the kind: 1 |
//! | 1 | number of the key |
//! | 8-44 | the fields in their order, fixed width, little-endian |
//! | 16 | the first half of the keyed BLAKE3 of all before |
//!
//! and all of it as base64url without padding. A ticket has 36 characters, one bound to
//! a person 58, a pass 47.
//!
//! What is inside can be read by its holder: nothing secret belongs here. Opening says
//! only that this service sealed it; whether it still counts is a question of time
//! (`check`) and of the state. Instants that end something are excluded: at `ends_at`
//! it is over.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jari_core::Time;
use jari_core::ids::{ChannelId, PersonId, RoomId, Serial};
use jari_core::time::Date;

use crate::codec::{Fault, Reader};
use crate::keys::KeyRing;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 3;
const MAC_BYTES: usize = 16;
/// Bytes of the longest fields: an errand's.
const FIELDS_BYTES_MAX: usize = 44;
const TOKEN_BYTES_MAX: usize = HEAD_BYTES + FIELDS_BYTES_MAX + MAC_BYTES;
/// Characters of a token at the most.
pub const TOKEN_CHARS_MAX: usize = TOKEN_BYTES_MAX.div_ceil(3) * 4;

/// Why a string is no token of ours.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// It does not look like a token at all: a mistake in copying, or a newer build's.
    #[error("this is not a token")]
    Malformed,
    /// It is a token of another kind: it was sent to the wrong place.
    #[error("this is a token of another kind")]
    WrongKind,
    /// The key it was signed with is not in the ring: it is very old. Get a new one.
    #[error("the token's key is no longer in use")]
    UnknownKey,
    /// It was not signed by us, or was changed since.
    #[error("the token was not made here")]
    Forged,
}

/// The token's time is over: get a new one.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the token has expired")]
pub struct Expired;

/// Why a slip does not count now.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Untimely {
    /// Come again at `not_before`.
    #[error("the slip does not count yet")]
    TooEarly {
        /// From when it counts.
        not_before: Time,
    },
    /// Its time is over: get a new one.
    #[error("the slip has expired")]
    Expired,
}

fn check_end(ends_at: Time, now: Time) -> Result<(), Expired> {
    if now < ends_at { Ok(()) } else { Err(Expired) }
}

/// A place in a room's line. It does not expire; the room says what became of it.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ticket {
    /// The room.
    pub room: RoomId,
    /// Its number.
    pub serial: Serial,
    /// Whose it is, in a room that binds tickets to people.
    pub person: Option<PersonId>,
}

/// A ticket that is inside. Core checks it again when a place is booked.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pass {
    /// The room.
    pub room: RoomId,
    /// The ticket.
    pub serial: Serial,
    /// When it ends.
    pub ends_at: Time,
}

impl Pass {
    /// Whether it still counts.
    ///
    /// # Errors
    ///
    /// [`Expired`].
    pub fn check(&self, now: Time) -> Result<(), Expired> {
        check_end(self.ends_at, now)
    }
}

/// A person who is signed in.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Session {
    /// Who.
    pub person: PersonId,
    /// Their birth date, vouched for by whoever identified them.
    pub birth: Date,
    /// When it ends.
    pub ends_at: Time,
    /// Through whom they came.
    pub channel: ChannelId,
}

impl Session {
    /// Whether it still counts.
    ///
    /// # Errors
    ///
    /// [`Expired`].
    pub fn check(&self, now: Time) -> Result<(), Expired> {
        check_end(self.ends_at, now)
    }
}

/// Leave to book for somebody else, who proved who they are to whoever books. It is of no use
/// without the proxy's own session.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Errand {
    /// For whom.
    pub person: PersonId,
    /// Their birth date, vouched for by whoever identified them.
    pub birth: Date,
    /// Who may book for them.
    pub proxy: PersonId,
    /// When it ends.
    pub ends_at: Time,
}

impl Errand {
    /// Whether it still counts.
    ///
    /// # Errors
    ///
    /// [`Expired`].
    pub fn check(&self, now: Time) -> Result<(), Expired> {
        check_end(self.ends_at, now)
    }
}

/// A join that was slowed down: bring it back between two instants.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Slip {
    /// The room.
    pub room: RoomId,
    /// From when it counts.
    pub not_before: Time,
    /// Until when.
    pub ends_at: Time,
    /// Tells two slips of one instant apart, so that each counts once.
    pub nonce: u64,
}

impl Slip {
    /// Whether it counts now.
    ///
    /// # Errors
    ///
    /// See [`Untimely`].
    pub fn check(&self, now: Time) -> Result<(), Untimely> {
        if now < self.not_before {
            return Err(Untimely::TooEarly { not_before: self.not_before });
        }
        check_end(self.ends_at, now).map_err(|Expired| Untimely::Expired)
    }
}

/// Someone of the staff who is signed in.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct StaffSession {
    /// Who: a number of the staff directory.
    pub user: u32,
    /// In which role: a number of the web's.
    pub role: u8,
    /// When it ends.
    pub ends_at: Time,
    /// Tells sessions apart, so that one can be ended.
    pub nonce: u64,
}

impl StaffSession {
    /// Whether it still counts.
    ///
    /// # Errors
    ///
    /// [`Expired`].
    pub fn check(&self, now: Time) -> Result<(), Expired> {
        check_end(self.ends_at, now)
    }
}

/// A form's hidden field, which proves that our own page sent the form. It belongs to
/// the cookie the page was made for and to one purpose: neither is in the token, both
/// are under its MAC.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Csrf {
    /// When it ends.
    pub ends_at: Time,
}

impl Csrf {
    const KIND: u8 = 6;

    /// The signed string for a form of the page that was made for `cookie`.
    #[must_use]
    pub fn seal(&self, keys: &KeyRing, cookie: &str, purpose: &str) -> String {
        let mut fields = Fields::begin(Csrf::KIND, keys);
        fields.put(&self.ends_at.0.to_le_bytes());
        fields.seal(keys, &binding(cookie, purpose))
    }

    /// Opens the string of a form that came with `cookie` and serves `purpose`.
    ///
    /// # Errors
    ///
    /// See [`TokenError`]; another cookie or purpose is [`TokenError::Forged`].
    pub fn open(text: &str, keys: &KeyRing, cookie: &str, purpose: &str) -> Result<Csrf, TokenError> {
        let opened = Opened::verify(Csrf::KIND, text, keys, &binding(cookie, purpose))?;
        opened.read(|from| Ok(Csrf { ends_at: Time(u64::from_le_bytes(from.array()?)) }))
    }

    /// Whether it still counts.
    ///
    /// # Errors
    ///
    /// [`Expired`].
    pub fn check(&self, now: Time) -> Result<(), Expired> {
        check_end(self.ends_at, now)
    }
}

/// What a form token belongs to. A cookie may be long: its hash stands for it.
fn binding(cookie: &str, purpose: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(cookie.len() as u64).to_le_bytes());
    hasher.update(cookie.as_bytes()).update(purpose.as_bytes());
    *hasher.finalize().as_bytes()
}

/// Gives a token its kind and its fields, in their order.
macro_rules! token {
    ($name:ident = $kind:literal, |$token:ident, $out:ident| $put:block, |$from:ident| $take:expr) => {
        impl $name {
            const KIND: u8 = $kind;

            /// The signed string.
            #[must_use]
            pub fn seal(&self, keys: &KeyRing) -> String {
                let $token = self;
                let mut $out = Fields::begin($name::KIND, keys);
                $put
                $out.seal(keys, &[])
            }

            /// Opens a signed string. Whether it still counts is for the caller to check.
            ///
            /// # Errors
            ///
            /// See [`TokenError`].
            pub fn open(text: &str, keys: &KeyRing) -> Result<$name, TokenError> {
                Opened::verify($name::KIND, text, keys, &[])?.read(|$from| Ok($take))
            }
        }
    };
}

token!(
    Ticket = 1,
    |token, out| {
        let Ticket { room, serial, person } = token;
        out.put(&room.0.to_le_bytes());
        out.put(&serial.0.to_le_bytes());
        if let Some(person) = person {
            out.put(&person.0.to_le_bytes());
        }
    },
    |from| Ticket {
        room: RoomId(u32::from_le_bytes(from.array()?)),
        serial: Serial(u32::from_le_bytes(from.array()?)),
        // The length says whether there is a person.
        person: if from.left() == 0 { None } else { Some(PersonId(u128::from_le_bytes(from.array()?))) },
    }
);

token!(
    Pass = 2,
    |token, out| {
        let Pass { room, serial, ends_at } = token;
        out.put(&room.0.to_le_bytes());
        out.put(&serial.0.to_le_bytes());
        out.put(&ends_at.0.to_le_bytes());
    },
    |from| Pass {
        room: RoomId(u32::from_le_bytes(from.array()?)),
        serial: Serial(u32::from_le_bytes(from.array()?)),
        ends_at: Time(u64::from_le_bytes(from.array()?)),
    }
);

token!(
    Session = 3,
    |token, out| {
        let Session { person, birth, ends_at, channel } = token;
        out.put(&person.0.to_le_bytes());
        out.put(&birth.0.to_le_bytes());
        out.put(&ends_at.0.to_le_bytes());
        out.put(&channel.0.to_le_bytes());
    },
    |from| Session {
        person: PersonId(u128::from_le_bytes(from.array()?)),
        birth: Date(i32::from_le_bytes(from.array()?)),
        ends_at: Time(u64::from_le_bytes(from.array()?)),
        channel: ChannelId(u16::from_le_bytes(from.array()?)),
    }
);

token!(
    Slip = 4,
    |token, out| {
        let Slip { room, not_before, ends_at, nonce } = token;
        out.put(&room.0.to_le_bytes());
        out.put(&not_before.0.to_le_bytes());
        out.put(&ends_at.0.to_le_bytes());
        out.put(&nonce.to_le_bytes());
    },
    |from| Slip {
        room: RoomId(u32::from_le_bytes(from.array()?)),
        not_before: Time(u64::from_le_bytes(from.array()?)),
        ends_at: Time(u64::from_le_bytes(from.array()?)),
        nonce: u64::from_le_bytes(from.array()?),
    }
);

token!(
    StaffSession = 5,
    |token, out| {
        let StaffSession { user, role, ends_at, nonce } = token;
        out.put(&user.to_le_bytes());
        out.put(&[*role]);
        out.put(&ends_at.0.to_le_bytes());
        out.put(&nonce.to_le_bytes());
    },
    |from| StaffSession {
        user: u32::from_le_bytes(from.array()?),
        role: u8::from_le_bytes(from.array()?),
        ends_at: Time(u64::from_le_bytes(from.array()?)),
        nonce: u64::from_le_bytes(from.array()?),
    }
);

token!(
    Errand = 7,
    |token, out| {
        let Errand { person, birth, proxy, ends_at } = token;
        out.put(&person.0.to_le_bytes());
        out.put(&birth.0.to_le_bytes());
        out.put(&proxy.0.to_le_bytes());
        out.put(&ends_at.0.to_le_bytes());
    },
    |from| Errand {
        person: PersonId(u128::from_le_bytes(from.array()?)),
        birth: Date(i32::from_le_bytes(from.array()?)),
        proxy: PersonId(u128::from_le_bytes(from.array()?)),
        ends_at: Time(u64::from_le_bytes(from.array()?)),
    }
);

/// A token in the making, on the stack.
struct Fields {
    bytes: [u8; TOKEN_BYTES_MAX],
    len: usize,
}

impl Fields {
    fn begin(kind: u8, keys: &KeyRing) -> Fields {
        let mut fields = Fields { bytes: [0; TOKEN_BYTES_MAX], len: 0 };
        fields.put(&[kind, VERSION, keys.newest_id()]);
        fields
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn seal(mut self, keys: &KeyRing, bound_to: &[u8]) -> String {
        let (_, key) = keys.token_key();
        let mac = mac(key, &self.bytes[..self.len], bound_to);
        self.put(&mac.as_bytes()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(&self.bytes[..self.len])
    }
}

/// The MAC of a token's bytes and of what it is bound to without carrying it. Kinds
/// that are bound to something always are, so that the two cannot be mistaken.
fn mac(key: &[u8; 32], bytes: &[u8], bound_to: &[u8]) -> blake3::Hash {
    if bound_to.is_empty() {
        return blake3::keyed_hash(key, bytes);
    }
    blake3::Hasher::new_keyed(key).update(bytes).update(bound_to).finalize()
}

/// A token whose MAC is right.
struct Opened {
    bytes: [u8; TOKEN_BYTES_MAX],
    fields_end: usize,
}

impl Opened {
    fn verify(kind: u8, text: &str, keys: &KeyRing, bound_to: &[u8]) -> Result<Opened, TokenError> {
        if text.len() > TOKEN_CHARS_MAX {
            return Err(TokenError::Malformed);
        }
        let mut buffer = [0; TOKEN_CHARS_MAX / 4 * 3];
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).map_err(|_| TokenError::Malformed)?;
        if !(HEAD_BYTES + MAC_BYTES..=TOKEN_BYTES_MAX).contains(&len) {
            return Err(TokenError::Malformed);
        }
        if buffer[0] != kind {
            let known = (1..=Errand::KIND).contains(&buffer[0]);
            return Err(if known { TokenError::WrongKind } else { TokenError::Malformed });
        }
        if buffer[1] != VERSION {
            return Err(TokenError::Malformed);
        }
        let key = keys.token_key_of(buffer[2]).ok_or(TokenError::UnknownKey)?;
        let fields_end = len - MAC_BYTES;
        let expected = mac(key, &buffer[..fields_end], bound_to);
        // Compared as whole hashes, whose equality takes the same time for any bytes;
        // the half that the token does not carry is taken from the expected one.
        let mut presented = *expected.as_bytes();
        presented[..MAC_BYTES].copy_from_slice(&buffer[fields_end..len]);
        if expected != presented {
            return Err(TokenError::Forged);
        }
        let mut bytes = [0; TOKEN_BYTES_MAX];
        bytes[..fields_end].copy_from_slice(&buffer[..fields_end]);
        Ok(Opened { bytes, fields_end })
    }

    fn read<T>(&self, take: impl FnOnce(&mut Reader<'_>) -> Result<T, Fault>) -> Result<T, TokenError> {
        let mut from = Reader::new(&self.bytes[HEAD_BYTES..self.fields_end]);
        let token = take(&mut from).map_err(|_| TokenError::Malformed)?;
        from.end().map_err(|_| TokenError::Malformed)?;
        Ok(token)
    }
}
