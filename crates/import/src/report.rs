//! What an import tells people: each problem with file, line, code and advice, as text and as JSON.
//!
//! Codes are stable: scripts may match on them. The list of problems is bounded; the counts are not.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

/// What is wrong with a row. The text form never changes once published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table in the parent module says each one")]
pub enum Code {
    MalformedJson,
    LineTooLong,
    NotUtf8,
    WrongResourceType,
    MissingField,
    BadField,
    RepeatedId,
    BadInstant,
    WrongOffset,
    EndBeforeStart,
    ZeroCapacity,
    BadCapacity,
    ShortPostcode,
    BadPostcode,
    BadPosition,
    BadDose,
    BadStatus,
    DanglingReference,
    ParentLeftOut,
    DuplicateSlot,
    ForbiddenLink,
    UnknownFile,
    MissingColumn,
    UnknownColumn,
    MalformedRow,
    ClinicDiffers,
}

impl Code {
    /// The stable name and what the publisher should do.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Code::MalformedJson => ("malformed_json", "Write one whole JSON object on each line."),
            Code::LineTooLong => ("line_too_long", "Drop what the specification does not ask for."),
            Code::NotUtf8 => ("not_utf8", "Save the file as UTF-8."),
            Code::WrongResourceType => ("wrong_resource_type", "Move the line to a file of its own type."),
            Code::MissingField => ("missing_field", "Fill it in."),
            Code::BadField => ("bad_field", "Write it as the specification says."),
            Code::RepeatedId => ("repeated_id", "Give each row its own id, or remove the repeat."),
            Code::BadInstant => ("bad_instant", "Write it like 2021-07-14T09:00:00+09:00, with an offset."),
            Code::WrongOffset => {
                ("wrong_offset", "Write the offset the clinic's clocks have on that day, or UTC (Z).")
            }
            Code::EndBeforeStart => ("end_before_start", "Check that the two are not swapped."),
            Code::ZeroCapacity => ("zero_capacity", "Give the number of places, or leave the slot out."),
            Code::BadCapacity => ("bad_capacity", "Give the number of places as a whole number."),
            Code::ShortPostcode => {
                ("short_postcode", "Put the zero back; in a spreadsheet, format the column as text.")
            }
            Code::BadPostcode => ("bad_postcode", "Give all five digits."),
            Code::BadPosition => ("bad_position", "Give both in degrees, or neither."),
            Code::BadDose => ("bad_dose", "Give a number from 1 to 255, or nothing."),
            Code::BadStatus => ("bad_status", "Use free or busy."),
            Code::DanglingReference => {
                ("dangling_reference", "Publish the row it refers to, or correct the id.")
            }
            Code::ParentLeftOut => ("parent_left_out", "Mend that row first."),
            Code::DuplicateSlot => ("duplicate_slot", "Remove one, or merge their places into one."),
            Code::ForbiddenLink => {
                ("forbidden_link", "Publish the file where the manifest is, and name it relative to it.")
            }
            Code::UnknownFile => ("unknown_file", "Say Location, Schedule or Slot, and where it is."),
            Code::MissingColumn => ("missing_column", "Add it to the header and to each line."),
            Code::UnknownColumn => ("unknown_column", "Correct its name, or remove it."),
            Code::MalformedRow => ("malformed_row", "Check quotes and commas."),
            Code::ClinicDiffers => ("clinic_differs", "Write the same details on all its lines."),
        }
    }

    /// The stable name, for example `zero_capacity`.
    pub fn as_str(self) -> &'static str {
        self.texts().0
    }

    /// What the publisher should do, one sentence.
    pub fn advice(self) -> &'static str {
        self.texts().1
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A code and the particulars, before it is known where.
#[derive(Debug)]
pub(super) struct Fault {
    pub code: Code,
    pub message: String,
}

impl Fault {
    pub fn new(code: Code, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into() }
    }
}

/// One thing wrong with one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Path as the manifest names it, or URL without its query.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// The stable code.
    pub code: Code,
    /// The particulars: which field, what it held.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, line, code, message, advice } = self;
        write!(out, "{file}:{line}: {}: {message}. {advice}", code.as_str())
    }
}

/// Counts, notes and problems of one import. `Display` gives one line a problem, then a summary;
/// [`ImportReport::to_json`] the same as an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Files read, the manifest not counted.
    pub files: u64,
    /// Clinics that are well.
    pub clinics: u64,
    /// Free slots that are well, after equal ones were added up.
    pub slots: u64,
    /// Places in those slots.
    pub places: u64,
    /// Busy slots, which are not imported.
    pub slots_busy: u64,
    /// Slots whose offset could not be checked, because no zone is known for their clinic.
    pub offsets_unchecked: u64,
    /// Rows that are wrong; a row with two problems counts once.
    pub rows_left_out: u64,
    /// Problems, listed or not.
    pub problem_count: u64,
    /// Problems by code, listed or not.
    pub problem_count_by_code: BTreeMap<&'static str, u64>,
    /// The first problems, in reading order.
    pub problems: Vec<Problem>,
    /// Oddities that harm nothing.
    pub notes: Vec<String>,
}

impl ImportReport {
    /// Counts the faults of one row and lists them while there is room.
    pub(super) fn add(&mut self, file: &str, line: u64, faults: Vec<Fault>, listed_max: usize) {
        assert!(!faults.is_empty(), "a row without faults is not left out");
        self.rows_left_out += 1;
        for Fault { code, message } in faults {
            self.problem_count += 1;
            *self.problem_count_by_code.entry(code.as_str()).or_default() += 1;
            if self.problems.len() < listed_max {
                let file = file.to_owned();
                self.problems.push(Problem { file, line, code, message, advice: code.advice() });
            }
        }
    }

    /// Problems that were counted but not listed.
    pub fn problems_not_listed(&self) -> u64 {
        self.problem_count - self.problems.len() as u64
    }

    /// The report as one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("strings and numbers always serialise")
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(out, "{problem}")?;
        }
        if self.problems_not_listed() > 0 {
            writeln!(out, "and {} more problems, not listed", self.problems_not_listed())?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        if self.offsets_unchecked > 0 {
            writeln!(
                out,
                "note: {} slots have an offset that could not be checked; name the zone (--zone)",
                self.offsets_unchecked
            )?;
        }
        for (code, count) in &self.problem_count_by_code {
            writeln!(out, "{count:>8}  {code}")?;
        }
        writeln!(
            out,
            "{} clinics, {} slots with {} places are well; {} busy slots; {} rows left out",
            self.clinics, self.slots, self.places, self.slots_busy, self.rows_left_out
        )
    }
}
