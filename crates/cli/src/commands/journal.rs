//! `jari journal`: look into a journal without changing it, or make anew what was lost.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jari_core::rules::{RULES_NEWEST, newer_needed};
use jari_core::{Body, Outcome, State, Time, checkpoint, invariants, step};
use jari_journal::{Chain, Entry, VerifyError};
use jari_node::snapshots::Snapshots;
use jari_wire::{record, snapshot};

use super::draw::hex;
use crate::config::{Config, StreamConfig};
use crate::home::Home;

/// Checkpoints speak of the one before; a node that was silent for long, of an earlier one.
const MARKS_MAX: usize = 1_024;
/// Checkpoints that differ are told up to so many.
const DIFFERING_SHOWN: usize = 20;

/// What can be asked of a journal.
#[derive(Subcommand)]
pub enum JournalCommand {
    /// Walk a journal, check every record and hash, and replay it
    Verify(Verify),
    /// Make the stream anew from a node's files, or a node's files from the stream
    #[command(subcommand)]
    Rebuild(Rebuild),
}

/// What is made anew. Nothing is ever written over: the target must be empty.
#[derive(Subcommand)]
pub enum Rebuild {
    /// Put every record of this node's files into an empty stream
    ///
    /// No node may run. Choose the node whose journal reaches furthest (`jari journal verify`
    /// says how far). Also the way from one machine to several: the journal of one machine
    /// becomes the stream that further nodes follow. Reads the stream afterwards and compares
    /// every byte.
    Stream(RebuildFrom),
    /// Make this node's files from the stream
    ///
    /// The data directory must hold the service's file `keys`, and no records. Verifies the
    /// chain afterwards.
    Files(RebuildFrom),
    /// Put what this node's vault holds into the vault that all nodes share
    ///
    /// No node may run. Only when the shared vault was lost: `rebuild stream` does it as well.
    /// Choose the node that was the last to run. The shared vault must be missing or empty.
    Vault(RebuildFrom),
}

/// Where stream and files are.
#[derive(Args)]
pub struct RebuildFrom {
    /// The configuration file of the node
    #[arg(long)]
    config: PathBuf,
}

/// Walks the journal of a data directory (or a journal directory itself) read-only: every
/// checksum, the hash chain, every record's content; replays all of it and checks the
/// invariants. Prints how many records there are, the chain hash and the state hash: two
/// copies with the same hashes hold the same history.
///
/// Exit status 1 if anything is wrong, with the place of the damage and what to do.
#[derive(Args)]
pub struct Verify {
    /// A data directory or its journal
    dir: PathBuf,
    /// Also print each record: position, time, commands, refusals
    #[arg(long)]
    records: bool,
    /// Print hashes, commands and state as they were after the record at this position: the way
    /// to compare nodes that do not end at the same one. All of the journal is checked even so
    #[arg(long)]
    upto: Option<u64>,
}

impl JournalCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            JournalCommand::Verify(verify) => verify.run(),
            JournalCommand::Rebuild(rebuild) => rebuild.run(),
        }
    }
}

impl Rebuild {
    fn run(self) -> anyhow::Result<ExitCode> {
        let (Rebuild::Stream(RebuildFrom { config })
        | Rebuild::Files(RebuildFrom { config })
        | Rebuild::Vault(RebuildFrom { config })) = &self;
        let config = Config::read(config)?;
        let stream = config.journal.stream()?;
        let home = Home::open(&config.data)?;
        anyhow::ensure!(
            home.has_keys(),
            "{} has no file `keys`: bring it from another node or the backup first; without it, tickets and \
             contacts that were given out cannot be read",
            config.data.display()
        );
        let files = home.file_options(&config.journal);
        match self {
            Rebuild::Vault(_) => rebuild_vault(stream, &home)?,
            Rebuild::Stream(_) => {
                // First: what cannot be shared is found before the stream is made.
                rebuild_vault(stream, &home)?;
                let (first, last) = stream.rebuild_stream(&home, files)?;
                println!("stream        {}", stream.stream);
                println!("records       {} ({first} to {last})", last.0 + 1 - first.0);
                println!("compared      every byte is the same in files and stream");
            }
            Rebuild::Files(_) => {
                let summary = stream.rebuild_files(&home, files)?;
                println!("records       {} ({} to {})", summary.records, summary.first, summary.head);
                println!("chain hash    {}", summary.chain);
                println!("verified      the chain is whole; `jari journal verify` replays it, too");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn rebuild_vault(stream: &StreamConfig, home: &Home) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let put = runtime.block_on(stream.rebuild_vault(home))?;
    println!("vault         {}", stream.bucket());
    match put {
        Some(count) => println!("entries       {count} put into it"),
        None => println!("entries       as they were"),
    }
    Ok(())
}

/// The replay so far.
struct Replay {
    state: State,
    /// Records up to here are in the snapshot that the replay began with.
    from: u64,
    /// Records after this one are not replayed.
    upto: u64,
    /// The chain after the last record that was.
    chain: Option<Chain>,
    commands: u64,
    refusals: BTreeMap<&'static str, u64>,
    unreadable: Option<String>,
    /// Digests of this replay's state at checkpoints, by position.
    marks: BTreeMap<u64, u64>,
    checkpoints_agree: u64,
    /// Checkpoints that say something else; the first ones.
    differing: Vec<String>,
}

impl Verify {
    fn run(self) -> anyhow::Result<ExitCode> {
        let inner = self.dir.join("journal");
        let dir = if inner.is_dir() { inner } else { self.dir.clone() };
        let first = first_position(&dir)?;
        let mut replay = self.replay_from(first)?;
        let walked = jari_journal::verify(&dir, &mut |entry| replay.take(&entry, self.records));
        let summary = match walked {
            Ok(summary) => summary,
            Err(error @ VerifyError::Damaged(_)) => {
                println!("DAMAGED: {error}");
                return Ok(ExitCode::FAILURE);
            }
            Err(error) => return Err(error.into()),
        };
        println!("segments      {}", summary.segments);
        println!("records       {} ({} to {})", summary.records, summary.first, summary.head);
        println!("torn tail     {} bytes", summary.torn_bytes);
        if let Some(upto) = self.upto {
            anyhow::ensure!(
                (replay.from.max(1)..=summary.head.0).contains(&upto),
                "--upto {upto}: the records that can be replayed reach from {} to {}",
                replay.from.max(1),
                summary.head
            );
            println!("up to         {upto}");
        }
        println!("chain hash    {}", replay.chain.unwrap_or(summary.chain));
        if let Some(unreadable) = replay.unreadable {
            println!("UNREADABLE: {unreadable}");
            return Ok(ExitCode::FAILURE);
        }
        let data = replay.state.data();
        println!("commands      {}", replay.commands);
        for (reason, count) in &replay.refusals {
            println!("  refused {reason:<22} {count}");
        }
        println!("state at      {} ms since 1970", data.time.0);
        println!("rules         {} (this build knows {RULES_NEWEST})", data.rules);
        println!("bookings      {}", data.bookings.len());
        println!("checkpoints   {} agree", replay.checkpoints_agree);
        for differing in &replay.differing {
            println!("  DIFFERS: {differing}: what the journal says comes to something else");
        }
        println!("state hash    {}", hex(&snapshot::state_hash(data)));
        if let Err(violation) = invariants::check(data) {
            println!(
                "BROKEN: invariant {}: {} (subject {})",
                violation.invariant, violation.says, violation.subject
            );
            return Ok(ExitCode::FAILURE);
        }
        println!("invariants    all hold");
        Ok(ExitCode::SUCCESS)
    }

    /// An empty state if the journal is whole, else the newest snapshot: it must reach back
    /// to the first record that is kept.
    fn replay_from(&self, first: u64) -> anyhow::Result<Replay> {
        let mut replay = Replay::new(self.upto.unwrap_or(u64::MAX));
        if first > 1 {
            let newest = Snapshots::open(&self.dir.join("snapshots"))?.newest()?;
            let Some((meta, data)) = newest.filter(|(meta, _)| meta.position + 1 >= first) else {
                anyhow::bail!(
                    "records before {first} were released, and no snapshot reaches that far: give the data \
                     directory, with its snapshots"
                );
            };
            println!("from snapshot {}", meta.position);
            replay.from = meta.position;
            replay.state = State::restore(data).map_err(|violation| {
                anyhow::anyhow!("the snapshot breaks invariant {}", violation.invariant)
            })?;
        }
        Ok(replay)
    }
}

impl Replay {
    fn new(upto: u64) -> Replay {
        Replay {
            state: State::new(),
            from: 0,
            upto,
            chain: None,
            commands: 0,
            refusals: BTreeMap::new(),
            unreadable: None,
            marks: BTreeMap::new(),
            checkpoints_agree: 0,
            differing: Vec::new(),
        }
    }

    /// Compares what a node said of its state with this replay.
    fn compare(&mut self, node: u16, position: u64, theirs: u64) {
        match self.marks.get(&position) {
            Some(ours) if *ours == theirs => self.checkpoints_agree += 1,
            Some(_) if self.differing.len() == DIFFERING_SHOWN => {}
            Some(_) => self.differing.push(format!("node {node}, of its state after position {position}")),
            // Before the snapshot that this replay began with.
            None => {}
        }
    }

    fn take(&mut self, entry: &Entry<'_>, print: bool) {
        if (self.from..=self.upto).contains(&entry.position.0) {
            self.chain = Some(entry.chain);
        }
        let is_replayed = entry.position.0 > self.from && entry.position.0 <= self.upto;
        if !is_replayed || self.unreadable.is_some() {
            return;
        }
        let record = match record::decode(entry.payload) {
            Ok(record) => record,
            Err(error) => {
                self.unreadable = Some(format!("record {}: {error}", entry.position));
                return;
            }
        };
        self.state.advance(record.head.at);
        let (mut refused, mut marks) = (0_u64, false);
        for command in &record.commands {
            if let Some(needs) = newer_needed(&self.state, command, RULES_NEWEST) {
                self.unreadable = Some(format!(
                    "record {} makes version {needs} of the rules count, and this build knows rules up to {RULES_NEWEST}",
                    entry.position
                ));
                return;
            }
            if let Body::Checkpoint { position, digest } = command.body {
                self.compare(record.head.node, position, digest);
                marks = true;
            }
            if let Outcome::Refused(refusal) = step(&mut self.state, command, record.head.at) {
                refused += 1;
                *self.refusals.entry(refusal.reason.code()).or_default() += 1;
            }
        }
        self.commands += record.commands.len() as u64;
        if marks {
            if self.marks.len() == MARKS_MAX {
                self.marks.pop_first();
            }
            self.marks.insert(entry.position.0, checkpoint::digest(self.state.data()));
        }
        if print {
            let Time(at) = record.head.at;
            println!(
                "{:>12}  {at}  node {}  {} bytes  {} commands  {refused} refused  {}",
                entry.position.0,
                record.head.node,
                entry.payload.len(),
                record.commands.len(),
                entry.chain
            );
        }
    }
}

/// The position of the first record kept, by the name of the first segment.
fn first_position(dir: &std::path::Path) -> anyhow::Result<u64> {
    use anyhow::Context;
    let mut first = None;
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let name = entry?.file_name();
        let digits: String = name.to_string_lossy().chars().take_while(char::is_ascii_digit).collect();
        if let Ok(position) = digits.parse::<u64>() {
            first = Some(first.map_or(position, |first: u64| first.min(position)));
        }
    }
    first.with_context(|| format!("{} holds no journal", dir.display()))
}
