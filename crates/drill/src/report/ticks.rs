//! Where an axis has its marks: round numbers, round clock times, powers of ten.
//!
//! Must never give more marks than were asked for by much, or labels run into each other.
//! Start at [`values`], [`decades`] or [`times`].

use super::{number, series::TimeAxis};

/// A position on an axis and its label.
pub type Tick = (f64, String);

/// Round spans of time in seconds: 1 s to a day.
const SPANS_S: [f64; 19] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0,
    14_400.0, 21_600.0, 43_200.0, 86_400.0,
];

/// A value axis: the part of it that is shown, and its marks.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The marks, all between the two.
    pub ticks: Vec<Tick>,
}

/// An axis from 0 (or below) that covers `low..=high` with about `count` marks. It ends at a mark,
/// unless that would leave much of the sheet empty.
pub fn values(low: f64, high: f64, count: usize) -> Axis {
    let (low, high) = (low.min(0.0), if high > low.min(0.0) { high } else { low.min(0.0) + 1.0 });
    let rough = (high - low) / count.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let (first, last) = ((low / step).floor() as i64, (high / step - 1e-9).ceil() as i64);
    let empty = last as f64 - high / step;
    let (last, high) = if empty > 0.4 { (last - 1, high + 0.04 * step) } else { (last, last as f64 * step) };
    let ticks =
        (first..=last).map(|index| tidy(index as f64 * step)).map(|value| (value, number::number(value)));
    Axis { low: first as f64 * step, high, ticks: ticks.collect() }
}

/// A logarithmic axis for `low..=high` (above 0), marked at powers of ten, and at 2 and 5 between
/// them when they are few. Positions are logarithms to base ten.
pub fn decades(low: f64, high: f64) -> Axis {
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let rounds: Vec<f64> =
        powers.flat_map(|power| [1.0, 2.0, 5.0].map(|factor| tidy(factor * 10_f64.powi(power)))).collect();
    let start = rounds.iter().rposition(|value| *value <= low * 1.000_001).unwrap_or(0);
    let end = rounds.iter().position(|value| *value >= high * 0.999_999).unwrap_or(rounds.len() - 1);
    let shown = &rounds[start..=end.max(start + 1).min(rounds.len() - 1)];
    let power_of_ten = |value: f64| value.log10().fract().abs() < 1e-9;
    let all = shown.len() <= 7;
    let ticks = shown
        .iter()
        .filter(|value| all || power_of_ten(**value))
        .map(|value| (value.log10(), number::number(*value)));
    Axis { low: shown[0].log10(), high: shown[shown.len() - 1].log10(), ticks: ticks.collect() }
}

/// Marks at round times between `low` and `high` seconds after the opening, about `count`.
pub fn times(axis: TimeAxis, low: f64, high: f64, count: usize) -> Vec<Tick> {
    let rough = (high - low) / count.max(1) as f64;
    let span = SPANS_S.into_iter().find(|span| *span >= rough * 0.999).unwrap_or_else(|| {
        let days = (rough / 86_400.0).ceil();
        days * 86_400.0
    });
    // Round clock times, not round distances from an opening at, say, 09:59.
    let offset = match axis {
        TimeAxis::Clock { opening_s } => f64::from(opening_s),
        TimeAxis::SinceOpening | TimeAxis::Apart => 0.0,
    };
    let first = ((low + offset) / span - 1e-9).ceil() as i64;
    let last = ((high + offset) / span + 1e-9).floor() as i64;
    let label = |at: f64| match axis {
        TimeAxis::Clock { opening_s } => number::clock(opening_s, at, span < 60.0),
        TimeAxis::SinceOpening | TimeAxis::Apart => number::number(at),
    };
    (first..=last).map(|index| index as f64 * span - offset).map(|at| (at, label(at))).collect()
}

/// Takes off the dust of binary fractions: 0.30000000000000004 is 0.3.
fn tidy(value: f64) -> f64 {
    format!("{value:.9}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: Vec<Tick>) -> String {
        ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn values_are_marked_at_round_numbers() {
        assert_eq!(labels(values(0.0, 397_896.0, 4).ticks), "0 100,000 200,000 300,000 400,000");
        assert_eq!(labels(values(0.0, 0.9, 3).ticks), "0 0.5 1");
        assert_eq!(labels(values(0.0, 0.0, 4).ticks), "0 0.5 1");
        assert_eq!(labels(values(0.0, 5.0, 5).ticks), "0 1 2 3 4 5");
    }

    #[test]
    fn an_axis_covers_its_values_without_leaving_much_of_the_sheet_empty() {
        for high in [0.013, 1.0, 7.3, 1_050_000.0, 1_670_000.0, 351_025.0] {
            let axis = values(0.0, high, 5);
            assert!(axis.high >= high && axis.high < high * 1.25, "{high}: {axis:?}");
            assert!(axis.ticks.len() >= 3 && axis.ticks.iter().all(|tick| tick.0 <= axis.high), "{axis:?}");
        }
        for (low, high) in [(0.97, 291.0), (3.0, 351_025.0), (5.0, 5.0), (1.0, 1.0), (0.02, 0.9)] {
            let axis = decades(low, high);
            assert!(
                axis.low <= low.log10() + 1e-6 && axis.high >= high.log10() - 1e-6 && axis.high > axis.low,
                "{axis:?}"
            );
            assert!(axis.ticks.len() >= 2, "{axis:?}");
        }
    }

    #[test]
    fn few_powers_of_ten_are_marked_between_too() {
        assert_eq!(labels(decades(0.3, 4_000.0).ticks), "1 10 100 1,000");
        assert_eq!(labels(decades(2.0, 90.0).ticks), "2 5 10 20 50 100");
    }

    #[test]
    fn times_are_marked_on_the_clock_even_when_the_opening_is_odd() {
        let evening = TimeAxis::Clock { opening_s: 20 * 3600 };
        assert_eq!(labels(times(evening, 0.0, 10_800.0, 7)), "20:00 20:30 21:00 21:30 22:00 22:30 23:00");
        assert_eq!(labels(times(evening, 0.0, 20.0, 5)), "20:00:00 20:00:05 20:00:10 20:00:15 20:00:20");
        let odd = TimeAxis::Clock { opening_s: 9 * 3600 + 59 * 60 };
        assert_eq!(labels(times(odd, 0.0, 600.0, 2)), "10:00 10:05");
        assert_eq!(labels(times(TimeAxis::SinceOpening, 0.0, 120.0, 4)), "0 30 60 90 120");
    }
}
