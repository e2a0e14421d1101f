//! Measures Jari against the goals of its design, beside peers on the same machine in the
//! same run. `scripts/bench` builds the binaries of this crate, starts what they need and
//! judges the figures; `docs/benches.md` says what each bench means.
//!
//! It must never be linked by any other crate, nor measure one side of a ratio with other
//! means than the other side.
//!
//! Start reading at `bin/load`, the load generator, and at [`scenario`], what it sends;
//! then [`country`], the state that the benches of memory and restart stand on.

pub mod answer;
pub mod cores;
pub mod country;
pub mod random;
pub mod scenario;
