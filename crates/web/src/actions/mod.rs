//! What can be done here, without a transport: the JSON API and the pages call the same
//! functions and differ in how they carry tokens and show answers.
//!
//! Every function checks what came from outside, asks the node and turns what it hears
//! into a plain answer or a [`Problem`]. None reads a header,
//! a cookie or a form. Instants are milliseconds since 1970-01-01T00:00:00Z.

pub mod booking;
pub mod campaigns;
pub mod earliest;
pub mod eligibility;
pub mod errand;
pub mod identity;
pub mod operator;
pub mod partner;
pub mod places;
pub mod staff;
pub mod standby;
pub mod waiting;

use jari_core::ids::CommandId;
use jari_core::{Body, Command, Outcome};

use crate::problem::Problem;
use crate::site::Site;

/// An `Idempotency-Key`: 16 to 64 visible ASCII characters, chosen by the client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// Reads a key.
    ///
    /// # Errors
    ///
    /// A problem that says what a key looks like.
    pub fn parse(text: &str) -> Result<IdempotencyKey, Problem> {
        let fits = (16..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            return Err(Problem::malformed(
                "An Idempotency-Key is 16 to 64 visible ASCII characters, random and used for one request and its \
                 repeats only. Nothing was changed.",
            ));
        }
        Ok(IdempotencyKey(Box::from(text)))
    }

    /// A fresh random key, for a form.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn random() -> Result<IdempotencyKey, Problem> {
        let bytes: [u8; 16] = crate::random::bytes()?;
        Ok(IdempotencyKey(crate::hex::encode(&bytes).into_boxed_str()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Submits a command; a refusal becomes a problem.
pub(crate) async fn submit(site: &Site, id: CommandId, body: Body) -> Result<Outcome, Problem> {
    match site.node.submit(Command { id, body }).await? {
        Outcome::Refused(refusal) => Err(refusal.into()),
        outcome => Ok(outcome),
    }
}

/// Submits a command that needs no memory: it is idempotent by nature.
pub(crate) async fn submit_plain(site: &Site, body: Body) -> Result<Outcome, Problem> {
    submit(site, CommandId(0), body).await
}
