//! `jari staff`: a new password for someone of the staff.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use jari_web::vault::Vault;

use crate::config::Config;
use crate::home::Home;
use crate::service::problem;

/// What can be done about the staff.
#[derive(Subcommand)]
pub enum StaffCommand {
    /// Print a new password for someone whose password is lost; the old one counts no more
    ResetPassword(ResetPassword),
}

/// Replaces the password and prints the new one, once. The service must be down: it has the file open.
/// Where several nodes serve only this one must be; the others hear of it at once.
///
/// Also the way in when the first start was interrupted before its password was seen. Sessions that
/// were begun before go on until they end, after eight hours at the most.
#[derive(Args)]
pub struct ResetPassword {
    /// The data directory
    dir: PathBuf,
    /// The name to sign in with
    #[arg(default_value = "operator")]
    name: String,
    /// The configuration file of the node: needed where several nodes serve, which share their staff
    #[arg(long)]
    config: Option<PathBuf>,
}

impl StaffCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let StaffCommand::ResetPassword(ResetPassword { dir, name, config }) = self;
        let home = Home::existing(&dir)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let password = runtime.block_on(async {
            let vault = open_vault(&home, config.as_deref()).await?;
            vault.reset_password(&name).await.map_err(problem)
        })?;
        let password = password.with_context(|| {
            format!("there is nobody named {name:?}; a service without staff makes one at its next start")
        })?;
        println!("{name} password: {password}");
        println!("(shown once)");
        Ok(ExitCode::SUCCESS)
    }
}

/// The vault that knows the staff: this directory's own, or the one that it shares with others.
async fn open_vault(home: &Home, config: Option<&Path>) -> anyhow::Result<Vault> {
    let keys = home.keys()?;
    let Some(stream) = home.stream_followed()? else {
        return Vault::open(&home.vault(), keys).context("stop the service first, if it runs");
    };
    let config = config.with_context(|| {
        format!(
            "{} shares its staff with the other nodes of the stream {stream}: give --config FILE, which says where \
             they keep it",
            home.dir().display()
        )
    })?;
    let config = Config::read(config)?;
    let vault = config.journal.stream()?.open_vault(home, keys, false).await;
    vault.context("stop the service first, if it runs")
}
