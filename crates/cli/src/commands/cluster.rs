//! `jari drill cluster`: three nodes, three servers, a network of their own, and faults.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use jari_drill::cluster::faults::{Fault, plan};
use jari_drill::cluster::{self, ClusterOptions, enclosure};
use jari_drill::crash::gate::Counted;

use super::drill::hand_in;

/// Brings up three nodes on a stream of three servers, each in a network namespace of its own, loads
/// them over HTTP, and does faults to them: processes are killed, stopped and asked to end, ways
/// between machines are cut in both directions or in one. Looks whether each fault really happened,
/// reads back everything that was acknowledged, measures how long each node takes to be back, and
/// compares the nodes' journals.
///
/// Needs root, or a machine that lets its users make user namespaces; `unshare` and `nsenter`
/// (util-linux), `ip` and `tc` (iproute2), and `nats-server`. The network of the machine is not
/// touched, and nothing is left behind.
///
/// Writes `report.json`, `report.html` and the programs' logs. Exit status 0 only when all verdicts
/// hold. The seed decides the faults and what people do; what the machine's scheduler does is its own.
#[derive(Args)]
pub struct Cluster {
    /// This fault, as often as it is named, instead of those that the seed draws
    #[arg(long = "fault", value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    named: Vec<String>,
    /// How many faults the seed draws: each comes once before any comes again
    #[arg(long, default_value_t = 6)]
    faults: usize,
    /// How long a fault usually lasts, in seconds; where servers must elect a leader, at least ten
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Decides everything that chance decides
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A snapshot after so many commands
    #[arg(long, default_value_t = 4_000)]
    snapshot_every_commands: u64,
    /// Say what each fault is, and end
    #[arg(long)]
    list: bool,
    /// Announce the faults and do nothing: a run that does not fail then proves nothing
    #[arg(long)]
    plant_nothing: bool,
    /// The servers' binary [default: JARI_NATS_SERVER, target/tools/nats-server, or in PATH]
    #[arg(long)]
    nats_server: Option<PathBuf>,
    /// Where the report goes
    #[arg(long, default_value = "drills/cluster")]
    report: PathBuf,
    /// Set by the drill itself, inside its namespaces
    #[arg(long, hide = true)]
    inside: bool,
}

fn names() -> impl Iterator<Item = &'static str> {
    Fault::ALL.iter().map(|fault| fault.name())
}

impl Cluster {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if self.list {
            for fault in Fault::ALL {
                println!("{:<14} {}", fault.name(), fault.words());
            }
            return Ok(ExitCode::SUCCESS);
        }
        ensure!(self.seconds > 0 && self.faults > 0, "at least one fault of at least a second");
        let nats_server = self.nats_server()?;
        if !self.inside {
            let status = enclosure::enter("--inside")?;
            return Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(2)).unwrap_or(2)));
        }
        let faults = self.planned();
        let count = faults.len();
        let progress = move |number: usize, fault: Fault, counted: &Counted| {
            let Counted { answered, asked_again, .. } = counted;
            eprintln!(
                "fault {:>3} of {count}  answered {answered:>8}  after asking again {asked_again:>6}  {:<13} {}",
                number + 1,
                fault.name(),
                fault.words()
            );
        };
        let options = ClusterOptions {
            jari: std::env::current_exe().context("the path of this program is unknown")?,
            nats_server,
            faults,
            lasts: Duration::from_secs(self.seconds),
            seed: self.seed,
            snapshot_every_commands: self.snapshot_every_commands,
            logs: self.report.join("logs"),
            plants_nothing: self.plant_nothing,
            command: self.command(),
            progress: Box::new(progress),
        };
        let report = cluster::run(&options)?;
        let ended = hand_in(&report, &self.report)?;
        if !report.all_pass() {
            println!("again: {}", self.command());
        }
        Ok(ended)
    }

    fn planned(&self) -> Vec<Fault> {
        if self.named.is_empty() {
            return plan(self.seed, self.faults);
        }
        self.named.iter().filter_map(|name| Fault::named(name)).collect()
    }

    /// An absolute path: the servers run elsewhere.
    fn nats_server(&self) -> anyhow::Result<PathBuf> {
        let told =
            self.nats_server.clone().or_else(|| std::env::var_os("JARI_NATS_SERVER").map(PathBuf::from));
        let found = told.or_else(|| {
            let tools = PathBuf::from("target/tools/nats-server");
            let path = std::env::var_os("PATH").unwrap_or_default();
            let in_path = std::env::split_paths(&path).map(|dir| dir.join("nats-server"));
            std::iter::once(tools).chain(in_path).find(|path| path.is_file())
        });
        let found = found.context(
            "nats-server is missing: run `scripts/prepare`, or set JARI_NATS_SERVER or --nats-server to its path",
        )?;
        absolute(&found)
    }

    /// The command that repeats this run.
    fn command(&self) -> String {
        let mut command = String::from("jari drill cluster");
        for name in &self.named {
            command.push_str(&format!(" --fault {name}"));
        }
        if self.named.is_empty() {
            command.push_str(&format!(" --faults {}", self.faults));
        }
        command.push_str(&format!(
            " --seconds {} --seed {} --snapshot-every-commands {}",
            self.seconds, self.seed, self.snapshot_every_commands
        ));
        if self.plant_nothing {
            command.push_str(" --plant-nothing");
        }
        command
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    path.canonicalize().with_context(|| format!("there is no nats-server at {}", path.display()))
}
