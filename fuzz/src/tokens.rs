//! Tokens: what opens, seals to the same string; no string opens as two kinds; what this ring did
//! not seal never opens.
//!
//! A fuzzer does not guess a MAC: the first byte of the input says whether the rest is a string, or
//! bytes whose MAC is put right as only the holder of the key could.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jari_core::time::Date;
use jari_wire::KeyRing;
use jari_wire::token::{Csrf, Pass, Session, Slip, StaffSession, Ticket};

const SECRET: [u8; 32] = *b"a golden key is no secret at all";
const MAC_BYTES: usize = 16;
const COOKIE: &str = "cookie";
const PURPOSE: &str = "cancel";

static KEYS: LazyLock<(KeyRing, KeyRing)> = LazyLock::new(|| {
    let ring = KeyRing::generate(9, SECRET, Date(18_800));
    (ring, KeyRing::generate(9, [1; 32], Date(18_800)))
});

pub fn run(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    match first {
        0 => open(&String::from_utf8_lossy(rest), false),
        _ => {
            let mut token = rest.to_vec();
            let bound = if *first == 2 { binding() } else { Vec::new() };
            let key = blake3::derive_key("jari 2025-11-22 tokens v1", &SECRET);
            let mac = blake3::Hasher::new_keyed(&key).update(rest).update(&bound).finalize();
            token.extend(&mac.as_bytes()[..MAC_BYTES]);
            open(&URL_SAFE_NO_PAD.encode(token), true);
        }
    }
}

/// What a form's token is bound to, as `jari_wire::token` describes it.
fn binding() -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(COOKIE.len() as u64).to_le_bytes()).update(COOKIE.as_bytes()).update(PURPOSE.as_bytes());
    hasher.finalize().as_bytes().to_vec()
}

/// Opens a string as every kind.
fn open(text: &str, is_ours: bool) {
    let (keys, others) = (&KEYS.0, &KEYS.1);
    let sealed: Vec<String> = [
        Ticket::open(text, keys).ok().map(|token| token.seal(keys)),
        Pass::open(text, keys).ok().map(|token| token.seal(keys)),
        Session::open(text, keys).ok().map(|token| token.seal(keys)),
        Slip::open(text, keys).ok().map(|token| token.seal(keys)),
        StaffSession::open(text, keys).ok().map(|token| token.seal(keys)),
        Csrf::open(text, keys, COOKIE, PURPOSE).ok().map(|token| token.seal(keys, COOKIE, PURPOSE)),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(sealed.len() <= 1, "one kind for each string");
    assert!(sealed.iter().all(|again| again == text), "one string for each token: {sealed:?}, {text:?}");
    // The golden tokens of the corpus were sealed by this ring: a string may open, too.
    let foreign = [
        Ticket::open(text, others).is_ok(),
        Pass::open(text, others).is_ok(),
        Session::open(text, others).is_ok(),
        Slip::open(text, others).is_ok(),
        StaffSession::open(text, others).is_ok(),
        Csrf::open(text, others, COOKIE, PURPOSE).is_ok(),
    ];
    assert!(!foreign.contains(&true), "another ring's token never opens (ours: {is_ours})");
}
