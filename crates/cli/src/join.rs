//! A further node of a living cluster, made from the backup of one that runs.
//!
//! What takes long comes from the backup, on this machine alone: a snapshot, the journal's tail, the
//! vault. The rest comes from the stream, from where the backup ends. Unlike after a restore nothing
//! was lost, so nothing is given twice, and the keys stay what they are.
//!
//! Everything is made in `joining/`, checked, and put in place at last, the keys after all else: as long
//! as they are missing nothing starts on what is there. It must never take keys over into a service
//! that has retired them, nor make two nodes of one number. Start reading at [`join`].

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use jari_node::snapshots::Snapshots;

use crate::backup::{Follows, KEYS, Manifest, copy_file, make_empty};
use crate::config::{Config, StreamConfig};
use crate::home::Home;

/// What a join puts into a data directory before the keys.
const MADE: [&str; 5] = ["journal", "snapshots", "vault.redb", "stream", "node"];

/// What was made.
pub struct Joined {
    /// What was in the backup.
    pub manifest: Manifest,
    /// The position of the snapshot that the first start begins with; 0 if there is none.
    pub snapshot: u64,
    /// The last record, with those that came from the stream.
    pub head: u64,
}

/// Makes the data directory of a configuration, which must be missing or empty, from a backup of
/// another node of the same stream; of the same node only if it is `gone` for good.
pub fn join(backup: &Path, config: &Config, gone: bool) -> anyhow::Result<Joined> {
    let stream = config.journal.stream()?;
    let manifest = Manifest::read(backup)?;
    check_origin(&manifest, stream, gone)?;
    make_room(&config.data)?;
    let home = Home::open(&config.data)?;
    DirBuilder::new().mode(0o700).create(home.joining())?;
    // Whoever finds it after a crash must know what the rest is.
    File::open(home.dir())?.sync_all()?;
    let stage = Home::open(&home.joining())?;
    manifest.bring(backup, &stage)?;
    let snapshot = Snapshots::open(&stage.snapshots())?.newest()?.map_or(0, |(meta, _)| meta.position);
    copy_file(&backup.join(KEYS), &stage.keys_file())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(stream.join_vault(&stage))?;
    let head = stream.follow_from(&stage, stage.file_options(&config.journal)).with_context(|| {
        format!(
            "the backup, which ends at position {}, does not fit the stream {}: make a newer one, unless the stream \
             has lost records",
            manifest.head, stream.stream
        )
    })?;
    File::open(stage.vault())?.sync_all()?;
    put_in_place(&stage, &home)?;
    Ok(Joined { manifest, snapshot, head: head.0 })
}

fn check_origin(manifest: &Manifest, stream: &StreamConfig, gone: bool) -> anyhow::Result<()> {
    let Some(Follows { stream: followed, node }) = &manifest.follows else {
        bail!(
            "the backup does not say which stream its node followed: it is of one machine alone, or an older build \
             made it; make one with `jari backup` of a node of the stream {}",
            stream.stream
        );
    };
    ensure!(
        *followed == stream.stream,
        "the backup is of a node of the stream {followed}, and the configuration names the stream {}: take a backup \
         of that one, or put the right name into the configuration",
        stream.stream
    );
    ensure!(
        manifest.head > 0,
        "the backup holds no record: start this node without it, with the same file `keys`"
    );
    ensure!(
        gone || *node != Some(stream.node),
        "the backup is of node {0}, and the configuration says that this is node {0} as well: each node has a number \
         of its own, journal.jetstream.node; if that one is gone for good and this takes its place, say --replace",
        stream.node
    );
    Ok(())
}

/// Makes the directory, or takes away what a join left that was interrupted. Whatever else is in it
/// is left alone.
fn make_room(dir: &Path) -> anyhow::Result<()> {
    let stage = dir.join("joining");
    if stage.is_dir() && !dir.join(KEYS).exists() {
        for name in MADE {
            remove(&dir.join(name))?;
        }
        // Last: until then it says what the rest is.
        remove(&stage)?;
    }
    make_empty(dir)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn put_in_place(stage: &Home, home: &Home) -> anyhow::Result<()> {
    File::open(stage.dir())?.sync_all()?;
    for name in MADE {
        let put = fs::rename(stage.dir().join(name), home.dir().join(name));
        put.with_context(|| format!("cannot put {name} into {}", home.dir().display()))?;
    }
    File::open(home.dir())?.sync_all()?;
    fs::rename(stage.keys_file(), home.keys_file())?;
    File::open(home.dir())?.sync_all()?;
    // Empty by now; a service does not mind it.
    remove(stage.dir())
}
