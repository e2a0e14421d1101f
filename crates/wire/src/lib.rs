//! Bytes that outlive a process: records of the journal, snapshots of the state, and
//! the signed strings that people carry (tickets, passes, sessions).
//!
//! Everything is little-endian and has exactly one encoding: what decodes, encodes to
//! the same bytes again. Each format begins with its version, and each version has
//! golden bytes under `tests/golden` that stay readable forever.
//!
//! This crate must never read a clock, draw a random number or open a file; it must
//! never panic on bytes from outside, and never allocate more than they justify.
//!
//! Start reading at [`record`], then [`token`] and [`keys`], then [`snapshot`].

mod codec;
pub mod keys;
pub mod record;
mod shapes;
pub mod snapshot;
pub mod token;

pub use codec::{BYTES_MAX, Fault, LIST_MAX};
pub use keys::KeyRing;
pub use record::{Record, RecordHead, RecordWriter};
