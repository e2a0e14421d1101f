//! The stream of a NATS JetStream cluster, as a [`Stream`](crate::Stream).
//!
//! What it does: connects, checks servers and stream before the first record
//! ([`SettingsError`]), publishes each record under its key and waits for the acknowledgement,
//! and reads records back in large batches by position, without a consumer on the server:
//! there is nothing to expire, to resume or to tidy up. The service keeps the order, the
//! nodes keep the data: a stream that is lost is made anew from a node's files.
//!
//! What it must never do: use servers that acknowledge before they flush, or a stream
//! that may drop, delete or change records by itself; take silence for a refusal; stamp
//! records (the node does, and its clock is compared with the servers').
//!
//! Beside the stream of records a [`Table`] can be kept for all nodes: the last value of each
//! name, where one can be erased, which a stream of records cannot do.
//!
//! What cannot be checked from here, and stays with whoever runs the servers: that their
//! disks do flush when asked, that they stand on different machines, and that nobody
//! changes the stream's settings later.
//!
//! Start reading at [`JetStream::connect`], then at `offer` in `stream.rs`.

mod api;
mod check;
mod connect;
mod options;
mod stream;
mod table;

pub use check::{SERVER_VERSION_MIN, SettingsError};
pub use connect::ConnectError;
pub use options::{Flush, JetStreamOptions, Login, MilliClock};
pub use stream::JetStream;
pub use table::{Changed, Created, Kept, Standing, Table, TableError};
