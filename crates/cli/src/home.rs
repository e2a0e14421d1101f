//! A data directory: what lies in it, and how a service is brought up from it.
//!
//! ```text
//! keys          the secrets of this service, readable by its user alone
//! journal/      the records, in segments
//! snapshots/    the state at some position, to start from
//! vault.redb    people's keys, staff
//! ```

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use jari_core::time::Date;
use jari_journal::{FileJournal, FileOptions};
use jari_node::snapshots::Snapshots;
use jari_node::{Clock, Engine, EngineOptions, SystemClock};
use jari_wire::keys::KeyRing;

use crate::config::Journal;

/// A data directory.
#[derive(Clone, Debug)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// Opens a data directory, making it if needed.
    pub fn open(dir: &Path) -> anyhow::Result<Home> {
        fs::create_dir_all(dir)
            .with_context(|| format!("cannot make the data directory {}", dir.display()))?;
        Ok(Home { dir: dir.to_owned() })
    }

    /// Where the journal lies.
    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// Where snapshots lie.
    pub fn snapshots(&self) -> PathBuf {
        self.dir.join("snapshots")
    }

    /// Where people's keys and staff lie.
    pub fn vault(&self) -> PathBuf {
        self.dir.join("vault.redb")
    }

    /// The secrets of this service; made at the first start. A journal without its keys is
    /// an error: every ticket given out would be worthless.
    pub fn keys(&self) -> anyhow::Result<KeyRing> {
        let path = self.dir.join("keys");
        if path.exists() {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            return KeyRing::parse(&text).with_context(|| format!("in {}", path.display()));
        }
        ensure!(
            !self.journal().exists(),
            "{} has a journal but no file `keys`: restore it from the backup; without it, tickets and \
             contacts that were given out cannot be read",
            self.dir.display()
        );
        let keys = KeyRing::generate(1, random()?, today());
        self.write_keys(&keys)?;
        Ok(keys)
    }

    /// Adds a key that signs from now on; older ones still verify.
    pub fn rotate_keys(&self) -> anyhow::Result<u8> {
        let keys = self.keys()?;
        let id = (0..=u8::MAX)
            .find(|id| keys.ids().all(|used| used != *id) && *id != 0)
            .context("every key number is in use: remove old lines from the file `keys`")?;
        self.write_keys(&keys.with(id, random()?, today())?)?;
        Ok(id)
    }

    /// The engine on this directory's journal, with the state recovered.
    pub fn engine(&self, settings: &Journal) -> anyhow::Result<Engine> {
        let mut options = FileOptions::new(self.journal());
        options.keep_all = settings.keep_all;
        options.segment_bytes_max = settings.segment_bytes_max;
        let (journal, found) = FileJournal::open(options)?;
        tracing::info!(?found, "journal opened");
        let snapshot = Snapshots::open(&self.snapshots())?.newest()?;
        let (engine, recovered) = Engine::recover(Box::new(journal), snapshot, EngineOptions::default())?;
        tracing::info!(?recovered, "state recovered");
        Ok(engine)
    }

    fn write_keys(&self, keys: &KeyRing) -> anyhow::Result<()> {
        let part = self.dir.join("keys.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(b"# Secrets of this service, one key a line. Keep a copy in a safe place.\n")?;
        file.write_all(keys.to_text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, self.dir.join("keys"))?;
        fs::File::open(&self.dir)?.sync_all()?;
        Ok(())
    }
}

/// Thirty-two random bytes from the system.
pub fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system has no random bytes: {error}"))?;
    Ok(bytes)
}

fn today() -> Date {
    SystemClock.now().date(0)
}
