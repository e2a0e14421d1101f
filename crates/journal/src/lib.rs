//! An ordered, durable log of opaque byte records behind one trait.
//!
//! What it does: a [`Journal`] takes records, makes them durable, settles
//! their order and hands them back in that order, each with its position and
//! a hash chain over everything before it. Backends: [`MemoryJournal`] (tests,
//! and the model of several writers on one stream), [`FileJournal`], and
//! [`ReplicatedJournal`]: a [`Stream`] that a service keeps for several nodes, with each
//! node's own files; [`JetStream`](jetstream::JetStream) is such a stream.
//!
//! What it must never do: look inside a record, read a clock, use randomness,
//! retry an fsync that failed, drop a record that was once delivered, or guess
//! whether bytes are damaged. Where damage and an interrupted write cannot be
//! told apart, [`mod@file`] says so exactly.
//!
//! All raw file work of the project lives here, behind [`Disk`]: [`StdDisk`]
//! for the operating system and [`FaultyDisk`], an in-memory disk that fails
//! on purpose, so that a simulation drives the very same file journal.
//!
//! Start reading at [`Journal`], then at [`mod@file`] for the layout on disk.

mod contract;
pub mod disk;
pub mod file;
pub mod jetstream;
mod memory;
mod replace;
pub mod replicated;

pub use contract::{
    AppendError, Chain, Entry, Journal, Position, ReadError, ReleaseError, SettleError, Told,
};
pub use disk::faulty::{CrashFate, FaultyDisk};
pub use disk::{Disk, DiskLock, OpenMode, RawFile, StdDisk};
pub use file::{
    CopyError, Damage, FileJournal, FileOptions, OpenError, Recovery, VerifyError, VerifySummary, copy,
    copy_on, verify, verify_on,
};
pub use memory::{MemoryJournal, MemoryOptions, MemoryStream};
pub use replace::{read_file, replace_file};
pub use replicated::{FaultyStream, OfferError, ReplicatedJournal, ReplicatedOptions, Stream, TakeError};
