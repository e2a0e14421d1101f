//! What a backend must offer to be put through the suite.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use jari_journal::replicated::CaughtUp;
use jari_journal::{
    AppendError, Chain, Entry, FaultyDisk, FaultyStream, FileJournal, FileOptions, Journal, MemoryOptions,
    MemoryStream, Position, ReadError, Recovery, ReplicatedJournal, ReplicatedOptions, Stream,
};

pub const RECORD_BYTES_MAX: usize = 2000;

/// A place where a journal lives, which can be opened again and again.
pub trait Backend {
    fn open(&mut self) -> Box<dyn Journal>;
    /// Leaves this much room from now on; `false` if this backend has no such
    /// switch.
    fn leave_room(&mut self, bytes: Option<u64>) -> bool;
}

pub struct Memory(pub MemoryStream);

pub fn memory() -> Memory {
    let options = MemoryOptions { record_bytes_max: RECORD_BYTES_MAX, pending_bytes_max: 8000 };
    Memory(MemoryStream::new(options))
}

impl Backend for Memory {
    fn open(&mut self) -> Box<dyn Journal> {
        Box::new(self.0.open())
    }

    fn leave_room(&mut self, bytes: Option<u64>) -> bool {
        let mut used = 0;
        let count = &mut |entry: Entry<'_>| {
            used += entry.payload.len() as u64;
            ControlFlow::Continue(())
        };
        let journal = self.0.open();
        journal.read(Position(journal.first().0 - 1), count).expect("memory can be read");
        self.0.limit_room(bytes.map(|bytes| used + bytes));
        true
    }
}

/// Small sizes, so that a few records already span several segments.
pub fn small_options(dir: impl Into<PathBuf>) -> FileOptions {
    FileOptions {
        segment_bytes_max: 4000,
        record_bytes_max: RECORD_BYTES_MAX,
        group_bytes_max: 8000,
        ..FileOptions::new(dir)
    }
}

pub struct RealFiles(pub tempfile::TempDir);

pub fn real_files() -> RealFiles {
    RealFiles(tempfile::tempdir().expect("a directory for temporary files"))
}

impl Backend for RealFiles {
    fn open(&mut self) -> Box<dyn Journal> {
        let dir = self.0.path().join("a").join("journal");
        Box::new(FileJournal::open(small_options(dir)).expect("opens").0)
    }

    fn leave_room(&mut self, _bytes: Option<u64>) -> bool {
        false
    }
}

pub struct Faulty(pub FaultyDisk);

pub fn faulty() -> Faulty {
    Faulty(FaultyDisk::new(1))
}

impl Backend for Faulty {
    fn open(&mut self) -> Box<dyn Journal> {
        Box::new(open_on(&self.0, small_options("/j")).0)
    }

    fn leave_room(&mut self, bytes: Option<u64>) -> bool {
        let used = self.0.used_bytes();
        self.0.limit_room(bytes.map(|bytes| used + bytes));
        true
    }
}

/// A stream in memory and one node's files on a faulty disk.
pub struct Replicated {
    pub stream: FaultyStream,
    pub disk: FaultyDisk,
    pub lives: u64,
}

pub fn replicated() -> Replicated {
    Replicated { stream: FaultyStream::new(RECORD_BYTES_MAX + 100), disk: FaultyDisk::new(1), lives: 0 }
}

impl Replicated {
    /// Another node on the same stream.
    pub fn neighbour(&self, number: u64) -> Replicated {
        let (stream, disk) = (self.stream.clone(), FaultyDisk::new(number));
        Replicated { stream, disk, lives: number << 32 }
    }

    pub fn open_node(&mut self) -> ReplicatedJournal<FaultyStream> {
        self.lives += 1;
        let stream = self.stream.clone();
        open_node(&self.disk, stream, self.lives).expect("opens").0
    }
}

pub fn open_node<S: Stream>(
    disk: &FaultyDisk,
    stream: S,
    life: u64,
) -> Result<(ReplicatedJournal<S>, CaughtUp), jari_journal::replicated::ReplicatedOpenError> {
    let options = ReplicatedOptions { life, tries_max: 5 };
    ReplicatedJournal::open_on(Arc::new(disk.clone()), stream, small_options("/j"), options)
}

impl Backend for Replicated {
    fn open(&mut self) -> Box<dyn Journal> {
        Box::new(self.open_node())
    }

    fn leave_room(&mut self, bytes: Option<u64>) -> bool {
        self.stream.limit_room(bytes);
        true
    }
}

pub fn open_on(disk: &FaultyDisk, options: FileOptions) -> (FileJournal, Recovery) {
    FileJournal::open_on(Arc::new(disk.clone()), options).expect("opens")
}

/// A payload that says which it is and has the size asked for.
pub fn payload(number: u64, bytes: usize) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    payload.resize(bytes.max(8), number as u8);
    payload
}

/// A record as it was delivered or read, owned.
pub type Owned = (u64, Chain, Vec<u8>);

pub fn own(entry: Entry<'_>) -> Owned {
    (entry.position.0, entry.chain, entry.payload.to_vec())
}

pub fn settle(journal: &mut dyn Journal) -> Vec<Owned> {
    let mut delivered = Vec::new();
    journal.settle(&mut |entry| delivered.push(own(entry))).expect("settles");
    delivered
}

/// Appends all and settles, between them too where the journal asks for it.
pub fn append_and_settle(journal: &mut dyn Journal, payloads: &[Vec<u8>]) -> Vec<Owned> {
    let mut delivered = Vec::new();
    for payload in payloads {
        if let Err(AppendError::SettleFirst { .. }) = journal.append(payload) {
            delivered.extend(settle(journal));
            journal.append(payload).expect("is taken");
        }
    }
    delivered.extend(settle(journal));
    delivered
}

pub fn try_read(journal: &dyn Journal, after: u64) -> Result<Vec<Owned>, ReadError> {
    let mut read = Vec::new();
    journal.read(Position(after), &mut |entry| {
        read.push(own(entry));
        ControlFlow::Continue(())
    })?;
    Ok(read)
}

pub fn read(journal: &dyn Journal, after: u64) -> Vec<Owned> {
    try_read(journal, after).expect("reads")
}

pub fn payloads_of(records: &[Owned]) -> Vec<Vec<u8>> {
    records.iter().map(|(_, _, payload)| payload.clone()).collect()
}

/// What a journal holding exactly these payloads must hand out.
pub fn expected(payloads: &[Vec<u8>]) -> Vec<Owned> {
    let mut chain = Chain::ZERO;
    let number = |(index, payload): (usize, &Vec<u8>)| {
        let position = Position(index as u64 + 1);
        // Written out rather than taken from the crate: the chain is a promise.
        let bytes = [&chain.0[..], &position.0.to_le_bytes(), payload].concat();
        chain = Chain(*blake3::hash(&bytes).as_bytes());
        (position.0, chain, payload.clone())
    };
    payloads.iter().enumerate().map(number).collect()
}
