//! One plot as inline SVG, in two sizes: for a desk and paper, and for a phone.
//!
//! Must never draw outside its frame or let labels overlap: what does not fit is left to the
//! legend, which is real text on the page. Start at [`draw`].

use super::canvas::{Align, FINE, Ink, Sheet, TEXT_PX, fine, width_px};
use super::series::{Line, Mark, Plot, PlotKind, Point, Tone};
use super::ticks::{self, Axis, Tick};
use anyhow::{anyhow, bail, ensure};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// The size a plot is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A desk screen or paper: labels at the ends of lines and on marks.
    Wide,
    /// A phone: marks are numbered, and lines are named in the legend only.
    Narrow,
}

/// Distances of one size, in CSS pixels.
struct Format {
    width: f64,
    height: f64,
    points_max: usize,
    time_ticks: usize,
    value_ticks: usize,
    /// The least room left and right of the frame, so that the plots of a page line up.
    sides: (f64, f64),
    named: bool,
}

impl Size {
    fn format(self) -> Format {
        match self {
            Self::Wide => Format {
                width: 960.0,
                height: 340.0,
                points_max: 1000,
                time_ticks: 9,
                value_ticks: 5,
                sides: (84.0, 122.0),
                named: true,
            },
            Self::Narrow => Format {
                width: 360.0,
                height: 270.0,
                points_max: 360,
                time_ticks: 4,
                value_ticks: 4,
                sides: (0.0, 12.0),
                named: false,
            },
        }
    }
}

/// The height of one row of mark labels.
const ROW_PX: f64 = 17.0;

/// The most rows of mark labels; a mark that would need more has a line without words.
const ROWS_MAX: usize = 6;

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The frame of a plot in CSS pixels, and how values become positions in it.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    time: (f64, f64),
    value: (f64, f64),
}

impl Frame {
    fn x(&self, at_s: f64) -> f64 {
        self.left + (at_s - self.time.0) / (self.time.1 - self.time.0) * (self.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (value - self.value.0) / (self.value.1 - self.value.0) * (self.bottom - self.top)
    }
}

/// The plot as an `<svg>` element without outside references. Events outside `time` are left out.
/// Fails when a stack's lines have different times or a stack is logarithmic.
pub fn draw(plot: &Plot, marks: &[(usize, &Mark)], time: (f64, f64), size: Size) -> anyhow::Result<String> {
    let stacked = plot.kind == PlotKind::StackedArea;
    ensure!(!(stacked && plot.log), "the stack “{}” cannot be logarithmic", plot.title);
    let same_times = |line: &Line| {
        line.points.iter().map(|point| point.0).eq(plot.lines[0].points.iter().map(|point| point.0))
    };
    if let Some(odd) = plot.lines.iter().find(|line| stacked && !same_times(line)) {
        bail!("in the stack “{}”, “{}” has other times than “{}”", plot.title, odd.name, plot.lines[0].name);
    }
    let format = size.format();
    let lines = plot.thinned(format.points_max);
    let curves = if stacked { stack(&plot.title, &lines)? } else { flat(plot, lines) };
    let values = value_axis(plot, &curves, format.value_ticks);
    let frame = frame(&format, &curves, &values, marks, time);
    let mut svg = String::new();
    let sheet = Sheet::new(&mut svg, format.width, format.height);
    value_lines(&sheet, &frame, plot, &values)?;
    time_line(&sheet, &frame, &format, &ticks::times(plot.time, time.0, time.1, format.time_ticks))?;
    // A mark must not hide the spike it explains; on an area it would be hidden itself.
    if stacked {
        data(&sheet, &frame, &format, plot, &curves)?;
        mark_lines(&sheet, &frame, marks, format.named)?;
    } else {
        mark_lines(&sheet, &frame, marks, format.named)?;
        data(&sheet, &frame, &format, plot, &curves)?;
    }
    if format.named {
        name_lines(&sheet, &frame, &curves)?;
    }
    sheet.finish()?;
    drop(sheet);
    Ok(inline(&svg))
}

/// A line ready to draw: its upper edge, and for a layer of a stack its lower edge.
struct Curve {
    name: String,
    tone: Tone,
    upper: Vec<Point>,
    lower: Option<Vec<Point>>,
}

/// Layers summed from the bottom up.
fn stack(title: &str, lines: &[Line]) -> anyhow::Result<Vec<Curve>> {
    let times = |line: &Line| line.points.iter().map(|point| point.0).collect::<Vec<_>>();
    let common = lines.first().map(times).unwrap_or_default();
    let mut floor: Vec<Point> = common.iter().map(|x| (*x, 0.0)).collect();
    let mut curves = Vec::new();
    for line in lines {
        ensure!(times(line) == common, "in the stack “{title}”, “{}” is not finite everywhere", line.name);
        let upper: Vec<Point> =
            floor.iter().zip(&line.points).map(|(low, high)| (low.0, low.1 + high.1)).collect();
        let lower = std::mem::replace(&mut floor, upper.clone());
        curves.push(Curve { name: line.name.clone(), tone: line.tone, upper, lower: Some(lower) });
    }
    Ok(curves)
}

/// Lines as they are, as steps when the plot says so, as logarithms on a logarithmic axis.
fn flat(plot: &Plot, lines: Vec<Line>) -> Vec<Curve> {
    let drawn = |points: Vec<Point>| -> Vec<Point> {
        let points = if plot.kind == PlotKind::Step { steps(&points) } else { points };
        if !plot.log {
            return points;
        }
        // A logarithm has no zero: such points are not on the sheet.
        points.into_iter().filter(|point| point.1 > 0.0).map(|(x, y)| (x, y.log10())).collect()
    };
    let curve =
        |line: Line| Curve { name: line.name, tone: line.tone, upper: drawn(line.points), lower: None };
    lines.into_iter().map(curve).collect()
}

/// A value holds until the next point.
fn steps(points: &[Point]) -> Vec<Point> {
    let mut out = Vec::with_capacity(points.len() * 2);
    for pair in points.windows(2) {
        out.extend([pair[0], (pair[1].0, pair[0].1)]);
    }
    out.extend(points.last());
    out
}

/// A value axis that covers all curves.
fn value_axis(plot: &Plot, curves: &[Curve], count: usize) -> Axis {
    let values = || curves.iter().flat_map(|curve| curve.upper.iter().map(|point| point.1));
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    match (low.is_finite(), plot.log) {
        (false, _) => ticks::values(0.0, 1.0, count),
        (true, true) => ticks::decades(10_f64.powf(low), 10_f64.powf(high)),
        (true, false) => ticks::values(low, high, count),
    }
}

fn frame(
    format: &Format,
    curves: &[Curve],
    values: &Axis,
    marks: &[(usize, &Mark)],
    time: (f64, f64),
) -> Frame {
    let label_px = values.ticks.iter().map(|tick| width_px(&tick.1)).fold(0.0, f64::max);
    let names_px = curves.iter().map(|curve| width_px(&curve.name)).fold(0.0, f64::max).min(150.0);
    let names_px = if format.named { names_px + 14.0 } else { 0.0 };
    let mut frame = Frame {
        left: format.sides.0.max(label_px + 12.0),
        right: format.width - format.sides.1.max(names_px),
        top: 0.0,
        bottom: format.height - 28.0,
        time,
        value: (values.low, values.high),
    };
    let rows =
        place_marks(&frame, marks, format.named).iter().map(|placed| placed.row + 1).max().unwrap_or(0);
    frame.top = 26.0 + rows as f64 * ROW_PX;
    frame
}

fn value_lines(sheet: &Sheet, frame: &Frame, plot: &Plot, values: &Axis) -> anyhow::Result<()> {
    let unit = if plot.log { format!("{} (logarithmic scale)", plot.unit) } else { plot.unit.clone() };
    sheet.text(&unit, (2.0, 10.0), Align::Left, Ink::Text)?;
    for (value, label) in &values.ticks {
        let y = frame.y(*value);
        sheet.line((frame.left, y), (frame.right, y), Ink::Grid, 1.0)?;
        sheet.text(label, (frame.left - 7.0, y), Align::Right, Ink::Text)?;
    }
    Ok(())
}

fn time_line(sheet: &Sheet, frame: &Frame, format: &Format, times: &[Tick]) -> anyhow::Result<()> {
    sheet.line((frame.left, frame.bottom), (frame.right, frame.bottom), Ink::Mark, 1.0)?;
    let mut free_from = 0.0;
    for (at_s, label) in times {
        let (x, half) = (frame.x(*at_s), width_px(label) / 2.0);
        sheet.line((x, frame.bottom), (x, frame.bottom + 5.0), Ink::Mark, 1.0)?;
        // A label at the very edge moves inwards; one that would run into its neighbour is left out.
        let middle = x.min(format.width - half - 1.0);
        if middle - half >= free_from {
            sheet.text(label, (middle, frame.bottom + 17.0), Align::Middle, Ink::Text)?;
            free_from = middle + half + 10.0;
        }
    }
    Ok(())
}

fn data(sheet: &Sheet, frame: &Frame, format: &Format, plot: &Plot, curves: &[Curve]) -> anyhow::Result<()> {
    let mut chart: Chart = ChartBuilder::on(sheet.area())
        .margin_left(fine(frame.left))
        .margin_right(fine(format.width - frame.right))
        .margin_top(fine(frame.top))
        .margin_bottom(fine(format.height - frame.bottom))
        .build_cartesian_2d(frame.time.0..frame.time.1, frame.value.0..frame.value.1)
        .map_err(|error| anyhow!("cannot lay out “{}”: {error}", plot.title))?;
    for curve in curves {
        if let Some(lower) = &curve.lower {
            let outline: Vec<Point> = curve.upper.iter().chain(lower.iter().rev()).copied().collect();
            let layer = Polygon::new(outline, Ink::Data(curve.tone).colour().filled());
            chart.draw_series([layer]).map_err(|error| anyhow!("cannot draw “{}”: {error}", curve.name))?;
        }
    }
    for curve in curves {
        let thick = if curve.lower.is_some() { 1.0 } else { 1.75 };
        let style = Ink::Data(curve.tone).colour().stroke_width((thick * FINE) as u32);
        for stretch in visible(curve) {
            let series = LineSeries::new(stretch, style);
            chart.draw_series(series).map_err(|error| anyhow!("cannot draw “{}”: {error}", curve.name))?;
        }
    }
    Ok(())
}

/// The stretches of a curve's upper edge to draw: all of a line; of a layer only where it has any
/// height, so that a layer too thin for an area still shows and an empty one does not.
fn visible(curve: &Curve) -> Vec<Vec<Point>> {
    let Some(lower) = &curve.lower else { return vec![curve.upper.clone()] };
    let edges: Vec<(Point, Point)> = curve.upper.iter().copied().zip(lower.iter().copied()).collect();
    let stretches = edges.split(|(high, low)| high.1 <= low.1).filter(|stretch| !stretch.is_empty());
    stretches.map(|stretch| stretch.iter().map(|edge| edge.0).collect()).collect()
}

/// A mark with its label's place.
struct Placed {
    x: f64,
    row: usize,
    align: Align,
    span: (f64, f64),
    label: String,
}

/// Gives each mark inside the frame a row for its label: free of other labels, and, from right to
/// left, above every mark whose line would otherwise run through it.
fn place_marks(frame: &Frame, marks: &[(usize, &Mark)], named: bool) -> Vec<Placed> {
    let mut inside: Vec<&(usize, &Mark)> =
        marks.iter().filter(|(_, mark)| frame.time.0 <= mark.at_s && mark.at_s <= frame.time.1).collect();
    inside.sort_by(|a, b| b.1.at_s.total_cmp(&a.1.at_s));
    let mut placed: Vec<Placed> = Vec::new();
    for (number, mark) in inside {
        let label = if named { mark.label.clone() } else { number.to_string() };
        let (x, width) = (frame.x(mark.at_s), width_px(&label) + 9.0);
        let (align, span) = match named {
            false => (Align::Middle, (x - width / 2.0, x + width / 2.0)),
            true if x + width > frame.right + 116.0 => (Align::Right, (x - width, x)),
            true => (Align::Left, (x, x + width)),
        };
        let touches = |other: &&Placed| span.0 < other.span.1 && other.span.0 < span.1;
        let crossed = |other: &&Placed| span.0 <= other.x && other.x < span.1;
        let near = placed.iter().filter(|other| touches(other) || crossed(other));
        match near.map(|other| other.row + 1).max().unwrap_or(0) {
            ROWS_MAX.. => placed.push(Placed { x, row: 0, align, span: (x, x), label: String::new() }),
            row => placed.push(Placed { x, row, align, span, label }),
        }
    }
    placed
}

fn mark_lines(sheet: &Sheet, frame: &Frame, marks: &[(usize, &Mark)], named: bool) -> anyhow::Result<()> {
    for placed in place_marks(frame, marks, named) {
        let y = frame.top - 9.0 - placed.row as f64 * ROW_PX;
        // Numbers stand in a column over their lines; a line to each would strike out those below.
        let start = if named { y - 6.0 } else { frame.top - 2.0 };
        sheet.line((placed.x, start), (placed.x, frame.bottom), Ink::Mark, 1.0)?;
        let x = match placed.align {
            Align::Left => placed.x + 5.0,
            Align::Middle => placed.x,
            Align::Right => placed.x - 5.0,
        };
        sheet.text(&placed.label, (x, y), placed.align, Ink::Text)?;
    }
    Ok(())
}

/// Names at the right end of lines and layers, moved apart where they would touch. A layer too
/// thin for a name is left to the legend.
fn name_lines(sheet: &Sheet, frame: &Frame, curves: &[Curve]) -> anyhow::Result<()> {
    let mut names: Vec<(f64, &Curve)> = Vec::new();
    for curve in curves {
        let Some(end) = curve.upper.last() else { continue };
        let top = frame.y(end.1);
        match curve.lower.as_ref().and_then(|lower| lower.last()) {
            Some(low) if frame.y(low.1) - top < TEXT_PX => {}
            Some(low) => names.push(((top + frame.y(low.1)) / 2.0, curve)),
            None => names.push((top, curve)),
        }
    }
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let gap = TEXT_PX + 3.0;
    for index in 1..names.len() {
        names[index].0 = names[index].0.max(names[index - 1].0 + gap);
    }
    let mut limit = frame.bottom - 4.0;
    for name in names.iter_mut().rev() {
        name.0 = name.0.min(limit);
        limit = name.0 - gap;
    }
    for (y, curve) in names {
        let ink = if curve.tone == Tone::Mist { Ink::Text } else { Ink::Data(curve.tone) };
        sheet.text(&curve.name, (frame.right + 7.0, y), Align::Left, ink)?;
    }
    Ok(())
}

/// Plotters writes a document; inside a page the element needs no name space and no fixed size.
fn inline(svg: &str) -> String {
    let Some((head, rest)) = svg.split_once('>') else { return String::new() };
    let view = head
        .split_once("viewBox=\"")
        .and_then(|(_, after)| after.split_once('"'))
        .map_or("", |parts| parts.0);
    let rest = rest
        .replace("opacity=\"1\" ", "")
        .replace("font-family=\"sans-serif\" ", "")
        .replace(" \"/>", "\"/>");
    format!("<svg viewBox=\"{view}\" aria-hidden=\"true\">{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(at_s: &[f64], named: bool) -> Vec<Placed> {
        let frame = Frame {
            left: 80.0,
            right: 840.0,
            top: 0.0,
            bottom: 300.0,
            time: (0.0, 7_200.0),
            value: (0.0, 1.0),
        };
        let marks: Vec<Mark> = at_s.iter().map(|at_s| Mark::new(*at_s, "node killed")).collect();
        let numbered: Vec<(usize, &Mark)> = marks.iter().enumerate().collect();
        place_marks(&frame, &numbered, named)
    }

    #[test]
    fn no_label_lies_on_another_or_is_struck_out_by_a_line() {
        let placed = placed(&[0.0, 2.0, 180.0, 1_500.0, 1_509.0, 1_680.0, 4_200.0, 7_150.0], true);
        assert_eq!(placed.len(), 8);
        for (index, one) in placed.iter().enumerate() {
            for (_, other) in placed.iter().enumerate().filter(|(at, _)| *at != index) {
                let overlap = one.row == other.row && one.span.0 < other.span.1 && other.span.0 < one.span.1;
                let struck = one.span.0 < other.x && other.x < one.span.1 && other.row >= one.row;
                assert!(!overlap && !struck, "{} at {} and {}", one.label, one.x, other.x);
            }
        }
    }

    #[test]
    fn a_crowd_of_marks_leaves_room_for_the_plot() {
        let moments: Vec<f64> = (0..200).map(|second| 100.0 + f64::from(second)).collect();
        for named in [true, false] {
            let placed = placed(&moments, named);
            assert_eq!(placed.len(), 200, "every mark keeps its line");
            assert!(placed.iter().all(|mark| mark.row < ROWS_MAX));
        }
    }

    #[test]
    fn marks_outside_the_time_shown_are_left_out() {
        assert_eq!(placed(&[-1.0, 10.0, 9_000.0], true).len(), 1);
    }
}
