//! B8: how long a restart takes. `build` makes a data directory as a service leaves it:
//! every booking went through the journal, and a snapshot was written. `measure`, in a
//! fresh process, brings it back.
//!
//! It must never measure in the process that built: the allocator would be warm.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::ensure;
use clap::{Parser, Subcommand};
use jari_bench::cores;
use jari_bench::country::{CAMPAIGN, Country, Crowd, plain};
use jari_core::{Body, Command, Outcome, State, Time};
use jari_journal::{FileJournal, FileOptions};
use jari_node::snapshots::Snapshots;
use jari_node::{Engine, EngineOptions};
use serde_json::json;

const START: Time = Time(1_626_048_000_000);

/// Measures a restart.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Makes the data directory
    Build {
        /// Where; must not exist
        dir: PathBuf,
        /// Bookings in the snapshot
        #[arg(long)]
        bookings: u64,
        /// Bookings in the journal after it
        #[arg(long, default_value_t = 0)]
        tail: u64,
        /// Where commands come from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Reads the snapshot and makes a state of it, with its index, invariants checked
    Snapshot {
        /// The data directory
        dir: PathBuf,
    },
    /// Does all that the service does: opens the journal, too, and replays what follows
    Service {
        /// The data directory
        dir: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().verb {
        Verb::Build { dir, bookings, tail, seed } => build(&dir, bookings, tail, seed),
        Verb::Snapshot { dir } => from_snapshot(&dir),
        Verb::Service { dir } => as_service(&dir),
    }
}

fn journal_options(dir: &Path) -> FileOptions {
    // As the service has it by default: everything is kept.
    FileOptions { keep_all: true, ..FileOptions::new(dir.join("journal")) }
}

fn build(dir: &Path, bookings: u64, tail: u64, seed: u64) -> anyhow::Result<()> {
    ensure!(!dir.exists(), "{} exists", dir.display());
    fs::create_dir_all(dir)?;
    let (journal, _) = FileJournal::open(journal_options(dir))?;
    let (mut engine, _) = Engine::recover(Box::new(journal), None, EngineOptions::default())?;
    let country = Country::for_bookings(bookings + tail);
    turn(&mut engine, &country.founding(START), START)?;
    let mut crowd = Crowd::new(country, seed, true);
    let at = crowd.book(bookings, START, |commands, at| turn(&mut engine, commands, at))?;
    let (position, chain, data) = engine.freeze();
    Snapshots::open(&dir.join("snapshots"))?.write(position, chain, &data)?;
    drop(data);
    crowd.book(tail, at, |commands, at| turn(&mut engine, commands, at))?;
    let booked = engine.read(|state| state.data().campaigns[&CAMPAIGN].supply.booked);
    ensure!(u64::from(booked) == bookings + tail, "{booked} bookings were made");
    println!(
        "{}",
        json!({ "bookings": booked, "snapshot_bytes": bytes_in(&dir.join("snapshots"))?,
        "journal_bytes": bytes_in(&dir.join("journal"))? })
    );
    Ok(())
}

/// Takes a batch through journal and machine; messages count as sent at once.
fn turn(engine: &mut Engine, commands: &[Command], at: Time) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(commands.len());
    engine.turn(commands, at, &mut |_, outcome| outcomes.push(outcome))?;
    let upto = engine.read(|state| state.data().effects.end());
    engine.turn(&[plain(Body::AckEffects { upto })], at, &mut |_, _| {})?;
    Ok(outcomes)
}

fn from_snapshot(dir: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let found = Snapshots::open(&dir.join("snapshots"))?.newest()?;
    let Some((meta, data)) = found else { anyhow::bail!("{} has no snapshot", dir.display()) };
    let read_s = started.elapsed().as_secs_f64();
    let restored = State::restore(data);
    let state =
        restored.map_err(|violation| anyhow::anyhow!("the snapshot breaks invariant {violation:?}"))?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({ "seconds": seconds, "read_s": read_s, "restore_s": seconds - read_s,
        "position": meta.position, "bookings": state.data().bookings.len(),
        "resident_bytes": cores::resident_bytes() })
    );
    end(state)
}

fn as_service(dir: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let (journal, _) = FileJournal::open(journal_options(dir))?;
    let opened_s = started.elapsed().as_secs_f64();
    let snapshot = Snapshots::open(&dir.join("snapshots"))?.newest()?;
    let (engine, recovered) = Engine::recover(Box::new(journal), snapshot, EngineOptions::default())?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({ "seconds": seconds, "journal_open_s": opened_s, "replayed_commands": recovered.commands,
        "bookings": engine.read(|state| state.data().bookings.len()),
        "resident_bytes": cores::resident_bytes() })
    );
    end(engine)
}

/// Ends the process without taking gigabytes apart first.
fn end<T>(state: T) -> ! {
    std::mem::forget(state);
    std::process::exit(0)
}

fn bytes_in(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
