//! One of everything: what the golden bytes stand for.

use std::collections::{BTreeMap, VecDeque};

use jari_core::booking::{
    Booking, BookingState, Campaign, CampaignConfig, Clinic, ClinicConfig, Desk, Offering, Proxied, Reminded,
    Rules, Slot, SlotSpec, Standby, StandbyKey, Standbys, Supply, Vaccine, Window,
};
use jari_core::chunked::Chunked;
use jari_core::command::Entry;
use jari_core::effect::{Effect, EffectKind};
use jari_core::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, RoomId, Serial, SlotId,
    VaccineId,
};
use jari_core::lease::Lease;
use jari_core::outcome::{Outcome, Reason};
use jari_core::recent::Recent;
use jari_core::state::{Contact, Event, EventKind};
use jari_core::time::{Date, Time};
use jari_core::waiting_room::draw::{Draw, commitment};
use jari_core::waiting_room::{
    AGENT_SERIAL_FIRST, Agents, Cohort, Controller, Inside, Mark, Marks, Pace, PassEnd, Phase, Room,
    RoomConfig,
};
use jari_core::{Body, Command, Data};

pub const AT: Time = Time(1_626_274_800_000);
pub const PERSON: PersonId = PersonId(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210);
const ROOM: RoomId = RoomId(3);
const CAMPAIGN: CampaignId = CampaignId(300);
const PACE: Pace = Pace {
    entries_per_minute_max: 60_000,
    passes_max: 20_000,
    pass_ttl_ms: 600_000,
    latency_goal_ms: 300,
    error_goal_ppm: 1_000,
};
const RULES: Rules =
    Rules { version: 1, born_from: Date(-5_479), born_until: Date(-4_019), doses: 2, dose_interval_days: 21 };
const WINDOW: Window =
    Window { opens_at: AT, closes_at: Time(AT.0 + 86_400_000), digits: 0b10_0000, share_ppm: 100_000 };

fn room_config() -> RoomConfig {
    RoomConfig {
        name: "예방접종 예약".into(),
        opens_at: AT,
        commitment: commitment(&[5; 32]),
        campaign: Some(CAMPAIGN),
        awaits_beacon: true,
        identity_bound: true,
        fails_open: false,
        bookings_per_pass: 2,
        pace: PACE,
    }
}

fn campaign_config() -> CampaignConfig {
    CampaignConfig {
        name: "55-59".into(),
        room: Some(ROOM),
        quota: 3_520_000,
        vaccines: vec![Vaccine { name: "mRNA-1273".into(), quota: 1_850_000 }],
        rules: RULES,
        windows: vec![WINDOW],
        hold_ms: 300_000,
        utc_offset_min: 540,
        reminder_ms: 0,
    }
}

fn clinic_config() -> ClinicConfig {
    ClinicConfig {
        name: "한빛의원".into(),
        address: "세종대로 110".into(),
        region: "서울".into(),
        district: "중구".into(),
        postcode: "04524".into(),
        telephone: "02-120".into(),
        latitude_e6: 37_566_300,
        longitude_e6: -126_977_900,
    }
}

/// One command of every kind, by name.
pub fn commands() -> Vec<(&'static str, Command)> {
    let reason = || Box::<str>::from("공급 지연");
    let (room, campaign, person, slot) = (ROOM, CAMPAIGN, PERSON, SlotId(70_000));
    let booking = BookingId(1_000_000);
    let bodies = vec![
        ("upgrade", Body::Upgrade { rules: 2 }),
        ("ack-effects", Body::AckEffects { upto: 1 << 40 }),
        ("create-room", Body::CreateRoom { room, config: Box::new(room_config()) }),
        ("schedule-room", Body::ScheduleRoom { room, opens_at: AT, reason: reason() }),
        ("draw-room", Body::DrawRoom { room, seed: [5; 32], beacon: [6; 32] }),
        ("pause-room", Body::PauseRoom { room, reason: reason() }),
        ("resume-room", Body::ResumeRoom { room }),
        ("close-room", Body::CloseRoom { room, reason: reason() }),
        ("set-pace", Body::SetPace { room, pace: PACE, reason: reason() }),
        ("report-health", Body::ReportHealth { room, latency_p95_ms: 250, error_ppm: 12 }),
        ("set-notices", Body::SetNotices { room, notices: vec![reason(), "notice".into()] }),
        ("join", Body::Join { room, count: 512 }),
        ("join-as", Body::JoinAs { room, person }),
        ("enter", Body::Enter { room, serial: Serial(1_000_000) }),
        ("leave", Body::Leave { room, serial: Serial(0) }),
        ("create-campaign", Body::CreateCampaign { campaign, config: Box::new(campaign_config()) }),
        ("set-rules", Body::SetRules { campaign, rules: RULES, reason: reason() }),
        ("set-windows", Body::SetWindows { campaign, windows: vec![WINDOW, WINDOW], reason: reason() }),
        ("set-quota", Body::SetQuota { campaign, vaccine: Some(VaccineId(1)), quota: 9, reason: reason() }),
        ("pause-campaign", Body::PauseCampaign { campaign, reason: reason() }),
        ("resume-campaign", Body::ResumeCampaign { campaign }),
        ("close-campaign", Body::CloseCampaign { campaign, reason: reason() }),
        ("add-clinic", Body::AddClinic { config: Box::new(clinic_config()) }),
        ("add-desk", Body::AddDesk { campaign, clinic: ClinicId(20_000) }),
        (
            "add-slots",
            Body::AddSlots {
                desk: DeskId(5),
                slots: vec![SlotSpec { starts_at: AT, vaccine: VaccineId(0), capacity: 6 }],
            },
        ),
        ("set-capacity", Body::SetCapacity { slot, capacity: 12, reason: reason() }),
        ("set-withdrawn", Body::SetWithdrawn { slot, withdrawn: 3, reason: reason() }),
        ("check-in", Body::CheckIn { booking }),
        ("hold", hold()),
        ("confirm", Body::Confirm { booking, person }),
        ("cancel", Body::Cancel { booking, person }),
        ("reschedule", Body::Reschedule { booking, person, slot }),
        ("keep-contact", Body::KeepContact { person, sealed: Box::from([1_u8, 2, 255]) }),
        ("drop-contact", Body::DropContact { person }),
    ];
    with_ids(bodies)
}

/// One command of every kind that came with rules 2, by name.
pub fn commands_of_rules_2() -> Vec<(&'static str, Command)> {
    with_ids(vec![
        ("take-lease", Body::TakeLease { node: 258, life: 70_000 }),
        ("checkpoint", Body::Checkpoint { position: 1 << 40, digest: u64::MAX / 3 }),
    ])
}

/// One command of every kind that came with rules 3, by name.
pub fn commands_of_rules_3() -> Vec<(&'static str, Command)> {
    let config = Box::new(CampaignConfig { reminder_ms: 86_400_000, ..campaign_config() });
    with_ids(vec![("create-campaign-with-reminders", Body::CreateCampaign { campaign: CAMPAIGN, config })])
}

/// One command of every kind that came with rules 4, by name.
pub fn commands_of_rules_4() -> Vec<(&'static str, Command)> {
    let (room, slot, person, birth) = (ROOM, SlotId(70_000), PERSON, Date(-5_000));
    let reason = Box::from("공급 지연");
    with_ids(vec![
        ("mark-no-show", Body::MarkNoShow { booking: BookingId(1_000_000) }),
        ("walk-in", Body::WalkIn { slot, person, birth, dose: 2, channel: ChannelId::CLINIC }),
        ("set-agent-share", Body::SetAgentShare { room, permille: 150, reason }),
        ("enter-by-agent", Body::EnterByAgent { room, person }),
        ("standby", Body::Standby { desk: DeskId(5), person, birth, dose: 1, minutes: 15 }),
        ("stand-down", Body::StandDown { desk: DeskId(5), person }),
        ("offer-leftover", Body::OfferLeftover { slot, places: 3, offer_ms: 600_000 }),
    ])
}

/// One command of every kind that came with rules 5, by name.
pub fn commands_of_rules_5() -> Vec<(&'static str, Command)> {
    let Body::Hold { slot, person, birth, dose, entry, channel } = hold() else {
        unreachable!("it is one");
    };
    let proxy = PersonId(!PERSON.0);
    with_ids(vec![
        ("hold-for", Body::HoldFor { slot, person, birth, dose, entry, channel, proxy }),
        ("end-proxy", Body::EndProxy { booking: BookingId(1_000_000), person }),
    ])
}

/// All commands that came with later rules, by name.
pub fn later_commands() -> Vec<(&'static str, Command)> {
    [commands_of_rules_2(), commands_of_rules_3(), commands_of_rules_4(), commands_of_rules_5()].concat()
}

fn with_ids(bodies: Vec<(&'static str, Body)>) -> Vec<(&'static str, Command)> {
    // Every second command has an id.
    let ids = [CommandId(0), CommandId(u128::MAX / 3)];
    let named = bodies.into_iter().zip(ids.into_iter().cycle());
    named.map(|((name, body), id)| (name, Command { id, body })).collect()
}

/// A hold with all there can be in it.
pub fn hold() -> Body {
    Body::Hold {
        slot: SlotId(70_000),
        person: PERSON,
        birth: Date(-5_000),
        dose: 2,
        entry: Some(Entry { room: ROOM, serial: Serial(1_000_000) }),
        channel: ChannelId::PARTNER_FIRST,
    }
}

/// One outcome of every kind.
fn outcomes() -> Vec<Outcome> {
    let booking = BookingId(1_000_000);
    vec![
        Outcome::Done,
        Outcome::refused_with(Reason::NotCalled, 70_000),
        Outcome::Joined { first: Serial(5), count: 2 },
        Outcome::Entered { ends_at: AT },
        Outcome::Held { booking, ends_at: AT },
        Outcome::Confirmed { booking },
        Outcome::Cancelled { booking },
        Outcome::Rescheduled { booking },
        Outcome::CheckedIn { booking },
        Outcome::ClinicAdded { clinic: ClinicId(4) },
        Outcome::DeskAdded { desk: DeskId(5) },
        Outcome::SlotsAdded { first: SlotId(6), count: 7 },
    ]
}

const EVENT_KINDS: [EventKind; 18] = [
    EventKind::RoomCreated,
    EventKind::RoomScheduled,
    EventKind::RoomOpened,
    EventKind::RoomDrawn,
    EventKind::RoomPaused,
    EventKind::RoomResumed,
    EventKind::RoomClosed,
    EventKind::PaceSet,
    EventKind::CampaignCreated,
    EventKind::RulesSet,
    EventKind::WindowsSet,
    EventKind::QuotaSet,
    EventKind::CampaignPaused,
    EventKind::CampaignResumed,
    EventKind::CampaignClosed,
    EventKind::CapacitySet,
    EventKind::WithdrawnSet,
    EventKind::VaccineQuotaSet,
];

fn queue<T: Clone + Default>(first: u64, elements: impl IntoIterator<Item = T>) -> Chunked<T> {
    let mut queue = Chunked::starting_at(first);
    for element in elements {
        queue.push(element);
    }
    queue
}

fn room(people: u32) -> Room {
    let mut marks = Marks::default();
    marks.set(Serial(1), Mark::Inside);
    marks.set(Serial(40), Mark::Spent);
    Room {
        config: room_config(),
        phase: Phase::Open,
        paused: Some("점검".into()),
        notices: vec!["notice".into()],
        issued: people,
        lobby: Some(people / 2),
        draw: Some(Draw::reveal([5; 32], [6; 32], people / 2)),
        called: 17,
        marks,
        inside: BTreeMap::from([
            (Serial(1), Inside { ends_at: AT, bookings: 2, confirmed: 1 }),
            (Serial(9), Inside { ends_at: Time(AT.0 + 1), bookings: 0, confirmed: 0 }),
        ]),
        ends: queue(1_500, [PassEnd { ends_at: AT, serial: Serial(1) }]),
        people: (0..people).map(|n| PersonId(PERSON.0 + u128::from(n))).collect(),
        entered: 2,
        left: 1,
        controller: Controller {
            factor_ppm: 950_000,
            slowed_at: AT,
            raised_at: Time(AT.0 + 1_000),
            show_up_permille: 870,
            shut_at: Time(AT.0 + 2_000),
            entry_credit: 60_000_000_000,
            call_credit: -7,
            accrued_until: AT,
            cohorts: VecDeque::from([Cohort { called_at: AT, upto: 17, called: 17, entered: 2 }]),
            entries_by_ten_s: VecDeque::from([0, 2]),
            newest_ten_s: AT.0 / 10_000,
        },
        agents: Agents::default(),
    }
}

fn booking(number: u32, state: BookingState) -> Booking {
    Booking {
        person: Booking::halves(PersonId(PERSON.0 + u128::from(number))),
        until: AT,
        slot: SlotId(number % 7),
        earlier: Booking::NONE,
        serial: Serial(number),
        channel: ChannelId::OWN_SITE,
        dose: 1,
        state,
    }
}

/// The same under rules 2, with what they brought.
pub fn data_of_rules_2(bookings: u32) -> Data {
    let mut data = data(bookings);
    data.rules = 2;
    data.lease = Some(Lease { node: 258, life: 70_000, until: Time(AT.0 + 6_000) });
    data.answers = u64::MAX / 3;
    let leased = [Outcome::Leased { until: AT }, Outcome::refused_with(Reason::LeaseHeld, 1 << 48)];
    for (number, outcome) in (0..).zip(leased) {
        data.recent.push(Recent { id: CommandId(1_000 + number), digest: 1, outcome });
    }
    let reason = Box::from("");
    data.events.push(Event { at: AT, kind: EventKind::RulesUpgraded, subject: 0, value: 2, reason });
    data
}

/// The same under rules 3, with what they brought.
pub fn data_of_rules_3(bookings: u32) -> Data {
    let mut data = data_of_rules_2(bookings);
    data.rules = 3;
    data.reminded = Reminded { due: Time(AT.0 - 5_000), below: BookingId(70_000) };
    let campaign = data.campaigns.get_mut(&CAMPAIGN).expect("there is one");
    campaign.config.reminder_ms = 86_400_000;
    data.effects.push(Effect { kind: EffectKind::Reminder, booking: BookingId(2), person: PERSON });
    data
}

/// The same under rules 4, with what they brought.
pub fn data_of_rules_4(bookings: u32) -> Data {
    let mut data = data_of_rules_3(bookings);
    data.rules = 4;
    data.bookings.push(booking(bookings, BookingState::NoShow));
    data.bookings.push(booking(bookings + 1, BookingState::Offered));
    data.effects.push(Effect { kind: EffectKind::Offer, booking: BookingId(bookings + 1), person: PERSON });
    data.standbys = standbys();
    let by_agent = Serial(AGENT_SERIAL_FIRST + 6);
    let room = data.rooms.get_mut(&ROOM).expect("there is one");
    room.agents = Agents::restore(150, 60_000_000_000, 7, BTreeMap::from([(by_agent, PERSON)]));
    room.inside.insert(by_agent, Inside { ends_at: AT, bookings: 1, confirmed: 0 });
    let reason = Box::from("까닭");
    data.events.push(Event { at: AT, kind: EventKind::AgentShareSet, subject: 3, value: 150, reason });
    let outcomes = [
        Outcome::MarkedNoShow { booking: BookingId(5) },
        Outcome::EnteredByAgent { serial: by_agent, ends_at: AT },
        Outcome::StandingBy { ends_at: AT },
        Outcome::Offered { offers: 2 },
    ];
    for (number, outcome) in (0..).zip(outcomes) {
        data.recent.push(Recent { id: CommandId(2_000 + number), digest: 1, outcome });
    }
    data
}

/// The same under rules 5, with what they brought.
pub fn data_of_rules_5(bookings: u32) -> Data {
    let mut data = data_of_rules_4(bookings);
    data.rules = 5;
    let proxied = |booking, ended| Proxied {
        proxy: Booking::halves(PersonId(!PERSON.0)),
        booking: BookingId(booking),
        ended,
    };
    data.proxies = [proxied(1, false), proxied(70_000, true)].into_iter().collect();
    data
}

fn standbys() -> Standbys {
    let key = |desk, minutes, number| StandbyKey { desk: DeskId(desk), minutes, number };
    let standby = |number| Standby {
        person: PersonId(PERSON.0 + number),
        birth: Date(-5_000),
        dose: 1,
        ends_at: Time(AT.0 + 3_600_000),
    };
    let offering = Offering { places: 3, open: 1, offer_ms: 600_000 };
    Standbys {
        made: 70_000,
        people: [
            (key(0, 5, 69_000), standby(7)),
            (key(0, 5, 69_999), standby(8)),
            (key(1, 1, 3), standby(7)),
        ]
        .into(),
        offerings: [(SlotId(0), offering), (SlotId(5), Offering { open: 0, ..offering })].into(),
    }
}

/// A state with something in every field of rules 1, and `bookings` bookings. It need not keep
/// core's invariants: bytes don't ask.
pub fn data(bookings: u32) -> Data {
    let supply = Supply { capacity: 6, held: 1, booked: 2, used: 1, withdrawn: 1 };
    let states = [
        BookingState::Held,
        BookingState::Booked,
        BookingState::Used,
        BookingState::Cancelled,
        BookingState::Lapsed,
    ];
    let effects =
        [EffectKind::BookingConfirmed, EffectKind::BookingCancelled, EffectKind::BookingRescheduled];
    let event = |kind| Event { at: AT, kind, subject: 3, value: 1 << 40, reason: "까닭".into() };
    let closed = Room { phase: Phase::Closed, draw: None, lobby: None, paused: None, ..room(0) };
    let lobby = Room { phase: Phase::Lobby, ..closed.clone() };
    Data {
        rules: 1,
        time: AT,
        rooms: BTreeMap::from([(ROOM, room(40)), (RoomId(4), closed), (RoomId(5), lobby)]),
        campaigns: BTreeMap::from([(
            CAMPAIGN,
            Campaign {
                config: campaign_config(),
                paused: Some("공급 지연".into()),
                closed: true,
                supply,
                by_vaccine: vec![supply],
                confirmed: 3,
                lapsed: 4,
            },
        )]),
        clinics: [Clinic { config: clinic_config() }].into_iter().collect(),
        desks: [Desk { campaign: CAMPAIGN, clinic: ClinicId(0), supply }].into_iter().collect(),
        slots: [Slot { desk: DeskId(0), starts_at: AT, vaccine: VaccineId(0), supply }].into_iter().collect(),
        bookings: (0..bookings).map(|n| booking(n, states[n as usize % states.len()])).collect(),
        contacts: [Contact { person: PERSON, sealed: Box::from([9_u8; 40]) }, Contact::default()]
            .into_iter()
            .collect(),
        recent: queue(
            1_000_000,
            outcomes().into_iter().zip(1..).map(|(outcome, n)| Recent {
                id: CommandId(n),
                digest: 5,
                outcome,
            }),
        ),
        effects: queue(1_023, effects.map(|kind| Effect { kind, booking: BookingId(1), person: PERSON })),
        events: queue(5, EVENT_KINDS.map(event)),
        lease: None,
        answers: 0,
        reminded: Reminded::default(),
        standbys: Standbys::default(),
        proxies: Chunked::default(),
    }
}
