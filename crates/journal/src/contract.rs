//! The contract every backend keeps: positions, the hash chain, the trait and
//! its errors.
//!
//! It must never promise what a stream shared by several writers cannot keep.
//! In particular nobody learns the position of a record by handing it over;
//! order is learnt only from what [`Journal::settle`] delivers.
//! Start reading at [`Journal`].

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::file::Damage;

/// 1-based position of a record; 0 means "before the first".
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub struct Position(pub u64);

impl Position {
    /// Before the first record.
    pub const ZERO: Position = Position(0);

    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Position {
        // 2^64 records at a million a second last half a million years.
        Position(self.0 + 1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Hash over a record and everything before it: blake3 of the previous chain,
/// the position (8 bytes, little-endian) and the payload. Two journals with
/// the same chain at the same position hold the same history.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// The chain at [`Position::ZERO`].
    pub const ZERO: Chain = Chain([0; 32]);

    /// The chain after `payload` was put at `position`; `self` is the chain
    /// before it.
    #[must_use]
    pub fn after(&self, position: Position, payload: &[u8]) -> Chain {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        hasher.update(&position.0.to_le_bytes());
        hasher.update(payload);
        Chain(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Chain({self})")
    }
}

/// One record as the journal hands it back.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// Where it stands in the order.
    pub position: Position,
    /// The chain after it.
    pub chain: Chain,
    /// The bytes that were handed over.
    pub payload: &'a [u8],
}

/// Told, from any thread, that there are records up to a position. It must return at once.
pub type Told = Arc<dyn Fn(Position) + Send + Sync>;

/// One writer's handle on an ordered, durable log.
///
/// The loop of a writer is: `append` some records, `settle`, act on what was
/// delivered. With several writers on one stream a record handed over here may
/// be ordered after records of others; every writer is delivered the same
/// records at the same positions. A backend never reorders the records of one
/// writer among themselves.
pub trait Journal: Send {
    /// Hands one record over. It is buffered: neither durable nor ordered yet.
    fn append(&mut self, payload: &[u8]) -> Result<(), AppendError>;

    /// Makes everything handed over durable, then delivers to `visit`, in
    /// order, every record that became final since the last call: own ones and
    /// those of other writers. With nothing handed over it does not wait; it
    /// delivers what others have made final meanwhile.
    ///
    /// On [`SettleError::Full`] nothing handed over since the last successful
    /// settle is kept or will ever be delivered, and the journal stays usable.
    /// On [`SettleError::Broken`] it is unknown whether the records handed
    /// over are kept: opening the journal again shows either all of them or
    /// none, and they must not be acknowledged before that.
    fn settle(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), SettleError>;

    /// Reads records with a position greater than `after`, in order, up to
    /// [`Journal::head`] or until `visit` breaks. Every record is checked
    /// against the chain before it is handed out.
    fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;

    /// The last durable record this handle knows of and the chain after it:
    /// after opening, the end of the journal; later, the last one delivered.
    fn head(&self) -> (Position, Chain);

    /// The oldest record still kept; the position after the head if there is
    /// none. Never 0.
    fn first(&self) -> Position;

    /// Allows records up to and including `upto` to be removed. A backend
    /// removes whole segments, or nothing, as configured.
    fn release(&mut self, upto: Position) -> Result<(), ReleaseError>;

    /// Largest payload `append` takes, in bytes.
    fn record_bytes_max(&self) -> usize;

    /// Asks to be told when there are records that others may have written: then `settle`
    /// delivers them. May be told of own records, of the same ones again, or of none at all;
    /// never of what is not there. Gives whether there are other writers; a backend of one
    /// writer never tells.
    fn watch(&mut self, told: Told) -> bool {
        drop(told);
        false
    }

    /// Room left, in bytes, if the backend can tell. A hint: it may be gone
    /// by the next settle.
    fn room_bytes(&self) -> Option<u64> {
        None
    }
}

/// Why a record was not taken. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A bug of the caller: it must split or refuse such records itself.
    #[error("record of {bytes} bytes is larger than the {bytes_max} this journal takes")]
    RecordTooLarge {
        /// Size of the refused payload.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The buffer is full: settle, then append again.
    #[error("{bytes} bytes wait to be settled; settle before appending more")]
    SettleFirst {
        /// Bytes handed over and not settled.
        bytes: usize,
    },
    /// No room for the record now; records handed over before stay.
    #[error("no room for another record")]
    Full,
    /// Stop: see [`SettleError::Broken`].
    #[error("the journal is broken: {reason}")]
    Broken {
        /// What broke it.
        reason: String,
    },
}

/// Why a settle failed.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// Everything since the last settle is rolled back; try later.
    #[error("no room: the records handed over since the last settle are rolled back")]
    Full,
    /// Stop the process and open the journal again. Never settle again: after
    /// a failed fsync the system may report success for data it has dropped.
    #[error("the journal is broken: {reason}")]
    Broken {
        /// What broke it.
        reason: String,
    },
}

/// Why a read stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The records asked for were released; start from a newer snapshot.
    #[error("records after {after} were asked for, but the oldest kept is {first}")]
    Released {
        /// What was asked for.
        after: Position,
        /// [`Journal::first`].
        first: Position,
    },
    /// The caller knows of records this journal does not have: its tail was
    /// lost, or this is another journal. Stop and compare with a copy.
    #[error("records after {after} were asked for, but the journal ends at {head}")]
    BeyondHead {
        /// What was asked for.
        after: Position,
        /// Where the journal ends.
        head: Position,
    },
    /// Stop: durable records are damaged.
    #[error(transparent)]
    Damaged(#[from] Box<Damage>),
    /// The backend could not be read.
    #[error("the journal cannot be read: {reason}")]
    Unreadable {
        /// What the backend said.
        reason: String,
    },
}

/// Why old records could not be removed. Nothing else changes.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Harmless: the records are still there; try again with the next release.
    #[error("old records cannot be removed: {reason}")]
    Kept {
        /// What the backend said.
        reason: String,
    },
    /// Stop: see [`SettleError::Broken`].
    #[error("the journal is broken: {reason}")]
    Broken {
        /// What broke it.
        reason: String,
    },
}
