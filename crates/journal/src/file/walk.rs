//! All segments of a directory: which there are, whether they follow one
//! another, and what each holds.
//!
//! It must never change anything; opening and verifying share it.

use std::io;
use std::path::{Path, PathBuf};

use crate::contract::{Chain, Entry, Position};
use crate::disk::{Disk, OpenMode, RawFile};
use crate::file::damage::{Damage, DamageKind};
use crate::file::format::{
    FIRST_NAME, FRAME_BYTES, FrameKind, HEADER_BYTES, HeaderFault, SegmentHeader, parse_segment_name,
    segment_name,
};
use crate::file::scan::{Role, Scan, Segment, WalkError, io_error, read_frame, scan};
use crate::replace::read_file;

/// How much of the older segments is read. The newest is always read whole.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Depth {
    /// Their headers and end marks.
    Ends,
    /// Every byte.
    Everything,
}

/// What a directory holds.
pub(crate) struct Walk {
    /// Released, and not removed yet or back after a power cut. They need not follow one another.
    pub released: Vec<PathBuf>,
    /// Oldest first; at least one.
    pub segments: Vec<Segment>,
    /// A crash came between making a new segment and using it.
    pub half_made: Option<Segment>,
    /// The last of `segments`.
    pub last: Scan,
}

/// Walks a directory; `None` if it has no segments.
pub(crate) fn walk(
    disk: &dyn Disk,
    directory: &Path,
    depth: Depth,
    visit: &mut dyn FnMut(Entry<'_>),
) -> Result<Option<Walk>, WalkError> {
    let names = disk.list(directory).map_err(|source| io_error(directory, source))?;
    let begin = read_first(disk, directory)?;
    let mut released = Vec::new();
    let mut segments = Vec::new();
    for first in names.iter().filter_map(|name| parse_segment_name(name)) {
        if begin.is_some_and(|begin| first < begin.first) {
            released.push(directory.join(segment_name(first)));
        } else {
            segments.push(read_header(disk, directory, first)?);
        }
    }
    let half_made = split_half_made(disk, &mut segments)?;
    let Some((newest, older)) = segments.split_last() else {
        return begin.map_or(Ok(None), |begin| Err(missing(directory, begin.first)));
    };
    let mut before = begin.map(|begin| (Position(begin.first.0 - 1), begin.chain));
    for segment in older {
        check_follows(directory, before, segment)?;
        before = Some(ended(disk, segment, depth, visit)?);
    }
    check_follows(directory, before, newest)?;
    let proved = half_made.as_ref().map_or(Position::ZERO, |next| Position(next.header.first.0 - 1));
    let file = open(disk, newest)?;
    let last = scan(&*file, newest, Role::Last { proved }, visit)?;
    match &half_made {
        Some(next) => check_follows(directory, Some((last.head, last.chain)), next)?,
        None if last.ended => return Err(missing(directory, last.head.next())),
        None => {}
    }
    Ok(Some(Walk { released, segments, half_made, last }))
}

/// What the file [`FIRST_NAME`] says; `None` where nothing was ever released.
fn read_first(disk: &dyn Disk, directory: &Path) -> Result<Option<SegmentHeader>, WalkError> {
    let path = directory.join(FIRST_NAME);
    let bytes = match read_file(disk, &path, HEADER_BYTES as u64) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error(&path, source)),
    };
    SegmentHeader::decode(&bytes).map(Some).map_err(|fault| {
        let what = match fault {
            HeaderFault::UnknownVersion(version) => DamageKind::UnknownVersion(version),
            HeaderFault::Bad => DamageKind::First,
        };
        let (segment, position) = (path, Position(1));
        WalkError::Damaged(Box::new(Damage { segment, offset: 0, position, what }))
    })
}

fn open(disk: &dyn Disk, segment: &Segment) -> Result<Box<dyn RawFile>, WalkError> {
    disk.open(&segment.path, OpenMode::Read).map_err(|source| segment.io(source))
}

fn read_header(disk: &dyn Disk, directory: &Path, first: Position) -> Result<Segment, WalkError> {
    let path = directory.join(segment_name(first));
    // The chain is filled in below; errors need the path already.
    let mut segment = Segment { path, header: SegmentHeader { first, chain: Chain::ZERO } };
    let file = open(disk, &segment)?;
    let mut bytes = [0; HEADER_BYTES];
    let read = file.read_at(0, &mut bytes).map_err(|source| segment.io(source))?;
    let fault = match SegmentHeader::decode(&bytes[..read]) {
        Ok(header) if header.first != first => DamageKind::WrongName(header.first),
        Ok(_) if first == Position::ZERO => DamageKind::SegmentHeader,
        Ok(header) => {
            segment.header = header;
            return Ok(segment);
        }
        Err(HeaderFault::UnknownVersion(version)) => DamageKind::UnknownVersion(version),
        // Segments get their name only once their header is durable, so this
        // is never an interrupted write.
        Err(HeaderFault::Bad) => DamageKind::SegmentHeader,
    };
    Err(segment.damage(0, first, fault))
}

/// A newest segment of nothing but a header was made, but the one before may
/// lack its end mark; it is set aside and its header used as proof.
fn split_half_made(disk: &dyn Disk, segments: &mut Vec<Segment>) -> Result<Option<Segment>, WalkError> {
    let [_, .., newest] = segments.as_slice() else {
        return Ok(None);
    };
    let bytes = open(disk, newest)?.bytes().map_err(|source| newest.io(source))?;
    Ok(if bytes == HEADER_BYTES as u64 { segments.pop() } else { None })
}

fn check_follows(
    directory: &Path,
    before: Option<(Position, Chain)>,
    segment: &Segment,
) -> Result<(), WalkError> {
    let Some((head, chain)) = before else {
        return Ok(());
    };
    let header = &segment.header;
    if header.first > head.next() {
        return Err(missing(directory, head.next()));
    }
    if header.first != head.next() || header.chain != chain {
        return Err(segment.damage(0, header.first, DamageKind::Discontinuous));
    }
    Ok(())
}

fn missing(directory: &Path, first: Position) -> WalkError {
    let path = directory.join(segment_name(first));
    let segment = Segment { path, header: SegmentHeader { first, chain: Chain::ZERO } };
    segment.damage(0, first, DamageKind::SegmentMissing)
}

/// Head and chain at the end of a segment that others follow.
fn ended(
    disk: &dyn Disk,
    segment: &Segment,
    depth: Depth,
    visit: &mut dyn FnMut(Entry<'_>),
) -> Result<(Position, Chain), WalkError> {
    let file = open(disk, segment)?;
    if depth == Depth::Ends {
        let bytes = file.bytes().map_err(|source| segment.io(source))?;
        let at = bytes.saturating_sub(FRAME_BYTES as u64);
        let frame = read_frame(&*file, segment, at)?;
        if let Some(end) = frame.filter(|frame| frame.kind == FrameKind::End) {
            return Ok((end.position, end.chain));
        }
        // No end mark: the whole scan below says where exactly it broke off.
    }
    let scan = scan(&*file, segment, Role::Ended, visit)?;
    Ok((scan.head, scan.chain))
}
