//! What clients ask: everything the machine knows, weighted so that long paths are walked to
//! their ends (join, enter, hold, confirm, move, use), with mistakes and rubbish in between.
//!
//! It must never look at a node: it knows what its clients were answered. Start reading at
//! [`Workload::next`].

pub mod scenes;

use jari_core::command::Entry;
use jari_core::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, RoomId, Serial, SlotId,
    VaccineId,
};
use jari_core::rules::{RULES_FIRST, RULES_NEWEST};
use jari_core::time::Date;
use jari_core::{Body, Command, Outcome, Time};

use super::country::{self, Country, NUMBERS, START_MS};
use super::plan::Plan;
use crate::simulate::random::Random;
use scenes::Scene;

mod proxies;

/// Beyond what any record may carry.
const UNFIT_BYTES: usize = 5_000;
/// The room whose tickets are bound to people, and the one whose are not.
const BOUND: RoomId = RoomId(2);
const FREE: RoomId = RoomId(1);
/// Repeats are drawn from so many commands back.
const PAST_LEN: u32 = 60;

/// See the module's documentation.
pub struct Workload {
    scene: Scene,
    country: Country,
    /// Holds and bookings that somebody heard of, and whose they are.
    bookings: Vec<(BookingId, PersonId)>,
    /// Those among them that somebody else made, and who did.
    proxied: Vec<(BookingId, PersonId)>,
    /// Tickets that somebody heard of.
    tickets: Vec<(RoomId, Serial, Option<PersonId>)>,
    past: Vec<Command>,
    /// At a door: before this one nobody presses any more.
    next_in_line: u32,
    slots: u32,
    rules_version: u32,
    /// Offers that wait for an answer, whose they are, and when they end.
    pub offers: Vec<(BookingId, PersonId, u64)>,
    /// Somebody whom a clinic waits for, and perhaps in vain.
    pub missed: Option<BookingId>,
    /// From when on the operator asks for newer rules of the service; none once they count.
    upgrade_at: Option<u64>,
}

fn pick<T: Copy>(from: &[T], random: &mut Random) -> Option<T> {
    if from.is_empty() { None } else { from.get(random.below(from.len() as u32) as usize).copied() }
}

/// Mostly one of the last: what was just made is what people go on with.
fn pick_late<T: Copy>(from: &[T], random: &mut Random) -> Option<T> {
    let late = from.len().saturating_sub(6);
    if random.chance(0.7) { pick(&from[late..], random) } else { pick(from, random) }
}

fn reason(random: &mut Random) -> Box<str> {
    match random.below(12) {
        0 => "".into(),
        1 => " \t".into(),
        2 => "x".repeat(401).into(),
        _ => "because".into(),
    }
}

impl Workload {
    /// The workload of a seed, with the chance of its scene.
    pub fn draw(plan: &Plan, random: &mut Random, of_scene: &mut Random) -> Workload {
        let mut country = Country::draw(plan.people, !plan.old_builds, random);
        plan.scene.arrange(&mut country.script, of_scene);
        let slots = country.slots;
        Workload {
            scene: plan.scene,
            country,
            bookings: Vec::new(),
            proxied: Vec::new(),
            tickets: Vec::new(),
            past: Vec::new(),
            next_in_line: 0,
            slots,
            rules_version: 1,
            missed: None,
            offers: Vec::new(),
            upgrade_at: plan.old_builds.then_some(START_MS + plan.upgrade_ms),
        }
    }

    /// Something an answer told.
    pub fn heard(&mut self, command: &Command, outcome: Outcome) {
        self.line_moves(command, outcome);
        match (&command.body, outcome) {
            (Body::Hold { person, .. }, Outcome::Held { booking, .. }) => {
                self.bookings.push((booking, *person));
            }
            (Body::HoldFor { person, proxy, .. }, Outcome::Held { booking, .. }) => {
                self.bookings.push((booking, *person));
                self.proxied.push((booking, *proxy));
            }
            (Body::WalkIn { person, .. }, Outcome::CheckedIn { booking }) => {
                self.bookings.push((booking, *person));
            }
            (Body::Join { room, .. }, Outcome::Joined { first, count }) => {
                let last = first.0 + count.min(4) - 1;
                self.tickets.extend((first.0..=last).map(|serial| (*room, Serial(serial), None)));
            }
            (Body::JoinAs { room, person }, Outcome::Joined { first, .. }) => {
                let ticket = (*room, first, Some(*person));
                self.tickets.retain(|known| *known != ticket);
                self.tickets.push(ticket);
            }
            (Body::EnterByAgent { room, person }, Outcome::EnteredByAgent { serial, .. }) => {
                let ticket = (*room, serial, Some(*person));
                self.tickets.retain(|known| *known != ticket);
                self.tickets.push(ticket);
            }
            (Body::Upgrade { rules: RULES_NEWEST }, Outcome::Done) => self.upgrade_at = None,
            (_, Outcome::SlotsAdded { first, count }) => self.slots = self.slots.max(first.0 + count),
            _ => {}
        }
    }

    /// The next request of a client, the first of whom is the operator.
    pub fn next(&mut self, client: usize, now: u64, random: &mut Random) -> Command {
        if client == 0
            && let Some(body) = self.country.script.pop_front()
        {
            return self.remembered(body, random);
        }
        if client == 0 && self.upgrade_at.is_some_and(|at| at <= now) && random.chance(0.3) {
            let rules = RULES_FIRST + 1 + random.below(RULES_NEWEST - RULES_FIRST);
            return self.remembered(Body::Upgrade { rules }, random);
        }
        if random.chance(0.05)
            && let Some(command) = self.repeat(random)
        {
            return command;
        }
        if random.chance(0.01) {
            // Nodes ask only when it looks free to them; what the machine says to others shows so.
            let body = Body::TakeLease { node: random.below(3) as u16, life: random.below(3) };
            return self.remembered(body, random);
        }
        if random.chance(0.01) {
            let person = self.person(random).0;
            let sealed = vec![7; UNFIT_BYTES].into();
            return self.remembered(Body::KeepContact { person, sealed }, random);
        }
        if let Some(booking) = self.missed.filter(|_| random.chance(0.1)) {
            let comes = random.chance(0.15);
            let body = if comes { Body::CheckIn { booking } } else { Body::MarkNoShow { booking } };
            return self.remembered(body, random);
        }
        if let Some((booking, person, _)) = pick(&self.offers, random)
            && random.chance(0.08)
        {
            self.bookings.push((booking, person));
            let declines = random.chance(0.5);
            let body =
                if declines { Body::Cancel { booking, person } } else { Body::Confirm { booking, person } };
            return self.remembered(body, random);
        }
        let operates = if client == 0 { self.scene.operators_part() } else { 0.03 };
        let body = if random.chance(operates) { self.operator(now, random) } else { self.wish(random) };
        self.remembered(body, random)
    }

    /// Whether the operator is still setting things up.
    #[must_use]
    pub fn is_setting_up(&self) -> bool {
        !self.country.script.is_empty()
    }

    /// Gives a command its id; joins of the unidentified often have none, as the service's own.
    fn remembered(&mut self, body: Body, random: &mut Random) -> Command {
        let nameless = matches!(body, Body::Join { .. }) && random.chance(0.7)
            || matches!(body, Body::AckEffects { .. } | Body::ReportHealth { .. }) && random.chance(0.5);
        let id = if nameless { 0 } else { u128::from(random.bits()) << 64 | u128::from(random.bits()) };
        let command = Command { id: CommandId(id), body };
        self.past.push(command.clone());
        command
    }

    /// An earlier request again: the same, or its id with other content.
    fn repeat(&mut self, random: &mut Random) -> Option<Command> {
        let back = random.below(PAST_LEN.min(self.past.len() as u32).max(1)) as usize;
        let mut command = self.past.iter().rev().nth(back)?.clone();
        if random.chance(0.3) {
            command.body = self.citizen(random);
        }
        Some(command)
    }

    fn person(&self, random: &mut Random) -> (PersonId, Date) {
        pick(&self.country.people, random).expect("a country has people")
    }

    fn slot(&self, random: &mut Random) -> SlotId {
        // One more than there are: unknown ones are asked for too, but rarely.
        let beyond = u32::from(random.chance(0.05));
        SlotId(random.below(self.slots.max(1) + beyond))
    }

    fn campaign(random: &mut Random) -> CampaignId {
        CampaignId(if random.chance(0.03) { 9 } else { NUMBERS[random.below(2) as usize] })
    }

    fn room(random: &mut Random) -> RoomId {
        RoomId(if random.chance(0.03) { 9 } else { NUMBERS[random.below(2) as usize] })
    }

    fn ticket(&self, random: &mut Random) -> (RoomId, Serial) {
        match pick_late(&self.tickets, random) {
            Some((room, serial, _)) if !random.chance(0.05) => (room, serial),
            _ => (Workload::room(random), Serial(random.below(40))),
        }
    }

    /// A hold or booking, mostly with the right owner.
    fn booking(&self, random: &mut Random) -> (BookingId, PersonId) {
        match pick_late(&self.bookings, random) {
            Some((booking, person)) if !random.chance(0.08) => {
                let asks = self.asks(booking, person, random);
                (booking, if random.chance(0.06) { self.person(random).0 } else { asks })
            }
            _ => (BookingId(random.below(30)), self.person(random).0),
        }
    }

    fn citizen(&self, random: &mut Random) -> Body {
        // A fresh hold is confirmed before anything else, as a person would.
        if let Some((booking, person)) = self.bookings.last().copied()
            && random.chance(0.12)
        {
            return Body::Confirm { booking, person: self.asks(booking, person, random) };
        }
        if random.chance(0.02) {
            return self.end_proxy(random);
        }
        let (booking, person) = self.booking(random);
        match random.below(100) {
            0..10 => {
                let room = if random.chance(0.8) { BOUND } else { Workload::room(random) };
                Body::JoinAs { room, person: self.person(random).0 }
            }
            10..17 => {
                let room = if random.chance(0.8) { FREE } else { Workload::room(random) };
                Body::Join { room, count: joins(random) }
            }
            17..22 => Body::EnterByAgent { room: Workload::room(random), person: self.person(random).0 },
            22..36 => {
                let (room, serial) = self.ticket(random);
                Body::Enter { room, serial }
            }
            36..60 => self.hold(random),
            60..88 if self.bookings.is_empty() && random.chance(0.8) => self.hold(random),
            60..70 => Body::Confirm { booking, person },
            70..74 => self.standby(random),
            74..80 => Body::Cancel { booking, person },
            80..86 => Body::Reschedule { booking, person, slot: self.slot(random) },
            86..90 => self.desk(random),
            90..93 => {
                let (room, serial) = self.ticket(random);
                Body::Leave { room, serial }
            }
            93..95 => self.standby(random),
            95..97 => {
                let bytes = [0, 1, 20, 512, 513][random.below(5) as usize];
                Body::KeepContact {
                    person: self.person(random).0,
                    sealed: vec![random.below(256) as u8; bytes].into(),
                }
            }
            _ => Body::DropContact { person: self.person(random).0 },
        }
    }

    fn hold(&self, random: &mut Random) -> Body {
        // Whoever has a ticket bound to them holds with it, for themselves.
        let ticket = pick_late(&self.tickets, random);
        let (mut person, mut birth) = self.person(random);
        if let Some((_, _, Some(bound))) = ticket
            && !random.chance(0.1)
        {
            person = bound;
            let known = self.country.people.iter().find(|(other, _)| *other == bound);
            birth = known.map_or(birth, |(_, birth)| *birth);
        }
        let entry = ticket.filter(|_| random.chance(0.9)).map(|(room, serial, _)| Entry { room, serial });
        let dose =
            if random.chance(0.04) { random.below(256) as u8 } else { 1 + u8::from(random.chance(0.25)) };
        let birth = if random.chance(0.04) { Date(random.below(20_000) as i32 - 10_000) } else { birth };
        let channel = ChannelId([0, 0, 1, 2, 16][random.below(5) as usize]);
        let hold = Body::Hold { slot: self.slot(random), person, birth, dose, entry, channel };
        if random.chance(0.2) { self.for_somebody(hold, random) } else { hold }
    }

    /// What a clinic asks at its desk.
    fn desk(&self, random: &mut Random) -> Body {
        // Any of those booked, not only the last: what was missed was booked a while ago.
        let late = |random: &mut Random| pick(&self.bookings, random).map_or(BookingId(0), |(id, _)| id);
        match random.below(12) {
            10.. => self.standby(random),
            0 => Body::CheckIn { booking: self.booking(random).0 },
            1 => Body::CheckIn { booking: late(random) },
            2..7 => Body::MarkNoShow { booking: late(random) },
            _ => self.walk_in(random),
        }
    }

    /// Somebody who would come at short notice, or not any more; or the clinic that needs them.
    fn standby(&self, random: &mut Random) -> Body {
        let (person, birth) = self.person(random);
        let beyond = u32::from(random.chance(0.1));
        let desk = DeskId(random.below(4 + beyond));
        match random.below(10) {
            0..6 => {
                let dose = 1 + u8::from(random.chance(0.2)) + 8 * u8::from(random.chance(0.03));
                let minutes =
                    if random.chance(0.04) { 0 } else { [5, 10, 10, 180, 181][random.below(5) as usize] };
                Body::Standby { desk, person, birth, dose, minutes }
            }
            6 => Body::StandDown { desk, person },
            _ => {
                let offer_ms = if random.chance(0.05) { 179_999 } else { 180_000 + random.below(3_500_000) };
                let places = [0, 1, 1, 1, 2, 3, 65][random.below(7) as usize];
                Body::OfferLeftover { slot: self.slot(random), places, offer_ms }
            }
        }
    }

    fn walk_in(&self, random: &mut Random) -> Body {
        let (person, birth) = self.person(random);
        let birth = if random.chance(0.04) { Date(random.below(20_000) as i32 - 10_000) } else { birth };
        let dose =
            if random.chance(0.04) { random.below(256) as u8 } else { 1 + u8::from(random.chance(0.25)) };
        Body::WalkIn { slot: self.slot(random), person, birth, dose, channel: ChannelId::CLINIC }
    }

    fn operator(&mut self, now: u64, random: &mut Random) -> Body {
        let (campaign, room) = (Workload::campaign(random), Workload::room(random));
        let (slot, reason) = (self.slot(random), reason(random));
        match random.below(100) {
            0..14 => Body::SetCapacity { slot, capacity: random.below(5), reason },
            14..22 => Body::SetWithdrawn { slot, withdrawn: random.below(3), reason },
            22..32 => {
                let vaccine = random.chance(0.5).then(|| VaccineId(random.below(3) as u16));
                Body::SetQuota { campaign, vaccine, quota: random.below(10), reason }
            }
            32..34 => Body::PauseCampaign { campaign, reason },
            34..46 => Body::ResumeCampaign { campaign },
            46..49 => Body::PauseRoom { room, reason },
            49..57 => Body::ResumeRoom { room },
            57..60 => Body::SetPace { room, pace: country::pace(random), reason },
            60..64 => {
                let permille = [0, 1, 100, 250, 500, 500, 501][random.below(7) as usize];
                Body::SetAgentShare { room, permille, reason }
            }
            64..68 => {
                let (latency_p95_ms, error_ppm) = (random.below(400), random.below(20_000));
                Body::ReportHealth { room, latency_p95_ms, error_ppm }
            }
            68..72 => {
                let seed = if random.chance(0.2) { [1; 32] } else { country::seed_of(room) };
                Body::DrawRoom { room, seed, beacon: [random.below(3) as u8; 32] }
            }
            72..76 => Body::ScheduleRoom {
                room,
                opens_at: Time((now + 2_000).saturating_sub(u64::from(random.below(4_000)))),
                reason,
            },
            76..80 => Body::SetWindows { campaign, windows: country::windows(random), reason },
            80..84 => {
                self.rules_version += random.below(2);
                Body::SetRules { campaign, rules: country::rules(self.rules_version, random), reason }
            }
            84..87 => {
                let slots = (0..random.below(3)).map(|_| country::slot_spec(random)).collect();
                Body::AddSlots { desk: DeskId(random.below(4)), slots }
            }
            87..91 => self.desk(random),
            91..94 => Body::AckEffects { upto: u64::from(random.below(20)) },
            _ => rubbish(random),
        }
    }
}

/// Mostly one or two people, rarely what no command may ask for.
fn joins(random: &mut Random) -> u32 {
    match random.below(30) {
        0 => 0,
        1 => 65_537,
        2 => u32::MAX,
        few => 1 + few % 4,
    }
}

/// What nobody should ask: unknown things, absurd numbers, the end of everything.
fn rubbish(random: &mut Random) -> Body {
    let (campaign, room) = (Workload::campaign(random), Workload::room(random));
    let reason = reason(random);
    let absurd = [0, 1, u32::MAX, u32::MAX - 1][random.below(4) as usize];
    match random.below(16) {
        0 => Body::Upgrade { rules: random.below(RULES_NEWEST + 2) },
        1 => Body::AckEffects { upto: u64::MAX - u64::from(random.below(2)) },
        2 => {
            Body::SetNotices { room, notices: (0..random.below(10)).map(|_| self::reason(random)).collect() }
        }
        3 => Body::Enter { room, serial: Serial(absurd) },
        4 => Body::Leave { room, serial: Serial(absurd) },
        5 => Body::SetCapacity { slot: SlotId(random.below(3)), capacity: absurd, reason },
        6 => Body::SetWithdrawn { slot: SlotId(absurd), withdrawn: absurd, reason },
        7 => Body::Confirm { booking: BookingId(absurd), person: PersonId(0) },
        8 => Body::AddDesk { campaign, clinic: ClinicId(random.below(3)) },
        9 => {
            let mut config = country::clinic_config("");
            config.name = reason;
            config.latitude_e6 = [0, 90_000_001][random.below(2) as usize];
            Body::AddClinic { config: Box::new(config) }
        }
        10 => {
            let mut pace = country::pace(random);
            pace.passes_max = random.below(2);
            pace.pass_ttl_ms = absurd;
            Body::SetPace { room, pace, reason }
        }
        11 => {
            let mut windows = country::windows(random);
            windows[0].digits = random.below(0x500) as u16;
            windows[0].share_ppm = absurd;
            Body::SetWindows { campaign, windows, reason }
        }
        12 if random.chance(0.2) => Body::CloseRoom { room, reason },
        13 if random.chance(0.2) => Body::CloseCampaign { campaign, reason },
        14 => {
            // One that exists, or whose reminders older rules do not know, or do not fit.
            let reminder_ms = [600_000, 599_999, absurd][random.below(3) as usize];
            let config = Box::new(country::campaign_config(1, reminder_ms, random));
            Body::CreateCampaign { campaign: CampaignId(1 + random.below(3)), config }
        }
        _ => Body::ScheduleRoom { room, opens_at: Time(START_MS + u64::from(absurd)), reason },
    }
}
