//! A backup of a data directory: made beside the running service, and brought back.
//!
//! ```text
//! journal/      the segments, up to a record that was whole when it was read
//! snapshots/    the newest snapshot, if there was one
//! vault.redb    people's keys, staff
//! keys          the secrets of the service
//! backup.json   what is here, with a hash of each file; written last
//! ```
//!
//! The order of the copying is what makes the parts fit: the snapshot before the journal, which
//! thereby reaches at least as far; the journal before the vault, since a person's key is kept before
//! anything that is sealed with it is written; and the keys last, since a ring only grows.
//!
//! It must never leave a backup that looks whole and is not, and never bring one back in a way that
//! lets a ticket, a pass or a code of the lost time name what somebody else is given afterwards. Start
//! reading at [`make`], then [`restore`]; `join` makes a further node of a living cluster from one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use jari_core::invariants;
use jari_journal::{StdDisk, VerifySummary};
use jari_node::snapshots::Snapshots;
use jari_node::{Clock, SystemClock};
use jari_web::vault::Vault;
use serde::{Deserialize, Serialize};

use crate::config;
use crate::desk::take_vault;
use crate::home::Home;

const FORMAT: u32 = 1;
const MANIFEST: &str = "backup.json";
/// The file of the keys.
pub const KEYS: &str = "keys";
/// Bytes that are hashed at a time.
const HASHED_BYTES: usize = 1 << 20;
/// A snapshot may be replaced, and records that it covers be released, while they are copied: then
/// both are copied again, so often.
const TRIES_MAX: u32 = 8;

/// What a backup holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// Everything that was acknowledged before this instant is in it, ms since 1970.
    pub begun_at_ms: u64,
    /// The oldest record.
    pub first: u64,
    /// The last record.
    pub head: u64,
    /// The chain after it, hexadecimal.
    pub chain: String,
    /// Whose it is, where several nodes share a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Follows>,
    files: Vec<Entry>,
}

/// A node that follows a stream.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follows {
    /// The stream's name.
    pub stream: String,
    /// The node's number; a node that has not started since it is remembered has none.
    pub node: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    bytes: u64,
    blake3: String,
}

impl Manifest {
    /// What a backup says of itself.
    pub fn read(backup: &Path) -> anyhow::Result<Manifest> {
        let path = backup.join(MANIFEST);
        let text = fs::read(&path).with_context(|| {
            format!(
                "cannot read {}: it is written last, so this is no backup, or half of one",
                path.display()
            )
        })?;
        let manifest: Manifest =
            serde_json::from_slice(&text).with_context(|| format!("in {}", path.display()))?;
        ensure!(
            manifest.format == FORMAT,
            "the backup has format {}, and this build knows {FORMAT}",
            manifest.format
        );
        Ok(manifest)
    }

    /// Brings everything but the keys, which are only checked, into a directory, durably, and makes
    /// sure that it is what was saved and breaks no invariant. Gives how many bookings there are.
    pub fn bring(&self, backup: &Path, home: &Home) -> anyhow::Result<u32> {
        for entry in &self.files {
            // The keys come last: without them nothing starts on what is half made.
            let to = if entry.path == KEYS { None } else { Some(home.dir().join(&entry.path)) };
            bring(&backup.join(&entry.path), entry, to.as_deref())?;
        }
        let engine = home.engine(&config::Journal::default())?;
        let (head, chain) = engine.applied();
        ensure!(
            head.0 == self.head && chain.to_string() == self.chain,
            "the journal that came back ends at {head}, and the backup says {}: it is not the one that was saved",
            self.head
        );
        let bookings =
            engine.read(|state| invariants::check(state.data()).map(|()| state.data().bookings.len() as u32));
        let bookings = bookings.map_err(|violation| {
            anyhow::anyhow!("invariant {} is broken in the backup: {}", violation.invariant, violation.says)
        })?;
        drop(engine);
        for dir in [home.journal(), home.snapshots()] {
            File::open(dir)?.sync_all()?;
        }
        Ok(bookings)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|entry| entry.bytes).sum()
    }
}

/// What came back.
pub struct Restored {
    /// What was in the backup.
    pub manifest: Manifest,
    /// Bookings, cancelled ones included.
    pub bookings: u32,
    /// The number of the key that signs from now on.
    pub key: u8,
}

/// Makes a backup in `to`, which must not exist or be empty. The service may run.
pub fn make(home: &Home, to: &Path) -> anyhow::Result<Manifest> {
    ensure!(
        home.has_keys() && home.vault().exists(),
        "{} is no data directory of a service that was ever started",
        home.dir().display()
    );
    let begun_at_ms = SystemClock.now().0;
    make_empty(to)?;
    let summary = copy_records(home, to)?;
    copy_vault(home, &to.join("vault.redb"))?;
    copy_file(&home.keys_file(), &to.join(KEYS))?;
    let follows = match home.stream_followed()? {
        Some(stream) => Some(Follows { stream, node: home.node_last()? }),
        None => None,
    };
    let mut files = Vec::new();
    list(to, "", &mut files)?;
    let manifest = Manifest {
        format: FORMAT,
        begun_at_ms,
        first: summary.first.0,
        head: summary.head.0,
        chain: summary.chain.to_string(),
        follows,
        files,
    };
    let text = serde_json::to_vec_pretty(&manifest)?;
    jari_journal::replace_file(&StdDisk, &to.join(MANIFEST), &text)?;
    Ok(manifest)
}

/// Brings a backup back into `dir`, which must not exist or be empty, as the beginning of another
/// life: see [`jari_wire::keys`] for what its keys are worth then.
pub fn restore(backup: &Path, dir: &Path) -> anyhow::Result<Restored> {
    let manifest = Manifest::read(backup)?;
    make_empty(dir)?;
    let home = Home::open(dir)?;
    let bookings = manifest.bring(backup, &home)?;
    let key = home.begin_another_life(&backup.join(KEYS), bookings)?;
    Ok(Restored { manifest, bookings, key })
}

/// The snapshot, then the journal.
fn copy_records(home: &Home, to: &Path) -> anyhow::Result<VerifySummary> {
    let (journal, snapshots) = (to.join("journal"), to.join("snapshots"));
    for _ in 0..TRIES_MAX {
        for dir in [&journal, &snapshots] {
            if dir.exists() {
                fs::remove_dir_all(dir)?;
            }
        }
        fs::create_dir(&snapshots)?;
        let position = copy_snapshot(&home.snapshots(), &snapshots)?;
        let summary = jari_journal::copy(&home.journal(), &journal)?;
        if summary.first.0 <= position + 1 && position <= summary.head.0 {
            return Ok(summary);
        }
    }
    bail!(
        "the journal released records faster than they could be copied: set journal.keep_all, or stop the service"
    )
}

/// Copies the newest snapshot that is whole; gives its position, 0 if there is none.
fn copy_snapshot(from: &Path, to: &Path) -> anyhow::Result<u64> {
    for path in Snapshots::open(from)?.paths()?.into_iter().rev() {
        let name = path.file_name().context("a snapshot has a name")?;
        match copy_file(&path, &to.join(name)) {
            Ok(()) => {}
            // Removed meanwhile: there is a newer one, and what is older goes as well.
            Err(error) if error.downcast_ref::<io::Error>().is_some_and(is_missing) => continue,
            Err(error) => return Err(error),
        }
        // Damaged ones are passed over, as at a start.
        match Snapshots::open(to)?.newest()? {
            Some((meta, _)) => return Ok(meta.position),
            None => fs::remove_file(to.join(name))?,
        }
    }
    Ok(0)
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// From the service if it runs, else from the file.
fn copy_vault(home: &Home, to: &Path) -> anyhow::Result<()> {
    if take_vault(home, |copy| copy_file(copy, to))? {
        return Ok(());
    }
    let vault = Vault::open(&home.vault(), home.keys()?)
        .context("a service that does not answer at its socket may have it: stop it first")?;
    Ok(vault.copy_to(to)?)
}

/// Copies a file durably.
pub fn copy_file(from: &Path, to: &Path) -> anyhow::Result<()> {
    // The permissions are copied, too: the keys stay readable by their user alone.
    fs::copy(from, to)?;
    Ok(File::open(to)?.sync_all()?)
}

/// A directory for the user alone. Whatever is in it already is left alone.
pub fn make_empty(dir: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.with_context(|| format!("cannot make {}", dir.display()))?;
    ensure!(fs::read_dir(dir)?.next().is_none(), "{} is not empty: nothing is written over", dir.display());
    Ok(())
}

/// Every file under `dir` with its hash, in order.
fn list(dir: &Path, prefix: &str, files: &mut Vec<Entry>) -> anyhow::Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort_unstable();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).context("a file's name is no text")?;
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            list(&path, &format!("{name}/"), files)?;
            File::open(&path)?.sync_all()?;
        } else {
            let blake3 = hash_of(&path)?;
            files.push(Entry { path: name, bytes: fs::metadata(&path)?.len(), blake3 });
        }
    }
    Ok(())
}

fn hash_of(path: &Path) -> anyhow::Result<String> {
    let hash = || -> io::Result<String> {
        let (mut file, mut hasher) = (File::open(path)?, blake3::Hasher::new());
        let mut chunk = vec![0; HASHED_BYTES];
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                return Ok(hasher.finalize().to_hex().to_string());
            }
            hasher.update(&chunk[..read]);
        }
    };
    hash().with_context(|| format!("cannot read {}", path.display()))
}

/// Copies a file of a backup, if it goes anywhere, and checks what arrived.
fn bring(from: &Path, entry: &Entry, to: Option<&Path>) -> anyhow::Result<()> {
    let path = Path::new(&entry.path);
    let stays_inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    ensure!(stays_inside, "the backup names a file outside of it: {}", entry.path);
    if let Some(to) = to {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        copy_file(from, to).with_context(|| format!("cannot bring {} back", entry.path))?;
    }
    ensure!(
        hash_of(to.unwrap_or(from))? == entry.blake3,
        "{} is damaged in the backup: take another backup; nothing was started",
        entry.path
    );
    Ok(())
}
