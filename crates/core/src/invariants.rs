//! What must hold after every command, numbered once. Tests, drills and the run-time
//! check use this list.
//!
//! [`check`] recounts everything; [`check_light`] looks at totals only and is cheap
//! enough to run after every batch. Start reading at [`INVARIANTS`].

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use crate::booking::{Booking, BookingState, Campaign, Reminded, Standbys, Supply, is_pending};
use crate::chunked::Chunked;
use crate::ids::{DeskId, PersonId, RoomId, Serial, SlotId};
use crate::limits;
use crate::rules::{
    RULES_AGENTS, RULES_DESK, RULES_FIRST, RULES_LEASES, RULES_NEWEST, RULES_PROXIES, RULES_REMINDERS,
    RULES_STANDBY,
};
use crate::state::{Data, Index};
use crate::waiting_room::{AGENT_SERIAL_FIRST, Agents, Draw, Mark, Phase, Room, draw};

/// Every invariant with its number. Numbers are stable: reports cite them.
pub const INVARIANTS: &[(u8, &str)] = &[
    (1, "a slot never has more places held, booked, used and withdrawn than it has places"),
    (2, "a slot's held, booked and used places are as many as the bookings that have them"),
    (3, "a desk, a vaccine and a campaign count what their slots count"),
    (4, "every slot, desk, vaccine, campaign and clinic that something names exists"),
    (5, "a clinic takes part in a campaign once"),
    (6, "a person has one active booking for a campaign and dose at the most"),
    (7, "a person's bookings form one chain, each naming an older one of the same person"),
    (8, "no hold is left whose end has come"),
    (9, "the holds made with a pass are counted on it"),
    (10, "a campaign's settings are within the limits"),
    (11, "nothing is longer than its limit"),
    (12, "no person has more bookings than allowed"),
    (13, "a person has one contact at the most"),
    (14, "a command id is remembered once"),
    (15, "a lease ends within its length from now"),
    (16, "the rules are a version that this build knows, and version 1 has no lease and counts no answers"),
    (17, "before rules 3 no campaign has reminders, and none was pushed; none is pushed before it is due"),
    (
        18,
        "before rules 4 there are no no-shows, no agents let anybody in, nobody stands by and nothing is offered",
    ),
    (19, "nobody is a no-show before the time to come is over"),
    (20, "a room calls no position that was not issued"),
    (21, "a room has no more passes active than the limit"),
    (22, "a lobby holds no more tickets than were issued"),
    (23, "tickets that entered and tickets that left are no more than were issued"),
    (
        24,
        "an identity-bound room has one person for each ticket and one unspent ticket a person; others have none",
    ),
    (25, "the revealed seed is the one that was committed to, and the draw follows from it"),
    (26, "the tickets marked as inside are those that have an active pass"),
    (27, "every active pass is in the queue of endings, which is in order"),
    (28, "agents have the part of the pace that they may have, and save up no more than that allows"),
    (29, "agents' passes are those inside with a number of theirs, one for each person"),
    (30, "what is offered of a slot are its holds that are offers, and no more than is to be offered"),
    (31, "a person stands by at a desk once, until the day ends, and at no more desks than one may"),
    (
        32,
        "whoever booked for somebody else is noted once a booking, never for themselves, and not before rules 5",
    ),
    (33, "nobody has booked for more others than one may, at a time and ever"),
];

/// The longest day.
const DAY_MS: u64 = 86_400_000;

/// An invariant that does not hold. It means a bug or a damaged snapshot.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The invariant's number.
    pub invariant: u8,
    /// What it says.
    pub says: &'static str,
    /// The room, campaign, desk, slot, booking or entry concerned.
    pub subject: u64,
}

/// The violation of a numbered invariant.
pub(crate) fn violation(invariant: u8, subject: u64) -> Violation {
    let listed = INVARIANTS.iter().find(|(number, _)| *number == invariant);
    Violation { invariant, says: listed.map_or("", |(_, says)| says), subject }
}

fn ensure(holds: bool, invariant: u8, subject: impl Into<u64>) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(violation(invariant, subject.into())) }
}

/// Checks everything; takes time in proportion to the state.
///
/// # Errors
///
/// The first violation found.
pub fn check(data: &Data) -> Result<(), Violation> {
    check_counts(data)?;
    Index::of(data).map(drop)
}

/// Checks what the totals can tell, in time proportional to rooms and campaigns.
///
/// # Errors
///
/// The first violation found.
pub fn check_light(data: &Data) -> Result<(), Violation> {
    check_bounds(data)?;
    for (id, campaign) in &data.campaigns {
        ensure(fits(&campaign.supply), 1, id.0)?;
        let mut sum = Supply::default();
        campaign.by_vaccine.iter().for_each(|supply| add(&mut sum, supply));
        ensure(sum == campaign.supply, 3, id.0)?;
        check_settings(id.0, campaign)?;
    }
    for (id, room) in &data.rooms {
        check_room_totals(*id, room)?;
        ensure(data.rules >= RULES_AGENTS || room.agents == Agents::default(), 18, id.0)?;
    }
    Ok(())
}

/// Everything but the uniqueness of keys, which building the index checks.
pub(crate) fn check_counts(data: &Data) -> Result<(), Violation> {
    check_light(data)?;
    let counted = count_bookings(data)?;
    check_supplies(data, &counted)?;
    check_standbys(data)?;
    check_proxies(data)?;
    check_people(data)?;
    for (id, room) in &data.rooms {
        check_room(*id, room)?;
    }
    check_passes(data)
}

fn check_bounds(data: &Data) -> Result<(), Violation> {
    let lengths = [
        (data.rooms.len() as u64, limits::ROOMS_MAX as u64),
        (data.campaigns.len() as u64, limits::CAMPAIGNS_MAX as u64),
        (data.clinics.len() as u64, limits::CLINICS_MAX),
        (data.slots.len() as u64, limits::SLOTS_MAX),
        (data.bookings.len() as u64, limits::BOOKINGS_MAX),
        (data.contacts.len() as u64, limits::CONTACTS_MAX),
        (data.recent.len() as u64, limits::RECENT_MAX),
        (data.effects.len() as u64, limits::EFFECTS_MAX),
        (data.events.len() as u64, limits::EVENTS_MAX),
        (data.standbys.people.len() as u64, limits::STANDBYS_MAX as u64),
        (data.standbys.offerings.len() as u64, limits::OFFERINGS_MAX as u64),
    ];
    for (number, (length, length_max)) in (0_u64..).zip(lengths) {
        ensure(length <= length_max, 11, number)?;
    }
    let lease_fits = data.lease.is_none_or(|lease| lease.until <= data.time.plus_ms(limits::LEASE_MS));
    ensure(lease_fits, 15, 0_u64)?;
    let known = (RULES_FIRST..=RULES_NEWEST).contains(&data.rules);
    let plain = data.rules >= RULES_LEASES || (data.lease.is_none() && data.answers == 0);
    ensure(known && plain, 16, data.rules)?;
    let may_remind = data.rules >= RULES_REMINDERS;
    let unmarked = data.reminded == Reminded::default();
    ensure((may_remind || unmarked) && data.reminded.due <= data.time, 17, data.reminded.due.0)?;
    let silent = |campaign: &Campaign| campaign.config.reminder_ms == 0;
    ensure(may_remind || data.campaigns.values().all(silent), 17, 0_u64)?;
    ensure(data.rules >= RULES_STANDBY || data.standbys == Standbys::default(), 18, 0_u64)?;
    // These are named by their numbers for good, so their fronts are never dropped.
    let firsts = [
        data.clinics.first(),
        data.desks.first(),
        data.slots.first(),
        data.bookings.first(),
        data.contacts.first(),
        data.proxies.first(),
    ];
    ensure(firsts == [0; 6], 4, 0_u64)
}

fn check_settings(id: u32, campaign: &Campaign) -> Result<(), Violation> {
    let config = &campaign.config;
    let fits = (1..=limits::VACCINES_PER_CAMPAIGN_MAX).contains(&config.vaccines.len())
        && config.windows.len() <= limits::WINDOWS_PER_CAMPAIGN_MAX
        && (limits::HOLD_MS_MIN..=limits::HOLD_MS_MAX).contains(&config.hold_ms)
        && (1..=limits::DOSES_MAX).contains(&config.rules.doses)
        && limits::is_reminder(config.reminder_ms);
    ensure(fits, 10, id)?;
    ensure(campaign.by_vaccine.len() == config.vaccines.len(), 4, id)
}

fn fits(supply: &Supply) -> bool {
    let gone = [supply.held, supply.booked, supply.used, supply.withdrawn];
    gone.into_iter().map(u64::from).sum::<u64>() <= u64::from(supply.capacity)
}

/// Adds without wrapping: a damaged snapshot must be found out, not crash the check.
fn add(sum: &mut Supply, part: &Supply) {
    sum.capacity = sum.capacity.saturating_add(part.capacity);
    sum.held = sum.held.saturating_add(part.held);
    sum.booked = sum.booked.saturating_add(part.booked);
    sum.used = sum.used.saturating_add(part.used);
    sum.withdrawn = sum.withdrawn.saturating_add(part.withdrawn);
}

/// Held, booked and used places by slot, from the bookings.
fn count_bookings(data: &Data) -> Result<Vec<[u32; 3]>, Violation> {
    let mut counted = vec![[0; 3]; data.slots.len()];
    let mut offers: BTreeMap<SlotId, u32> = BTreeMap::new();
    for (id, booking) in (0_u64..).zip(data.bookings.iter()) {
        let slot = data.slots.get(u64::from(booking.slot.0)).ok_or_else(|| violation(4, id))?;
        let counts = &mut counted[booking.slot.0 as usize];
        match booking.state {
            BookingState::Held | BookingState::Offered => {
                ensure(booking.until > data.time, 8, id)?;
                counts[0] += 1;
                if booking.state == BookingState::Offered {
                    *offers.entry(booking.slot).or_default() += 1;
                }
            }
            BookingState::Booked => counts[1] += 1,
            BookingState::Used => counts[2] += 1,
            BookingState::Cancelled | BookingState::Lapsed => {}
            BookingState::NoShow => {
                ensure(data.rules >= RULES_DESK, 18, id)?;
                ensure(booking.until >= slot.starts_at.plus_ms(limits::NO_SHOW_AFTER_MS), 19, id)?;
            }
        }
    }
    check_offers(data, &offers)?;
    Ok(counted)
}

/// Whether the open offers are those of the offerings.
fn check_offers(data: &Data, offers: &BTreeMap<SlotId, u32>) -> Result<(), Violation> {
    let offerings = &data.standbys.offerings;
    for slot in offers.keys() {
        ensure(data.rules >= RULES_STANDBY, 18, slot.0)?;
        ensure(offerings.contains_key(slot), 30, slot.0)?;
    }
    for (slot, offering) in offerings {
        ensure(u64::from(slot.0) < data.slots.end(), 4, slot.0)?;
        let open = offers.get(slot).copied().unwrap_or(0);
        let fits = open == offering.open
            && open <= offering.places
            && (1..=limits::OFFER_PLACES_MAX).contains(&offering.places)
            && (limits::OFFER_MS_MIN..=limits::OFFER_MS_MAX).contains(&offering.offer_ms);
        ensure(fits, 30, slot.0)?;
    }
    Ok(())
}

/// Whoever stands by does so within the limits. Those whose day is over may be in the list for a
/// moment, and count no more.
fn check_standbys(data: &Data) -> Result<(), Violation> {
    let mut desks_of: BTreeMap<PersonId, BTreeSet<DeskId>> = BTreeMap::new();
    for (key, standby) in &data.standbys.people {
        ensure(u64::from(key.desk.0) < data.desks.end(), 4, key.desk.0)?;
        let fits = (1..=limits::STANDBY_MINUTES_MAX).contains(&key.minutes)
            && key.number < data.standbys.made
            && standby.ends_at <= data.time.plus_ms(DAY_MS);
        ensure(fits, 31, key.desk.0)?;
        if standby.ends_at > data.time {
            let desks = desks_of.entry(standby.person).or_default();
            let once = desks.insert(key.desk);
            ensure(once && desks.len() <= limits::STANDBYS_PER_PERSON_MAX, 31, key.desk.0)?;
        }
    }
    Ok(())
}

/// Sorts those who booked for others: there may be millions, and nothing else counts them.
fn check_proxies(data: &Data) -> Result<(), Violation> {
    ensure(data.rules >= RULES_PROXIES || data.proxies.is_empty(), 32, 0_u64)?;
    let mut last = None;
    let mut made = Vec::with_capacity(data.proxies.len());
    for proxied in data.proxies.iter() {
        let id = proxied.booking.0;
        let booking = data.bookings.get(u64::from(id)).ok_or_else(|| violation(4, u64::from(id)))?;
        ensure(last < Some(id) && booking.person != proxied.proxy, 32, id)?;
        last = Some(id);
        made.push((proxied.proxy, is_pending(booking.state)));
    }
    made.sort_unstable();
    for of_one in made.chunk_by(|(one, _), (other, _)| one == other) {
        let pending = of_one.iter().filter(|(_, pending)| *pending).count();
        let fits =
            pending <= limits::PROXIED_MAX as usize && of_one.len() <= limits::PROXIED_EVER_MAX as usize;
        ensure(fits, 33, of_one[0].0[0])?;
    }
    Ok(())
}

fn check_supplies(data: &Data, counted: &[[u32; 3]]) -> Result<(), Violation> {
    let mut desks = vec![Supply::default(); data.desks.len()];
    let vaccines = |campaign: &Campaign| vec![Supply::default(); campaign.by_vaccine.len()];
    let mut campaigns: BTreeMap<_, _> =
        data.campaigns.iter().map(|(id, campaign)| (*id, vaccines(campaign))).collect();
    for (id, slot) in (0_u64..).zip(data.slots.iter()) {
        let supply = &slot.supply;
        ensure(fits(supply), 1, id)?;
        ensure([supply.held, supply.booked, supply.used] == counted[id as usize], 2, id)?;
        let desk = data.desks.get(u64::from(slot.desk.0)).ok_or_else(|| violation(4, id))?;
        add(&mut desks[slot.desk.0 as usize], supply);
        let by_vaccine = campaigns.get_mut(&desk.campaign);
        let vaccine = by_vaccine.and_then(|by_vaccine| by_vaccine.get_mut(usize::from(slot.vaccine.0)));
        add(vaccine.ok_or_else(|| violation(4, id))?, supply);
    }
    for (id, desk) in (0_u64..).zip(data.desks.iter()) {
        ensure(desk.supply == desks[id as usize], 3, id)?;
        let named = data.campaigns.contains_key(&desk.campaign);
        ensure(named && u64::from(desk.clinic.0) < data.clinics.end(), 4, id)?;
    }
    for (id, campaign) in &data.campaigns {
        ensure(campaign.by_vaccine == campaigns[id], 3, id.0)?;
    }
    Ok(())
}

/// Walks every chain from each booking back: chains are short.
fn check_people(data: &Data) -> Result<(), Violation> {
    for (id, booking) in (0_u64..).zip(data.bookings.iter()) {
        if booking.earlier == Booking::NONE {
            continue;
        }
        let mut younger = id;
        let mut earlier = booking.earlier;
        let mut ever = 1;
        while earlier != Booking::NONE {
            let chained = u64::from(earlier) < younger;
            let other = data.bookings.get(u64::from(earlier)).filter(|other| other.person == booking.person);
            let Some(other) = other.filter(|_| chained) else {
                return Err(violation(7, id));
            };
            ensure(!same_dose(data, booking, other), 6, id)?;
            ever += 1;
            ensure(ever <= limits::BOOKINGS_PER_PERSON_MAX, 12, id)?;
            younger = u64::from(earlier);
            earlier = other.earlier;
        }
    }
    Ok(())
}

fn same_dose(data: &Data, one: &Booking, other: &Booking) -> bool {
    let campaign = |booking: &Booking| {
        let slot = data.slots.get(u64::from(booking.slot.0))?;
        Some(data.desks.get(u64::from(slot.desk.0))?.campaign)
    };
    let both_active = one.state.is_active() && other.state.is_active();
    both_active && one.dose == other.dose && campaign(one) == campaign(other)
}

fn check_room_totals(id: RoomId, room: &Room) -> Result<(), Violation> {
    let subject = id.0;
    ensure(room.issued <= limits::TICKETS_PER_ROOM_MAX, 11, subject)?;
    ensure(room.called <= room.issued, 20, subject)?;
    ensure(room.inside.len() as u64 <= u64::from(limits::PASSES_PER_ROOM_MAX), 21, subject)?;
    let lobby_fits = room.lobby.is_none_or(|lobby| lobby <= room.issued);
    ensure(lobby_fits && (room.phase != Phase::Lobby || room.lobby.is_none()), 22, subject)?;
    ensure(u64::from(room.entered) + u64::from(room.left) <= u64::from(room.issued), 23, subject)?;
    let people = if room.config.identity_bound { room.issued as usize } else { 0 };
    ensure(room.people.len() == people && room.people.first() == 0, 24, subject)?;
    let Agents { share_permille, credit, .. } = room.agents;
    let fits = share_permille <= limits::AGENT_SHARE_PERMILLE_MAX && credit <= room.agents_credit_max();
    ensure(fits, 28, subject)
}

fn check_room(id: RoomId, room: &Room) -> Result<(), Violation> {
    if let Some(drawn) = &room.draw {
        let committed = draw::commitment(&drawn.seed) == room.config.commitment;
        let follows = |lobby| Draw::reveal(drawn.seed, drawn.beacon, lobby) == *drawn;
        ensure(committed && room.lobby.is_some_and(follows), 25, id.0)?;
    }
    // A mark has two bits; "inside" is the lower one alone.
    const LOWER: u64 = 0x5555_5555_5555_5555;
    let marked: usize =
        room.marks.words().iter().map(|word| (word & !(word >> 1) & LOWER).count_ones() as usize).sum();
    let of_agents = room.inside.range(Serial(AGENT_SERIAL_FIRST)..);
    let mut tickets = room.inside.range(..Serial(AGENT_SERIAL_FIRST));
    let as_many = marked == room.inside.len() - of_agents.clone().count();
    ensure(as_many && tickets.all(|(serial, _)| room.marks.get(*serial) == Mark::Inside), 26, id.0)?;
    let agents = &room.agents;
    let named = agents.passes().keys().eq(of_agents.map(|(serial, _)| serial));
    let given = agents.passes().keys().all(|serial| serial.0 - AGENT_SERIAL_FIRST < agents.issued);
    ensure(named && given && agents.is_one_each(), 29, id.0)?;
    let ends: BTreeSet<_> = room.ends.iter().map(|end| (end.serial, end.ends_at)).collect();
    let covered = room.inside.iter().all(|(serial, inside)| ends.contains(&(*serial, inside.ends_at)));
    let mut in_order = true;
    let mut latest = None;
    for end in room.ends.iter() {
        in_order &= latest <= Some(end.ends_at);
        latest = Some(end.ends_at);
    }
    ensure(covered && in_order, 27, id.0)
}

/// Counts the holds of each pass that is still active.
fn check_passes(data: &Data) -> Result<(), Violation> {
    let mut holds: BTreeMap<(RoomId, Serial), u32> = BTreeMap::new();
    for booking in holds_with_a_pass(&data.bookings) {
        let slot = data.slots.get(u64::from(booking.slot.0));
        let desk = slot.and_then(|slot| data.desks.get(u64::from(slot.desk.0)));
        let campaign = desk.and_then(|desk| data.campaigns.get(&desk.campaign));
        if let Some(room) = campaign.and_then(|campaign| campaign.config.room) {
            *holds.entry((room, booking.serial)).or_default() += 1;
        }
    }
    for ((id, serial), count) in holds {
        let inside = data.rooms.get(&id).and_then(|room| room.inside.get(&serial));
        ensure(inside.is_none_or(|inside| count <= u32::from(inside.bookings)), 9, id.0)?;
    }
    Ok(())
}

fn holds_with_a_pass(bookings: &Chunked<Booking>) -> impl Iterator<Item = &Booking> {
    bookings.iter().filter(|booking| booking.state == BookingState::Held && booking.serial.0 != Booking::NONE)
}
