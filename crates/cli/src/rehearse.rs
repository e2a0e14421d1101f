//! A rehearsal for the console: this program once more, as a process of its own at the lowest priority,
//! which prints its report.
//!
//! It must never outlive the request that asked for it. Start at [`rehearse`].

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use jari_web::actions::operator::rehearsal::{Rehearsal, Rehearse};
use tokio::process::Command;

/// A rehearsal that takes longer is given up.
const TIME_MAX: Duration = Duration::from_secs(240);

/// The console's way to a rehearsal.
pub fn rehearse() -> Rehearse {
    Arc::new(|rehearsal| Box::pin(async move { run(&rehearsal).await.map_err(|error| format!("{error:#}")) }))
}

async fn run(rehearsal: &Rehearsal) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("where this program is")?;
    let mut command = Command::new(program);
    command.args(["drill", "rehearse", "--report", "-"]);
    for (name, value) in [
        ("--people", rehearsal.people),
        ("--places", rehearsal.places),
        ("--entries-per-minute", rehearsal.entries_per_minute.max(1)),
        ("--inside-max", rehearsal.passes.max(1)),
        ("--turn-s", (rehearsal.pass_ttl_ms / 1_000).max(30)),
        ("--opens-minute", rehearsal.opens_minute.into()),
    ] {
        command.arg(name).arg(value.to_string());
    }
    if rehearsal.identity_bound {
        command.arg("--identity-bound");
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(TIME_MAX, command.output()).await.context("it took too long")??;
    // 1: it ran, and not every verdict holds; the report says which.
    let ended = output.status.code();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(matches!(ended, Some(0 | 1)), "it ended with {ended:?}: {}", said.trim());
    String::from_utf8(output.stdout).context("the report is not UTF-8")
}
