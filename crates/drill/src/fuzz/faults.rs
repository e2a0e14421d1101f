//! The faults that can be injected, and how often each really happened.
//!
//! A fault is counted where its effect shows, not where it was planned: a run that planned a
//! full disk and never met one has not tested it. Start reading at [`Fault`].

use std::fmt;

/// Makes the enum with a word for each fault.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $words:literal,)*) => {
        /// See the module's documentation.
        #[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &[Fault] = &[$(Fault::$name),*];

            /// The fault in words.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Fault::$name => $words,)* }
            }
        }
    };
}

faults! {
    /// The process is killed between two turns.
    Killed = "process killed between turns",
    /// The power goes between two turns.
    PowerCut = "power cut between turns",
    /// The power goes during a write or flush of a turn.
    PowerCutInTurn = "power cut within a turn",
    /// A flush reports an error.
    FlushFailed = "flush failed",
    /// A write reports an error.
    WriteFailed = "write failed",
    /// The node ends after the flush and before the answers.
    CrashBeforeAnswers = "crash between flush and answers",
    /// The power goes while a snapshot is written.
    PowerCutInSnapshot = "power cut within a snapshot",
    /// The power goes while a node starts.
    PowerCutInStart = "power cut within a start",
    /// A node waits for its disk or its stream before it can start.
    StartDelayed = "start put off: disk full or stream away",
    /// A group that was not flushed is found torn and dropped.
    TornWriteDropped = "torn write found and dropped",
    /// A group whose flush was not reported is found whole and kept.
    UnreportedWriteKept = "unreported write found whole and kept",
    /// A flipped bit in the journal stopped the start.
    JournalBitNoticed = "flipped bit in the journal noticed",
    /// A flipped bit where nothing of use stands.
    JournalBitHarmless = "flipped bit in the journal without effect",
    /// A flipped bit in a snapshot: the one before it is used.
    SnapshotBitNoticed = "flipped bit in a snapshot noticed",
    /// A node is rebuilt from an intact copy or from the stream.
    Rebuilt = "node rebuilt",
    /// The disk has no room.
    DiskFull = "disk full",
    /// The disk takes seconds.
    DiskSlow = "disk slow",
    /// A node's clock is wrong by seconds.
    ClockSkewed = "clock skewed",
    /// A node's clock jumps back.
    ClockBack = "clock jumped back",
    /// A request never arrives.
    RequestLost = "request lost",
    /// An answer never arrives.
    AnswerLost = "answer lost",
    /// A request arrives twice.
    RequestRepeated = "request repeated",
    /// A message arrives after later ones.
    MessageDelayed = "message delayed",
    /// A node starts from an older snapshot than it has.
    OldSnapshot = "start from an old snapshot",
    /// A node starts from a snapshot.
    FromSnapshot = "start from a snapshot",
    /// Hours pass in which nothing is asked.
    QuietHours = "hours without requests",
    /// Somebody repeats a request at another node.
    OtherNode = "same request sent to another node",
    /// The acknowledgement of a record is lost, though it is stored.
    AckLost = "stream's acknowledgement lost",
    /// A record is stored after the offer gave up, and with it the life of its node.
    StoredLate = "record stored after the offer and its node gave up",
    /// A node cannot reach the stream.
    Partitioned = "node cut off from the stream",
    /// The stream has no room.
    StreamFull = "stream full",
    /// The stream lost records that it had acknowledged, and it was noticed.
    TailLostNoticed = "stream's loss of acknowledged records noticed",
    /// The power goes between the stream's acknowledgement and the node's own flush.
    PowerCutAfterAck = "power cut between acknowledgement and own flush",
    /// A record of a newer format stops the node that meets it.
    NewerRecordNoticed = "record of a newer build noticed",
    /// A node of an older build meets an upgrade of the rules and stops.
    OldBuildStopped = "old build stopped at an upgrade of the rules",
    /// A newer build takes the place of an older one.
    BuildInstalled = "newer build installed",
}

/// How often each fault happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counts(Vec<u64>);

impl Default for Counts {
    fn default() -> Self {
        Counts(vec![0; Fault::ALL.len()])
    }
}

impl Counts {
    /// It happened.
    pub fn happened(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How often it happened.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Counts) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, count)| *sum += count);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fault::ALL
            .iter()
            .try_for_each(|fault| writeln!(formatter, "{:>10}  {}", self.of(*fault), fault.words()))
    }
}
