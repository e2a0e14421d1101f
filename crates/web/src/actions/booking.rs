//! Holding, confirming, cancelling and moving a place, and seeing what one has.
//!
//! A change costs one command each. The same key answers the first outcome again.

use jari_core::booking::{Booking, BookingState};
use jari_core::command::Entry;
use jari_core::ids::{BookingId, CampaignId, ChannelId, CommandId, SlotId};
use jari_core::{Body, Data, Outcome, Reason, Refusal, State};
use jari_wire::token::{Errand, Pass, Session};
use serde::Serialize;
use utoipa::ToSchema;

use super::errand::{Pair, ProxyView};
use super::places::{ClinicView, SlotView, clinic_view, slot_view};
use super::{IdempotencyKey, submit};
use crate::code;
use crate::problem::{Expiring, Problem, expired};
use crate::site::Site;

/// What became of a hold or booking.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BookingStatus {
    /// A place is held for a few minutes: confirm it.
    Held,
    /// A leftover place is offered until it lapses: confirm it, or cancel it.
    Offered,
    /// Booked. Stored durably.
    Booked,
    /// The visit took place.
    Used,
    /// Given back.
    Cancelled,
    /// The hold ended by itself.
    Lapsed,
    /// The person did not come; the place was given back.
    Missed,
}

impl BookingStatus {
    /// Its name in the API and in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BookingStatus::Held => "held",
            BookingStatus::Offered => "offered",
            BookingStatus::Booked => "booked",
            BookingStatus::Used => "used",
            BookingStatus::Cancelled => "cancelled",
            BookingStatus::Lapsed => "lapsed",
            BookingStatus::Missed => "missed",
        }
    }
}

/// A held place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Held {
    /// The hold's number, which becomes the booking's.
    pub booking: u32,
    /// Its public code.
    pub code: String,
    /// When it lapses by itself.
    pub ends_at_ms: u64,
}

/// A hold or booking with all that its person may see.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BookingView {
    /// Its number.
    pub booking: u32,
    /// Its public code, to be read out at the clinic or on the telephone.
    #[schema(example = "K7Q2M-9F0M3")]
    pub code: String,
    /// What became of it.
    pub status: BookingStatus,
    /// While held or offered: when it lapses. Afterwards: when it last changed.
    pub until_ms: u64,
    /// Which dose, from 1.
    pub dose: u8,
    /// Through which channel it was made: 0 own site, 1 agents, 2 clinic, 16 and up partners.
    /// Through whom it was moved or cancelled is not kept.
    pub channel: u16,
    /// The partner's name, while the service knows one of that channel.
    pub partner: Option<String>,
    /// Where somebody made it for somebody else: the other one of the two.
    pub proxy: Option<ProxyView>,
    /// The slot.
    pub slot: SlotView,
    /// The clinic.
    pub clinic: ClinicView,
    /// The campaign's number.
    pub campaign: u32,
    /// The campaign's name.
    pub campaign_name: String,
    /// The local clock, minutes ahead of UTC.
    pub utc_offset_min: i16,
    /// This service's clock now.
    pub now_ms: u64,
}

/// Binds a key to its person and to nothing else: another person's same key is another.
pub(crate) fn command_id(site: &Site, session: &Session, key: &IdempotencyKey) -> CommandId {
    let mut scope = [0; 17];
    scope[0] = b'p';
    scope[1..].copy_from_slice(&session.person.0.to_le_bytes());
    site.keys.command_id(&scope, key.as_str().as_bytes())
}

/// Holds a place for a few minutes: one's own, or on an errand for somebody else.
///
/// # Errors
///
/// `pass_expired` before anything is sent; then the machine's refusals.
pub async fn hold(
    site: &Site,
    session: &Session,
    errand: Option<&Errand>,
    pass: Option<&Pass>,
    slot: SlotId,
    dose: u8,
    key: &IdempotencyKey,
) -> Result<Held, Problem> {
    if let Some(pass) = pass {
        pass.check(site.node.now()).map_err(|_| expired(Expiring::Pass))?;
    }
    let entry = pass.map(|pass| Entry { room: pass.room, serial: pass.serial });
    let channel = session.channel;
    let body = match errand {
        None => {
            let Session { person, birth, .. } = *session;
            Body::Hold { slot, person, birth, dose, entry, channel }
        }
        Some(Errand { person, birth, proxy, .. }) => {
            let (person, birth, proxy) = (*person, *birth, *proxy);
            Body::HoldFor { slot, person, birth, dose, entry, channel, proxy }
        }
    };
    match felt(site, submit(site, command_id(site, session, key), body)).await? {
        Outcome::Held { booking, ends_at } => {
            Ok(Held { booking: booking.0, code: code::encode(&site.keys, booking), ends_at_ms: ends_at.0 })
        }
        other => Err(Problem::unexpected(other)),
    }
}

/// Turns a hold into a booking. When this answers, the booking is durable.
///
/// # Errors
///
/// The machine's refusals: `hold_lapsed`, `pass_ended`, `booking_unknown`, ...
pub async fn confirm(
    site: &Site,
    session: &Session,
    booking: BookingId,
    key: &IdempotencyKey,
) -> Result<BookingView, Problem> {
    let body = Body::Confirm { booking, person: session.person };
    felt(site, submit(site, command_id(site, session, key), body)).await?;
    self::booking(site, session, booking).await
}

/// Gives a hold or booking back.
///
/// # Errors
///
/// The machine's refusals.
pub async fn cancel(
    site: &Site,
    session: &Session,
    booking: BookingId,
    key: &IdempotencyKey,
) -> Result<BookingView, Problem> {
    let body = Body::Cancel { booking, person: session.person };
    submit(site, command_id(site, session, key), body).await?;
    self::booking(site, session, booking).await
}

/// Moves a booking to another slot in one step: never without a place.
///
/// # Errors
///
/// The machine's refusals; the booking stays where it was.
pub async fn reschedule(
    site: &Site,
    session: &Session,
    booking: BookingId,
    slot: SlotId,
    key: &IdempotencyKey,
) -> Result<BookingView, Problem> {
    let body = Body::Reschedule { booking, person: session.person, slot };
    submit(site, command_id(site, session, key), body).await?;
    self::booking(site, session, booking).await
}

/// A person's holds and bookings and what they made for others, newest first; at most 128 of each.
pub async fn my_bookings(site: &Site, session: &Session) -> Vec<BookingView> {
    let mut found: Vec<Found> = site.node.read(|state| {
        let own = state.bookings_of(session.person).take(128);
        let all = own.chain(state.bookings_for_others(session.person).take(128));
        all.filter_map(|(id, booking)| Found::of(site, state, id, booking)).collect()
    });
    found.sort_unstable_by_key(|Found(view, _)| std::cmp::Reverse(view.booking));
    let mut views = Vec::with_capacity(found.len());
    for found in found {
        views.push(found.named(site, session).await);
    }
    views
}

/// A booking, and who made it for whom.
struct Found(BookingView, Option<Pair>);

impl Found {
    fn of(site: &Site, state: &State, id: BookingId, booking: &Booking) -> Option<Found> {
        Some(Found(view(site, state.data(), id, booking)?, Pair::of(state, id, booking)))
    }

    /// For one of the two, who may know the other's name.
    async fn named(self, site: &Site, session: &Session) -> BookingView {
        let proxy = match self.1 {
            Some(pair) => Some(pair.view(site, session.person).await),
            None => None,
        };
        BookingView { proxy, ..self.0 }
    }
}

/// Region and district of the clinic where this person held or booked a place last, if the
/// campaign has clinics there: likely where they will look again.
#[must_use]
pub fn last_area(site: &Site, session: &Session, campaign: CampaignId) -> Option<(String, String)> {
    let area = site.node.read(|state| {
        let data = state.data();
        let (_, booking) = state.bookings_of(session.person).next()?;
        let slot = data.slots.get(u64::from(booking.slot.0))?;
        let clinic = clinic_view(data, slot.desk)?;
        Some((clinic.region, clinic.district))
    });
    let views = site.node.views();
    let regions = views.directory.places.get(&campaign)?;
    area.filter(|(region, district)| {
        regions.get(&**region).is_some_and(|districts| districts.contains_key(&**district))
    })
}

/// One hold or booking of this person, or one that they made for somebody else and may still reach. One
/// that another node has just made is waited for.
///
/// # Errors
///
/// `booking_unknown`, also for another person's: nobody learns that it exists.
pub async fn booking(site: &Site, session: &Session, id: BookingId) -> Result<BookingView, Problem> {
    let found = site.node.find(|state| {
        // One that is there and another person's does not become this person's by waiting.
        let booking = state.data().bookings.get(u64::from(id.0))?;
        let may_see = state.may_reach(id, session.person);
        Some(may_see.then(|| Found::of(site, state, id, booking)).flatten())
    });
    let found = found.await.flatten().ok_or_else(unknown)?;
    Ok(found.named(site, session).await)
}

/// The booking of a public code, in any case and with or without the hyphen.
///
/// # Errors
///
/// `booking_unknown` for a code that was never given out.
pub fn by_code(site: &Site, code: &str) -> Result<BookingId, Problem> {
    code::decode(&site.keys, code).ok_or_else(unknown)
}

/// Lets the room in front feel how long a change took and whether it failed on our side.
async fn felt(
    site: &Site,
    change: impl Future<Output = Result<Outcome, Problem>>,
) -> Result<Outcome, Problem> {
    let started = std::time::Instant::now();
    let outcome = change.await;
    let failed = outcome.as_ref().is_err_and(|problem| problem.culprit == crate::problem::Culprit::Us);
    site.health.record(started.elapsed(), failed);
    outcome
}

pub(crate) fn unknown() -> Problem {
    Refusal { reason: Reason::BookingUnknown, detail: 0 }.into()
}

/// What became of a booking, for whoever may see it.
pub(crate) fn status_of(state: BookingState) -> BookingStatus {
    match state {
        BookingState::Held => BookingStatus::Held,
        BookingState::Offered => BookingStatus::Offered,
        BookingState::Booked => BookingStatus::Booked,
        BookingState::Used => BookingStatus::Used,
        BookingState::Cancelled => BookingStatus::Cancelled,
        BookingState::Lapsed => BookingStatus::Lapsed,
        BookingState::NoShow => BookingStatus::Missed,
    }
}

fn partner_name(site: &Site, channel: ChannelId) -> Option<String> {
    let partner = site.options.partners.iter().find(|partner| partner.channel == channel);
    partner.map(|partner| partner.name.clone())
}

pub(crate) fn view(site: &Site, data: &Data, id: BookingId, booking: &Booking) -> Option<BookingView> {
    let slot = slot_view(data, booking.slot)?;
    let clinic = clinic_view(data, jari_core::ids::DeskId(slot.desk))?;
    let campaign = data.campaigns.get(&CampaignId(clinic.campaign))?;
    Some(BookingView {
        booking: id.0,
        code: code::encode(&site.keys, id),
        status: status_of(booking.state),
        until_ms: booking.until.0,
        dose: booking.dose,
        channel: booking.channel.0,
        partner: partner_name(site, booking.channel),
        proxy: None,
        campaign: clinic.campaign,
        campaign_name: campaign.config.name.to_string(),
        utc_offset_min: campaign.config.utc_offset_min,
        now_ms: data.time.0,
        slot,
        clinic,
    })
}
