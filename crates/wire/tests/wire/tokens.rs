//! Tokens: sealed, opened, and everything that must not open.

use jari_core::Time;
use jari_core::ids::{ChannelId, PersonId, RoomId, Serial};
use jari_core::time::Date;
use jari_wire::keys::KeyRing;
use jari_wire::token::{
    Csrf, Errand, Expired, Pass, Session, Slip, StaffSession, Ticket, TokenError, Untimely,
};

fn ring() -> KeyRing {
    KeyRing::generate(1, [7; 32], Date(18_800))
}

const TICKET: Ticket = Ticket { room: RoomId(3), serial: Serial(1_234_567), person: None };
const BOUND: Ticket = Ticket { room: RoomId(3), serial: Serial(8), person: Some(PersonId(u128::MAX - 5)) };
const PASS: Pass = Pass { room: RoomId(3), serial: Serial(9), ends_at: Time(1_626_274_800_000) };
const SESSION: Session = Session {
    person: PersonId(1 << 90),
    birth: Date(-5_000),
    ends_at: Time(1_626_274_800_000),
    channel: ChannelId(17),
};
const SLIP: Slip =
    Slip { room: RoomId(3), not_before: Time(1_000), ends_at: Time(2_000), nonce: 0x0123_4567_89ab_cdef };
const STAFF: StaffSession = StaffSession { user: 12, role: 2, ends_at: Time(2_000), nonce: 99 };
const ERRAND: Errand = Errand {
    person: PersonId(1 << 90),
    birth: Date(-5_000),
    proxy: PersonId(1 << 91),
    ends_at: Time(1_626_274_800_000),
};
const FORM: Csrf = Csrf { ends_at: Time(2_000) };

/// One token of every kind.
fn all(keys: &KeyRing) -> Vec<String> {
    vec![
        TICKET.seal(keys),
        BOUND.seal(keys),
        PASS.seal(keys),
        SESSION.seal(keys),
        SLIP.seal(keys),
        STAFF.seal(keys),
        FORM.seal(keys, "cookie", "cancel"),
        ERRAND.seal(keys),
    ]
}

/// What each kind's opener says to a string, a success as `None`.
fn open_all(text: &str, keys: &KeyRing) -> [Option<TokenError>; 7] {
    [
        Ticket::open(text, keys).err(),
        Pass::open(text, keys).err(),
        Session::open(text, keys).err(),
        Slip::open(text, keys).err(),
        StaffSession::open(text, keys).err(),
        Csrf::open(text, keys, "cookie", "cancel").err(),
        Errand::open(text, keys).err(),
    ]
}

#[test]
fn what_is_sealed_opens_to_the_same() {
    let keys = ring();
    assert_eq!(Ticket::open(&TICKET.seal(&keys), &keys), Ok(TICKET));
    assert_eq!(Ticket::open(&BOUND.seal(&keys), &keys), Ok(BOUND));
    assert_eq!(Pass::open(&PASS.seal(&keys), &keys), Ok(PASS));
    assert_eq!(Session::open(&SESSION.seal(&keys), &keys), Ok(SESSION));
    assert_eq!(Slip::open(&SLIP.seal(&keys), &keys), Ok(SLIP));
    assert_eq!(StaffSession::open(&STAFF.seal(&keys), &keys), Ok(STAFF));
    assert_eq!(Errand::open(&ERRAND.seal(&keys), &keys), Ok(ERRAND));
    let form = FORM.seal(&keys, "cookie", "cancel");
    assert_eq!(Csrf::open(&form, &keys, "cookie", "cancel"), Ok(FORM));
}

#[test]
fn tokens_are_short_and_fit_into_cookies_and_urls() {
    let lens: Vec<usize> = all(&ring()).iter().map(String::len).collect();
    assert_eq!(lens, [36, 58, 47, 66, 63, 54, 36, 84]);
    for text in all(&ring()) {
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }
}

#[test]
fn a_token_opens_as_its_own_kind_only() {
    let keys = ring();
    for (at, kind) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5), (7, 6)] {
        for (opener, answer) in open_all(&all(&keys)[at], &keys).into_iter().enumerate() {
            let expected = (opener != kind).then_some(TokenError::WrongKind);
            assert_eq!(answer, expected, "token {at}, opener {opener}");
        }
    }
}

#[test]
fn no_changed_or_shortened_token_opens() {
    let keys = ring();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.+ ";
    for text in all(&keys) {
        for len in 0..text.len() {
            assert!(open_all(&text[..len], &keys).iter().all(Option::is_some));
        }
        for at in 0..text.len() {
            for letter in alphabet.iter().filter(|letter| **letter != text.as_bytes()[at]) {
                let mut changed = text.clone().into_bytes();
                changed[at] = *letter;
                let changed = String::from_utf8(changed).unwrap();
                assert!(open_all(&changed, &keys).iter().all(Option::is_some), "{changed}");
            }
        }
        assert!(open_all(&format!("{text}A"), &keys).iter().all(Option::is_some));
        assert!(open_all(&format!("{text}AAAA"), &keys).iter().all(Option::is_some));
    }
}

#[test]
fn strings_that_are_no_tokens_are_malformed() {
    let keys = ring();
    for text in ["", "A", "한국어", "....", &"A".repeat(36), &"A".repeat(10_000), "AQEB", "\0\0\0\0"] {
        assert!(open_all(text, &keys).iter().all(|answer| *answer == Some(TokenError::Malformed)), "{text}");
    }
}

#[test]
fn a_stranger_with_the_same_key_number_cannot_make_tokens() {
    let stranger = KeyRing::generate(1, [8; 32], Date(18_800));
    assert_eq!(Ticket::open(&TICKET.seal(&stranger), &ring()), Err(TokenError::Forged));
    assert_eq!(Pass::open(&PASS.seal(&stranger), &ring()), Err(TokenError::Forged));
}

#[test]
fn after_a_rotation_the_newest_key_signs_and_every_key_opens() {
    let old = ring();
    let new = old.with(2, [9; 32], Date(18_900)).unwrap();
    assert_eq!(Ticket::open(&TICKET.seal(&old), &new), Ok(TICKET));
    assert_eq!(Ticket::open(&TICKET.seal(&new), &new), Ok(TICKET));
    assert_eq!(Ticket::open(&TICKET.seal(&new), &old), Err(TokenError::UnknownKey));
}

#[test]
fn a_form_token_serves_one_cookie_and_one_purpose() {
    let keys = ring();
    let text = FORM.seal(&keys, "cookie", "cancel");
    for (cookie, purpose) in
        [("cookie", "confirm"), ("other", "cancel"), ("cooki", "ecancel"), ("", "cookiecancel")]
    {
        assert_eq!(Csrf::open(&text, &keys, cookie, purpose), Err(TokenError::Forged));
    }
}

#[test]
fn time_ends_at_the_instant_itself() {
    assert_eq!(PASS.check(Time(PASS.ends_at.0 - 1)), Ok(()));
    assert_eq!(PASS.check(PASS.ends_at), Err(Expired));
    assert_eq!(SESSION.check(SESSION.ends_at), Err(Expired));
    assert_eq!(ERRAND.check(ERRAND.ends_at), Err(Expired));
    assert_eq!(STAFF.check(Time(1_999)), Ok(()));
    assert_eq!(FORM.check(Time(2_000)), Err(Expired));
    assert_eq!(SLIP.check(Time(999)), Err(Untimely::TooEarly { not_before: Time(1_000) }));
    assert_eq!(SLIP.check(Time(1_000)), Ok(()));
    assert_eq!(SLIP.check(Time(2_000)), Err(Untimely::Expired));
}
