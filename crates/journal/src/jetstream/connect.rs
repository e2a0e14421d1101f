//! Connecting, and everything that is checked before the first record.
//!
//! Start reading at [`JetStream::connect`].

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, Request};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::jetstream::api::{STREAM_NOT_FOUND, ServerStatus, StreamInfo, stream_config};
use crate::jetstream::check::{self, SettingsError};
use crate::jetstream::options::{Flush, JetStreamOptions, Login};
use crate::jetstream::stream::{JetStream, wait_for};

/// A connection on which nothing comes back is given up after three of these: a server whose machine or
/// network is gone says no goodbye.
const PING_EVERY: Duration = Duration::from_secs(2);

/// Why the stream cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No connection: is a server running there, and is the login right?
    #[error("cannot connect to {servers}: {reason}")]
    Unreachable {
        /// Where it was tried.
        servers: String,
        /// What happened.
        reason: String,
    },
    /// The cluster does not answer: have most of its servers been started?
    #[error("the servers do not answer about the stream {stream}: {reason}")]
    NoAnswer {
        /// Which stream.
        stream: String,
        /// What happened.
        reason: String,
    },
    /// There is no such stream, and it was not to be made.
    #[error(
        "there is no stream {stream}, but this node has records of it: it was lost, or this is another \
         cluster; `jari journal rebuild stream` makes it anew from the node that has most"
    )]
    Missing {
        /// Which stream.
        stream: String,
    },
    /// There is no such table, and it was not to be made.
    #[error(
        "there is no bucket {bucket}, but this service has records: it was lost, or this is another cluster; \
         `jari journal rebuild vault` makes it anew from the node whose vault holds most"
    )]
    NoTable {
        /// Which bucket.
        bucket: String,
    },
    /// The stream could not be made.
    #[error("the stream {stream} could not be made: {reason}")]
    NotMade {
        /// Which stream.
        stream: String,
        /// What the servers said.
        reason: String,
    },
    /// Something must be changed first.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl JetStream {
    /// Connects, makes the stream if it was told to, and checks servers, stream and clock.
    /// Blocks; needs no runtime around it.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub fn connect(options: JetStreamOptions) -> Result<JetStream, ConnectError> {
        // One thread is enough for one connection; it must run while nobody waits.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("jari-jetstream")
            .enable_all()
            .build()
            .map_err(|error| unreachable(&options, &error))?;
        let begun = wait_for(&runtime, begin(options.clone()));
        match begun {
            Ok((client, bytes_max)) => Ok(JetStream::new(runtime, client, options, bytes_max)),
            Err(error) => {
                end(runtime);
                Err(error)
            }
        }
    }
}

/// Ends a runtime wherever this is called from, also inside another runtime.
pub(crate) fn end(runtime: Runtime) {
    runtime.shutdown_background();
}

/// What has to be there before anything is done.
pub(crate) struct Wanted<'a> {
    /// The stream's name.
    pub name: &'a str,
    /// How it is made, if it may be.
    pub make: Option<Value>,
    /// Compares its settings with what is needed.
    pub check: &'a (dyn Fn(&StreamInfo) -> Result<(), SettingsError> + Sync),
}

async fn begin(options: JetStreamOptions) -> Result<(Client, usize), ConnectError> {
    let wanted = Wanted {
        name: &options.stream,
        make: options.create_at.map(|begin| stream_config(&options, begin)),
        check: &|info| {
            warn_of_silence(info, &options);
            check::stream_settings(info, &options)
        },
    };
    begin_with(&options, &wanted).await
}

/// A stream that was made by an older build does not tell of its records.
fn warn_of_silence(info: &StreamInfo, options: &JetStreamOptions) {
    let told_at = info.config.pointer("/republish/dest").and_then(Value::as_str);
    if told_at != Some(&*options.stored_subject()) {
        tracing::warn!(
            stream = options.stream,
            "the stream was made by an older build and does not tell of its records: other nodes are heard at \
             ticks only, a few times a second; see docs/stream.md"
        );
    }
}

/// Logs in, finds or makes the stream that is wanted, and checks servers, clock and stream.
pub(crate) async fn begin_with(
    options: &JetStreamOptions,
    wanted: &Wanted<'_>,
) -> Result<(Client, usize), ConnectError> {
    let client = log_in(options, &options.login).await?;
    let server = client.server_info();
    check::version(&server.server_name, &server.version)?;
    if !server.jetstream {
        return Err(SettingsError::NoJetStream { server: server.server_name }.into());
    }
    let asked = (options.clock)();
    let info = find_or_make(&client, options, wanted).await?;
    check_clock(options, &info, asked)?;
    (wanted.check)(&info)?;
    match &options.flush {
        Flush::Checked(login) => check_flush(options, login, &check::keepers(&info)).await?,
        Flush::Trusted => tracing::warn!("whether the servers flush before they acknowledge is not checked"),
    }
    Ok((client, server.max_payload))
}

async fn log_in(options: &JetStreamOptions, login: &Login) -> Result<Client, ConnectError> {
    let mut connect = ConnectOptions::new()
        .name("jari")
        .ping_interval(PING_EVERY)
        .connection_timeout(options.try_patience)
        // While nobody leads nobody answers: whoever asks seldom hears late that there is a leader.
        .request_timeout(Some(options.try_patience))
        .max_reconnects(None)
        .reconnect_delay_callback(|tries| Duration::from_millis(if tries < 2 { 0 } else { 200 }))
        .event_callback(|event| async move {
            match event {
                Event::Connected => tracing::info!("connected to the stream's servers"),
                other => tracing::warn!(event = %other, "the connection to the stream's servers"),
            }
        });
    if let Some(authority) = &options.tls_authority {
        connect = connect.add_root_certificates(authority.clone()).require_tls(true);
    }
    connect = match login.clone() {
        Login::Nobody => connect,
        Login::Password { user, password } => connect.user_and_password(user, password),
        Login::Credentials(file) => {
            connect.credentials_file(&file).await.map_err(|error| ConnectError::Unreachable {
                servers: options.servers.join(", "),
                reason: format!("credentials file {}: {error}", file.display()),
            })?
        }
    };
    connect.connect(&options.servers[..]).await.map_err(|error| unreachable(options, &error))
}

fn unreachable(options: &JetStreamOptions, error: &dyn Error) -> ConnectError {
    ConnectError::Unreachable { servers: options.servers.join(", "), reason: chain(error) }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Asks about the stream until its leader answers; makes it if it may. Right after a start
/// of the servers neither is there, so silence is waited out for some tries.
async fn find_or_make(
    client: &Client,
    options: &JetStreamOptions,
    wanted: &Wanted<'_>,
) -> Result<StreamInfo, ConnectError> {
    let deadline = Instant::now() + 4 * options.patience;
    loop {
        let reason = match stream_info(client, wanted.name).await {
            Ok(info) => match info.error {
                None => return Ok(info),
                Some(error) if error.err_code == STREAM_NOT_FOUND => match &wanted.make {
                    None => return Err(missing(wanted.name)),
                    Some(config) => match make(client, wanted.name, config).await {
                        Ok(()) => continue,
                        Err(reason) => reason,
                    },
                },
                Some(error) => error.description,
            },
            Err(reason) => reason,
        };
        if Instant::now() >= deadline {
            return Err(ConnectError::NoAnswer { stream: wanted.name.into(), reason });
        }
        tokio::time::sleep(options.patience / 20).await;
    }
}

fn missing(name: &str) -> ConnectError {
    match name.strip_prefix("KV_") {
        Some(bucket) => ConnectError::NoTable { bucket: bucket.into() },
        None => ConnectError::Missing { stream: name.into() },
    }
}

/// Makes the stream. Two nodes that do so at once make it once: the settings are the same.
async fn make(client: &Client, name: &str, config: &Value) -> Result<(), String> {
    let subject = format!("$JS.API.STREAM.CREATE.{name}");
    let request = Request::new().payload(config.to_string().into());
    let answer = client.send_request(subject, request).await.map_err(|error| chain(&error))?;
    let made: StreamInfo = serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())?;
    made.error.map_or(Ok(()), |error| Err(error.description))
}

/// What the leader of the stream says of it.
pub(crate) async fn stream_info(client: &Client, stream: &str) -> Result<StreamInfo, String> {
    let subject = format!("$JS.API.STREAM.INFO.{stream}");
    let answer = client.send_request(subject, Request::new()).await.map_err(|error| chain(&error))?;
    serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())
}

/// Compares clocks by the stamp of an answer to a question asked at `asked`.
pub(crate) fn check_clock(
    options: &JetStreamOptions,
    info: &StreamInfo,
    asked: u64,
) -> Result<(), SettingsError> {
    let answered = (options.clock)();
    let stamp = info.ts.as_deref().unwrap_or_default();
    // Every server that is accepted stamps its answers; without a stamp nothing is known.
    let off_ms = check::clock_off_ms(stamp, asked, answered).unwrap_or(u64::MAX);
    if off_ms > options.clock_off_ms_max {
        return Err(SettingsError::Clock { off_ms, off_ms_max: options.clock_off_ms_max });
    }
    if off_ms > options.clock_off_ms_warn {
        tracing::warn!(off_ms, "this machine's clock differs from that of the stream's servers");
    }
    Ok(())
}

/// Asks every server through the system account, until all that keep the stream have
/// answered or patience ends.
async fn check_flush(
    options: &JetStreamOptions,
    login: &Login,
    keepers: &BTreeSet<String>,
) -> Result<(), ConnectError> {
    let system = log_in(options, login).await?;
    let deadline = Instant::now() + options.patience;
    let mut said: Vec<ServerStatus> = Vec::new();
    let ask = async |said: &mut Vec<ServerStatus>| -> Result<(), Box<dyn Error + Send + Sync>> {
        let inbox = system.new_inbox();
        let mut answers = system.subscribe(inbox.clone()).await?;
        system.publish_with_reply("$SYS.REQ.SERVER.PING.VARZ", inbox, "".into()).await?;
        while !heard(keepers, said) {
            let Ok(Some(answer)) = tokio::time::timeout_at(deadline, next(&mut answers)).await else { break };
            // An account without the right to ask gets an answer without content.
            if answer.payload.is_empty() {
                break;
            }
            said.push(serde_json::from_slice(&answer.payload)?);
        }
        Ok(())
    };
    let asked = ask(&mut said).await;
    // Nothing is left to say on this connection.
    let _ = system.drain().await;
    asked.map_err(|error| ConnectError::NoAnswer {
        stream: options.stream.clone(),
        reason: format!("asking the servers how they flush: {error}"),
    })?;
    Ok(check::servers(keepers, &said)?)
}

fn heard(keepers: &BTreeSet<String>, said: &[ServerStatus]) -> bool {
    let all = keepers.iter().all(|name| said.iter().any(|status| status.server.name == *name));
    all && !said.is_empty()
}

/// The next message of a subscription. It is a stream of the futures crates, of which
/// nothing else is needed here.
pub(crate) async fn next(subscriber: &mut async_nats::Subscriber) -> Option<Message> {
    let mut subscriber = std::pin::Pin::new(subscriber);
    std::future::poll_fn(|context| futures_core::Stream::poll_next(subscriber.as_mut(), context)).await
}

/// A header's text, if it is there.
pub(crate) fn header<'a>(headers: Option<&'a HeaderMap>, name: &str) -> Option<&'a str> {
    headers.and_then(|headers| headers.get(name)).map(async_nats::HeaderValue::as_str)
}
