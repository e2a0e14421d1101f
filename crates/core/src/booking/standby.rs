//! Leftover places and those who stand by for them, from rules 4 on.
//!
//! Whoever could come at short notice says so at up to three desks, with the minutes of way. A
//! clinic that has free places of today, because people did not come or nobody booked, offers
//! them: to the nearest first, and among those to whoever stood by earlier, one person for each
//! place. An offer is a hold with a time to answer; a message goes with it. Confirming takes the
//! place. Declining it, or letting the time go by, passes it on to the next by itself, until
//! nobody is left or the day of the slot is over; then it is free again.
//!
//! **Who is asked.** Whoever was offered a place has had their turn, and may stand by again.
//! Nobody is asked who has a place for that dose: while it is only held or offered they are passed
//! over and stay in the list, once it is booked they are taken out of it, and so is whoever the
//! campaign is not for any more. As at the desk, what protects people is asked for, and nothing
//! that only rations the rush.
//!
//! **Bounds.** A desk has a list of two hundred at the most, and one passing of time looks at a
//! thousand people; offerings that it did not come to wait for the next. Standing by ends with the
//! day on the campaign's calendar. Offers stop while messages pile up, since they would be heard of
//! too late.
//!
//! It must never offer a place that is not free, nor one to somebody who has one. Start reading at
//! [`offer_leftover`], then [`pass_on`].

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::change::{check_backlog, lapse};
use super::course::{Course, course_of};
use super::desk::{check_rules, check_today};
use super::hold::{Wish, check_bounds, check_dose, check_eligible, check_quotas, check_running, keep};
use super::ledger::{Verdict, campaign_of, desk_of, refused, refused_with, slot_of};
use super::windows::check_begun;
use crate::booking::{Booking, BookingState, Lapses, Slot};
use crate::effect::{Effect, EffectKind};
use crate::ids::{BookingId, CampaignId, ChannelId, DeskId, PersonId, SlotId};
use crate::limits;
use crate::outcome::{Outcome, Reason, Refusal};
use crate::state::{Data, Index};
use crate::time::{Date, Time};

const DAY_MS: i64 = 86_400_000;

/// Who stands by, and what is offered. Nothing under rules 1 to 3.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standbys {
    /// How often somebody stood by: the numbers in the keys are below it.
    pub made: u64,
    /// Those who stand by, of each desk in the order in which they are asked.
    pub people: BTreeMap<StandbyKey, Standby>,
    /// Slots of which places are offered.
    pub offerings: BTreeMap<SlotId, Offering>,
}

/// Where somebody stands by, and before whom.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StandbyKey {
    /// The clinic's part in a campaign.
    pub desk: DeskId,
    /// Minutes of way.
    pub minutes: u16,
    /// Whoever stood by earlier has a lower one.
    pub number: u64,
}

/// Somebody who stands by.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Standby {
    /// Who.
    pub person: PersonId,
    /// Born when.
    pub birth: Date,
    /// For which dose.
    pub dose: u8,
    /// When it ends by itself.
    pub ends_at: Time,
}

/// What is offered of a slot.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Offering {
    /// Places that are offered, or still to be.
    pub places: u32,
    /// How many of them are offered to somebody now.
    pub open: u32,
    /// How long each has to answer, milliseconds.
    pub offer_ms: u32,
}

/// What finds things in [`Standbys`] fast. Follows from it and the bookings.
#[derive(Clone, Debug, Default)]
pub(crate) struct StandbyIndex {
    /// Where a person stands by.
    by_person: BTreeMap<PersonId, Vec<StandbyKey>>,
    /// When standing by ends.
    ends: BTreeSet<(Time, StandbyKey)>,
    /// Slots with a place that is to be offered to somebody.
    wanting: BTreeSet<SlotId>,
    /// Open offers, by campaign; none is 0.
    offered: BTreeMap<CampaignId, u32>,
    /// Offers by when they lapse.
    pub(crate) lapses: Lapses,
}

impl StandbyIndex {
    /// Places of a campaign that are offered, and so held by nobody who came through its room.
    pub(crate) fn offered(&self, campaign: CampaignId) -> u32 {
        self.offered.get(&campaign).copied().unwrap_or(0)
    }

    /// Builds what follows from the lists; offers come with [`StandbyIndex::find_offer`].
    pub(crate) fn of(standbys: &Standbys) -> StandbyIndex {
        let mut index = StandbyIndex::default();
        for (key, standby) in &standbys.people {
            index.add(*key, standby);
        }
        let wanting = |(_, offering): &(&SlotId, &Offering)| offering.open < offering.places;
        index.wanting = standbys.offerings.iter().filter(wanting).map(|(slot, _)| *slot).collect();
        index
    }

    /// Notes an open offer of a state that was brought back.
    pub(crate) fn find_offer(&mut self, campaign: CampaignId, id: BookingId, until: Time) {
        *self.offered.entry(campaign).or_default() += 1;
        self.lapses.add(until, id);
    }

    fn add(&mut self, key: StandbyKey, standby: &Standby) {
        self.by_person.entry(standby.person).or_default().push(key);
        self.ends.insert((standby.ends_at, key));
    }

    fn remove(&mut self, key: StandbyKey, standby: &Standby) {
        self.ends.remove(&(standby.ends_at, key));
        let keys = self.by_person.get_mut(&standby.person).expect("who stands by is found by person");
        keys.retain(|other| *other != key);
        if keys.is_empty() {
            self.by_person.remove(&standby.person);
        }
    }

    /// Where a person stands by, or did until a moment ago.
    pub(crate) fn of_person(&self, person: PersonId) -> &[StandbyKey] {
        self.by_person.get(&person).map(Vec::as_slice).unwrap_or_default()
    }

    /// Where a person stands by at a desk.
    fn at(&self, desk: DeskId, person: PersonId) -> Option<StandbyKey> {
        self.by_person.get(&person)?.iter().copied().find(|key| key.desk == desk)
    }
}

/// Puts somebody on a desk's list until the end of the day, or changes their minutes: that keeps
/// the place among those who are as near.
///
/// Checked in this order: `rules_unknown`; `desk_unknown`; `campaign_closed`, `campaign_paused`;
/// `booking_not_open` if no window has opened yet; `not_eligible`; `dose_unknown`; the minutes
/// (`setting_unfit` 1); `already_booked`; `dose_too_early`; elsewhere already:
/// `too_many_standbys`; the desk or all are `full`.
pub(super) fn stand_by(
    data: &mut Data,
    index: &mut Index,
    desk: DeskId,
    asked: &Standby,
    minutes: u16,
) -> Verdict {
    check_rules(data)?;
    let now = data.time;
    let campaign_id = desk_by(data, desk)?;
    let campaign = campaign_of(data, campaign_id);
    check_running(campaign)?;
    check_begun(&campaign.config.windows, now)?;
    check_eligible(campaign, asked.birth)?;
    check_dose(campaign, asked.dose)?;
    if !(1..=limits::STANDBY_MINUTES_MAX).contains(&minutes) {
        return refused_with(Reason::SettingUnfit, 1);
    }
    let course = course_of(data, index, asked.person, campaign_id, asked.dose);
    if let Some(same) = course.same {
        return refused_with(Reason::AlreadyBooked, u64::from(same.0));
    }
    course.check_interval(campaign, asked.dose, now)?;
    let ends_at = end_of_day(now, campaign.config.utc_offset_min);
    // One of yesterday may still be in the list for a moment: it counts no more.
    let before = index.standbys.at(desk, asked.person);
    let before = before.map(|key| (key, data.standbys.people[&key]));
    let number = match before {
        Some((key, standby)) if standby.ends_at > now => key.number,
        _ => {
            check_room(data, index, desk, asked.person)?;
            data.standbys.made
        }
    };
    if let Some((key, _)) = before {
        remove(data, index, key);
    }
    data.standbys.made = data.standbys.made.max(number + 1);
    let (key, standby) = (StandbyKey { desk, minutes, number }, Standby { ends_at, ..*asked });
    data.standbys.people.insert(key, standby);
    index.standbys.add(key, &standby);
    Ok(Outcome::StandingBy { ends_at })
}

/// Whether a person may stand by at one more desk, and a desk has room for one more.
fn check_room(data: &Data, index: &Index, desk: DeskId, person: PersonId) -> Result<(), Refusal> {
    let people = &data.standbys.people;
    let counts = |standby: &Standby| standby.ends_at > data.time;
    let elsewhere = index.standbys.by_person.get(&person).into_iter().flatten();
    if elsewhere.filter(|key| counts(&people[*key])).count() >= limits::STANDBYS_PER_PERSON_MAX {
        return refused(Reason::TooManyStandbys);
    }
    if standbys_at(data, desk) >= limits::STANDBYS_PER_DESK_MAX || people.len() >= limits::STANDBYS_MAX {
        return refused(Reason::Full);
    }
    Ok(())
}

/// Takes somebody off a desk's list. An offer that they have stays theirs to answer. Checked in
/// this order: `rules_unknown`; `desk_unknown`; `standby_unknown`.
pub(super) fn stand_down(data: &mut Data, index: &mut Index, desk: DeskId, person: PersonId) -> Verdict {
    check_rules(data)?;
    desk_by(data, desk)?;
    let key = index.standbys.at(desk, person);
    match key.filter(|key| data.standbys.people[key].ends_at > data.time) {
        None => refused(Reason::StandbyUnknown),
        Some(key) => {
            remove(data, index, key);
            Ok(Outcome::Done)
        }
    }
}

/// Offers free places of a slot of today, as many as asked for and free, beside those that are
/// offered already. Answers how many offers of the slot are open then: none if nobody stands by.
///
/// Checked in this order: `rules_unknown`; `slot_unknown`; `campaign_closed`, `campaign_paused`;
/// `booking_not_open` if no window has opened yet; the places, with those offered already
/// (`setting_unfit` 1); the time to answer (`setting_unfit` 2); `slot_ahead`, `slot_past`;
/// `quota_used_up`; `slot_full`; `effects_backlog`; `full`.
pub(super) fn offer_leftover(
    data: &mut Data,
    index: &mut Index,
    id: SlotId,
    places: u32,
    offer_ms: u32,
) -> Verdict {
    check_rules(data)?;
    let slot = slot_of(data, id)?;
    let campaign = campaign_of(data, desk_of(data, &slot).campaign);
    check_running(campaign)?;
    check_begun(&campaign.config.windows, data.time)?;
    let before = data.standbys.offerings.get(&id).copied();
    let before = before.unwrap_or(Offering { places: 0, open: 0, offer_ms });
    if !(1..=limits::OFFER_PLACES_MAX - before.places).contains(&places) {
        return refused_with(Reason::SettingUnfit, 1);
    }
    if !(limits::OFFER_MS_MIN..=limits::OFFER_MS_MAX).contains(&offer_ms) {
        return refused_with(Reason::SettingUnfit, 2);
    }
    check_today(&slot, data.time)?;
    check_quotas(campaign, &slot)?;
    let free = slot.supply.free();
    if free == 0 {
        return refused(Reason::SlotFull);
    }
    check_backlog(data, 1)?;
    if before.places == 0 && data.standbys.offerings.len() >= limits::OFFERINGS_MAX {
        return refused(Reason::Full);
    }
    let offering = Offering { places: before.places + places.min(free), offer_ms, ..before };
    data.standbys.offerings.insert(id, offering);
    index.standbys.wanting.insert(id);
    let mut looks = limits::OFFER_LOOKS_MAX;
    pass_on(data, index, id, &mut looks);
    let offers = data.standbys.offerings.get(&id).map_or(0, |offering| offering.open);
    Ok(Outcome::Offered { offers })
}

/// What time does: offers lapse, standing by ends, places are passed on.
pub(super) fn advance(data: &mut Data, index: &mut Index, now: Time) {
    while let Some((_, id)) = index.standbys.lapses.pop_due(now) {
        if let Some(offer) = lapse(data, id) {
            index.agenda.remove(offer.slot, id);
            offer_ended(data, index, &offer, false);
        }
    }
    for _ in 0..limits::STANDBYS_ENDED_MAX {
        let Some((_, key)) = index.standbys.ends.first().copied().filter(|(ends_at, _)| *ends_at <= now)
        else {
            break;
        };
        remove(data, index, key);
    }
    let mut looks = limits::OFFER_LOOKS_MAX;
    let mut from = SlotId(0);
    while looks > 0
        && let Some(slot) = index.standbys.wanting.range(from..).next().copied()
    {
        pass_on(data, index, slot, &mut looks);
        from = SlotId(slot.0 + 1);
    }
}

/// An offer, as it was, was taken, or came to nothing.
pub(super) fn offer_ended(data: &mut Data, index: &mut Index, offer: &Booking, taken: bool) {
    let slot = slot_of(data, offer.slot).expect("an offer's slot exists");
    let offered = index.standbys.offered.get_mut(&desk_of(data, &slot).campaign);
    *offered.expect("an open offer is counted") -= 1;
    let offering = data.standbys.offerings.get_mut(&offer.slot).expect("an offer belongs to an offering");
    offering.open -= 1;
    offering.places -= u32::from(taken);
    if offering.places == 0 {
        data.standbys.offerings.remove(&offer.slot);
    } else if offering.open < offering.places {
        index.standbys.wanting.insert(offer.slot);
    }
}

/// Offers a slot's places to those who are next, as far as `looks` reach.
pub(super) fn pass_on(data: &mut Data, index: &mut Index, id: SlotId, looks: &mut u32) {
    while let Some(offering) = data.standbys.offerings.get(&id).copied() {
        if offering.open == offering.places {
            index.standbys.wanting.remove(&id);
            return;
        }
        // Messages pile up: the place waits with them.
        if data.effects.len() as u64 >= limits::EFFECTS_MAX / 2 {
            return;
        }
        let slot = slot_of(data, id).expect("an offered slot exists");
        let next = match check_offer(data, &slot) {
            Ok(()) => next_of(data, index, &slot, looks),
            Err(_) => Next::Nobody,
        };
        match next {
            Next::NotNow => return,
            Next::Nobody => {
                end_offering(data, index, id);
                return;
            }
            Next::Person(key, course) => offer(data, index, id, offering.offer_ms, key, &course),
        }
    }
}

/// Whether a place of the slot may be offered at all.
fn check_offer(data: &Data, slot: &Slot) -> Result<(), Refusal> {
    let campaign = campaign_of(data, desk_of(data, slot).campaign);
    check_running(campaign)?;
    check_today(slot, data.time)?;
    check_quotas(campaign, slot)?;
    if slot.supply.free() == 0 || data.bookings.end() >= limits::BOOKINGS_MAX {
        return refused(Reason::SlotFull);
    }
    Ok(())
}

/// Who is offered a place.
enum Next {
    /// This person.
    Person(StandbyKey, Course),
    /// Nobody is left.
    Nobody,
    /// Enough people were looked at for now.
    NotNow,
}

/// Finds who is next at a slot's desk, and takes those out of the list who can have no place.
fn next_of(data: &mut Data, index: &mut Index, slot: &Slot, looks: &mut u32) -> Next {
    let mut unfit = Vec::new();
    let mut next = Next::Nobody;
    for (key, standby) in of_desk(data, slot.desk) {
        if *looks == 0 {
            next = Next::NotNow;
            break;
        }
        *looks -= 1;
        match look(data, index, slot, standby) {
            Look::Fits(course) => {
                next = Next::Person(*key, course);
                break;
            }
            Look::HoldsAnother => {}
            Look::Unfit => unfit.push(*key),
        }
    }
    for key in unfit {
        remove(data, index, key);
    }
    next
}

/// What a look at somebody in the list came to.
enum Look {
    /// They can be offered a place.
    Fits(Course),
    /// They hold a place for that dose, or were offered one: perhaps later.
    HoldsAnother,
    /// They can have no place.
    Unfit,
}

fn look(data: &Data, index: &Index, slot: &Slot, standby: &Standby) -> Look {
    let id = desk_of(data, slot).campaign;
    let campaign = campaign_of(data, id);
    let course = course_of(data, index, standby.person, id, standby.dose);
    if let Some(same) = course.same {
        let same = data.bookings.get(u64::from(same.0)).expect("a booking that was found exists");
        return if same.state.is_held() { Look::HoldsAnother } else { Look::Unfit };
    }
    let fits = standby.ends_at > data.time
        && check_eligible(campaign, standby.birth).is_ok()
        && check_dose(campaign, standby.dose).is_ok()
        && course.check_interval(campaign, standby.dose, slot.starts_at).is_ok()
        && check_bounds(data, &course).is_ok();
    if fits { Look::Fits(course) } else { Look::Unfit }
}

/// Holds a place for somebody who stood by, and tells them.
fn offer(data: &mut Data, index: &mut Index, slot: SlotId, offer_ms: u32, key: StandbyKey, course: &Course) {
    let standby = remove(data, index, key);
    let wish = Wish {
        slot,
        person: standby.person,
        birth: standby.birth,
        dose: standby.dose,
        entry: None,
        channel: ChannelId::CLINIC,
    };
    let until = data.time.plus_ms(u64::from(offer_ms));
    let id = keep(data, index, &wish.booking(course, BookingState::Offered, until));
    index.agenda.add(slot, id);
    let campaign = data.desks.get(u64::from(key.desk.0)).expect("a list's desk exists").campaign;
    index.standbys.find_offer(campaign, id, until);
    data.standbys.offerings.get_mut(&slot).expect("it is being passed on").open += 1;
    data.effects.push(Effect { kind: EffectKind::Offer, booking: id, person: standby.person });
}

/// Nobody is left: what is not offered now is free again.
fn end_offering(data: &mut Data, index: &mut Index, id: SlotId) {
    index.standbys.wanting.remove(&id);
    let offering = data.standbys.offerings.get_mut(&id).expect("it was being passed on");
    offering.places = offering.open;
    if offering.places == 0 {
        data.standbys.offerings.remove(&id);
    }
}

fn remove(data: &mut Data, index: &mut Index, key: StandbyKey) -> Standby {
    let standby = data.standbys.people.remove(&key).expect("who is taken out stands by");
    index.standbys.remove(key, &standby);
    standby
}

/// Those who stand by at a desk, in the order in which they are asked.
fn of_desk(data: &Data, desk: DeskId) -> impl Iterator<Item = (&StandbyKey, &Standby)> {
    let key = |minutes, number| StandbyKey { desk, minutes, number };
    data.standbys.people.range(key(0, 0)..=key(u16::MAX, u64::MAX))
}

/// How many stand by at a desk.
pub(super) fn standbys_at(data: &Data, desk: DeskId) -> usize {
    of_desk(data, desk).filter(|(_, standby)| standby.ends_at > data.time).count()
}

/// The campaign of a desk that was asked for.
fn desk_by(data: &Data, desk: DeskId) -> Result<CampaignId, Refusal> {
    match data.desks.get(u64::from(desk.0)) {
        Some(desk) => Ok(desk.campaign),
        None => refused(Reason::DeskUnknown),
    }
}

/// The next midnight at a place whose clock is `utc_offset_min` ahead of UTC.
fn end_of_day(now: Time, utc_offset_min: i16) -> Time {
    let next_day = i64::from(now.date(utc_offset_min).0) + 1;
    Time(u64::try_from(next_day * DAY_MS - i64::from(utc_offset_min) * 60_000).unwrap_or(0))
}
