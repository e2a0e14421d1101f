//! The crash drill: `kill -9` at moments drawn from a seed, under load over real HTTP, again and
//! again on the same data; then a disk without room.
//!
//! A crowd takes numbers, holds, books, moves and cancels places and has its contacts kept and
//! deleted; an operator changes the quota. Whoever gets no answer asks again with the same key.
//! After each restart an auditor with a small model of its own reads back what was acknowledged.
//! Must never touch a process or a directory that it did not make, and never link the service: it
//! meets the binary as people do.
//!
//! Start at [`run`]; then [`rounds`] (load, kill, restart, audit), [`book`] (what people were told)
//! and [`audit`]; [`disk`] is the full disk, [`torn`] a write that was cut off; [`plant`] is the test of the test.

use std::path::PathBuf;

use anyhow::bail;

use crate::{live::service::Scratch, report::Report};
use gate::Counted;
use plant::Plant;
use rounds::Rounds;

pub mod audit;
pub mod book;
pub mod disk;
pub mod gate;
pub mod nodes;
pub mod plan;
pub mod plant;
pub mod rounds;
pub mod summary;
pub mod torn;
pub mod verdicts;
pub mod visitor;

/// Hears after how many kills the drill is, and what the crowd has counted.
pub type OnProgress = dyn Fn(u64, &Counted) + Send + Sync;

/// How to run the crash drill.
pub struct CrashOptions {
    /// The binary that is killed.
    pub jari: PathBuf,
    /// How often.
    pub kills: u64,
    /// All that is random follows from it; what the machine's scheduler does, does not.
    pub seed: u64,
    /// A snapshot after so many commands.
    pub snapshot_every_commands: u64,
    /// A loss made on purpose.
    pub plant: Option<Plant>,
    /// Whether the disk is filled up as well.
    pub fills_disk: bool,
    /// The command that repeats this run, for the report.
    pub command: String,
    /// See [`OnProgress`].
    pub progress: Box<OnProgress>,
}

/// Runs the crash drill. Blocks for about two seconds a kill.
///
/// # Errors
///
/// When the service cannot be started or used in the first place. A promise that does not hold is no
/// error: the report says so.
pub fn run(options: &CrashOptions) -> anyhow::Result<Report> {
    let started_at = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    // A runtime of its own on a thread of its own: the caller may be inside one.
    let outcome = std::thread::scope(|scope| {
        let ended = scope.spawn(|| {
            let scratch = Scratch::new(options.seed)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut outcome = Rounds::prepare(options, &scratch).await?.run().await?;
                if options.fills_disk {
                    outcome.disks = disk::run(options, &scratch.0).await?;
                }
                Ok(outcome)
            })
        });
        ended.join().unwrap_or_else(|_| bail!("the drill panicked; its message is above"))
    })?;
    Ok(summary::report(options, &started_at, &outcome))
}
