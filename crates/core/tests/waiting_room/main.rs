//! The waiting room. `tables` says what may be asked and what comes of it, one event a
//! line; `crowd` lets simulated people push; `told` checks what those who wait are told.

mod crowd;
mod driver;
mod tables;
mod told;
