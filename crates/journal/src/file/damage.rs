//! What is said when durable bytes are not what was written.

use std::path::PathBuf;

use crate::contract::Position;

/// Durable bytes are damaged or missing. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct Damage {
    /// The damaged or missing file.
    pub segment: PathBuf,
    /// Where in it the first bad bytes are found.
    pub offset: u64,
    /// The first record that cannot be trusted any more.
    pub position: Position,
    /// What is wrong there.
    pub what: DamageKind,
}

impl Damage {
    fn text(&self) -> String {
        let (segment, offset, what) = (self.segment.display(), self.offset, self.what);
        let position = self.position;
        if let DamageKind::UnknownVersion(_) = self.what {
            return format!(
                "journal of another version: {segment}: {what}. Nothing was changed. What to do: \
                 start the program that wrote it, or a newer one"
            );
        }
        if self.what == DamageKind::First {
            return format!(
                "journal damaged: {segment}: {what}. Every record may be there, but where they begin \
                 cannot be proved, so nothing was changed. What to do: run `jari journal verify` on a \
                 copy of this directory without this file; if the copy is intact, remove the file here, \
                 too, and start again"
            );
        }
        format!(
            "journal damaged: {segment} at byte {offset}: {what}. Records before {position} are \
             intact; record {position} and later ones may have been acknowledged, so nothing was \
             dropped or changed. What to do: keep this directory as it is, put an intact copy of \
             this segment in its place (backup or another node), run `jari journal verify` and \
             start again"
        )
    }
}

/// What is wrong.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DamageKind {
    /// The first bytes of a segment fail their checksum.
    #[error("the segment header is damaged")]
    SegmentHeader,
    /// A newer program wrote this; it is no damage, but this one must stop.
    #[error("format version {0} is unknown to this program")]
    UnknownVersion(u32),
    /// The name and the header disagree.
    #[error("the header belongs to the segment that starts at {0}")]
    WrongName(Position),
    /// A segment does not go on where the one before it ended.
    #[error("the segment does not continue the one before it")]
    Discontinuous,
    /// What says where the journal begins fails its checksum.
    #[error("the note of what was released is damaged")]
    First,
    /// The segment before, or the note of what was released, says that this one exists.
    #[error("the segment is missing")]
    SegmentMissing,
    /// A frame between groups fails its checksum or does not belong here,
    /// though something after it proves that it was durable.
    #[error("a frame is damaged")]
    Frame,
    /// A record fails the chain, though something after it proves that it was
    /// durable.
    #[error("a record is damaged")]
    Record,
    /// A segment stops before its end mark.
    #[error("the segment is cut off")]
    CutOff,
    /// A segment that was ended has bytes after its end mark.
    #[error("unknown bytes follow the end of the segment")]
    BytesAfterEnd,
}
