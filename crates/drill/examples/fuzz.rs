//! `jari drill fuzz` without the rest of the program: a change to the machine rebuilds in
//! seconds. `scripts/plant-bugs` uses it.
//!
//! ```text
//! cargo run -p jari-drill --example fuzz -- FIRST_SEED SEEDS
//! ```

use std::num::NonZero;
use std::process::ExitCode;

use jari_drill::fuzz::{FuzzOptions, fuzz};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (Some(Ok(seed)), Some(Ok(seeds))) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: fuzz FIRST_SEED SEEDS");
        return ExitCode::from(2);
    };
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let summary = fuzz(&FuzzOptions { seed, seeds, threads }, &|_| {});
    print!("{summary}");
    if summary.failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
