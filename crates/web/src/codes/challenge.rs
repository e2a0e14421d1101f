//! The token of a challenge: what a code proves, sealed.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version: 1 |
//! | 1 | number of the key |
//! | 24 | a random nonce |
//! | the rest | sealed: end, person, birth date, the code's keyed hash, the padded contact |
//!
//! and all of it as base64url without padding, 200 characters for most names. A challenge
//! lives for five minutes, so another version may take this one's place at any time.
//!
//! Opening must never allocate more than a challenge can have.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use jari_core::Time;
use jari_core::ids::PersonId;
use jari_core::time::Date;
use jari_wire::KeyRing;

use crate::actions::identity::Identified;
use crate::problem::Problem;
use crate::{random, vault};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 2 + NONCE_BYTES;
/// The longest contact is 144 bytes, padded to 192: nothing of ours is longer.
const TOKEN_CHARS_MAX: usize = 400;

/// See the module's documentation.
pub(super) struct Challenge {
    pub(super) identified: Identified,
    pub(super) ends_at: Time,
    /// Tells challenges apart.
    pub(super) nonce: u128,
    random: [u8; NONCE_BYTES],
    code_hash: u128,
}

impl Challenge {
    pub(super) fn new(
        keys: &KeyRing,
        identified: Identified,
        code: &str,
        ends_at: Time,
    ) -> Result<Challenge, Problem> {
        let random: [u8; NONCE_BYTES] = random::bytes()?;
        let nonce = nonce_of(&random);
        Ok(Challenge { identified, ends_at, nonce, random, code_hash: hash(keys, nonce, code) })
    }

    /// Whether this is the code that was sent. Keyed hashes tell nothing of the code by the
    /// time their comparison takes.
    pub(super) fn is_code(&self, keys: &KeyRing, digits: &str) -> bool {
        self.code_hash == hash(keys, self.nonce, digits)
    }

    pub(super) fn seal(&self, keys: &KeyRing) -> Result<String, Problem> {
        let (number, key) = keys.challenge_key();
        let mut plain = Vec::with_capacity(256);
        plain.extend(self.ends_at.0.to_le_bytes());
        plain.extend(self.identified.person.0.to_le_bytes());
        plain.extend(self.identified.birth.0.to_le_bytes());
        plain.extend(self.code_hash.to_le_bytes());
        plain.extend(vault::encode(&self.identified.contact, None));
        let mut bytes = vec![VERSION, number];
        let payload = Payload { msg: &plain, aad: &bytes };
        let sealed = XChaCha20Poly1305::new((&*key).into())
            .encrypt(XNonce::from_slice(&self.random), payload)
            .map_err(|_| Problem::ours("The code could not be made. Nothing was changed; try again."))?;
        bytes.extend(self.random);
        bytes.extend(sealed);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Opens a token; none if it was not made with these keys.
    pub(super) fn open(keys: &KeyRing, token: &str) -> Option<Challenge> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (head, sealed) = bytes.split_at_checked(HEAD_BYTES)?;
        let [VERSION, number] = head[..2] else { return None };
        let random: [u8; NONCE_BYTES] = head[2..].try_into().ok()?;
        let key = keys.challenge_key_of(number)?;
        let payload = Payload { msg: sealed, aad: &head[..2] };
        let plain =
            XChaCha20Poly1305::new((&*key).into()).decrypt(XNonce::from_slice(&random), payload).ok()?;
        let (ends_at, rest) = plain.split_first_chunk()?;
        let (person, rest) = rest.split_first_chunk()?;
        let (birth, rest) = rest.split_first_chunk()?;
        let (code_hash, contact) = rest.split_first_chunk()?;
        let identified = Identified {
            person: PersonId(u128::from_le_bytes(*person)),
            birth: Date(i32::from_le_bytes(*birth)),
            contact: vault::decode(contact)?.contact,
        };
        let (ends_at, nonce) = (Time(u64::from_le_bytes(*ends_at)), nonce_of(&random));
        Some(Challenge { identified, ends_at, nonce, random, code_hash: u128::from_le_bytes(*code_hash) })
    }
}

/// The first sixteen of the random bytes.
fn nonce_of(random: &[u8; NONCE_BYTES]) -> u128 {
    let (first, _) = random.split_first_chunk().expect("a nonce has more than sixteen bytes");
    u128::from_le_bytes(*first)
}

fn hash(keys: &KeyRing, nonce: u128, code: &str) -> u128 {
    let mut scope = *b"one-time code 0000000000000000";
    scope[14..].copy_from_slice(&nonce.to_le_bytes());
    keys.command_id(&scope, code.as_bytes()).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use crate::vault::Contact;

    fn keys(secret: u8) -> KeyRing {
        KeyRing::generate(1, [secret; 32], Date(20_000))
    }

    fn token(keys: &KeyRing, name: &str) -> String {
        let contact =
            Contact { name: name.into(), telephone: "+441234567890123".into(), language: Language::English };
        let identified = Identified { person: PersonId(9), birth: Date(1), contact };
        Challenge::new(keys, identified, "123456", Time(77)).unwrap().seal(keys).unwrap()
    }

    #[test]
    fn a_challenge_opens_as_it_was_sealed_and_shows_nothing() {
        let keys = keys(1);
        for name in ["김", "김하늘 나", &"가".repeat(40)] {
            let token = token(&keys, name);
            assert!(token.len() <= TOKEN_CHARS_MAX, "{}", token.len());
            let opened = Challenge::open(&keys, &token).unwrap();
            assert_eq!((opened.identified.contact.name.as_str(), opened.ends_at), (name, Time(77)));
            assert!(opened.is_code(&keys, "123456") && !opened.is_code(&keys, "123457"));
            let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            assert!(!bytes.windows(3).any(|part| part == &name.as_bytes()[..3]));
        }
    }

    #[test]
    fn a_challenge_that_was_cut_bent_or_made_elsewhere_does_not_open() {
        let ring = keys(1);
        let good = token(&ring, "김하늘");
        assert!(Challenge::open(&keys(2), &good).is_none(), "another service's");
        let retired = ring.restored(0, 2, [9; 32], Date(20_001)).unwrap();
        assert!(Challenge::open(&retired, &good).is_none(), "of the time before a restore");
        let rotated = ring.with(2, [9; 32], Date(20_001)).unwrap();
        assert!(Challenge::open(&rotated, &good).is_some(), "a rotation signs nobody out");
        for cut in 0..good.len() {
            assert!(Challenge::open(&ring, &good[..cut]).is_none(), "cut at {cut}");
        }
        let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            assert!(Challenge::open(&ring, &URL_SAFE_NO_PAD.encode(bent)).is_none(), "bent at {at}");
        }
        for rubbish in ["", "!", "한국어", &"A".repeat(TOKEN_CHARS_MAX + 1), &"A".repeat(200)] {
            assert!(Challenge::open(&ring, rubbish).is_none());
        }
    }
}
