//! Where places are: regions, districts, clinics, days, slots.
//!
//! Counts by region and the order of its clinics are worked out once a second at the most,
//! whoever asks; a list of clinics is bounded, and free places of the clinics shown are read live.

use std::collections::BTreeMap;
use std::sync::{Arc, TryLockError};

use jari_core::Data;
use jari_core::booking::Slot;
use jari_core::ids::{CampaignId, DeskId, SlotId};
use jari_core::time::Date;
use jari_core::{Reason, Refusal, Time};
use jari_node::views::{Districts, Views};
use serde::Serialize;
use utoipa::ToSchema;

use super::campaigns::{self, SupplyView, date_text};
use super::earliest::{self, FreeTime};
use crate::problem::Problem;
use crate::site::Site;

/// Clinics answered at once at the most.
pub const CLINICS_SHOWN_MAX: usize = 100;
/// Slots answered at once at the most.
pub const SLOTS_SHOWN_MAX: usize = 500;
/// Counts are at most so old.
const COUNTS_MS: u64 = 1_000;

/// A region or district and what is free there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Area {
    /// Its name.
    pub name: String,
    /// Clinics that take part there.
    pub clinics: u32,
    /// Free places there, at most a second old.
    pub free: u64,
}

/// A clinic's part in a campaign.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct ClinicView {
    /// The number of its part in the campaign.
    pub desk: u32,
    /// The clinic's number.
    pub clinic: u32,
    /// The campaign.
    pub campaign: u32,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Province or state.
    pub region: String,
    /// District or county.
    pub district: String,
    /// Postcode.
    pub postcode: String,
    /// Telephone; may be empty.
    pub telephone: String,
    /// Latitude, degrees.
    pub latitude: f64,
    /// Longitude, degrees.
    pub longitude: f64,
    /// Its places in the campaign.
    pub supply: SupplyView,
    /// From the position asked about, metres; none without one.
    pub distance_m: Option<u32>,
    /// Its earliest time with a free place, read live; none where nothing is free, and in
    /// bookings.
    pub earliest: Option<FreeTime>,
}

/// A day of a clinic.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct DayView {
    /// The civil date at the place, `YYYY-MM-DD`.
    pub date: String,
    /// Slots that have not begun.
    pub slots: u32,
    /// Free places in them.
    pub free: u32,
}

/// A slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SlotView {
    /// Its number.
    pub slot: u32,
    /// The clinic's part in the campaign.
    pub desk: u32,
    /// When it begins.
    pub starts_at_ms: u64,
    /// The civil date at the place.
    pub date: String,
    /// The vaccine's number.
    pub vaccine: u16,
    /// The vaccine's name.
    pub vaccine_name: String,
    /// Its places.
    pub supply: SupplyView,
    /// Whether it has begun or passed.
    pub past: bool,
}

/// A position on Earth, degrees.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Position {
    /// Latitude, -90 to 90.
    pub latitude: f64,
    /// Longitude, -180 to 180.
    pub longitude: f64,
}

/// Which clinics to list. They come in the directory's order unless another one is asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ClinicQuery {
    /// Of this region only.
    pub region: Option<String>,
    /// Of this district only.
    pub district: Option<String>,
    /// Of the region's other districts only: what lies next to this one.
    pub outside: Option<String>,
    /// Nearest to this position first.
    pub near: Option<Position>,
    /// Those with the earliest free place first, full ones last; needs a region.
    pub earliest_first: bool,
    /// Those with free places only.
    pub free_only: bool,
    /// How many to leave out at the front.
    pub skip: usize,
    /// How many at the most, up to [`CLINICS_SHOWN_MAX`].
    pub limit: usize,
}

/// Counts by region and district, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    at: Time,
    regions: BTreeMap<CampaignId, Vec<(Area, Vec<Area>)>>,
}

/// The regions of a campaign.
///
/// # Errors
///
/// `campaign_unknown`.
pub fn regions(site: &Site, campaign: CampaignId) -> Result<Vec<Area>, Problem> {
    campaigns::campaign(site, campaign)?;
    let counts = counts(site);
    let regions = counts.regions.get(&campaign);
    Ok(regions.into_iter().flatten().map(|(region, _)| region.clone()).collect())
}

/// The districts of a region.
///
/// # Errors
///
/// `campaign_unknown`, and `region_unknown` (404).
pub fn districts(site: &Site, campaign: CampaignId, region: &str) -> Result<Vec<Area>, Problem> {
    campaigns::campaign(site, campaign)?;
    let counts = counts(site);
    let found = counts.regions.get(&campaign).into_iter().flatten().find(|(area, _)| area.name == region);
    found.map(|(_, districts)| districts.clone()).ok_or_else(|| {
        let detail =
            "No clinic of this campaign is in a region with this name. The list of regions has them all.";
        Problem::caller(http::StatusCode::NOT_FOUND, "region_unknown", "No such region", detail)
    })
}

/// Clinics of a campaign.
///
/// # Errors
///
/// `campaign_unknown`, and `unfit` for a position off the globe, two orders at once, or the
/// earliest of a whole country.
pub fn clinics(site: &Site, campaign: CampaignId, query: &ClinicQuery) -> Result<Vec<ClinicView>, Problem> {
    check(query)?;
    let views = site.node.views();
    if !site.node.read(|state| state.data().campaigns.contains_key(&campaign)) {
        return Err(campaigns::unknown());
    }
    let desks = match &query.region {
        Some(region) if query.earliest_first => earliest::order(site, campaign, region)
            .iter()
            .filter(|(district, _)| query.wants_district(district))
            .map(|(_, desk)| *desk)
            .collect(),
        _ => in_directory_order(views.directory.places.get(&campaign), query),
    };
    let limit = query.limit.clamp(1, CLINICS_SHOWN_MAX);
    site.node.read(|state| {
        let data = state.data();
        let is_wanted = |id: &DeskId| {
            !query.free_only || data.desks.get(u64::from(id.0)).is_some_and(|desk| desk.supply.free() > 0)
        };
        let metres = |id| query.near.and_then(|near| distance_m(data, id, near));
        let mut found: Vec<(Option<u32>, DeskId)> =
            desks.into_iter().filter(is_wanted).map(|id| (metres(id), id)).collect();
        if query.near.is_some() {
            found.sort_unstable();
        }
        let shown = found.into_iter().skip(query.skip).take(limit);
        Ok(shown.filter_map(|(metres, id)| clinic_now(data, &views, id, metres)).collect())
    })
}

fn check(query: &ClinicQuery) -> Result<(), Problem> {
    if let Some(near) = query.near
        && !((-90.0..=90.0).contains(&near.latitude) && (-180.0..=180.0).contains(&near.longitude))
    {
        return Err(Problem::unfit("A latitude lies from -90 to 90, a longitude from -180 to 180 degrees."));
    }
    if query.earliest_first && query.near.is_some() {
        return Err(Problem::unfit("Clinics come nearest first or earliest first, not both."));
    }
    if query.earliest_first && query.region.is_none() {
        return Err(Problem::unfit("The earliest come first within a region: name one."));
    }
    Ok(())
}

impl ClinicQuery {
    fn wants_district(&self, name: &str) -> bool {
        self.district.as_deref().is_none_or(|wanted| wanted == name) && self.outside.as_deref() != Some(name)
    }
}

fn in_directory_order(regions: Option<&BTreeMap<Box<str>, Districts>>, query: &ClinicQuery) -> Vec<DeskId> {
    let wanted = query.region.as_deref();
    let regions = regions.into_iter().flatten();
    let districts = regions.filter(|(name, _)| wanted.is_none_or(|wanted| wanted == &***name));
    let districts = districts.flat_map(|(_, districts)| districts);
    districts.filter(|(name, _)| query.wants_district(name)).flat_map(|(_, desks)| desks).copied().collect()
}

/// One clinic's part in a campaign.
///
/// # Errors
///
/// `desk_unknown`.
pub fn clinic(site: &Site, desk: DeskId) -> Result<ClinicView, Problem> {
    let views = site.node.views();
    site.node.read(|state| clinic_now(state.data(), &views, desk, None)).ok_or_else(desk_unknown)
}

/// A clinic with its earliest free time.
fn clinic_now(data: &Data, views: &Views, id: DeskId, distance_m: Option<u32>) -> Option<ClinicView> {
    let earliest = earliest::of_desk(data, earliest::slots_of(&views.directory, id), id);
    Some(ClinicView { distance_m, earliest, ..clinic_view(data, id)? })
}

/// The days of a clinic that are still to come.
///
/// # Errors
///
/// `desk_unknown`.
pub fn days(site: &Site, desk: DeskId) -> Result<Vec<DayView>, Problem> {
    let mut days: BTreeMap<Date, DayView> = BTreeMap::new();
    let views = site.node.views();
    let slots = earliest::slots_of(&views.directory, desk);
    site.node
        .read(|state| {
            let data = state.data();
            let offset = utc_offset(data, desk).ok_or_else(desk_unknown)?;
            for slot in slots.iter().filter_map(|id| data.slots.get(u64::from(id.0))) {
                if slot.starts_at <= data.time {
                    continue;
                }
                let date = slot.starts_at.date(offset);
                let day =
                    days.entry(date).or_insert_with(|| DayView { date: date_text(date), slots: 0, free: 0 });
                day.slots += 1;
                day.free += slot.supply.free();
            }
            Ok(())
        })
        .map(|()| days.into_values().collect())
}

/// The slots of a clinic, in order of their beginning: of one day, or from now on.
///
/// # Errors
///
/// `desk_unknown`.
pub fn slots(site: &Site, desk: DeskId, date: Option<Date>) -> Result<Vec<SlotView>, Problem> {
    let views = site.node.views();
    let ids = earliest::slots_of(&views.directory, desk);
    site.node.read(|state| {
        let data = state.data();
        let offset = utc_offset(data, desk).ok_or_else(desk_unknown)?;
        let wanted = |slot: &Slot| match date {
            Some(date) => slot.starts_at.date(offset) == date,
            None => slot.starts_at > data.time,
        };
        let found = ids.iter().filter(|id| data.slots.get(u64::from(id.0)).is_some_and(wanted));
        Ok(found.take(SLOTS_SHOWN_MAX).filter_map(|id| slot_view(data, *id)).collect())
    })
}

/// One slot.
///
/// # Errors
///
/// `slot_unknown`.
pub fn slot(site: &Site, slot: SlotId) -> Result<SlotView, Problem> {
    let found = site.node.read(|state| slot_view(state.data(), slot));
    found.ok_or_else(|| Refusal { reason: Reason::SlotUnknown, detail: 0 }.into())
}

fn desk_unknown() -> Problem {
    Refusal { reason: Reason::DeskUnknown, detail: 0 }.into()
}

fn utc_offset(data: &Data, desk: DeskId) -> Option<i16> {
    let desk = data.desks.get(u64::from(desk.0))?;
    Some(data.campaigns.get(&desk.campaign)?.config.utc_offset_min)
}

pub(crate) fn slot_view(data: &Data, id: SlotId) -> Option<SlotView> {
    let slot = data.slots.get(u64::from(id.0))?;
    let desk = data.desks.get(u64::from(slot.desk.0))?;
    let campaign = data.campaigns.get(&desk.campaign)?;
    let vaccine = campaign.config.vaccines.get(usize::from(slot.vaccine.0))?;
    Some(SlotView {
        slot: id.0,
        desk: slot.desk.0,
        starts_at_ms: slot.starts_at.0,
        date: date_text(slot.starts_at.date(campaign.config.utc_offset_min)),
        vaccine: slot.vaccine.0,
        vaccine_name: vaccine.name.to_string(),
        supply: (&slot.supply).into(),
        past: slot.starts_at <= data.time,
    })
}

pub(crate) fn clinic_view(data: &Data, id: DeskId) -> Option<ClinicView> {
    let desk = data.desks.get(u64::from(id.0))?;
    let clinic = &data.clinics.get(u64::from(desk.clinic.0))?.config;
    Some(ClinicView {
        desk: id.0,
        clinic: desk.clinic.0,
        campaign: desk.campaign.0,
        name: clinic.name.to_string(),
        address: clinic.address.to_string(),
        region: clinic.region.to_string(),
        district: clinic.district.to_string(),
        postcode: clinic.postcode.to_string(),
        telephone: clinic.telephone.to_string(),
        latitude: f64::from(clinic.latitude_e6) / 1e6,
        longitude: f64::from(clinic.longitude_e6) / 1e6,
        supply: (&desk.supply).into(),
        distance_m: None,
        earliest: None,
    })
}

/// Great-circle distance by the haversine formula, on a sphere of 6,371 km.
fn distance_m(data: &Data, desk: DeskId, from: Position) -> Option<u32> {
    let desk = data.desks.get(u64::from(desk.0))?;
    let clinic = &data.clinics.get(u64::from(desk.clinic.0))?.config;
    let (lat, lon) = (f64::from(clinic.latitude_e6) / 1e6, f64::from(clinic.longitude_e6) / 1e6);
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let chord = half(from.latitude, lat)
        + from.latitude.to_radians().cos() * lat.to_radians().cos() * half(from.longitude, lon);
    Some((2.0 * 6_371_000.0 * chord.sqrt().min(1.0).asin()) as u32)
}

/// Counts that are at most about a second old. One request a second does the work; the
/// others meanwhile get what there was.
fn counts(site: &Site) -> Arc<Counts> {
    let current = site.counts.load_full();
    let now = site.node.now();
    if current.at != Time(0) && current.at <= now && now.since_ms(current.at) < COUNTS_MS {
        return current;
    }
    let _counting = match site.counting.try_lock() {
        Ok(counting) => counting,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) if current.at != Time(0) => return current,
        // Nothing was ever counted: this once, whoever asks counts for themselves.
        Err(TryLockError::WouldBlock) => return Arc::new(count(site, now)),
    };
    let fresh = Arc::new(count(site, now));
    site.counts.store(Arc::clone(&fresh));
    fresh
}

fn count(site: &Site, at: Time) -> Counts {
    let views = site.node.views();
    let mut counts = Counts { at, regions: BTreeMap::new() };
    for (campaign, regions) in &views.directory.places {
        let list = counts.regions.entry(*campaign).or_default();
        for (region, districts) in regions {
            let areas: Vec<Area> = districts.iter().map(|(name, desks)| area(site, name, desks)).collect();
            let total = Area {
                name: region.to_string(),
                clinics: areas.iter().map(|area| area.clinics).sum(),
                free: areas.iter().map(|area| area.free).sum(),
            };
            list.push((total, areas));
        }
    }
    counts
}

/// One district at a time, so that the state's lock is never held for long.
fn area(site: &Site, name: &str, desks: &[DeskId]) -> Area {
    let free = site.node.read(|state| {
        let desks = desks.iter().filter_map(|id| state.data().desks.get(u64::from(id.0)));
        desks.map(|desk| u64::from(desk.supply.free())).sum()
    });
    Area { name: name.to_owned(), clinics: u32::try_from(desks.len()).unwrap_or(u32::MAX), free }
}
