//! One-time codes: made here, brought back to any node.
//!
//! The challenge that a person carries is sealed (XChaCha20-Poly1305 under a key of the ring
//! that serves nothing else) and holds the claim, the code's keyed hash and its end, so that
//! every node with the same keys can take the code back. What has to be remembered stays with
//! each node, in bounded tables, for five minutes at the most: wrong tries, challenges that
//! were used up, and who was sent a code a moment ago.
//!
//! With N nodes a challenge survives 5 N wrong codes of a million, a person is sent N codes in
//! 20 seconds at the most, and a challenge that was used at one node counts once more at
//! another within its five minutes, for whoever has both the challenge and its code.
//!
//! It must never put a name, a number or a code into a token that can be read.
//!
//! Start reading at [`Codes::start`] and [`Codes::finish`]; the token is in `challenge`.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use jari_core::Time;
use jari_core::ids::PersonId;
use jari_wire::KeyRing;

use crate::actions::identity::{Identified, asked_too_soon};
use crate::problem::Problem;
use crate::random;

mod challenge;

use challenge::Challenge;

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

/// A code that came back and was right.
pub(crate) struct Proved {
    pub(crate) identified: Identified,
    challenge: Entry,
}

/// A challenge in the tables: its end first, so that they are forgotten in that order.
type Entry = (Time, u128);

#[derive(Default)]
struct Tables {
    /// Wrong tries of challenges; `TRIES_MAX` once nothing more counts.
    tries: HashMap<u128, u8>,
    /// The same challenges by their ends.
    ends: BTreeSet<Entry>,
    /// Who was sent a code lately.
    sent: HashMap<PersonId, Time>,
    /// The same people in the order of sending.
    sent_order: VecDeque<(Time, PersonId)>,
}

/// See the module's documentation.
pub(crate) struct Codes {
    tables: Mutex<Tables>,
    /// Entries of each table.
    codes_max: usize,
}

impl Codes {
    pub(crate) fn new(codes_max: usize) -> Codes {
        Codes { tables: Mutex::default(), codes_max }
    }

    /// Makes a code for a person. Earlier ones of theirs count until they end.
    pub(crate) fn start(&self, keys: &KeyRing, identified: Identified, now: Time) -> Result<Sent, Problem> {
        let code = format!("{:06}", random::below(1_000_000)?);
        let ends_at = now.plus_ms(CODE_MS);
        let person = identified.person;
        let token = Challenge::new(keys, identified, &code, ends_at)?.seal(keys)?;
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.forget_sent(now);
        if let Some(sent_at) = tables.sent.get(&person) {
            return Err(asked_too_soon(AGAIN_MS.saturating_sub(now.since_ms(*sent_at))));
        }
        if tables.sent_order.len() >= self.codes_max {
            return Err(full());
        }
        tables.sent.insert(person, now);
        tables.sent_order.push_back((now, person));
        Ok(Sent { token, code, ends_at })
    }

    /// Takes a code back, and the challenge is used up. Where what it was for fails, it is
    /// to be given back.
    pub(crate) fn finish(
        &self,
        keys: &KeyRing,
        token: &str,
        code: &str,
        now: Time,
    ) -> Result<Proved, Problem> {
        let challenge = Challenge::open(keys, token).ok_or_else(forged)?;
        if now >= challenge.ends_at {
            return Err(over());
        }
        let digits: String =
            code.chars().filter(|character| !matches!(character, ' ' | '-')).take(7).collect();
        let is_right = challenge.is_code(keys, &digits);
        let entry = (challenge.ends_at, challenge.nonce);
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.forget_ended(now);
        let tries = tables.tries.get(&challenge.nonce).copied();
        if tries.is_some_and(|tries| tries >= TRIES_MAX) {
            return Err(over());
        }
        // Without room for what was tried, nothing may be tried.
        if tries.is_none() && tables.tries.len() >= self.codes_max {
            return Err(full());
        }
        let tries = if is_right { TRIES_MAX } else { tries.unwrap_or(0) + 1 };
        tables.tries.insert(challenge.nonce, tries);
        tables.ends.insert(entry);
        match TRIES_MAX - tries {
            _ if is_right => Ok(Proved { identified: challenge.identified, challenge: entry }),
            0 => Err(spent()),
            left => Err(wrong(left)),
        }
    }

    /// Takes the using up back: what the code was for could not be done.
    pub(crate) fn give_back(&self, challenge: Entry) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.ends.remove(&challenge);
        tables.tries.remove(&challenge.1);
    }
}

impl Proved {
    /// What was proved, and the challenge by which it was, to be given back if need be.
    pub(crate) fn into_parts(self) -> (Identified, Entry) {
        (self.identified, self.challenge)
    }
}

impl Tables {
    fn forget_ended(&mut self, now: Time) {
        while let Some((_, nonce)) = self.ends.first().copied().filter(|(ends_at, _)| *ends_at <= now) {
            self.ends.pop_first();
            self.tries.remove(&nonce);
        }
    }

    fn forget_sent(&mut self, now: Time) {
        while let Some((sent_at, person)) = self.sent_order.front().copied() {
            if now.since_ms(sent_at) < AGAIN_MS {
                return;
            }
            self.sent_order.pop_front();
            self.sent.remove(&person);
        }
    }
}

fn full() -> Problem {
    Problem::busy(
        "codes_full",
        "Too many codes at once",
        "More people identify themselves than can be served this moment. Identity can be checked any time before; \
         try again shortly.",
        5_000,
    )
}

fn forged() -> Problem {
    Problem::caller(
        StatusCode::UNAUTHORIZED,
        "challenge_forged",
        "Not a challenge of this service",
        "What was sent as a challenge was not made here. Ask for a new code.",
    )
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
        "The code was used, was wrong too often, or was sent more than five minutes ago. Ask for a new code.",
    )
}

#[cfg(test)]
mod tests {
    use jari_core::time::Date;

    use super::*;
    use crate::language::Language;
    use crate::vault::Contact;

    const NOW: Time = Time(1_000_000_000);

    fn keys() -> KeyRing {
        KeyRing::generate(1, [5; 32], Date(20_000))
    }

    fn person(number: u128) -> Identified {
        let contact =
            Contact { name: "김하늘".into(), telephone: "01012345678".into(), language: Language::Korean };
        Identified { person: PersonId(number), birth: Date(-2_000), contact }
    }

    fn start(codes: &Codes, number: u128, now: Time) -> Sent {
        codes.start(&keys(), person(number), now).unwrap()
    }

    fn code_of(finished: Result<Proved, Problem>) -> &'static str {
        finished.err().map_or("right", |problem| problem.code)
    }

    fn wrong_of(sent: &Sent) -> &'static str {
        if sent.code == "000000" { "000001" } else { "000000" }
    }

    #[test]
    fn a_code_is_taken_back_by_any_node_with_the_same_keys() {
        let (here, there) = (Codes::new(8), Codes::new(8));
        let sent = start(&here, 7, NOW);
        let proved = there.finish(&keys(), &sent.token, &sent.code, NOW.plus_ms(1)).unwrap();
        assert_eq!((proved.identified.person, proved.identified.birth), (PersonId(7), Date(-2_000)));
        assert!(proved.identified.contact == person(7).contact);
        assert_eq!(code_of(there.finish(&keys(), &sent.token, &sent.code, NOW)), "challenge_expired");
    }

    #[test]
    fn what_failed_behind_a_right_code_may_be_tried_again_with_it() {
        let codes = Codes::new(8);
        let sent = start(&codes, 7, NOW);
        let (_, challenge) = codes.finish(&keys(), &sent.token, &sent.code, NOW).unwrap().into_parts();
        codes.give_back(challenge);
        assert_eq!(code_of(codes.finish(&keys(), &sent.token, &sent.code, NOW)), "right");
    }

    #[test]
    fn each_node_counts_five_wrong_codes_and_no_more() {
        let (here, there) = (Codes::new(8), Codes::new(8));
        let sent = start(&here, 7, NOW);
        for codes in [&here, &there] {
            let tries = [(); 6].map(|()| code_of(codes.finish(&keys(), &sent.token, wrong_of(&sent), NOW)));
            let wrong = ["code_wrong"; 4];
            assert_eq!((&tries[..4], &tries[4..]), (&wrong[..], &["code_spent", "challenge_expired"][..]));
            assert_eq!(code_of(codes.finish(&keys(), &sent.token, &sent.code, NOW)), "challenge_expired");
        }
    }

    #[test]
    fn a_challenge_counts_until_its_end_and_is_forgotten_then() {
        let codes = Codes::new(2);
        let sent = start(&codes, 7, NOW);
        let end = NOW.plus_ms(CODE_MS);
        assert_eq!(code_of(codes.finish(&keys(), &sent.token, &sent.code, end)), "challenge_expired");
        for number in 0..2 {
            let sent = start(&codes, number, NOW.plus_ms(AGAIN_MS));
            assert_eq!(
                code_of(codes.finish(&keys(), &sent.token, wrong_of(&sent), NOW.plus_ms(AGAIN_MS))),
                "code_wrong"
            );
        }
        let late = end.plus_ms(AGAIN_MS);
        let sent = start(&codes, 9, end);
        assert_eq!(code_of(codes.finish(&keys(), &sent.token, wrong_of(&sent), end)), "codes_full");
        assert_eq!(code_of(codes.finish(&keys(), &sent.token, wrong_of(&sent), late)), "code_wrong");
    }

    #[test]
    fn a_person_is_sent_a_code_every_twenty_seconds_and_the_memory_of_it_is_bounded() {
        let codes = Codes::new(2);
        start(&codes, 1, NOW);
        let again = codes.start(&keys(), person(1), NOW.plus_ms(AGAIN_MS - 1)).err().unwrap();
        assert_eq!((again.code, again.retry_after_ms), ("codes_often", Some(1_000)));
        start(&codes, 2, NOW.plus_ms(1));
        assert_eq!(codes.start(&keys(), person(3), NOW.plus_ms(2)).err().unwrap().code, "codes_full");
        start(&codes, 1, NOW.plus_ms(AGAIN_MS));
    }
}
