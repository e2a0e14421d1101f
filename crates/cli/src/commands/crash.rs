//! `jari drill crash`: kill the service again and again, and look for what was lost.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use jari_drill::crash::{self, CrashOptions, plant};

use super::drill::hand_in;

/// Loads a service of its own over HTTP, kills it with `kill -9` at random moments (under load,
/// right after a burst, while it writes a snapshot, while it starts), starts it again on the same
/// data, and reads back everything that was acknowledged. Then takes the room from its disk.
///
/// Writes `report.json` and `report.html`. Exit status 0 only when all verdicts hold. The seed
/// decides the moments and what people do; what the machine's scheduler does is its own.
#[derive(Args)]
pub struct Crash {
    /// How often it is killed
    #[arg(long, default_value_t = 10)]
    kills: u64,
    /// Decides everything that chance decides
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A snapshot after so many commands: few, so that kills fall into their making
    #[arg(long, default_value_t = 400)]
    snapshot_every_commands: u64,
    /// Lose something on purpose half-way through: a run that does not fail then proves nothing
    #[arg(long, value_enum)]
    plant: Option<Plant>,
    /// Leave out the full disk
    #[arg(long)]
    no_disk: bool,
    /// Where the report goes
    #[arg(long, default_value = "drills/crash")]
    report: PathBuf,
}

/// See [`plant::Plant`].
#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
enum Plant {
    /// Put the newest journal segment back to what it was a kill earlier
    StaleSegment,
    /// Put journal and snapshots back to what they were a kill earlier
    LostWrites,
}

impl Crash {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let kills = self.kills;
        let progress = move |done: u64, counted: &crash::gate::Counted| {
            let crash::gate::Counted { answered, asked_again, .. } = counted;
            eprint!(
                "\rkill {done:>4} of {kills}  answered {answered:>8}  after asking again {asked_again:>6}"
            );
        };
        let options = CrashOptions {
            jari: std::env::current_exe().context("the path of this program is unknown")?,
            kills,
            seed: self.seed,
            snapshot_every_commands: self.snapshot_every_commands,
            plant: self.plant.map(|plant| match plant {
                Plant::StaleSegment => plant::Plant::StaleSegment,
                Plant::LostWrites => plant::Plant::LostWrites,
            }),
            fills_disk: !self.no_disk,
            command: self.command(),
            progress: Box::new(progress),
        };
        let report = crash::run(&options);
        eprintln!();
        hand_in(&report?, &self.report)
    }

    /// The command that repeats this run.
    fn command(&self) -> String {
        let mut command = format!(
            "jari drill crash --kills {} --seed {} --snapshot-every-commands {}",
            self.kills, self.seed, self.snapshot_every_commands
        );
        match self.plant {
            Some(Plant::StaleSegment) => command.push_str(" --plant stale-segment"),
            Some(Plant::LostWrites) => command.push_str(" --plant lost-writes"),
            None => {}
        }
        if self.no_disk {
            command.push_str(" --no-disk");
        }
        command
    }
}
