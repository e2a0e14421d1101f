//! A write that the power cut off: what a killed process cannot leave, since its writes stay in the
//! page cache, but a machine can.
//!
//! Only bytes behind the journal's last seal are touched, where the next group would have gone and
//! nobody was told of anything. Must never touch a byte in front of it. Start at [`tear`].

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use crate::live::crowd::people::Random;

/// The layout of a segment is described in `jari_journal::file`.
const SEAL: &[u8; 4] = b"jSEA";
const GROUP: &[u8; 4] = b"jGRP";
const FRAME_BYTES: usize = 80;
const TORN_BYTES_MAX: usize = 3_000;

/// Writes the beginning of a group behind the last seal of a journal whose service is down. Says
/// whether it did: a journal that does not end with a seal is left alone.
pub fn tear(journal: &Path, random: &mut Random) -> io::Result<bool> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(journal)? {
        let path = entry?.path();
        segments.extend(path.extension().is_some_and(|end| end == "segment").then_some(path));
    }
    segments.sort();
    let Some(newest) = segments.pop() else { return Ok(false) };
    let bytes = fs::read(&newest)?;
    let Some(seal_at) = bytes.windows(SEAL.len()).rposition(|window| window == SEAL) else {
        return Ok(false);
    };
    let end = seal_at + FRAME_BYTES;
    if bytes.get(end..).is_none_or(|behind| behind.iter().any(|byte| *byte != 0)) {
        return Ok(false);
    }
    let mut torn: Vec<u8> = (0..1 + random.below(TORN_BYTES_MAX)).map(|_| random.bits() as u8).collect();
    // Most begin as a group does; some sectors of it came and others did not.
    if random.fraction() < 0.7 && torn.len() > GROUP.len() {
        torn[..GROUP.len()].copy_from_slice(GROUP);
    }
    // What is all zeros was never written.
    torn[0] |= 1;
    File::options().write(true).open(&newest)?.write_all_at(&torn, end as u64)?;
    Ok(true)
}
