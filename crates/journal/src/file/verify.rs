//! A read-only walk over every byte of a file journal.
//!
//! It needs no lock and must never modify anything. Beside a running writer
//! it may see that writer's unfinished group as torn bytes, and a segment
//! that is removed meanwhile as missing; run it again then.

use std::io;
use std::path::{Path, PathBuf};

use crate::contract::{Chain, Entry, Position};
use crate::disk::{Disk, StdDisk};
use crate::file::damage::Damage;
use crate::file::scan::WalkError;
use crate::file::walk::{Depth, walk};

/// What an intact journal holds.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct VerifySummary {
    /// Oldest record kept; the position after the head if there is none.
    pub first: Position,
    /// Last record.
    pub head: Position,
    /// Chain after the last record.
    pub chain: Chain,
    /// Records found.
    pub records: u64,
    /// Segment files found.
    pub segments: usize,
    /// Bytes of an interrupted write that the next opening drops.
    pub torn_bytes: u64,
}

/// Why a journal could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The exact damage.
    #[error(transparent)]
    Damaged(#[from] Box<Damage>),
    /// A file could not be read.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to verify.
    #[error("{} holds no journal", .0.display())]
    NoJournal(PathBuf),
}

impl From<WalkError> for VerifyError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Damaged(damage) => VerifyError::Damaged(damage),
            WalkError::Io { path, source } => VerifyError::Io { path, source },
        }
    }
}

/// Reads and checks every record of the journal in `directory` and gives each
/// to `visit`, in order; damage is reported after the records before it.
pub fn verify(directory: &Path, visit: &mut dyn FnMut(Entry<'_>)) -> Result<VerifySummary, VerifyError> {
    verify_on(&StdDisk, directory, visit)
}

/// [`verify`] on any disk.
pub fn verify_on(
    disk: &dyn Disk,
    directory: &Path,
    visit: &mut dyn FnMut(Entry<'_>),
) -> Result<VerifySummary, VerifyError> {
    let Some(walk) = walk(disk, directory, Depth::Everything, visit)? else {
        return Err(VerifyError::NoJournal(directory.to_path_buf()));
    };
    let first = walk.segments[0].header.first;
    Ok(VerifySummary {
        first,
        head: walk.last.head,
        chain: walk.last.chain,
        records: walk.last.head.next().0 - first.0,
        segments: walk.segments.len(),
        torn_bytes: walk.last.torn_bytes,
    })
}
