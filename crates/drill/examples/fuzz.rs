//! temporary
use std::num::NonZero;
fn main() {
    let args: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let s = jari_drill::fuzz::fuzz(
        &jari_drill::fuzz::FuzzOptions { seed: args[0], seeds: args[1], threads: NonZero::new(2).unwrap() },
        &|_| {},
    );
    print!("{s}");
}
