//! The cluster drill: three nodes on a stream of three servers, in a network of its own, and faults
//! under load.
//!
//! The drill makes its own machines: a network namespace for each, joined by a router at which the
//! crowd sits. People change the node at every request and ask again with the same key until they are
//! answered. Faults come one after another: processes are killed, stopped, asked to end; ways are cut
//! in both directions or in one. Each has to be seen to have happened. The crash drill's auditor
//! reads back what was acknowledged after every fault, at every node at the end, and once more after
//! everything was stopped and started; the nodes' journals have to be one history.
//!
//! Must never touch the network it was started in, and never link the service. Start at [`run`]; then
//! [`enclosure`] and [`net`] (the world), [`faults`] (what is done), [`inject`] and [`evidence`] (one
//! fault), [`drive`] (all of them) and [`verdicts`].

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};

use crate::{crash::gate::Counted, live::service::Scratch, report::Report};
use faults::Fault;

pub mod agree;
pub mod drive;
pub mod enclosure;
pub mod evidence;
pub mod fairness;
pub mod faults;
pub mod inject;
pub mod net;
pub mod probes;
pub mod programs;
pub mod summary;
pub mod verdicts;
pub mod watch;

/// Hears which fault is next, and what the crowd has counted.
pub type OnProgress = dyn Fn(usize, Fault, &Counted) + Send + Sync;

/// How to run the cluster drill.
pub struct ClusterOptions {
    /// The service's binary.
    pub jari: PathBuf,
    /// The servers' binary, `nats-server`.
    pub nats_server: PathBuf,
    /// The faults, in order; see [`faults::plan`].
    pub faults: Vec<Fault>,
    /// How long a fault usually lasts.
    pub lasts: Duration,
    /// All that is random follows from it; what the machine's scheduler does, does not.
    pub seed: u64,
    /// A snapshot after so many commands.
    pub snapshot_every_commands: u64,
    /// Where the programs' logs go.
    pub logs: PathBuf,
    /// Faults are announced and not done: a run that does not fail then proves nothing.
    pub plants_nothing: bool,
    /// The command that repeats this run, for the report.
    pub command: String,
    /// See [`OnProgress`].
    pub progress: Box<OnProgress>,
}

/// Runs the drill, inside of a world made by [`enclosure::enter`]. Blocks.
///
/// # Errors
///
/// When network or programs cannot be brought up in the first place. A promise that does not hold is
/// no error: the report says so.
pub fn run(options: &ClusterOptions) -> anyhow::Result<Report> {
    let started_at = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    let scratch = Scratch::new(options.seed)?;
    let left = scratch.0.clone();
    // Logs of another run would be taken for this one's.
    let _ = fs::remove_dir_all(&options.logs);
    enclosure::ends_with_input(move || {
        // The programs are still there and write; what cannot be removed is in the temporary directory.
        let _ = fs::remove_dir_all(left);
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(drive::run(options, &scratch.0));
    // What still waits for a node must not keep the drill.
    runtime.shutdown_background();
    let outcome = outcome.with_context(|| format!("logs are in {}", options.logs.display()))?;
    if outcome.injections.is_empty() && outcome.stayed_down.is_none() {
        bail!("no fault was done");
    }
    let details = options.logs.join("faults.txt");
    fs::write(&details, summary::details(&outcome))
        .with_context(|| format!("cannot write {}", details.display()))?;
    Ok(summary::report(options, &started_at, &outcome))
}
