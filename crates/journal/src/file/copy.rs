//! A copy of a journal, also beside a running writer.
//!
//! Everything that was settled before the copying began is in it, and nothing that does not
//! check out. It must never change the journal that is copied, nor copy a byte of the newest
//! segment that was not read and found whole before: bytes behind that may be half written.
//! Start reading at [`copy`].

use std::io;
use std::path::Path;

use crate::disk::{Disk, OpenMode, RawFile, StdDisk};
use crate::file::scan::{Segment, WalkError, io_error};
use crate::file::verify::{VerifyError, VerifySummary, verify_on};
use crate::file::walk::{Depth, walk};

const CHUNK_BYTES: usize = 1 << 20;
/// Beside a running writer a segment may be begun or released, and a group be finished, while
/// it is looked at, and that looks like damage. It is looked at again so often.
const TRIES_MAX: u32 = 32;

/// Why a journal was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The journal is damaged, or cannot be read.
    #[error(transparent)]
    Source(#[from] VerifyError),
    /// The copy cannot be written; what there is of it is worth nothing.
    #[error("cannot write the copy: {0}")]
    Target(#[from] io::Error),
}

/// Copies the journal in `from` into the directory `to`, which must not exist or be empty, and
/// reads every byte of the copy again. Says what is in it.
///
/// # Errors
///
/// See [`CopyError`].
pub fn copy(from: &Path, to: &Path) -> Result<VerifySummary, CopyError> {
    copy_on(&StdDisk, from, to)
}

/// [`copy`] on any disk.
///
/// # Errors
///
/// See [`CopyError`].
pub fn copy_on(disk: &dyn Disk, from: &Path, to: &Path) -> Result<VerifySummary, CopyError> {
    disk.create_dir(to)?;
    if !disk.list(to)?.is_empty() {
        return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, to.display().to_string()).into());
    }
    let mut tries = 1;
    loop {
        match try_copy(disk, from, to) {
            Err(CopyError::Source(VerifyError::Damaged(_) | VerifyError::Io { .. })) if tries < TRIES_MAX => {
                tries += 1;
                for name in disk.list(to)? {
                    disk.remove(&to.join(name))?;
                }
            }
            other => return other,
        }
    }
}

fn try_copy(disk: &dyn Disk, from: &Path, to: &Path) -> Result<VerifySummary, CopyError> {
    // What a crash left half made holds no record: it is not copied.
    let found = walk(disk, from, Depth::Ends, &mut |_| {}).map_err(VerifyError::from)?;
    let walk = found.ok_or_else(|| VerifyError::NoJournal(from.to_path_buf()))?;
    let newest = walk.segments.len() - 1;
    for (index, segment) in walk.segments.iter().enumerate() {
        let source = open(disk, segment)?;
        let bytes = if index == newest {
            walk.last.end
        } else {
            source.bytes().map_err(|error| source_error(segment, error))?
        };
        copy_segment(disk, segment, &*source, bytes, to)?;
    }
    disk.sync_dir(to)?;
    let summary = verify_on(disk, to, &mut |_| {})?;
    if (summary.head, summary.chain) != (walk.last.head, walk.last.chain) {
        // The writer took its last group back, as it does when the disk is full.
        let changed = io::Error::other("the journal was changed while it was read");
        return Err(VerifyError::from(io_error(from, changed)).into());
    }
    Ok(summary)
}

fn open(disk: &dyn Disk, segment: &Segment) -> Result<Box<dyn RawFile>, CopyError> {
    disk.open(&segment.path, OpenMode::Read).map_err(|error| source_error(segment, error))
}

fn source_error(segment: &Segment, error: io::Error) -> CopyError {
    let error: WalkError = segment.io(error);
    VerifyError::from(error).into()
}

fn copy_segment(
    disk: &dyn Disk,
    segment: &Segment,
    source: &dyn RawFile,
    bytes: u64,
    to: &Path,
) -> Result<(), CopyError> {
    let name = segment.path.file_name().expect("a segment has a name");
    let target = disk.open(&to.join(name), OpenMode::Create)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    while offset < bytes {
        let wanted = usize::try_from(bytes - offset).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let read =
            source.read_at(offset, &mut chunk[..wanted]).map_err(|error| source_error(segment, error))?;
        if read == 0 {
            // The copy is shorter than it was: reading it again says what is missing.
            break;
        }
        target.write_at(offset, &chunk[..read])?;
        offset += read as u64;
    }
    Ok(target.sync()?)
}
