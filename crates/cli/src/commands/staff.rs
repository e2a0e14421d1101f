//! `jari staff`: a new password for someone of the staff.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use jari_node::{Clock, SystemClock};
use jari_web::staff::Role;
use jari_web::staff::audit::{Entry, MACHINE};
use jari_web::vault::{StaffRecord, Vault};

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
/// were begun before end, and it is in the audit list.
#[derive(Args)]
pub struct ResetPassword {
    /// The data directory
    dir: PathBuf,
    /// The name to sign in with
    #[arg(default_value = "operator")]
    name: String,
    /// Take the second factor away as well: the telephone is lost, and the recovery codes
    #[arg(long)]
    reset_totp: bool,
    /// Make an operator of them, who is not locked: where no operator is left who can sign in
    #[arg(long)]
    make_operator: bool,
    /// The configuration file of the node: needed where several nodes serve, which share their staff
    #[arg(long)]
    config: Option<PathBuf>,
}

impl StaffCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let StaffCommand::ResetPassword(asked) = self;
        let home = Home::existing(&asked.dir)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let password = runtime.block_on(reset(&home, &asked))?;
        let name = &asked.name;
        let password = password.with_context(|| {
            format!("there is nobody named {name:?}; a service without staff makes one at its next start")
        })?;
        println!("{name} password: {password}");
        println!("(shown once)");
        Ok(ExitCode::SUCCESS)
    }
}

/// Changes the account, and notes each thing before it is done.
async fn reset(home: &Home, asked: &ResetPassword) -> anyhow::Result<Option<String>> {
    let vault = open_vault(home, asked.config.as_deref()).await?;
    if vault.staff_now(&asked.name).await.is_none() {
        return Ok(None);
    }
    let what = if asked.reset_totp { "reset_password_and_second_factor" } else { "reset_password" };
    let also = asked.make_operator.then_some("make_operator");
    for what in [what].into_iter().chain(also) {
        let entry = Entry::new(SystemClock.now().0, MACHINE, what, asked.name.as_str());
        vault.note(&entry).await.map_err(problem)?;
    }
    let change = |mut record: StaffRecord| {
        if asked.reset_totp {
            record.more.totp.clear();
            record.more.recovery.clear();
        }
        if asked.make_operator {
            record.role = Role::Operator.number();
            record.more.locked = false;
            record.more.clinics.clear();
        }
        Ok(record)
    };
    vault.change_staff(&asked.name, change).await.map_err(problem)?;
    vault.reset_password(&asked.name).await.map_err(problem)
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
