//! What can be typed after `jari`: one module a verb. A command gives its exit status:
//! 0 when all is well, 1 when what was asked for does not hold, 2 when it could not be
//! tried.

pub mod backup;
pub mod cluster;
pub mod crash;
pub mod demo;
pub mod draw;
pub mod drill;
pub mod health;
pub mod import;
pub mod join;
pub mod journal;
pub mod keys;
pub mod rules;
pub mod serve;
pub mod staff;
