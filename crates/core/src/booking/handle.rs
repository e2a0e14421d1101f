//! What may be asked of campaigns and bookings, and the order in which it is checked.

use crate::command::Body;
use crate::outcome::Outcome;
use crate::state::{Data, Index};
use crate::time::Time;

/// Applies a booking command. The time has been advanced already.
pub(crate) fn handle(_data: &mut Data, _index: &mut Index, _body: &Body) -> Outcome {
    unimplemented!("written next")
}

/// Lets holds lapse that end at or before `now`.
pub(crate) fn advance(_data: &mut Data, _index: &mut Index, _now: Time) {
    unimplemented!("written next")
}
