//! A campaign and its room, made from a table of clinics and times: first looked at, then made.
//!
//! Nothing is kept between the two: the table comes twice, and its hash tells that it is the same. Before
//! anything is written, all of it is carried out on an empty machine of this request's own, under the
//! rules that count: what would be refused half-way is refused at the beginning. Every command's id
//! follows from the form's key, so a creation that was interrupted is sent again and goes on.
//!
//! It must never write a part of what would be refused as a whole. Start reading at [`look`] and
//! [`create`].

use std::sync::Arc;

use jari_core::booking::{CampaignConfig, Rules, Vaccine, Window};
use jari_core::command::Text;
use jari_core::ids::{CampaignId, ClinicId, CommandId, DeskId, RoomId};
use jari_core::time::Date;
use jari_core::waiting_room::{Pace, RoomConfig, draw};
use jari_core::{Body, Command, Outcome, State, Time, limits, step};
use jari_import::{Import, ImportError, ImportOptions, ImportReport, Offer, Source};
use jari_wire::token::StaffSession;
use jiff::tz::{Offset, TimeZone};

use super::directory::{ROWS_MAX, bulk};
use super::operate;
use crate::actions::IdempotencyKey;
use crate::hex;
use crate::problem::Problem;
use crate::site::{Site, room_seed};

/// Bytes of a table at the most; what is larger is for `jari import`.
pub const TABLE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bad rows that are named; further ones are counted.
const PROBLEMS_SHOWN_MAX: usize = 100;

/// A table as it was sent.
#[derive(Clone)]
pub struct Table {
    /// The file's name, for reports.
    pub name: String,
    /// All of it.
    pub bytes: Arc<[u8]>,
    /// Leave out what is wrong, instead of refusing the whole.
    pub skip_bad: bool,
}

impl Table {
    /// Which table it is: BLAKE3 of its bytes, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(blake3::hash(&self.bytes).as_bytes())
    }
}

/// A vaccine that the table names, and its places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Doses {
    /// Its name; empty where the table names none.
    pub vaccine: String,
    /// Places.
    pub places: u64,
}

/// What was found in a table.
#[derive(Debug)]
pub struct Looked {
    /// Counts, notes, and bad rows.
    pub report: ImportReport,
    /// Whether it can be taken as it stands.
    pub is_usable: bool,
    /// The vaccines, in the order in which they first appear.
    pub doses: Vec<Doses>,
    /// The first and the last time.
    pub times: Option<(Time, Time)>,
}

/// What is to be made around a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opening {
    /// The campaign's number, and the room's: free ones.
    pub campaign: u32,
    /// See above.
    pub room: u32,
    /// The name of both.
    pub name: String,
    /// The vaccine of those rows that name none.
    pub vaccine: String,
    /// How many people it is for.
    pub quota: u32,
    /// The first and the last birth date.
    pub born: (Date, Date),
    /// Doses of the course, and days between two of them.
    pub doses: (u8, u16),
    /// When booking opens, and for whom.
    pub windows: Vec<Window>,
    /// How long a hold lasts, ms.
    pub hold_ms: u32,
    /// How long before the visit people are reminded, ms; 0 for never.
    pub reminder_ms: u32,
    /// How fast people are let in.
    pub pace: Pace,
    /// Bookings that one turn may serve.
    pub bookings_per_pass: u8,
    /// A number in line needs an identity.
    pub identity_bound: bool,
}

/// The next numbers that neither a campaign nor a room has.
#[must_use]
pub fn free_numbers(site: &Site) -> (u32, u32) {
    site.node.read(|state| {
        let campaign = state.data().campaigns.keys().next_back().map_or(0, |id| id.0);
        let room = state.data().rooms.keys().next_back().map_or(0, |id| id.0);
        (campaign.saturating_add(1), room.saturating_add(1))
    })
}

/// Reads a table and says what is in it. Nothing is changed.
///
/// # Errors
///
/// `imports_busy` while another one is read; `table_unfit` for one that cannot be read at all.
pub async fn look(site: &Site, table: &Table) -> Result<Looked, Problem> {
    let read = read(site, table).await?;
    Ok(match read {
        Ok(import) => Looked {
            doses: doses(&import),
            times: times(&import),
            is_usable: import.report.places > 0,
            report: import.report,
        },
        Err(report) => Looked { report, is_usable: false, doses: Vec::new(), times: None },
    })
}

/// Makes the campaign, its room, and everything in the table. `seen` is the hash of the table that was
/// looked at.
///
/// # Errors
///
/// `table_changed` for another table; `table_unfit`; the machine's refusals, before anything is written:
/// `setting_unfit`, `campaign_exists`, ... A passing problem half-way: the same form sent again goes on.
pub async fn create(
    site: &Site,
    staff: &StaffSession,
    table: &Table,
    seen: &str,
    opening: &Opening,
    key: &IdempotencyKey,
) -> Result<(), Problem> {
    if table.hash() != seen {
        return Err(changed());
    }
    let import = read(site, table).await?.map_err(|report| unfit(report.to_string()))?;
    let campaign = campaign_of(site, opening, &import);
    let names: Vec<&str> = campaign.vaccines.iter().map(|vaccine| &*vaccine.name).collect();
    let offers = jari_import::offers(&import, &names).map_err(|error| unfit(error.to_string()))?;
    let room = room_of(site, opening);
    try_out(site, opening, &campaign, &room, &offers)?;

    let part = |name: &str| part_of(key, name);
    let id = CampaignId(opening.campaign);
    let create = Body::CreateCampaign { campaign: id, config: Box::new(campaign) };
    operate(site, staff, Some(&part("campaign")?), create).await?;
    let create = Body::CreateRoom { room: RoomId(opening.room), config: Box::new(room) };
    operate(site, staff, Some(&part("room")?), create).await?;
    load(site, staff, id, &offers, key).await
}

/// Puts clinics, their parts and their slots in, some thousand commands at a time.
async fn load(
    site: &Site,
    staff: &StaffSession,
    campaign: CampaignId,
    offers: &[Offer],
    key: &IdempotencyKey,
) -> Result<(), Problem> {
    for (number, offers) in offers.chunks(ROWS_MAX).enumerate() {
        let add = |offer: &Offer| Body::AddClinic { config: Box::new(offer.clinic.clone()) };
        let part = part_of(key, &format!("clinics{number}"))?;
        let added = bulk(site, staff, &part, offers.iter().map(add).collect()).await?;
        let add = |outcome: &Outcome| match outcome {
            Outcome::ClinicAdded { clinic } => Ok(Body::AddDesk { campaign, clinic: *clinic }),
            other => Err(Problem::unexpected(*other)),
        };
        let parts = added.iter().map(add).collect::<Result<Vec<Body>, Problem>>()?;
        let added = bulk(site, staff, &part_of(key, &format!("desks{number}"))?, parts).await?;
        let mut slots = Vec::new();
        for (outcome, offer) in added.iter().zip(offers) {
            let Outcome::DeskAdded { desk } = outcome else {
                return Err(Problem::unexpected(*outcome));
            };
            slots.extend(slots_of(*desk, offer));
        }
        let rounds = slots.chunks(ROWS_MAX).enumerate();
        for (round, slots) in rounds {
            let part = part_of(key, &format!("slots{number}.{round}"))?;
            bulk(site, staff, &part, slots.to_vec()).await?;
        }
    }
    Ok(())
}

fn slots_of(desk: DeskId, offer: &Offer) -> impl Iterator<Item = Body> {
    let chunks = offer.slots.chunks(limits::SLOTS_PER_COMMAND_MAX);
    chunks.map(move |slots| Body::AddSlots { desk, slots: slots.to_vec() })
}

/// Carries all of it out on an empty machine, under the rules that count.
fn try_out(
    site: &Site,
    opening: &Opening,
    campaign: &CampaignConfig,
    room: &RoomConfig,
    offers: &[Offer],
) -> Result<(), Problem> {
    let (is_begun, clinics) = site.node.read(|state| {
        let data = state.data();
        let is_begun = data.campaigns.contains_key(&CampaignId(opening.campaign))
            || data.rooms.contains_key(&RoomId(opening.room));
        (is_begun, data.clinics.end() + offers.len() as u64)
    });
    if clinics > limits::CLINICS_MAX {
        return Err(unfit("There are too many clinics with these.".into()));
    }
    let now = site.node.now();
    // What was begun with this very form goes on: its commands have the same ids.
    if !is_begun && opening.windows.iter().any(|window| window.opens_at <= now) {
        return Err(Problem::unfit("The opening lies in the past. Nothing was made."));
    }
    let mut trial = State::new();
    let mut carry_out = |body: Body| match step(&mut trial, &Command { id: CommandId(0), body }, now) {
        Outcome::Refused(refusal) => Err(Problem::from(refusal)),
        _ => Ok(()),
    };
    for rules in jari_core::rules::RULES_FIRST + 1..=site.node.status().rules {
        carry_out(Body::Upgrade { rules })?;
    }
    let id = CampaignId(opening.campaign);
    carry_out(Body::CreateCampaign { campaign: id, config: Box::new(campaign.clone()) })?;
    carry_out(Body::CreateRoom { room: RoomId(opening.room), config: Box::new(room.clone()) })?;
    for (number, offer) in (0_u32..).zip(offers) {
        carry_out(Body::AddClinic { config: Box::new(offer.clinic.clone()) })?;
        carry_out(Body::AddDesk { campaign: id, clinic: ClinicId(number) })?;
        for body in slots_of(DeskId(number), offer) {
            carry_out(body)?;
        }
    }
    Ok(())
}

fn campaign_of(site: &Site, opening: &Opening, import: &Import) -> CampaignConfig {
    let vaccine = |doses: Doses| {
        let name = if doses.vaccine.is_empty() { &opening.vaccine } else { &doses.vaccine };
        Vaccine { name: name.as_str().into(), quota: u32::MAX }
    };
    CampaignConfig {
        name: Text::from(opening.name.as_str()),
        room: Some(RoomId(opening.room)),
        quota: opening.quota,
        vaccines: doses(import).into_iter().map(vaccine).collect(),
        rules: Rules {
            version: 1,
            born_from: opening.born.0,
            born_until: opening.born.1,
            doses: opening.doses.0,
            dose_interval_days: opening.doses.1,
        },
        windows: opening.windows.clone(),
        hold_ms: opening.hold_ms,
        utc_offset_min: site.options.utc_offset_min,
        reminder_ms: opening.reminder_ms,
    }
}

fn room_of(site: &Site, opening: &Opening) -> RoomConfig {
    let opens_at = opening.windows.iter().map(|window| window.opens_at).min().unwrap_or(Time(0));
    RoomConfig {
        name: Text::from(opening.name.as_str()),
        opens_at,
        commitment: draw::commitment(&room_seed(&site.keys, RoomId(opening.room), &opening.name)),
        campaign: Some(CampaignId(opening.campaign)),
        awaits_beacon: false,
        identity_bound: opening.identity_bound,
        fails_open: false,
        bookings_per_pass: opening.bookings_per_pass,
        pace: opening.pace,
    }
}

/// The vaccines of a table in the order of their numbers, with their places. Rows that name none are of
/// the first.
fn doses(import: &Import) -> Vec<Doses> {
    let mut doses: Vec<Doses> =
        jari_import::vaccines(import).into_iter().map(|vaccine| Doses { vaccine, places: 0 }).collect();
    if doses.is_empty() {
        doses.push(Doses { vaccine: String::new(), places: 0 });
    }
    for slot in &import.slots {
        let named = |doses: &Doses| {
            slot.vaccine.as_deref().is_some_and(|name| doses.vaccine.eq_ignore_ascii_case(name))
        };
        let at = doses.iter().position(named).unwrap_or(0);
        doses[at].places += u64::from(slot.capacity);
    }
    doses
}

fn times(import: &Import) -> Option<(Time, Time)> {
    let starts = || import.slots.iter().filter_map(|slot| u64::try_from(slot.starts_at_ms).ok());
    Some((Time(starts().min()?), Time(starts().max()?)))
}

/// Reads a table away from everybody who waits for an answer, one at a time: what is refused comes back
/// as its report.
async fn read(site: &Site, table: &Table) -> Result<Result<Import, ImportReport>, Problem> {
    let _turn = site.imports.try_acquire().map_err(|_| busy())?;
    let mut options = ImportOptions {
        skip_bad: table.skip_bad,
        zone: Offset::from_seconds(i32::from(site.options.utc_offset_min) * 60).ok().map(TimeZone::fixed),
        ..ImportOptions::default()
    };
    options.limits.file_bytes_max = TABLE_BYTES_MAX as u64;
    options.limits.problems_listed_max = PROBLEMS_SHOWN_MAX;
    let source = Source::Table { name: table.name.clone(), bytes: Arc::clone(&table.bytes) };
    let reading = tokio::task::spawn_blocking(move || jari_import::read(&source, &options));
    match reading.await.map_err(|_| Problem::ours("The table could not be read. Nothing was changed."))? {
        Ok(import) => Ok(Ok(import)),
        Err(ImportError::Refused(report)) => Ok(Err(*report)),
        Err(error) => Err(unfit(error.to_string())),
    }
}

/// The key of a part of what a form asks for.
fn part_of(key: &IdempotencyKey, name: &str) -> Result<IdempotencyKey, Problem> {
    let hash = blake3::hash(format!("{}/{name}", key.as_str()).as_bytes());
    IdempotencyKey::parse(&hex::encode(&hash.as_bytes()[..24]))
}

fn unfit(why: String) -> Problem {
    Problem::caller(http::StatusCode::UNPROCESSABLE_ENTITY, "table_unfit", "The table cannot be taken", why)
}

fn changed() -> Problem {
    Problem::caller(
        http::StatusCode::CONFLICT,
        "table_changed",
        "This is another table than the one that was looked at",
        "Nothing was made. Choose the same file once more, or look at the new one first.",
    )
}

fn busy() -> Problem {
    Problem::busy(
        "imports_busy",
        "Another table is being read",
        "One table is read at a time. Nothing was changed; try again in a moment.",
        3_000,
    )
}
