//! What an evening means: each promise against what was acknowledged and measured.
//!
//! Must never pass what was not checked: a verdict over nothing fails. Start at [`judge`].

use super::{
    auditor::{Booked, Faults, Record},
    crowd::{End, tally::Kind},
    evening::Evening,
    fairness::Order,
    overload::TIMES,
    plan::Plan,
    shuffle::{from_hex, sha256, to_hex},
};
use crate::report::{Promise, Verdict, number::number};

/// Memory that waiting itself may take, bytes a person more in line: a ticket is two bits and, in a
/// room bound to identities, a hash; the rest is connections and buffers.
const WAITING_BYTES_MAX: f64 = 1_024.0;
/// A wait of 3 h 36 min, as on that evening.
const LONG_WAIT_S: f64 = 12_960.0;
const LONG_WAIT_REQUESTS_MAX: f64 = 60.0;
const LONG_WAIT_BYTES_MAX: f64 = 20_000.0;

/// All verdicts of an evening, in the order of the promises.
pub fn judge(plan: &Plan, evening: &Evening, order: &Order) -> Vec<Verdict> {
    let mut verdicts = vec![nothing_lost(evening), counts_agree(evening)];
    if let Some(kill) = &evening.kill {
        let found = &kill.found;
        let measured = format!(
            "{} of {} answers; {}",
            found.lost.count,
            found.tickets + found.bookings,
            faults(&found.lost)
        );
        let pass = found.lost.count == 0 && found.tickets > 0 && found.unanswered == 0;
        verdicts.push(Verdict::new(
            "Nothing lost by kill -9",
            Promise::P1,
            "0 lost, read back at once",
            measured,
            pass,
        ));
        let away_s = kill.away.as_secs_f64();
        let measured = format!("{away_s:.2} s");
        verdicts.push(Verdict::new("Back after kill -9", Promise::P1, "within 5 s", measured, away_s <= 5.0));
    }
    verdicts.extend([given_once(evening), supply_adds_up(evening), draw_is_right(evening, order)]);
    verdicts.extend([drawn_order(order), later_order(order), entered_in_order(order), pushing(evening)]);
    verdicts.extend([waiting_memory(evening), waiting_requests(evening), waiting_bytes(evening)]);
    verdicts.extend(overload(plan, evening));
    verdicts.extend([
        reasons_public(plan, evening),
        told_in_time(evening),
        rubbish(evening),
        nobody_stuck(evening),
    ]);
    verdicts
}

fn faults(faults: &Faults) -> String {
    match faults.shown.first() {
        Some(first) if faults.count > 1 => format!("{} faults, the first: {first}", faults.count),
        Some(first) => first.clone(),
        None => "no fault".into(),
    }
}

fn nothing_lost(evening: &Evening) -> Verdict {
    let found = &evening.found;
    let taken_back = evening.ledger.lock().taken_back.clone();
    let mut lost = found.lost.clone();
    lost.take(taken_back);
    let checked = found.tickets + found.bookings;
    let measured = format!(
        "{} lost of {checked} read back ({} without an answer); {}",
        lost.count,
        found.unanswered,
        faults(&lost)
    );
    let pass = lost.count == 0 && checked > 0 && found.unanswered == 0;
    Verdict::new("Everything acknowledged is there", Promise::P1, "0 lost of all people", measured, pass)
}

fn counts_agree(evening: &Evening) -> Verdict {
    let (booked, unanswered) = evening.ledger.lock().booked_count();
    let told = u64::from(evening.campaign.supply.booked);
    let pass = booked > 0 && booked <= told && told <= booked + unanswered;
    let measured = format!("{told} counted, {booked} acknowledged, {unanswered} never answered");
    let goal = "acknowledged <= counted <= acknowledged and never answered";
    Verdict::new("The service counts the bookings people have", Promise::P1, goal, measured, pass)
}

fn given_once(evening: &Evening) -> Verdict {
    let ledger = evening.ledger.lock();
    let mut twice = ledger.given_twice.clone();
    drop(ledger);
    twice.take(evening.found.twice.clone());
    if let Some(kill) = &evening.kill {
        twice.take(kill.found.twice.clone());
    }
    let measured = format!("{} twice; {}", twice.count, faults(&twice));
    let pass = twice.count == 0 && evening.found.bookings > 0;
    let goal = "no ticket, pass or place twice; no slot beyond its places";
    Verdict::new("Nothing given twice", Promise::P2, goal, measured, pass)
}

fn supply_adds_up(evening: &Evening) -> Verdict {
    let supplies: Vec<_> = evening.samples.iter().filter_map(|sample| sample.supply).collect();
    let wrong = supplies.iter().filter(|supply| !supply.adds_up()).count();
    let measured = format!("{wrong} wrong of {} readings", supplies.len());
    let goal = "capacity = free + held + booked + used + withdrawn, every second";
    Verdict::new("The published places add up", Promise::P2, goal, measured, wrong == 0 && supplies.len() > 5)
}

fn draw_is_right(evening: &Evening, order: &Order) -> Verdict {
    let committed = evening.crowd.draw.as_ref().and_then(|draw| {
        let seed = from_hex(&draw.seed)?;
        let beacon = from_hex(&draw.beacon)?;
        let mixed = sha256(&[seed, beacon].concat());
        Some(to_hex(&sha256(&seed)) == evening.rooms.0.commitment && to_hex(&mixed) == draw.mixed)
    });
    let (compared, wrong) = (evening.crowd.compared.0, &evening.crowd.compared.1);
    let measured = format!(
        "seed {}; {} places recomputed, all different: {}; {compared} compared with the service's, {} differed{}",
        if committed == Some(true) { "matches the commitment" } else { "does not match" },
        order.lobby.len(),
        order.is_permutation,
        wrong.count,
        wrong.shown.first().map(|fault| format!(": {fault}")).unwrap_or_default(),
    );
    let pass = committed == Some(true)
        && order.is_permutation
        && !order.lobby.is_empty()
        && compared > 0
        && wrong.count == 0;
    let goal = "committed seed; every place recomputed from it";
    Verdict::new("The draw can be recomputed", Promise::P3, goal, measured, pass)
}

fn drawn_order(order: &Order) -> Verdict {
    let tau = order.lobby_tau;
    // Under a fair draw tau has a standard deviation of about 2/3 over the root of n.
    let bound = (4.0 * 2.0 / 3.0 / (order.lobby.len().max(1) as f64).sqrt()).max(0.02);
    let pass = tau.is_some_and(|tau| tau.abs() <= bound);
    let measured = format!("tau {} over {} people", shown(tau), order.lobby.len());
    let goal = format!("Kendall tau of arrival and place within {bound:.3} of 0");
    Verdict::new("Coming early in the lobby buys nothing", Promise::P3, &goal, measured, pass)
}

fn later_order(order: &Order) -> Verdict {
    let pass = order.later_tau.is_some_and(|tau| tau >= 0.97);
    let measured = format!("tau {} over {} people", shown(order.later_tau), order.later);
    Verdict::new(
        "Later people are served as they came",
        Promise::P3,
        "Kendall tau of joining and place >= 0.97",
        measured,
        pass,
    )
}

fn entered_in_order(order: &Order) -> Verdict {
    let pass = order.entry_tau.is_some_and(|tau| tau >= 0.85);
    let measured = format!("tau {} over {} people", shown(order.entry_tau), order.entered);
    let goal =
        "Kendall tau of place and entering >= 0.85 (people look every half second or so, and some go away)";
    Verdict::new("People enter in the order of their places", Promise::P3, goal, measured, pass)
}

fn shown(tau: Option<f64>) -> String {
    tau.map_or("none".into(), |tau| format!("{tau:.4}"))
}

fn pushing(evening: &Evening) -> Verdict {
    let pushes = &evening.crowd.pushes;
    let refused = ["not_called", "room_not_open", "room_paused", "busy"];
    let right: u32 = refused.iter().filter_map(|code| pushes.get(*code)).sum();
    let passed = pushes.get("ok").copied().unwrap_or(0);
    let others: Vec<String> = pushes
        .iter()
        .filter(|(code, _)| *code != "ok" && !refused.contains(&code.as_str()))
        .map(|(code, count)| format!("{count} {code}"))
        .collect();
    // Whoever joins when nobody is ahead is called at once, and is no pusher.
    let measured =
        format!("{right} refused, {passed} were called already{}{}", sep(&others), others.join(", "));
    let pass = right > 0 && others.is_empty() && passed <= right / 5 + 3;
    Verdict::new("Pushing buys nothing", Promise::P3, "refused until called", measured, pass)
}

fn sep(words: &[String]) -> &'static str {
    if words.is_empty() { "" } else { "; " }
}

fn waiting_memory(evening: &Evening) -> Verdict {
    let seconds = &evening.crowd.tally.seconds;
    let waiting_at = |at: tokio::time::Instant| {
        let s = at.saturating_duration_since(evening.crowd.came_together).as_secs();
        seconds.iter().rfind(|second| second.at_s <= s).map_or(0, |second| second.counts.waiting)
    };
    let before_kill = |at: tokio::time::Instant| evening.kill.as_ref().is_none_or(|kill| at < kill.at);
    let points: Vec<(u32, u64)> = evening
        .samples
        .iter()
        .filter(|sample| sample.at <= evening.crowd.opens_at && before_kill(sample.at))
        .filter_map(|sample| Some((waiting_at(sample.at), sample.service?.resident_bytes)))
        .collect();
    let name = "Memory for those who wait";
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Verdict::new(
            name,
            Promise::P4,
            "a service of ours",
            "not measured: not our process".into(),
            false,
        );
    };
    let people = f64::from(last.0.saturating_sub(first.0));
    let bytes = last.1.saturating_sub(first.1) as f64;
    // The first connections and buffers cost the same for ten people as for ten thousand.
    let each = (bytes - 8e6).max(0.0) / people.max(1.0);
    let goal = "at most 1,024 bytes a person more in line, beyond 8 MB for connections";
    let measured = format!(
        "{} bytes each: {} MB for {people} people",
        number(each.round()),
        number((bytes / 1e5).round() / 10.0)
    );
    Verdict::new(name, Promise::P4, goal, measured, people > 0.0 && each <= WAITING_BYTES_MAX)
}

/// Requests and bytes of those who waited, by person.
fn waited(evening: &Evening) -> (f64, f64, f64) {
    let waited = evening.crowd.people.iter().filter(|person| person.has_ticket());
    let (people, requests, bytes) = waited.fold((0.0, 0.0, 0.0), |(people, requests, bytes), person| {
        (people + 1.0, requests + f64::from(person.waiting_requests), bytes + f64::from(person.waiting_bytes))
    });
    (people, requests, bytes)
}

/// Requests of a wait of 3 h 36 min by the policy: a third of what is left each time, from ten
/// minutes down to two seconds, the mean of its jitter being one; and joining and the draw.
fn long_wait_requests() -> f64 {
    let (mut left_s, mut requests) = (LONG_WAIT_S, 2.0);
    while left_s > 0.0 && requests < 10_000.0 {
        left_s -= (left_s / 3.0).clamp(2.0, 600.0);
        requests += 1.0;
    }
    requests
}

fn waiting_requests(evening: &Evening) -> Verdict {
    let (people, requests, _) = waited(evening);
    let most = evening.crowd.people.iter().map(|person| person.waiting_requests).max().unwrap_or(0);
    let long = long_wait_requests();
    let each = requests / people.max(1.0);
    let measured = format!(
        "{each:.1} a person here, {most} at the most; {long:.0} for a wait of 3 h 36 min by the same policy"
    );
    let pass = people > 0.0 && long <= LONG_WAIT_REQUESTS_MAX && each <= LONG_WAIT_REQUESTS_MAX;
    Verdict::new("Requests of a wait", Promise::P4, "at most 60", measured, pass)
}

fn waiting_bytes(evening: &Evening) -> Verdict {
    let (people, requests, bytes) = waited(evening);
    let each = bytes / requests.max(1.0);
    let long = each * long_wait_requests();
    let measured = format!(
        "{} bytes a request here, both ways with headers; {} for a wait of 3 h 36 min",
        number(each.round()),
        number(long.round())
    );
    let pass = people > 0.0 && long <= LONG_WAIT_BYTES_MAX;
    Verdict::new("Bytes of a wait", Promise::P8, "at most 20,000 for 3 h 36 min", measured, pass)
}

fn overload(plan: &Plan, evening: &Evening) -> Vec<Verdict> {
    let Some(overload) = &evening.overload else {
        let measured = "nobody was left to make a load".to_string();
        return vec![Verdict::new("Goodput under overload", Promise::P5, "measured", measured, false)];
    };
    let (ratio, offered) = (overload.ratio(), overload.offered_times());
    let (full_ms, over_ms) = overload.p99_ms();
    let (times, least, most) = overload.p99_times();
    let goodput = format!(
        "{ratio:.2}: {} of {} bookings a second",
        number(overload.over.booked_per_s().round()),
        number(overload.best().1.booked_per_s().round()),
    );
    let late_ms = overload.over.lag.value_at_quantile(0.99) as f64 / 1000.0;
    let carried = vec![
        Verdict::new(
            "Goodput under overload",
            Promise::P5,
            "at least 0.95 of its best",
            goodput,
            ratio >= 0.95,
        ),
        Verdict::new(
            "p99 of what is served under overload",
            Promise::P5,
            "at most 2 x that at its fullest, in the median round",
            format!(
                "{times:.1} x ({least:.1}-{most:.1}): {over_ms:.1} ms against {full_ms:.1} ms with {} people \
                 at any time (the generator was up to {late_ms:.1} ms late)",
                overload.fullest()
            ),
            times <= 2.0,
        ),
    ];
    let was_one = Verdict::new(
        "The overload was one",
        Promise::P5,
        &format!("{TIMES:.0} x its best comes, within a twentieth, and some are kept out"),
        format!(
            "{offered:.1} x came, each over a connection of their own: {} were not let in, {} were told to come back",
            number(overload.over.kept_out as f64),
            number(overload.over.refused.len() as f64)
        ),
        offered >= 0.95 * TIMES && overload.turned_away() > 0,
    );
    // A tiny run has a thousand people and three seconds: what it carries stands among the
    // figures, and proves nothing either way.
    if plan.judges_overload { carried.into_iter().chain([was_one]).collect() } else { vec![was_one] }
}

fn reasons_public(plan: &Plan, evening: &Evening) -> Verdict {
    let mut wanted = vec!["room_paused"];
    wanted.extend(plan.raise.map(|_| "quota_set"));
    let with_reason =
        |kind: &&str| evening.events.iter().any(|event| event.kind == **kind && !event.reason.is_empty());
    let missing: Vec<&str> = wanted.iter().filter(|kind| !with_reason(kind)).copied().collect();
    let measured = match missing.is_empty() {
        true => format!("{} events public, all changes with their reasons", evening.events.len()),
        false => format!("no reason for {}", missing.join(", ")),
    };
    Verdict::new(
        "Changes are public, with reasons",
        Promise::P6,
        "every pause and change of supply",
        measured,
        missing.is_empty(),
    )
}

fn told_in_time(evening: &Evening) -> Verdict {
    let ledger = evening.ledger.lock();
    let in_vain = |(person, record): &(&super::crowd::person::Person, &Record)| {
        person.has_ticket() && !person.has_entered() && record.booked == Booked::Nothing
    };
    let all: Vec<_> = evening.crowd.people.iter().zip(&ledger.people).filter(in_vain).collect();
    let unsupplied = evening.crowd.ends.get(&End::SoldOut).copied().unwrap_or(0)
        + evening.crowd.ends.get(&End::Told).copied().unwrap_or(0);
    let warned = all.iter().filter(|(person, _)| person.warned).count();
    let told = all.iter().filter(|(person, _)| person.told).count();
    let name = "Told before waiting in vain";
    let goal = "95 % warned while places were left, half told outright";
    if unsupplied == 0 {
        return Verdict::new(name, Promise::P6, goal, "the supply reached everyone who stayed".into(), true);
    }
    let left = evening.crowd.ends.get(&End::GaveUp).copied().unwrap_or(0) as usize;
    let of = all.len().saturating_sub(left).max(1) as f64;
    let (warned, told) = ((warned as f64 / of).min(1.0), (told as f64 / of).min(1.0));
    let measured = format!(
        "{:.1} % warned that it may not reach them, {:.1} % told that it will not, of {of}",
        warned * 100.0,
        told * 100.0
    );
    Verdict::new(name, Promise::P6, goal, measured, warned >= 0.95 && told >= 0.5)
}

fn rubbish(evening: &Evening) -> Verdict {
    let wrong: Vec<String> = evening
        .probes
        .iter()
        .filter(|probe| !probe.is_refused())
        .map(|probe| format!("{}: {} instead of {}", probe.what, probe.got, probe.expected.join(" or ")))
        .collect();
    let measured = match wrong.is_empty() {
        true => format!("{} kinds refused with the right code", evening.probes.len()),
        false => wrong.join("; "),
    };
    let pass = wrong.is_empty() && evening.probes.len() >= 12;
    Verdict::new(
        "Forged, foreign and early requests are refused",
        Promise::P2,
        "each with its own code",
        measured,
        pass,
    )
}

fn nobody_stuck(evening: &Evening) -> Verdict {
    let stuck = evening.crowd.ends.get(&End::Stuck).copied().unwrap_or(0);
    let through: u32 = evening.crowd.ends.values().sum();
    let all = evening.crowd.people.len();
    let still = all - through as usize;
    let unread: u64 = Kind::ALL
        .iter()
        .filter_map(|kind| evening.crowd.tally.answers.get(&(*kind, "not_understood".into())))
        .sum();
    let measured =
        format!("{stuck} stuck, {still} still there at the end, {unread} answers not understood, of {all}");
    let pass = stuck == 0 && unread == 0 && still == 0;
    Verdict::new(
        "Everyone got through, one way or another",
        Promise::P5,
        "0 stuck, 0 left over",
        measured,
        pass,
    )
}
