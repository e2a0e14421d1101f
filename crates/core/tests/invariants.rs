//! Each invariant finds what it is there to find: a state is damaged in one place, and
//! the check names the number.

use std::collections::BTreeMap;

use jari_core::booking::{
    Booking, BookingState, CampaignConfig, ClinicConfig, Desk, Offering, Proxied, Rules, SlotSpec, Standby,
    StandbyKey, Supply, Vaccine, Window,
};
use jari_core::chunked::Chunked;
use jari_core::command::Entry;
use jari_core::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, RoomId, Serial, SlotId,
    VaccineId,
};
use jari_core::lease::Lease;
use jari_core::recent::Recent;
use jari_core::rules::RULES_NEWEST;
use jari_core::state::Contact;
use jari_core::time::Date;
use jari_core::waiting_room::{
    AGENT_SERIAL_FIRST, Agents, Draw, Inside, Mark, Pace, PassEnd, RoomConfig, draw,
};
use jari_core::{Body, Command, Data, State, Time, invariants, limits, step};

const SEED: [u8; 32] = [9; 32];
const ROOM: RoomId = RoomId(1);
const CAMPAIGN: CampaignId = CampaignId(1);

/// A state with a bit of everything: two bookings of one person, a hold with a pass, an
/// identity-bound room after its draw, a contact, remembered commands.
fn sound() -> Data {
    let mut state = State::new();
    let mut number = 0;
    let mut ask = |body: Body, at: u64| {
        number += 1;
        let outcome = step(&mut state, &Command { id: CommandId(number), body }, Time(at));
        assert_eq!(outcome.refusal(), None, "command {number}");
    };
    ask(Body::CreateCampaign { campaign: CAMPAIGN, config: Box::new(campaign()) }, 1);
    ask(Body::CreateRoom { room: ROOM, config: Box::new(room()) }, 1);
    ask(Body::AddClinic { config: Box::new(clinic()) }, 1);
    ask(Body::AddDesk { campaign: CAMPAIGN, clinic: ClinicId(0) }, 1);
    let slot = |starts_at| SlotSpec { starts_at: Time(starts_at), vaccine: VaccineId(0), capacity: 3 };
    ask(Body::AddSlots { desk: DeskId(0), slots: vec![slot(900_000_000), slot(900_000_001)] }, 1);
    ask(Body::JoinAs { room: ROOM, person: PersonId(7) }, 1);
    ask(Body::DrawRoom { room: ROOM, seed: SEED, beacon: [0; 32] }, 1_000);
    ask(Body::Enter { room: ROOM, serial: Serial(0) }, 60_000);
    let hold = |dose| Body::Hold {
        slot: SlotId(0),
        person: PersonId(7),
        birth: Date(0),
        dose,
        entry: Some(Entry { room: ROOM, serial: Serial(0) }),
        channel: ChannelId::OWN_SITE,
    };
    ask(hold(1), 60_000);
    ask(Body::Confirm { booking: BookingId(0), person: PersonId(7) }, 60_001);
    ask(hold(2), 60_002);
    ask(Body::KeepContact { person: PersonId(7), sealed: Box::from([1, 2, 3]) }, 60_002);
    state.data().clone()
}

fn campaign() -> CampaignConfig {
    let open = Window { opens_at: Time(0), closes_at: Time(u64::MAX), digits: 0x3ff, share_ppm: 1_000_000 };
    CampaignConfig {
        name: "Summer".into(),
        room: Some(ROOM),
        quota: 100,
        vaccines: vec![Vaccine { name: "V".into(), quota: 100 }],
        rules: Rules {
            version: 1,
            born_from: Date(-9),
            born_until: Date(9),
            doses: 2,
            dose_interval_days: 0,
        },
        windows: vec![open],
        hold_ms: 60_000,
        utc_offset_min: 0,
        reminder_ms: 0,
    }
}

fn room() -> RoomConfig {
    let pace = Pace {
        entries_per_minute_max: 6_000,
        passes_max: 100,
        pass_ttl_ms: 600_000,
        latency_goal_ms: 0,
        error_goal_ppm: 0,
    };
    RoomConfig {
        name: "Room".into(),
        opens_at: Time(1_000),
        commitment: draw::commitment(&SEED),
        campaign: None,
        identity_bound: true,
        fails_open: false,
        awaits_beacon: false,
        bookings_per_pass: 2,
        pace,
    }
}

fn clinic() -> ClinicConfig {
    let text = || Box::<str>::from("x");
    ClinicConfig {
        name: text(),
        address: text(),
        region: text(),
        district: text(),
        postcode: text(),
        telephone: text(),
        latitude_e6: 0,
        longitude_e6: 0,
    }
}

type Damage = fn(&mut Data);

fn booking(data: &mut Data, id: u64) -> &mut Booking {
    data.bookings.get_mut(id).unwrap()
}

fn slot_supply(data: &mut Data) -> &mut Supply {
    &mut data.slots.get_mut(0).unwrap().supply
}

/// Damage by the invariant that finds it first.
fn damages() -> Vec<(u8, Damage)> {
    [damages_of_bookings(), damages_of_standbys(), damages_of_proxies(), damages_of_rooms()].concat()
}

fn damages_of_bookings() -> Vec<(u8, Damage)> {
    vec![
        (1, |data| slot_supply(data).withdrawn = 2),
        (1, |data| data.campaigns.get_mut(&CAMPAIGN).unwrap().supply.capacity = 1),
        (2, |data| slot_supply(data).held = 0),
        (2, |data| booking(data, 0).slot = SlotId(1)),
        (2, |data| booking(data, 0).state = BookingState::Cancelled),
        (3, |data| slot_supply(data).capacity = 4),
        (3, |data| data.desks.get_mut(0).unwrap().supply.booked = 0),
        (3, |data| data.campaigns.get_mut(&CAMPAIGN).unwrap().supply.used = 1),
        (4, |data| booking(data, 0).slot = SlotId(2)),
        (4, |data| data.slots.get_mut(1).unwrap().desk = DeskId(1)),
        (4, |data| data.slots.get_mut(1).unwrap().vaccine = VaccineId(1)),
        (4, |data| data.desks.get_mut(0).unwrap().clinic = ClinicId(1)),
        (4, |data| data.campaigns.get_mut(&CAMPAIGN).unwrap().by_vaccine.push(Supply::default())),
        (4, |data| assert!(data.bookings.pop_front().is_some())),
        (4, |data| {
            book_for(data, 0, [1, 1]);
            assert!(data.proxies.pop_front().is_some());
        }),
        (5, |data| {
            data.desks.push(Desk { campaign: CAMPAIGN, clinic: ClinicId(0), supply: Supply::default() });
        }),
        (6, |data| booking(data, 1).dose = 1),
        (7, |data| booking(data, 1).earlier = 1),
        (7, |data| booking(data, 0).earlier = 1),
        (7, |data| booking(data, 1).earlier = Booking::NONE),
        (7, |data| booking(data, 0).person = [1, 1]),
        (8, |data| booking(data, 1).until = data.time),
        (9, |data| data.rooms.get_mut(&ROOM).unwrap().inside.get_mut(&Serial(0)).unwrap().bookings = 0),
        (10, |data| data.campaigns.get_mut(&CAMPAIGN).unwrap().config.hold_ms = 1),
        (10, |data| data.campaigns.get_mut(&CAMPAIGN).unwrap().config.rules.doses = 0),
        (11, |data| data.events = (0..=limits::EVENTS_MAX).map(|_| Default::default()).collect()),
        (12, add_cancelled_bookings),
        (13, |data| {
            data.contacts.push(Contact { person: PersonId(7), sealed: Box::default() });
        }),
        (14, |data| {
            data.recent.push(Recent { id: CommandId(3), ..Recent::default() });
        }),
        (15, |data| {
            data.rules = 2;
            let until = data.time.plus_ms(limits::LEASE_MS + 1);
            data.lease = Some(Lease { node: 1, life: 1, until });
        }),
        (16, |data| data.rules = 0),
        (16, |data| data.rules = RULES_NEWEST + 1),
        (16, |data| data.answers = 1),
        (16, |data| data.lease = Some(Lease { node: 1, life: 1, until: data.time })),
        (17, |data| data.reminded.below = BookingId(1)),
        (17, |data| {
            data.rules = 3;
            data.reminded.due = data.time.plus_ms(1);
        }),
        (17, |data| data.campaigns.get_mut(&CAMPAIGN).unwrap().config.reminder_ms = 600_000),
        (18, |data| booking(data, 0).state = BookingState::NoShow),
        (18, |data| data.rooms.get_mut(&ROOM).unwrap().agents.issued = 1),
        (18, |data| data.standbys.made = 1),
        (18, |data| booking(data, 1).state = BookingState::Offered),
        (19, |data| {
            data.rules = 4;
            booking(data, 0).state = BookingState::NoShow;
        }),
    ]
}

fn damages_of_standbys() -> Vec<(u8, Damage)> {
    vec![
        (4, |data| {
            offering(data).insert(SlotId(2), OFFERING);
        }),
        (4, |data| stand_by(data, 1, 1, 7, 1)),
        (30, |data| {
            offering(data).insert(SlotId(0), OFFERING);
        }),
        (30, |data| {
            offering(data).clear();
            booking(data, 1).state = BookingState::Offered;
        }),
        (30, |data| {
            booking(data, 1).state = BookingState::Offered;
            offering(data).insert(SlotId(0), Offering { offer_ms: limits::OFFER_MS_MAX + 1, ..OFFERING });
        }),
        (31, |data| {
            stand_by(data, 0, 1, 7, 1);
            stand_by(data, 0, 2, 7, 1);
        }),
        (31, |data| stand_by(data, 0, 0, 7, 1)),
        (31, |data| stand_by(data, 0, 1, 7, 2 * 86_400_000)),
        (31, |data| {
            stand_by(data, 0, 1, 7, 1);
            data.standbys.made = 0;
        }),
    ]
}

fn damages_of_proxies() -> Vec<(u8, Damage)> {
    vec![
        (4, |data| book_for(data, 2, [1, 1])),
        (32, |data| {
            book_for(data, 0, [1, 1]);
            data.rules = 4;
        }),
        (32, |data| book_for(data, 0, [7, 0])),
        (32, |data| {
            book_for(data, 0, [1, 1]);
            book_for(data, 0, [2, 2]);
        }),
        (32, |data| {
            book_for(data, 1, [1, 1]);
            book_for(data, 0, [1, 1]);
        }),
        (33, |data| add_bookings_for_others(data, BookingState::Held, limits::PROXIED_MAX)),
        (33, |data| add_bookings_for_others(data, BookingState::Cancelled, limits::PROXIED_EVER_MAX)),
    ]
}

fn book_for(data: &mut Data, booking: u32, proxy: [u64; 2]) {
    data.rules = 5;
    data.proxies.push(Proxied { proxy, booking: BookingId(booking), ended: false });
}

/// One more than somebody may make for others; all else is sound.
fn add_bookings_for_others(data: &mut Data, state: BookingState, most: u32) {
    let until = data.time.plus_ms(60_000);
    for other in 0..=most {
        let person = [100 + u64::from(other), 1];
        let slot = SlotId(1);
        let (earlier, serial, channel) = (Booking::NONE, Serial(Booking::NONE), ChannelId::OWN_SITE);
        let booking = Booking { person, until, slot, earlier, serial, channel, dose: 1, state };
        let id = data.bookings.push(booking) as u32;
        book_for(data, id, [1, 1]);
        if state == BookingState::Held {
            let campaign = data.campaigns.get_mut(&CAMPAIGN).unwrap();
            let supplies = [
                &mut data.slots.get_mut(1).unwrap().supply,
                &mut data.desks.get_mut(0).unwrap().supply,
                &mut campaign.supply,
                &mut campaign.by_vaccine[0],
            ];
            for supply in supplies {
                supply.capacity += 1;
                supply.held += 1;
            }
        }
    }
}

const OFFERING: Offering = Offering { places: 1, open: 1, offer_ms: limits::OFFER_MS_MIN };

fn offering(data: &mut Data) -> &mut BTreeMap<SlotId, Offering> {
    data.rules = 4;
    &mut data.standbys.offerings
}

fn stand_by(data: &mut Data, desk: u32, minutes: u16, person: u128, ms: u64) {
    data.rules = 4;
    let number = data.standbys.made;
    data.standbys.made += 1;
    let key = StandbyKey { desk: DeskId(desk), minutes, number };
    let ends_at = data.time.plus_ms(ms);
    let standby = Standby { person: PersonId(person), birth: Date(0), dose: 1, ends_at };
    data.standbys.people.insert(key, standby);
}

fn damages_of_rooms() -> Vec<(u8, Damage)> {
    vec![
        (20, |data| data.rooms.get_mut(&ROOM).unwrap().called = 2),
        (21, |data| {
            let inside = &mut data.rooms.get_mut(&ROOM).unwrap().inside;
            *inside =
                (0..=limits::PASSES_PER_ROOM_MAX).map(|serial| (Serial(serial), Inside::default())).collect();
        }),
        (22, |data| data.rooms.get_mut(&ROOM).unwrap().lobby = Some(2)),
        (23, |data| data.rooms.get_mut(&ROOM).unwrap().left = 1),
        (24, |data| data.rooms.get_mut(&ROOM).unwrap().people = Chunked::default()),
        (24, |data| {
            let room = data.rooms.get_mut(&ROOM).unwrap();
            room.issued = 2;
            room.people.push(PersonId(7));
        }),
        (25, |data| data.rooms.get_mut(&ROOM).unwrap().config.commitment = [0; 32]),
        (25, |data| {
            let room = data.rooms.get_mut(&ROOM).unwrap();
            room.draw = Some(Draw::reveal(SEED, [0; 32], 2));
        }),
        (26, |data| data.rooms.get_mut(&ROOM).unwrap().marks.set(Serial(0), Mark::Lapsed)),
        (26, |data| data.rooms.get_mut(&ROOM).unwrap().marks.set(Serial(5), Mark::Inside)),
        (27, |data| data.rooms.get_mut(&ROOM).unwrap().ends = Chunked::default()),
        (28, |data| under_rules_4(data).share_permille = limits::AGENT_SHARE_PERMILLE_MAX + 1),
        (28, |data| under_rules_4(data).credit = 1),
        (29, |data| {
            let passes = [(Serial(AGENT_SERIAL_FIRST), PersonId(8))].into();
            *under_rules_4(data) = Agents::restore(0, 0, 1, passes);
        }),
        (29, |data| {
            let numbers = [0, 1].map(|number| Serial(AGENT_SERIAL_FIRST + number));
            let passes = numbers.map(|serial| (serial, PersonId(8))).into();
            *under_rules_4(data) = Agents::restore(0, 0, 2, passes);
            let room = data.rooms.get_mut(&ROOM).unwrap();
            let ends_at = room.inside[&Serial(0)].ends_at;
            for serial in numbers {
                room.inside.insert(serial, Inside { ends_at, bookings: 0, confirmed: 0 });
                room.ends.push(PassEnd { ends_at, serial });
            }
        }),
    ]
}

fn under_rules_4(data: &mut Data) -> &mut Agents {
    data.rules = 4;
    &mut data.rooms.get_mut(&ROOM).unwrap().agents
}

fn add_cancelled_bookings(data: &mut Data) {
    for earlier in 1..limits::BOOKINGS_PER_PERSON_MAX {
        let last = *data.bookings.get(u64::from(earlier)).unwrap();
        data.bookings.push(Booking { earlier, state: BookingState::Cancelled, ..last });
    }
}

#[test]
fn a_sound_state_passes_both_checks() {
    let data = sound();
    assert_eq!(invariants::check(&data), Ok(()));
    assert_eq!(invariants::check_light(&data), Ok(()));
}

#[test]
fn every_damage_is_found_by_its_invariant_and_never_restored() {
    for (at, (invariant, damage)) in damages().into_iter().enumerate() {
        let mut data = sound();
        damage(&mut data);
        let found = invariants::check(&data).expect_err(&format!("damage {at} of {invariant} was not found"));
        assert_eq!(found.invariant, invariant, "damage {at}: {found:?}");
        assert!(!found.says.is_empty());
        assert_eq!(State::restore(data).unwrap_err(), found);
    }
}

#[test]
fn every_invariant_is_numbered_once_and_tested() {
    let damaged: Vec<u8> = damages().into_iter().map(|(invariant, _)| invariant).collect();
    let numbers: Vec<u8> = invariants::INVARIANTS.iter().map(|(number, _)| *number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next));
    assert!(numbers.iter().all(|number| damaged.contains(number)));
}

#[test]
fn the_light_check_sees_what_totals_can_tell() {
    let mut seen: Vec<u8> = Vec::new();
    for (invariant, damage) in damages() {
        let mut data = sound();
        damage(&mut data);
        if let Err(found) = invariants::check_light(&data) {
            assert_eq!(found.invariant, invariant);
            seen.push(invariant);
        }
    }
    seen.dedup();
    assert_eq!(seen, [1, 3, 4, 10, 11, 15, 16, 17, 18, 20, 21, 22, 23, 24, 28]);
}

#[test]
fn a_booking_stays_small() {
    assert_eq!(size_of::<Booking>(), 40);
}

/// B9: record and index of a booking together, the worst case of a table that has just
/// grown included.
#[test]
fn a_booking_takes_at_most_128_bytes_with_its_index() {
    let bookings = 40_000_u64;
    let person = |number: u64| PersonId(u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut data = sound();
    data.bookings = Chunked::default();
    let supply = &mut data.slots.get_mut(0).unwrap().supply;
    *supply = Supply { capacity: 3, ..Supply::default() };
    data.desks.get_mut(0).unwrap().supply = Supply { capacity: 6, ..Supply::default() };
    let campaign = data.campaigns.get_mut(&CAMPAIGN).unwrap();
    campaign.supply = Supply { capacity: 6, ..Supply::default() };
    campaign.by_vaccine = vec![campaign.supply];
    for number in 0..bookings {
        let ended = Booking {
            person: Booking::halves(person(number)),
            until: Time(1),
            slot: SlotId(0),
            earlier: Booking::NONE,
            serial: Serial(Booking::NONE),
            channel: ChannelId::OWN_SITE,
            dose: 1,
            state: BookingState::Cancelled,
        };
        data.bookings.push(ended);
    }
    let state = State::restore(data).unwrap();
    let records = bookings as usize * size_of::<Booking>();
    // A shard doubles when it is seven eighths full: at the worst it is half of that.
    let bytes_each = (records + 2 * state.index_bytes()).div_ceil(bookings as usize);
    assert!(bytes_each <= 128, "{bytes_each} bytes a booking");
}
