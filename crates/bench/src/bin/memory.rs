//! B9: what ten million who wait, and ten million who have booked, take in memory. The
//! bare machine is filled; what the allocator gave out and what the process has resident
//! are compared with before.
//!
//! It must never count the clinics and slots as bookings: they are there before.

use std::alloc::System;

use anyhow::ensure;
use cap::Cap;
use clap::{Parser, ValueEnum};
use jari_bench::cores;
use jari_bench::country::{CAMPAIGN, Country, Crowd, ROOM, create_room, draw_room, person, plain};
use jari_core::ids::Serial;
use jari_core::{Body, Command, Outcome, State, Time, step};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const START: Time = Time(1_626_048_000_000);

/// Measures memory.
#[derive(Parser)]
struct Arguments {
    /// What fills the machine
    #[arg(value_enum)]
    what: What,
    /// How many
    #[arg(long)]
    count: u32,
    /// Where commands come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Copy, Clone, PartialEq, Eq, ValueEnum)]
enum What {
    /// People in a room without identities: half before the opening, half after
    Waiting,
    /// The same in a room that binds tickets to people
    WaitingBound,
    /// Bookings whose command ids are remembered
    Bookings,
    /// Bookings whose command ids are not
    BookingsPlain,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let count = arguments.count;
    let mut state = State::new();
    let country = Country::for_bookings(u64::from(count));
    for command in country.founding(START) {
        let outcome = step(&mut state, &command, START);
        ensure!(outcome.refusal().is_none(), "the founding came to {outcome:?}");
    }
    let before = Use::now();
    match arguments.what {
        What::Waiting | What::WaitingBound => wait(&mut state, count, arguments.what == What::WaitingBound)?,
        What::Bookings | What::BookingsPlain => {
            let mut crowd = Crowd::new(country, arguments.seed, arguments.what == What::Bookings);
            crowd.book(u64::from(count), START, |commands, at| turn(&mut state, commands, at))?;
            let booked = state.data().campaigns[&CAMPAIGN].supply.booked;
            ensure!(booked == count, "{booked} bookings were made");
        }
    }
    let after = Use::now();
    let allocated = after.allocated.saturating_sub(before.allocated);
    let resident = after.resident.saturating_sub(before.resident);
    println!(
        "{}",
        json!({ "count": count, "allocated_bytes": allocated, "resident_bytes": resident,
        "allocated_bytes_each": allocated as f64 / f64::from(count),
        "resident_bytes_each": resident as f64 / f64::from(count) })
    );
    drop(state);
    Ok(())
}

struct Use {
    allocated: u64,
    resident: u64,
}

impl Use {
    fn now() -> Use {
        Use { allocated: ALLOCATOR.allocated() as u64, resident: cores::resident_bytes() }
    }
}

/// Messages count as sent at once.
fn turn(state: &mut State, commands: &[Command], at: Time) -> anyhow::Result<Vec<Outcome>> {
    let outcomes = commands.iter().map(|command| step(state, command, at)).collect();
    let upto = state.data().effects.end();
    step(state, &plain(Body::AckEffects { upto }), at);
    Ok(outcomes)
}

/// Half come before the opening and are drawn, half come after it; then people enter for
/// some minutes, so that marks and passes take what they take.
fn wait(state: &mut State, count: u32, bound: bool) -> anyhow::Result<()> {
    let opens_at = START.plus_ms(60_000);
    done(state, &create_room(opens_at, bound, 60_000), START)?;
    join(state, 0..count / 2, bound, START)?;
    done(state, &draw_room(), opens_at.plus_ms(1))?;
    join(state, count / 2..count, bound, opens_at.plus_ms(2))?;
    for second in 1..=300_u64 {
        let at = opens_at.plus_ms(second * 1_000);
        state.advance(at);
        for serial in (second as u32..count).step_by((count as usize / 100).max(1)) {
            // Whether this one is called yet does not matter: a mark is touched either way.
            step(state, &plain(Body::Enter { room: ROOM, serial: Serial(serial) }), at);
        }
    }
    ensure!(state.data().rooms[&ROOM].issued == count, "everyone has a ticket");
    Ok(())
}

fn join(state: &mut State, serials: std::ops::Range<u32>, bound: bool, at: Time) -> anyhow::Result<()> {
    const BATCH: usize = 500;
    if bound {
        for number in serials {
            done(state, &plain(Body::JoinAs { room: ROOM, person: person(u64::from(number)) }), at)?;
        }
        return Ok(());
    }
    for first in serials.clone().step_by(BATCH) {
        let count = (serials.end - first).min(BATCH as u32);
        done(state, &plain(Body::Join { room: ROOM, count }), at)?;
    }
    Ok(())
}

fn done(state: &mut State, command: &Command, at: Time) -> anyhow::Result<()> {
    let outcome = step(state, command, at);
    ensure!(outcome.refusal().is_none(), "{:?} came to {outcome:?}", command.body);
    Ok(())
}
