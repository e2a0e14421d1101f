//! Performs the machine's effects: messages to people, after the booking is durable.
//!
//! Effects are taken up from the state in their order ([`crate::messages`]), rendered in the person's language,
//! given to the messenger, several at once, and reported done once the receiver has taken them: at least once, with
//! the effect's number in the key by which the receiver drops repeats. From rules 2 on only the node that holds the
//! lease does so ([`jari_node::duty`]). A person who was forgotten gets no message; the effect is done all the same.
//!
//! It must never begin a message on a lease that is about to end, nor keep one under way beyond its end.

use std::sync::Arc;
use std::time::Duration;

use jari_core::effect::{Effect, EffectKind};
use jari_core::ids::{BookingId, CommandId};
use jari_core::{Body, Command, Outcome, Reason, Time, limits};
use jari_messenger::{Fault, Letter, Next};
use jari_node::Duty;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::actions::booking::{BookingStatus, BookingView, view};
use crate::actions::errand::Pair;
use crate::actions::{identity, submit_plain};
use crate::messages::ledger::Waiting;
use crate::messages::{last_two, purpose_of, render};
use crate::outbox::Draft;
use crate::problem::Problem;
use crate::site::Site;

/// Effects resolved before they are reported done, where more go on; and performed in one call where there is no
/// messenger.
const BATCH: u64 = 512;
/// While messages are under way: how often to look for more, and to report what is done.
const LOOK: Duration = Duration::from_millis(200);

/// Performs what is due, if it is this node's duty, until nothing is under way; gives how many it resolved.
///
/// # Errors
///
/// When the report, or the wish to perform them, could not be submitted, or a person could not be looked up and
/// nothing was resolved: the effects will come again.
pub async fn perform(site: &Arc<Site>) -> Result<u64, Problem> {
    let _turn = site.messages.turn.lock().await;
    // Whoever had the turn before may have been dropped in the middle.
    site.messages.ledger().land(Instant::now());
    let mut round = Round {
        site,
        flights: JoinSet::new(),
        until: Time(0),
        resolved: 0,
        reported: Instant::now(),
        unready: None,
    };
    match round.run().await {
        Err(problem) if round.resolved == 0 => Err(problem),
        Err(_) | Ok(()) => match round.unready.filter(|_| round.resolved == 0) {
            Some(problem) => Err(problem),
            None => Ok(round.resolved),
        },
    }
}

/// One effect has landed.
struct Landed {
    number: u64,
    carrier: usize,
    became: Became,
}

enum Became {
    /// A receiver has taken it upon itself.
    Taken,
    /// Nobody is to be told.
    Nobody,
    /// The person, with these last digits, could not be told.
    Failed(Fault, String),
    /// It could not be tried: whoever cannot be told apart from a person who was forgotten is not passed over.
    Unready(Problem),
}

struct Round<'a> {
    site: &'a Arc<Site>,
    flights: JoinSet<Landed>,
    /// No effect is begun from then on, by this node's clock.
    until: Time,
    resolved: u64,
    reported: Instant,
    /// Why no more are begun.
    unready: Option<Problem>,
}

impl Round<'_> {
    async fn run(&mut self) -> Result<(), Problem> {
        let mut begun = 0;
        while self.is_on_duty().await? {
            begun += self.begin(BATCH.saturating_sub(begun)).await;
            if !self.flights.is_empty() {
                // A look for more, and for the end of the lease, comes in between.
                let left = Duration::from_millis(self.until.since_ms(self.site.node.now()));
                if let Ok(Some(Ok(landed))) = timeout(left.min(LOOK), self.flights.join_next()).await {
                    self.settle(landed);
                }
                while let Some(Ok(landed)) = self.flights.try_join_next() {
                    self.settle(landed);
                }
            }
            self.report().await?;
            if self.flights.is_empty() && (begun >= BATCH || !self.has_more()) {
                break;
            }
        }
        Ok(())
    }

    /// Whether this node may begin effects. With the answer no, nothing is under way any more.
    async fn is_on_duty(&mut self) -> Result<bool, Problem> {
        let site = self.site;
        let me = site.node.identity();
        loop {
            match site.node.read(|state| me.duty(state.data(), site.node.now())) {
                Duty::Perform { until } => {
                    self.until = until;
                    return Ok(true);
                }
                Duty::Rest => break,
                Duty::Ask => {}
            }
            match self.while_held(site.node.submit(Command { id: CommandId(0), body: me.ask() })).await {
                // Looked at again: a journal that was slow may have left less of it than a margin.
                Some(Ok(Outcome::Leased { until })) => {
                    self.until = Time(until.0.saturating_sub(limits::LEASE_MARGIN_MS));
                }
                // Another node was faster, or the lease ended meanwhile.
                Some(Ok(Outcome::Refused(refusal))) if refusal.reason == Reason::LeaseHeld => break,
                None => break,
                Some(Ok(Outcome::Refused(refusal))) => return self.cannot_ask(refusal.into()).await,
                Some(Ok(other)) => return self.cannot_ask(Problem::unexpected(other)).await,
                Some(Err(rejected)) => return self.cannot_ask(rejected.into()).await,
            }
        }
        self.flights.shutdown().await;
        Ok(false)
    }

    /// Awaits something; where messages are under way, for as long as the lease lasts.
    async fn while_held<T>(&mut self, awaited: impl Future<Output = T>) -> Option<T> {
        if self.flights.is_empty() {
            return Some(awaited.await);
        }
        timeout(self.left_of_lease(), awaited).await.ok()
    }

    /// The lease could not be asked for: what is under way has as long as it lasts, and no more is begun.
    async fn cannot_ask(&mut self, problem: Problem) -> Result<bool, Problem> {
        let end = Instant::now() + self.left_of_lease();
        while let Ok(Some(landed)) = tokio::time::timeout_at(end, self.flights.join_next()).await {
            if let Ok(landed) = landed {
                self.settle(landed);
            }
        }
        self.flights.shutdown().await;
        Err(problem)
    }

    fn left_of_lease(&self) -> Duration {
        let end = self.until.plus_ms(limits::LEASE_MARGIN_MS);
        // Without leases there is no end.
        Duration::from_millis(end.since_ms(self.site.node.now()).min(limits::LEASE_MS))
    }

    /// Begins what is due, as many as may be under way at once; without a messenger, performs so many.
    async fn begin(&mut self, at_most: u64) -> u64 {
        let site = self.site;
        let has_messenger = site.messages.messenger.is_some();
        let edges = site.messages.ledger().edges();
        let waiting = site.node.read(|state| Waiting::beyond(edges, &state.data().effects));
        site.messages.ledger().take_up(waiting, Instant::now());
        let mut begun = 0;
        while begun < at_most && self.unready.is_none() && site.node.now() < self.until {
            if has_messenger && self.flights.len() >= site.messages.options.in_flight_max {
                break;
            }
            // The next message of the same booking is due since the one before it was performed.
            let next = site.messages.ledger().begin(Instant::now());
            let Some((number, effect, carrier)) = next else { break };
            begun += 1;
            if has_messenger {
                self.flights.spawn(carry(Arc::clone(site), number, effect, carrier));
            } else {
                let landed = carry(Arc::clone(site), number, effect, carrier).await;
                self.settle(landed);
                // A batch at once would keep everybody else waiting.
                tokio::task::yield_now().await;
            }
        }
        // What is under way ends the call by itself; what was performed at once must not go on for ever.
        if has_messenger { 0 } else { begun }
    }

    fn has_more(&self) -> bool {
        let site = self.site;
        site.messages.messenger.is_some()
            && self.unready.is_none()
            && site.messages.ledger().is_due(Instant::now())
    }

    fn settle(&mut self, landed: Landed) {
        let Landed { number, carrier, became } = landed;
        let (messages, now) = (&self.site.messages, Instant::now());
        match became {
            Became::Taken => messages.ledger().taken(number, now),
            Became::Nobody => drop(messages.ledger().resolve(number, now)),
            Became::Unready(problem) => {
                messages.ledger().put_back(number, now);
                self.unready = Some(problem);
                return;
            }
            Became::Failed(fault, to) => {
                messages.count_failure(carrier, &fault, self.site.node.now().0);
                let (taken, policy) = (messages.taken_by(carrier), &messages.options.policy);
                let next = messages.ledger().failed(number, fault, to, taken, policy, now);
                if next != Next::GiveUp {
                    return;
                }
                let entry = messages.ledger().resolve(number, now);
                if let Some(entry) = entry {
                    messages.give_up_effect(number, &entry, self.site.node.now().0);
                }
            }
        }
        self.resolved += 1;
    }

    /// Reports done what is, up to the first that is not.
    async fn report(&mut self) -> Result<(), Problem> {
        let site = self.site;
        let upto = site.messages.ledger().upto();
        let done = upto.saturating_sub(site.node.read(|state| state.data().effects.first()));
        let goes_on = !self.flights.is_empty() && done < BATCH && self.reported.elapsed() < LOOK;
        if done == 0 || goes_on {
            return Ok(());
        }
        self.reported = Instant::now();
        match self.while_held(submit_plain(site, Body::AckEffects { upto })).await {
            Some(Err(problem)) => self.cannot_ask(problem).await.map(drop),
            // The next look finds the lease over.
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

/// Tells one person of one effect.
async fn carry(site: Arc<Site>, number: u64, effect: Effect, carrier: usize) -> Landed {
    let became = send(&site, number, &effect, carrier).await;
    Landed { number, carrier, became }
}

async fn send(site: &Site, number: u64, effect: &Effect, carrier: usize) -> Became {
    let contact = match identity::contact(site, effect.person).await {
        Ok(Some(contact)) => contact,
        Ok(None) => return Became::Nobody,
        Err(problem) => return Became::Unready(problem),
    };
    let Some((booking, pair)) = find(site, effect.booking) else {
        return Became::Nobody;
    };
    // What became of it since the reminder was pushed was told in a message of its own.
    let is_reminder = effect.kind == EffectKind::Reminder;
    if is_reminder && !is_ahead(&booking, site.node.now()) {
        return Became::Nobody;
    }
    // An offer that was answered, or that has lapsed, is no news.
    let is_offer = effect.kind == EffectKind::Offer;
    if is_offer && booking.status != BookingStatus::Offered {
        return Became::Nobody;
    }
    let purpose = purpose_of(effect.kind);
    let proxy = match pair {
        Some(pair) => Some(pair.view(site, effect.person).await),
        None => None,
    };
    let text = render::booking(effect.kind, &booking, proxy.as_ref(), contact.language);
    let to = contact.telephone;
    if let Some(messenger) = &site.messages.messenger {
        let letter = Letter {
            key: site.messages.effect_key(number),
            purpose: purpose.word(),
            to: to.clone(),
            language: contact.language.tag(),
            subject: render::subject(contact.language),
            text: text.clone(),
            // Nobody is to be reminded of what has begun, or offered what is gone.
            expires_at_ms: match effect.kind {
                EffectKind::Reminder => Some(booking.slot.starts_at_ms),
                EffectKind::Offer => Some(booking.until_ms),
                _ => None,
            },
        };
        if let Err(fault) = messenger.carry(carrier, &letter, site.node.now().0).await {
            return Became::Failed(fault, last_two(&to));
        }
        site.messages.count_taken(carrier, purpose);
    }
    if site.keeps_outbox() {
        site.outbox.push(Draft { at: site.node.now(), to, purpose, text, effect: Some(number) });
    }
    Became::Taken
}

fn find(site: &Site, id: BookingId) -> Option<(BookingView, Option<Pair>)> {
    site.node.read(|state| {
        let booking = state.data().bookings.get(u64::from(id.0))?;
        Some((view(site, state.data(), id, booking)?, Pair::of(state, id, booking)))
    })
}

/// Whether the appointment is still to come.
fn is_ahead(booking: &BookingView, now: Time) -> bool {
    booking.status == BookingStatus::Booked && booking.slot.starts_at_ms > now.0
}

/// `YYYY-MM-DD HH:MM` by the place's clock.
#[must_use]
pub fn local_time(at_ms: u64, utc_offset_min: i16) -> String {
    let at = jari_core::Time(at_ms);
    let date = crate::actions::campaigns::date_text(at.date(utc_offset_min));
    let minute = (i64::try_from(at_ms / 60_000).unwrap_or(0) + i64::from(utc_offset_min)).rem_euclid(24 * 60);
    format!("{date} {:02}:{:02}", minute / 60, minute % 60)
}
