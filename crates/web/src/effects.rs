//! Performs the machine's effects: messages to people, after the booking is durable.
//!
//! Effects are read from the state in their order, rendered in the person's language,
//! put into the outbox and then reported done: at least once, with the effect's number
//! as the key. From rules 2 on only the node that holds the lease does so
//! ([`jari_node::duty`]). A person who was forgotten gets no message; the effect is done all the
//! same.

use jari_core::effect::{Effect, EffectKind};
use jari_core::ids::{BookingId, CommandId};
use jari_core::{Body, Command, Outcome, Reason, Time};
use jari_node::Duty;

use crate::actions::booking::{BookingStatus, BookingView, view};
use crate::actions::{identity, submit_plain};
use crate::language::Language;
use crate::outbox::{Draft, Purpose};
use crate::problem::Problem;
use crate::site::Site;

/// Effects performed before they are reported done.
const BATCH: u64 = 512;

/// Performs what waits, up to a batch, if it is this node's duty; gives how many it performed.
///
/// # Errors
///
/// When the report, or the wish to perform them, could not be submitted, or the first one's person
/// could not be looked up: the effects will come again.
pub async fn perform(site: &Site) -> Result<u64, Problem> {
    let me = site.node.identity();
    let duty = || site.node.read(|state| me.duty(state.data(), site.node.now()));
    match duty() {
        Duty::Rest => Ok(0),
        Duty::Perform { until } => perform_until(site, until).await,
        Duty::Ask => match site.node.submit(Command { id: CommandId(0), body: me.ask() }).await? {
            Outcome::Leased { .. } => match duty() {
                Duty::Perform { until } => perform_until(site, until).await,
                Duty::Rest | Duty::Ask => Ok(0),
            },
            // Another node was faster.
            Outcome::Refused(refusal) if refusal.reason == Reason::LeaseHeld => Ok(0),
            Outcome::Refused(refusal) => Err(refusal.into()),
            other => Err(Problem::unexpected(other)),
        },
    }
}

/// Performs a batch, and begins no effect once `until` has come by this node's clock.
async fn perform_until(site: &Site, until: Time) -> Result<u64, Problem> {
    let (first, waiting): (u64, Vec<Effect>) = site.node.read(|state| {
        let effects = &state.data().effects;
        let upto = effects.end().min(effects.first() + BATCH);
        (effects.first(), (effects.first()..upto).filter_map(|number| effects.get(number).copied()).collect())
    });
    if waiting.is_empty() {
        return Ok(0);
    }
    let mut count = 0;
    for effect in &waiting {
        if site.node.now() >= until {
            break;
        }
        match send(site, first + count, effect).await {
            Ok(()) => count += 1,
            // Whoever cannot be told apart from a person who was forgotten is not passed over.
            Err(problem) if count == 0 => return Err(problem),
            Err(_) => break,
        }
    }
    if count == 0 {
        return Ok(0);
    }
    submit_plain(site, Body::AckEffects { upto: first + count }).await?;
    Ok(count)
}

async fn send(site: &Site, number: u64, effect: &Effect) -> Result<(), Problem> {
    let Some(contact) = identity::contact(site, effect.person).await? else {
        return Ok(());
    };
    let Some(booking) = find(site, effect.booking) else {
        return Ok(());
    };
    // What became of it since the reminder was pushed was told in a message of its own.
    if effect.kind == EffectKind::Reminder && !is_ahead(&booking, site.node.now()) {
        return Ok(());
    }
    let (purpose, text) = render(effect.kind, &booking, contact.language);
    let at = site.node.now();
    site.outbox.push(Draft { at, to: contact.telephone, purpose, text, effect: Some(number) });
    Ok(())
}

fn find(site: &Site, id: BookingId) -> Option<BookingView> {
    site.node.read(|state| {
        let booking = state.data().bookings.get(u64::from(id.0))?;
        view(site, state.data(), id, booking)
    })
}

/// Whether the appointment is still to come.
fn is_ahead(booking: &BookingView, now: Time) -> bool {
    booking.status == BookingStatus::Booked && booking.slot.starts_at_ms > now.0
}

fn render(kind: EffectKind, booking: &BookingView, language: Language) -> (Purpose, String) {
    let when = local_time(booking.slot.starts_at_ms, booking.utc_offset_min);
    let (place, code) = (&booking.clinic.name, &booking.code);
    match (kind, language) {
        (EffectKind::BookingConfirmed, Language::Korean) => {
            (Purpose::Booked, format!("[자리] 예약되었습니다. {when} {place}. 예약번호 {code}"))
        }
        (EffectKind::BookingConfirmed, Language::English) => {
            (Purpose::Booked, format!("[Jari] Booked: {when}, {place}. Code {code}"))
        }
        (EffectKind::BookingCancelled, Language::Korean) => {
            (Purpose::Cancelled, format!("[자리] 예약이 취소되었습니다. {when} {place}. 예약번호 {code}"))
        }
        (EffectKind::BookingCancelled, Language::English) => {
            (Purpose::Cancelled, format!("[Jari] Cancelled: {when}, {place}. Code {code}"))
        }
        (EffectKind::BookingRescheduled, Language::Korean) => {
            (Purpose::Moved, format!("[자리] 예약이 변경되었습니다. {when} {place}. 예약번호 {code}"))
        }
        (EffectKind::BookingRescheduled, Language::English) => {
            (Purpose::Moved, format!("[Jari] Moved to {when}, {place}. Code {code}"))
        }
        (EffectKind::Reminder, Language::Korean) => {
            (Purpose::Reminder, format!("[자리] 예약 안내: {when} {place}. 예약번호 {code}"))
        }
        (EffectKind::Reminder, Language::English) => {
            (Purpose::Reminder, format!("[Jari] Your appointment: {when}, {place}. Code {code}"))
        }
    }
}

/// `YYYY-MM-DD HH:MM` by the place's clock.
#[must_use]
pub fn local_time(at_ms: u64, utc_offset_min: i16) -> String {
    let at = jari_core::Time(at_ms);
    let date = crate::actions::campaigns::date_text(at.date(utc_offset_min));
    let minute = (i64::try_from(at_ms / 60_000).unwrap_or(0) + i64::from(utc_offset_min)).rem_euclid(24 * 60);
    format!("{date} {:02}:{:02}", minute / 60, minute % 60)
}
