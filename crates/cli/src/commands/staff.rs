//! `jari staff`: a new password for someone of the staff.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use jari_web::vault::Vault;

use crate::home::Home;
use crate::service::problem;

/// What can be done about the staff.
#[derive(Subcommand)]
pub enum StaffCommand {
    /// Print a new password for someone whose password is lost; the old one counts no more
    ResetPassword(ResetPassword),
}

/// Replaces the password and prints the new one, once. The service must be down: it has the file open.
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
}

impl StaffCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let StaffCommand::ResetPassword(ResetPassword { dir, name }) = self;
        let home = Home::existing(&dir)?;
        let keys = home.keys()?;
        let vault = Vault::open(&home.vault(), keys).context("stop the service first, if it runs")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let password = runtime.block_on(vault.reset_password(&name)).map_err(problem)?;
        let password = password.with_context(|| {
            format!("there is nobody named {name:?}; a service without staff makes one at its next start")
        })?;
        println!("{name} password: {password}");
        println!("(shown once)");
        Ok(ExitCode::SUCCESS)
    }
}
