//! The clinic's desk: what a day looks like there, who did not come, who walks in, and leftover places.
//!
//! A list names bookings by their codes and nobody by name. A name is asked for, one booking at a time
//! or a day's list for paper, and each time that is in the audit list. Start reading at [`day`].

use jari_core::booking::{Booking, Proxied, SlotSpec};
use jari_core::ids::{BookingId, CampaignId, ChannelId, ClinicId, DeskId, PersonId, SlotId, VaccineId};
use jari_core::time::Date;
use jari_core::{Body, Outcome, Reason, Refusal, State, Time};
use jari_wire::token::StaffSession;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::directory::{booking, clinic_of};
use super::{operate, outcome_of};
use crate::actions::booking::{BookingStatus, BookingView, status_of, unknown};
use crate::actions::campaigns::date_text;
use crate::actions::identity::{self, Claim};
use crate::actions::places::{self, ClinicView, SlotView, clinic_view};
use crate::actions::staff::{self as members, LOOK_AT_CONTACT, PRINT_NAMES};
use crate::actions::{IdempotencyKey, earliest};
use crate::code;
use crate::problem::Problem;
use crate::site::Site;
use crate::staff::Deed;
use crate::staff::roles::{Leave, may};
use crate::vault::Contact;

/// Clinics' parts that are listed at the most.
pub const DESKS_SHOWN_MAX: usize = 100;
/// Bookings of a day that are listed at the most; a clinic has some hundreds.
const BOOKINGS_SHOWN_MAX: usize = 5_000;

/// A clinic's day: its slots, and what became of each booking.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct DeskDay {
    /// The clinic.
    pub clinic: ClinicView,
    /// The campaign's name.
    pub campaign_name: String,
    /// The campaign's vaccines, in the order of their numbers.
    pub vaccines: Vec<String>,
    /// Doses of the course.
    pub doses: u8,
    /// The day at the place, `YYYY-MM-DD`.
    pub date: String,
    /// This service's clock now.
    pub now_ms: u64,
    /// People who stand by for leftover places there.
    pub standing_by: u32,
    /// The day's slots in order of their beginning.
    pub slots: Vec<DeskSlot>,
    /// Bookings that are left out because there are too many for one list; usually none.
    pub left_out: u32,
}

/// A slot of a clinic's day.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct DeskSlot {
    /// The slot and its places.
    pub slot: SlotView,
    /// Places that are being offered to those who stand by, answered or not yet.
    pub offering: Option<OfferingView>,
    /// Those who are expected, came, did not come, or were offered a place, in the order of their numbers.
    pub bookings: Vec<DeskBooking>,
}

/// Leftover places of a slot that are being offered.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct OfferingView {
    /// Places that are offered, or still to be.
    pub places: u32,
    /// How many people have an offer now.
    pub open: u32,
    /// How long each has to answer, milliseconds.
    pub offer_ms: u32,
}

/// A booking, without whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct DeskBooking {
    /// Its number.
    pub booking: u32,
    /// Its public code.
    pub code: String,
    /// What became of it.
    pub status: BookingStatus,
    /// While offered: when it lapses. Otherwise: when it last changed.
    pub until_ms: u64,
    /// Which dose, from 1.
    pub dose: u8,
    /// Through which channel it was made; 2 is the clinic: a walk-in or a leftover place.
    pub channel: u16,
}

/// A name and a number, for the desk.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ContactView {
    /// The name; none once the person had it forgotten.
    pub name: Option<String>,
    /// The telephone number; none likewise.
    pub telephone: Option<String>,
    /// Who made the booking for them, by name, where somebody else did and one booking was asked for.
    pub made_by: Option<String>,
}

/// Never shows who it is.
impl std::fmt::Debug for ContactView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContactView")
    }
}

/// Somebody who stands at the desk with an identity card.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WalkIn {
    /// Who they are, as on the card.
    pub person: Claim,
    /// Which dose, from 1.
    #[serde(default = "first")]
    pub dose: u8,
}

fn first() -> u8 {
    1
}

/// Leftover places to be offered.
#[derive(Copy, Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// How many places, beside those that are offered already; 64 in all.
    pub places: u32,
    /// How long each person has to answer, milliseconds; 3 to 60 minutes.
    pub offer_ms: u32,
}

/// A time to be added to a clinic's day.
#[derive(Copy, Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTime {
    /// When it begins; not in the past.
    pub starts_at_ms: u64,
    /// The vaccine's number in the campaign.
    #[serde(default)]
    pub vaccine: u16,
    /// How many places.
    pub capacity: u32,
}

/// What an offer came to.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Offered {
    /// Offers of this slot that wait for an answer now; none if nobody stands by.
    pub offers: u32,
}

/// Clinics' parts in campaigns whose desks somebody may run: an account's own, or those of everybody
/// whose clinic's name has `find` in it. At most 100.
///
/// # Errors
///
/// `role_unfit`.
pub fn desks(site: &Site, staff: &StaffSession, find: &str) -> Result<Vec<ClinicView>, Problem> {
    let member = members::member_of(site, *staff)?;
    match may(member.role, Deed::RunDesk) {
        Leave::Yes => Ok(desks_named(site, find.trim())),
        Leave::OwnClinics => Ok(site.node.read(|state| {
            let campaigns = state.data().campaigns.keys();
            let at = |campaign: &CampaignId| {
                let campaign = *campaign;
                member.clinics.iter().filter_map(move |clinic| state.desk_of(campaign, ClinicId(*clinic)))
            };
            let own = campaigns.flat_map(at).take(DESKS_SHOWN_MAX);
            own.filter_map(|desk| clinic_view(state.data(), desk)).collect()
        })),
        Leave::No => Err(members::role_unfit()),
    }
}

/// One district at a time, so that the state's lock is never held for long.
fn desks_named(site: &Site, find: &str) -> Vec<ClinicView> {
    let views = site.node.views();
    let districts = views.directory.places.values().flat_map(|regions| regions.values().flatten());
    let mut found = Vec::new();
    for (_, desks) in districts {
        found.extend(site.node.read(|state| {
            let all = desks.iter().filter_map(|desk| clinic_view(state.data(), *desk));
            all.filter(|clinic| clinic.name.contains(find)).collect::<Vec<_>>()
        }));
        if found.len() >= DESKS_SHOWN_MAX {
            break;
        }
    }
    found.truncate(DESKS_SHOWN_MAX);
    found
}

/// A day of a clinic.
///
/// # Errors
///
/// `desk_unknown`; `role_unfit` for another clinic's.
pub fn day(site: &Site, staff: &StaffSession, desk: DeskId, date: Date) -> Result<DeskDay, Problem> {
    let clinic = places::clinic(site, desk)?;
    members::at_clinic(site, staff, Deed::RunDesk, clinic.clinic)?;
    let views = site.node.views();
    let ids = earliest::slots_of(&views.directory, desk);
    let found = site.node.read(|state| {
        let data = state.data();
        let campaign = data.campaigns.get(&CampaignId(clinic.campaign))?;
        let offset = campaign.config.utc_offset_min;
        let is_wanted = |id: &&SlotId| {
            data.slots.get(u64::from(id.0)).is_some_and(|it| it.starts_at.date(offset) == date)
        };
        let mut listed = 0;
        let mut left_out = 0;
        let mut slots = Vec::new();
        for id in ids.iter().filter(is_wanted).take(places::SLOTS_SHOWN_MAX) {
            let mut slot = desk_slot(site, state, *id)?;
            let room = BOOKINGS_SHOWN_MAX - listed;
            left_out += slot.bookings.len().saturating_sub(room);
            slot.bookings.truncate(room);
            listed += slot.bookings.len();
            slots.push(slot);
        }
        Some(DeskDay {
            campaign_name: campaign.config.name.to_string(),
            vaccines: campaign.config.vaccines.iter().map(|vaccine| vaccine.name.to_string()).collect(),
            doses: campaign.config.rules.doses,
            date: date_text(date),
            now_ms: data.time.0,
            standing_by: u32::try_from(state.standbys_at(desk)).unwrap_or(u32::MAX),
            slots,
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
            clinic,
        })
    });
    found.ok_or_else(|| Refusal { reason: Reason::DeskUnknown, detail: 0 }.into())
}

fn desk_slot(site: &Site, state: &State, id: SlotId) -> Option<DeskSlot> {
    let mut bookings: Vec<DeskBooking> = state
        .bookings_at(id)
        .map(|(id, booking)| DeskBooking {
            booking: id.0,
            code: code::encode(&site.keys, id),
            status: status_of(booking.state),
            until_ms: booking.until.0,
            dose: booking.dose,
            channel: booking.channel.0,
        })
        .collect();
    bookings.sort_unstable_by_key(|booking| booking.booking);
    let offering = state.data().standbys.offerings.get(&id);
    let slot = places::slot_view(state.data(), id)?;
    Some(DeskSlot {
        slot,
        offering: offering.map(|offering| OfferingView {
            places: offering.places,
            open: offering.open,
            offer_ms: offering.offer_ms,
        }),
        bookings,
    })
}

/// Who is behind a booking. That it was asked is in the audit list, before it is told.
///
/// # Errors
///
/// `booking_unknown`; `role_unfit` for another clinic's; `deeds_often`; a passing problem of the vault.
pub async fn contact(site: &Site, staff: &StaffSession, id: BookingId) -> Result<ContactView, Problem> {
    let found = booking(site, id).await?;
    members::at_clinic(site, staff, Deed::LookAtContact, found.clinic.clinic)?;
    members::note(site, staff, LOOK_AT_CONTACT, format!("booking {}", id.0), "").await?;
    let (person, proxy) = site.node.read(|state| {
        let person = state.data().bookings.get(u64::from(id.0)).map(Booking::person);
        (person, state.proxy_of(id).map(Proxied::proxy))
    });
    let view = contact_of(site, person.ok_or_else(unknown)?).await?;
    let made_by = match proxy {
        Some(proxy) => contact_of(site, proxy).await?.name,
        None => None,
    };
    Ok(ContactView { made_by, ..view })
}

async fn contact_of(site: &Site, person: PersonId) -> Result<ContactView, Problem> {
    let contact = identity::contact(site, person).await?;
    let Contact { name, telephone, .. } = match contact {
        Some(contact) => contact,
        None => return Ok(ContactView { name: None, telephone: None, made_by: None }),
    };
    Ok(ContactView { name: Some(name), telephone: Some(telephone), made_by: None })
}

/// The names of everybody who is expected on a day, by booking, for a list on paper. One entry of the
/// audit list says how many; they count as so many looks.
///
/// # Errors
///
/// As [`contact`].
pub async fn names(
    site: &Site,
    staff: &StaffSession,
    day: &DeskDay,
) -> Result<Vec<(u32, ContactView)>, Problem> {
    members::at_clinic(site, staff, Deed::LookAtContact, day.clinic.clinic)?;
    let all = day.slots.iter().flat_map(|slot| &slot.bookings).map(|booking| booking.booking);
    let bookings: Vec<u32> = all.collect();
    let on = format!("desk {}, {}, {} bookings", day.clinic.desk, day.date, bookings.len());
    let times = u32::try_from(bookings.len()).unwrap_or(u32::MAX).max(1);
    members::note_times(site, staff, PRINT_NAMES, on, "", times).await?;
    let mut names = Vec::with_capacity(bookings.len());
    for id in bookings {
        let person = site.node.read(|state| state.data().bookings.get(u64::from(id)).map(Booking::person));
        names.push((id, contact_of(site, person.ok_or_else(unknown)?).await?));
    }
    Ok(names)
}

/// The person did not come: the place is free again.
///
/// # Errors
///
/// `booking_unknown`, `role_unfit`; the machine's refusals: `no_show_too_early`, `rules_unknown`, ...
pub async fn mark_no_show(
    site: &Site,
    staff: &StaffSession,
    id: BookingId,
    key: Option<&IdempotencyKey>,
) -> Result<BookingView, Problem> {
    let found = booking(site, id).await?;
    members::at_clinic(site, staff, Deed::RunDesk, found.clinic.clinic)?;
    operate(site, staff, key, Body::MarkNoShow { booking: id }).await?;
    booking(site, id).await
}

/// Somebody at the desk gets a free place of today and the dose. The staff has seen their identity
/// card and vouches for them: no code is sent.
///
/// # Errors
///
/// `unfit` for a field; `slot_unknown`, `role_unfit`; the machine's refusals: `slot_full`, `slot_ahead`,
/// `already_booked`, `not_eligible`, `rules_unknown`, ...
pub async fn walk_in(
    site: &Site,
    staff: &StaffSession,
    slot: SlotId,
    asked: &WalkIn,
    key: &IdempotencyKey,
) -> Result<BookingView, Problem> {
    members::at_clinic(site, staff, Deed::RunDesk, clinic_of(site, slot)?)?;
    let identified = identity::identify(site, &asked.person)?;
    let body = Body::WalkIn {
        slot,
        person: identified.person,
        birth: identified.birth,
        dose: asked.dose,
        channel: ChannelId::CLINIC,
    };
    match outcome_of(site, staff, Some(key), body).await? {
        Outcome::CheckedIn { booking: id } => {
            // After the dose, since nobody's name is kept who got none; and it is given, name or no name.
            if let Err(problem) = identity::keep_new(site, &identified).await {
                tracing::warn!(code = problem.code, booking = id.0, "a walk-in's name is not kept");
            }
            booking(site, id).await
        }
        other => Err(Problem::unexpected(other)),
    }
}

/// Offers free places of today to those who stand by.
///
/// # Errors
///
/// `slot_unknown`, `role_unfit`; the machine's refusals: `slot_full`, `slot_ahead`, `slot_past`,
/// `setting_unfit`, `rules_unknown`, ...
pub async fn offer(
    site: &Site,
    staff: &StaffSession,
    slot: SlotId,
    offer: Offer,
    key: Option<&IdempotencyKey>,
) -> Result<Offered, Problem> {
    members::at_clinic(site, staff, Deed::RunDesk, clinic_of(site, slot)?)?;
    let body = Body::OfferLeftover { slot, places: offer.places, offer_ms: offer.offer_ms };
    match outcome_of(site, staff, key, body).await? {
        Outcome::Offered { offers } => Ok(Offered { offers }),
        other => Err(Problem::unexpected(other)),
    }
}

/// Adds a time with free places, and gives its number.
///
/// # Errors
///
/// `desk_unknown`, `role_unfit`; `unfit` for a time that is over; the machine's refusals:
/// `vaccine_unknown`, `setting_unfit`, `campaign_closed`, ...
pub async fn add_time(
    site: &Site,
    staff: &StaffSession,
    desk: DeskId,
    new: NewTime,
    key: &IdempotencyKey,
) -> Result<u32, Problem> {
    members::at_clinic(site, staff, Deed::SetPlaces, places::clinic(site, desk)?.clinic)?;
    if Time(new.starts_at_ms) <= site.node.now() {
        return Err(Problem::unfit("The time is over. Nothing was changed."));
    }
    let slot = SlotSpec {
        starts_at: Time(new.starts_at_ms),
        vaccine: VaccineId(new.vaccine),
        capacity: new.capacity,
    };
    match outcome_of(site, staff, Some(key), Body::AddSlots { desk, slots: vec![slot] }).await? {
        Outcome::SlotsAdded { first, .. } => Ok(first.0),
        other => Err(Problem::unexpected(other)),
    }
}

/// Whether a time is in the lists of its clinic already.
#[must_use]
pub fn is_listed(site: &Site, desk: DeskId, slot: SlotId) -> bool {
    earliest::slots_of(&site.node.views().directory, desk).contains(&slot)
}
