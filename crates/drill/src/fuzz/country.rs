//! The country of a seed: a few people, two campaigns, two clinics, two rooms, a handful of
//! slots. So small that everyone meets everyone, and every limit is reached within a minute.
//!
//! It must never contain anything that could not be configured. Start reading at [`Country`].

use std::collections::VecDeque;

use jari_core::booking::{CampaignConfig, ClinicConfig, Rules, SlotSpec, Vaccine, Window};
use jari_core::ids::{CampaignId, ClinicId, DeskId, PersonId, RoomId, VaccineId};
use jari_core::time::Date;
use jari_core::waiting_room::{Pace, RoomConfig};
use jari_core::{Body, Time};
use sha2::{Digest, Sha256};

use crate::simulate::random::Random;

/// Forty seconds before midnight in Seoul: the day turns while everybody is busy.
pub const START_MS: u64 = 1_626_274_800_000 - 40_000;
/// The shortest time before an appointment at which people are reminded: ten minutes.
const REMINDER_MS_MIN: u32 = 600_000;
/// A day.
pub const DAY_MS: u64 = 86_400_000;
/// Minutes that the clocks of the campaigns are ahead of UTC.
const SEOUL_MIN: i16 = 540;
/// Campaigns and rooms that exist, by number; others are asked for now and then.
pub const NUMBERS: [u32; 2] = [1, 2];

/// See the module's documentation.
pub struct Country {
    /// People and their birth dates.
    pub people: Vec<(PersonId, Date)>,
    /// What the operator does first, in this order.
    pub script: VecDeque<Body>,
    /// Slots that the script adds.
    pub slots: u32,
}

/// The seed behind a room's commitment.
#[must_use]
pub fn seed_of(room: RoomId) -> [u8; 32] {
    [room.0 as u8 ^ 0x5a; 32]
}

impl Country {
    /// The country of a seed, in which people may be reminded of their appointments and telephone,
    /// or the first rules count, which know neither.
    pub fn draw(people: u32, is_newest: bool, random: &mut Random) -> Country {
        let people = (0..people)
            .map(|number| {
                let id = u128::from(random.bits()) << 64 | u128::from(random.bits());
                (PersonId(id), Date(-3_000 + number as i32))
            })
            .collect();
        let mut script = VecDeque::new();
        for clinic in NUMBERS {
            script
                .push_back(Body::AddClinic { config: Box::new(clinic_config(&format!("Clinic {clinic}"))) });
        }
        let slots_of_desks: Vec<Vec<SlotSpec>> =
            (0..3).map(|_| (0..1 + random.below(4)).map(|_| slot_spec(random)).collect()).collect();
        for (number, desks) in [(1, 0..2), (2, 2..3)] {
            let slots = slots_of_desks[desks].concat();
            let reminder_ms = if is_newest { reminder_ms(&slots, random) } else { 0 };
            let config = Box::new(campaign_config(number, reminder_ms, random));
            script.push_back(Body::CreateCampaign { campaign: CampaignId(number), config });
        }
        for (campaign, clinic) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
            script.push_back(Body::AddDesk { campaign: CampaignId(campaign), clinic: ClinicId(clinic) });
        }
        let mut slots = 0;
        for (desk, specs) in (0..).zip(slots_of_desks) {
            slots += specs.len() as u32;
            script.push_back(Body::AddSlots { desk: DeskId(desk), slots: specs });
        }
        for number in NUMBERS {
            let config = Box::new(room_config(number, random));
            script.push_back(Body::CreateRoom { room: RoomId(number), config });
            if is_newest && random.chance(0.6) {
                let (room, permille) = (RoomId(number), 100 + random.below(400));
                script.push_back(Body::SetAgentShare { room, permille, reason: "calls".into() });
            }
        }
        Country { people, script, slots }
    }
}

/// A clinic that fits.
#[must_use]
pub fn clinic_config(name: &str) -> ClinicConfig {
    ClinicConfig {
        name: name.into(),
        address: "1 Sejong-daero".into(),
        region: "Seoul".into(),
        district: "Jongno".into(),
        postcode: "03172".into(),
        telephone: "".into(),
        latitude_e6: 37_576_000,
        longitude_e6: 126_977_000,
    }
}

/// Rules of a version.
#[must_use]
pub fn rules(version: u32, random: &mut Random) -> Rules {
    Rules {
        version,
        born_from: Date(-3_000 + i32::from(random.chance(0.2))),
        born_until: Date(-2_992 + random.below(4) as i32),
        doses: 1 + random.below(2) as u8,
        dose_interval_days: random.below(3) as u16,
    }
}

/// One to three windows, the first of which opens soon after the start.
pub fn windows(random: &mut Random) -> Vec<Window> {
    let mut opens = START_MS + u64::from(random.below(15_000));
    let mut share_ppm = 200_000 + random.below(400_000);
    let count = 1 + random.below(3);
    (0..count)
        .map(|number| {
            let lasts =
                if number + 1 == count { 2 * DAY_MS } else { 5_000 + u64::from(random.below(30_000)) };
            let digits = if random.chance(0.2) { 1 + random.below(0x3ff) as u16 } else { 0x3ff };
            let window = Window { opens_at: Time(opens), closes_at: Time(opens + lasts), digits, share_ppm };
            opens += lasts;
            share_ppm = if random.chance(0.7) { 1_000_000 } else { share_ppm };
            window
        })
        .collect()
}

/// So long before that reminders of one of the slots fall due while everybody is busy.
fn reminder_ms(slots: &[SlotSpec], random: &mut Random) -> u32 {
    let slot = &slots[random.below(slots.len() as u32) as usize];
    let due = START_MS + 5_000 + u64::from(random.below(80_000));
    let before = slot.starts_at.0.saturating_sub(due) as u32;
    if before < REMINDER_MS_MIN || random.chance(0.2) { 0 } else { before }
}

/// A campaign of one of the numbers.
pub fn campaign_config(number: u32, reminder_ms: u32, random: &mut Random) -> CampaignConfig {
    let vaccine = |name: &str, quota| Vaccine { name: name.into(), quota };
    CampaignConfig {
        name: format!("Campaign {number}").into(),
        // The second always stands behind its room, the first now and then.
        room: (number == 2 || random.chance(0.25)).then_some(RoomId(number)),
        quota: 2 + random.below(8),
        vaccines: vec![vaccine("A", 1 + random.below(6)), vaccine("B", random.below(4))],
        rules: rules(1, random),
        windows: windows(random),
        hold_ms: 10_000 + random.below(10_000),
        utc_offset_min: SEOUL_MIN,
        reminder_ms,
    }
}

/// A slot that begins during the run, an hour or two after it, or on one of the days after; or
/// whose places the desk gives from a moment of the run on, or until one.
pub fn slot_spec(random: &mut Random) -> SlotSpec {
    const HOUR_MS: u64 = 3_600_000;
    let moment = 15_000 + u64::from(random.below(60_000));
    let begins = match random.below(9) {
        0 | 1 => moment,
        2 | 3 => HOUR_MS * u64::from(1 + random.below(2)),
        4 => 2 * HOUR_MS + moment,
        5 => moment.wrapping_sub(8 * HOUR_MS),
        6 => moment / 60,
        _ => u64::from(1 + random.below(4)) * DAY_MS + u64::from(random.below(3)) * HOUR_MS,
    };
    SlotSpec {
        starts_at: Time(START_MS.wrapping_add(begins)),
        vaccine: VaccineId(random.below(2) as u16),
        capacity: random.below(4),
    }
}

/// A pace that lets some in and keeps some out.
pub fn pace(random: &mut Random) -> Pace {
    Pace {
        entries_per_minute_max: [0, 30, 120, 600, 6_000][random.below(5) as usize],
        passes_max: 1 + random.below(6),
        pass_ttl_ms: 10_000 + random.below(15_000),
        latency_goal_ms: random.below(2) * 200,
        error_goal_ppm: 10_000,
    }
}

fn room_config(number: u32, random: &mut Random) -> RoomConfig {
    let room = RoomId(number);
    RoomConfig {
        name: format!("Room {number}").into(),
        opens_at: Time(START_MS + 3_000 + u64::from(random.below(15_000))),
        commitment: Sha256::digest(seed_of(room)).into(),
        campaign: random.chance(0.6).then_some(CampaignId(number)),
        awaits_beacon: random.chance(0.3),
        identity_bound: number == 2,
        fails_open: false,
        bookings_per_pass: 1 + random.below(2) as u8,
        pace: Pace { entries_per_minute_max: 120 + random.below(6_000), ..pace(random) },
    }
}
