//! A booking's public code: ten characters of Crockford's base 32 that a person can read
//! out, in two groups of five. 18 bits of a keyed hash come first, then the booking's 32
//! bits: a mistyped or guessed code is refused 262,143 times in 262,144.
//!
//! A code names a booking; it is no proof of whose it is.

use jari_core::ids::BookingId;
use jari_wire::KeyRing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARACTERS: u32 = 10;
const CHECK_BITS: u32 = 18;

/// The code of a booking.
#[must_use]
pub fn encode(keys: &KeyRing, booking: BookingId) -> String {
    let bits = check(keys, booking) << 32 | u64::from(booking.0);
    let mut code = String::with_capacity(11);
    for at in (0..CHARACTERS).rev() {
        code.push(char::from(ALPHABET[(bits >> (at * 5) & 31) as usize]));
        if at == 5 {
            code.push('-');
        }
    }
    code
}

/// The booking of a code, as people write it: any case, O for 0, I and L for 1, hyphens
/// and blanks anywhere. `None` if it was never given out.
#[must_use]
pub fn decode(keys: &KeyRing, code: &str) -> Option<BookingId> {
    let mut bits = 0_u64;
    let mut count = 0;
    for character in code.chars().filter(|character| !matches!(character, '-' | ' ')) {
        let plain = match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let value = ALPHABET.iter().position(|known| char::from(*known) == plain)?;
        count += 1;
        if count > CHARACTERS {
            return None;
        }
        bits = bits << 5 | value as u64;
    }
    let booking = BookingId(bits as u32);
    (count == CHARACTERS && bits >> 32 == check(keys, booking)).then_some(booking)
}

fn check(keys: &KeyRing, booking: BookingId) -> u64 {
    keys.booking_check(booking) & ((1 << CHECK_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use jari_core::time::Date;

    use super::*;

    #[test]
    fn a_code_is_read_back_however_people_write_it() {
        let keys = KeyRing::generate(1, [9; 32], Date(20_000));
        for number in [0, 1, 31, 1_000_000, u32::MAX] {
            let code = encode(&keys, BookingId(number));
            assert_eq!(code.len(), 11);
            assert_eq!(decode(&keys, &code), Some(BookingId(number)));
            let sloppy = code.replace('-', " ").to_lowercase().replace('0', "o").replace('1', "l");
            assert_eq!(decode(&keys, &sloppy), Some(BookingId(number)));
        }
    }

    #[test]
    fn a_changed_code_names_nothing() {
        let keys = KeyRing::generate(1, [9; 32], Date(20_000));
        let code = encode(&keys, BookingId(77));
        assert_eq!(decode(&keys, &code[..10]), None);
        assert_eq!(decode(&keys, &format!("{code}0")), None);
        assert_eq!(decode(&keys, "한국어한국어한국어한"), None);
        let other = KeyRing::generate(1, [8; 32], Date(20_000));
        assert_eq!(decode(&other, &code), None);
    }
}
