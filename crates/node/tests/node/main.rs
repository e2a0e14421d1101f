//! The engine and the loop around it: durability, recovery, other nodes, other builds, a journal
//! that does not answer. [`room`] is what all of them are tried with.

mod lives;
mod room;
mod rules;
mod stall;
mod turns;
