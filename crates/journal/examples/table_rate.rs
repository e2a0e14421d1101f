//! How many new names a second a shared table takes through servers that flush before they
//! acknowledge, and what a name costs the servers.
//!
//! `cargo run -p jari-journal --example table_rate -- DIR [--names 20000] [--at-once 256]
//! [--servers 3]`; the servers' files lie in a new directory within `DIR`. Needs `nats-server` (see
//! `scripts/prepare`). Prints one object of JSON: names a second, and for each name the bytes of
//! memory and of files of one server, and the milliseconds that taking all of them anew takes.

#![allow(clippy::disallowed_methods, reason = "it measures real time on real disks")]

#[path = "../tests/servers/mod.rs"]
mod servers;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jari_journal::jetstream::{Created, Table};
use serde_json::json;

/// Bytes of a wrapped key.
const VALUE_BYTES: usize = 73;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("say which directory to write to")?);
    let (mut names, mut at_once, mut servers) = (20_000_u64, 256, 3);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--names" => names = value.parse()?,
            "--at-once" => at_once = value.parse()?,
            "--servers" => servers = value.parse()?,
            other => return Err(format!("there is no option {other}").into()),
        }
    }
    let cluster = servers::Cluster::start_in(&dir, servers, "sync_interval: always");
    let process = cluster.processes().next().ok_or("there is a server")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let table = Arc::new(runtime.block_on(Table::connect(&cluster.options("rate"), "rate", true))?);
    let (memory, started) = (resident(process), Instant::now());
    runtime.block_on(fill(&table, names, at_once));
    let rate = names as f64 / started.elapsed().as_secs_f64();
    let per_name = |bytes: u64| bytes as f64 / names as f64;
    let began = Instant::now();
    let taken = runtime.block_on(take(&table));
    println!(
        "{}",
        json!({
            "names": names, "at_once": at_once, "servers": servers, "names_per_s": rate,
            "server_memory_per_name": per_name(resident(process).saturating_sub(memory)),
            "server_files_per_name": per_name(bytes_in(&cluster.config_dir().join("s0"))),
            "taken": taken, "taken_ms": began.elapsed().as_millis() as u64,
        })
    );
    Ok(())
}

async fn fill(table: &Arc<Table>, names: u64, at_once: usize) {
    let mut running = tokio::task::JoinSet::new();
    for number in 0..names {
        if running.len() >= at_once {
            settle(running.join_next().await);
        }
        let table = Arc::clone(table);
        running.spawn(async move {
            let name = format!("person.{:032x}", u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c));
            table.create(&name, &[0xa5; VALUE_BYTES]).await
        });
    }
    while !running.is_empty() {
        settle(running.join_next().await);
    }
}

fn settle(
    created: Option<Result<Result<Created, jari_journal::jetstream::TableError>, tokio::task::JoinError>>,
) {
    let created = created.expect("one was running").expect("no panic").expect("is answered");
    assert!(matches!(created, Created::Now { .. }));
}

async fn take(table: &Table) -> usize {
    let (mut after, mut count) = (0, 0);
    loop {
        let (changed, more) = table.changes(after).await.expect("is answered");
        count += changed.len();
        after = changed.last().map_or(after, |last| last.kept.revision);
        if !more {
            return count;
        }
    }
}

/// Bytes of memory that a process holds.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn bytes_in(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_in(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
