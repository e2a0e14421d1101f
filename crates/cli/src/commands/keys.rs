//! `jari keys`: rotate the service's keys, make a partner's secret.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::draw::hex;
use crate::home::{Home, random};

/// What can be done with keys.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// Add a key that signs from the next start on; older ones still verify
    Rotate(Rotate),
    /// Make a partner's secret and the line for the configuration
    Partner(Partner),
}

/// Adds a key to the data directory's file `keys`.
#[derive(Args)]
pub struct Rotate {
    /// The data directory
    dir: PathBuf,
}

/// Prints a new secret, which the partner sends as `Authorization: Bearer`, and the section
/// of the configuration that knows only its hash.
#[derive(Args)]
pub struct Partner {
    /// The partner's public name
    name: String,
    /// Its channel number, from 16
    #[arg(value_parser = clap::value_parser!(u16).range(16..))]
    channel: u16,
}

impl KeysCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            KeysCommand::Rotate(rotate) => {
                let id = Home::open(&rotate.dir)?.rotate_keys()?;
                println!("key {id} signs from the next start on");
            }
            KeysCommand::Partner(partner) => {
                let secret = hex(&random()?);
                println!("secret, for the partner alone: {secret}\n\nfor the configuration:\n");
                println!("[[partner]]\nname = {:?}\nchannel = {}", partner.name, partner.channel);
                println!("secret_blake3 = \"{}\"", blake3::hash(secret.as_bytes()).to_hex());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
