//! A table that all nodes share: the last value of each name, in a key-value bucket.
//!
//! What it does: makes a value unless the name has one, replaces it, erases it, reads one name
//! from the leader, and reads in order what changed after a revision, from any replica and
//! without a consumer on the servers. Changes are what is last: of a name that changed twice
//! only the second is given. An erased name leaves a mark, so that whoever was away hears it.
//!
//! What it must never do: look inside a value, take silence for a refusal, or give a value
//! that was erased. Erasing overwrites the value in the servers' files; their own logs keep
//! it until they are compacted, as a node's disk keeps what it wrote over.
//!
//! Start reading at [`Table::connect`], then at [`Table::create`].

use std::time::Duration;

use async_nats::{Client, HeaderMap, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::contract::Position;
use crate::jetstream::api::{Ack, ApiError, Deed, Found, NOTHING_FOUND, OTHER_LAST, table_config};
use crate::jetstream::check::table_settings;
use crate::jetstream::connect::{ConnectError, Wanted, begin_with, chain, header, stream_info};
use crate::jetstream::options::JetStreamOptions;
use crate::jetstream::stream::{Source, fetch};

/// Bytes of a name at the most.
const NAME_BYTES_MAX: usize = 128;
/// What marks a name as erased.
const OPERATION: &str = "KV-Operation";
const ERASED: &str = "PURGE";

/// Why a table did not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TableError {
    /// The servers do not answer. Whether it was done is unknown; ask again.
    #[error("the shared table does not answer: {reason}")]
    Away {
        /// What was tried.
        reason: String,
    },
    /// The servers have no room. It was not done.
    #[error("the shared table has no room")]
    Full,
    /// The servers answer something that cannot be, or refuse what they should not.
    #[error("the shared table is broken: {reason}")]
    Broken {
        /// What is wrong.
        reason: String,
    },
}

/// What a name has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// When it was written, counted by the table.
    pub revision: u64,
    /// The value; none once erased.
    pub value: Option<Vec<u8>>,
}

/// What making a value came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Created {
    /// It is kept now.
    Now {
        /// Under this revision.
        revision: u64,
    },
    /// The name had a value, and has it still.
    Before(Kept),
}

/// A name that changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// Which.
    pub name: String,
    /// What it has now.
    pub kept: Kept,
}

/// What is known of a table as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Tells a table from another one of the same name: the instant at which it was made.
    pub life: String,
    /// The last revision.
    pub revision: u64,
    /// Names that have something, marks of erased ones included.
    pub names: u64,
}

/// One node's connection to a table. See the module's documentation.
pub struct Table {
    client: Client,
    stream: String,
    prefix: String,
    patience: Duration,
}

/// What one try gave that did not end well.
enum Unsettled {
    Again(String),
    Stop(TableError),
}

impl Table {
    /// Connects by the settings of the stream of records, makes the bucket if it may, and
    /// checks servers, bucket and clock. Needs a runtime around it, which the connection lives
    /// in.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub async fn connect(
        options: &JetStreamOptions,
        bucket: &str,
        may_make: bool,
    ) -> Result<Table, ConnectError> {
        let stream = format!("KV_{bucket}");
        let wanted = Wanted {
            name: &stream,
            make: may_make.then(|| table_config(options, bucket)),
            check: &|info| table_settings(info, options, bucket),
        };
        let (client, _) = begin_with(options, &wanted).await?;
        Ok(Table { client, stream, prefix: format!("$KV.{bucket}."), patience: options.patience })
    }

    /// What is known of the table, as its leader says.
    ///
    /// # Errors
    ///
    /// See [`TableError`].
    pub async fn standing(&self) -> Result<Standing, TableError> {
        let mut patience = self.patience();
        loop {
            let reason = match stream_info(&self.client, &self.stream).await {
                Ok(info) if info.error.is_none() => {
                    let (revision, names) = (info.state.last_seq, info.state.messages);
                    return Ok(Standing { life: info.created, revision, names });
                }
                Ok(info) => info.error.unwrap_or_default().description,
                Err(reason) => reason,
            };
            patience.again(reason).await?;
        }
    }

    /// What a name has, as the leader says; none if it never had anything.
    ///
    /// # Errors
    ///
    /// See [`TableError`].
    pub async fn get(&self, name: &str) -> Result<Option<Kept>, TableError> {
        let subject = self.subject(name)?;
        let mut patience = self.patience();
        loop {
            match self.try_get(&subject).await {
                Ok(found) => return Ok(found),
                Err(unsettled) => patience.after(unsettled).await?,
            }
        }
    }

    /// Keeps a value unless the name has one. An erased name has none.
    ///
    /// # Errors
    ///
    /// See [`TableError`].
    pub async fn create(&self, name: &str, value: &[u8]) -> Result<Created, TableError> {
        let subject = self.subject(name)?;
        let mut patience = self.patience();
        let mut expected = 0;
        loop {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string());
            match self.try_publish(&subject, headers, value).await {
                Ok(Some(revision)) => return Ok(Created::Now { revision }),
                // Somebody was first, perhaps this very call, whose acknowledgement was lost.
                Ok(None) => match self.try_get(&subject).await {
                    Ok(Some(kept)) if kept.value.is_some() => {
                        let own = kept.value.as_deref() == Some(value);
                        let revision = kept.revision;
                        return Ok(if own { Created::Now { revision } } else { Created::Before(kept) });
                    }
                    Ok(found) => {
                        expected = found.map_or(0, |kept| kept.revision);
                        patience.again("its name changes all the time".into()).await?;
                    }
                    Err(unsettled) => patience.after(unsettled).await?,
                },
                Err(unsettled) => patience.after(unsettled).await?,
            }
        }
    }

    /// Keeps a value, whatever the name had; for so many seconds, if they are given, after
    /// which the name has nothing, without a mark.
    ///
    /// # Errors
    ///
    /// See [`TableError`].
    pub async fn put(&self, name: &str, value: &[u8], lasts_s: Option<u64>) -> Result<u64, TableError> {
        let mut headers = HeaderMap::new();
        if let Some(lasts_s) = lasts_s {
            headers.insert("Nats-TTL", lasts_s.max(1).to_string());
        }
        self.publish(&self.subject(name)?, headers, value).await
    }

    /// Keeps a value if the name still has what it had at a revision; gives the new revision, or none
    /// if something else was kept or erased meanwhile.
    ///
    /// # Errors
    ///
    /// See [`TableError`].
    pub async fn replace(&self, name: &str, value: &[u8], revision: u64) -> Result<Option<u64>, TableError> {
        let subject = self.subject(name)?;
        let mut patience = self.patience();
        loop {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string());
            match self.try_publish(&subject, headers, value).await {
                Ok(Some(kept)) => return Ok(Some(kept)),
                // Perhaps it was this very call, whose acknowledgement was lost.
                Ok(None) => match self.try_get(&subject).await {
                    Ok(Some(kept)) if kept.value.as_deref() == Some(value) => return Ok(Some(kept.revision)),
                    Ok(_) => return Ok(None),
                    Err(unsettled) => patience.after(unsettled).await?,
                },
                Err(unsettled) => patience.after(unsettled).await?,
            }
        }
    }

    /// Erases what a name has, and marks it as erased. The value is gone before the mark is
    /// there: whoever is told that this failed asks again.
    ///
    /// # Errors
    ///
    /// See [`TableError`].
    pub async fn erase(&self, name: &str) -> Result<u64, TableError> {
        let subject = self.subject(name)?;
        let mut patience = self.patience();
        loop {
            let gone = match self.try_get(&subject).await {
                Ok(Some(Kept { revision, value: Some(_) })) => self.try_delete(revision).await,
                Ok(_) => Ok(()),
                Err(unsettled) => Err(unsettled),
            };
            match gone {
                Ok(()) => break,
                Err(unsettled) => patience.after(unsettled).await?,
            }
        }
        let mut headers = HeaderMap::new();
        headers.insert(OPERATION, ERASED);
        // Whatever was written meanwhile goes as well.
        headers.insert("Nats-Rollup", "sub");
        self.publish(&subject, headers, b"").await
    }

    /// Names that changed after a revision, in order, up to a thousand; and whether there are
    /// more. A replica that lags behind gives what it has.
    ///
    /// # Errors
    ///
    /// See [`TableError`].
    pub async fn changes(&self, after: u64) -> Result<(Vec<Changed>, bool), TableError> {
        let all = format!("{}>", self.prefix);
        let source = Source { stream: &self.stream, subject: &all, patience: self.patience };
        let batch = fetch(&self.client, &source, Position(after).next()).await;
        let batch = batch.map_err(|reason| TableError::Away { reason })?;
        let more = batch.more > 0 && !batch.records.is_empty();
        let changed = batch.records.into_iter().map(|taken| {
            let headers = taken.message.headers.as_ref();
            let name = header(headers, "Nats-Subject").and_then(|subject| subject.strip_prefix(&self.prefix));
            let name = name.ok_or_else(|| broken("a value came without its name"))?.to_owned();
            let erased = header(headers, OPERATION).is_some();
            let value = (!erased).then(|| taken.message.payload.to_vec());
            Ok(Changed { name, kept: Kept { revision: taken.position.0, value } })
        });
        Ok((changed.collect::<Result<_, TableError>>()?, more))
    }

    fn patience(&self) -> Patience {
        Patience { deadline: Instant::now() + self.patience, pause: self.patience / 50 }
    }

    fn subject(&self, name: &str) -> Result<String, TableError> {
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(usual)
            && name.split('.').all(|part| !part.is_empty());
        if fits { Ok(format!("{}{name}", self.prefix)) } else { Err(broken("a name does not fit")) }
    }

    async fn publish(&self, subject: &str, headers: HeaderMap, value: &[u8]) -> Result<u64, TableError> {
        let mut patience = self.patience();
        loop {
            match self.try_publish(subject, headers.clone(), value).await {
                Ok(Some(revision)) => return Ok(revision),
                Ok(None) => return Err(broken("nothing was expected, and something else was found")),
                Err(unsettled) => patience.after(unsettled).await?,
            }
        }
    }

    /// The revision; none if the name's last one is not the expected one.
    async fn try_publish(
        &self,
        subject: &str,
        mut headers: HeaderMap,
        value: &[u8],
    ) -> Result<Option<u64>, Unsettled> {
        headers.insert("Nats-Expected-Stream", self.stream.as_str());
        let request = self.request().headers(headers).payload(value.to_vec().into());
        let ack: Ack = self.ask(subject.to_owned(), request).await?;
        match ack.error {
            None if ack.stream == self.stream && ack.seq > 0 => Ok(Some(ack.seq)),
            None => Err(Unsettled::Stop(broken(&format!("{:?} answered instead of it", ack.stream)))),
            Some(error) if OTHER_LAST.contains(&error.err_code) => Ok(None),
            Some(error) if error.is_full() => Err(Unsettled::Stop(TableError::Full)),
            Some(error) => Err(again(&error)),
        }
    }

    async fn try_get(&self, subject: &str) -> Result<Option<Kept>, Unsettled> {
        let question = json!({ "last_by_subj": subject });
        let found: Found = self.ask_api("MSG.GET", &question).await?;
        match (found.error, found.message) {
            (None, Some(record)) => {
                let erased = decoded(&record.hdrs).is_some_and(|headers| is_erased(&headers));
                let value = if erased { None } else { Some(decoded(&record.data)) };
                let value = value.map(|value| value.ok_or_else(|| broken("a value cannot be read")));
                let value = value.transpose().map_err(Unsettled::Stop)?;
                Ok(Some(Kept { revision: record.seq, value }))
            }
            (Some(error), _) if NOTHING_FOUND.contains(&error.err_code) => Ok(None),
            (Some(error), _) => Err(again(&error)),
            (None, None) => Err(Unsettled::Again("an empty answer".into())),
        }
    }

    /// Deletes one revision and overwrites its bytes.
    async fn try_delete(&self, revision: u64) -> Result<(), Unsettled> {
        let question = json!({ "seq": revision, "no_erase": false });
        let deed: Deed = self.ask_api("MSG.DELETE", &question).await?;
        match deed.error {
            None if deed.success => Ok(()),
            Some(error) if NOTHING_FOUND.contains(&error.err_code) => Ok(()),
            error => Err(again(&error.unwrap_or_default())),
        }
    }

    async fn ask_api<T: DeserializeOwned>(&self, what: &str, question: &Value) -> Result<T, Unsettled> {
        let request = self.request().payload(question.to_string().into());
        self.ask(format!("$JS.API.STREAM.{what}.{}", self.stream), request).await
    }

    async fn ask<T: DeserializeOwned>(&self, subject: String, request: Request) -> Result<T, Unsettled> {
        let answer = self.client.send_request(subject, request).await;
        let answer = answer.map_err(|error| Unsettled::Again(chain(&error)))?;
        serde_json::from_slice(&answer.payload).map_err(|error| Unsettled::Again(error.to_string()))
    }

    /// One try must leave room for another: servers that elect a leader lose what they are
    /// asked meanwhile.
    fn request(&self) -> Request {
        Request::new().timeout(Some(self.patience / 3))
    }
}

/// How long something is tried.
struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    async fn again(&mut self, reason: String) -> Result<(), TableError> {
        if Instant::now() >= self.deadline {
            return Err(TableError::Away { reason });
        }
        tokio::time::sleep(self.pause).await;
        Ok(())
    }

    async fn after(&mut self, unsettled: Unsettled) -> Result<(), TableError> {
        match unsettled {
            Unsettled::Again(reason) => self.again(reason).await,
            Unsettled::Stop(error) => Err(error),
        }
    }
}

fn again(error: &ApiError) -> Unsettled {
    Unsettled::Again(format!("{} ({})", error.description, error.err_code))
}

fn broken(reason: &str) -> TableError {
    TableError::Broken { reason: reason.into() }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Whether a record's headers mark its name as erased, or deleted by another program.
fn is_erased(headers: &[u8]) -> bool {
    let text = String::from_utf8_lossy(headers);
    text.lines().any(|line| line.starts_with(OPERATION))
}
