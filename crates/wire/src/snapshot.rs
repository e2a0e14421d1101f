//! Snapshots of the state.
//!
//! (format follows)

use std::io;

use jari_core::Data;

use crate::codec::Fault;

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
    /// It could not be read. Try again, or another place.
    #[error("the snapshot could not be read")]
    Io(#[from] io::Error),
    /// A newer build wrote it. Stop, and install that build or a newer one.
    #[error("a newer build wrote this snapshot (format {version})")]
    Newer {
        /// The format it says it has.
        version: u8,
    },
    /// It is not what was written. Use an older snapshot, and the journal.
    #[error("the snapshot is damaged in its {section}: {fault}")]
    Damaged {
        /// The part where it was noticed.
        section: &'static str,
        /// What is wrong there.
        fault: Fault,
    },
}

/// Writes a snapshot of a state that has been brought to `position` of the journal.
///
/// # Errors
///
/// Whatever `out` answers.
pub fn write(
    _data: &Data,
    _position: u64,
    _chain: [u8; 32],
    _out: &mut dyn io::Write,
) -> io::Result<SnapshotMeta> {
    Err(io::Error::other("not built yet"))
}

/// Reads a snapshot.
///
/// # Errors
///
/// See [`SnapshotError`].
pub fn read(_input: &mut dyn io::Read) -> Result<(SnapshotMeta, Data), SnapshotError> {
    Err(io::Error::other("not built yet").into())
}

/// The hash of a state.
#[must_use]
pub fn state_hash(_data: &Data) -> [u8; 32] {
    [0; 32]
}
