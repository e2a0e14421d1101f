//! Sets the stage for the benches over HTTP: the data directory of a service with an open
//! room and a campaign, and a file with one signed-in person's session a line. `jari serve`
//! then starts from it like after any restart.
//!
//! Everything goes through the journal; nothing is measured here.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::ensure;
use clap::Parser;
use jari_bench::country::{BIRTH, Country, ROOM, create_room, draw_room, person, plain};
use jari_core::ids::ChannelId;
use jari_core::{Body, Command, Time};
use jari_journal::{FileJournal, FileOptions};
use jari_node::{Clock, Engine, EngineOptions, SystemClock};
use jari_wire::keys::KeyRing;
use jari_wire::token::{Session, Ticket};
use serde_json::json;

const DAY_MS: u64 = 86_400_000;

/// Makes a data directory and sessions.
#[derive(Parser)]
struct Arguments {
    /// The data directory; must not exist
    #[arg(long)]
    data: PathBuf,
    /// How many bookings there should be room for
    #[arg(long, default_value_t = 100_000)]
    bookings: u64,
    /// Where to write sessions, and how many
    #[arg(long, requires = "people")]
    sessions: Option<PathBuf>,
    /// People with a session
    #[arg(long, default_value_t = 0)]
    people: u64,
    /// People who wait in the room already
    #[arg(long, default_value_t = 0)]
    waiting: u32,
    /// The pace of the room
    #[arg(long, default_value_t = 60_000)]
    entries_per_minute: u32,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let data = &arguments.data;
    ensure!(!data.exists(), "{} exists", data.display());
    fs::create_dir_all(data)?;
    let now = SystemClock.now();
    let keys = KeyRing::generate(1, [42; 32], now.date(0));
    fs::write(data.join("keys"), keys.to_text())?;

    let options = FileOptions { keep_all: true, ..FileOptions::new(data.join("journal")) };
    let (journal, _) = FileJournal::open(options)?;
    let (mut engine, _) = Engine::recover(Box::new(journal), None, EngineOptions::default())?;
    let country = Country::for_bookings(arguments.bookings);
    // Stamped in the recent past, so that all is open when the service starts.
    let past = Time(now.0 - 120_000);
    turn(&mut engine, &country.founding(past), past)?;
    turn(&mut engine, &[create_room(past.plus_ms(1_000), false, arguments.entries_per_minute)], past)?;
    let opened = past.plus_ms(2_000);
    turn(&mut engine, &[draw_room()], opened)?;
    let mut left = arguments.waiting;
    while left > 0 {
        let count = left.min(jari_core::limits::JOINS_PER_COMMAND_MAX);
        turn(&mut engine, &[plain(Body::Join { room: ROOM, count })], opened)?;
        left -= count;
    }

    let ends_at = now.plus_ms(DAY_MS);
    if let Some(path) = &arguments.sessions {
        let mut out = BufWriter::new(fs::File::create(path)?);
        for number in 0..arguments.people {
            let session =
                Session { person: person(number), birth: BIRTH, ends_at, channel: ChannelId::OWN_SITE };
            writeln!(out, "{}", session.seal(&keys))?;
        }
        out.flush()?;
    }
    let serial = jari_core::ids::Serial(arguments.waiting.saturating_sub(1));
    let ticket = Ticket { room: ROOM, serial, person: None }.seal(&keys);
    println!(
        "{}",
        json!({ "slots": country.slots(), "last_ticket": ticket, "room": ROOM.0,
        "free": engine.read(|state| state.data().campaigns.values().map(|one| one.free()).sum::<u32>()) })
    );
    Ok(())
}

fn turn(engine: &mut Engine, commands: &[Command], at: Time) -> anyhow::Result<()> {
    let mut refused = None;
    engine.turn(commands, at, &mut |index, outcome| {
        if let Some(refusal) = outcome.refusal() {
            refused.get_or_insert((index, refusal));
        }
    })?;
    ensure!(refused.is_none(), "the stage could not be set: {refused:?}");
    Ok(())
}
