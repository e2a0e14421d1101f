//! Sealing: contacts under their person's key, and the bytes of a contact.
//!
//! Start reading at [`seal`] and [`encode`].

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use jari_core::time::Date;

use super::{Contact, KeptContact, damaged};
use crate::language::Language;
use crate::problem::Problem;
use crate::random;

const NONCE_BYTES: usize = 24;
/// Contacts are padded to a multiple of this: their length tells little.
const PAD_BYTES: usize = 64;

/// Nonce, then the sealed bytes. Bound to their owner: sealed bytes of one do not open as
/// another's.
pub(super) fn seal(key: &[u8; 32], owner: &[u8], plain: &[u8]) -> Result<Vec<u8>, Problem> {
    let nonce: [u8; NONCE_BYTES] = random::bytes()?;
    let payload = Payload { msg: plain, aad: owner };
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| damaged())?;
    let mut bytes = nonce.to_vec();
    bytes.extend(sealed);
    Ok(bytes)
}

/// Opens what [`seal`] sealed.
pub(super) fn open(key: &[u8; 32], owner: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
    let payload = Payload { msg: sealed, aad: owner };
    XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), payload).ok()
}

/// Version 1, language, name's length, name, telephone's length, telephone, the day on which the person
/// said so (days since 1970, little-endian), zeros. Builds that do not know of the day pass over it.
pub(crate) fn encode(contact: &Contact, since: Option<Date>) -> Vec<u8> {
    let language = match contact.language {
        Language::Korean => 0,
        Language::English => 1,
    };
    let mut bytes = vec![1, language];
    for text in [&contact.name, &contact.telephone] {
        let text = &text.as_bytes()[..text.len().min(255)];
        bytes.push(text.len() as u8);
        bytes.extend(text);
    }
    bytes.extend(since.map_or(0, |since| since.0).to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(PAD_BYTES), 0);
    bytes
}

/// Reads what [`encode`] wrote, or an earlier build, which wrote zeros for the day.
pub(crate) fn decode(bytes: &[u8]) -> Option<KeptContact> {
    let (head, rest) = bytes.split_at_checked(2)?;
    let language = match head {
        [1, 0] => Language::Korean,
        [1, 1] => Language::English,
        _ => return None,
    };
    let (name, rest) = take_text(rest)?;
    let (telephone, rest) = take_text(rest)?;
    let since = rest.first_chunk().map_or(0, |day| i32::from_le_bytes(*day));
    let contact = Contact { name, telephone, language };
    Some(KeptContact { contact, since: (since > 0).then_some(Date(since)) })
}

fn take_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rubbish_is_no_contact() {
        for bytes in [&[][..], &[1], &[1, 0, 9], &[1, 0, 1, 0xff, 0], &[2, 0, 0, 0]] {
            assert_eq!(decode(bytes), None);
        }
    }

    #[test]
    fn a_contact_comes_back_with_its_day_and_those_of_earlier_builds_without() {
        let contact =
            |name: &str| Contact { name: name.into(), telephone: "1".into(), language: Language::English };
        // 58 letters fill the padding of an earlier build to the last byte.
        for name in ["Kim", &"n".repeat(58), &"n".repeat(59), &"n".repeat(120)] {
            let contact = contact(name);
            for since in [None, Some(Date(20_000))] {
                let bytes = encode(&contact, since);
                assert_eq!(bytes.len() % PAD_BYTES, 0);
                assert_eq!(decode(&bytes), Some(KeptContact { contact: contact.clone(), since }));
            }
            let mut earlier = vec![1, 1, name.len() as u8];
            earlier.extend(name.as_bytes());
            earlier.extend([1, b'1']);
            earlier.resize(earlier.len().next_multiple_of(PAD_BYTES), 0);
            assert_eq!(decode(&earlier), Some(KeptContact { contact, since: None }));
        }
    }
}
