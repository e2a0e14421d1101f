//! Carries messages to people: over a webhook, by SMTP, or either.
//!
//! It gives a letter to a receiver and says whether the receiver took it, and if not, whose fault
//! that was; when to try again and when to give up is computed in [`Course`]. Who sends, in
//! which order and what was sent already, is for whoever uses it.
//!
//! It must never show a secret, a number or a text in an error: what it says goes into logs and
//! onto the operator's page. It must never follow a redirect, nor send a code in clear over a
//! network unless the configuration answers for that.
//!
//! Start reading at [`Messenger`], then [`Course`]; the formats are in `docs/messages.md`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

mod course;
mod smtp;
mod tls;
mod webhook;

pub use course::{CARRIERS_MAX, Course, Next, Policy};
pub use smtp::{Smtp, SmtpLogin, SmtpOptions, SmtpTls};
pub use webhook::{SECRET_BYTES_MIN, SECRETS_MAX, Webhook, WebhookOptions};

/// A message to one person.
#[derive(Clone)]
pub struct Letter {
    /// By which a receiver drops repeats: visible ASCII, the same for every try, and no other
    /// letter of any installation has it.
    pub key: String,
    /// What it is for, in a word.
    pub purpose: &'static str,
    /// The telephone number.
    pub to: String,
    /// The language of the text, a BCP 47 tag.
    pub language: &'static str,
    /// What stands above the text where there is room for it.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// When it is of no use any more, milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
}

/// Never shows whom it is for, nor what it says.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter {}", self.key)
    }
}

/// Whose fault it is that a letter was not taken: what it means for the next try.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Blame {
    /// The receiver refuses this letter.
    Letter,
    /// The receiver refuses this service, or is not what the configuration takes it for.
    Service,
    /// The receiver is away, busy or broken. It may have taken the letter all the same.
    Receiver,
}

/// A letter was not taken, as far as is known.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{said}")]
pub struct Fault {
    /// Whose fault it is.
    pub blame: Blame,
    /// What happened, in a few words that may be shown to anyone.
    pub said: String,
    /// The receiver wants to be left alone for so long.
    pub after: Option<Duration>,
}

impl Fault {
    fn new(blame: Blame, said: impl Into<String>) -> Fault {
        Fault { blame, said: said.into(), after: None }
    }

    /// No answer within the time that there was.
    #[must_use]
    pub fn silent() -> Fault {
        Fault::new(Blame::Receiver, "no answer in time")
    }
}

/// What makes a messenger impossible. A person has to mend the configuration.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The address is none. It is not shown: there may be a password in it.
    #[error("the url is no address of a webhook: https://HOST/PATH, without a name and password")]
    Url,
    /// Messages would travel in clear.
    #[error("{0} would carry codes and telephone numbers in clear over the network: {1}")]
    Clear(&'static str, &'static str),
    /// A secret is too short to be one, or there are none or too many.
    #[error(
        "the secret file holds one to {SECRETS_MAX} lines, each a secret of {SECRET_BYTES_MIN} bytes or more"
    )]
    Secret,
    /// Certificates cannot be read.
    #[error("the authority's certificates cannot be read: {0}")]
    Authority(String),
    /// The sender or the pattern of receivers is no address.
    #[error("{0:?} is no mail address")]
    Address(String),
    /// The pattern has no place for the number.
    #[error("{0:?} does not hold {{telephone}}, where the number goes")]
    Pattern(String),
}

/// Whether a host, a name or an address without brackets, is this machine: nothing travels then.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// One way to a receiver.
pub enum Carrier {
    /// HTTP.
    Webhook(Webhook),
    /// Mail.
    Smtp(Smtp),
}

impl Carrier {
    /// Its name, for people and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Carrier::Webhook(_) => "webhook",
            Carrier::Smtp(_) => "smtp",
        }
    }
}

/// The ways to people, the best first.
pub struct Messenger {
    carriers: Vec<Carrier>,
    patience: Duration,
}

impl Messenger {
    /// A messenger with these carriers, of which there is at least one; a try lasts as long as
    /// `patience` at the most.
    ///
    /// # Panics
    ///
    /// If there is no carrier, or more than [`CARRIERS_MAX`].
    #[must_use]
    pub fn new(carriers: Vec<Carrier>, patience: Duration) -> Messenger {
        assert!((1..=CARRIERS_MAX).contains(&carriers.len()), "a messenger has one or two carriers");
        Messenger { carriers, patience }
    }

    /// How many carriers it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.carriers.len()
    }

    /// The names of its carriers, the best first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.carriers.iter().map(Carrier::name)
    }

    /// The name of one carrier.
    #[must_use]
    pub fn name(&self, carrier: usize) -> &'static str {
        self.carriers.get(carrier).map_or("none", Carrier::name)
    }

    /// Gives a letter to a carrier. `Ok` means that the receiver took it upon itself. Dropped in
    /// the middle, it leaves open whether it was taken.
    ///
    /// # Errors
    ///
    /// See [`Fault`]; silence for longer than the patience is one of the receiver's.
    pub async fn carry(&self, carrier: usize, letter: &Letter, now_ms: u64) -> Result<(), Fault> {
        let Some(carrier) = self.carriers.get(carrier) else {
            return Err(Fault::new(Blame::Service, "no such carrier"));
        };
        let carried = async {
            match carrier {
                Carrier::Webhook(webhook) => webhook.carry(letter, now_ms).await,
                Carrier::Smtp(smtp) => smtp.carry(letter).await,
            }
        };
        tokio::time::timeout(self.patience, carried).await.unwrap_or_else(|_| Err(Fault::silent()))
    }
}
