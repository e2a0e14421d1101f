//! Puts clinics and slots into a campaign, through the engine like everything else.
//!
//! Everything is checked before the first command is written, and command ids are derived
//! from the rows, so that a load that was interrupted is simply run again.

use anyhow::{bail, ensure};
use jari_core::booking::{ClinicConfig, SlotSpec};
use jari_core::ids::{CampaignId, ClinicId, CommandId, DeskId, VaccineId};
use jari_core::{Body, Command, Outcome, Time, limits};
use jari_import::Offer;
use jari_node::Engine;
use jari_wire::keys::KeyRing;

use crate::geography::{self, MadeUpClinic};

/// Commands put through the engine at once.
const COMMANDS_PER_TURN: usize = 1000;

/// What was put in.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Clinics.
    pub clinics: u64,
    /// Slots.
    pub slots: u64,
    /// Places.
    pub places: u64,
}

/// Offers of made-up clinics: slots every half hour from 9 to 17 on each day.
pub fn from_made_up(clinics: &[MadeUpClinic], days: &[Time], vaccines: u16) -> Vec<Offer> {
    const HALF_HOUR_MS: u64 = 30 * 60 * 1000;
    const NINE_MS: u64 = 9 * 60 * 60 * 1000;
    const HALF_HOURS: u64 = 16;
    let offer = |(number, clinic): (usize, &MadeUpClinic)| {
        let district = &geography::districts()[clinic.district];
        let vaccine = VaccineId((number % usize::from(vaccines.max(1))) as u16);
        let begins = days
            .iter()
            .flat_map(|day| (0..HALF_HOURS).map(|half_hour| day.plus_ms(NINE_MS + half_hour * HALF_HOUR_MS)));
        let spec = |starts_at| SlotSpec { starts_at, vaccine, capacity: clinic.capacity_per_half_hour };
        Offer { clinic: made_up_config(clinic, district), slots: begins.map(spec).collect() }
    };
    clinics.iter().enumerate().map(offer).collect()
}

fn made_up_config(clinic: &MadeUpClinic, district: &geography::District) -> ClinicConfig {
    ClinicConfig {
        name: format!("{} · {}", clinic.name_ko, clinic.name_en).into(),
        address: format!("{} {} (가상 주소 made-up address)", district.province_ko, district.district_ko)
            .into(),
        region: format!("{} {}", district.province_ko, district.province_en).into(),
        district: format!("{} {}", district.district_ko, district.district_en).into(),
        postcode: clinic.postcode.as_str().into(),
        telephone: "".into(),
        latitude_e6: clinic.latitude_e6,
        longitude_e6: clinic.longitude_e6,
    }
}

/// Puts offers into a campaign. `source` names the feed: the same rows of the same source
/// are put in once, however often this is run.
pub fn put(
    engine: &mut Engine,
    keys: &KeyRing,
    campaign: CampaignId,
    source: &str,
    offers: &[Offer],
    now: Time,
) -> anyhow::Result<Loaded> {
    let known = engine.read(|state| state.data().campaigns.contains_key(&campaign));
    ensure!(known, "there is no campaign {}: create it first", campaign.0);
    let id = |kind: &str, row: usize, part: usize| {
        keys.command_id(b"import", format!("{}/{source}/{kind}/{row}/{part}", campaign.0).as_bytes())
    };
    let add_clinic = |(row, offer): (usize, &Offer)| Command {
        id: id("clinic", row, 0),
        body: Body::AddClinic { config: Box::new(offer.clinic.clone()) },
    };
    let clinics: Vec<ClinicId> = all(engine, now, offers.iter().enumerate().map(add_clinic), |outcome| {
        if let Outcome::ClinicAdded { clinic } = outcome { Some(clinic) } else { None }
    })?;
    let add_desk = |(row, clinic): (usize, &ClinicId)| Command {
        id: id("desk", row, 0),
        body: Body::AddDesk { campaign, clinic: *clinic },
    };
    let desks: Vec<DeskId> = all(engine, now, clinics.iter().enumerate().map(add_desk), |outcome| {
        if let Outcome::DeskAdded { desk } = outcome { Some(desk) } else { None }
    })?;
    let add_slots = desks.iter().zip(offers).enumerate().flat_map(|(row, (desk, offer))| {
        let parts = offer.slots.chunks(limits::SLOTS_PER_COMMAND_MAX).enumerate();
        parts.map(move |(part, slots)| (row, part, *desk, slots))
    });
    let add_slots = add_slots.map(|(row, part, desk, slots)| Command {
        id: id("slots", row, part),
        body: Body::AddSlots { desk, slots: slots.to_vec() },
    });
    let counts: Vec<u32> = all(engine, now, add_slots, |outcome| {
        if let Outcome::SlotsAdded { count, .. } = outcome { Some(count) } else { None }
    })?;
    let places = offers.iter().flat_map(|offer| &offer.slots).map(|slot| u64::from(slot.capacity)).sum();
    Ok(Loaded {
        clinics: clinics.len() as u64,
        slots: counts.iter().map(|count| u64::from(*count)).sum(),
        places,
    })
}

/// Puts commands through in turns; every one must come to what `expect` looks for.
fn all<T>(
    engine: &mut Engine,
    now: Time,
    commands: impl Iterator<Item = Command>,
    expect: impl Fn(Outcome) -> Option<T>,
) -> anyhow::Result<Vec<T>> {
    let mut results = Vec::new();
    let mut commands = commands.peekable();
    while commands.peek().is_some() {
        let turn: Vec<Command> = commands.by_ref().take(COMMANDS_PER_TURN).collect();
        let mut refused: Option<CommandId> = None;
        let mut reason = None;
        engine.turn(&turn, now, &mut |index, outcome| match expect(outcome) {
            Some(result) => results.push(result),
            None => {
                refused = refused.or(Some(turn[index].id));
                reason = reason.or(outcome.refusal());
            }
        })?;
        if let Some(refusal) = reason {
            bail!(
                "refused: {} (detail {}); what was put in before stays",
                refusal.reason.code(),
                refusal.detail
            );
        }
        ensure!(refused.is_none(), "a row was put in before with other content: name the source differently");
    }
    Ok(results)
}
