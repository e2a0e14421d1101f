//! The live drill's auditor: what was acknowledged, read back and judged.
//!
//! Must never believe the service's own counters where an acknowledged answer says otherwise. Start
//! at [`Ledger`], then [`read_back`].

mod ledger;
mod read_back;

pub use ledger::{Booked, Faults, Ledger, Record, SharedLedger};
pub use read_back::{Found, ReadBack, judge_bookings, read_back};
