//! Jari's face: citizens' pages, the JSON API and the operator's console.
//!
//! Pages and API call the same `actions`, which ask the node and turn what they hear into
//! answers or [`problem::Problem`]s. Whoever may not ask is turned away here: the machine
//! behind checks rules, not credentials.
//!
//! This crate must never let a name or a telephone number reach core, the journal or a
//! log, say "booked" before the booking is durable, or panic on what a person sends.
//!
//! Start reading at [`router`], then [`actions`] and [`problem`].

pub mod actions;
pub mod alarms;
pub mod api;
pub mod carriers;
pub mod certificate;
mod closing;
pub mod code;
mod codes;
mod door;
pub mod effects;
pub mod front;
pub mod health;
pub mod hex;
pub mod language;
pub mod messages;
pub mod network;
pub mod outbox;
pub mod pages;
pub mod poll;
pub mod prefix;
pub mod problem;
pub mod random;
pub mod retention;
pub mod series;
pub mod server;
pub mod shed;
pub mod site;
pub mod staff;
mod table;
pub mod tasks;
mod traffic;
pub mod vault;

pub use front::{Front, router};
pub use server::{ServerOptions, serve};
pub use site::{Site, SiteOptions, seed_source};
