//! Evenings as tables: what happens in each stretch of seconds, and which alarms stand after it.

use super::*;
use crate::series::sample::NodeSample;

const START: u64 = 1_626_260_400_000;

/// Seconds in a row that are alike.
struct Stretch {
    seconds: u64,
    node: NodeSample,
    room: RoomSample,
    /// The alarms at its end.
    alarms: &'static [Kind],
}

/// A healthy node.
fn node() -> NodeSample {
    NodeSample { served: 500, flushes: 200, flush_p99_us: Some(4_000), ..NodeSample::default() }
}

/// An open room with a long line and a pace of ten a second, which is met.
fn room() -> RoomSample {
    let flow = RoomSample { arrivals: 20, called: 11, entered: 10, ..RoomSample::default() };
    RoomSample { room: 1, waiting: 50_000, inside: 900, pace: 600, calling: true, ..flow }
}

fn stretch(seconds: u64, alarms: &'static [Kind]) -> Stretch {
    Stretch { seconds, node: node(), room: room(), alarms }
}

/// Goes through an evening with one look a second.
fn check(evening: &[Stretch]) {
    let (mut samples, mut standing): (Vec<Sample>, Vec<Alarm>) = Default::default();
    for (number, stretch) in evening.iter().enumerate() {
        for _ in 0..stretch.seconds {
            let at_ms = START + samples.len() as u64 * 1_000;
            let (node, rooms) = (stretch.node.clone(), vec![stretch.room.clone()]);
            samples.push(Sample { at_ms, ms: 1_000, node, rooms, campaigns: Vec::new() });
            let newest: Vec<&Sample> = samples.iter().rev().take(LOOKS_BACK_S).rev().collect();
            standing = look(&standing, &newest);
        }
        let kinds: Vec<Kind> = standing.iter().map(|alarm| alarm.kind).collect();
        assert_eq!(kinds, stretch.alarms, "after stretch {number}: {standing:?}");
    }
}

#[test]
fn an_evening_without_trouble_has_no_alarm() {
    let lobby = RoomSample { arrivals: 3_000, called: 0, entered: 0, inside: 0, calling: false, ..room() };
    let first = RoomSample { arrivals: 9_000, called: 30, entered: 2, ..room() };
    let paused = RoomSample { called: 0, entered: 0, calling: false, ..room() };
    let nearly_empty = RoomSample { arrivals: 1, called: 1, entered: 1, waiting: 1, ..room() };
    let sold_out = RoomSample { arrivals: 9, called: 0, entered: 0, calling: false, ..room() };
    check(&[
        Stretch { room: lobby, ..stretch(600, &[]) },
        Stretch { room: first, ..stretch(60, &[]) },
        stretch(1_200, &[]),
        Stretch { room: paused, ..stretch(900, &[]) },
        stretch(1_200, &[]),
        Stretch { room: nearly_empty, ..stretch(600, &[]) },
        Stretch { room: sold_out, ..stretch(600, &[]) },
    ]);
}

#[test]
fn a_queue_in_which_nobody_is_called_is_an_alarm_after_half_a_minute() {
    let stalled = || RoomSample { called: 0, ..room() };
    check(&[
        stretch(30, &[]),
        Stretch { room: stalled(), ..stretch(29, &[]) },
        Stretch { room: stalled(), ..stretch(1, &[Kind::QueueStalled]) },
        // Called again: the alarm ends when that has lasted.
        stretch(9, &[Kind::QueueStalled]),
        stretch(1, &[]),
        Stretch { room: stalled(), ..stretch(30, &[Kind::QueueStalled]) },
        // The operator pauses the room: nobody is to be called.
        Stretch { room: RoomSample { calling: false, ..stalled() }, ..stretch(10, &[]) },
    ]);
}

#[test]
fn a_slow_room_is_given_the_time_of_three_calls() {
    let slow = || RoomSample { called: 0, entered: 0, pace: 2, ..room() };
    check(&[
        Stretch { room: slow(), ..stretch(89, &[]) },
        Stretch { room: slow(), ..stretch(1, &[Kind::QueueStalled]) },
    ]);
}

#[test]
fn entries_far_from_the_pace_are_an_alarm_once_the_room_has_settled() {
    let few = || RoomSample { entered: 4, ..room() };
    let many = || RoomSample { entered: 16, ..room() };
    check(&[
        Stretch { room: few(), ..stretch(160, &[]) },
        Stretch { room: few(), ..stretch(20, &[Kind::EntriesOff]) },
        stretch(20, &[Kind::EntriesOff]),
        stretch(40, &[]),
        Stretch { room: many(), ..stretch(60, &[Kind::EntriesOff]) },
        stretch(60, &[]),
        // A short line is let in as it comes.
        Stretch { room: RoomSample { waiting: 100, ..few() }, ..stretch(300, &[]) },
    ]);
}

#[test]
fn what_chance_does_to_a_few_entries_is_no_alarm() {
    let few = RoomSample { called: 1, entered: 0, pace: 4, waiting: 40, ..room() };
    check(&[Stretch { room: few, ..stretch(600, &[]) }]);
}

#[test]
fn more_than_a_hundredth_of_errors_in_a_minute_is_an_alarm_and_half_of_it_ends_it() {
    let errors = |errors| NodeSample { errors, ..node() };
    check(&[
        Stretch { node: errors(5), ..stretch(120, &[]) },
        Stretch { node: errors(6), ..stretch(60, &[Kind::Errors]) },
        Stretch { node: errors(3), ..stretch(120, &[Kind::Errors]) },
        Stretch { node: errors(2), ..stretch(80, &[]) },
        // Two of ten are many, and still few.
        Stretch { node: NodeSample { served: 0, ..node() }, ..stretch(61, &[]) },
        Stretch { node: NodeSample { served: 5, errors: 2, ..node() }, ..stretch(2, &[]) },
    ]);
}

#[test]
fn requests_that_are_put_off_are_an_alarm() {
    let shed = |shed| NodeSample { shed, ..node() };
    check(&[
        // Some in the first seconds of an opening.
        stretch(60, &[]),
        Stretch { node: shed(80), ..stretch(3, &[]) },
        stretch(60, &[]),
        Stretch { node: shed(20), ..stretch(60, &[Kind::Shedding]) },
        stretch(70, &[]),
    ]);
}

#[test]
fn a_disk_is_slow_when_more_than_a_hundredth_of_its_flushes_are() {
    let slow =
        |flushes, flushes_slow| NodeSample { flushes, flushes_slow, flush_p99_us: Some(180_000), ..node() };
    check(&[
        Stretch { node: slow(200, 2), ..stretch(120, &[]) },
        Stretch { node: slow(200, 3), ..stretch(60, &[Kind::SlowDisk]) },
        stretch(70, &[]),
        // A node that writes nothing has no slow disk.
        Stretch { node: slow(0, 0), ..stretch(120, &[]) },
    ]);
}

#[test]
fn a_journal_that_refuses_is_an_alarm_at_once() {
    let refuses = NodeSample { refuses: true, ..node() };
    check(&[
        stretch(5, &[]),
        Stretch { node: refuses, ..stretch(1, &[Kind::JournalRefuses]) },
        stretch(9, &[Kind::JournalRefuses]),
        stretch(1, &[]),
    ]);
}

#[test]
fn a_clock_that_stays_behind_is_an_alarm_and_one_that_catches_up_is_none() {
    let behind = |clock_behind_ms| NodeSample { clock_behind_ms, ..node() };
    check(&[
        Stretch { node: behind(4_000), ..stretch(4, &[]) },
        stretch(60, &[]),
        Stretch { node: behind(1_500), ..stretch(10, &[Kind::ClockBehind]) },
        stretch(20, &[]),
    ]);
}

#[test]
fn a_certificate_that_ends_within_two_weeks_is_an_alarm_until_it_is_renewed() {
    let days = |certificate_days| NodeSample { certificate_days, ..node() };
    check(&[
        Stretch { node: days(None), ..stretch(20, &[]) },
        Stretch { node: days(Some(14)), ..stretch(20, &[]) },
        Stretch { node: days(Some(13)), ..stretch(1, &[Kind::CertificateEnds]) },
        Stretch { node: days(Some(0)), ..stretch(20, &[Kind::CertificateEnds]) },
        Stretch { node: days(Some(90)), ..stretch(9, &[Kind::CertificateEnds]) },
        Stretch { node: days(Some(90)), ..stretch(1, &[]) },
    ]);
}

#[test]
fn a_clock_that_was_set_back_hides_no_alarm() {
    // While it catches up, everything is counted with the newest sample, which grows.
    let mut samples: Vec<Sample> = (0..200_u64)
        .map(|second| Sample {
            at_ms: START + second * 1_000,
            ms: 1_000,
            node: node(),
            rooms: vec![room()],
            campaigns: Vec::new(),
        })
        .collect();
    let mut standing = Vec::new();
    for second in 0..30 {
        let newest = samples.last_mut().unwrap();
        let node = NodeSample { clock_behind_ms: 40_000, ..node() };
        let (at_ms, rooms) = (newest.at_ms, vec![room()]);
        newest.merge(&Sample { at_ms, ms: 1_000, node, rooms, campaigns: Vec::new() });
        standing = look(&standing, &samples.iter().collect::<Vec<_>>());
        let kinds: Vec<Kind> = standing.iter().map(|alarm| alarm.kind).collect();
        let expected = if second < 8 { &[][..] } else { &[Kind::ClockBehind] };
        assert_eq!(kinds, expected, "{second} s after it was set back");
    }
}

#[test]
fn messages_that_wait_for_more_than_a_minute_are_an_alarm() {
    let oldest = |messages_oldest_s| NodeSample { messages_oldest_s, ..node() };
    check(&[
        Stretch { node: oldest(60), ..stretch(5, &[]) },
        Stretch { node: oldest(61), ..stretch(1, &[Kind::MessagesLate]) },
        Stretch { node: oldest(40), ..stretch(60, &[Kind::MessagesLate]) },
        Stretch { node: oldest(2), ..stretch(10, &[]) },
    ]);
}

#[test]
fn an_alarm_says_since_when_and_in_which_room() {
    let stalled = RoomSample { room: 7, called: 0, ..room() };
    let samples: Vec<Sample> = (0..40_u64)
        .map(|second| Sample {
            at_ms: START + second * 1_000,
            ms: 1_000,
            node: node(),
            rooms: vec![room(), stalled.clone()],
            campaigns: Vec::new(),
        })
        .collect();
    let mut standing = Vec::new();
    for upto in 1..=samples.len() {
        standing = look(&standing, &samples[..upto].iter().collect::<Vec<_>>());
    }
    let alarm = Alarm {
        kind: Kind::QueueStalled,
        room: Some(7),
        since_ms: START + 29_000,
        measured: 50_000,
        calm: 0,
    };
    assert_eq!(standing, [alarm]);
}
