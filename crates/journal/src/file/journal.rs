//! The open file journal: appending, settling, rolling, releasing.
//!
//! It must never write after a failed fsync or an I/O error, and never leave
//! bytes of a rolled back group in a file that it goes on using.
//! Start reading at `settle`.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::contract::{AppendError, Chain, Entry, Journal, Position, ReadError, ReleaseError, SettleError};
use crate::disk::{Disk, DiskLock, OpenMode, RawFile};
use crate::file::format::{
    FIRST_NAME, FRAME_BYTES, Frame, FrameKind, HEADER_BYTES, SegmentHeader, segment_name,
};
use crate::file::group::Group;
use crate::file::options::FileOptions;
use crate::file::read::read_segment;
use crate::file::scan::Segment;
use crate::replace::replace_file;

/// Zeros written ahead of the groups at a time. Measured: smaller gains
/// little, larger makes single settles slow.
const FILL_BYTES: u64 = 256 << 10;
static ZEROS: [u8; FILL_BYTES as usize] = [0; FILL_BYTES as usize];

/// The journal of one process in one directory. See [`mod@crate::file`].
///
/// Open it with [`FileJournal::open`]. While it lives it holds the lock of its
/// directory.
pub struct FileJournal {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: FileOptions,
    pub(crate) _lock: Box<dyn DiskLock>,
    /// Oldest first; the last one is `tail`.
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) tail: Tail,
    pub(crate) head: (Position, Chain),
    pub(crate) pending: Group,
    pub(crate) broken: Option<String>,
}

/// The segment that is written to.
pub(crate) struct Tail {
    pub file: Box<dyn RawFile>,
    /// Behind the last group, or behind its seal if that is written.
    pub end: u64,
    /// From `end` up to here the file holds zeros.
    pub filled: u64,
    /// The last group has no seal in the file yet.
    pub seal_pending: bool,
}

/// Whether a failed write can be undone.
enum Failure {
    Full,
    Broken(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Failure::Full } else { Failure::Broken(error.to_string()) }
    }
}

/// A file that has reached the size that the system allows it is as full as a disk: nothing of the
/// write is kept that counts, and it may go on when the limit is raised.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// For calls after which no state is known, so that "full" does not help.
fn broken(what: &str) -> impl FnOnce(io::Error) -> Failure + '_ {
    move |error| Failure::Broken(format!("{what}: {error}"))
}

impl FileJournal {
    fn newest(&self) -> &Segment {
        self.segments.back().expect("an open journal has a segment")
    }

    /// Writes the pending group and makes it durable.
    fn write_group(&mut self) -> Result<(), Failure> {
        let group_bytes = (2 * FRAME_BYTES + self.pending.body_bytes()) as u64;
        let limit = self.options.segment_bytes_max;
        if self.tail.end > HEADER_BYTES as u64 && self.tail.end + group_bytes > limit {
            self.roll()?;
        }
        self.fill(self.tail.end + group_bytes)?;
        let bytes = self.pending.encode(self.tail.end, self.tail.seal_pending);
        let end = self.tail.end + bytes.len() as u64;
        // Room for the seal, or the group must not be kept either: an acknowledged group
        // without one cannot be told from an interrupted write once a bit of it rots.
        if self.tail.filled < end + FRAME_BYTES as u64 {
            self.tail.file.write_at(end, &ZEROS[..FRAME_BYTES])?;
            self.tail.filled = end + FRAME_BYTES as u64;
        }
        self.tail.file.write_at(self.tail.end, bytes)?;
        self.tail.file.sync().map_err(broken("fdatasync failed"))?;
        self.tail.end = end;
        Ok(())
    }

    /// Puts zeros ahead of a group that will end before `end`.
    fn fill(&mut self, end: u64) -> Result<(), Failure> {
        // A group alone larger than what is filled ahead gains nothing by it.
        let limit = self.options.segment_bytes_max;
        if end <= self.tail.filled || end + FILL_BYTES > limit || end - self.tail.end > FILL_BYTES {
            return Ok(());
        }
        match self.tail.file.write_at(self.tail.filled, &ZEROS) {
            Ok(()) => self.tail.filled += FILL_BYTES,
            // The group itself may still fit: it overwrites these zeros.
            Err(error) if is_full(&error) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Starts the next segment: first makes it, then ends this one, so that an
    /// end mark without a successor is known to be damage.
    fn roll(&mut self) -> Result<(), Failure> {
        let (head, chain) = self.head;
        let next = make_segment(&*self.disk, &self.options.dir, head, chain)?;
        if let Err(failure) = self.end_tail() {
            // When this is fatal, the next opening sorts it out. On a full
            // disk records may go on in this segment, so the next must go.
            if matches!(failure, Failure::Broken(_)) {
                return Err(failure);
            }
            self.disk.remove(&next.path).map_err(broken("cannot undo a new segment"))?;
            let synced = self.disk.sync_dir(&self.options.dir);
            synced.map_err(broken("cannot undo a new segment"))?;
            return Err(failure);
        }
        let file = self.disk.open(&next.path, OpenMode::Write);
        let file = file.map_err(broken("cannot open a new segment"))?;
        let end = HEADER_BYTES as u64;
        self.tail = Tail { file, end, filled: end, seal_pending: false };
        self.segments.push_back(next);
        Ok(())
    }

    fn end_tail(&mut self) -> Result<(), Failure> {
        let (head, chain) = self.head;
        let mark = Frame::mark(FrameKind::End, self.tail.end, head, chain);
        self.tail.file.write_at(self.tail.end, &mark.encode())?;
        let cut = self.tail.file.truncate(mark.end());
        cut.map_err(broken("cannot end a segment"))?;
        self.tail.file.sync().map_err(broken("fdatasync failed"))
    }

    /// Takes back what a failed settle may have written.
    fn roll_back(&mut self) -> Result<(), Failure> {
        let cut = self.tail.file.truncate(self.tail.end);
        cut.map_err(broken("cannot roll back"))?;
        self.tail.file.sync().map_err(broken("cannot roll back"))?;
        self.tail.filled = self.tail.end;
        self.pending.restart(self.head);
        Ok(())
    }

    /// Says in the file that the last group is durable, in zeros that are there already. Not
    /// needed for what was just delivered: where a disk has no room even so (it copies what
    /// is overwritten, say), it is put off to the next group.
    pub(crate) fn write_seal(&mut self) {
        let (head, chain) = self.head;
        let seal = Frame::mark(FrameKind::Seal, self.tail.end, head, chain);
        match self.tail.file.write_at(self.tail.end, &seal.encode()) {
            Ok(()) => {
                self.tail.end = seal.end();
                self.tail.filled = self.tail.filled.max(self.tail.end);
                self.tail.seal_pending = false;
            }
            Err(error) if is_full(&error) => {}
            Err(error) => {
                self.break_down(format!("cannot write a seal: {error}"));
            }
        }
    }

    fn break_down(&mut self, reason: String) -> String {
        tracing::error!(directory = %self.options.dir.display(), %reason, "journal broken");
        self.broken = Some(reason.clone());
        reason
    }

    /// The segment that holds `position`; the newest one for what is to come.
    fn segment_index(&self, position: Position) -> usize {
        let later = self.segments.partition_point(|segment| segment.header.first <= position);
        later.saturating_sub(1)
    }

    /// Last record of the segment at `index`.
    fn segment_end(&self, index: usize) -> Position {
        let next = self.segments.get(index + 1);
        next.map_or(self.head.0, |next| Position(next.header.first.0 - 1))
    }

    /// Removes all segments before the one at `kept`.
    fn remove_before(&mut self, kept: usize) -> Result<(), ReleaseError> {
        let released = write_first(&*self.disk, &self.options.dir, &self.segments[kept].header);
        if let Err(error) = released {
            let reason = error.to_string();
            // Before it has its name nothing has happened; after that nobody knows.
            return Err(match error.kind() {
                io::ErrorKind::Other => ReleaseError::Broken { reason: self.break_down(reason) },
                _ => ReleaseError::Kept { reason },
            });
        }
        for _ in 0..kept {
            let removed = self.disk.remove(&self.segments[0].path);
            removed.map_err(|error| ReleaseError::Kept { reason: error.to_string() })?;
            self.segments.pop_front();
        }
        self.disk.sync_dir(&self.options.dir).map_err(|error| {
            let reason = self.break_down(format!("cannot sync the directory: {error}"));
            ReleaseError::Broken { reason }
        })
    }
}

/// Says durably that everything before the segment of this header is released.
pub(crate) fn write_first(disk: &dyn Disk, directory: &Path, first: &SegmentHeader) -> io::Result<()> {
    replace_file(disk, &directory.join(FIRST_NAME), &first.encode())
}

/// Makes the segment that follows `head`, durably.
pub(crate) fn make_segment(
    disk: &dyn Disk,
    directory: &Path,
    head: Position,
    chain: Chain,
) -> io::Result<Segment> {
    let header = SegmentHeader { first: head.next(), chain };
    let path = directory.join(segment_name(header.first));
    replace_file(disk, &path, &header.encode())?;
    Ok(Segment { path, header })
}

impl Journal for FileJournal {
    fn append(&mut self, payload: &[u8]) -> Result<(), AppendError> {
        if let Some(reason) = self.broken.clone() {
            return Err(AppendError::Broken { reason });
        }
        let (bytes, bytes_max) = (payload.len(), self.options.record_bytes_max);
        if bytes > bytes_max {
            return Err(AppendError::RecordTooLarge { bytes, bytes_max });
        }
        let pending_bytes = self.pending.body_bytes();
        if pending_bytes + Group::cost(payload) > self.options.group_bytes_max {
            return Err(AppendError::SettleFirst { bytes: pending_bytes });
        }
        self.pending.push(payload);
        Ok(())
    }

    fn settle(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), SettleError> {
        if let Some(reason) = self.broken.clone() {
            return Err(SettleError::Broken { reason });
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = match self.write_group() {
            Err(Failure::Full) => self.roll_back().and(Err(Failure::Full)),
            other => other,
        };
        match written {
            Ok(()) => {}
            Err(Failure::Full) => return Err(SettleError::Full),
            Err(Failure::Broken(reason)) => {
                return Err(SettleError::Broken { reason: self.break_down(reason) });
            }
        }
        self.head = self.pending.after();
        self.tail.seal_pending = true;
        self.write_seal();
        let next = Group::new(self.head);
        let mut group = std::mem::replace(&mut self.pending, next);
        group.deliver(visit);
        group.restart(self.head);
        self.pending = group;
        Ok(())
    }

    fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let (head, first) = (self.head.0, self.first());
        if after > head {
            return Err(ReadError::BeyondHead { after, head });
        }
        if after.next() < first {
            return Err(ReadError::Released { after, first });
        }
        for index in self.segment_index(after.next())..self.segments.len() {
            let (segment, upto) = (&self.segments[index], self.segment_end(index));
            let ended = index + 1 < self.segments.len();
            if read_segment(&*self.disk, segment, after, upto, ended, visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn head(&self) -> (Position, Chain) {
        self.head
    }

    fn first(&self) -> Position {
        self.segments.front().unwrap_or(self.newest()).header.first
    }

    fn release(&mut self, upto: Position) -> Result<(), ReleaseError> {
        if let Some(reason) = self.broken.clone() {
            return Err(ReleaseError::Broken { reason });
        }
        // The newest segment always stays: it is the one written to, and the
        // only one that tells where the journal goes on.
        let older = self.segments.len() - 1;
        let kept = (0..older).find(|&index| self.segment_end(index) > upto).unwrap_or(older);
        if self.options.keep_all || kept == 0 { Ok(()) } else { self.remove_before(kept) }
    }

    fn record_bytes_max(&self) -> usize {
        self.options.record_bytes_max
    }

    fn room_bytes(&self) -> Option<u64> {
        self.disk.room_bytes(&self.options.dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_its_limit_is_a_full_disk_and_a_broken_one_is_not() {
        // As Linux numbers them: ENOSPC, EDQUOT, EFBIG; EIO.
        for full in [28, 122, 27] {
            assert!(is_full(&io::Error::from_raw_os_error(full)), "{full}");
        }
        assert!(!is_full(&io::Error::from_raw_os_error(5)));
    }
}
