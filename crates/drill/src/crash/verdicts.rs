//! What the kills mean: each promise against what was acknowledged.
//!
//! Must never pass what was not checked: a verdict over nothing fails. Start at [`judge`].

use std::time::Duration;

use super::{
    disk::DiskOutcome,
    rounds::{Kill, ON_THE_WAY_UP, Outcome},
};
use crate::report::{Promise, Verdict};

/// A restart takes no longer, from the start of the process to its first `ready`.
const READY_MAX: Duration = Duration::from_secs(5);

/// All verdicts, in the order of the promises.
pub fn judge(kills_wanted: u64, outcome: &Outcome) -> Vec<Verdict> {
    let (found, last) = (&outcome.found, &outcome.last);
    let checked = found.tickets + found.bookings + found.contacts + found.changes;
    let heard = found.unanswered == 0 && outcome.stayed_down.is_none();
    let lost = Verdict::new(
        "Everything acknowledged is there",
        Promise::P1,
        "0 lost, read back after every restart",
        format!(
            "{} lost of {checked} read back, {} without an answer; {}",
            found.lost.count,
            found.unanswered,
            found.lost.first()
        ),
        found.lost.count == 0 && checked > 0 && heard,
    );
    let repeats = Verdict::new(
        "The same key gives the same answer",
        Promise::P1,
        "0 differ, asked again after every restart",
        format!("{} differ of {} asked again; {}", found.differs.count, found.repeats, found.differs.first()),
        found.differs.count == 0 && found.repeats > 0,
    );
    let settled = Verdict::new(
        "Every question got one answer in the end",
        Promise::P1,
        "0 left open; some had to be asked again",
        format!("{} left open, {} answered when asked again", outcome.left_open, outcome.counted.asked_again),
        outcome.left_open == 0 && outcome.counted.asked_again > 0 && last.bookings > 0,
    );
    let journal = Verdict::new(
        "The journal verifies between kills and at the end",
        Promise::P1,
        "every record, hash and invariant, by jari journal verify",
        match outcome.verify_faults.first() {
            Some(fault) => {
                format!("{} of {} failed, the first: {fault}", outcome.verify_faults.len(), outcome.verified)
            }
            None => format!("0 of {} failed", outcome.verified),
        },
        outcome.verify_faults.is_empty() && outcome.verified > 0,
    );
    let mut verdicts = vec![lost, repeats, settled, journal, twice(outcome), sums(outcome), ready(outcome)];
    verdicts.push(killed(kills_wanted, outcome));
    verdicts.extend(outcome.disks.iter().filter(|disk| disk.untried.is_none()).flat_map(full_disk));
    if !outcome.disks.is_empty() && outcome.disks.iter().all(|disk| disk.untried.is_some()) {
        let measured = "no disk could be filled on this machine".to_string();
        verdicts.push(Verdict::new("A full disk", Promise::P1, "tried in one way at least", measured, false));
    }
    verdicts
}

fn twice(outcome: &Outcome) -> Verdict {
    let found = &outcome.found;
    let checked = found.tickets + found.bookings + found.changes;
    let heard = found.unanswered == 0 && outcome.stayed_down.is_none();
    Verdict::new(
        "Nothing given twice",
        Promise::P2,
        "no number, place or change twice; nobody has two bookings",
        format!("{} twice of {checked} read back; {}", found.twice.count, found.twice.first()),
        found.twice.count == 0 && checked > 0 && heard,
    )
}

fn sums(outcome: &Outcome) -> Verdict {
    let (found, last) = (&outcome.found, &outcome.last);
    Verdict::new(
        "Places add up, and to what people were told",
        Promise::P2,
        "every slot after every restart; exactly, once no question is open",
        format!(
            "{} wrong of {} counted, {} of them at the end; {}",
            found.sums.count,
            found.slots,
            last.slots,
            found.sums.first()
        ),
        found.sums.count == 0 && last.slots > 0,
    )
}

/// What a disk without room did to the service.
fn full_disk(disk: &DiskOutcome) -> Vec<Verdict> {
    let (means, found) = (disk.means, &disk.found);
    let refuses = Verdict::new(
        &format!("With {means}, writes are refused and say why"),
        Promise::P5,
        "503 storage_full, with a hint when to come back; nothing else",
        format!(
            "{} refused so, {} otherwise; {}",
            disk.refused,
            disk.refused_oddly.count,
            disk.refused_oddly.first()
        ),
        disk.refused > 0 && disk.refused_oddly.count == 0,
    );
    let reads = Verdict::new(
        &format!("With {means}, reads go on"),
        Promise::P7,
        "every page, document and list is answered",
        format!("{} answered, {} not; {}", disk.reads, disk.reads_failed.count, disk.reads_failed.first()),
        disk.reads > 0 && disk.reads_failed.count == 0,
    );
    let back = Verdict::new(
        &format!("After {means}, it goes on by itself"),
        Promise::P5,
        "within 10 s of there being room, without a restart",
        match &disk.stayed_full {
            Some(why) => why.clone(),
            None => format!("{} times, the longest took {} ms", disk.rounds, disk.back_in.as_millis()),
        },
        disk.stayed_full.is_none() && disk.rounds > 0 && disk.back_in <= Duration::from_secs(10),
    );
    let wrong = found.lost.count + found.twice.count + found.differs.count + found.sums.count;
    let faults = [&found.lost, &found.twice, &found.differs, &found.sums];
    let kept = Verdict::new(
        &format!("After {means}, nothing is lost or doubled"),
        Promise::P1,
        "everyone read back while it runs, and after a kill and a restart",
        match (&disk.verify_fault, faults.into_iter().find(|faults| faults.count > 0)) {
            (Some(fault), _) => format!("the journal does not verify: {fault}"),
            (None, Some(faults)) => format!("{wrong} faults; {}", faults.first()),
            (None, None) => {
                format!("0 faults in {} answers", found.tickets + found.bookings + found.contacts)
            }
        },
        wrong == 0 && found.bookings > 0 && found.unanswered == 0 && disk.verify_fault.is_none(),
    );
    vec![refuses, reads, back, kept]
}

/// The time from the start of a process to its first `ready`, over all restarts, in order of length.
pub fn ready_times(outcome: &Outcome) -> Vec<Duration> {
    let mut times: Vec<Duration> = outcome.kills.iter().filter_map(|kill| kill.ready_in).collect();
    times.sort_unstable();
    times
}

/// Kills by what was going on.
pub fn kills_during<'a>(outcome: &'a Outcome, during: &'a str) -> impl Iterator<Item = &'a Kill> {
    outcome.kills.iter().filter(move |kill| kill.during == during)
}

fn ready(outcome: &Outcome) -> Verdict {
    let times = ready_times(outcome);
    let longest = times.last().copied().unwrap_or(Duration::MAX);
    let measured = match &outcome.stayed_down {
        Some(why) => format!("it did not come up again: {why}"),
        None => format!("{} restarts, the longest {} ms", times.len(), longest.as_millis()),
    };
    let pass = outcome.stayed_down.is_none() && longest <= READY_MAX;
    Verdict::new("Ready again after every kill", Promise::P5, "within 5 s", measured, pass)
}

/// The faults really happened.
fn killed(kills_wanted: u64, outcome: &Outcome) -> Verdict {
    let kills = outcome.kills.len() as u64;
    // On its way up nobody can have asked it anything.
    let up = kills - kills_during(outcome, ON_THE_WAY_UP).count() as u64;
    let out = outcome.kills.iter().filter(|kill| kill.in_flight > 0).count();
    let measured = format!(
        "{kills} kills, {out} of them with requests out, {} on the way up, {} in the middle of a snapshot, {} with a torn write",
        kills - up,
        outcome.snapshots_cut,
        outcome.torn,
    );
    let pass = kills >= kills_wanted && out as u64 * 2 > up;
    Verdict::new(
        "The kills hit a service at work",
        Promise::P1,
        "all kills; requests were out at most of those while it was up",
        measured,
        pass,
    )
}
