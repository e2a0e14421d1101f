//! What came of the faults: each promise against what was acknowledged and seen.
//!
//! Must never pass what was not checked: a verdict over nothing fails, and so does a fault that did
//! not show. Start at [`judge`].

use std::{collections::BTreeMap, time::Duration};

use super::{
    agree::Agreement,
    drive::Outcome,
    faults::Fault,
    inject::Injection,
    net::{EACH, Machine},
    probes::Refused,
};
use crate::{
    crash::audit::Found,
    report::{Promise, Verdict},
};

/// Every node takes writes again within this after a fault's end.
pub const BACK_MAX: Duration = Duration::from_secs(10);
/// The same where every server was started anew: they wait four to nine seconds before they elect a
/// leader, and a vote may be split. That is theirs, and cannot be set.
pub const BACK_COLD_MAX: Duration = Duration::from_secs(20);
/// A node that cannot write says so within this.
const SAYS_MAX: Duration = Duration::from_secs(5);
/// Enough people to speak of an order.
const ORDER_PEOPLE_MIN: u64 = 50;
/// Numbers follow arrivals so closely where nothing is at fault.
const TAU_MIN: f64 = 0.9;

/// All verdicts, in the order of the promises.
pub fn judge(faults: &[Fault], outcome: &Outcome) -> Vec<Verdict> {
    let found = all_found(outcome);
    let mut verdicts = vec![lost(outcome, &found), repeats(&found), settled(outcome)];
    verdicts.push(journals(&outcome.agreement));
    verdicts.extend([twice(outcome, &found), sums(outcome, &found), agreement(outcome), order(outcome)]);
    verdicts.push(back(outcome));
    let refused: Vec<&Refused> = outcome.injections.iter().flat_map(|one| &one.refused).collect();
    if !refused.is_empty() {
        verdicts.push(says_so(&refused));
    }
    if faults.contains(&Fault::NodeTerm) {
        verdicts.push(asked_to_end(&outcome.injections));
    }
    verdicts.push(stays_up(outcome));
    verdicts.push(bites(faults, outcome));
    verdicts
}

/// Every audit there was.
fn all_found(outcome: &Outcome) -> Found {
    let mut found = outcome.found.clone();
    for other in outcome.last.iter().chain(&outcome.after_restart) {
        found.take(other.clone());
    }
    found
}

/// Whether everyone was read back at every node at the end, and everybody heard.
fn heard(outcome: &Outcome, found: &Found) -> bool {
    let everywhere = |audits: &[Found]| audits.len() == EACH && audits.iter().all(|one| one.bookings > 0);
    found.unanswered == 0
        && outcome.stayed_down.is_none()
        && everywhere(&outcome.last)
        && everywhere(&outcome.after_restart)
}

fn lost(outcome: &Outcome, found: &Found) -> Verdict {
    let checked = found.tickets + found.bookings + found.contacts + found.changes;
    Verdict::new(
        "Everything acknowledged is there",
        Promise::P1,
        "0 lost, read back after every fault, and at every node at the end",
        format!(
            "{} lost of {checked} read back, {} without an answer; {}",
            found.lost.count,
            found.unanswered,
            found.lost.first()
        ),
        found.lost.count == 0 && checked > 0 && heard(outcome, found),
    )
}

fn repeats(found: &Found) -> Verdict {
    Verdict::new(
        "The same key gives the same answer, at any node",
        Promise::P1,
        "0 differ, asked again after every fault",
        format!("{} differ of {} asked again; {}", found.differs.count, found.repeats, found.differs.first()),
        found.differs.count == 0 && found.repeats > 0,
    )
}

fn settled(outcome: &Outcome) -> Verdict {
    let answered = outcome.counted.answered;
    Verdict::new(
        "Every question got one answer in the end",
        Promise::P1,
        "0 left open; some had to be asked again",
        format!(
            "{} left open of {answered}, {} answered when asked again",
            outcome.left_open, outcome.counted.asked_again
        ),
        outcome.left_open == 0 && outcome.counted.asked_again > 0 && !outcome.last.is_empty(),
    )
}

fn journals(agreement: &Agreement) -> Verdict {
    let short = |hash: &Option<String>| {
        hash.as_deref().map_or("none", |hash| &hash[..hash.len().min(12)]).to_string()
    };
    let measured = match agreement.verify_faults.first() {
        Some(fault) => format!("{} do not verify, the first: {fault}", agreement.verify_faults.len()),
        None => format!(
            "{} verifications; up to position {}: chain {}, state {}",
            agreement.verified,
            agreement.position.map_or("none".to_string(), |position| position.to_string()),
            short(&agreement.chain),
            short(&agreement.state)
        ),
    };
    Verdict::new(
        "The nodes' journals are one history",
        Promise::P1,
        "each verifies; chain and state hash are the same where the shortest ends",
        measured,
        agreement.verify_faults.is_empty()
            && agreement.verified == 2 * EACH
            && agreement.position.is_some_and(|position| position > 0)
            && agreement.chain.is_some()
            && agreement.state.is_some(),
    )
}

fn twice(outcome: &Outcome, found: &Found) -> Verdict {
    let checked = found.tickets + found.bookings + found.changes;
    Verdict::new(
        "Nothing given twice, by whichever nodes",
        Promise::P2,
        "no number, place or change twice; nobody has two bookings",
        format!("{} twice of {checked} read back; {}", found.twice.count, found.twice.first()),
        found.twice.count == 0 && checked > 0 && heard(outcome, found),
    )
}

fn sums(outcome: &Outcome, found: &Found) -> Verdict {
    let at_the_end: u64 = outcome.last.iter().map(|one| one.slots).sum();
    Verdict::new(
        "Places add up, and to what people were told",
        Promise::P2,
        "every slot after every fault; exactly, at every node at the end",
        format!(
            "{} wrong of {} counted, {at_the_end} of them at the end; {}",
            found.sums.count,
            found.slots,
            found.sums.first()
        ),
        found.sums.count == 0 && at_the_end > 0,
    )
}

fn agreement(outcome: &Outcome) -> Verdict {
    let agreement = &outcome.agreement;
    let measured = match outcome.uneven.first() {
        Some(uneven) => format!("nodes did not hear each other within 20 s: {uneven}"),
        None => format!(
            "{} of {} public answers differ; {}",
            agreement.differing.count,
            agreement.answers,
            agreement.differing.first()
        ),
    };
    Verdict::new(
        "All nodes give the same answers at the end",
        Promise::P2,
        "every slot and room; and after every fault all nodes come to one position",
        measured,
        agreement.differing.count == 0 && agreement.answers > 0 && outcome.uneven.is_empty(),
    )
}

fn order(outcome: &Outcome) -> Verdict {
    let calm = outcome.orders.first();
    let measured: Vec<String> = outcome
        .orders
        .iter()
        .filter(|order| order.people > 0)
        .map(|order| {
            format!("{} {:.4} ({} people)", order.during, order.numbers_tau.unwrap_or(0.0), order.people)
        })
        .collect();
    let pass = calm.is_some_and(|calm| {
        calm.people >= ORDER_PEOPLE_MIN && calm.numbers_tau.is_some_and(|tau| tau >= TAU_MIN)
    });
    Verdict::new(
        "Numbers follow arrivals, whichever node is asked",
        Promise::P3,
        "Kendall's tau of 0.9 without a fault; the others are published",
        measured.join(", "),
        pass,
    )
}

/// The longest of all nodes, by fault.
pub fn back_times(injections: &[Injection]) -> BTreeMap<Fault, Vec<Duration>> {
    let mut times: BTreeMap<Fault, Vec<Duration>> = BTreeMap::new();
    for injection in injections {
        times.entry(injection.fault).or_default().extend(injection.back_in.iter().flatten());
    }
    for all in times.values_mut() {
        all.sort_unstable();
    }
    times
}

fn back(outcome: &Outcome) -> Verdict {
    let times = back_times(&outcome.injections);
    let longest = times.iter().filter_map(|(fault, all)| Some((*all.last()?, *fault))).max();
    let count: usize = times.values().map(Vec::len).sum();
    let measured = match (&outcome.stayed_down, longest) {
        (Some(why), _) => why.clone(),
        (None, Some((longest, fault))) => {
            format!("{count} times; the longest took {} ms, after {}", longest.as_millis(), fault.name())
        }
        (None, None) => "nothing was measured".into(),
    };
    let limit = |fault: &Fault| if *fault == Fault::KillAll { BACK_COLD_MAX } else { BACK_MAX };
    let in_time = times.iter().all(|(fault, all)| all.last().is_some_and(|last| *last <= limit(fault)));
    Verdict::new(
        "Every node takes writes again after every fault",
        Promise::P7,
        "within 10 s of the fault's end, by itself; 20 s where all servers were started anew",
        measured,
        outcome.stayed_down.is_none() && count > 0 && in_time,
    )
}

/// Nodes that could not write.
fn says_so(refused: &[&Refused]) -> Verdict {
    let says =
        |one: &&&Refused| matches!(&one.answer, Some((503, _, true))) && one.after <= SAYS_MAX && one.reads;
    let good = refused.iter().filter(says).count();
    let odd = refused.iter().find(|one| !says(one));
    let longest = refused.iter().map(|one| one.after).max().unwrap_or_default();
    let measured = match odd {
        Some(odd) => format!(
            "{good} of {} did; node {} said {:?} after {} ms, and {}",
            refused.len(),
            odd.node + 1,
            odd.answer,
            odd.after.as_millis(),
            if odd.reads { "could be read" } else { "could not be read" }
        ),
        None => format!("{good} times, the longest took {} ms", longest.as_millis()),
    };
    Verdict::new(
        "A node without the stream refuses writes and goes on being read",
        Promise::P7,
        "503 with a hint within 5 s; pages and documents are answered",
        measured,
        good == refused.len(),
    )
}

fn asked_to_end(injections: &[Injection]) -> Verdict {
    let ends: Vec<(u64, u64)> = injections.iter().filter_map(|one| one.asked_to_end).collect();
    let (out, broke) = ends.iter().fold((0, 0), |sum, end| (sum.0 + end.0, sum.1 + end.1));
    Verdict::new(
        "A node that is asked to end answers what it has taken",
        Promise::P1,
        "no connection breaks off under a request that was out",
        format!("{} times, {out} requests out, {broke} of them broke off", ends.len()),
        out > 0 && broke == 0,
    )
}

/// Programs that ended by themselves: a node has to outlast whatever happens to others.
fn stays_up(outcome: &Outcome) -> Verdict {
    let during =
        outcome.injections.iter().flat_map(|one| one.own_ends.iter().map(move |end| (one.fault.name(), end)));
    let all: Vec<_> = during.chain(outcome.own_ends.iter().map(|end| ("between faults", end))).collect();
    // One that was killed and cannot come up while the stream is away tries again.
    let ended: Vec<_> =
        all.iter().filter(|(_, end)| end.was_up && matches!(end.machine, Machine::Node(_))).collect();
    let measured = match (ended.first(), outcome.ended_badly.first()) {
        (Some((when, end)), _) => {
            format!("{} did; the first: {when}, {}: {}", ended.len(), end.machine.name(), end.said)
        }
        (None, Some(badly)) => format!("asked to end at the end, {badly}"),
        (None, None) => format!("none did; {} starts had to be repeated", all.len()),
    };
    Verdict::new(
        "No node ends by itself",
        Promise::P7,
        "0 nodes that were up; and all end well when asked to",
        measured,
        ended.is_empty() && outcome.ended_badly.is_empty(),
    )
}

/// Every fault that was wanted was seen to happen.
fn bites(faults: &[Fault], outcome: &Outcome) -> Verdict {
    let mut toothless = None;
    let mut seen = 0;
    for injection in &outcome.injections {
        seen += injection.evidence.len();
        if injection.evidence.is_empty() {
            toothless.get_or_insert((injection.fault, "nothing was looked at".to_string()));
        }
        if let Some(missing) = injection.evidence.iter().find(|evidence| !evidence.bites) {
            toothless.get_or_insert((injection.fault, missing.seen.clone()));
        }
    }
    let measured = match &toothless {
        Some((fault, seen)) => format!("{} did not: {seen}", fault.name()),
        None => format!("{} of {} faults, {seen} observations", outcome.injections.len(), faults.len()),
    };
    Verdict::new(
        "The faults really happened",
        Promise::P1,
        "each is seen: probes lost, processes gone or still, positions that do not move",
        measured,
        toothless.is_none() && !faults.is_empty() && outcome.injections.len() == faults.len(),
    )
}
