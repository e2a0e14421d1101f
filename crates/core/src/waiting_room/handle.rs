//! What may be asked of a room, and the order in which it is checked.

use crate::command::Body;
use crate::outcome::Outcome;
use crate::state::{Data, Index};

/// Applies a waiting-room command. The time has been advanced already.
pub(crate) fn handle(_data: &mut Data, _index: &mut Index, _body: &Body) -> Outcome {
    unimplemented!("written next")
}
