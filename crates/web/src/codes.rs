//! One-time codes that were sent and not yet brought back: a bounded table.
//!
//! The challenge that a person carries is a signed nonce; what it stands for stays here,
//! for five minutes and five tries. A code is kept as a keyed hash under its nonce. An
//! entry is some 300 bytes; the table takes at most 80 MB when it is full.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use jari_core::Time;
use jari_core::ids::PersonId;
use jari_wire::KeyRing;

use crate::actions::identity::{Identified, asked_too_soon};
use crate::problem::Problem;
use crate::{hex, random};

/// A code counts for so long.
const CODE_MS: u64 = 5 * 60 * 1000;
/// Wrong codes that a challenge survives.
const TRIES_MAX: u8 = 5;
/// A person gets a code this often at the most.
const AGAIN_MS: u64 = 20_000;

/// A code that goes out.
pub(crate) struct Sent {
    pub(crate) token: String,
    pub(crate) code: String,
    pub(crate) ends_at: Time,
}

struct Waiting {
    identified: Identified,
    code_hash: u128,
    tries_left: u8,
}

#[derive(Default)]
struct Table {
    waiting: HashMap<u128, Waiting>,
    /// In the order of their ends. Entries of codes that were used are skipped.
    ends: VecDeque<(Time, u128)>,
    /// When each person was last sent one, and under which nonce.
    sent: HashMap<PersonId, (Time, u128)>,
}

/// See the module's documentation.
pub(crate) struct Codes {
    table: Mutex<Table>,
    codes_max: usize,
}

impl Codes {
    pub(crate) fn new(codes_max: usize) -> Codes {
        Codes { table: Mutex::default(), codes_max }
    }

    /// Makes a code for a person; an earlier one of theirs no longer counts.
    pub(crate) fn start(&self, keys: &KeyRing, identified: Identified, now: Time) -> Result<Sent, Problem> {
        let nonce = u128::from_le_bytes(random::bytes()?);
        let code = format!("{:06}", random::below(1_000_000)?);
        let ends_at = now.plus_ms(CODE_MS);
        let person = identified.person;
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget_ended(now);
        if let Some((sent_at, earlier)) = table.sent.get(&person).copied() {
            let since = now.since_ms(sent_at);
            if since < AGAIN_MS {
                return Err(asked_too_soon(AGAIN_MS - since));
            }
            table.waiting.remove(&earlier);
        }
        if table.ends.len() >= self.codes_max {
            return Err(Problem::busy(
                "codes_full",
                "Too many codes at once",
                "More people identify themselves than can be served this moment. Identity can be checked any time \
                 before; try again shortly.",
                5_000,
            ));
        }
        let code_hash = hash(keys, nonce, &code);
        table.waiting.insert(nonce, Waiting { identified, code_hash, tries_left: TRIES_MAX });
        table.ends.push_back((ends_at, nonce));
        table.sent.insert(person, (now, nonce));
        Ok(Sent { token: seal(keys, nonce), code, ends_at })
    }

    /// Takes the code back. After the right one the challenge is used up.
    pub(crate) fn finish(
        &self,
        keys: &KeyRing,
        token: &str,
        code: &str,
        now: Time,
    ) -> Result<Identified, Problem> {
        let nonce = open(keys, token)?;
        let digits: String =
            code.chars().filter(|character| !matches!(character, ' ' | '-')).take(7).collect();
        let presented = hash(keys, nonce, &digits);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget_ended(now);
        let Some(waiting) = table.waiting.get_mut(&nonce) else {
            return Err(over());
        };
        // Keyed hashes tell nothing of the code by the time their comparison takes.
        if waiting.code_hash != presented {
            waiting.tries_left -= 1;
            let left = waiting.tries_left;
            if left == 0 {
                table.waiting.remove(&nonce);
                return Err(spent());
            }
            return Err(wrong(left));
        }
        match table.waiting.remove(&nonce) {
            Some(waiting) => Ok(waiting.identified),
            None => Err(over()),
        }
    }
}

impl Table {
    fn forget_ended(&mut self, now: Time) {
        while let Some((ends_at, nonce)) = self.ends.front().copied() {
            if now < ends_at {
                return;
            }
            self.ends.pop_front();
            self.waiting.remove(&nonce);
        }
        // Nobody waits, so nobody has been sent one lately enough to matter.
        if self.ends.is_empty() {
            self.sent.clear();
        } else if self.sent.len() > 2 * self.ends.len() + 1024 {
            self.sent.retain(|_, (sent_at, _)| now.since_ms(*sent_at) < CODE_MS);
        }
    }
}

fn hash(keys: &KeyRing, nonce: u128, code: &str) -> u128 {
    let mut scope = *b"one-time code 0000000000000000";
    scope[14..].copy_from_slice(&nonce.to_le_bytes());
    keys.command_id(&scope, code.as_bytes()).0
}

fn check(keys: &KeyRing, nonce: &[u8; 16]) -> [u8; 16] {
    keys.command_id(b"challenge", nonce).0.to_le_bytes()
}

fn seal(keys: &KeyRing, nonce: u128) -> String {
    let nonce = nonce.to_le_bytes();
    format!("{}{}", hex::encode(&nonce), hex::encode(&check(keys, &nonce)))
}

fn open(keys: &KeyRing, token: &str) -> Result<u128, Problem> {
    let bytes: Option<[u8; 32]> = hex::decode(token);
    let forged = || {
        Problem::caller(
            StatusCode::UNAUTHORIZED,
            "challenge_forged",
            "Not a challenge of this service",
            "What was sent as a challenge was not made here. Ask for a new code.",
        )
    };
    let bytes = bytes.ok_or_else(forged)?;
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&bytes[..16]);
    let expected = blake3::hash(&check(keys, &nonce));
    if expected != blake3::hash(&bytes[16..]) {
        return Err(forged());
    }
    Ok(u128::from_le_bytes(nonce))
}

fn wrong(left: u8) -> Problem {
    Problem::caller(
        StatusCode::UNPROCESSABLE_ENTITY,
        "code_wrong",
        "The code is wrong",
        format!("This is not the code that was sent. Tries left: {left}. Look at the newest message."),
    )
}

fn spent() -> Problem {
    Problem::caller(
        StatusCode::GONE,
        "code_spent",
        "Too many wrong codes",
        "The code was wrong five times and no longer counts. Your place and bookings are safe. Ask for a new code.",
    )
}

fn over() -> Problem {
    Problem::caller(
        StatusCode::GONE,
        "challenge_expired",
        "The code no longer counts",
        "The code was used, replaced by a newer one, or sent more than five minutes ago. Ask for a new code.",
    )
}
