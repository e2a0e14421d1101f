//! The operator's side of the directory: clinics, their parts in campaigns, slots, and
//! what happens at the desk.
//!
//! A bulk request becomes one command a row; they are submitted together and share their
//! flushes. Row `n` of a key always has the same command id, so sending the same request
//! again after a failure adds what was missing and nothing twice.

use jari_core::booking::{ClinicConfig, SlotSpec};
use jari_core::ids::{BookingId, CampaignId, ClinicId, DeskId, SlotId, VaccineId};
use jari_core::{Body, Command, Outcome, Reason, Refusal, Time, limits};
use jari_node::Rejected;
use jari_wire::token::StaffSession;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{command_id, operate};
use crate::actions::booking::{BookingView, unknown, view};
use crate::actions::{IdempotencyKey, staff as members};
use crate::problem::Problem;
use crate::site::Site;
use crate::staff::{Deed, audit};

/// Rows of one request at the most.
pub const ROWS_MAX: usize = 5_000;
/// Commands of one request that wait in the mailbox at once: people come first.
const AT_ONCE: usize = 256;

/// A clinic to be added.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClinic {
    /// Its name.
    pub name: String,
    /// Its address in one line.
    pub address: String,
    /// Province or state.
    pub region: String,
    /// District or county.
    pub district: String,
    /// Postcode, as text.
    pub postcode: String,
    /// Telephone; may be empty.
    #[serde(default)]
    pub telephone: String,
    /// Latitude, millionths of a degree.
    pub latitude_e6: i32,
    /// Longitude, millionths of a degree.
    pub longitude_e6: i32,
}

/// A slot to be added.
#[derive(Copy, Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSlot {
    /// When it begins.
    pub starts_at_ms: u64,
    /// The vaccine's number in the campaign.
    pub vaccine: u16,
    /// How many places.
    pub capacity: u32,
}

/// Slots to be added to one clinic's part.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeskSlots {
    /// The clinic's part in the campaign.
    pub desk: u32,
    /// The slots; at most 2,048.
    pub slots: Vec<NewSlot>,
}

/// Numbers given to a run of slots.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SlotRun {
    /// The first slot's number.
    pub first: u32,
    /// How many, with the numbers that follow.
    pub count: u32,
}

/// Adds clinics; gives their numbers in the order of the rows.
///
/// # Errors
///
/// `unfit` for too many rows; the first refusal of a row: rows before and after it may
/// have been added, and the same request sent again adds none twice.
pub async fn add_clinics(
    site: &Site,
    staff: &StaffSession,
    clinics: &[NewClinic],
    key: &IdempotencyKey,
) -> Result<Vec<u32>, Problem> {
    let body = |new: &NewClinic| Body::AddClinic { config: Box::new(new.to_config()) };
    let outcomes = bulk(site, staff, key, clinics.iter().map(body).collect()).await?;
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::ClinicAdded { clinic } => Ok(clinic.0),
            other => Err(Problem::unexpected(other)),
        })
        .collect()
}

/// Lets clinics take part in a campaign; gives the numbers of their parts.
///
/// # Errors
///
/// As [`add_clinics`].
pub async fn add_desks(
    site: &Site,
    staff: &StaffSession,
    campaign: CampaignId,
    clinics: &[u32],
    key: &IdempotencyKey,
) -> Result<Vec<u32>, Problem> {
    let body = |clinic: &u32| Body::AddDesk { campaign, clinic: ClinicId(*clinic) };
    let outcomes = bulk(site, staff, key, clinics.iter().map(body).collect()).await?;
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::DeskAdded { desk } => Ok(desk.0),
            other => Err(Problem::unexpected(other)),
        })
        .collect()
}

/// Adds slots; gives the run of numbers of each row.
///
/// # Errors
///
/// As [`add_clinics`].
pub async fn add_slots(
    site: &Site,
    staff: &StaffSession,
    rows: &[DeskSlots],
    key: &IdempotencyKey,
) -> Result<Vec<SlotRun>, Problem> {
    if rows.iter().any(|row| row.slots.is_empty() || row.slots.len() > limits::SLOTS_PER_COMMAND_MAX) {
        return Err(Problem::unfit("A row has 1 to 2,048 slots. Nothing was changed."));
    }
    let body = |row: &DeskSlots| Body::AddSlots {
        desk: DeskId(row.desk),
        slots: row.slots.iter().copied().map(NewSlot::to_spec).collect(),
    };
    let outcomes = bulk(site, staff, key, rows.iter().map(body).collect()).await?;
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::SlotsAdded { first, count } => Ok(SlotRun { first: first.0, count }),
            other => Err(Problem::unexpected(other)),
        })
        .collect()
}

/// Changes how many places a slot has.
///
/// # Errors
///
/// The machine's refusals: `places_in_use`, ...
pub async fn set_capacity(
    site: &Site,
    staff: &StaffSession,
    slot: SlotId,
    capacity: u32,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    members::at_clinic(site, staff, Deed::SetPlaces, clinic_of(site, slot)?)?;
    operate(site, staff, key, Body::SetCapacity { slot, capacity, reason: reason.into() }).await
}

/// Takes free places of a slot out of use, or puts them back.
///
/// # Errors
///
/// The machine's refusals: `places_in_use`, ...
pub async fn set_withdrawn(
    site: &Site,
    staff: &StaffSession,
    slot: SlotId,
    withdrawn: u32,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    members::at_clinic(site, staff, Deed::SetPlaces, clinic_of(site, slot)?)?;
    operate(site, staff, key, Body::SetWithdrawn { slot, withdrawn, reason: reason.into() }).await
}

/// The clinic of a slot.
pub(super) fn clinic_of(site: &Site, slot: SlotId) -> Result<u32, Problem> {
    let clinic = site.node.read(|state| {
        let slot = state.data().slots.get(u64::from(slot.0))?;
        state.data().desks.get(u64::from(slot.desk.0)).map(|desk| desk.clinic.0)
    });
    clinic.ok_or_else(|| Refusal { reason: Reason::SlotUnknown, detail: 0 }.into())
}

/// The booking with this number, whoever's it is. Says nothing of who they are. That it was looked at
/// is in the audit list.
///
/// # Errors
///
/// `booking_unknown`; `role_unfit` for another clinic's.
pub async fn find_booking(site: &Site, staff: &StaffSession, id: BookingId) -> Result<BookingView, Problem> {
    let found = booking(site, id).await?;
    members::at_clinic(site, staff, Deed::LookAtBooking, found.clinic.clinic)?;
    members::note(site, staff, members::LOOK, format!("booking {}", id.0), "").await?;
    Ok(found)
}

/// A booking as its person sees it, whoever's it is.
pub(super) async fn booking(site: &Site, id: BookingId) -> Result<BookingView, Problem> {
    let found = site.node.find(|state| {
        let booking = state.data().bookings.get(u64::from(id.0))?;
        view(site, state.data(), id, booking)
    });
    found.await.ok_or_else(unknown)
}

/// The person came and got the dose.
///
/// # Errors
///
/// The machine's refusals: `booking_not_confirmed`, ...
pub async fn check_in(
    site: &Site,
    staff: &StaffSession,
    id: BookingId,
    key: Option<&IdempotencyKey>,
) -> Result<BookingView, Problem> {
    let found = booking(site, id).await?;
    members::at_clinic(site, staff, Deed::CheckIn, found.clinic.clinic)?;
    operate(site, staff, key, Body::CheckIn { booking: id }).await?;
    booking(site, id).await
}

impl NewClinic {
    fn to_config(&self) -> ClinicConfig {
        ClinicConfig {
            name: self.name.as_str().into(),
            address: self.address.as_str().into(),
            region: self.region.as_str().into(),
            district: self.district.as_str().into(),
            postcode: self.postcode.as_str().into(),
            telephone: self.telephone.as_str().into(),
            latitude_e6: self.latitude_e6,
            longitude_e6: self.longitude_e6,
        }
    }
}

impl NewSlot {
    fn to_spec(self) -> SlotSpec {
        SlotSpec {
            starts_at: Time(self.starts_at_ms),
            vaccine: VaccineId(self.vaccine),
            capacity: self.capacity,
        }
    }
}

/// Submits one command a row, some at once, and gives their outcomes in order.
pub(super) async fn bulk(
    site: &Site,
    staff: &StaffSession,
    key: &IdempotencyKey,
    bodies: Vec<Body>,
) -> Result<Vec<Outcome>, Problem> {
    if bodies.is_empty() || bodies.len() > ROWS_MAX {
        return Err(Problem::unfit("A request has 1 to 5,000 rows. Nothing was changed."));
    }
    let rows = bodies.len();
    let (what, ..) = bodies.first().and_then(audit::of_command).ok_or_else(members::role_unfit)?;
    let entry = members::note(site, staff, what, format!("{rows} rows"), "").await?;
    match submit_rows(site, staff, key, bodies).await {
        Ok(outcomes) => Ok(outcomes),
        Err(problem) => {
            members::note_refusal(site, entry, &problem).await;
            Err(problem)
        }
    }
}

async fn submit_rows(
    site: &Site,
    staff: &StaffSession,
    key: &IdempotencyKey,
    bodies: Vec<Body>,
) -> Result<Vec<Outcome>, Problem> {
    let mut outcomes = Vec::with_capacity(bodies.len());
    let mut waiting: std::collections::VecDeque<tokio::task::JoinHandle<Result<Outcome, Rejected>>> =
        Default::default();
    for (row, body) in bodies.into_iter().enumerate() {
        if waiting.len() == AT_ONCE {
            outcomes.push(next(&mut waiting, row - AT_ONCE).await?);
        }
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        let id = command_id(site, staff, key, Some(row));
        let node = site.node.clone();
        waiting.push_back(tokio::spawn(async move { node.submit(Command { id, body }).await }));
    }
    while !waiting.is_empty() {
        let row = outcomes.len();
        outcomes.push(next(&mut waiting, row).await?);
    }
    Ok(outcomes)
}

async fn next(
    waiting: &mut std::collections::VecDeque<tokio::task::JoinHandle<Result<Outcome, Rejected>>>,
    row: usize,
) -> Result<Outcome, Problem> {
    let Some(answer) = waiting.pop_front() else {
        return Err(Problem::ours("A row was lost here. Send the same request with the same key again."));
    };
    let answer = answer
        .await
        .map_err(|_| Problem::ours("A row failed here. Send the request with the same key again."));
    match answer?? {
        Outcome::Refused(refusal) => {
            let mut problem = Problem::from(refusal);
            problem.detail = format!("Row {row}, counted from 0: {}", problem.detail).into();
            Err(problem)
        }
        outcome => Ok(outcome),
    }
}
