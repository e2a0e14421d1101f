//! Everything about bytes that outlive a process, in one binary.

mod golden;
mod keys;
mod records;
mod samples;
mod snapshots;
mod strategies;
mod tokens;
