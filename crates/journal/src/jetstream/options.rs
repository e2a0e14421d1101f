//! What can be chosen about the stream of a JetStream cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::contract::Position;

/// Milliseconds since 1970, by the node's clock.
pub type MilliClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How to log in to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    Nobody,
    /// With a credentials file (JWT and key).
    Credentials(PathBuf),
    /// With a name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

/// How it is made sure that the servers flush before they acknowledge. Only the system
/// account of the servers shows that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Ask every server of the stream, at each start, by this login of the system account.
    Checked(Login),
    /// Whoever runs the servers has set `sync_interval: always` and answers for it.
    Trusted,
}

/// See [`JetStream::connect`](crate::jetstream::JetStream::connect).
#[derive(Clone)]
pub struct JetStreamOptions {
    /// Addresses, like `nats://10.0.0.1:4222` or `tls://nats1.example.org:4222`.
    pub servers: Vec<String>,
    /// The login of the account that holds the stream.
    pub login: Login,
    /// See [`Flush`].
    pub flush: Flush,
    /// Certificates of the authority that signed the servers'; TLS is required then.
    pub tls_authority: Option<PathBuf>,
    /// The stream's name.
    pub stream: String,
    /// The one subject that the stream keeps.
    pub subject: String,
    /// How many servers keep it.
    pub replicas: u32,
    /// Room of the stream in bytes; when it is used up, records are refused. Negative:
    /// as much as the servers have.
    pub stream_bytes_max: i64,
    /// How long the servers remember keys. It must be longer than all tries of one offer.
    pub keys_remembered: Duration,
    /// Make the stream if it does not exist, beginning at this position. A node whose
    /// files hold records must not: for it, a missing stream is a lost one.
    pub create_at: Option<Position>,
    /// How long one try may wait for an answer. A try that fails at once lasts a tenth.
    pub patience: Duration,
    /// How long one offer of a record, or one question for records, may wait. Less than `patience`:
    /// asked again, whether of this server or of another one, it costs nothing but the message.
    pub try_patience: Duration,
    /// The node's clock, compared with the servers'.
    pub clock: MilliClock,
    /// A clock that is further off than this is reported, in milliseconds.
    pub clock_off_ms_warn: u64,
    /// A clock that is further off than this stops the node, in milliseconds: its stamps
    /// would drag every node's time along.
    pub clock_off_ms_max: u64,
}

impl JetStreamOptions {
    /// Where the servers tell of each record that is stored, without its bytes: whoever listens
    /// there fetches it. Not the records' own subject, which shows them before they are stored.
    #[must_use]
    pub fn stored_subject(&self) -> String {
        format!("{}.stored", self.stream)
    }

    /// Usual settings: three replicas, no limit of room, keys remembered for a quarter of
    /// an hour, five seconds of patience and two for a try, clocks reported beyond one second and refused
    /// beyond ten; flushing checked by the same login.
    #[must_use]
    pub fn new(servers: Vec<String>, stream: &str, clock: MilliClock) -> Self {
        JetStreamOptions {
            servers,
            login: Login::Nobody,
            flush: Flush::Checked(Login::Nobody),
            tls_authority: None,
            stream: stream.into(),
            subject: format!("{stream}.records"),
            replicas: 3,
            stream_bytes_max: -1,
            keys_remembered: Duration::from_secs(15 * 60),
            create_at: None,
            patience: Duration::from_secs(5),
            try_patience: Duration::from_secs(2),
            clock,
            clock_off_ms_warn: 1_000,
            clock_off_ms_max: 10_000,
        }
    }
}
