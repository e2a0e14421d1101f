//! Jari's decisions: waiting rooms and bookings as one pure state machine.
//!
//! [`step`] takes the state, one command and the time its record was stamped
//! with, changes the state and answers with an [`Outcome`]. The same commands in
//! the same order give the same state and the same outcomes on every machine.
//!
//! This crate must never read a clock, do I/O, draw a random number, iterate a
//! hash map or see a name or a telephone number. What it needs from outside (the
//! time, a seed) comes with the journal's record.
//!
//! Start reading at [`step`], then [`command::Body`], [`outcome::Outcome`] and the
//! two domains, [`waiting_room`] and [`booking`]. The promises that must hold after
//! every command are listed once, in [`invariants`].

#![no_std]

extern crate alloc;

pub mod booking;
pub mod checkpoint;
pub mod chunked;
pub mod command;
pub mod effect;
pub mod event;
pub mod ids;
pub mod invariants;
pub mod lease;
pub mod limits;
pub mod outcome;
pub mod recent;
pub mod rules;
mod shards;
pub mod state;
pub mod time;
pub mod waiting_room;

pub use command::{Body, Command};
pub use outcome::{Outcome, Reason, Refusal};
pub use state::{Data, State, step};
pub use time::Time;
