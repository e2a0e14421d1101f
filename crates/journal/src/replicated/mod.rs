//! A journal of several nodes: a stream that a service keeps decides the order, and each
//! node keeps all of it in files of its own.
//!
//! What it does: [`ReplicatedJournal`] offers each record to a [`Stream`], takes from it
//! everything up to and including that record, flushes that into the node's own
//! [`FileJournal`](crate::FileJournal), and delivers it only then. So whoever is answered
//! is answered for a record that the service has acknowledged and this node has on its
//! own disk. The service is trusted for the order, and checked: positions of stream and
//! file are equal and gapless, and each record says where its writer stood and by which
//! history, so that two nodes with different histories notice at the next record.
//!
//! What it must never do: deliver a record that is not in the node's own files; report a
//! record as not kept when the stream may have it; mend a difference between stream and
//! files by itself; read a clock or draw random numbers.
//!
//! Start reading at [`Stream`], then at `settle` in `journal.rs`.

mod envelope;
mod faulty;
mod follow;
mod journal;
mod open;
mod rebuild;
mod stream;

pub use faulty::{AckFate, FaultyStream};
pub use journal::{ReplicatedJournal, ReplicatedOptions};
pub use open::{CaughtUp, ReplicatedOpenError};
pub use rebuild::{RebuildError, rebuild_files, rebuild_stream};
pub use stream::{OfferError, Stream, TakeError};
