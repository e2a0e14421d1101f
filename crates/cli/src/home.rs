//! A data directory: what lies in it, and how a service is brought up from it.
//!
//! ```text
//! keys          the secrets of this service, readable by its user alone
//! journal/      the records, in segments
//! snapshots/    the state at some position, to start from
//! vault.redb    people's keys, staff; where several nodes serve, this node's replica of them
//! stream        the name of the stream that the journal follows, if it follows one
//! node          the number of the node that followed it from here last
//! joining/      what a join makes before it puts it in place; gone afterwards
//! desk          a socket of the running service, for `jari backup`
//! vault.copy    the vault as it is copied for a backup; gone afterwards
//! ```

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use jari_core::time::Date;
use jari_journal::{FileJournal, FileOptions, Position, StdDisk};
use jari_node::snapshots::Snapshots;
use jari_node::{Clock, Engine, EngineOptions, SystemClock};
use jari_wire::keys::KeyRing;

use crate::config::{self, JournalKind};

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

    /// A data directory that is there already; a typing mistake must not make another.
    pub fn existing(dir: &Path) -> anyhow::Result<Home> {
        ensure!(dir.is_dir(), "there is no data directory {}", dir.display());
        Home::open(dir)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
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

    /// Where the minutes of the console's plots lie: nothing is lost with it but the look back.
    pub fn series(&self) -> PathBuf {
        self.dir.join("series.jsonl")
    }

    /// The socket of the running service.
    pub fn desk(&self) -> PathBuf {
        self.dir.join("desk")
    }

    /// Where the running service puts a copy of the vault.
    pub fn vault_copy(&self) -> PathBuf {
        self.dir.join("vault.copy")
    }

    /// Where a join makes what it puts in place at last.
    pub fn joining(&self) -> PathBuf {
        self.dir.join("joining")
    }

    /// Where the secrets lie.
    pub fn keys_file(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// The secrets of this service; made at the first start. A journal without its keys is
    /// an error: every ticket given out would be worthless.
    pub fn keys(&self) -> anyhow::Result<KeyRing> {
        let path = self.keys_file();
        if path.exists() {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            return KeyRing::parse(&text).with_context(|| format!("in {}", path.display()));
        }
        ensure!(
            !self.joining().exists(),
            "a join began in {} and did not end: `jari join` again, or remove what is there",
            self.dir.display()
        );
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
        let id = free_id(&keys)?;
        self.write_keys(&keys.with(id, random()?, today())?)?;
        Ok(id)
    }

    /// Takes over the keys of a backup that holds so many bookings: they are retired, and a new one
    /// signs.
    pub fn begin_another_life(&self, keys: &Path, bookings: u32) -> anyhow::Result<u8> {
        let keys = KeyRing::parse(&fs::read_to_string(keys)?)?;
        let id = free_id(&keys)?;
        self.write_keys(&keys.restored(bookings, id, random()?, today())?)?;
        Ok(id)
    }

    /// The engine on this directory's journal, with the state recovered.
    pub fn engine(&self, settings: &config::Journal) -> anyhow::Result<Engine> {
        let (journal, engine_options) = self.journal_of(settings)?;
        let snapshot = Snapshots::open(&self.snapshots())?.newest()?;
        let (engine, recovered) = Engine::recover(journal, snapshot, engine_options)?;
        tracing::info!(?recovered, "state recovered");
        Ok(engine)
    }

    fn journal_of(
        &self,
        settings: &config::Journal,
    ) -> anyhow::Result<(Box<dyn jari_journal::Journal>, EngineOptions)> {
        let files = self.file_options(settings);
        if let JournalKind::JetStream = settings.kind {
            let stream = settings.stream()?;
            let bytes = random()?;
            let (life, _) = bytes.split_first_chunk().expect("there are more than four");
            // 0 means that only this node writes.
            let life = u32::from_le_bytes(*life).max(1);
            let options = EngineOptions { node: stream.node, life, ..EngineOptions::default() };
            return Ok((Box::new(stream.open(self, files)?), options));
        }
        if let Some(stream) = self.stream_followed()? {
            bail!(
                "the journal in {} follows the stream {stream}, and other nodes share it: nothing may be \
                 written to it alone; serve it with journal.kind = \"jetstream\"",
                self.dir.display()
            );
        }
        let (journal, found) = FileJournal::open(files)?;
        tracing::info!(?found, "journal opened");
        Ok((Box::new(journal), EngineOptions::default()))
    }

    /// How the files of the journal are kept.
    pub fn file_options(&self, settings: &config::Journal) -> FileOptions {
        FileOptions {
            keep_all: settings.keep_all,
            segment_bytes_max: settings.segment_bytes_max,
            ..FileOptions::new(self.journal())
        }
    }

    /// Whether the file `keys` is there.
    pub fn has_keys(&self) -> bool {
        self.keys_file().exists()
    }

    /// The stream that the journal follows, if it follows one.
    pub fn stream_followed(&self) -> anyhow::Result<Option<String>> {
        self.mark("stream")
    }

    /// The number of the node that followed the stream from here last, if that is known.
    pub fn node_last(&self) -> anyhow::Result<Option<u16>> {
        let Some(text) = self.mark("node")? else { return Ok(None) };
        let node = text.parse().with_context(|| format!("in {}", self.dir.join("node").display()))?;
        Ok(Some(node))
    }

    fn mark(&self, name: &str) -> anyhow::Result<Option<String>> {
        let path = self.dir.join(name);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Some(text.trim().into()))
    }

    /// Makes sure that this directory's journal, whose files end at `head`, is the one of a
    /// stream; an empty one becomes it.
    pub fn claim_for_stream(&self, stream: &str, head: Position) -> anyhow::Result<()> {
        match self.stream_followed()? {
            Some(followed) if followed == stream => Ok(()),
            Some(followed) => bail!(
                "the journal in {} follows the stream {followed}, not {stream}: put the right name into the \
                 configuration, or use another data directory",
                self.dir.display()
            ),
            None if head == Position::ZERO => self.mark_stream(stream),
            None => bail!(
                "the journal in {} was kept by one machine alone: `jari journal rebuild stream` puts it into \
                 the stream, then every node can follow it",
                self.dir.display()
            ),
        }
    }

    /// Remembers that the journal follows a stream.
    pub fn mark_stream(&self, stream: &str) -> anyhow::Result<()> {
        self.write_mark("stream", stream)
    }

    /// Remembers which node follows it from here.
    pub fn mark_node(&self, node: u16) -> anyhow::Result<()> {
        if self.node_last()? == Some(node) {
            return Ok(());
        }
        self.write_mark("node", &node.to_string())
    }

    fn write_mark(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.dir.join(name);
        jari_journal::replace_file(&StdDisk, &path, format!("{text}\n").as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn write_keys(&self, keys: &KeyRing) -> anyhow::Result<()> {
        let part = self.dir.join("keys.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(b"# Secrets of this service, one key a line. Keep a copy in a safe place.\n")?;
        file.write_all(keys.to_text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, self.keys_file())?;
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

fn free_id(keys: &KeyRing) -> anyhow::Result<u8> {
    (1..=u8::MAX)
        .find(|id| keys.ids().all(|used| used != *id))
        .context("every key number is in use: remove old lines from the file `keys`")
}

fn today() -> Date {
    SystemClock.now().date(0)
}
