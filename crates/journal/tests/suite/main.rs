//! The conformance suite of every backend, and what only files can suffer.
//!
//! `conformance` runs on memory, on real files, on the faulty disk, on a stream in
//! memory and on a stream of real servers;
//! `damage` cuts and flips every byte; `crash` cuts the power at every
//! operation; `release` lets what was released come back; `repair` looks at what opening decides
//! and mends; `replicated` lets streams and disks of several nodes fail. Nothing here sleeps, skips or draws a seed of its own.

mod backends;
mod conformance;
mod crash;
mod damage;
mod faults;
mod files;
mod release;
mod repair;
mod replicated;
#[path = "../servers/mod.rs"]
mod servers;
