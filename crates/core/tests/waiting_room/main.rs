//! The waiting room. `tables` says what may be asked and what comes of it, one event a
//! line; `crowd` lets simulated people push; `told` checks what those who wait are told;
//! `supply` puts a campaign behind the room, `last_places` empties it; `anything` asks whatever comes to mind.

mod anything;
mod crowd;
mod driver;
mod last_places;
mod supply;
mod tables;
mod told;
