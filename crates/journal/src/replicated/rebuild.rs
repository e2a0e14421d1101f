//! Making the stream anew from a node's files, or a node's files from the stream.
//!
//! It must never write over anything: both begin only with an empty target. Start
//! reading at [`rebuild_stream`].

use std::ops::ControlFlow;
use std::path::Path;

use crate::contract::{Chain, Journal, Position, ReadError};
use crate::file::{FileJournal, FileOptions, OpenError, VerifyError, VerifySummary, verify};
use crate::replicated::envelope;
use crate::replicated::journal::{ReplicatedJournal, ReplicatedOptions};
use crate::replicated::open::{ReplicatedOpenError, ends};
use crate::replicated::stream::{OfferError, Stream, TakeError};

/// Bytes of records that are read and compared at a time.
const COMPARED_BYTES: usize = 4 << 20;

/// Why nothing, or not everything, was made anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The stream holds records.
    #[error(
        "the stream has records up to position {last}, and nothing is written over: remove that stream, or \
         name another one"
    )]
    StreamNotEmpty {
        /// Its last.
        last: Position,
    },
    /// The stream would give other positions than the files have.
    #[error("the files begin at position {first}, but the stream's first record would be at {next}")]
    OtherBeginning {
        /// The oldest record of the files.
        first: Position,
        /// What the stream gives next.
        next: Position,
    },
    /// The files hold records.
    #[error("{dir} has records up to position {head}, and nothing is written over: move it away")]
    FilesNotEmpty {
        /// Which directory.
        dir: String,
        /// Their last.
        head: Position,
    },
    /// The stream gave a record another place, or has other bytes there.
    #[error(
        "position {position} of the stream is not what the files have there: somebody else writes to it; \
         stop them, remove the stream and begin again"
    )]
    Differs {
        /// Where.
        position: Position,
    },
    /// The stream refuses or does not answer. What was written stays; begin with a new one.
    #[error("the stream did not take position {position}: {reason}")]
    Refused {
        /// Which record.
        position: Position,
        /// Why.
        reason: String,
    },
    /// The files cannot be opened.
    #[error(transparent)]
    Files(#[from] OpenError),
    /// The files cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stream cannot be read.
    #[error(transparent)]
    Take(#[from] TakeError),
    /// What was made cannot be verified.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The files could not be made from the stream.
    #[error(transparent)]
    Open(#[from] ReplicatedOpenError),
}

/// Puts every record of a node's files into an empty stream, then reads the stream and
/// compares all of it. The files stay locked meanwhile, so that no node writes to them.
/// A stream made for this must begin where the files do ([`Journal::first`]).
///
/// # Errors
///
/// See [`RebuildError`].
pub fn rebuild_stream(
    files: FileOptions,
    stream: &mut dyn Stream,
    options: ReplicatedOptions,
) -> Result<(Position, Position), RebuildError> {
    let (file, _) = FileJournal::open(FileOptions { check_all: true, ..files })?;
    let (first, last) = ends(stream, Position::ZERO, options.tries_max)?;
    if first <= last {
        return Err(RebuildError::StreamNotEmpty { last });
    }
    if last.next() != file.first() {
        return Err(RebuildError::OtherBeginning { first: file.first(), next: last.next() });
    }
    let mut failed = None;
    each_in_envelope(&file, &mut |position, bytes| {
        let key = envelope::key(options.life, position.0, bytes);
        match offer(stream, key, bytes, options.tries_max) {
            Ok(at) if at == position => return ControlFlow::Continue(()),
            Ok(_) => failed = Some(RebuildError::Differs { position }),
            Err(reason) => failed = Some(RebuildError::Refused { position, reason: reason.to_string() }),
        }
        ControlFlow::Break(())
    })?;
    match failed {
        Some(error) => Err(error),
        None => compare(&file, stream),
    }
}

/// Makes a node's files from the stream and verifies them. The directory must not hold a
/// record.
///
/// # Errors
///
/// See [`RebuildError`].
pub fn rebuild_files(
    files: FileOptions,
    stream: impl Stream,
    options: ReplicatedOptions,
) -> Result<VerifySummary, RebuildError> {
    let dir = files.dir.clone();
    let head = FileJournal::open(files.clone())?.0.head().0;
    if head > Position::ZERO {
        return Err(RebuildError::FilesNotEmpty { dir: dir.display().to_string(), head });
    }
    drop(ReplicatedJournal::open(stream, files, options)?);
    Ok(verify(Path::new(&dir), &mut |_| {})?)
}

fn offer(stream: &mut dyn Stream, key: u128, bytes: &[u8], tries_max: u32) -> Result<Position, OfferError> {
    let mut offered = stream.offer(key, bytes);
    for _ in 1..tries_max {
        if !matches!(offered, Err(OfferError::Unknown { .. })) {
            break;
        }
        offered = stream.offer(key, bytes);
    }
    offered
}

/// Every record of the files as a node would have offered it that stood right before it.
fn each_in_envelope(
    file: &FileJournal,
    visit: &mut dyn FnMut(Position, &[u8]) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let before = Position(file.first().0 - 1);
    let mut head: (Position, Option<Chain>) = (before, (before == Position::ZERO).then_some(Chain::ZERO));
    let mut bytes = Vec::new();
    file.read(before, &mut |entry| {
        // The chain before the oldest record kept is not known, and position 0's always is.
        let stood = head.1.map_or((Position::ZERO, Chain::ZERO), |chain| (head.0, chain));
        envelope::encode(stood, entry.payload, &mut bytes);
        head = (entry.position, Some(entry.chain));
        visit(entry.position, &bytes)
    })
}

/// Reads both again and compares all of it, some records at a time.
fn compare(file: &FileJournal, stream: &mut dyn Stream) -> Result<(Position, Position), RebuildError> {
    let (first, head) = (file.first(), file.head().0);
    let mut failed = None;
    let mut some: Vec<Vec<u8>> = Vec::new();
    each_in_envelope(file, &mut |position, bytes| {
        some.push(bytes.to_vec());
        if position < head && some.iter().map(Vec::len).sum::<usize>() < COMPARED_BYTES {
            return ControlFlow::Continue(());
        }
        let before = Position(position.0 - some.len() as u64);
        match compare_some(&std::mem::take(&mut some), before, stream) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok((first, head)), Err)
}

fn compare_some(ours: &[Vec<u8>], before: Position, stream: &mut dyn Stream) -> Result<(), RebuildError> {
    let mut same = 0;
    let upto = Position(before.0 + ours.len() as u64);
    stream.take(before, upto, &mut |at, there| {
        if at.0 != before.0 + same as u64 + 1 || ours.get(same).is_none_or(|ours| ours != there) {
            return ControlFlow::Break(());
        }
        same += 1;
        if same == ours.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if same == ours.len() {
        return Ok(());
    }
    Err(RebuildError::Differs { position: Position(before.0 + same as u64 + 1) })
}
