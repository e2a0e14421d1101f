//! Runs a table of commands, one a line, and compares what each comes to:
//!
//! ```text
//! 09:00:00.020  hold S0 P2 -> refused slot_full
//! ```
//!
//! A line begins with a time, on day 0 unless a day is given as in `2/09:00`. After
//! every line the invariants are checked, and a refusal must have changed nothing. Words
//! of the form `key=value` may be left out; their defaults are at each command.
//! Day 0 is 2021-07-12 at a place whose clock is UTC.

use jari_core::booking::{BookingState, CampaignConfig, ClinicConfig, Rules, SlotSpec, Vaccine, Window};
use jari_core::command::Entry;
use jari_core::effect::EffectKind;
use jari_core::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, RoomId, Serial, SlotId,
    VaccineId,
};
use jari_core::time::Date;
use jari_core::waiting_room::{Pace, RoomConfig, draw};
use jari_core::{Body, Command, Data, Outcome, State, Time, invariants, step};

/// 2021-07-12T00:00:00Z.
const DAY_0_MS: u64 = 1_626_048_000_000;
const DAY_MS: u64 = 86_400_000;
const SEED: [u8; 32] = [7; 32];

/// Runs a table; panics with every line that came out differently.
pub fn check(table: &str) {
    check_from(State::new(), table);
}

/// Runs a table twice: the second time everything is started anew from what is kept before
/// each line, and must come to the same.
pub fn check_with_restarts(table: &str) {
    let kept = |state: State| State::restore(state.data().clone()).expect("what is kept is sound");
    let restarted = check_lines(State::new(), table, kept);
    assert!(check_from(State::new(), table).data() == restarted.data());
}

/// Runs a table on a state and gives the state it ends in.
pub fn check_from(state: State, table: &str) -> State {
    check_lines(state, table, |state| state)
}

fn check_lines(mut state: State, table: &str, before_each: impl Fn(State) -> State) -> State {
    let mut wrong = String::new();
    let mut id = 1_000_000 + u128::from(state.data().recent.end());
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (asked, expected) = line.split_once("->").unwrap_or_else(|| panic!("no outcome in: {line}"));
        id += 1;
        state = before_each(state);
        let answer = run(&mut state, asked, id);
        let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
        if answer != expected {
            wrong.push_str(&format!("\n{line}\n    came to: {answer}"));
        }
        if let Err(violation) = invariants::check(state.data()) {
            panic!("after {line}: {violation:?}{wrong}");
        }
        check_agenda(&state, line);
    }
    assert!(wrong.is_empty(), "{wrong}");
    state
}

/// Whoever is expected at a slot is found there, once, and nobody else is.
fn check_agenda(state: &State, line: &str) {
    for slot in (0..state.data().slots.end() as u32).map(SlotId) {
        let is_expected = |booking: &jari_core::booking::Booking| {
            use BookingState::*;
            booking.slot == slot && matches!(booking.state, Booked | Used | NoShow | Offered)
        };
        let all = (0..).map(BookingId).zip(state.data().bookings.iter());
        let expected: Vec<BookingId> =
            all.filter(|(_, booking)| is_expected(booking)).map(|(id, _)| id).collect();
        let mut found: Vec<BookingId> = state.bookings_at(slot).map(|(id, _)| id).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "after {line}, at {slot:?}");
    }
}

fn run(state: &mut State, asked: &str, next_id: u128) -> String {
    let words: Vec<&str> = asked.split_whitespace().collect();
    let at = instant(words[0]);
    let (id, words) = match words[1].strip_prefix('#') {
        Some(id) => (id.parse().expect("a command id"), &words[2..]),
        None => (next_id, &words[1..]),
    };
    match words[0] {
        "supply" => return supply(state.data(), words[1]),
        "effects" => return format!("{}", state.data().effects.len()),
        "told" => return told(state.data()),
        "others" => return others(state, words[1]),
        "by" => return by(state, words[1]),
        "reminded" => return reminded(state.data()),
        "offers" => return offers(state, words[1]),
        "event" => return event(state.data()),
        "mine" => return mine(state, words[1]),
        "pass" => return pass(state.data(), words[1]),
        _ => {}
    }
    let command = Command { id: CommandId(id), body: body(words) };
    state.advance(at);
    let before = without_recent(state.data());
    let outcome = step(state, &command, at);
    if outcome.refusal().is_some() {
        assert_eq!(before, without_recent(state.data()), "a refusal changed something: {asked}");
    }
    answer(outcome)
}

fn without_recent(data: &Data) -> Data {
    // What is remembered of the answer: by its id, and from rules 2 on in the number of all.
    Data { recent: Default::default(), answers: 0, ..data.clone() }
}

/// `[day/]HH:MM[:SS[.mmm]]`.
pub fn instant(word: &str) -> Time {
    let (day, clock) = word.split_once('/').unwrap_or(("0", word));
    let mut parts = clock.split([':', '.']).map(|part| part.parse::<u64>().expect("a number in a time"));
    let mut ms = 0;
    for unit_ms in [3_600_000, 60_000, 1_000, 1] {
        ms += parts.next().unwrap_or(0) * unit_ms;
    }
    Time(DAY_0_MS + day.parse::<u64>().expect("a day") * DAY_MS + ms)
}

fn show(time: Time) -> String {
    let ms = time.0 - DAY_0_MS;
    let (day, ms) = (ms / DAY_MS, ms % DAY_MS);
    let clock = format!("{:02}:{:02}:{:02}", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    let milli = if ms % 1_000 == 0 { String::new() } else { format!(".{:03}", ms % 1_000) };
    if day == 0 { format!("{clock}{milli}") } else { format!("{day}/{clock}{milli}") }
}

fn answer(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::Refused(refusal) => {
            let detail = match refusal.detail {
                0 => String::new(),
                detail if detail >= DAY_0_MS => format!(" {}", show(Time(detail))),
                detail => format!(" {detail}"),
            };
            format!("refused {}{detail}", refusal.reason.code())
        }
        Outcome::Joined { first, count } => format!("joined T{} {count}", first.0),
        Outcome::Entered { ends_at } => format!("entered until {}", show(ends_at)),
        Outcome::Held { booking, ends_at } => format!("held B{} until {}", booking.0, show(ends_at)),
        Outcome::Confirmed { booking } => format!("confirmed B{}", booking.0),
        Outcome::Cancelled { booking } => format!("cancelled B{}", booking.0),
        Outcome::Rescheduled { booking } => format!("rescheduled B{}", booking.0),
        Outcome::CheckedIn { booking } => format!("checked_in B{}", booking.0),
        Outcome::ClinicAdded { clinic } => format!("clinic C{}", clinic.0),
        Outcome::DeskAdded { desk } => format!("desk D{}", desk.0),
        Outcome::SlotsAdded { first, count } => format!("slots S{} {count}", first.0),
        Outcome::Leased { until } => format!("leased until {}", show(until)),
        Outcome::EnteredByAgent { serial, ends_at } => {
            format!("entered {} until {}", serial.0, show(ends_at))
        }
        Outcome::StandingBy { ends_at } => format!("standing_by until {}", show(ends_at)),
        Outcome::Offered { offers } => format!("offered {offers}"),
        Outcome::MarkedNoShow { booking } => format!("no_show B{}", booking.0),
    }
}

/// `free held booked used withdrawn` of a slot `S0`, desk `D0`, campaign `K1` or its
/// vaccine `K1/0`.
fn supply(data: &Data, word: &str) -> String {
    let number = |word: &str| word[1..].parse::<u64>().expect("a number");
    let supply = match (word.as_bytes()[0], word.split_once('/')) {
        (b'S', _) => data.slots.get(number(word)).expect("a slot").supply,
        (b'D', _) => data.desks.get(number(word)).expect("a desk").supply,
        (_, None) => data.campaigns[&CampaignId(number(word) as u32)].supply,
        (_, Some((campaign, vaccine))) => {
            let campaign = &data.campaigns[&CampaignId(number(campaign) as u32)];
            campaign.by_vaccine[vaccine.parse::<usize>().expect("a vaccine")]
        }
    };
    format!("{} {} {} {} {}", supply.free(), supply.held, supply.booked, supply.used, supply.withdrawn)
}

/// The reminders that wait to be sent, in their order, or `nobody`.
fn reminded(data: &Data) -> String {
    let reminders = data.effects.iter().filter(|effect| effect.kind == EffectKind::Reminder);
    let words: Vec<_> = reminders.map(|effect| format!("B{}", effect.booking.0)).collect();
    if words.is_empty() { "nobody".into() } else { words.join(" ") }
}

/// Who was told what last, as `kind booking person`, since the last `ack`.
fn told(data: &Data) -> String {
    let show = |effect: &jari_core::effect::Effect| {
        format!("{:?} B{} P{}", effect.kind, effect.booking.0, known(effect.person))
    };
    let words: Vec<_> = data.effects.iter().map(show).collect();
    if words.is_empty() { "nobody".into() } else { words.join(", ") }
}

/// What somebody made for others and may still reach, newest first.
fn others(state: &State, word: &str) -> String {
    let show = |(id, booking): (BookingId, &jari_core::booking::Booking)| {
        format!("B{} P{} {:?}", id.0, known(booking.person()), booking.state)
    };
    let words: Vec<_> = state.bookings_for_others(PersonId(person(word))).map(show).collect();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

/// Who made a booking for its person, and whether their reach has ended.
fn by(state: &State, word: &str) -> String {
    match state.proxy_of(BookingId(number(word))) {
        None => "nobody".into(),
        Some(proxied) => {
            format!("P{}{}", known(proxied.proxy()), if proxied.ended { " ended" } else { "" })
        }
    }
}

/// The number of somebody in these tables.
fn known(id: PersonId) -> u32 {
    (0..1_000).find(|number| person(&format!("P{number}")) == id.0).expect("one of us")
}

/// The open offers of a slot, each with its person's number, and how many are still to be made.
fn offers(state: &State, word: &str) -> String {
    let slot = SlotId(number(word));
    let bookings = (0..).zip(state.data().bookings.iter());
    let open = bookings.filter(|(_, booking)| booking.slot == slot && booking.state == BookingState::Offered);
    let words: Vec<_> =
        open.map(|(id, booking): (u32, _)| format!("B{id} P{}", known(booking.person()))).collect();
    let wanted = state.data().standbys.offerings.get(&slot).map_or(0, |offering| offering.places);
    assert!(wanted as usize >= words.len(), "more is offered than is to be");
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

/// The newest public event.
fn event(data: &Data) -> String {
    let event = data.events.back().expect("an event");
    format!("{:?} {} {} {}", event.kind, event.subject, event.value, event.reason).trim_end().into()
}

/// A person's holds and bookings, newest first.
fn mine(state: &State, word: &str) -> String {
    let show = |(id, booking): (BookingId, &jari_core::booking::Booking)| {
        format!("B{} S{} {:?}", id.0, booking.slot.0, booking.state)
    };
    state.bookings_of(PersonId(person(word))).map(show).collect::<Vec<_>>().join(", ")
}

/// What a pass `R1/0` serves.
fn pass(data: &Data, word: &str) -> String {
    let entry = entry(word);
    match data.rooms[&entry.room].inside.get(&entry.serial) {
        Some(inside) => format!("serves {}", inside.bookings),
        None => "none".into(),
    }
}

fn number<T: core::str::FromStr>(word: &str) -> T {
    let digits = word.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    digits.parse().unwrap_or_else(|_| panic!("no number: {word}"))
}

/// People are spread as keyed hashes are.
fn person(word: &str) -> u128 {
    number::<u128>(word).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

fn entry(word: &str) -> Entry {
    let (room, serial) = word.split_once('/').expect("room/serial");
    Entry { room: RoomId(number(room)), serial: Serial(number(serial)) }
}

/// The value of `key=value` among the words, or the default.
fn value<'a>(words: &[&'a str], key: &str, default: &'a str) -> &'a str {
    let found = words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    found.unwrap_or(default)
}

fn date(word: &str) -> Date {
    let parts: Vec<i32> = word.split('-').map(|part| part.parse().expect("a date")).collect();
    Date::from_civil(parts[0], parts[1] as u32, parts[2] as u32).expect("a day that exists")
}

/// `reason=long` is a text beyond the limit, `reason=` an empty one.
fn text(word: &str) -> Box<str> {
    if word == "long" { "x".repeat(401).into() } else { word.into() }
}

fn body(words: &[&str]) -> Body {
    let reason = || text(value(words, "reason", "because"));
    let campaign = || CampaignId(number(words[1]));
    match words[0] {
        "campaign" => Body::CreateCampaign { campaign: campaign(), config: Box::new(campaign_config(words)) },
        "rules" => Body::SetRules { campaign: campaign(), rules: rules(words), reason: reason() },
        "windows" => {
            let windows = windows(value(words, "windows", ""));
            Body::SetWindows { campaign: campaign(), windows, reason: reason() }
        }
        "quota" => {
            let vaccine =
                words.get(3).filter(|word| word.starts_with('V')).map(|word| VaccineId(number(word)));
            Body::SetQuota { campaign: campaign(), vaccine, quota: number(words[2]), reason: reason() }
        }
        "pause" => Body::PauseCampaign { campaign: campaign(), reason: reason() },
        "resume" => Body::ResumeCampaign { campaign: campaign() },
        "close" => Body::CloseCampaign { campaign: campaign(), reason: reason() },
        "clinic" => Body::AddClinic { config: Box::new(clinic_config(words)) },
        "desk" => Body::AddDesk { campaign: campaign(), clinic: ClinicId(number(words[2])) },
        "slots" => {
            let slots = words[2..].iter().map(|word| slot_spec(word)).collect();
            Body::AddSlots { desk: DeskId(number(words[1])), slots }
        }
        "capacity" => {
            Body::SetCapacity { slot: SlotId(number(words[1])), capacity: number(words[2]), reason: reason() }
        }
        "withdraw" => Body::SetWithdrawn {
            slot: SlotId(number(words[1])),
            withdrawn: number(words[2]),
            reason: reason(),
        },
        "upgrade" => Body::Upgrade { rules: number(words[1]) },
        "tick" => Body::AckEffects { upto: 0 },
        "ack" => Body::AckEffects { upto: number(words[1]) },
        _ => body_of_people(words),
    }
}

fn body_of_people(words: &[&str]) -> Body {
    let whose = |word: &str| PersonId(person(word));
    match words[0] {
        "hold" => Body::Hold {
            slot: SlotId(number(words[1])),
            person: whose(words[2]),
            birth: date(value(words, "born", "1965-03-17")),
            dose: number(value(words, "dose", "1")),
            entry: words.iter().find_map(|word| word.strip_prefix("pass=")).map(entry),
            channel: ChannelId::OWN_SITE,
        },
        "hold_for" => Body::HoldFor {
            slot: SlotId(number(words[1])),
            person: whose(words[2]),
            birth: date(value(words, "born", "1965-03-17")),
            dose: number(value(words, "dose", "1")),
            entry: words.iter().find_map(|word| word.strip_prefix("pass=")).map(entry),
            channel: ChannelId::OWN_SITE,
            proxy: whose(value(words, "by", "P9")),
        },
        "end_proxy" => Body::EndProxy { booking: BookingId(number(words[1])), person: whose(words[2]) },
        "confirm" => Body::Confirm { booking: BookingId(number(words[1])), person: whose(words[2]) },
        "cancel" => Body::Cancel { booking: BookingId(number(words[1])), person: whose(words[2]) },
        "move" => {
            let (booking, slot) = (BookingId(number(words[1])), SlotId(number(words[3])));
            Body::Reschedule { booking, person: whose(words[2]), slot }
        }
        "checkin" => Body::CheckIn { booking: BookingId(number(words[1])) },
        "standby" => Body::Standby {
            desk: DeskId(number(words[1])),
            person: whose(words[2]),
            birth: date(value(words, "born", "1965-03-17")),
            dose: number(value(words, "dose", "1")),
            minutes: number(value(words, "min", "10")),
        },
        "standdown" => Body::StandDown { desk: DeskId(number(words[1])), person: whose(words[2]) },
        "offer" => Body::OfferLeftover {
            slot: SlotId(number(words[1])),
            places: number(words[2]),
            offer_ms: number::<u32>(value(words, "for_min", "10")) * 60_000,
        },
        "noshow" => Body::MarkNoShow { booking: BookingId(number(words[1])) },
        "walkin" => Body::WalkIn {
            slot: SlotId(number(words[1])),
            person: whose(words[2]),
            birth: date(value(words, "born", "1965-03-17")),
            dose: number(value(words, "dose", "1")),
            channel: ChannelId::CLINIC,
        },
        "keep" => {
            let sealed = vec![7; number(value(words, "bytes", "10"))].into();
            Body::KeepContact { person: whose(words[1]), sealed }
        }
        "drop" => Body::DropContact { person: whose(words[1]) },
        "room" => Body::CreateRoom { room: RoomId(number(words[1])), config: Box::new(room_config(words)) },
        "draw" => Body::DrawRoom { room: RoomId(number(words[1])), seed: SEED, beacon: [0; 32] },
        "join" => Body::Join { room: RoomId(number(words[1])), count: number(words[2]) },
        "join_as" => Body::JoinAs { room: RoomId(number(words[1])), person: whose(words[2]) },
        "enter" => Body::Enter { room: entry(words[1]).room, serial: entry(words[1]).serial },
        "phone" => Body::EnterByAgent { room: RoomId(number(words[1])), person: whose(words[2]) },
        "agent_share" => Body::SetAgentShare {
            room: RoomId(number(words[1])),
            permille: number(words[2]),
            reason: "because".into(),
        },
        "leave" => Body::Leave { room: entry(words[1]).room, serial: entry(words[1]).serial },
        other => panic!("no such command: {other}"),
    }
}

fn campaign_config(words: &[&str]) -> CampaignConfig {
    let vaccines = value(words, "vaccines", "1000").split(',').filter(|quota| !quota.is_empty());
    let vaccine = |quota: &str| Vaccine { name: text(value(words, "vaccine", "mRNA")), quota: number(quota) };
    CampaignConfig {
        name: text(value(words, "name", "Summer")),
        room: words.iter().find_map(|word| word.strip_prefix("room=")).map(|room| RoomId(number(room))),
        quota: number(value(words, "quota", "1000")),
        vaccines: vaccines.map(vaccine).collect(),
        rules: rules(words),
        windows: windows(value(words, "windows", "08:00~20:00")),
        hold_ms: number::<u32>(value(words, "hold_s", "300")) * 1_000,
        utc_offset_min: number(value(words, "offset_min", "0")),
        reminder_ms: number::<u32>(value(words, "reminder_min", "0")) * 60_000,
    }
}

fn rules(words: &[&str]) -> Rules {
    Rules {
        version: number(value(words, "version", "1")),
        born_from: date(value(words, "from", "1960-01-01")),
        born_until: date(value(words, "until", "1970-12-31")),
        doses: number(value(words, "doses", "1")),
        dose_interval_days: number(value(words, "interval", "21")),
    }
}

/// `opens~closes[@digits[@share %]]`, separated by commas.
fn windows(word: &str) -> Vec<Window> {
    let window = |word: &str| {
        let mut parts = word.split('@');
        let (opens, closes) = parts.next().and_then(|span| span.split_once('~')).expect("opens~closes");
        let digits = parts.next().unwrap_or("0123456789");
        let share: u32 = number(parts.next().unwrap_or("100"));
        Window {
            opens_at: instant(opens),
            closes_at: instant(closes),
            digits: digits.bytes().filter(u8::is_ascii_digit).map(|digit| 1_u16 << (digit - b'0')).sum(),
            share_ppm: share * 10_000,
        }
    };
    word.split(',').filter(|word| !word.is_empty()).map(window).collect()
}

fn clinic_config(words: &[&str]) -> ClinicConfig {
    ClinicConfig {
        name: text(value(words, "name", "Clinic")),
        address: text(value(words, "address", "Road")),
        region: text(value(words, "region", "North")),
        district: text(value(words, "district", "East")),
        postcode: text(value(words, "postcode", "01234")),
        telephone: text(value(words, "telephone", "")),
        latitude_e6: value(words, "latitude", "37500000").parse().expect("a latitude"),
        longitude_e6: value(words, "longitude", "127000000").parse().expect("a longitude"),
    }
}

/// `time[xcapacity[xvaccine]]`.
fn slot_spec(word: &str) -> SlotSpec {
    let mut parts = word.split('x');
    let starts_at = instant(parts.next().expect("a time"));
    let capacity = number(parts.next().unwrap_or("1"));
    SlotSpec { starts_at, capacity, vaccine: VaccineId(number(parts.next().unwrap_or("0"))) }
}

fn room_config(words: &[&str]) -> RoomConfig {
    let pace = Pace {
        entries_per_minute_max: 6_000,
        passes_max: 1_000,
        pass_ttl_ms: number::<u32>(value(words, "ttl_s", "600")) * 1_000,
        latency_goal_ms: 0,
        error_goal_ppm: 0,
    };
    RoomConfig {
        name: "Room".into(),
        opens_at: instant(value(words, "opens", "08:00")),
        commitment: draw::commitment(&SEED),
        campaign: None,
        identity_bound: value(words, "bound", "no") == "yes",
        fails_open: false,
        awaits_beacon: false,
        bookings_per_pass: number(value(words, "per_pass", "1")),
        pace,
    }
}
