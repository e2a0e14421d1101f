//! Runs a simulated drill: `cargo run --release -p jari-drill --example simulate -- NAME
//! [--scale S] [--seed N] [--out DIR]`. The report goes to `DIR`, by default `target/drill/NAME`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use jari_drill::{NAMES, Progress, SimulateOptions, simulate};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().with_context(|| format!("which one? {}", NAMES.join(", ")))?;
    let (mut scale, mut seed, mut out) = (0.01, 1, PathBuf::from("target/drill").join(&name));
    while let Some(option) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--scale" => scale = value.parse()?,
            "--seed" => seed = value.parse()?,
            "--out" => out = value.into(),
            _ => bail!("unknown option {option}"),
        }
    }
    let progress = |at: Progress| {
        if at.at_s.rem_euclid(600.0) == 0.0 {
            eprintln!("{:>6.0} s  {:>9} waiting  {:>9} booked", at.at_s, at.waiting, at.booked);
        }
    };
    let command = format!(
        "cargo run --release -p jari-drill --example simulate -- {name} --scale {scale} --seed {seed}"
    );
    let report = simulate(&name, &SimulateOptions { scale, seed, progress: &progress, command })?;
    report.write(&out)?;
    report.print_summary(&mut std::io::stdout())?;
    println!("{}", out.join("report.html").display());
    Ok(())
}
