//! Codes of a second factor: TOTP (RFC 6238) with SHA-1, six digits, thirty seconds, as every
//! authenticator takes it.
//!
//! A code counts in its own step and the ones before and after, for clocks that differ. That it counts
//! once is for `actions::second_factor`. Start at [`step_of`].

use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};

/// Bytes of a secret: as long as the hash, as RFC 4226 wants it.
pub const SECRET_BYTES: usize = 20;
/// Milliseconds of a step.
pub const STEP_MS: u64 = 30_000;
const DIGITS: u32 = 6;

/// The step in which a code counts at this moment: the one of now, before or after. None if it does
/// not. Looks at all three, whatever it finds.
#[must_use]
pub fn step_of(secret: &[u8], code: &str, now_ms: u64) -> Option<u64> {
    let code = written(code)?;
    let now = now_ms / STEP_MS;
    let mut found = None;
    for step in [now.saturating_sub(1), now, now + 1] {
        if code_at(secret, step) == code {
            found = Some(step);
        }
    }
    found
}

/// A code as people write it: six digits, perhaps with a space.
fn written(code: &str) -> Option<u32> {
    let digits: String = code.chars().filter(|sign| !sign.is_whitespace()).collect();
    let fits = digits.len() == DIGITS as usize && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| digits.parse().ok()).flatten()
}

/// The code of a step (RFC 4226, 5.3).
fn code_at(secret: &[u8], step: u64) -> u32 {
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let signed = sign(&key, &step.to_be_bytes());
    let hash = signed.as_ref();
    let at = usize::from(hash[19] & 0x0f);
    let cut = u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]) & 0x7fff_ffff;
    cut % 10_u32.pow(DIGITS)
}

/// The code that an authenticator shows at a moment, for tests of whoever signs in.
#[must_use]
pub fn code(secret: &[u8], now_ms: u64) -> String {
    format!("{:06}", code_at(secret, now_ms / STEP_MS))
}

/// A secret as people type it into an authenticator: base32 (RFC 4648) without padding.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = held << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits & 31) as usize]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held << (5 - bits) & 31) as usize]));
    }
    text
}

/// What an authenticator's camera reads. Names of accounts need no escaping.
#[must_use]
pub fn address(name: &str, secret: &[u8]) -> String {
    format!("otpauth://totp/Jari:{name}?secret={}&issuer=Jari", base32(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1; it has eight digits, of which these are the last six.
        let known = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (at_s, wanted) in known {
            assert_eq!(code(b"12345678901234567890", at_s * 1_000), wanted, "at {at_s} s");
        }
    }

    #[test]
    fn a_code_counts_one_step_early_or_late_and_no_longer() {
        let secret = b"12345678901234567890";
        let code = code(secret, 59_000);
        for (at_s, step) in
            [(0, Some(1)), (29, Some(1)), (59, Some(1)), (89, Some(1)), (90, None), (120, None)]
        {
            assert_eq!(step_of(secret, &code, at_s * 1_000), step, "at {at_s} s");
        }
        assert_eq!(step_of(secret, "287 082", 59_000), Some(1));
        for rubbish in ["", "28708", "2870822", "28708a", "-28708", "２８７０８２"] {
            assert_eq!(step_of(secret, rubbish, 59_000), None, "{rubbish:?}");
        }
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        let known = [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ")];
        for (plain, text) in known.into_iter().chain([("fooba", "MZXW6YTB"), ("foobar", "MZXW6YTBOI")]) {
            assert_eq!(base32(plain.as_bytes()), text);
        }
    }
}
