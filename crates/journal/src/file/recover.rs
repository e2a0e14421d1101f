//! Opening a file journal: lock, look, decide, repair, say what was found.
//!
//! It must never change a byte before the whole directory was judged sound,
//! and must never remove anything but an interrupted write, half-made files
//! and what was released. Start reading at [`FileJournal::open_on`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::contract::{Chain, Position};
use crate::disk::{Disk, DiskLock, OpenMode, RawFile, StdDisk};
use crate::file::damage::Damage;
use crate::file::format::{FIRST_NAME, FRAME_BYTES, HEADER_BYTES, parse_segment_name};
use crate::file::group::Group;
use crate::file::journal::{FileJournal, Tail, is_full, make_segment, write_first};
use crate::file::options::FileOptions;
use crate::file::scan::{Segment, WalkError};
use crate::file::walk::{Depth, Walk, walk};
use crate::replace::TEMPORARY_SUFFIX;

const LOCK_NAME: &str = "LOCK";

/// What opening found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// There was no journal; an empty one was made.
    pub created: bool,
    /// Oldest record kept; the position after the head if there is none.
    pub first: Position,
    /// Last durable record.
    pub head: Position,
    /// Records kept.
    pub records: u64,
    /// Segment files kept.
    pub segments: usize,
    /// Bytes of an interrupted write that were dropped. None of it had been
    /// delivered.
    pub torn_bytes: u64,
}

/// Why a journal could not be opened. Nothing was lost.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes here: stop it, or use another directory.
    #[error("{} is in use by another writer", .0.display())]
    Locked(PathBuf),
    /// Put an intact copy in place; nothing was changed.
    #[error(transparent)]
    Damaged(#[from] Box<Damage>),
    /// The configuration is wrong.
    #[error("journal options: {0}")]
    Options(String),
    /// Make room and open again.
    #[error("no room in {}", .0.display())]
    Full(PathBuf),
    /// The system refused.
    #[error("cannot open the journal at {}: {source}", .path.display())]
    Io {
        /// File or directory concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<WalkError> for OpenError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Damaged(damage) => OpenError::Damaged(damage),
            WalkError::Io { path, source } => OpenError::Io { path, source },
        }
    }
}

/// Says which path an error belongs to.
fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError + '_ {
    move |source| {
        let path = path.to_path_buf();
        if is_full(&source) { OpenError::Full(path) } else { OpenError::Io { path, source } }
    }
}

impl FileJournal {
    /// Opens or creates the journal in `options.dir`.
    pub fn open(options: FileOptions) -> Result<(FileJournal, Recovery), OpenError> {
        FileJournal::open_on(Arc::new(StdDisk), options)
    }

    /// [`FileJournal::open`] on any disk.
    pub fn open_on(disk: Arc<dyn Disk>, options: FileOptions) -> Result<(FileJournal, Recovery), OpenError> {
        if let Some(fault) = options.fault() {
            return Err(OpenError::Options(fault));
        }
        let dir = options.dir.clone();
        disk.create_dir(&dir).map_err(at(&dir))?;
        let lock = disk.lock(&dir.join(LOCK_NAME)).map_err(at(&dir))?;
        let lock = lock.ok_or_else(|| OpenError::Locked(dir.clone()))?;
        remove_temporaries(&*disk, &dir)?;
        let depth = if options.check_all { Depth::Everything } else { Depth::Ends };
        let (mut journal, recovery) = match walk(&*disk, &dir, depth, &mut |_| {})? {
            None => create(disk, options, lock)?,
            Some(walk) => repair(disk, options, lock, walk)?,
        };
        if journal.tail.seal_pending {
            journal.write_seal();
        }
        Ok((journal, recovery))
    }
}

/// Removes what a crash left of a file that never got its name.
fn remove_temporaries(disk: &dyn Disk, dir: &Path) -> Result<(), OpenError> {
    for name in disk.list(dir).map_err(at(dir))? {
        let is_ours = |name| name == FIRST_NAME || parse_segment_name(name).is_some();
        if name.strip_suffix(TEMPORARY_SUFFIX).is_some_and(is_ours) {
            let path = dir.join(&name);
            disk.remove(&path).map_err(at(&path))?;
        }
    }
    Ok(())
}

fn create(
    disk: Arc<dyn Disk>,
    options: FileOptions,
    lock: Box<dyn DiskLock>,
) -> Result<(FileJournal, Recovery), OpenError> {
    let head = (Position::ZERO, Chain::ZERO);
    let segment = make_segment(&*disk, &options.dir, head.0, head.1).map_err(at(&options.dir))?;
    let file = disk.open(&segment.path, OpenMode::Write).map_err(at(&segment.path))?;
    let end = HEADER_BYTES as u64;
    let tail = Tail { file, end, filled: end, seal_pending: false };
    Ok(assemble(disk, options, lock, vec![segment], tail, head, Found { created: true, torn_bytes: 0 }))
}

fn repair(
    disk: Arc<dyn Disk>,
    options: FileOptions,
    lock: Box<dyn DiskLock>,
    walk: Walk,
) -> Result<(FileJournal, Recovery), OpenError> {
    let newest = walk.segments.last().expect("a walk has a segment").clone();
    let last = &walk.last;
    if last.torn_bytes > 0 {
        tracing::warn!(
            segment = %newest.path.display(),
            offset = last.end,
            torn_bytes = last.torn_bytes,
            head = last.head.0,
            "dropping an interrupted write that was never acknowledged"
        );
    }
    let dir = options.dir.clone();
    if last.end == HEADER_BYTES as u64 {
        // No record yet. The name and header may be all there is, and may not
        // be durable; making the segment anew is the surest way.
        make_segment(&*disk, &dir, last.head, last.chain).map_err(at(&dir))?;
    }
    let file = disk.open(&newest.path, OpenMode::Write).map_err(at(&newest.path))?;
    if last.torn_bytes > 0 || last.ended {
        file.truncate(last.end).map_err(at(&newest.path))?;
    }
    write_unsealed_again(&*file, &newest, &walk)?;
    // The end mark before it is gone for good, so nothing asks for it now.
    if let Some(next) = &walk.half_made {
        disk.remove(&next.path).map_err(at(&next.path))?;
    }
    if !walk.released.is_empty() {
        // What is read of the note may be no more durable than the removals were.
        write_first(&*disk, &dir, &walk.segments[0].header).map_err(at(&dir))?;
    }
    for path in &walk.released {
        disk.remove(path).map_err(at(path))?;
    }
    disk.sync_dir(&dir).map_err(at(&dir))?;
    let filled = file.bytes().map_err(at(&newest.path))?;
    let tail = Tail { file, end: last.end, filled, seal_pending: last.seal_pending };
    let (head, torn_bytes) = ((last.head, last.chain), last.torn_bytes);
    let found = Found { created: false, torn_bytes };
    Ok(assemble(disk, options, lock, walk.segments, tail, head, found))
}

/// What was read back may be in the page cache only, even after an fsync that
/// failed in an earlier life. Writing it again makes the cache write it out.
fn write_unsealed_again(file: &dyn RawFile, newest: &Segment, walk: &Walk) -> Result<(), OpenError> {
    let last = &walk.last;
    let from = last.last_seal.map_or(HEADER_BYTES as u64, |seal| seal.offset);
    let bytes = usize::try_from(last.end - from).expect("a group has at most 256 MiB");
    let mut buffer = vec![0; bytes];
    let read = file.read_at(from, &mut buffer).map_err(at(&newest.path))?;
    if read < bytes {
        return Err(at(&newest.path)(io::ErrorKind::UnexpectedEof.into()));
    }
    if let Some(seal) = &last.last_seal {
        buffer[..FRAME_BYTES].copy_from_slice(&seal.encode());
    }
    file.write_at(from, &buffer).map_err(at(&newest.path))?;
    file.sync().map_err(at(&newest.path))
}

struct Found {
    created: bool,
    torn_bytes: u64,
}

fn assemble(
    disk: Arc<dyn Disk>,
    options: FileOptions,
    lock: Box<dyn DiskLock>,
    segments: Vec<Segment>,
    tail: Tail,
    head: (Position, Chain),
    found: Found,
) -> (FileJournal, Recovery) {
    let first = segments[0].header.first;
    let recovery = Recovery {
        created: found.created,
        first,
        head: head.0,
        records: head.0.next().0 - first.0,
        segments: segments.len(),
        torn_bytes: found.torn_bytes,
    };
    let journal = FileJournal {
        disk,
        options,
        _lock: lock,
        segments: segments.into(),
        tail,
        head,
        pending: Group::new(head),
        broken: None,
    };
    (journal, recovery)
}
