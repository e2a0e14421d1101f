//! Reading durable records back, from any position on.
//!
//! It must never hand out a record that was not checked, and must never read
//! past the durable end: up to there everything that is wrong is damage.

use std::ops::ControlFlow;

use crate::contract::{Chain, Entry, Position, ReadError};
use crate::disk::{Disk, OpenMode, RawFile};
use crate::file::damage::DamageKind;
use crate::file::format::{Frame, FrameKind, HEADER_BYTES, Records};
use crate::file::scan::{GroupFault, Segment, WalkError, read_frame, read_group};

impl From<WalkError> for ReadError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Damaged(damage) => ReadError::Damaged(damage),
            WalkError::Io { path, source } => {
                ReadError::Unreadable { reason: format!("{}: {source}", path.display()) }
            }
        }
    }
}

/// The records of one segment after `after`, up to and including `upto`,
/// which must be in this segment. If others follow it (`ended`), what stands
/// behind the last record is checked too.
pub(crate) fn read_segment(
    disk: &dyn Disk,
    segment: &Segment,
    after: Position,
    upto: Position,
    ended: bool,
    visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, WalkError> {
    let file = disk.open(&segment.path, OpenMode::Read).map_err(|source| segment.io(source))?;
    let mut cursor = Cursor {
        file: &*file,
        segment,
        offset: HEADER_BYTES as u64,
        head: Position(segment.header.first.0 - 1),
        chain: Some(segment.header.chain),
        body: Vec::new(),
    };
    while cursor.head < upto {
        let group = cursor.group()?;
        let last = Position(group.position.0 + u64::from(group.records) - 1);
        if last <= after {
            // Hop over it. Its bytes are not checked, so the chain is unknown
            // until the next frame, which has its own checksum, tells it.
            (cursor.head, cursor.chain) = (last, None);
        } else if cursor.records(&group, after, visit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        cursor.offset = group.end();
        if cursor.head < upto {
            cursor.seal()?;
        }
    }
    if ended {
        cursor.end()?;
    }
    Ok(ControlFlow::Continue(()))
}

struct Cursor<'a> {
    file: &'a dyn RawFile,
    segment: &'a Segment,
    offset: u64,
    head: Position,
    chain: Option<Chain>,
    body: Vec<u8>,
}

impl Cursor<'_> {
    /// The frame at the cursor, if it is of this kind and fits.
    fn frame(&mut self, kind: FrameKind, position: Position) -> Result<Frame, WalkError> {
        let frame = read_frame(self.file, self.segment, self.offset)?.filter(|frame| {
            frame.kind == kind
                && frame.position == position
                && self.chain.is_none_or(|chain| chain == frame.chain)
        });
        let Some(frame) = frame else {
            let (offset, position) = (self.offset, self.head.next());
            return Err(self.segment.damage(offset, position, DamageKind::Frame));
        };
        self.chain = Some(frame.chain);
        Ok(frame)
    }

    fn group(&mut self) -> Result<Frame, WalkError> {
        self.frame(FrameKind::Group, self.head.next())
    }

    fn seal(&mut self) -> Result<(), WalkError> {
        self.offset = self.frame(FrameKind::Seal, self.head)?.end();
        Ok(())
    }

    /// An end mark may stand in place of the last seal, or behind it.
    fn end(&mut self) -> Result<(), WalkError> {
        let here = read_frame(self.file, self.segment, self.offset)?;
        if here.is_none_or(|frame| frame.kind != FrameKind::End) {
            self.seal()?;
        }
        self.frame(FrameKind::End, self.head).map(drop)
    }

    fn records(
        &mut self,
        group: &Frame,
        after: Position,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, WalkError> {
        match read_group(self.file, self.segment, group, &mut self.body)? {
            Ok((head, chain)) => (self.head, self.chain) = (head, Some(chain)),
            Err(GroupFault { offset, position, what }) => {
                return Err(self.segment.damage(offset, position, what));
            }
        }
        for record in Records::new(group, &self.body).flatten() {
            let (position, chain, payload) = (record.position, record.chain, record.payload);
            if position > after && visit(Entry { position, chain, payload }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
