//! `jari drill`: replay an incident and judge the outcome.

use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use jari_drill::fuzz::{self, FuzzOptions};
use jari_drill::live::{self, LiveOptions, Step};
use jari_drill::report::Report;
use jari_drill::{Rehearsal, SimulateOptions};

/// What can be asked of the drills.
#[derive(Subcommand)]
pub enum DrillCommand {
    /// Say which drills there are and what happened on those days
    List,
    /// Run a drill, print its verdicts, write the report
    Run(Run),
    /// Simulate an opening that is still to come, with your own places and pace
    Rehearse(Rehearse),
    /// Kill the service again and again under load, and look for what was lost
    Crash(super::crash::Crash),
    /// Do faults to nodes, servers and the network between them, under load, and look for what was lost
    Cluster(super::cluster::Cluster),
    /// Simulate small clusters under faults, one a seed, until a promise is broken
    Fuzz(Fuzz),
}

/// How a drill is run.
#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
enum Mode {
    /// In virtual time, in this process: the whole country, with faults injected from a seed
    Simulate,
    /// Real HTTP against a running service, with a part of the country
    Live,
}

/// Replays an incident and checks the promises: nothing lost, nothing given twice, a fair
/// order that was recomputed, waiting that costs next to nothing, overload that bends.
///
/// Writes `report.json` and `report.html` (self-contained, with plots). Exit status 0 only
/// when all verdicts hold. The same seed and commit replay a simulated run exactly.
#[derive(Args)]
pub struct Run {
    /// A name from `jari drill list`
    name: String,
    /// How to run it
    #[arg(long, value_enum, default_value = "simulate")]
    mode: Mode,
    /// The part of the country that comes: 1 is all of it [default: 1 simulated, live as much
    /// as fits into about a minute]
    #[arg(long)]
    scale: Option<f64>,
    /// Decides everything that chance decides
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Live: a running service, instead of one started for the drill. Its operator password and
    /// a partner's secret are read from JARI_OPERATOR_PASSWORD and JARI_PARTNER_SECRET
    #[arg(long)]
    target: Option<String>,
    /// Live: only as long as a test can wait
    #[arg(long)]
    tiny: bool,
    /// Where the report goes [default: drills/NAME-MODE]
    #[arg(long)]
    report: Option<PathBuf>,
}

/// Simulates an opening that is still to come: your places, your pace, a crowd that behaves as that of
/// July 2021 did, a crash and a flood. Touches nothing. With more than 60,000 people a part of them is
/// played, with everything that carries made smaller alike.
///
/// Writes `report.json` and `report.html`. Exit status 0 only when all verdicts hold. It runs at the
/// lowest priority.
#[derive(Args)]
pub struct Rehearse {
    /// People who come
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    people: u32,
    /// Places to be given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    places: u32,
    /// Entries a minute at the most
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    entries_per_minute: u32,
    /// People inside at once at the most
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    inside_max: u32,
    /// Seconds that a turn lasts
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(30..=86_400))]
    turn_s: u32,
    /// Each person has one number
    #[arg(long)]
    identity_bound: bool,
    /// The opening, in minutes after midnight [default: 20:00]
    #[arg(long, default_value_t = 1_200, value_parser = clap::value_parser!(u32).range(0..1_440))]
    opens_minute: u32,
    /// Decides everything that chance decides
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the report goes; `-` prints its page, and nothing else
    #[arg(long, default_value = "drills/rehearsal")]
    report: PathBuf,
}

impl Rehearse {
    fn run(self) -> anyhow::Result<ExitCode> {
        // Whatever else this machine does comes first. Without leave it is done all the same.
        let _ = rustix::process::nice(19);
        let rehearsal = Rehearsal {
            people: self.people,
            places: self.places,
            entries_per_minute: self.entries_per_minute,
            inside_max: self.inside_max,
            turn_ms: self.turn_s * 1_000,
            identity_bound: self.identity_bound,
            opening_s: self.opens_minute * 60,
        };
        let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        let options = SimulateOptions {
            scale: rehearsal.scale(),
            seed: self.seed,
            progress: &|_| {},
            command: format!("jari {command}"),
        };
        let report = jari_drill::rehearse(&rehearsal, &options)?;
        if self.report.as_os_str() == "-" {
            std::io::stdout().lock().write_all(report.html()?.as_bytes())?;
            return Ok(if report.all_pass() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        hand_in(&report, &self.report)
    }
}

/// Simulates clusters in one process, each decided by its seed alone: nodes, clients, crashes,
/// torn writes, full disks, wrong clocks, lost and repeated messages. An auditor with a model of
/// its own judges every answer and the state at the end.
///
/// A broken promise is printed with its seed, the last events and the command that replays it;
/// the exit status is 0 only if there was none. Seed and commit replay a run exactly.
#[derive(Args)]
pub struct Fuzz {
    /// How many seeds
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Worker threads; they change nothing but the time it takes [default: one a core]
    #[arg(long)]
    threads: Option<NonZero<usize>>,
}

impl DrillCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            DrillCommand::List => list(),
            DrillCommand::Run(run) => run.run(),
            DrillCommand::Rehearse(rehearse) => rehearse.run(),
            DrillCommand::Crash(crash) => crash.run(),
            DrillCommand::Cluster(cluster) => cluster.run(),
            DrillCommand::Fuzz(fuzz) => fuzz.run(),
        }
    }
}

fn list() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for drill in jari_drill::NAMES {
        let about = jari_drill::history::evening(drill).map_or("", |evening| evening.about);
        writeln!(out, "{drill}\n    {about}\n")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the report, prints its summary, and says how it ended.
pub(super) fn hand_in(report: &Report, dir: &Path) -> anyhow::Result<ExitCode> {
    report.write(dir).with_context(|| format!("cannot write the report to {}", dir.display()))?;
    report.print_summary(&mut std::io::stdout().lock())?;
    println!("report: {}", dir.join("report.html").display());
    Ok(if report.all_pass() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Run {
    fn run(self) -> anyhow::Result<ExitCode> {
        if !jari_drill::NAMES.contains(&self.name.as_str()) {
            bail!("there is no drill {:?}; `jari drill list` says which there are", self.name);
        }
        let (report, default_dir) = match self.mode {
            Mode::Simulate => (self.simulate()?, format!("drills/{}-simulate", self.name)),
            Mode::Live => (self.live()?, format!("drills/{}-live", self.name)),
        };
        let dir = self.report.unwrap_or_else(|| PathBuf::from(default_dir));
        hand_in(&report, &dir)
    }

    fn simulate(&self) -> anyhow::Result<Report> {
        let progress = |progress: jari_drill::Progress| {
            let jari_drill::Progress { at_s, ends_s, waiting, booked } = progress;
            let (minute, minutes) = (at_s / 60.0, ends_s / 60.0);
            eprint!("\rminute {minute:>4.0} of {minutes:.0}  in line {waiting:>8}  booked {booked:>8}");
        };
        let options = SimulateOptions {
            scale: self.scale.unwrap_or(1.0),
            seed: self.seed,
            progress: &progress,
            command: self.command(),
        };
        let report = jari_drill::simulate(&self.name, &options);
        eprintln!();
        report
    }

    /// The command that repeats this run.
    fn command(&self) -> String {
        let mode = if self.mode == Mode::Live { "live" } else { "simulate" };
        let mut command = format!("jari drill run {} --mode {mode} --seed {}", self.name, self.seed);
        if let Some(scale) = self.scale {
            command.push_str(&format!(" --scale {scale}"));
        }
        if self.tiny {
            command.push_str(" --tiny");
        }
        command
    }

    fn live(&self) -> anyhow::Result<Report> {
        let progress = |step: &Step| match step {
            Step::Phase(words) => eprintln!("\n{words}"),
            Step::Second(progress) => {
                let (second, counts) = (&progress.second, &progress.second.counts);
                eprint!(
                    "\r{:>4} s  in line {:>7}  inside {:>6}  booked {:>7}  {:>6} requests/s  p99 {:>7.1} ms",
                    second.at_s, counts.waiting, counts.inside, counts.booked, second.requests, second.p99_ms
                );
            }
        };
        let options = LiveOptions {
            target: self.target.clone(),
            jari: std::env::current_exe().context("the path of this program is unknown")?,
            scale: self.scale,
            tiny: self.tiny,
            seed: self.seed,
            command: self.command(),
            progress: Arc::new(progress),
        };
        let report = live::run(&self.name, &options);
        eprintln!();
        report
    }
}

impl Fuzz {
    fn run(self) -> anyhow::Result<ExitCode> {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let threads = self.threads.unwrap_or_else(cores);
        let options = FuzzOptions { seed: self.seed, seeds: self.seeds, threads };
        let summary = fuzz::fuzz(&options, &|done| {
            if done % 100 == 0 {
                eprintln!("{done} seeds");
            }
        });
        let mut out = std::io::stdout().lock();
        write!(out, "{summary}")?;
        Ok(if summary.failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
