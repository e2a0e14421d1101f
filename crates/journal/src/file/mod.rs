//! The file backend: segments of sealed groups in one directory.
//!
//! What it does: buffers records, writes each settle as one group with one
//! write and one fdatasync, and finds out on opening what a crash left.
//! What it must never do: retry an fsync that failed, drop a group that was
//! durable, or accept bytes that do not check out. Start reading at
//! [`FileJournal`], then `scan` for the verdict on what a crash left.
//!
//! # Layout
//!
//! Numbers are little-endian; checksums are the first 16 bytes of a blake3.
//!
//! A directory holds `LOCK`, `FIRST` and segments named by their first position, 20
//! digits and `.segment`. A segment gets its name by a rename after its header
//! is durable, so a bad header is always damage.
//!
//! ```text
//! segment = header (group seal)* end? zeros
//! header  = "JARIJRNL" version:4 0:4 first position:8 chain before:32 0:8 checksum:16
//! group   = frame record*
//! seal, end = frame
//! frame   = kind:4 records:4 position:8 bytes:8 own offset:8 chain before:32 checksum:16
//! record  = bytes:4 position:8 chain after, first half:16 payload
//! ```
//!
//! A group is what one settle made durable, all or nothing. A *seal* is
//! written right after the fdatasync of its group, without one of its own; the
//! next fdatasync covers it. It says: everything before me was durable. So it
//! is on disk a moment later even if the process is killed, and at the latest
//! with the next group. An *end* is a durable seal that says that the next
//! segment exists; the segment is cut behind it. Space is filled with zeros a
//! little ahead of the groups, since an fdatasync that need not change the
//! size of the file is a third faster.
//!
//! `FIRST` is a copy of the oldest kept segment's header, replaced durably before
//! older segments are removed. A removal may be undone by a power cut long after
//! it, if the fsync of the directory failed in an earlier life and later ones did
//! not make up for it; whatever comes back is older than `FIRST` says, and is
//! removed again. Until something is released there is no `FIRST`.
//!
//! # What can be decided after a crash
//!
//! A power cut may keep any part of what was written since the last fdatasync:
//! the last group, and the seal before and after it. Hence, when something
//! does not check out:
//!
//! - in a header, or in any segment but the newest: **damage**;
//! - in the newest, and a seal, end or group further on was written only after
//!   the bad bytes had been durable: **damage**. That covers everything up to
//!   the last seal on disk, that is, all settled records after a clean stop or
//!   a killed process, and all but the last group after a power cut;
//! - otherwise the bad bytes belong to the last, unsealed group: an
//!   **interrupted write**. The group is dropped whole; it was never
//!   delivered to anyone.
//!
//! Damage stops the opening and changes nothing. Not decidable from the files
//! alone: (a) a bit that rots in the last group when a power cut also took its
//! seal, or a last group whose whole tail, seal included, reads as zeros or is
//! cut off; it looks like an interrupted write; (b) newest segments that are
//! all deleted together with the end mark before them. A caller that remembers
//! a position (a snapshot) learns of both: [`ReadError::BeyondHead`]. And a
//! payload crafted to hold a frame for the very offset it lands on can make an
//! interrupted write look like damage; that stops, and never loses, anything.
//!
//! A group that was written whole but not sealed is kept: on opening it is
//! written again, synced and sealed, because what the page cache shows after a
//! failed fsync may not be on the disk.
//!
//! [`ReadError::BeyondHead`]: crate::ReadError::BeyondHead

mod copy;
mod damage;
mod format;
mod group;
mod journal;
mod options;
mod read;
mod recover;
mod scan;
mod verify;
mod walk;

pub use copy::{CopyError, copy, copy_on};
pub use damage::{Damage, DamageKind};
pub use journal::FileJournal;
pub use options::FileOptions;
pub use recover::{OpenError, Recovery};
pub use verify::{VerifyError, VerifySummary, verify, verify_on};
