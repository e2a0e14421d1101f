//! The load generator of every ratio: HTTP/1.1 over kept connections, requests rendered
//! from templates, one thread, one event loop. It prints what came of it as one line of
//! JSON; `scripts/bench` judges it.
//!
//! ```text
//! load --target 127.0.0.1:8080 --scenario join.json --connections 256 --seconds 5
//! load --target 127.0.0.1:8080 --scenario join.json --connections 4096 --seconds 5 --rate 50000
//! ```
//!
//! It must never be the slower side without saying so: the report holds how busy each
//! core was. Start reading at [`crowd`].

mod connection;
mod crowd;
mod tally;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use jari_bench::scenario::Scenario;

use crowd::{Crowd, Settings};

/// Sends a crowd to an HTTP server and counts what comes back.
#[derive(Parser)]
struct Arguments {
    /// Address and port of the server
    #[arg(long)]
    target: SocketAddr,
    /// What each person sends: see `jari_bench::scenario`
    #[arg(long)]
    scenario: PathBuf,
    /// Connections at the most
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests under way on one connection, in a closed loop
    #[arg(long, default_value_t = 1)]
    pipeline: usize,
    /// People a second, who come whether or not the server keeps up
    #[arg(long)]
    rate: Option<f64>,
    /// A new connection for each person
    #[arg(long, requires = "rate")]
    fresh: bool,
    /// Come from so many networks of 127.0.0.0/8
    #[arg(long, default_value_t = 0)]
    networks: u32,
    /// Who is not served within so many milliseconds leaves
    #[arg(long, default_value_t = 2_000)]
    patience_ms: u64,
    /// Seconds before anything counts
    #[arg(long, default_value_t = 1.0)]
    warm: f64,
    /// Seconds that count
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Where arrivals, keys and slots come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let path = &arguments.scenario;
    let json = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let scenario = Scenario::parse(&json, &arguments.target.to_string(), arguments.seed)?;
    ensure!(arguments.pipeline == 1 || scenario.steps() == 1, "only single requests can be pipelined");
    ensure!((1..=60_000).contains(&arguments.connections), "1 to 60,000 connections");
    ensure!(arguments.rate.is_none_or(|rate| rate > 0.0), "a rate is above 0");
    std::net::TcpStream::connect(arguments.target)
        .with_context(|| format!("nobody listens on {}", arguments.target))?;
    let settings = Settings {
        target: arguments.target,
        connections: arguments.connections,
        pipeline: arguments.pipeline,
        rate: arguments.rate,
        fresh: arguments.fresh,
        networks: arguments.networks.min(32_000),
        patience: Duration::from_millis(arguments.patience_ms),
        warm: Duration::from_secs_f64(arguments.warm),
        window: Duration::from_secs_f64(arguments.seconds),
        seed: arguments.seed,
    };
    let tally = Crowd::new(settings, scenario)?.run()?;
    println!("{}", tally.report());
    Ok(())
}
