//! `jari health`: is the service of a configuration ready? For service managers and containers.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::config::Config;

/// No answer within this time is none.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the service that this configuration is for, on this machine, whether it is ready. Exit status
/// 0 if it is, 1 if it says that it is not, 2 if it does not answer. Shows among others which version of
/// the rules counts and which one this node's build knows.
#[derive(Args)]
pub struct Health {
    /// The configuration file
    #[arg(long)]
    config: PathBuf,
}

impl Health {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let listen = Config::read(&self.config)?.listen;
        let url = format!("http://{}/readyz", reachable(listen));
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build()
            .into();
        let mut answer = agent.get(&url).call()?;
        println!("{} {}", answer.status(), answer.body_mut().read_to_string()?.trim_end());
        Ok(if answer.status().is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Whoever listens on every address is asked on the loopback one.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(if listen.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}
