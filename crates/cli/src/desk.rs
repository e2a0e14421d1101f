//! What commands on this machine ask of the running service: a socket in its data directory.
//!
//! One thing can be asked: a copy of the vault, which only the process that has it open can make
//! while it changes. The copy lies beside the vault until whoever asked hangs up. It must never
//! answer anybody but the service's own user and root. Start reading at [`Desk::open`].

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use jari_web::vault::Vault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::home::Home;

/// What is asked.
const QUESTION: &[u8; 11] = b"copy vault\n";
/// The answer when it is done; anything else is what went wrong.
const DONE: &str = "done\n";

/// After a question that could not be heard.
const PAUSE: Duration = Duration::from_secs(1);

/// The service's side.
pub struct Desk {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Desk {
    /// Opens the socket. Nobody else may have the data directory open: what a crash left is
    /// replaced.
    ///
    /// A service without it serves all the same, and can be copied only when it is down; so
    /// what stands in the way is only said.
    pub fn open(home: &Home, vault: &Vault) -> Option<Desk> {
        let path = home.desk();
        match listen(&path) {
            Ok(listener) => {
                let task = tokio::spawn(serve(listener, home.clone(), vault.clone()));
                Some(Desk { path, task })
            }
            Err(error) => {
                tracing::warn!(%error, socket = %path.display(), "no socket: `jari backup` works only while this service is down");
                None
            }
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
        // What is left behind is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

fn listen(path: &Path) -> std::io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// One copy at a time.
async fn serve(listener: UnixListener, home: Home, vault: Vault) {
    loop {
        let asked = match listener.accept().await {
            Ok((mut stream, _)) => answer(&mut stream, &home, &vault).await,
            Err(error) => {
                // Too many open files, as a rule: that does not pass in an instant.
                tokio::time::sleep(PAUSE).await;
                Err(error)
            }
        };
        if let Err(error) = asked {
            tracing::warn!(%error, "a copy of the vault was not handed out");
        }
        remove(&home.vault_copy());
    }
}

async fn answer(stream: &mut tokio::net::UnixStream, home: &Home, vault: &Vault) -> std::io::Result<()> {
    let mut question = [0; QUESTION.len()];
    stream.read_exact(&mut question).await?;
    if question != *QUESTION {
        return stream.write_all(b"this service does not know what is asked\n").await;
    }
    // Other nodes may have kept a key a moment ago that is not here yet, and what is sealed with it is.
    if let Err(error) = vault.catch_up().await {
        tracing::warn!(%error, "the copy may lack keys that other nodes kept in the last moments");
    }
    let (vault, path) = (vault.clone(), home.vault_copy());
    let copied = spawn_blocking(move || {
        // What a crash left.
        remove(&path);
        vault.copy_to(&path)
    });
    let said = match copied.await {
        Ok(Ok(())) => DONE.to_owned(),
        Ok(Err(error)) => format!("{error}\n"),
        Err(error) => format!("{error}\n"),
    };
    stream.write_all(said.as_bytes()).await?;
    // Whoever asked hangs up when they have read the copy.
    stream.read_u8().await.map(drop).or_else(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Ok(()),
        _ => Err(error),
    })
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "a copy of the vault cannot be removed");
    }
}

/// Asks the running service for a copy of its vault and gives the copy's path to `take`; false if no
/// service runs.
pub fn take_vault(home: &Home, take: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<bool> {
    let mut stream = match UnixStream::connect(home.desk()) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            return Ok(false);
        }
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot ask the service at {}", home.desk().display()));
        }
    };
    stream.write_all(QUESTION)?;
    let mut said = String::new();
    BufReader::new(&stream).read_line(&mut said)?;
    ensure!(said == DONE, "the service cannot copy its vault: {}", said.trim_end());
    take(&home.vault_copy())?;
    Ok(true)
}
