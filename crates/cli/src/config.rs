//! The configuration file of `jari serve`, TOML. Every setting has a default but the data
//! directory; an unknown one is an error, so that a typing mistake cannot go unseen.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Deserialize;

// By its path, since the fuzzer takes this file by its own.
#[path = "config/privacy.rs"]
mod privacy;

pub use privacy::Privacy;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where everything that lasts is kept.
    pub data: PathBuf,
    /// Address and port of the pages and the API.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The zone in which times are shown.
    #[serde(default = "default_zone")]
    pub zone: String,
    /// Cookies travel over TLS only. Turn off for plain HTTP on this machine alone.
    #[serde(default = "yes")]
    pub secure_cookies: bool,
    /// Proxies, addresses or networks, whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// Host and port at which people reach the service, such as `booking.example.org:443`: the end of its
    /// certificate is watched.
    #[serde(default)]
    pub certificate_of: Option<String>,
    /// Shows every message, codes included, on a public page. Never on a real service.
    #[serde(default)]
    pub demo: bool,
    /// See [`Journal`].
    #[serde(default)]
    pub journal: Journal,
    /// See [`Limits`].
    #[serde(default)]
    pub limits: Limits,
    /// See [`Messages`].
    #[serde(default)]
    pub messages: Messages,
    /// See [`Staff`].
    #[serde(default)]
    pub staff: Staff,
    /// See [`Privacy`].
    #[serde(default)]
    pub privacy: Privacy,
    /// Channels that book for their own users.
    #[serde(default, rename = "partner")]
    pub partners: Vec<Partner>,
}

/// `[staff]`: how the staff signs in.
#[derive(Copy, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Staff {
    /// Everyone has to set up a second factor before they do anything else.
    pub require_totp: bool,
}

/// How the journal is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Which backend.
    pub kind: JournalKind,
    /// The stream that the nodes share, of the backend `jetstream`.
    pub jetstream: Option<StreamConfig>,
    /// Keep old segments as the audit trail, instead of removing what a snapshot covers.
    pub keep_all: bool,
    /// A segment's size in bytes.
    pub segment_bytes_max: u64,
    /// A snapshot after so many commands.
    pub snapshot_every_commands: u64,
}

impl Default for Journal {
    fn default() -> Self {
        Journal {
            kind: JournalKind::File,
            jetstream: None,
            keep_all: true,
            segment_bytes_max: 64 << 20,
            snapshot_every_commands: 2_000_000,
        }
    }
}

/// Backends of the journal.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalKind {
    /// Files in the data directory: one machine alone.
    File,
    /// A stream that several nodes share, and files in the data directory of each.
    JetStream,
}

impl Journal {
    fn check(&self) -> anyhow::Result<()> {
        match (self.kind, &self.jetstream) {
            (JournalKind::File, None) => Ok(()),
            (JournalKind::JetStream, Some(stream)) => stream.check(),
            (JournalKind::File, Some(_)) => {
                anyhow::bail!("there is a table [journal.jetstream], but journal.kind is not \"jetstream\"")
            }
            (JournalKind::JetStream, None) => anyhow::bail!(
                "journal.kind is \"jetstream\", but there is no table [journal.jetstream]: it names the \
                 servers and this node's number"
            ),
        }
    }

    /// The stream, of a journal that has one.
    pub fn stream(&self) -> anyhow::Result<&StreamConfig> {
        self.jetstream.as_ref().context("journal.kind is not \"jetstream\": there is no stream")
    }
}

/// `[journal.jetstream]`: the stream of a NATS JetStream cluster.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// This node's number, from 1: each node has its own.
    pub node: u16,
    /// Addresses of the servers, like `nats://10.0.0.1:4222`.
    pub servers: Vec<String>,
    /// The stream's name, the same for every node of a service.
    #[serde(default = "default_stream")]
    pub stream: String,
    /// How many servers keep the stream.
    #[serde(default = "default_replicas")]
    pub replicas: u32,
    /// Room of the stream in bytes; without it, as much as the servers have.
    pub stream_bytes_max: Option<i64>,
    /// How to log in to the account that holds the stream; nobody without it.
    pub login: Option<LoginConfig>,
    /// How to log in to the servers' system account, which shows whether they flush.
    pub system_login: Option<LoginConfig>,
    /// Whoever runs the servers answers for `sync_interval: always`; nothing is checked.
    #[serde(default)]
    pub flush_trusted: bool,
    /// Certificates of the authority that signed the servers', PEM. TLS is required then.
    pub tls_authority: Option<PathBuf>,
}

/// One login: a credentials file, or a user and a file that holds the password.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, untagged)]
pub enum LoginConfig {
    /// A credentials file.
    Credentials {
        /// Where it is.
        credentials: PathBuf,
    },
    /// A user with a password.
    User {
        /// The user's name.
        user: String,
        /// A file that holds the password and nothing else.
        password_file: PathBuf,
    },
}

fn default_stream() -> String {
    "jari".into()
}

fn default_replicas() -> u32 {
    3
}

impl StreamConfig {
    /// Checks what can be checked without servers.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.node > 0, "journal.jetstream.node counts from 1; each node has its own");
        ensure!(!self.servers.is_empty(), "journal.jetstream.servers is empty: name at least one");
        let usual = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        ensure!(
            (1..=64).contains(&self.stream.len()) && self.stream.chars().all(usual),
            "journal.jetstream.stream = {:?}: letters, digits, - and _ only, 64 at the most",
            self.stream
        );
        ensure!(
            self.flush_trusted != self.system_login.is_some(),
            "journal.jetstream: give system_login, so that it is checked that the servers flush before they \
             acknowledge, or say flush_trusted = true and answer for it; not both, not neither"
        );
        Ok(())
    }

    /// Relative paths count from `dir`.
    pub fn resolve(&mut self, dir: &Path) {
        for login in [&mut self.login, &mut self.system_login].into_iter().flatten() {
            let (LoginConfig::Credentials { credentials: path }
            | LoginConfig::User { password_file: path, .. }) = login;
            *path = dir.join(&*path);
        }
        self.tls_authority = self.tls_authority.take().map(|path| dir.join(path));
    }
}

/// Bounds on what is taken on at once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections.
    pub connections_max: usize,
    /// Requests that may wait for the journal.
    pub mailbox_max: usize,
    /// Joins a second that one network (/24 or /48) gets without being slowed.
    pub joins_per_second_per_network: u32,
    /// A service that is told to stop says at once that it is not ready (`/readyz`), and serves on for
    /// so long, milliseconds, before it accepts nobody more. As long as the balancer needs to notice:
    /// the time between two of its checks, times those that must fail. 0 where nobody else could take
    /// over: waiting would only make the gap longer.
    pub drain_ms: u32,
}

/// Longer than any balancer needs; more is a mistake in the unit.
const DRAIN_MS_MAX: u32 = 600_000;

impl Limits {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.drain_ms <= DRAIN_MS_MAX,
            "limits.drain_ms = {}: {DRAIN_MS_MAX} milliseconds at the most",
            self.drain_ms
        );
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { connections_max: 16_384, mailbox_max: 16_384, joins_per_second_per_network: 50, drain_ms: 0 }
    }
}

/// `[messages]`: how one-time codes and what became of bookings reach people. With both a webhook and
/// a mail server the webhook is asked first, and the other one when it failed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Messages {
    /// A receiver of signed JSON.
    pub webhook: Option<WebhookConfig>,
    /// A mail server.
    pub smtp: Option<SmtpConfig>,
    /// Messages about bookings that are on their way at once; and as many codes.
    pub in_flight_max: usize,
    /// A try lasts so long at the most, milliseconds.
    pub patience_ms: u32,
}

impl Default for Messages {
    fn default() -> Self {
        Messages { webhook: None, smtp: None, in_flight_max: 16, patience_ms: 10_000 }
    }
}

/// `[messages.webhook]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to post: `https://HOST/PATH`.
    pub url: String,
    /// A file that holds the secret and nothing else; while it is replaced, two, one a line.
    pub secret_file: PathBuf,
    /// Certificates of the authority that signed the receiver's, PEM; without, the usual ones.
    pub tls_authority: Option<PathBuf>,
    /// Whoever runs the network between answers for plain HTTP to another machine.
    #[serde(default)]
    pub clear_trusted: bool,
}

/// `[messages.smtp]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// The server's name or address.
    pub server: String,
    /// Its port; without, 465, 587 or 25, as `tls` is.
    pub port: Option<u16>,
    /// How the connection is kept from readers.
    #[serde(default)]
    pub tls: MailTls,
    /// How to log in; nobody without it.
    pub login: Option<MailLogin>,
    /// The sender, like `Jari <no-reply@example.org>`.
    pub from: String,
    /// The receiver's address, with `{telephone}` where the number goes.
    pub to: String,
    /// Certificates of the authority that signed the server's, PEM; without, the usual ones.
    pub tls_authority: Option<PathBuf>,
    /// Whoever runs the network between answers for mail in clear to another machine.
    #[serde(default)]
    pub clear_trusted: bool,
}

/// How a mail server is talked to.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// TLS from the first byte.
    #[default]
    Whole,
    /// TLS before anything is said that counts.
    StartTls,
    /// None.
    None,
}

/// A user with a password.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailLogin {
    /// The user's name.
    pub user: String,
    /// A file that holds the password and nothing else.
    pub password_file: PathBuf,
}

impl Messages {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            (1..=1_024).contains(&self.in_flight_max),
            "messages.in_flight_max = {}: 1 to 1024",
            self.in_flight_max
        );
        ensure!(
            (100..=60_000).contains(&self.patience_ms),
            "messages.patience_ms = {}: 100 to 60000",
            self.patience_ms
        );
        Ok(())
    }

    /// Relative paths count from `dir`.
    pub fn resolve(&mut self, dir: &Path) {
        let from_dir = |path: &mut PathBuf| *path = dir.join(&*path);
        if let Some(webhook) = &mut self.webhook {
            from_dir(&mut webhook.secret_file);
            webhook.tls_authority.iter_mut().for_each(from_dir);
        }
        if let Some(smtp) = &mut self.smtp {
            smtp.login.iter_mut().map(|login| &mut login.password_file).for_each(from_dir);
            smtp.tls_authority.iter_mut().for_each(from_dir);
        }
    }
}

/// A channel that books for its own users.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// Its public name.
    pub name: String,
    /// Its number, from 16; bookings remember it.
    pub channel: u16,
    /// BLAKE3 of its secret, hexadecimal: `jari keys partner` makes both.
    pub secret_blake3: String,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_zone() -> String {
    "Asia/Seoul".into()
}

fn yes() -> bool {
    true
}

impl Config {
    /// Reads and checks a file. A relative data directory counts from the file's own.
    pub fn read(path: &Path) -> anyhow::Result<Config> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut config = Config::parse(&text).with_context(|| format!("in {}", path.display()))?;
        if let Some(dir) = path.parent() {
            config.data = dir.join(&config.data);
            config.messages.resolve(dir);
            if let Some(stream) = &mut config.journal.jetstream {
                stream.resolve(dir);
            }
        }
        Ok(config)
    }

    /// Parses and checks the text of a file.
    pub fn parse(text: &str) -> anyhow::Result<Config> {
        let config: Config = toml::from_str(text)?;
        jiff::tz::TimeZone::get(&config.zone)
            .with_context(|| format!("zone = {:?} is no zone of the IANA database", config.zone))?;
        config.journal.check()?;
        config.limits.check()?;
        config.messages.check()?;
        config.privacy.check()?;
        for partner in &config.partners {
            partner.check()?;
        }
        let mut channels: Vec<u16> = config.partners.iter().map(|partner| partner.channel).collect();
        channels.sort_unstable();
        anyhow::ensure!(
            channels.windows(2).all(|pair| pair[0] != pair[1]),
            "two partners have the same channel: give each its own"
        );
        Ok(config)
    }
}

impl Partner {
    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.channel >= 16, "partner {:?}: channels count from 16", self.name);
        self.secret_hash().map(|_| ())
    }

    /// The hash of its secret.
    pub fn secret_hash(&self) -> anyhow::Result<[u8; 32]> {
        jari_web::hex::decode(&self.secret_blake3)
            .with_context(|| format!("partner {:?}: secret_blake3 must be 64 hexadecimal digits", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_a_whole_configuration() {
        let config = Config::parse("data = \"/var/lib/jari\"").unwrap();
        assert_eq!(config.listen.port(), 8080);
        assert!(config.secure_cookies);
        assert!(config.journal.keep_all);
    }

    fn stream(rest: &str) -> String {
        format!(
            "data = \"x\"\n[journal]\nkind = \"jetstream\"\n[journal.jetstream]\nservers = [\"a\"]\n{rest}"
        )
    }

    #[test]
    fn a_node_among_others_names_the_stream_and_itself() {
        let config = Config::parse(&stream(
            "node = 2\ntls_authority = \"ca.pem\"\nlogin = { credentials = \"jari.creds\" }\nsystem_login = { \
             user = \"system\", password_file = \"secret\" }",
        ))
        .unwrap();
        let mut stream = config.journal.stream().unwrap().clone();
        stream.resolve(Path::new("/etc/jari"));
        assert_eq!((stream.node, &*stream.stream, stream.replicas), (2, "jari", 3));
        assert_eq!(stream.tls_authority.as_deref(), Some(Path::new("/etc/jari/ca.pem")));
        assert!(matches!(
            stream.login,
            Some(LoginConfig::Credentials { credentials }) if credentials == Path::new("/etc/jari/jari.creds")
        ));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, says) in [
            ("", "data"),
            ("data = \"x\"\nlissten = \"1.2.3.4:1\"", "lissten"),
            ("data = \"x\"\nzone = \"Asia/Soul\"", "Asia/Soul"),
            ("data = \"x\"\n[journal]\nkind = \"jetstream\"", "no table [journal.jetstream]"),
            ("data = \"x\"\n[journal.jetstream]\nnode = 1\nservers = [\"a\"]", "not \"jetstream\""),
            (&stream("node = 0\nflush_trusted = true"), "counts from 1"),
            (&stream("node = 1"), "not neither"),
            (&stream("node = 1\nflush_trusted = true\nstream = \"a.b\""), "letters, digits"),
            (&stream("node = 1\nflush_trusted = true\nlogin = { user = \"a\" }"), "login"),
            ("data = \"x\"\n[limits]\ndrain_ms = 600001", "at the most"),
            ("data = \"x\"\n[messages]\nin_flight_max = 0", "1 to 1024"),
            ("data = \"x\"\n[messages]\npatience_ms = 60001", "100 to 60000"),
            ("data = \"x\"\n[messages.webhook]\nurl = \"https://a\"", "secret_file"),
            ("data = \"x\"\n[messages.webhook]\nurl = \"https://a\"\nsecret = \"b\"", "secret"),
            ("data = \"x\"\n[[partner]]\nname = \"p\"\nchannel = 3\nsecret_blake3 = \"\"", "from 16"),
            ("data = \"x\"\n[[partner]]\nname = \"p\"\nchannel = 16\nsecret_blake3 = \"zz\"", "hexadecimal"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(says), "{error:?} says {says:?}");
        }
    }
}
