//! One segment, read from its header to its end, and the verdict on its end.
//!
//! It must never change a file, and never call anything an interrupted write
//! that something else in the file proves to have been durable.
//! Start reading at [`scan`]; the rules are in [`crate::file`].

use std::io;
use std::path::{Path, PathBuf};

use crate::contract::{Chain, Entry, Position};
use crate::disk::RawFile;
use crate::file::damage::{Damage, DamageKind};
use crate::file::format::{
    FRAME_BYTES, Frame, FrameKind, GROUP_BYTES_CEILING, HEADER_BYTES, Records, SegmentHeader,
    frame_candidates,
};

const CHUNK_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) enum WalkError {
    Damaged(Box<Damage>),
    Io { path: PathBuf, source: io::Error },
}

/// A segment file whose header was read.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub path: PathBuf,
    pub header: SegmentHeader,
}

impl Segment {
    pub(crate) fn damage(&self, offset: u64, position: Position, what: DamageKind) -> WalkError {
        let segment = self.path.clone();
        WalkError::Damaged(Box::new(Damage { segment, offset, position, what }))
    }

    pub(crate) fn io(&self, source: io::Error) -> WalkError {
        io_error(&self.path, source)
    }
}

pub(crate) fn io_error(path: &Path, source: io::Error) -> WalkError {
    WalkError::Io { path: path.to_path_buf(), source }
}

/// What is known about a segment before it is read.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Others follow it, so all of it was durable.
    Ended,
    /// The newest. Records up to `proved` are known to have been durable.
    Last { proved: Position },
}

/// What a segment holds.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub head: Position,
    pub chain: Chain,
    /// Behind the last accepted group or seal; an end mark does not count.
    pub end: u64,
    /// The seal after the last group but one that is known to be durable, as
    /// it should stand in the file. Everything before it is durable.
    pub last_seal: Option<Frame>,
    /// The last group has no seal yet.
    pub seal_pending: bool,
    pub ended: bool,
    /// Bytes of an interrupted write behind `end`.
    pub torn_bytes: u64,
    pub file_bytes: u64,
}

/// Reads all of a segment and gives every record of every whole group to
/// `visit`.
pub(crate) fn scan(
    file: &dyn RawFile,
    segment: &Segment,
    role: Role,
    visit: &mut dyn FnMut(Entry<'_>),
) -> Result<Scan, WalkError> {
    let file_bytes = file.bytes().map_err(|source| segment.io(source))?;
    let scan = Scan {
        head: Position(segment.header.first.0 - 1),
        chain: segment.header.chain,
        end: HEADER_BYTES as u64,
        last_seal: None,
        seal_pending: false,
        ended: false,
        torn_bytes: 0,
        file_bytes,
    };
    let mut scanner = Scanner { file, segment, role, scan, lost_seal: None, body: Vec::new() };
    loop {
        match scanner.step(visit)? {
            Step::More => {}
            Step::Ended => break,
            Step::Bad(bad) => {
                scanner.judge(&bad)?;
                break;
            }
        }
    }
    Ok(scanner.scan)
}

enum Step {
    More,
    Ended,
    Bad(Bad),
}

/// The first bytes that are not what should stand there.
struct Bad {
    offset: u64,
    position: Position,
    what: DamageKind,
    /// Frames from here on may prove that the bad bytes were durable.
    search_from: u64,
}

struct Scanner<'a> {
    file: &'a dyn RawFile,
    segment: &'a Segment,
    role: Role,
    scan: Scan,
    /// A bad seal that a whole group follows: harmless if that group is the
    /// last one, since both were written together; damage otherwise.
    lost_seal: Option<Bad>,
    body: Vec<u8>,
}

impl Scanner<'_> {
    fn step(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<Step, WalkError> {
        let offset = self.scan.end;
        let frame = read_frame(self.file, self.segment, offset)?;
        match frame {
            Some(frame) if self.is_mark_here(&frame) => {
                self.refuse_lost_seal()?;
                if frame.kind == FrameKind::End {
                    return self.finish(&frame);
                }
                self.scan.seal_pending = false;
                self.scan.last_seal = Some(frame);
                self.scan.end = frame.end();
                Ok(Step::More)
            }
            Some(frame) if !self.scan.seal_pending && self.is_group_here(&frame) => self.group(&frame, visit),
            _ if self.scan.seal_pending => self.without_seal(offset, visit),
            _ => Ok(Step::Bad(self.bad(offset, DamageKind::Frame, offset + 1))),
        }
    }

    fn bad(&self, offset: u64, what: DamageKind, search_from: u64) -> Bad {
        let cut_off = offset >= self.scan.file_bytes;
        let what = if cut_off { DamageKind::CutOff } else { what };
        Bad { offset, position: self.scan.head.next(), what, search_from }
    }

    fn is_mark_here(&self, frame: &Frame) -> bool {
        let in_place =
            frame.kind == FrameKind::End || (frame.kind == FrameKind::Seal && self.scan.seal_pending);
        in_place && frame.position == self.scan.head && frame.chain == self.scan.chain
    }

    fn is_group_here(&self, frame: &Frame) -> bool {
        frame.kind == FrameKind::Group
            && frame.position == self.scan.head.next()
            && frame.chain == self.scan.chain
    }

    fn finish(&mut self, end: &Frame) -> Result<Step, WalkError> {
        self.scan.ended = true;
        if self.role == Role::Ended && end.end() != self.scan.file_bytes {
            let (offset, what) = (end.end(), DamageKind::BytesAfterEnd);
            return Err(self.segment.damage(offset, self.scan.head.next(), what));
        }
        Ok(Step::Ended)
    }

    /// A group frame that fits: reads and checks the body, all or nothing.
    fn group(&mut self, group: &Frame, visit: &mut dyn FnMut(Entry<'_>)) -> Result<Step, WalkError> {
        let search_from = group.end().min(self.scan.file_bytes);
        match read_group(self.file, self.segment, group, &mut self.body)? {
            Ok((head, chain)) => {
                for record in Records::new(group, &self.body).flatten() {
                    let (position, chain, payload) = (record.position, record.chain, record.payload);
                    visit(Entry { position, chain, payload });
                }
                self.scan.head = head;
                self.scan.chain = chain;
                self.scan.seal_pending = true;
                self.scan.end = group.end();
                Ok(Step::More)
            }
            Err(GroupFault { offset, position, what }) => {
                Ok(Step::Bad(Bad { offset, position, what, search_from }))
            }
        }
    }

    /// A seal should stand at `offset` and does not. The seal and the group
    /// after it reach the disk together, so a whole group may still follow.
    fn without_seal(&mut self, offset: u64, visit: &mut dyn FnMut(Entry<'_>)) -> Result<Step, WalkError> {
        let bad = self.bad(offset, DamageKind::Frame, offset + 1);
        let seal = Frame::mark(FrameKind::Seal, offset, self.scan.head, self.scan.chain);
        let next = read_frame(self.file, self.segment, seal.end())?;
        let Some(group) = next.filter(|frame| self.is_group_here(frame)) else {
            return Ok(Step::Bad(bad));
        };
        match self.group(&group, visit)? {
            Step::More => {
                // A second group behind a bad seal: the first one was durable
                // before the second was written, and so was the seal.
                self.refuse_lost_seal()?;
                self.lost_seal = Some(bad);
                self.scan.last_seal = Some(seal);
                Ok(Step::More)
            }
            Step::Bad(group) => Ok(Step::Bad(Bad { search_from: group.search_from, ..bad })),
            Step::Ended => Ok(Step::Ended),
        }
    }

    fn refuse_lost_seal(&self) -> Result<(), WalkError> {
        match &self.lost_seal {
            Some(lost) => Err(self.segment.damage(lost.offset, lost.position, lost.what)),
            None => Ok(()),
        }
    }

    /// Decides whether the bad bytes are damage or an interrupted write.
    fn judge(&mut self, bad: &Bad) -> Result<(), WalkError> {
        let durable = match self.role {
            Role::Ended => true,
            Role::Last { proved } => self.scan.head < proved || self.proof_after(bad.search_from)?,
        };
        if durable {
            self.refuse_lost_seal()?;
            return Err(self.segment.damage(bad.offset, bad.position, bad.what));
        }
        self.scan.torn_bytes = self.bytes_until_zeros()?;
        Ok(())
    }

    /// Looks for a frame that was written only after the next expected record
    /// was durable.
    fn proof_after(&self, from: u64) -> Result<bool, WalkError> {
        let mut chunk = vec![0; CHUNK_BYTES + FRAME_BYTES];
        let mut offset = from;
        while offset < self.scan.file_bytes {
            let read = self.read(offset, &mut chunk)?;
            let proves = frame_candidates(&chunk[..read])
                .filter_map(|at| Frame::decode(&chunk[at..read], offset + at as u64))
                .any(|frame| match frame.kind {
                    FrameKind::Group => frame.position > self.scan.head.next(),
                    FrameKind::Seal | FrameKind::End => frame.position > self.scan.head,
                });
            if proves {
                return Ok(true);
            }
            offset += CHUNK_BYTES as u64;
        }
        Ok(false)
    }

    /// How many bytes stand behind the end before only zeros follow.
    fn bytes_until_zeros(&self) -> Result<u64, WalkError> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut last = 0;
        let mut offset = self.scan.end;
        while offset < self.scan.file_bytes {
            let read = self.read(offset, &mut chunk)?;
            if let Some(at) = chunk[..read].iter().rposition(|byte| *byte != 0) {
                last = offset + at as u64 + 1 - self.scan.end;
            }
            offset += CHUNK_BYTES as u64;
        }
        Ok(last)
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, WalkError> {
        self.file.read_at(offset, buffer).map_err(|source| self.segment.io(source))
    }
}

/// The frame at `offset`; `None` if something else or nothing stands there.
pub(crate) fn read_frame(
    file: &dyn RawFile,
    segment: &Segment,
    offset: u64,
) -> Result<Option<Frame>, WalkError> {
    let mut bytes = [0; FRAME_BYTES];
    let read = file.read_at(offset, &mut bytes).map_err(|source| segment.io(source))?;
    Ok(Frame::decode(&bytes[..read], offset))
}

/// Why a group whose frame is good cannot be used.
pub(crate) struct GroupFault {
    pub offset: u64,
    pub position: Position,
    pub what: DamageKind,
}

/// Reads the body of `group` and checks every record; gives head and chain
/// after it.
pub(crate) fn read_group(
    file: &dyn RawFile,
    segment: &Segment,
    group: &Frame,
    body: &mut Vec<u8>,
) -> Result<Result<(Position, Chain), GroupFault>, WalkError> {
    let fault = |offset, position, what| Ok(Err(GroupFault { offset, position, what }));
    let body_offset = group.offset + FRAME_BYTES as u64;
    let sane = group.records > 0 && (1..=GROUP_BYTES_CEILING).contains(&group.bytes);
    let Some(bytes) = usize::try_from(group.bytes).ok().filter(|_| sane) else {
        return fault(group.offset, group.position, DamageKind::Frame);
    };
    let file_bytes = file.bytes().map_err(|source| segment.io(source))?;
    if group.end() > file_bytes {
        return fault(file_bytes, group.position, DamageKind::CutOff);
    }
    body.resize(bytes, 0);
    let read = file.read_at(body_offset, body).map_err(|source| segment.io(source))?;
    if read < bytes {
        return fault(body_offset + read as u64, group.position, DamageKind::CutOff);
    }
    let (mut position, mut chain, mut records) = (group.position, group.chain, 0);
    for record in Records::new(group, body) {
        match record {
            Ok(record) => (position, chain) = (record.position, record.chain),
            Err(bad) => {
                let offset = body_offset + bad.body_offset as u64;
                return fault(offset, bad.position, DamageKind::Record);
            }
        }
        records += 1;
    }
    if records != group.records {
        return fault(group.end(), position.next(), DamageKind::Record);
    }
    Ok(Ok((position, chain)))
}
