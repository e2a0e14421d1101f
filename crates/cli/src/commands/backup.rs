//! `jari backup` and `jari restore`: a copy of a data directory, and the way back from it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::backup;
use crate::home::Home;

/// Copies a data directory, while its service runs or not.
///
/// Everything that was acknowledged before it begins is in it. It holds the service's secrets and
/// people's keys: keep it where only you can read it, and no longer than you must, since whoever asks
/// to be forgotten is forgotten in it only when it is gone.
#[derive(Args)]
pub struct Backup {
    /// The data directory
    dir: PathBuf,
    /// Where the copy goes: a directory that does not exist or is empty
    #[arg(long)]
    to: PathBuf,
}

/// Makes a data directory from a backup.
///
/// What was acknowledged after the backup began is lost. No ticket, pass or session of before counts
/// any more: what was given out after the backup could name a place that somebody else is given now.
/// People take a new number and identify themselves again. Bookings in the backup stand, with their
/// codes. Read docs/runbook.md first.
#[derive(Args)]
pub struct Restore {
    /// The backup
    backup: PathBuf,
    /// The data directory to be made: it does not exist or is empty
    #[arg(long)]
    to: PathBuf,
}

impl Backup {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let home = Home::existing(&self.dir)?;
        let manifest = backup::make(&home, &self.to)?;
        println!("records       {} to {}", manifest.first, manifest.head);
        println!("chain hash    {}", manifest.chain);
        println!("size          {} bytes", manifest.bytes());
        println!("holds         all that was acknowledged before {} ms since 1970", manifest.begun_at_ms);
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let restored = backup::restore(&self.backup, &self.to)?;
        println!("records       {} to {}", restored.manifest.first, restored.manifest.head);
        println!("chain hash    {}", restored.manifest.chain);
        println!("bookings      {}", restored.bookings);
        println!("lost          all after {} ms since 1970", restored.manifest.begun_at_ms);
        println!(
            "key           {} signs; tickets, passes and sessions of before count no more",
            restored.key
        );
        Ok(ExitCode::SUCCESS)
    }
}
