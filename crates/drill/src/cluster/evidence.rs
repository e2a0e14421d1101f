//! Whether a fault really happened: what was seen of it, and what had to be seen.
//!
//! Must never take a command that succeeded for its effect. Start at [`Evidence`].

use std::{collections::BTreeSet, time::Duration};

use super::net::{Machine, Way, ways};

/// Something that had to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What was looked at, and what was seen.
    pub seen: String,
    /// Whether the fault shows in it.
    pub bites: bool,
}

impl Evidence {
    /// Something seen.
    pub fn new(bites: bool, seen: impl Into<String>) -> Self {
        Self { seen: seen.into(), bites }
    }
}

/// Probes that had to be lost were, and all others arrived.
pub fn of_ways(when: &str, cut: &[Way], open: &BTreeSet<Way>) -> Evidence {
    let all: Vec<Machine> = Machine::all().collect();
    let leaks: Vec<Way> = cut.iter().filter(|way| open.contains(way)).copied().collect();
    let lost: Vec<Way> =
        ways(&all).into_iter().filter(|way| !cut.contains(way) && !open.contains(way)).collect();
    let name = |ways: &[Way]| ways.first().map(|(from, to)| format!("{} to {}", from.name(), to.name()));
    let seen = match (name(&leaks), name(&lost)) {
        (Some(leak), _) => {
            format!("{when}, {} of {} cut ways pass, {leak} the first", leaks.len(), cut.len())
        }
        (None, Some(lost)) => format!("{when}, a way that is not cut does not pass: {lost}"),
        (None, None) => format!("{when}, {} ways do not pass and the others do", cut.len()),
    };
    Evidence::new(leaks.is_empty() && lost.is_empty(), seen)
}

/// How far each machine has come, by its place among all; nothing for silence.
pub type Reached = Vec<(Machine, Option<u64>)>;

/// Where a machine was.
fn at(reached: &Reached, machine: Machine) -> Option<u64> {
    reached.iter().find(|(one, _)| *one == machine).and_then(|(_, position)| *position)
}

/// How many of those who are not cut off have come further.
pub fn moved_on(frozen: &[Machine], before: &Reached, after: &Reached) -> usize {
    let others = Machine::all().filter(|machine| !frozen.contains(machine));
    others.filter(|machine| at(before, *machine) < at(after, *machine)).count()
}

/// Who could not move did not, and if somebody had to, one did.
pub fn of_progress(
    frozen: &[Machine],
    others_move: bool,
    before: &Reached,
    after: &Reached,
) -> Vec<Evidence> {
    // A node may still come as far as a server on its own side.
    let servers = frozen.iter().filter(|machine| matches!(machine, Machine::Server(_)));
    let beside = servers.filter_map(|server| at(before, *server)).max();
    let mut evidence = Vec::new();
    for machine in frozen {
        let (from, to) = (at(before, *machine), at(after, *machine));
        let stays = match (machine, from, to) {
            (Machine::Server(_), Some(from), Some(to)) => from == to,
            // One that is not ready shows what it last published, which may be a little less.
            (Machine::Node(_), Some(from), Some(to)) => to <= from.max(beside.unwrap_or(0)),
            _ => false,
        };
        evidence.push(Evidence::new(stays, format!("{} was at {from:?} and is at {to:?}", machine.name())));
    }
    if others_move {
        let (count, others) = (moved_on(frozen, before, after), Machine::all().count() - frozen.len());
        evidence.push(Evidence::new(count > 0, format!("{count} of the {others} others moved on")));
    }
    evidence
}

/// A process that stands still uses no processor.
pub fn of_pause(machine: Machine, before: Option<(bool, u64)>, after: Option<(bool, u64)>) -> Evidence {
    let bites = matches!((before, after), (Some((true, one)), Some((true, other))) if one == other);
    let words = |seen: Option<(bool, u64)>| match seen {
        Some((stopped, ticks)) => {
            format!("{} with {ticks} ticks", if stopped { "stopped" } else { "running" })
        }
        None => "gone".into(),
    };
    Evidence::new(bites, format!("{} was {}, then {}", machine.name(), words(before), words(after)))
}

/// Round trips on a slow link take longer or are lost; elsewhere they stay as they were.
pub fn of_slowness(before: &[Option<Duration>], slow: &[Option<Duration>]) -> Evidence {
    let median = |trips: &[Option<Duration>]| {
        let mut arrived: Vec<Duration> = trips.iter().flatten().copied().collect();
        arrived.sort_unstable();
        arrived.get(arrived.len() / 2).copied()
    };
    let lost = slow.iter().filter(|trip| trip.is_none()).count();
    let (quick, late) = (median(before), median(slow));
    let later = late.is_none_or(|late| quick.is_some_and(|quick| late > quick * 4 && late.as_millis() >= 8));
    let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1_000.0);
    Evidence::new(
        later || lost * 5 >= slow.len().max(1),
        format!(
            "round trips between servers took {:.1?} ms, and {:.1?} ms with {lost} of {} lost",
            ms(quick),
            ms(late),
            slow.len()
        ),
    )
}

/// A process that was killed is gone.
pub fn of_kill(machine: Machine, id: Option<u32>) -> Evidence {
    match id {
        Some(id) => {
            let gone = !std::path::Path::new(&format!("/proc/{id}")).exists();
            Evidence::new(
                gone,
                format!("process {id} of {} is {}", machine.name(), if gone { "gone" } else { "there" }),
            )
        }
        None => Evidence::new(false, format!("{} was not running", machine.name())),
    }
}
