//! From the configuration of the stream that the nodes of a service share, the way to an
//! open journal and an open vault.
//!
//! It must never open a journal on a stream that the data directory does not belong to, nor
//! make an empty shared vault for a service that has records.
//! Start reading at the implementation of [`StreamConfig`].

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use jari_journal::jetstream::{Flush, JetStream, JetStreamOptions, Login, Table};
use jari_journal::replicated::{rebuild_files, rebuild_stream};
use jari_journal::{
    FileJournal, FileOptions, Journal, Position, ReplicatedJournal, ReplicatedOptions, VerifySummary,
};
use jari_node::{Clock, SystemClock};
use jari_web::vault::{SharedTable, Vault};
use jari_wire::KeyRing;

use crate::config::{LoginConfig, StreamConfig};
use crate::home::{Home, random};
use crate::table::VaultTable;

/// The largest record a node writes: a full batch and one command beyond it.
const RECORD_BYTES_NEEDED: usize = 400 * 1024;
/// An offer, and every question, is tried so often. The shortest try lasts half a second, the longest
/// two: the writer waits through an outage of two to eight minutes, while everybody may read and
/// writes are refused, before the process ends.
const TRIES_MAX: u32 = 240;
/// Longer than all tries together, with room for a slow restart of the servers.
const KEYS_REMEMBERED: Duration = Duration::from_secs(15 * 60);

impl StreamConfig {
    fn options(&self, create_at: Option<Position>) -> anyhow::Result<JetStreamOptions> {
        let clock = Arc::new(|| SystemClock.now().0);
        let login = self.login.as_ref().map_or(Ok(Login::Nobody), LoginConfig::login)?;
        let flush = match &self.system_login {
            Some(login) => Flush::Checked(login.login()?),
            None => Flush::Trusted,
        };
        Ok(JetStreamOptions {
            login,
            flush,
            tls_authority: self.tls_authority.clone(),
            replicas: self.replicas,
            stream_bytes_max: self.stream_bytes_max.unwrap_or(-1),
            keys_remembered: KEYS_REMEMBERED,
            create_at,
            ..JetStreamOptions::new(self.servers.clone(), &self.stream, clock)
        })
    }

    /// A journal of a data directory on this stream. The first node of a service makes the
    /// stream; a node that has records never does.
    pub fn open(&self, home: &Home, files: FileOptions) -> anyhow::Result<ReplicatedJournal<JetStream>> {
        let (_, head) = ends_of(&files)?;
        home.claim_for_stream(&self.stream, head)?;
        let create_at = (head == Position::ZERO).then_some(Position(1));
        let stream = JetStream::connect(self.options(create_at)?)?;
        let (journal, found) = ReplicatedJournal::open(stream, files, replicated_options()?)?;
        tracing::info!(?found, "journal opened, and brought up to the stream");
        let bytes_max = journal.record_bytes_max();
        ensure!(
            bytes_max >= RECORD_BYTES_NEEDED,
            "the servers take messages of {bytes_max} bytes, and a record may need {RECORD_BYTES_NEEDED}: raise \
             `max_payload` in their configuration"
        );
        home.mark_node(self.node)?;
        Ok(journal)
    }

    /// Brings files that came from another node up to the stream, which must be theirs; gives where
    /// they end now. The directory belongs to the stream from then on.
    pub fn follow_from(&self, home: &Home, files: FileOptions) -> anyhow::Result<Position> {
        home.mark_stream(&self.stream)?;
        Ok(self.open(home, files)?.head().0)
    }

    /// The bucket of the shared vault.
    pub fn bucket(&self) -> String {
        format!("{}-vault", self.stream)
    }

    /// A data directory's vault, which follows the one that all nodes share. A service without
    /// records makes it.
    pub async fn open_vault(&self, home: &Home, keys: KeyRing, may_make: bool) -> anyhow::Result<Vault> {
        let table = self.table(may_make).await?;
        let vault = Vault::open_shared(&home.vault(), keys, table).await;
        vault.with_context(|| {
            format!("the vault in {} and the bucket {}", home.dir().display(), self.bucket())
        })
    }

    /// Puts what a directory's vault holds into the shared vault, which must be missing or
    /// empty; gives how many entries that were. None if the directory has nothing to give, or
    /// has been following that very vault.
    pub async fn rebuild_vault(&self, home: &Home) -> anyhow::Result<Option<u64>> {
        let table = self.table(true).await?;
        let vault = Vault::open(&home.vault(), home.keys()?).context("stop the service first, if it runs")?;
        if vault.is_empty()? || vault.follows(&*table).await? {
            return Ok(None);
        }
        let shared = vault.share(table, SystemClock.now().0).await;
        shared.map(Some).with_context(|| {
            format!(
                "the bucket {} is not filled from {}: if it is what was lost, or half filled, remove its stream KV_{} \
                 and try again; if it is right, move {} away",
                self.bucket(),
                home.vault().display(),
                self.bucket(),
                home.vault().display()
            )
        })
    }

    /// Makes the copy of another node's vault this node's replica, which goes on from where it was
    /// copied. The shared vault must be the one that was followed there.
    pub async fn join_vault(&self, home: &Home) -> anyhow::Result<()> {
        let table = self.table(false).await?;
        let vault = Vault::open(&home.vault(), home.keys()?)?;
        let is_ours = vault.rejoin(&*table).await;
        vault.close();
        ensure!(
            is_ours?,
            "the shared vault {} is not the one that the node of the backup followed: it was made anew since, or \
             is another service's; make a backup now, of a node that runs, and join from that",
            self.bucket()
        );
        Ok(())
    }

    async fn table(&self, may_make: bool) -> anyhow::Result<Arc<dyn SharedTable>> {
        let table = Table::connect(&self.options(None)?, &self.bucket(), may_make).await?;
        Ok(Arc::new(VaultTable(table)))
    }

    /// Makes the stream from a directory's files; gives its first and last position.
    pub fn rebuild_stream(&self, home: &Home, files: FileOptions) -> anyhow::Result<(Position, Position)> {
        let (first, head) = ends_of(&files)?;
        ensure!(head > Position::ZERO, "{} holds no records", files.dir.display());
        let mut stream = JetStream::connect(self.options(Some(first))?)?;
        let ends = rebuild_stream(files, &mut stream, replicated_options()?)?;
        home.mark_stream(&self.stream)?;
        Ok(ends)
    }

    /// Makes a directory's files from the stream.
    pub fn rebuild_files(&self, home: &Home, files: FileOptions) -> anyhow::Result<VerifySummary> {
        let stream = JetStream::connect(self.options(None)?)?;
        let summary = rebuild_files(files, stream, replicated_options()?)?;
        home.mark_stream(&self.stream)?;
        Ok(summary)
    }
}

impl LoginConfig {
    fn login(&self) -> anyhow::Result<Login> {
        Ok(match self {
            LoginConfig::Credentials { credentials } => Login::Credentials(credentials.clone()),
            LoginConfig::User { user, password_file } => {
                let password = std::fs::read_to_string(password_file)
                    .with_context(|| format!("cannot read {}", password_file.display()))?;
                Login::Password { user: user.clone(), password: password.trim_end().into() }
            }
        })
    }
}

/// Another life for each opening.
fn replicated_options() -> anyhow::Result<ReplicatedOptions> {
    let bytes = random()?;
    let (life, _) = bytes.split_first_chunk().expect("there are more than eight");
    Ok(ReplicatedOptions { life: u64::from_le_bytes(*life), tries_max: TRIES_MAX })
}

/// The first and last position of a directory's files; nothing is made.
fn ends_of(files: &FileOptions) -> anyhow::Result<(Position, Position)> {
    if !files.dir.exists() {
        return Ok((Position(1), Position::ZERO));
    }
    let (journal, _) = FileJournal::open(files.clone())?;
    Ok((journal.first(), journal.head().0))
}
