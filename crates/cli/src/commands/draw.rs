//! `jari draw`: recompute a place in the lobby's draw from what is public.

use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use jari_core::waiting_room::draw;

/// What can be asked of a draw.
#[derive(Subcommand)]
pub enum DrawCommand {
    /// Check a revealed seed against its commitment, and recompute places
    Verify(Verify),
}

/// Recomputes the lobby's draw from what a room publishes: SHA-256 of the seed must be the
/// commitment; the place of ticket number N is `compute_shuffled_index` (90 rounds,
/// SHA-256) of N among the lobby, under SHA-256 of seed and beacon.
///
/// Exit status 1 if the seed does not fit the commitment.
#[derive(Args)]
pub struct Verify {
    /// The seed revealed at the opening, 64 hexadecimal digits
    #[arg(long)]
    seed: String,
    /// The public value mixed in; zeros if none was
    #[arg(long, default_value = "0000000000000000000000000000000000000000000000000000000000000000")]
    beacon: String,
    /// The commitment published before the opening
    #[arg(long)]
    commitment: String,
    /// Tickets in the draw
    #[arg(long)]
    lobby: u32,
    /// Ticket numbers, from 0, whose place is wanted; without any, the whole draw is checked
    /// to be a permutation
    #[arg(long = "ticket")]
    tickets: Vec<u32>,
}

impl DrawCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let DrawCommand::Verify(verify) = self;
        verify.run()
    }
}

impl Verify {
    fn run(self) -> anyhow::Result<ExitCode> {
        let seed = hex32(&self.seed).context("--seed")?;
        let beacon = hex32(&self.beacon).context("--beacon")?;
        let commitment = hex32(&self.commitment).context("--commitment")?;
        if draw::commitment(&seed) != commitment {
            println!(
                "the seed does NOT fit the commitment: SHA-256 of it is {}",
                hex(&draw::commitment(&seed))
            );
            return Ok(ExitCode::FAILURE);
        }
        println!("the seed fits the commitment");
        let mixed = draw::mix(&seed, &beacon);
        println!("shuffled under {}", hex(&mixed));
        for ticket in &self.tickets {
            ensure!(*ticket < self.lobby, "ticket {ticket} was not in the draw of {} tickets", self.lobby);
            println!("ticket {ticket}  place {}", draw::shuffled_index(*ticket, self.lobby, &mixed));
        }
        if self.tickets.is_empty() {
            return Ok(self.check_whole(&mixed));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn check_whole(&self, mixed: &[u8; 32]) -> ExitCode {
        let mut taken = vec![false; self.lobby as usize];
        for ticket in 0..self.lobby {
            let place = draw::shuffled_index(ticket, self.lobby, mixed) as usize;
            if std::mem::replace(&mut taken[place], true) {
                println!("place {place} was given twice");
                return ExitCode::FAILURE;
            }
        }
        println!("all {} tickets have a place of their own", self.lobby);
        ExitCode::SUCCESS
    }
}

/// Thirty-two bytes from hexadecimal digits.
pub fn hex32(text: &str) -> anyhow::Result<[u8; 32]> {
    jari_web::hex::decode(text).with_context(|| format!("64 hexadecimal digits are needed, not {text:?}"))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_survives_the_round_trip_and_rubbish_is_named() {
        let bytes = [0xa5; 32];
        assert_eq!(hex32(&hex(&bytes)).unwrap(), bytes);
        assert!(hex32("12").is_err());
        assert!(hex32(&"g".repeat(64)).is_err());
        assert!(hex32(&"é".repeat(32)).is_err());
        assert!(hex32(&"+f".repeat(32)).is_err(), "a sign is no digit");
    }
}
