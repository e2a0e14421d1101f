//! The report of a drill: `report.json` for programs, `report.html` for people, `series.csv` for
//! spreadsheets, and a summary for the terminal.
//!
//! Must never ask the network for anything, and must never call a run passed that checked nothing.
//! The page is one file that reads the same in ten years, on a phone, in the dark and on paper.
//! Start at [`Report`]; [`series::Plot`] has the plots every drill draws; `html` lays out the page.

mod canvas;
mod html;
mod machine;
pub mod number;
mod plot;
pub mod series;
pub mod stats;
mod terminal;
#[cfg(test)]
mod tests;
mod ticks;

use anyhow::Context;
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fs, io, path::Path};

pub use crate::history::HistoryRow;
pub use machine::{Machine, commit, machine};
pub use series::{Line, Mark, Plot, PlotKind, Supply, TimeAxis, Tone};

/// The version of `report.json`; raised when a field changes its meaning or goes away.
const SCHEMA: u32 = 1;

/// How a drill was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Virtual time, the whole crowd in one process, faults from the seed.
    Simulated,
    /// Real HTTP against a running service.
    Live,
}

impl Mode {
    /// `simulated` or `live`, as in `report.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Live => "live",
        }
    }
}

/// A promise of the design, cited by number in verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[expect(missing_docs, reason = "each variant is said in words by `sentence`")]
pub enum Promise {
    P1,
    P2,
    P3,
    P4,
    P5,
    P6,
    P7,
    P8,
}

impl Promise {
    /// What is promised, in one plain sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::P1 => "Once people have seen their number or booking, it is never lost.",
            Self::P2 => "No place is ever given to two people, and no one gets two.",
            Self::P3 => "The order is fair, and anyone can check it.",
            Self::P4 => "Waiting costs the service next to nothing.",
            Self::P5 => "Too many people slow the service down but never break it.",
            Self::P6 => "Supply, order, pauses and their reasons are public and told in time.",
            Self::P7 => "A part that fails takes no other along, and is announced within 10 seconds.",
            Self::P8 => "Near the limit of data, pages get lighter and are never blocked.",
        }
    }
}

/// One thing the drill checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What was checked, in a few words.
    pub name: String,
    /// The promise it belongs to.
    pub promise: Promise,
    /// What had to be reached, with its unit.
    pub goal: String,
    /// What was measured, with its unit.
    pub measured: String,
    /// Whether the goal was reached.
    pub pass: bool,
}

impl Verdict {
    /// What was checked, for which promise, against which goal, and how it came out.
    pub fn new(name: &str, promise: Promise, goal: &str, measured: String, pass: bool) -> Self {
        Self { name: name.into(), promise, goal: goal.into(), measured, pass }
    }
}

/// What a figure says.
#[derive(Debug, Clone, PartialEq)]
pub enum FigureValue {
    /// A number; whole numbers are written without a decimal point.
    Number(f64),
    /// A word, hash or version.
    Text(String),
}

impl Serialize for FigureValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
                serializer.serialize_i64(*value as i64)
            }
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// One measured figure. Its key in [`Report::figures`] is a stable name such as `booked`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The value, in `unit`.
    pub value: FigureValue,
    /// The unit, such as `people` or `ms`; `s` is shown as hours and minutes.
    pub unit: String,
    /// What it is, in words the reader knows.
    pub note: String,
    /// Its place among the few shown large at the top of the page, from 1; 0 is not there.
    #[serde(skip)]
    pub headline: u8,
}

impl Figure {
    /// A number in `unit`, explained by `note`.
    pub fn new(value: impl Into<f64>, unit: &str, note: &str) -> Self {
        Self { value: FigureValue::Number(value.into()), unit: unit.into(), note: note.into(), headline: 0 }
    }

    /// A whole number in `unit`, exact up to 9,007,199,254,740,992.
    pub fn count(value: u64, unit: &str, note: &str) -> Self {
        Self::new(value as f64, unit, note)
    }

    /// A word, hash or version, explained by `note`.
    pub fn text(value: &str, note: &str) -> Self {
        Self { value: FigureValue::Text(value.into()), unit: String::new(), note: note.into(), headline: 0 }
    }

    /// The same figure, shown large at the top of the page as number `place`, from 1.
    pub fn headline(self, place: u8) -> Self {
        Self { headline: place, ..self }
    }

    /// Value and unit as people read them: `1,670,000 people`, `3 h 36 min`.
    pub fn shown(&self) -> String {
        let (value, unit) = self.parts();
        if unit.is_empty() { value } else { format!("{value} {unit}") }
    }

    /// The value as people read it, and the unit when the value does not say it already.
    fn parts(&self) -> (String, &str) {
        match &self.value {
            FigureValue::Text(text) => (text.clone(), ""),
            FigureValue::Number(value) if self.unit == "s" => (number::duration(*value), ""),
            FigureValue::Number(value) => (number::number(*value), &self.unit),
        }
    }
}

/// How fair the order was, and how anyone can check it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fairness {
    /// Arrival against admission, for each group of people.
    pub orders: Vec<OrderMeasure>,
    /// The draw among those who came before the opening, if there was one.
    pub draw: Option<Draw>,
}

/// Kendall's tau of one group of people; see [`stats::kendall_tau`].
#[derive(Debug, Clone, PartialEq)]
pub struct OrderMeasure {
    /// Who, such as `Came after the opening`.
    pub group: String,
    /// How many people.
    pub people: u64,
    /// Their tau; `None` when there is none to speak of.
    pub tau: Option<f64>,
    /// What it ought to be and why, in one sentence.
    pub meaning: String,
}

/// The draw among those who came before the opening.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// How many people were drawn.
    pub people: u64,
    /// The hash that was published when the lobby opened, in hexadecimal.
    pub commitment: String,
    /// What the commitment is, such as `SHA-256 of the seed`.
    pub commitment_is: String,
    /// The seed that was revealed at the opening, in hexadecimal.
    pub seed: String,
    /// The public value mixed into the seed, if there was one.
    pub beacon: Option<String>,
    /// Whether the revealed seed has the published hash.
    pub seed_matches: bool,
    /// Places that the auditor computed again.
    pub places_checked: u64,
    /// Places that differed from those given.
    pub places_wrong: u64,
    /// How to recompute a place, one step each.
    pub recompute: Vec<String>,
}

impl Draw {
    /// Whether the seed matched and every place that was checked was right, at least one.
    pub fn verified(&self) -> bool {
        self.seed_matches && self.places_checked > 0 && self.places_wrong == 0
    }
}

/// Everything a run has to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The drill's name, such as `vaccination-2021-07-14`.
    pub drill: String,
    /// What was replayed, in one or two sentences.
    pub about: String,
    /// How it was run.
    pub mode: Mode,
    /// The seed that, with the commit, replays a simulated run.
    pub seed: u64,
    /// The part of the historical crowd that came: 1 is all, 0.01 is a hundredth.
    pub scale: f64,
    /// The commit of the program; see [`commit`].
    pub commit: String,
    /// On what it ran.
    pub machine: Machine,
    /// When the run began, with date and zone, as shown.
    pub started_at: String,
    /// The exact command that repeats it.
    pub command: String,
    /// What was measured, by stable name.
    pub figures: BTreeMap<String, Figure>,
    /// What was checked.
    pub verdicts: Vec<Verdict>,
    /// Plots in the order of the page.
    pub series: Vec<Plot>,
    /// Events shown in every plot.
    pub marks: Vec<Mark>,
    /// History beside this run; see [`crate::history`].
    pub history: Vec<HistoryRow>,
    /// How fair the order was.
    pub fairness: Option<Fairness>,
}

/// The shape of `report.json`.
#[derive(Serialize)]
struct Json<'a> {
    schema: u32,
    drill: &'a str,
    mode: Mode,
    seed: u64,
    commit: &'a str,
    machine: &'a Machine,
    figures: BTreeMap<String, Figure>,
    verdicts: &'a [Verdict],
}

impl Report {
    /// Writes `report.json`, `report.html` and `series.csv` into `dir`, which is made when it is
    /// not there. Nothing that changes with the time of day stands in the JSON, so two runs of the
    /// same seed and commit on one machine can be compared line by line.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        let write = |name: &str, text: String| {
            let path = dir.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        // The page comes last: should a plot not be drawable, the figures are safe.
        write("report.json", self.json()?)?;
        write("series.csv", series::csv(&self.series))?;
        write("report.html", self.html()?)
    }

    /// The content of `report.json`, one field a line.
    pub fn json(&self) -> anyhow::Result<String> {
        let json = Json {
            schema: SCHEMA,
            drill: &self.drill,
            mode: self.mode,
            seed: self.seed,
            commit: &self.commit,
            machine: &self.machine,
            figures: self.all_figures(),
            verdicts: &self.verdicts,
        };
        Ok(serde_json::to_string_pretty(&json)? + "\n")
    }

    /// The content of `report.html`. Fails only when a plot cannot be drawn.
    pub fn html(&self) -> anyhow::Result<String> {
        html::page(self)
    }

    /// Whether every verdict passed, and there was at least one.
    pub fn all_pass(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(|verdict| verdict.pass)
    }

    /// A table for the terminal.
    pub fn print_summary(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(terminal::summary(self).as_bytes())
    }

    /// The verdict on the whole run in one line.
    fn outcome(&self) -> String {
        let (all, passed) =
            (self.verdicts.len(), self.verdicts.iter().filter(|verdict| verdict.pass).count());
        match all {
            0 => "Nothing was checked".to_string(),
            _ if passed == all => format!("Passed: {passed} of {all} checks"),
            _ => format!("Failed: {} of {all} checks", all - passed),
        }
    }

    /// The figures with the few that stand elsewhere in the report; the drill's own win.
    fn all_figures(&self) -> BTreeMap<String, Figure> {
        let mut figures = self.figures.clone();
        let mut add = |key: &str, figure: Figure| {
            figures.entry(key.to_string()).or_insert(figure);
        };
        add("scale", Figure::new(self.scale, "", "Part of the historical crowd that came to this run"));
        if let Some(draw) = self.fairness.as_ref().and_then(|fairness| fairness.draw.as_ref()) {
            add(
                "draw_places_checked",
                Figure::count(draw.places_checked, "places", "Drawn places computed again by the auditor"),
            );
            add(
                "draw_places_wrong",
                Figure::count(draw.places_wrong, "places", "Drawn places that differed"),
            );
        }
        figures
    }
}
