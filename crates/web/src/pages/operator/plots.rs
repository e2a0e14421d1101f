//! What the console begins with: whether all is well, and plots of the last minutes.
//!
//! The page carries everything as text: each plot's last values are a table, each alarm a sentence.
//! The script draws and keeps them live, with the words that the page gives it; the figures here and
//! in `assets/console.js` have the same names and rules.

use jari_core::Time;

use crate::actions::waiting;
use crate::alarms::Kind;
use crate::language::Language;
use crate::pages::caller::Caller;
use crate::pages::views::{AlarmLine, AlarmWords, Console, Plot, PlotValue, RoomName};
use crate::pages::words::{Words, grouped};
use crate::series::sample::{CampaignSample, RoomSample, Sample};
use crate::series::view::runbook_section;

/// Values are those of the last seconds, ms: calls come in batches.
const LATELY_MS: u64 = 10_000;
/// What stands where nothing is known.
const NONE: &str = "–";

/// What a page is about.
#[derive(Copy, Clone)]
pub(super) struct Scope {
    pub(super) room: Option<u32>,
    pub(super) campaign: Option<u32>,
    /// The page is of one of them, and not of all.
    pub(super) is_one: bool,
}

impl Scope {
    /// Everything.
    pub(super) const ALL: Scope = Scope { room: None, campaign: None, is_one: false };
}

/// The beginning of a page.
pub(super) fn console(caller: &Caller, scope: Scope) -> Console {
    let (site, words) = (&caller.site, &caller.words);
    let now = site.node.now();
    let lately = lately(site.series.since(now.0.saturating_sub(LATELY_MS), 1));
    let rooms: Vec<RoomName> =
        waiting::rooms(site).into_iter().map(|room| RoomName { id: room.room, name: room.name }).collect();
    let alarms = site.series.alarms();
    let lines = alarms.iter().map(|alarm| {
        let (says, does) = words_of(alarm.kind);
        let known = alarm.room.and_then(|id| rooms.iter().find(|room| room.id == id));
        AlarmLine {
            room: known.cloned(),
            says: words.n(says, alarm.measured),
            since: words.s("op-alarm-since", at(words, Time(alarm.since_ms))),
            does: words.t(does),
            runbook: runbook_section(alarm.kind),
        }
    });
    let known = Kind::ALL.map(|kind| {
        let (says, does) = words_of(kind);
        AlarmWords {
            kind: kind.name(),
            says: words.np(says, "{n}", ""),
            does: words.t(does),
            runbook: runbook_section(kind),
        }
    });
    Console {
        room: scope.room,
        campaign: scope.campaign,
        is_one: scope.is_one,
        zone_min: words.zone_min(now),
        zone_name: words.zone_name(now),
        known: lately.is_some(),
        alarms: lines.collect(),
        since: words.s("op-alarm-since", "{s}"),
        words: known.to_vec(),
        plots: plots(scope, lately.as_ref()),
        rooms,
    }
}

/// The last seconds as one sample.
fn lately(samples: Vec<Sample>) -> Option<Sample> {
    samples.into_iter().reduce(|mut earlier, later| {
        earlier.merge(&later);
        earlier
    })
}

/// A time of day to the second with its zone, as the script writes it, too.
fn at(words: &Words, at: Time) -> String {
    // The English form has 24 hours, which leave no doubt on a plot.
    let exact = Words { lang: Language::English, zone: words.zone.clone() }.clock_exact(at);
    format!("{exact} {}", words.zone_name(at))
}

/// An alarm's sentence and what to do.
fn words_of(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::QueueStalled => ("op-alarm-queue-stalled", "op-alarm-queue-stalled-do"),
        Kind::EntriesOff => ("op-alarm-entries-off", "op-alarm-entries-off-do"),
        Kind::Errors => ("op-alarm-errors", "op-alarm-errors-do"),
        Kind::Shedding => ("op-alarm-shedding", "op-alarm-shedding-do"),
        Kind::SlowDisk => ("op-alarm-slow-disk", "op-alarm-slow-disk-do"),
        Kind::JournalRefuses => ("op-alarm-journal-refuses", "op-alarm-journal-refuses-do"),
        Kind::ClockBehind => ("op-alarm-clock-behind", "op-alarm-clock-behind-do"),
        Kind::MessagesLate => ("op-alarm-messages-late", "op-alarm-messages-late-do"),
        Kind::CertificateEnds => ("op-alarm-certificate-ends", "op-alarm-certificate-ends-do"),
    }
}

/// What a plot is about.
#[derive(Copy, Clone, PartialEq, Eq)]
enum About {
    Rooms,
    Places,
    Node,
}

/// A plot's name, heading, unit, and its lines: key and label of each.
struct PlotOf(&'static str, &'static str, &'static str, About, &'static [(&'static str, &'static str)]);

const PLOTS: [PlotOf; 8] = [
    PlotOf(
        "people",
        "op-plot-people",
        "op-unit-people",
        About::Rooms,
        &[("waiting", "op-ahead"), ("inside", "op-inside")],
    ),
    PlotOf(
        "flow",
        "op-plot-flow",
        "op-unit-minute",
        About::Rooms,
        &[
            ("arrivals", "op-plot-arrivals"),
            ("called", "op-called"),
            ("entered", "op-entered"),
            ("pace", "op-plot-pace"),
        ],
    ),
    PlotOf(
        "places",
        "op-plot-places",
        "op-unit-places",
        About::Places,
        &[("free", "op-free"), ("held", "op-held"), ("booked", "op-booked")],
    ),
    PlotOf(
        "latency",
        "op-plot-latency",
        "op-unit-ms",
        About::Node,
        &[("latency_p50", "op-plot-p50"), ("latency_p99", "op-plot-p99")],
    ),
    PlotOf(
        "failures",
        "op-plot-failures",
        "op-unit-second",
        About::Node,
        &[("errors", "op-plot-errors"), ("shed", "op-plot-shed")],
    ),
    PlotOf(
        "flush",
        "op-plot-flush",
        "op-unit-ms",
        About::Node,
        &[("flush_p50", "op-plot-p50"), ("flush_p99", "op-plot-p99")],
    ),
    PlotOf(
        "requests",
        "op-plot-requests",
        "op-unit-second",
        About::Node,
        &[("served", "op-plot-served"), ("polls", "op-plot-polls")],
    ),
    PlotOf(
        "mailbox",
        "op-plot-mailbox",
        "op-unit-requests",
        About::Node,
        &[("mailbox", "op-plot-mailbox-most")],
    ),
];

fn plots(scope: Scope, lately: Option<&Sample>) -> Vec<Plot> {
    let fits = |about| match about {
        About::Rooms => !scope.is_one || scope.room.is_some(),
        About::Places => !scope.is_one || scope.campaign.is_some(),
        About::Node => !scope.is_one,
    };
    let shown = PLOTS.iter().filter(|PlotOf(_, _, _, about, _)| fits(*about));
    let plot = |PlotOf(id, title, unit, _, lines): &PlotOf| {
        let value = |(key, label): &(&'static str, &'static str)| {
            let value = lately.and_then(|sample| figure(sample, scope, key));
            PlotValue { key, label, value: value.map_or(NONE.to_owned(), short) }
        };
        Plot { id, title, unit, values: lines.iter().map(value).collect() }
    };
    shown.map(plot).collect()
}

/// One value of a sample; nothing where nothing is known.
fn figure(sample: &Sample, scope: Scope, key: &str) -> Option<f64> {
    let node = &sample.node;
    let seconds = f64::from(sample.ms.max(1)) / 1_000.0;
    let ms = |us: Option<u32>| us.map(|us| f64::from(us) / 1_000.0);
    let a_second = |count: u32| Some(f64::from(count) / seconds);
    let rooms = |count: fn(&RoomSample) -> u32| {
        let rooms = sample.rooms.iter().filter(|room| scope.room.is_none_or(|id| id == room.room));
        rooms.map(|room| f64::from(count(room))).reduce(|one, other| one + other)
    };
    let places = |count: fn(&CampaignSample) -> u32| {
        let campaigns =
            sample.campaigns.iter().filter(|one| scope.campaign.is_none_or(|id| id == one.campaign));
        campaigns.map(|campaign| f64::from(count(campaign))).reduce(|one, other| one + other)
    };
    let a_minute = |count: Option<f64>| count.map(|count| count * 60.0 / seconds);
    match key {
        "waiting" => rooms(|room| room.waiting),
        "inside" => rooms(|room| room.inside),
        "arrivals" => a_minute(rooms(|room| room.arrivals)),
        "called" => a_minute(rooms(|room| room.called)),
        "entered" => a_minute(rooms(|room| room.entered)),
        "pace" => rooms(|room| room.pace),
        "free" => places(|campaign| campaign.free),
        "held" => places(|campaign| campaign.held),
        "booked" => places(|campaign| campaign.booked),
        "latency_p50" => ms(node.latency_p50_us),
        "latency_p99" => ms(node.latency_p99_us),
        "flush_p50" => ms(node.flush_p50_us),
        "flush_p99" => ms(node.flush_p99_us),
        "errors" => a_second(node.errors),
        "shed" => a_second(node.shed),
        "served" => a_second(node.served),
        "polls" => a_second(node.polls),
        _ => Some(f64::from(node.mailbox)),
    }
}

/// A value in a few signs: 0.4, 12, 155,000.
fn short(value: f64) -> String {
    let tenths = (value * 10.0).round();
    if tenths < 100.0 && tenths % 10.0 != 0.0 {
        return format!("{:.1}", tenths / 10.0);
    }
    grouped(value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_short_and_loses_nothing_that_counts() {
        let texts = [0.0, 0.04, 0.36, 1.0, 9.94, 9.96, 12.4, 155_000.2].map(short);
        assert_eq!(texts, ["0", "0", "0.4", "1", "9.9", "10", "12", "155,000"]);
    }

    #[test]
    fn rates_are_by_what_a_sample_covers_and_rooms_add_up_unless_one_is_meant() {
        let room = |room, entered| RoomSample { room, entered, waiting: 100, ..RoomSample::default() };
        let rooms = vec![room(1, 20), room(2, 5)];
        let sample = Sample { ms: 10_000, rooms, ..Sample::default() };
        let one = Scope { room: Some(2), campaign: None, is_one: true };
        assert_eq!(figure(&sample, Scope::ALL, "entered"), Some(150.0));
        assert_eq!(figure(&sample, one, "entered"), Some(30.0));
        assert_eq!(figure(&sample, Scope::ALL, "waiting"), Some(200.0));
        assert_eq!(figure(&sample, Scope::ALL, "free"), None);
    }

    #[test]
    fn every_line_of_every_plot_is_known_to_the_script_by_the_same_name() {
        let script = include_str!("../../../assets/console.js");
        for PlotOf(id, _, _, _, lines) in PLOTS {
            for (key, _) in lines {
                assert!(script.contains(&format!("\n    {key}: ")), "{id}: the script does not know {key}");
            }
        }
    }
}
