//! The one binary `jari`: configuration and wiring, nothing else.
//!
//! It must never decide what the crates below decide. Start reading at [`Cli`], then
//! [`commands`]; [`home`] says what lies in a data directory.

mod backup;
mod commands;
mod config;
mod country;
mod desk;
mod geography;
mod home;
mod join;
mod load;
mod messages;
mod metrics;
mod rehearse;
mod service;
mod stream;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rustix::process::{Resource, getrlimit, setrlimit};

/// A request makes some twenty small allocations that another thread often frees: what glibc
/// spends a ninth of a join on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A fair waiting room and a booking engine that never gives a place twice.
///
/// Try it: `jari demo`, then open the page it prints.
#[derive(Parser)]
#[command(name = "jari", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a made-up country that books at once; open the page it prints and stand in line
    Demo(commands::demo::Demo),
    /// Serve a waiting room and its campaigns
    Serve(commands::serve::Serve),
    /// Read clinics and slots from SMART Scheduling Links or CSV; check them, then load them
    Import(commands::import::ImportCommand),
    /// Replay an incident and judge the outcome
    #[command(subcommand)]
    Drill(commands::drill::DrillCommand),
    /// Look into a journal
    #[command(subcommand)]
    Journal(commands::journal::JournalCommand),
    /// Recompute the lobby's draw
    #[command(subcommand)]
    Draw(commands::draw::DrawCommand),
    /// Handle the keys of a data directory
    #[command(subcommand)]
    Keys(commands::keys::KeysCommand),
    /// Help someone of the staff in
    #[command(subcommand)]
    Staff(commands::staff::StaffCommand),
    /// Copy a data directory, while its service runs or not
    Backup(commands::backup::Backup),
    /// Make a data directory from a backup
    Restore(commands::backup::Restore),
    /// Make a further node of a cluster from a backup of one of its nodes
    Join(commands::join::Join),
    /// Ask whether a service is ready
    Health(commands::health::Health),
    /// See which version of the rules counts, and make the next one count
    #[command(subcommand)]
    Rules(commands::rules::RulesCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    allow_open_files();
    start_log(match cli.command {
        Verb::Serve(_) => "info",
        // What breaks there was broken on purpose, thousands of times.
        Verb::Drill(commands::drill::DrillCommand::Fuzz(_)) => "off",
        _ => "warn",
    });
    let ended = match cli.command {
        Verb::Demo(demo) => demo.run(),
        Verb::Serve(serve) => serve.run(),
        Verb::Import(import) => import.run(),
        Verb::Drill(drill) => drill.run(),
        Verb::Journal(journal) => journal.run(),
        Verb::Draw(draw) => draw.run(),
        Verb::Keys(keys) => keys.run(),
        Verb::Staff(staff) => staff.run(),
        Verb::Backup(backup) => backup.run(),
        Verb::Restore(restore) => restore.run(),
        Verb::Join(join) => join.run(),
        Verb::Health(health) => health.run(),
        Verb::Rules(rules) => rules.run(),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("jari: {error:#}");
        ExitCode::from(2)
    })
}

/// Raises this process's own limit of open files as far as it may: each connection is one,
/// and the usual limit is a thousand.
fn allow_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With the usual limit everything works, for fewer people; the service says so.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Logs go to standard error. `RUST_LOG` chooses what; without it a service tells what it
/// does, and everything else only what is amiss.
fn start_log(usual: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
