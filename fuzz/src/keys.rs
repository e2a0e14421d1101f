//! Key files: what reads, writes to a file that reads the same.

use jari_wire::KeyRing;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(ring) = KeyRing::parse(text) else { return };
    let written = ring.to_text();
    let again = KeyRing::parse(&written).expect("what was written reads");
    assert_eq!(*again.to_text(), *written, "and writes the same");
    assert!(ring.ids().eq(again.ids()));
    assert_eq!(ring.contact_key().1, again.contact_key().1, "with the same key in front");
}
