//! The live drill's overload alone, in half a minute: for finding out why it is as it is.
//!
//! `overload JARI [PEOPLE]` starts the service at JARI, gives it a campaign and
//! people with sessions, and prints what each load came to. `PERF=1` prints its process id first
//! and waits for a line, so that a profiler can be set on it.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use jari_drill::live::{
    api::{self, Session},
    crowd::people::claim,
    http::{Connection, Target},
    load::{LoadOutcome, Visitor},
    overload::{self, OverloadOptions},
    service::{Scratch, Service, ServiceOptions, pin_self},
    stage::{Desk, Operator, clock, desks_of},
};

const SEED: u64 = 1;
const SECRET: &str = "a secret of the overload's own";
const CAMPAIGN: u32 = 1;
const PEOPLE: u32 = 5_000;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (jari, people) = match words.as_slice() {
        [jari] => (jari, PEOPLE),
        [jari, people] => (jari, people.parse()?),
        _ => bail!("say `JARI [PEOPLE]`"),
    };
    let scratch = Scratch::new(SEED)?;
    let pinned = pin_self("0");
    let service = Service::start(ServiceOptions {
        core: pinned.then_some(1),
        ..ServiceOptions::new(PathBuf::from(jari), scratch.0.clone(), SECRET.into())
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let target = Target::new(service.address);
    let (desks, visitors) = runtime.block_on(prepare(&target, &service.password, people))?;
    if std::env::var_os("PERF").is_some() {
        println!("the service is process {}", service.id());
        std::io::stdin().read_line(&mut String::new())?;
    }
    let options =
        OverloadOptions { target, campaign: CAMPAIGN, desks, capacity_s: 2.0, overload_s: 8.0, seed: SEED };
    let overload = overload::measure(&options, visitors)?.context("nobody came")?;
    for (visits, outcome) in &overload.tried {
        show(&format!("{visits} at any time"), outcome);
    }
    show("overload", &overload.over);
    let first_ms = overload.over.served_in_run_in.value_at_quantile(0.99) as f64 / 1000.0;
    println!("p99 of the first second {first_ms:.1} ms");
    println!("by second {:?}", overload.over.booked_by_second);
    let (ratio, times, (over_ms, full_ms)) = (overload.ratio(), overload.offered_times(), overload.p99_ms());
    let full = overload.fullest().0;
    println!("{ratio:.2} of its best at {times:.1} x, p99 {over_ms:.1} ms against {full_ms:.1} ms at {full}");
    Ok(())
}

/// A campaign without a room, and people who are signed in.
async fn prepare(target: &Target, password: &str, people: u32) -> anyhow::Result<(Vec<Desk>, Vec<Visitor>)> {
    let mut operator = Operator::sign_in(target, password, SEED).await?;
    let mut connection = Connection::new(target.clone());
    let campaign = overload::campaign(CAMPAIGN, clock(&mut connection).await?);
    let desks = operator.create_campaign(&campaign).await?;
    let desks = desks_of(&mut connection, &desks).await?;
    let mut visitors = Vec::new();
    for person in 0..people {
        let request = api::identify(SECRET, &claim(SEED, person)).into_bytes();
        let answer = connection.send(&request, Duration::from_secs(5)).await?;
        let session: Session = api::read(&answer).context("somebody could not be identified")?;
        visitors.push(Visitor::new(session.session_token.into()));
    }
    Ok((desks, visitors))
}

fn show(name: &str, outcome: &LoadOutcome) {
    let ms = |quantile| outcome.served.value_at_quantile(quantile) as f64 / 1000.0;
    println!(
        "{name}: {:.0} bookings/s of {:.0} visits/s, {} not offered, {} kept out, {} refused, p50 {:.1} ms, \
         p90 {:.1} ms, p99 {:.1} ms, late {:.1} ms, {:?}",
        outcome.booked_per_s(),
        outcome.offered as f64 / outcome.lasted_s,
        outcome.not_offered,
        outcome.kept_out,
        outcome.refused.len(),
        ms(0.5),
        ms(0.9),
        ms(0.99),
        outcome.lag.value_at_quantile(0.99) as f64 / 1000.0,
        outcome.answers,
    );
}
