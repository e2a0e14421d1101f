//! What is open to everyone: the draw, the outbox of a demonstration, what went wrong.

use askama::Template;

use crate::pages::frame::Frame;

/// How the order is made.
#[derive(Template, Debug)]
#[template(path = "fairness.html")]
pub struct Fairness {
    /// The frame.
    pub f: Frame,
    /// The room.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// When it opens or opened.
    pub opens: String,
    /// SHA-256 of the seed, hexadecimal.
    pub commitment: String,
    /// The draw, once revealed.
    pub draw: Option<Draw>,
    /// Tickets issued.
    pub issued: u64,
    /// Places called.
    pub called: u64,
    /// Tickets entered.
    pub entered: u64,
    /// The number asked about, as written.
    pub ticket: String,
    /// The answer.
    pub result: String,
    /// Places behind the room.
    pub supply: Option<Sum>,
    /// What happened, newest first.
    pub events: Vec<Event>,
}

/// A revealed draw, in hexadecimal.
#[derive(Debug)]
pub struct Draw {
    /// The committed seed.
    pub seed: String,
    /// The public value mixed in.
    pub beacon: String,
    /// The seed of the shuffle.
    pub mixed: String,
    /// Tickets in the draw.
    pub lobby: u64,
}

/// capacity = free + held + booked + used + withdrawn.
#[derive(Debug)]
pub struct Sum {
    /// The campaign.
    pub campaign: u32,
    /// All places.
    pub capacity: u64,
    /// Free.
    pub free: u64,
    /// Held.
    pub held: u64,
    /// Booked.
    pub booked: u64,
    /// Used.
    pub used: u64,
    /// Out of use.
    pub withdrawn: u64,
    /// How many people at the most.
    pub quota: u64,
}

/// A public event.
#[derive(Debug)]
pub struct Event {
    /// The instant.
    pub machine: String,
    /// When.
    pub when: String,
    /// What.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// Messages that a demonstration would have sent.
#[derive(Template, Debug)]
#[template(path = "outbox.html")]
pub struct Outbox {
    /// The frame.
    pub f: Frame,
    /// Newest first.
    pub rows: Vec<Letter>,
}

/// One message.
#[derive(Debug)]
pub struct Letter {
    /// To whom.
    pub to: String,
    /// When.
    pub when: String,
    /// What it says.
    pub text: String,
}

/// What went wrong.
#[derive(Template, Debug)]
#[template(path = "error.html")]
pub struct Failure {
    /// The frame.
    pub f: Frame,
    /// What happened, in one sentence.
    pub title: String,
    /// More of it; may be empty.
    pub happened: String,
    /// The message that says what is safe.
    pub safe: &'static str,
    /// What to do next: the button's message.
    pub next_text: &'static str,
    /// Where the button leads.
    pub next_href: String,
    /// Tries again by itself after so many seconds.
    pub refresh_s: Option<u64>,
    /// The problem's stable code, for whoever is asked for help.
    pub code: &'static str,
}
