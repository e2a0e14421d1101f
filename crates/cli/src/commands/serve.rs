//! `jari serve`: a service from a configuration file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::home::Home;
use crate::messages;
use crate::service::{Service, runtime};

/// Serves waiting rooms and campaigns from a data directory until Ctrl-C or SIGTERM.
///
/// Then `/readyz` says at once that it is not ready; it serves on for `limits.drain_ms`, or until
/// another signal, accepts nobody more, answers whatever was asked, and ends.
///
/// The configuration is TOML; one line, `data = "/var/lib/jari"`, is enough. Printed at the
/// start: the address, and at the very first start the operator's password, once.
#[derive(Args)]
pub struct Serve {
    /// The configuration file
    #[arg(long)]
    config: PathBuf,
    /// Only read and check the configuration
    #[arg(long)]
    check: bool,
}

impl Serve {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::read(&self.config)?;
        messages::check(&config.messages)?;
        if self.check {
            println!("{} is a configuration", self.config.display());
            return Ok(ExitCode::SUCCESS);
        }
        let runtime = runtime()?;
        runtime.block_on(serve(&config))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    // Without a handler this signal ends the process when a file reaches the size it may have. With
    // one the write fails, and is dealt with like a full disk.
    let _file_at_its_limit = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
    let home = Home::open(&config.data)?;
    // The keys come first: a journal must never be made without them.
    home.keys()?;
    let engine = home.engine(&config.journal)?;
    let mut service = Service::start(config, &home, engine).await?;
    println!("listening on http://{}", service.address);
    if let Some(password) = &service.first_password {
        println!("operator password: {password}");
        println!(
            "(shown once; sign in at http://{}/operator; lost? stop, and `jari staff reset-password`)",
            service.address
        );
    }
    service.until_stopped().await;
    service.stop().await
}
