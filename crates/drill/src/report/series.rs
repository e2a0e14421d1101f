//! What a plot is made of: lines over time, the marks across them, and their thinning.
//!
//! Must never lose a spike: thinning keeps the lowest and the highest point of every stretch of
//! time, so the worst second of an evening stays visible. Start at [`Plot`], then [`thin`].

use super::number;

/// Seconds since the opening, and a value in the plot's unit.
pub type Point = (f64, f64);

/// The most points kept for one line, in the plots and in `series.csv`.
pub const POINTS_MAX: usize = 1000;

/// A colour with a meaning that stays the same in every plot of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Booked: what people came for.
    Blue,
    /// Waiting or held: not settled yet.
    Orange,
    /// Entered or used.
    Green,
    /// Arrived or called.
    Purple,
    /// Withdrawn, or of minor interest.
    Grey,
    /// Free, or a quiet background.
    Mist,
    /// A goal or a limit to compare with; drawn dashed.
    Limit,
}

/// One line, or one layer of a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it shows, one or two words; stands in the legend and at the line's end.
    pub name: String,
    /// Its colour.
    pub tone: Tone,
    /// In order of time. Points that are not finite are left out.
    pub points: Vec<Point>,
}

impl Line {
    /// A line of `points`.
    pub fn new(name: impl Into<String>, tone: Tone, points: Vec<Point>) -> Self {
        Self { name: name.into(), tone, points }
    }
}

/// How the lines of a plot are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlotKind {
    /// Straight lines between points.
    Line,
    /// A value holds until the next point.
    Step,
    /// Layers on top of one another, the first at the bottom. All lines must have the same times.
    StackedArea,
}

/// How the horizontal axis is labelled; points always hold seconds since the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeAxis {
    /// Time of day, given the opening in seconds after midnight.
    Clock {
        /// The opening, in seconds after midnight.
        opening_s: u32,
    },
    /// Seconds since the opening.
    SinceOpening,
    /// Seconds of a measurement beside the evening, whose events are not marked there.
    Apart,
}

impl TimeAxis {
    /// A moment as the reader sees it: `20:05:30`, or `330 s`.
    pub fn moment(self, at_s: f64) -> String {
        match self {
            Self::Clock { opening_s } => number::clock(opening_s, at_s, true),
            Self::SinceOpening | Self::Apart => format!("{} s", number::number(at_s.round())),
        }
    }
}

/// A plot over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// A few words, no full stop.
    pub title: String,
    /// One sentence that says what to see in it.
    pub caption: String,
    /// The unit of the values, such as `people`.
    pub unit: String,
    /// How time is labelled.
    pub time: TimeAxis,
    /// How the lines are drawn.
    pub kind: PlotKind,
    /// A logarithmic vertical axis; not for stacks.
    pub log: bool,
    /// Only this part of the time is shown, in seconds since the opening; all of it when `None`.
    pub range_s: Option<(f64, f64)>,
    /// The lines, in the order of the legend.
    pub lines: Vec<Line>,
}

/// Something that happened, shown as a vertical line across every plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Seconds since the opening.
    pub at_s: f64,
    /// One to three words.
    pub label: String,
}

impl Mark {
    /// A mark at `at_s` seconds since the opening.
    pub fn new(at_s: f64, label: impl Into<String>) -> Self {
        Self { at_s, label: label.into() }
    }
}

impl Plot {
    /// A plot of lines, as most are: not logarithmic, over all of the time.
    pub fn of(title: &str, unit: &str, caption: &str, time: TimeAxis, lines: Vec<Line>) -> Self {
        Self {
            title: title.into(),
            caption: caption.into(),
            unit: unit.into(),
            time,
            kind: PlotKind::Line,
            log: false,
            range_s: None,
            lines,
        }
    }

    /// People who came, in each second.
    pub fn arrivals(time: TimeAxis, arrived: Vec<Point>) -> Self {
        let caption = "How many people came in each second: the load that has to be carried.";
        let lines = vec![Line::new("arrived", Tone::Purple, arrived)];
        Self::of("Arrivals", "people per second", caption, time, lines)
    }

    /// People waiting in line.
    pub fn waiting(time: TimeAxis, waiting: Vec<Point>) -> Self {
        let caption = "How many people held a place in line and had not yet been called.";
        let lines = vec![Line::new("waiting", Tone::Orange, waiting)];
        Self::of("People waiting", "people", caption, time, lines)
    }

    /// People called, entered and booked up to each moment.
    pub fn progress(time: TimeAxis, called: Vec<Point>, entered: Vec<Point>, booked: Vec<Point>) -> Self {
        let caption =
            "Running totals: the closer the lines, the less time lies between being called and being booked.";
        let lines = vec![
            Line::new("called", Tone::Purple, called),
            Line::new("entered", Tone::Green, entered),
            Line::new("booked", Tone::Blue, booked),
        ];
        Self::of("Called, entered and booked", "people in total", caption, time, lines)
    }

    /// Time to answer, in milliseconds: half the requests were faster than `p50`, and 99 of 100
    /// faster than `p99`.
    pub fn latency(time: TimeAxis, p50: Vec<Point>, p99: Vec<Point>) -> Self {
        let caption = "Half of all requests were answered faster than the lower line, and 99 of 100 faster than the upper.";
        let lines =
            vec![Line::new("99 of 100 (p99)", Tone::Orange, p99), Line::new("half (p50)", Tone::Blue, p50)];
        Self { log: true, ..Self::of("Time to answer", "milliseconds", caption, time, lines) }
    }

    /// The supply equation: capacity = free + held + booked + used + withdrawn. The five series
    /// must have the same times.
    pub fn supply(time: TimeAxis, supply: Supply) -> Self {
        let caption = "Every place is in exactly one layer at every moment, so the top edge is the capacity.";
        let lines = vec![
            Line::new("used", Tone::Green, supply.used),
            Line::new("booked", Tone::Blue, supply.booked),
            Line::new("held", Tone::Orange, supply.held),
            Line::new("free", Tone::Mist, supply.free),
            Line::new("withdrawn", Tone::Grey, supply.withdrawn),
        ];
        Self {
            kind: PlotKind::StackedArea,
            ..Self::of("Where every place is", "places", caption, time, lines)
        }
    }

    /// The same plot with only the time from `start_s` to `end_s`, under another title.
    pub fn zoomed(mut self, title: &str, start_s: f64, end_s: f64) -> Self {
        self.title = title.into();
        self.range_s = Some((start_s, end_s));
        self
    }

    /// The lines as drawn: finite, inside the range, and at most `points_max` points each. For a
    /// stack, all lines keep the same times.
    pub fn thinned(&self, points_max: usize) -> Vec<Line> {
        let inside = |x: f64| self.range_s.is_none_or(|(start, end)| start <= x && x <= end);
        let usable = |line: &Line| -> Vec<Point> {
            let points = line.points.iter().copied();
            points.filter(|(x, y)| x.is_finite() && y.is_finite() && inside(*x)).collect()
        };
        let lines: Vec<Line> =
            self.lines.iter().map(|line| Line { points: usable(line), ..line.clone() }).collect();
        if self.kind != PlotKind::StackedArea {
            let thin_line = |line: Line| Line { points: thin(&line.points, points_max), ..line };
            return lines.into_iter().map(thin_line).collect();
        }
        let kept = thin_together(&lines, points_max);
        let pick = |line: &Line| kept.iter().filter_map(|index| line.points.get(*index).copied()).collect();
        lines.iter().map(|line| Line { points: pick(line), ..line.clone() }).collect()
    }
}

/// The places of a campaign over time, one series for each state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Supply {
    /// Open to anyone.
    pub free: Vec<Point>,
    /// Held for a few minutes by someone who is booking.
    pub held: Vec<Point>,
    /// Booked.
    pub booked: Vec<Point>,
    /// Used: the person came.
    pub used: Vec<Point>,
    /// Taken back by the clinic or the agency.
    pub withdrawn: Vec<Point>,
}

/// `points` in order of time thinned to at most `points_max` (no fewer than 4): the first, the
/// last, and the lowest and highest of each of equally many buckets between them.
pub fn thin(points: &[Point], points_max: usize) -> Vec<Point> {
    let points_max = points_max.max(4);
    if points.len() <= points_max {
        return points.to_vec();
    }
    let kept = extremes(&[points], points.len(), (points_max - 2) / 2);
    kept.into_iter().map(|index| points[index]).collect()
}

/// The indices that keep every line's extremes, shared by all lines of a stack.
fn thin_together(lines: &[Line], points_max: usize) -> Vec<usize> {
    let length = lines.iter().map(|line| line.points.len()).min().unwrap_or(0);
    if length <= points_max {
        return (0..length).collect();
    }
    let series: Vec<&[Point]> = lines.iter().map(|line| &line.points[..length]).collect();
    extremes(&series, length, (points_max.max(4) / (2 * series.len())).max(1))
}

/// Indices, in order, of the first and last point and of each series' extremes in each bucket.
fn extremes(series: &[&[Point]], length: usize, buckets: usize) -> Vec<usize> {
    let mut kept = vec![0, length - 1];
    for bucket in 0..buckets {
        let (start, end) = (bucket * length / buckets, (bucket + 1) * length / buckets);
        for points in series {
            let by_value = |a: &usize, b: &usize| points[*a].1.total_cmp(&points[*b].1);
            kept.extend((start..end).min_by(by_value));
            kept.extend((start..end).max_by(by_value));
        }
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

/// All plots as one table `plot,line,seconds_since_opening,value`, thinned as in the plots.
pub fn csv(plots: &[Plot]) -> String {
    let mut out = String::from("plot,line,seconds_since_opening,value\n");
    for plot in plots {
        for line in plot.thinned(POINTS_MAX) {
            let head = format!("{},{}", quoted(&plot.title), quoted(&line.name));
            for (x, y) in line.points {
                out.push_str(&format!("{head},{x},{y}\n"));
            }
        }
    }
    out
}

/// A CSV field as RFC 4180 has it.
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_a_spike_and_a_gap_of_one_second() {
        let mut points: Vec<Point> = (0..20_000).map(|x| (f64::from(x), 10.0)).collect();
        points[7_777].1 = 412_000.0;
        points[12_345].1 = 0.0;
        let kept = thin(&points, POINTS_MAX);
        assert!(kept.len() <= POINTS_MAX, "{} points", kept.len());
        assert!(kept.contains(&(7_777.0, 412_000.0)));
        assert!(kept.contains(&(12_345.0, 0.0)));
        assert_eq!(kept.first(), points.first());
        assert_eq!(kept.last(), points.last());
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0), "times stay in order");
    }

    #[test]
    fn a_short_line_is_left_as_it_is() {
        let points = vec![(0.0, 1.0), (1.0, 2.0), (2.0, 0.5)];
        assert_eq!(thin(&points, POINTS_MAX), points);
        assert_eq!(thin(&[], POINTS_MAX), vec![]);
    }

    #[test]
    fn a_thinned_stack_keeps_common_times_and_adds_up() {
        let series = |value: fn(i32) -> i32| -> Vec<Point> {
            (0..9_000).map(|x| (f64::from(x), f64::from(value(x)))).collect()
        };
        let supply = Supply {
            free: series(|x| 9_000 - x - x % 7),
            held: series(|x| x % 7),
            booked: series(|x| x),
            used: series(|_| 0),
            withdrawn: series(|_| 0),
        };
        let lines = Plot::supply(TimeAxis::SinceOpening, supply).thinned(POINTS_MAX);
        let length = lines[0].points.len();
        assert!(length > 100 && length <= POINTS_MAX + 2, "{length} points");
        for index in 0..length {
            assert!(lines.iter().all(|line| line.points[index].0 == lines[0].points[index].0));
            let sum: f64 = lines.iter().map(|line| line.points[index].1).sum();
            assert_eq!(sum, 9_000.0);
        }
    }

    #[test]
    fn a_zoomed_plot_has_only_its_range_and_no_odd_numbers() {
        let points = vec![(0.0, 1.0), (5.0, f64::NAN), (6.0, 2.0), (90.0, 3.0)];
        let plot = Plot::arrivals(TimeAxis::SinceOpening, points).zoomed("First minute", 0.0, 60.0);
        assert_eq!(plot.thinned(POINTS_MAX)[0].points, vec![(0.0, 1.0), (6.0, 2.0)]);
    }

    #[test]
    fn commas_in_names_do_not_shift_the_columns_of_the_table() {
        let mut plot = Plot::arrivals(TimeAxis::SinceOpening, vec![(0.0, 1.5)]);
        plot.title = "Called, \"entered\"".into();
        let table = csv(&[plot]);
        assert_eq!(table.lines().nth(1), Some("\"Called, \"\"entered\"\"\",arrived,0,1.5"));
    }
}
