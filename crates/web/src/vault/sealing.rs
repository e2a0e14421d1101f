//! Sealing: contacts under their person's key, and the bytes of a contact.
//!
//! Start reading at [`seal`] and [`encode`].

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::{Contact, damaged};
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

/// Version 1, language, name's length, name, telephone's length, telephone, zeros.
pub(crate) fn encode(contact: &Contact) -> Vec<u8> {
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
    bytes.resize(bytes.len().next_multiple_of(PAD_BYTES), 0);
    bytes
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(bytes: &[u8]) -> Option<Contact> {
    let (head, rest) = bytes.split_at_checked(2)?;
    let language = match head {
        [1, 0] => Language::Korean,
        [1, 1] => Language::English,
        _ => return None,
    };
    let (name, rest) = take_text(rest)?;
    let (telephone, _) = take_text(rest)?;
    Some(Contact { name, telephone, language })
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
}
