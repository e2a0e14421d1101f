//! How fast groups of a given size become durable, on the disk of a directory.
//!
//! `cargo run --release -p jari-journal --example append_rate -- DIR`; the
//! directory is created and must not exist. One record a group, 2000 groups.

#![allow(clippy::disallowed_methods, reason = "it measures real time on a real disk")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jari_journal::{FileJournal, FileOptions, Journal};

const GROUPS: usize = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("say which directory to write to")?);
    std::fs::create_dir(&dir)?;
    for group_bytes in [1 << 10, 32 << 10] {
        measure(&dir.join(group_bytes.to_string()), group_bytes)?;
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn measure(dir: &Path, group_bytes: usize) -> Result<(), Box<dyn Error>> {
    let (mut journal, _) = FileJournal::open(FileOptions::new(dir))?;
    let payload = vec![0xa5; group_bytes];
    let mut times = Vec::with_capacity(GROUPS);
    let started = Instant::now();
    for _ in 0..GROUPS {
        let group_started = Instant::now();
        journal.append(&payload)?;
        journal.settle(&mut |entry| assert_eq!(entry.payload.len(), group_bytes))?;
        times.push(group_started.elapsed());
    }
    let seconds = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let microseconds = |share: usize| times[(GROUPS - 1) * share / 100].as_micros();
    println!(
        "{group_bytes} bytes: {:.0} groups/s, {:.1} MiB/s, median {} us, p99 {} us, max {} us",
        GROUPS as f64 / seconds,
        (GROUPS * group_bytes) as f64 / seconds / f64::from(1 << 20),
        microseconds(50),
        microseconds(99),
        times.last().copied().unwrap_or(Duration::ZERO).as_micros(),
    );
    let reopened = Instant::now();
    drop(journal);
    let (journal, recovery) = FileJournal::open(FileOptions::new(dir))?;
    println!("  opened again in {} us: {recovery:?}", reopened.elapsed().as_micros());
    drop(journal);
    Ok(())
}
