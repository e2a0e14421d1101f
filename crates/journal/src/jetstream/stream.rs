//! Publishing and reading. Start reading at `offer`.
//!
//! It must never say `Full` unless the service said so for this very record, and never
//! hand out a record whose position is not the next one.

use std::future::Future;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Request, RequestErrorKind, StatusCode};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::contract::{Position, Told};
use crate::jetstream::api::{Ack, OTHER_STREAM, batch_request};
use crate::jetstream::connect::{chain, check_clock, end, header, next, stream_info};
use crate::jetstream::options::JetStreamOptions;
use crate::replicated::{OfferError, Stream, TakeError};

/// Records asked for at a time: the servers give a thousand at the most.
const BATCH_RECORDS_MAX: u32 = 1000;
/// Bytes asked for at a time.
const BATCH_BYTES_MAX: u32 = 8 << 20;
/// Headers of a record: its key, the stream it is for, and what stands around them.
const HEADER_BYTES_MAX: usize = 256;
/// The clocks are compared so often.
const CLOCKS_COMPARED_EVERY: Duration = Duration::from_secs(10);

/// One writer's connection to the stream of a JetStream cluster. See
/// [`mod@crate::jetstream`].
pub struct JetStream {
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
    client: Client,
    options: JetStreamOptions,
    record_bytes_max: usize,
    clocks_compared: Instant,
}

/// A record as it was read.
pub(crate) struct Taken {
    pub position: Position,
    pub message: Message,
}

/// Records that were left out between others. Answers come as messages of their own: one is lost when
/// the connection behind it breaks, here or between two servers, and the next ones arrive over another.
/// So a hole is asked about again; only one that stays is a gap.
#[derive(Copy, Clone)]
struct Hole {
    /// The last record before it.
    after: Position,
    /// When it was first seen.
    since: Instant,
}

/// What one question for records gave.
pub(crate) struct Batch {
    pub records: Vec<Taken>,
    /// Records that are there and did not fit, as the server counts.
    pub more: u64,
}

/// Where records are read.
pub(crate) struct Source<'a> {
    pub stream: &'a str,
    /// The subjects that are wanted.
    pub subject: &'a str,
    /// How long the next one may take to come.
    pub patience: Duration,
}

impl Source<'_> {
    fn of(options: &JetStreamOptions) -> Source<'_> {
        Source { stream: &options.stream, subject: &options.subject, patience: options.try_patience }
    }
}

/// Runs something on the runtime and waits for it, from any thread.
pub(crate) fn wait_for<T: Send + 'static>(
    runtime: &Runtime,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Whoever asked is waiting right below.
        let _ = sender.send(work.await);
    });
    receiver.recv().expect("the work ends before its runtime")
}

impl JetStream {
    pub(crate) fn new(
        runtime: Runtime,
        client: Client,
        options: JetStreamOptions,
        message_bytes_max: usize,
    ) -> Self {
        let record_bytes_max = message_bytes_max.saturating_sub(HEADER_BYTES_MAX);
        let clocks_compared = Instant::now();
        JetStream { runtime: Some(runtime), client, options, record_bytes_max, clocks_compared }
    }

    fn wait_for<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        wait_for(self.runtime.as_ref().expect("it is taken only when dropped"), work)
    }

    /// A server that is cut off from the others keeps its connections and answers nothing: after a
    /// try without an answer another one is looked for. It may be the same one again, by chance.
    fn look_elsewhere(&self) {
        let client = self.client.clone();
        // If the client is gone the next try says so.
        let _ = self.wait_for(async move { client.force_reconnect().await });
    }

    /// Every few seconds, before a record is offered: a clock that has gone astray must not
    /// stamp any more.
    fn compare_clocks(&mut self) -> Result<(), OfferError> {
        if self.clocks_compared.elapsed() < CLOCKS_COMPARED_EVERY {
            return Ok(());
        }
        self.clocks_compared = Instant::now();
        let (client, stream) = (self.client.clone(), self.options.stream.clone());
        let asked = (self.options.clock)();
        // Silence says nothing about clocks; the offer itself will meet it.
        let Ok(info) = self.wait_for(async move { stream_info(&client, &stream).await }) else {
            return Ok(());
        };
        // Nor does a server that knows of no leader and says so without a stamp.
        if !info.tells_time() {
            return Ok(());
        }
        check_clock(&self.options, &info, asked)
            .map_err(|error| OfferError::Broken { reason: error.to_string() })
    }
}

impl Drop for JetStream {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            end(runtime);
        }
    }
}

impl Stream for JetStream {
    fn offer(&mut self, key: u128, record: &[u8]) -> Result<Position, OfferError> {
        self.compare_clocks()?;
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("{key:032x}"));
        headers.insert("Nats-Expected-Stream", self.options.stream.as_str());
        let request = Request::new().headers(headers).payload(record.to_vec().into());
        let request = request.timeout(Some(self.options.try_patience));
        let (client, options) = (self.client.clone(), self.options.clone());
        let offered = self.wait_for(async move {
            let began = Instant::now();
            let offered = publish(&client, &options, request).await;
            if matches!(offered, Err(OfferError::Unknown { .. })) {
                // The caller tries again a number of times: they must not pass in an instant.
                tokio::time::sleep_until(began + options.patience / 10).await;
            }
            offered
        });
        if matches!(offered, Err(OfferError::Unknown { .. })) {
            self.look_elsewhere();
        }
        offered
    }

    fn take(
        &mut self,
        after: Position,
        at_least: Position,
        visit: &mut dyn FnMut(Position, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), TakeError> {
        let deadline = Instant::now() + self.options.patience;
        let mut reached = after;
        let mut hole: Option<Hole> = None;
        loop {
            let (client, options) = (self.client.clone(), self.options.clone());
            let batch = self.wait_for(async move {
                let began = Instant::now();
                let batch = fetch(&client, &Source::of(&options), reached.next()).await;
                if batch.is_err() {
                    // As with offers: the caller's tries must not pass in an instant.
                    tokio::time::sleep_until(began + options.patience / 10).await;
                }
                batch
            });
            if batch.is_err() {
                self.look_elsewhere();
            }
            let batch = batch.map_err(|reason| TakeError::Away { reason })?;
            let mut asks_again = false;
            for Taken { position, message } in &batch.records {
                if *position > reached.next() {
                    if reached == after {
                        self.check_released(after)?;
                    }
                    let seen = hole.filter(|hole| hole.after == reached);
                    let seen = seen.unwrap_or(Hole { after: reached, since: Instant::now() });
                    hole = Some(seen);
                    asks_again = seen.since.elapsed() < self.options.patience;
                    if asks_again {
                        break;
                    }
                }
                if visit(*position, &message.payload).is_break() {
                    return Ok(());
                }
                // A gap that stays is for the caller to judge; here it must not be asked for twice.
                reached = *position;
            }
            if asks_again {
                let pause = self.options.patience / 50;
                self.wait_for(async move { tokio::time::sleep(pause).await });
                continue;
            }
            if batch.more > 0 && !batch.records.is_empty() {
                continue;
            }
            if reached >= at_least {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let reason = format!("it shows nothing after {reached}, but {at_least} is stored");
                return Err(TakeError::Away { reason });
            }
            // A server that lags behind answered; it, or another one, has more soon.
            let pause = self.options.patience / 500;
            self.wait_for(async move { tokio::time::sleep(pause).await });
        }
    }

    fn ends(&mut self, at_least: Position) -> Result<(Position, Position), TakeError> {
        let (client, options) = (self.client.clone(), self.options.clone());
        self.wait_for(async move {
            let deadline = Instant::now() + options.patience;
            loop {
                let info = stream_info(&client, &options.stream).await;
                let reason = match info {
                    Ok(info) if info.error.is_none() => {
                        let ends = info.state.ends();
                        if ends.1 >= at_least || Instant::now() >= deadline {
                            return Ok(ends);
                        }
                        String::new()
                    }
                    Ok(info) => info.error.unwrap_or_default().description,
                    Err(reason) => reason,
                };
                if Instant::now() >= deadline {
                    return Err(TakeError::Away { reason });
                }
                tokio::time::sleep(options.patience / 50).await;
            }
        })
    }

    fn watch(&mut self, told: Told) {
        let (client, subject) = (self.client.clone(), self.options.stored_subject());
        let runtime = self.runtime.as_ref().expect("it is taken only when dropped");
        runtime.spawn(async move {
            // The client listens again by itself after an interruption; what was missed is heard
            // of with the next record, or at the next tick.
            let mut stored = match client.subscribe(subject).await {
                Ok(stored) => stored,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "records of other nodes are heard at ticks only");
                    return;
                }
            };
            while let Some(message) = next(&mut stored).await {
                if let Ok(position) = position_of(&message) {
                    told(position);
                }
            }
        });
    }

    fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }
}

impl JetStream {
    /// Whether what comes after `after` is no longer kept.
    fn check_released(&mut self, after: Position) -> Result<(), TakeError> {
        let (first, _) = self.ends(Position::ZERO)?;
        if first > after.next() { Err(TakeError::Released { after, first }) } else { Ok(()) }
    }
}

async fn publish(
    client: &Client,
    options: &JetStreamOptions,
    request: Request,
) -> Result<Position, OfferError> {
    let unknown = |reason: String| Err(OfferError::Unknown { reason });
    let answer = match client.send_request(options.subject.clone(), request).await {
        Ok(answer) => answer,
        Err(error) if error.kind() == RequestErrorKind::MaxPayloadExceeded => {
            let reason = format!("{}: the servers' `max_payload` was lowered; raise it again", chain(&error));
            return Err(OfferError::Broken { reason });
        }
        Err(error) => return unknown(chain(&error)),
    };
    let ack: Ack = match serde_json::from_slice(&answer.payload) {
        Ok(ack) => ack,
        Err(error) => return unknown(format!("the acknowledgement cannot be read: {error}")),
    };
    match ack.error {
        None if ack.stream == options.stream && ack.seq > 0 => Ok(Position(ack.seq)),
        None => Err(OfferError::Broken {
            reason: format!(
                "the subject {} is kept by the stream {:?}, not by {:?}: remove that stream",
                options.subject, ack.stream, options.stream
            ),
        }),
        Some(error) if error.is_full() => Err(OfferError::Full),
        Some(error) if error.err_code == OTHER_STREAM => Err(OfferError::Broken {
            reason: format!(
                "the subject {} belongs to another stream: {}",
                options.subject, error.description
            ),
        }),
        Some(error) => unknown(format!("{} ({})", error.description, error.err_code)),
    }
}

/// Asks for records from `from` on and reads the answers up to their end mark.
pub(crate) async fn fetch(client: &Client, source: &Source<'_>, from: Position) -> Result<Batch, String> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| chain(&error))?;
    let question = batch_request(source.subject, from, BATCH_RECORDS_MAX, BATCH_BYTES_MAX);
    let subject = format!("$JS.API.DIRECT.GET.{}", source.stream);
    let asked = client.publish_with_reply(subject, inbox, question.into()).await;
    asked.map_err(|error| chain(&error))?;
    let mut records = Vec::new();
    loop {
        let answer = tokio::time::timeout(source.patience, next(&mut answers)).await;
        let message = answer.map_err(|_| "no answer in time".to_string())?;
        let message = message.ok_or("the connection was closed")?;
        match message.status.map(|status| status.as_u16()) {
            None => records.push(Taken { position: position_of(&message)?, message }),
            Some(204) => {
                let more = header(message.headers.as_ref(), "Nats-Num-Pending");
                let more = more.and_then(|text| text.parse().ok()).unwrap_or(0);
                return Ok(Batch { records, more });
            }
            Some(404) => return Ok(Batch { records, more: 0 }),
            Some(status) => {
                let why = message.description.unwrap_or_default();
                return Err(match message.status {
                    Some(StatusCode::NO_RESPONDERS) => "no server offers its records".into(),
                    _ => format!("status {status} {why}"),
                });
            }
        }
    }
}

fn position_of(message: &Message) -> Result<Position, String> {
    let text = header(message.headers.as_ref(), "Nats-Sequence");
    let position = text.and_then(|text| text.parse().ok());
    position.map(Position).ok_or_else(|| format!("a record came without a position: {text:?}"))
}
