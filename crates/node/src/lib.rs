//! The loop between the journal and the state machine.
//!
//! A request becomes a command; commands are batched, stamped with one time,
//! appended to the journal, made durable, then applied; only then is anyone answered.
//! [`Engine`] is that loop without threads, clocks or sockets, so that a simulation can
//! drive it; [`Node`] runs it on a thread and gives out [`Handle`]s.
//!
//! It must never answer before the record is durable, apply in another order than the
//! journal's, or decide anything that [`jari_core`] does not.
//!
//! Start reading at [`Engine::turn`], then [`node`], [`views`] and [`snapshots`].

mod apply;
mod batch;
pub mod clock;
pub mod durations;
pub mod duty;
pub mod engine;
mod handle;
pub mod node;
pub mod snapshots;
mod stall;
pub mod views;

pub use clock::{Clock, ManualClock, SystemClock};
pub use durations::Durations;
pub use duty::{Duty, Identity};
pub use engine::{Engine, EngineOptions, RecoverError, Recovered, TurnError};
pub use handle::{Handle, Rejected, Status};
pub use node::{Node, NodeOptions, SeedSource};
pub use views::{Directory, RoomView, Views};
