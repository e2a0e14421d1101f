//! Opening: the files first, then whether the stream is theirs, then what they lack.
//!
//! It must never change the files before stream and files were found to agree. Start
//! reading at [`ReplicatedJournal::open_on`].

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::contract::{Journal, Position, ReadError};
use crate::disk::{Disk, StdDisk};
use crate::file::{FileJournal, FileOptions, OpenError, Recovery};
use crate::replicated::envelope;
use crate::replicated::follow::{Chains, Fault, Follower};
use crate::replicated::journal::{ReplicatedJournal, ReplicatedOptions};
use crate::replicated::stream::{Stream, TakeError};

/// What opening found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaughtUp {
    /// The node's own files, before anything was taken from the stream.
    pub files: Recovery,
    /// Records that the files lacked and the stream had.
    pub records: u64,
}

/// Why a replicated journal could not be opened. Nothing was lost by trying.
#[derive(Debug, thiserror::Error)]
pub enum ReplicatedOpenError {
    /// The node's own files cannot be opened.
    #[error(transparent)]
    Files(#[from] OpenError),
    /// The node's own files cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// The stream ends before the files do: it has lost records, or is another one.
    #[error(
        "this node's files reach position {head}, but the stream ends at {last}: it has lost records, or is \
         another stream; start no node; `jari journal rebuild stream` makes the stream anew from the node \
         that has most"
    )]
    LostTail {
        /// Where the files end.
        head: Position,
        /// Where the stream ends.
        last: Position,
    },
    /// The stream no longer has what the files lack.
    #[error(
        "this node's files end at position {head}, but the oldest record that the stream keeps is {first}: \
         the node was away too long; copy the data directory of another node, or its journal and snapshots, \
         and start from that"
    )]
    Behind {
        /// Where the files end.
        head: Position,
        /// The stream's oldest record.
        first: Position,
    },
    /// Stream and files have different records at one position.
    #[error(
        "stream and files differ at position {position}: one of them belongs to another service, or was \
         changed; compare this node with another one (`jari journal verify`), then make the wrong one anew \
         with `jari journal rebuild`"
    )]
    Differs {
        /// Where.
        position: Position,
    },
    /// The stream does not answer, or answers nonsense.
    #[error(transparent)]
    Stream(#[from] TakeError),
    /// What the files lack could not be taken.
    #[error("catching up with the stream: {reason}")]
    CatchUp {
        /// What happened.
        reason: String,
    },
}

impl<S: Stream> ReplicatedJournal<S> {
    /// Opens the files, creating them if need be, and brings them up to the stream.
    pub fn open(
        stream: S,
        files: FileOptions,
        options: ReplicatedOptions,
    ) -> Result<(Self, CaughtUp), ReplicatedOpenError> {
        ReplicatedJournal::open_on(Arc::new(StdDisk), stream, files, options)
    }

    /// [`ReplicatedJournal::open`] with the files on any disk.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        mut stream: S,
        files: FileOptions,
        options: ReplicatedOptions,
    ) -> Result<(Self, CaughtUp), ReplicatedOpenError> {
        let (mut file, recovery) = FileJournal::open_on(disk, files)?;
        let head = file.head().0;
        let (first, last) = ends(&mut stream, head, options.tries_max)?;
        if last < head {
            return Err(ReplicatedOpenError::LostTail { head, last });
        }
        // One record must be in both, or nothing shows that they belong together.
        if first > head.max(Position(1)) {
            return Err(ReplicatedOpenError::Behind { head, first });
        }
        compare_last(&mut stream, &file, options.tries_max)?;
        let mut chains = Chains::new(file.head());
        let mut follower = Follower { file: &mut file, chains: &mut chains, own: None, visit: &mut |_| {} };
        follower.take_upto(&mut stream, last, options.tries_max).map_err(|fault| match fault {
            Fault::FilesFull => ReplicatedOpenError::CatchUp {
                reason: "this node's disk is full: make room and start again".into(),
            },
            fault => ReplicatedOpenError::CatchUp { reason: fault.to_string() },
        })?;
        let records = file.head().0.0 - head.0;
        let journal = ReplicatedJournal {
            stream,
            file,
            chains,
            options,
            pending: Vec::new(),
            is_pending: false,
            offered: 0,
            told: Arc::default(),
            broken: None,
        };
        Ok((journal, CaughtUp { files: recovery, records }))
    }
}

/// Asks again while the stream does not answer.
pub(crate) fn ends(
    stream: &mut dyn Stream,
    at_least: Position,
    tries_max: u32,
) -> Result<(Position, Position), TakeError> {
    let mut asked = stream.ends(at_least);
    for _ in 1..tries_max {
        if !matches!(asked, Err(TakeError::Away { .. })) {
            break;
        }
        asked = stream.ends(at_least);
    }
    asked
}

/// The last record of the files must stand at the same place in the stream.
fn compare_last(
    stream: &mut dyn Stream,
    file: &FileJournal,
    tries_max: u32,
) -> Result<(), ReplicatedOpenError> {
    let head = file.head().0;
    // Of released files the end is known, but no record is left to compare.
    if head == Position::ZERO || file.first() > head {
        return Ok(());
    }
    let before = Position(head.0 - 1);
    let mut last = Vec::new();
    file.read(before, &mut |entry| {
        last.extend_from_slice(entry.payload);
        ControlFlow::Continue(())
    })?;
    for tried in 1..=tries_max {
        let mut same = None;
        let taken = stream.take(before, head, &mut |position, bytes| {
            same = Some(position == head && envelope::decode(bytes).is_ok_and(|there| there.record == last));
            ControlFlow::Break(())
        });
        match (taken, same) {
            (_, Some(true)) => return Ok(()),
            (_, Some(false)) => return Err(ReplicatedOpenError::Differs { position: head }),
            (Err(TakeError::Away { .. }), None) if tried < tries_max => {}
            (Err(error), None) => return Err(error.into()),
            (Ok(()), None) => {}
        }
    }
    Err(TakeError::Away { reason: format!("it does not show position {head}") }.into())
}
