//! The waiting room. `tables` says what may be asked and what comes of it, one event a
//! line; `crowd` lets simulated people push; `told` checks what those who wait are told;
//! `supply` puts a campaign behind the room; `anything` asks whatever comes to mind.

mod anything;
mod crowd;
mod driver;
mod supply;
mod tables;
mod told;
