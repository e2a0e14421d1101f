//! Snapshots: the whole state at one position of the journal.
//!
//! A snapshot is the eight bytes `JARISNAP`, the format version, and blocks:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the section that the block belongs to |
//! | 4 | length of its content |
//! | ... | content: whole elements, about 1 MiB of them |
//! | 32 | BLAKE3 of all the above |
//!
//! Sections come in the order of their tags, each in one block or more:
//!
//! | tag | section |
//! |---|---|
//! | 1 | head: the journal's position and hash chain |
//! | 2-14 | the state: machine (rules and time; from version 2 on also the lease and the number of all answers; from version 3 on also how far reminders have come), rooms (from version 4 on each with its telephone agents), campaigns (from version 3 on each with its reminder), clinics, desks, slots, bookings, contacts, recent commands, effects, events, from version 4 on those who stand by, from version 5 on who booked for somebody else |
//! | 255 | end: the state hash |
//!
//! The state hash is the BLAKE3 of the hashes of the state's blocks, one after the
//! other. Where blocks end is part of the format (after the element that reaches
//! 1 MiB), so a state has one hash, on every node.
//!
//! Versions 1 to 4 hold states under the rules of the same number, version 5 those under later
//! ones: until an upgrade counts, an older build reads what a newer one wrote.
//!
//! Writing and reading take one pass in a few MiB of memory beside the state itself.
//! Reading must never hand out a state that differs from what was written; whether the
//! state makes sense is for `State::restore` to check.

mod blocks;
mod parts;
mod rooms;
mod sections;

use std::io::{self, Read, Write};

use jari_core::Data;

use crate::codec::Fault;
use blocks::{BlockReader, BlockWriter};

/// The newest version.
pub const VERSION: u8 = 5;
const MAGIC: [u8; 8] = *b"JARISNAP";

/// What a snapshot says of itself.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct SnapshotMeta {
    /// The journal's position that the state has been brought to.
    pub position: u64,
    /// The journal's hash chain at that position.
    pub chain: [u8; 32],
    /// See [`state_hash`].
    pub state_hash: [u8; 32],
}

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It could not be read. Try again, or read another copy.
    #[error("the snapshot could not be read")]
    Io(#[from] io::Error),
    /// A newer build wrote it. Stop, and install that build or a newer one.
    #[error("a newer build wrote this snapshot (format {version}); this one reads up to {VERSION}")]
    Newer {
        /// The format it says it has.
        version: u8,
    },
    /// It is not what was written. Use an older snapshot, and the journal from there.
    #[error("the snapshot is damaged in its section '{section}', block {block}: {fault}")]
    Damaged {
        /// The section where it was noticed.
        section: &'static str,
        /// The block of that section, from 0.
        block: u64,
        /// What is wrong there.
        fault: Fault,
    },
}

/// The parts of a snapshot, by their tags.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Section {
    Head = 1,
    Machine = 2,
    Rooms = 3,
    Campaigns = 4,
    Clinics = 5,
    Desks = 6,
    Slots = 7,
    Bookings = 8,
    Contacts = 9,
    Recent = 10,
    Effects = 11,
    Events = 12,
    Standbys = 13,
    Proxies = 14,
    End = 255,
}

impl Section {
    const fn name(self) -> &'static str {
        match self {
            Section::Head => "head",
            Section::Machine => "machine",
            Section::Rooms => "rooms",
            Section::Campaigns => "campaigns",
            Section::Clinics => "clinics",
            Section::Desks => "desks",
            Section::Slots => "slots",
            Section::Bookings => "bookings",
            Section::Contacts => "contacts",
            Section::Recent => "recent commands",
            Section::Effects => "effects",
            Section::Events => "events",
            Section::Standbys => "those who stand by",
            Section::Proxies => "who booked for somebody else",
            Section::End => "end",
        }
    }

    /// Whether its blocks are part of the state hash.
    const fn is_state(self) -> bool {
        !matches!(self, Section::Head | Section::End)
    }
}

/// Writes a snapshot of a state that has been brought to `position` of the journal.
/// `out` need not be buffered. A snapshot counts only once `out` is durable, which is
/// for the caller to see to.
///
/// # Errors
///
/// Whatever `out` answers.
pub fn write(data: &Data, position: u64, chain: [u8; 32], out: &mut dyn Write) -> io::Result<SnapshotMeta> {
    out.write_all(&MAGIC)?;
    out.write_all(&[sections::version_of(data)])?;
    let mut blocks = BlockWriter::new(out);
    blocks.section(Section::Head)?;
    blocks.element(&(position.to_le_bytes(), chain))?;
    sections::write(data, &mut blocks)?;
    blocks.section(Section::End)?;
    let state_hash = blocks.state_hash();
    blocks.element(&state_hash)?;
    blocks.finish()?;
    Ok(SnapshotMeta { position, chain, state_hash })
}

/// Reads a snapshot to its end. `input` need not be buffered.
///
/// # Errors
///
/// See [`SnapshotError`].
pub fn read(input: &mut dyn Read) -> Result<(SnapshotMeta, Data), SnapshotError> {
    let mut blocks = BlockReader::new(input);
    let mut start = [0; MAGIC.len() + 1];
    blocks.start(&mut start)?;
    let version = start[MAGIC.len()];
    if start[..MAGIC.len()] != MAGIC || version == 0 {
        return Err(blocks.damaged(Fault::UnknownTag));
    }
    if version > VERSION {
        return Err(SnapshotError::Newer { version });
    }
    blocks.section(Section::Head)?;
    let (position, chain) = blocks.element::<([u8; 8], [u8; 32])>()?;
    let data = sections::read(version, &mut blocks)?;
    blocks.section(Section::End)?;
    let state_hash = blocks.element::<[u8; 32]>()?;
    if state_hash != blocks.state_hash() {
        return Err(blocks.damaged(Fault::Checksum));
    }
    blocks.finish()?;
    Ok((SnapshotMeta { position: u64::from_le_bytes(position), chain, state_hash }, data))
}

/// The hash of a state: equal for equal states on every node, and the one that a
/// snapshot of the state carries. Takes about as long as writing a snapshot to memory.
#[must_use]
pub fn state_hash(data: &Data) -> [u8; 32] {
    let mut nowhere = io::sink();
    let mut blocks = BlockWriter::new(&mut nowhere);
    let written = sections::write(data, &mut blocks).and_then(|()| blocks.end_section());
    assert!(written.is_ok(), "writing to nowhere cannot fail");
    blocks.state_hash()
}
