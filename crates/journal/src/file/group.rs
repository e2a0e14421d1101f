//! The group that is being collected between two settles.
//!
//! Its bytes are laid out as they will stand in the file, so that a settle is
//! one write: room for the seal of the group before, the frame, the records.
//! It must never touch a file.

use crate::contract::{Chain, Entry, Position};
use crate::file::format::{FRAME_BYTES, Frame, FrameKind, RECORD_HEADER_BYTES, push_record};

const BODY_AT: usize = 2 * FRAME_BYTES;

pub(crate) struct Group {
    bytes: Vec<u8>,
    /// Chain after each record, and where its payload lies in `bytes`.
    records: Vec<(Chain, std::ops::Range<usize>)>,
    /// What the group follows.
    before: (Position, Chain),
}

impl Group {
    pub(crate) fn new(before: (Position, Chain)) -> Self {
        Group { bytes: vec![0; BODY_AT], records: Vec::new(), before }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of all records with their headers.
    pub(crate) fn body_bytes(&self) -> usize {
        self.bytes.len() - BODY_AT
    }

    /// Bytes that one more record would add.
    pub(crate) fn cost(payload: &[u8]) -> usize {
        RECORD_HEADER_BYTES + payload.len()
    }

    /// Head and chain once the group is durable.
    pub(crate) fn after(&self) -> (Position, Chain) {
        let position = Position(self.before.0.0 + self.records.len() as u64);
        (position, self.records.last().map_or(self.before.1, |(chain, _)| *chain))
    }

    pub(crate) fn push(&mut self, payload: &[u8]) {
        let (head, chain) = self.after();
        let position = head.next();
        let chain = chain.after(position, payload);
        push_record(&mut self.bytes, position, chain, payload);
        let end = self.bytes.len();
        self.records.push((chain, end - payload.len()..end));
    }

    /// The bytes to write at `offset`, with or without a seal in front.
    pub(crate) fn encode(&mut self, offset: u64, with_seal: bool) -> &[u8] {
        let (position, chain) = self.before;
        let seal = Frame::mark(FrameKind::Seal, offset, position, chain);
        let frame = Frame {
            kind: FrameKind::Group,
            records: u32::try_from(self.records.len()).expect("a group has at most 256 MiB"),
            position: position.next(),
            bytes: self.body_bytes() as u64,
            offset: if with_seal { seal.end() } else { offset },
            chain,
        };
        self.bytes[..FRAME_BYTES].copy_from_slice(&seal.encode());
        self.bytes[FRAME_BYTES..BODY_AT].copy_from_slice(&frame.encode());
        if with_seal { &self.bytes } else { &self.bytes[FRAME_BYTES..] }
    }

    pub(crate) fn deliver(&self, visit: &mut dyn FnMut(Entry<'_>)) {
        for (index, (chain, range)) in self.records.iter().enumerate() {
            let position = Position(self.before.0.0 + 1 + index as u64);
            visit(Entry { position, chain: *chain, payload: &self.bytes[range.clone()] });
        }
    }

    /// Empties the group, keeping its memory.
    pub(crate) fn restart(&mut self, before: (Position, Chain)) {
        self.bytes.truncate(BODY_AT);
        self.records.clear();
        self.before = before;
    }
}
