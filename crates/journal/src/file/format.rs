//! Bytes of a segment: the header, frames and records, encoded and decoded.
//!
//! It must never read or write a file. The layout is described in
//! [`crate::file`]; changing a byte of it needs a new [`FORMAT_VERSION`].

use crate::contract::{Chain, Position};

pub(crate) const FORMAT_VERSION: u32 = 1;
pub(crate) const HEADER_BYTES: usize = 80;
pub(crate) const FRAME_BYTES: usize = 80;
pub(crate) const RECORD_HEADER_BYTES: usize = 28;
/// No group is ever larger, whatever the options say; a reader that finds a
/// larger one has found damage.
pub(crate) const GROUP_BYTES_CEILING: u64 = 256 << 20;
/// Bytes of the chain kept beside a record.
const RECORD_CHAIN_BYTES: usize = 16;
const SEGMENT_MAGIC: &[u8; 8] = b"JARIJRNL";
const CHECKSUM_BYTES: usize = 16;

pub(crate) const SEGMENT_SUFFIX: &str = ".segment";
/// The file that says where the journal begins once segments were released.
pub(crate) const FIRST_NAME: &str = "FIRST";

/// Name of the segment that starts at `first`.
pub(crate) fn segment_name(first: Position) -> String {
    format!("{:020}{SEGMENT_SUFFIX}", first.0)
}

/// The first position a segment's name tells; `None` for foreign files.
pub(crate) fn parse_segment_name(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    let all_digits = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok().map(Position)).flatten()
}

/// What stands at the start of a segment.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct SegmentHeader {
    pub first: Position,
    /// Chain before `first`.
    pub chain: Chain,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum HeaderFault {
    /// Too short, wrong magic or wrong checksum.
    Bad,
    /// Well formed, but written by a newer version of this crate.
    UnknownVersion(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        // Bytes 12..16 are reserved and zero.
        bytes[16..24].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.chain.0);
        // Bytes 56..64 are reserved and zero.
        seal_checksum(&mut bytes);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<SegmentHeader, HeaderFault> {
        if bytes.len() < HEADER_BYTES || !bytes.starts_with(SEGMENT_MAGIC) || !checksum_holds(bytes) {
            return Err(HeaderFault::Bad);
        }
        match u32_at(bytes, 8) {
            FORMAT_VERSION => {
                Ok(SegmentHeader { first: Position(u64_at(bytes, 16)), chain: chain_at(bytes, 24) })
            }
            version => Err(HeaderFault::UnknownVersion(version)),
        }
    }
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum FrameKind {
    /// A group of records follows.
    Group,
    /// Everything before this frame was durable when it was written.
    Seal,
    /// As a seal; besides, the journal goes on in the next segment.
    End,
}

impl FrameKind {
    const ALL: [FrameKind; 3] = [FrameKind::Group, FrameKind::Seal, FrameKind::End];

    fn magic(self) -> &'static [u8; 4] {
        match self {
            FrameKind::Group => b"jGRP",
            FrameKind::Seal => b"jSEA",
            FrameKind::End => b"jEND",
        }
    }
}

/// A frame: 80 bytes with their own checksum.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    pub kind: FrameKind,
    /// Group: how many records. Otherwise 0.
    pub records: u32,
    /// Group: of its first record. Otherwise: the last record before it.
    pub position: Position,
    /// Group: bytes that follow the frame. Otherwise 0.
    pub bytes: u64,
    /// Where in the file the frame stands.
    pub offset: u64,
    /// The chain after all records before the frame.
    pub chain: Chain,
}

impl Frame {
    pub(crate) fn mark(kind: FrameKind, offset: u64, position: Position, chain: Chain) -> Frame {
        Frame { kind, records: 0, position, bytes: 0, offset, chain }
    }

    pub(crate) fn encode(&self) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        bytes[..4].copy_from_slice(self.kind.magic());
        bytes[4..8].copy_from_slice(&self.records.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.position.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.offset.to_le_bytes());
        bytes[32..64].copy_from_slice(&self.chain.0);
        seal_checksum(&mut bytes);
        bytes
    }

    /// The frame that stands at `offset`, if these bytes are one.
    pub(crate) fn decode(bytes: &[u8], offset: u64) -> Option<Frame> {
        let bytes = bytes.get(..FRAME_BYTES)?;
        let kind = FrameKind::ALL.into_iter().find(|kind| bytes.starts_with(kind.magic()))?;
        if u64_at(bytes, 24) != offset || !checksum_holds(bytes) {
            return None;
        }
        let frame = Frame {
            kind,
            records: u32_at(bytes, 4),
            position: Position(u64_at(bytes, 8)),
            bytes: u64_at(bytes, 16),
            offset,
            chain: chain_at(bytes, 32),
        };
        // A mark with a body would say that the journal goes on far behind the end of its file.
        let is_mark = frame == Frame::mark(kind, offset, frame.position, frame.chain);
        (kind == FrameKind::Group || is_mark).then_some(frame)
    }

    /// First offset behind the frame and what belongs to it.
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(FRAME_BYTES as u64).saturating_add(self.bytes)
    }
}

/// Appends one record to the body of a group.
pub(crate) fn push_record(body: &mut Vec<u8>, position: Position, chain: Chain, payload: &[u8]) {
    let bytes = u32::try_from(payload.len()).expect("options keep records below 4 GiB");
    body.extend_from_slice(&bytes.to_le_bytes());
    body.extend_from_slice(&position.0.to_le_bytes());
    body.extend_from_slice(&chain.0[..RECORD_CHAIN_BYTES]);
    body.extend_from_slice(payload);
}

/// A record of a group whose bytes check out.
#[derive(Copy, Clone)]
pub(crate) struct Record<'a> {
    pub position: Position,
    pub chain: Chain,
    pub payload: &'a [u8],
}

/// Walks the records of a group's body, checking each against the chain.
pub(crate) struct Records<'a> {
    body: &'a [u8],
    next: usize,
    position: Position,
    chain: Chain,
}

/// Where in the body the first bad record starts, and which it should be.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct BadRecord {
    pub body_offset: usize,
    pub position: Position,
}

impl<'a> Records<'a> {
    /// `body` belongs to `group`, whose frame was checked.
    pub(crate) fn new(group: &Frame, body: &'a [u8]) -> Self {
        Records { body, next: 0, position: group.position, chain: group.chain }
    }

    fn record(&self) -> Option<Record<'a>> {
        let rest = self.body.get(self.next..)?;
        let (header, rest) = rest.split_at_checked(RECORD_HEADER_BYTES)?;
        let payload = rest.get(..usize::try_from(u32_at(header, 0)).ok()?)?;
        if u64_at(header, 4) != self.position.0 {
            return None;
        }
        let chain = self.chain.after(self.position, payload);
        let stored = &header[12..RECORD_HEADER_BYTES];
        (chain.0.starts_with(stored)).then_some(Record { position: self.position, chain, payload })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BadRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.body.len() {
            return None;
        }
        let Some(record) = self.record() else {
            let bad = BadRecord { body_offset: self.next, position: self.position };
            self.next = self.body.len();
            return Some(Err(bad));
        };
        self.next += RECORD_HEADER_BYTES + record.payload.len();
        self.position = record.position.next();
        self.chain = record.chain;
        Some(Ok(record))
    }
}

/// Offsets in `bytes` at which a frame could start.
pub(crate) fn frame_candidates(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let is_magic = |window: &[u8]| FrameKind::ALL.iter().any(|kind| window == kind.magic());
    bytes.windows(4).enumerate().filter(move |(_, window)| is_magic(window)).map(|(at, _)| at)
}

fn seal_checksum(bytes: &mut [u8]) {
    let at = bytes.len() - CHECKSUM_BYTES;
    let hash = blake3::hash(&bytes[..at]);
    bytes[at..].copy_from_slice(&hash.as_bytes()[..CHECKSUM_BYTES]);
}

fn checksum_holds(bytes: &[u8]) -> bool {
    let (content, checksum) = bytes[..FRAME_BYTES].split_at(FRAME_BYTES - CHECKSUM_BYTES);
    blake3::hash(content).as_bytes().starts_with(checksum)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn chain_at(bytes: &[u8], at: usize) -> Chain {
    let mut chain = [0; 32];
    chain.copy_from_slice(&bytes[at..at + 32]);
    Chain(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_claims_a_body_is_no_frame_whatever_its_checksum() {
        for kind in FrameKind::ALL {
            let mark = Frame::mark(kind, 160, Position(3), Chain::ZERO);
            assert_eq!(Frame::decode(&mark.encode(), 160), Some(mark));
            for frame in [Frame { bytes: u64::MAX, ..mark }, Frame { records: 1, ..mark }] {
                let expected = (kind == FrameKind::Group).then_some(frame);
                assert_eq!(Frame::decode(&frame.encode(), 160), expected, "{frame:?}");
            }
        }
    }
}
