//! Rubbish: requests that must be refused, each with its problem's code. Forged, foreign and
//! expired tokens, deep links before the opening, other people's bookings.
//!
//! Must never send anything that could succeed by right. Start at [`Rubbish`].

use std::time::Duration;

use super::{
    api::{self, Claim, Request},
    http::{Connection, Target},
};

/// One request and what came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was tried.
    pub what: &'static str,
    /// Codes that are right.
    pub expected: &'static [&'static str],
    /// The code that came.
    pub got: String,
}

impl Probe {
    /// Whether it was refused as it should be.
    pub fn is_refused(&self) -> bool {
        self.expected.contains(&self.got.as_str())
    }
}

/// Someone who tries.
#[derive(Debug)]
pub struct Rubbish {
    connection: Connection,
    partner_secret: String,
    room: u32,
    other_room: u32,
    slot: u32,
    session: String,
    ticket: String,
    other_ticket: String,
    pass: Option<String>,
    keys: u32,
    /// What was tried so far.
    pub probes: Vec<Probe>,
}

impl Rubbish {
    /// Someone with a session, a ticket of the room, and one of another room that is open already.
    pub async fn arrive(
        target: &Target,
        partner_secret: &str,
        rooms: (u32, u32),
        slot: u32,
    ) -> anyhow::Result<Self> {
        let mut connection = Connection::new(target.clone());
        let who =
            Claim { name: "고길동".into(), birth: "1964-04-04".into(), telephone: "01099990000".into() };
        let answer = super::crowd::ask(&mut connection, api::identify(partner_secret, &who)).await?;
        let session = api::read::<api::Session>(&answer).map(|given| given.session_token).unwrap_or_default();
        let mut ticket_of = async |room: u32, session: Option<&str>| -> anyhow::Result<String> {
            let answer = super::crowd::ask(&mut connection, api::join(room, session, None)).await?;
            Ok(api::read::<api::Joined>(&answer).and_then(|joined| joined.ticket_token).unwrap_or_default())
        };
        let ticket = ticket_of(rooms.0, Some(&session)).await?;
        let other_ticket = ticket_of(rooms.1, None).await?;
        Ok(Self {
            connection,
            partner_secret: partner_secret.into(),
            room: rooms.0,
            other_room: rooms.1,
            slot,
            session,
            ticket,
            other_ticket,
            pass: None,
            keys: 0,
            probes: Vec::new(),
        })
    }

    /// While the lobby is open: deep links past it.
    pub async fn before_opening(&mut self) {
        let (room, ticket, session, slot) = (self.room, self.ticket.clone(), self.session.clone(), self.slot);
        self.probe("enter before the opening", &["room_not_open"], api::enter(room, &ticket)).await;
        let key = self.key();
        let hold = api::hold(&session, None, slot, &key);
        self.probe("book by a deep link before the opening", &["booking_not_open", "pass_required"], hold)
            .await;
        self.probe("the draw before it is revealed", &["draw_unrevealed"], api::draw(room)).await;
        // A pass of the other room, to be used when it has expired.
        let other_ticket = self.other_ticket.clone();
        for _ in 0..20 {
            let enter = api::enter(self.other_room, &other_ticket).into_bytes();
            let answer = self.connection.send(&enter, Duration::from_secs(5)).await;
            if let Some(entered) = answer.ok().as_ref().and_then(api::read::<api::Entered>) {
                self.pass = Some(entered.pass_token);
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if let Some(pass) = self.pass.clone() {
            let key = self.key();
            let hold = api::hold(&session, Some(&pass), slot, &key);
            let expected = &["pass_required", "pass_ended", "booking_not_open"];
            self.probe("another room's pass", expected, hold).await;
        }
    }

    /// While the room is open: forged and foreign tokens.
    pub async fn while_open(&mut self) {
        let (room, slot, session) = (self.room, self.slot, self.session.clone());
        let forged = changed(&self.ticket);
        self.probe("a forged ticket", FORGED, api::enter(room, &forged)).await;
        self.probe("a forged ticket's place", FORGED, api::place(room, &forged)).await;
        let other = self.other_ticket.clone();
        self.probe("another room's ticket", &["other_room"], api::enter(room, &other)).await;
        let keys = [self.key(), self.key(), self.key(), self.key(), self.key()];
        let ticket = self.ticket.clone();
        self.probe("a ticket as a pass", &["token_kind"], api::hold(&session, Some(&ticket), slot, &keys[0]))
            .await;
        self.probe("no pass", &["pass_required"], api::hold(&session, None, slot, &keys[1])).await;
        let forged_session = changed(&session);
        self.probe("a forged session", FORGED, api::hold(&forged_session, None, slot, &keys[2])).await;
        self.probe("another person's booking", &["booking_unknown"], api::confirm(&session, 0, &keys[3]))
            .await;
        let who =
            Claim { name: "고길동".into(), birth: "1964-04-04".into(), telephone: "01099990000".into() };
        let secret = format!("{}x", self.partner_secret);
        self.probe("a wrong partner secret", &["partner_unknown"], api::identify(&secret, &who)).await;
        let pause = Request::new("POST", &format!("/api/v1/operator/rooms/{room}/pause"));
        let pause = pause.header("Idempotency-Key", &keys[4]).json(&serde_json::json!({ "reason": "x" }));
        self.probe("an operator's change without a session", &["staff_only"], pause).await;
        let key = self.key();
        self.probe("a refused key", &["pass_required"], api::hold(&session, None, slot, &key)).await;
        self.probe("its key with other content", &["id_reused"], api::hold(&session, None, slot + 1, &key))
            .await;
    }

    /// After the other room's passes have ended.
    pub async fn after_expiry(&mut self) {
        if let Some(pass) = self.pass.clone() {
            let key = self.key();
            let hold = api::hold(&self.session.clone(), Some(&pass), self.slot, &key);
            self.probe("an expired pass", &["pass_expired"], hold).await;
        }
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("rubbish-{:016}", self.keys)
    }

    async fn probe(&mut self, what: &'static str, expected: &'static [&'static str], request: Request) {
        let bytes = request.into_bytes();
        let mut got = String::new();
        // A busy service says so first; that is no verdict on the rubbish.
        for _ in 0..50 {
            match self.connection.send(&bytes, Duration::from_secs(5)).await {
                Ok(answer) if answer.is_success() => {
                    got = "done".into();
                    break;
                }
                Ok(answer) => {
                    got = api::problem(&answer).0;
                    if !matches!(answer.status, 429 | 500..) {
                        break;
                    }
                }
                Err(error) => got = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.probes.push(Probe { what, expected, got });
    }
}

const FORGED: &[&str] = &["token_forged", "token_malformed"];

/// A token with one character changed, in its middle.
fn changed(token: &str) -> String {
    let at = token.len() / 2;
    token
        .char_indices()
        .map(|(index, c)| {
            if index != at {
                c
            } else if c == 'A' {
                'B'
            } else {
                'A'
            }
        })
        .collect()
}
