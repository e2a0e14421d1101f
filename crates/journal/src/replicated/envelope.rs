//! The bytes that travel: a record, and before it where its writer stood.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format version: 1 |
//! | 8 | the last position the writer had in its own files, little-endian |
//! | 32 | the chain after that position, in the writer's files |
//! | ... | the record |
//!
//! Whoever takes the record compares the chain with its own at that position. A stream
//! that lost records after a node had them cannot go unnoticed beyond the next record.
//! Only the record goes into the files. The layout may never change under version 1.

use crate::contract::{Chain, Position};

const VERSION: u8 = 1;

/// Bytes before the record.
pub(crate) const ENVELOPE_BYTES: usize = 41;

/// A record as it travels, taken apart.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Envelope<'a> {
    /// The head of the writer's files when it offered the record.
    pub head: (Position, Chain),
    pub record: &'a [u8],
}

/// Puts a record, offered by a writer whose files end at `head`, into `out`.
pub(crate) fn encode(head: (Position, Chain), record: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.reserve(ENVELOPE_BYTES + record.len());
    out.push(VERSION);
    out.extend_from_slice(&head.0.0.to_le_bytes());
    out.extend_from_slice(&head.1.0);
    out.extend_from_slice(record);
}

/// The key of the `count`th record that is offered in a life. The bytes count too: were two
/// nodes ever to have the same life, different records must still not pass for one.
pub(crate) fn key(life: u64, count: u64, bytes: &[u8]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&life.to_le_bytes());
    hasher.update(&count.to_le_bytes());
    hasher.update(bytes);
    let mut key = [0; 16];
    hasher.finalize_xof().fill(&mut key);
    u128::from_le_bytes(key)
}

/// Takes a record apart, or says why that cannot be done.
pub(crate) fn decode(bytes: &[u8]) -> Result<Envelope<'_>, String> {
    let Some((front, record)) = bytes.split_first_chunk::<ENVELOPE_BYTES>() else {
        return Err(format!(
            "it has {} bytes, fewer than the {ENVELOPE_BYTES} every record has",
            bytes.len()
        ));
    };
    if front[0] != VERSION {
        return Err(format!("it has format {}, and this build knows {VERSION}", front[0]));
    }
    let mut position = [0; 8];
    position.copy_from_slice(&front[1..9]);
    let mut chain = [0; 32];
    chain.copy_from_slice(&front[9..]);
    Ok(Envelope { head: (Position(u64::from_le_bytes(position)), Chain(chain)), record })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes_of_version_one() {
        let mut bytes = Vec::new();
        encode((Position(0x0102), Chain([7; 32])), b"record", &mut bytes);
        let golden = [&[1, 2, 1, 0, 0, 0, 0, 0, 0][..], &[7; 32], b"record"].concat();
        assert_eq!(bytes, golden);
        let envelope = decode(&golden).expect("it is whole");
        assert_eq!(envelope, Envelope { head: (Position(0x0102), Chain([7; 32])), record: b"record" });
    }

    #[test]
    fn a_key_is_the_same_only_for_the_same_bytes_at_the_same_place_of_a_life() {
        assert_eq!(key(1, 2, b"record"), key(1, 2, b"record"));
        for other in [key(2, 2, b"record"), key(1, 3, b"record"), key(1, 2, b"other")] {
            assert_ne!(other, key(1, 2, b"record"));
        }
    }

    #[test]
    fn what_is_short_or_newer_is_refused() {
        for length in 0..ENVELOPE_BYTES {
            assert!(decode(&[1; ENVELOPE_BYTES][..length]).is_err());
        }
        let newer = decode(&[2; 50]).expect_err("it is newer");
        assert!(newer.contains("format 2"), "{newer}");
    }
}
