//! `jari join`: a further node of a living cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::config::Config;
use crate::join::join;

/// Makes a further node of a cluster from a backup of one of its nodes.
///
/// The backup is made with `jari backup` beside a running node of the same stream; others serve
/// meanwhile. The configuration is the new node's, with a number of its own; its data directory must
/// not exist or be empty. Nothing was lost, so the keys stay valid, unlike after `jari restore`.
/// Afterwards `jari serve` begins with the snapshot of the backup and goes on with the stream.
#[derive(Args)]
pub struct Join {
    /// The backup
    backup: PathBuf,
    /// The configuration file of the new node
    #[arg(long)]
    config: PathBuf,
    /// The node that the backup is of is gone for good, and this one takes its place and number
    #[arg(long)]
    replace: bool,
}

impl Join {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::read(&self.config)?;
        let joined = join(&self.backup, &config, self.replace)?;
        let (first, head) = (joined.manifest.first, joined.manifest.head);
        println!("records       {first} to {} ({} of them from the stream)", joined.head, joined.head - head);
        println!("snapshot      {}", joined.snapshot);
        println!("node          {}", config.journal.stream()?.node);
        println!("next          jari serve --config {}", self.config.display());
        Ok(ExitCode::SUCCESS)
    }
}
