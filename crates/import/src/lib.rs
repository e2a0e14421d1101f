//! Reads clinics and slots that somebody else publishes, and refuses what cannot be right.
//!
//! Two forms are read: **SMART Scheduling Links** (a bulk manifest that lists files of Location,
//! Schedule and Slot, one JSON object a line; specification at
//! <https://github.com/smart-on-fhir/smart-scheduling-links/blob/master/specification.md>) and
//! **CSV** (one table, below). The source is a directory, a manifest or `.csv` file, an `http(s)`
//! URL of a manifest or `.csv` file, or a table in memory.
//!
//! It must never guess: a row that is wrong is reported with its file, line, a stable code and what
//! to do, and nothing at all is imported unless every row is well or the caller says
//! [`ImportOptions::skip_bad`]. It must never follow a link out of the place it was pointed at
//! (the rules are in `open`), and never hold more than [`Limits`] allow.
//!
//! Start reading at [`read`]; then `smart` and `table`, which turn lines into rows; `gather`, which
//! keeps what is well; `fields`, which judges single values; `offers`, what it comes to in a campaign.
//!
//! # What is taken from SMART Scheduling Links
//!
//! - A Location is a clinic. `district` is the address's district, or else its city.
//! - A Slot with status `free` is imported; `busy`, `busy-unavailable` and `busy-tentative` are
//!   counted and left out, which is no fault.
//! - Capacity is the slot-capacity extension, or 1. The specification lets a publisher list equal
//!   slots one by one, so slots of one schedule with equal times and *no* stated capacity add up.
//! - Vaccine and dose come from the Schedule: the product's display name, or else its code; the
//!   dose if the schedule names exactly one.
//! - An offset of hours only (`-05`) is accepted, because the specification's own example has it.
//! - A byte order mark, CRLF and blank lines are accepted; the first two are noted in the report.
//!
//! # CSV columns
//!
//! UTF-8, comma separated, one header line, one slot a line; a clinic's details are repeated on each
//! of its lines and must not differ. A line break inside a quoted field is not supported.
//!
//! | column | needed | meaning |
//! |---|---|---|
//! | `clinic_id` | yes | the publisher's id of the clinic |
//! | `clinic_name` | yes | name shown to people |
//! | `address` | yes | street and town, one line |
//! | `region` | yes | state or province; gives the time zone if `zone` is not set |
//! | `district` | no | district or city |
//! | `postcode` | yes | five digits, as text, zeros in front kept |
//! | `telephone` | no | for people |
//! | `latitude`, `longitude` | no | degrees, WGS84; both or none |
//! | `slot_id` | no | the publisher's id of the slot |
//! | `starts_at`, `ends_at` | yes | `2021-07-14T09:00:00+09:00`; both empty: a clinic without slots |
//! | `capacity` | yes | places, 1 or more |
//! | `vaccine` | no | product name |
//! | `dose` | no | 1 to 255 |
//!
//! # Problem codes
//!
//! | code | what is wrong |
//! |---|---|
//! | `malformed_json` | the line is not a JSON object |
//! | `line_too_long` | over [`Limits::line_bytes_max`] |
//! | `not_utf8` | the line is not UTF-8 |
//! | `wrong_resource_type` | `resourceType` is not what the manifest says of the file |
//! | `missing_field` | a required field is absent or empty |
//! | `bad_field` | a field has the wrong JSON type, or is too long |
//! | `repeated_id` | the id was used before; the first one counts |
//! | `bad_instant` | not a date-time with an offset, or not a day that exists, or not in 2000-2099 |
//! | `wrong_offset` | the offset is not the one the clinic's zone has at that instant, nor UTC |
//! | `end_before_start` | the slot ends when or before it starts |
//! | `zero_capacity` | a capacity of 0 |
//! | `bad_capacity` | a capacity that is not a whole number in range |
//! | `short_postcode` | a leading zero is lost |
//! | `bad_postcode` | not five digits (or five and four) |
//! | `bad_position` | latitude or longitude out of range, or one without the other |
//! | `bad_dose` | not a whole number from 1 to 255 |
//! | `bad_status` | a slot status that FHIR does not know, or `entered-in-error` |
//! | `dangling_reference` | refers to an id that no file holds |
//! | `parent_left_out` | refers to a row that is itself left out |
//! | `duplicate_slot` | same schedule (CSV: clinic, vaccine, dose) and times as another, with a stated capacity |
//! | `forbidden_link` | the manifest points where it must not |
//! | `unknown_file` | the manifest's entry lacks a type or url, or a file name tells no type |
//! | `missing_column`, `unknown_column` | CSV header: a needed column is absent; one is not known |
//! | `malformed_row` | CSV: another number of fields than the header, or an open quote |
//! | `clinic_differs` | CSV: the clinic's details differ from an earlier line's |

mod fields;
mod gather;
mod lines;
mod offers;
mod open;
mod report;
mod smart;
mod table;
mod zones;

use std::path::PathBuf;
use std::sync::Arc;

pub use offers::{Offer, Unfit, offers, vaccines};
pub use report::{Code, ImportReport, Problem};
pub use table::COLUMNS;

use gather::Gather;
use open::Opener;

/// Where a feed is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A directory, a manifest file, or a `.csv` file.
    Path(PathBuf),
    /// An `http` or `https` URL of a manifest or a `.csv` file.
    Url(String),
    /// A CSV table that somebody sent.
    Table {
        /// Its name, as reports show it.
        name: String,
        /// All of it.
        bytes: Arc<[u8]>,
    },
}

impl Source {
    /// Tells a URL from a path by its scheme: `http://` and `https://` are URLs.
    pub fn parse(text: &str) -> Source {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            Source::Url(text.to_owned())
        } else {
            Source::Path(PathBuf::from(text))
        }
    }
}

/// Upper bounds on what one import may take. Beyond them the import ends with
/// [`ImportError::TooLarge`], except for a long line, which is a problem of that line.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one line, without its end.
    pub line_bytes_max: usize,
    /// Bytes of the manifest.
    pub manifest_bytes_max: u64,
    /// Bytes of any other file.
    pub file_bytes_max: u64,
    /// Files that a manifest may list.
    pub files_max: usize,
    /// Clinics.
    pub clinics_max: usize,
    /// Schedules.
    pub schedules_max: usize,
    /// Slots, busy ones included.
    pub slots_max: usize,
    /// Places in one slot.
    pub capacity_max: u32,
    /// Problems listed one by one; further ones are only counted.
    pub problems_listed_max: usize,
    /// Redirects followed for one download.
    pub redirects_max: u32,
    /// Milliseconds for one download, from the name look-up to the last byte.
    pub download_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            line_bytes_max: 1 << 20,
            manifest_bytes_max: 4 << 20,
            file_bytes_max: 2 << 30,
            files_max: 4_096,
            clinics_max: 200_000,
            schedules_max: 1_000_000,
            slots_max: 2_000_000,
            capacity_max: 100_000,
            problems_listed_max: 10_000,
            redirects_max: 5,
            download_ms_max: 300_000,
        }
    }
}

/// How to read.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Import what is well and list what is not, instead of refusing the whole.
    pub skip_bad: bool,
    /// The zone of every clinic in the feed. Without it the zone is known from the clinic's region
    /// where that is a US state or territory or a Korean province; elsewhere offsets go unchecked,
    /// and the report says how many.
    pub zone: Option<jiff::tz::TimeZone>,
    /// Upper bounds.
    pub limits: Limits,
    /// Ignore proxies named in the environment.
    pub no_proxy: bool,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Import {
    /// In the order of the feed.
    pub clinics: Vec<ImportedClinic>,
    /// In the order of the feed.
    pub slots: Vec<ImportedSlot>,
    /// Counts, notes, and what was left out.
    pub report: ImportReport,
}

/// A clinic as published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedClinic {
    /// The publisher's id.
    pub source_id: String,
    /// Name shown to people.
    pub name: String,
    /// Street and town, one line.
    pub address: String,
    /// State or province.
    pub region: String,
    /// District or city; may be empty.
    pub district: String,
    /// As text, zeros in front kept.
    pub postcode: String,
    /// May be empty.
    pub telephone: String,
    /// Microdegrees, WGS84. Given exactly when `longitude_e6` is.
    pub latitude_e6: Option<i32>,
    /// Microdegrees, WGS84.
    pub longitude_e6: Option<i32>,
}

/// A time at a clinic, with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedSlot {
    /// Index into [`Import::clinics`].
    pub clinic: usize,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub starts_at_ms: i64,
    /// Milliseconds since 1970-01-01T00:00:00Z; later than the start.
    pub ends_at_ms: i64,
    /// Places, at least 1.
    pub capacity: u32,
    /// Product name, if published.
    pub vaccine: Option<String>,
    /// Dose number, if the slot is for one dose only.
    pub dose: Option<u8>,
    /// The publisher's id; empty in CSV without `slot_id`. Of slots that add up, the first one's.
    pub source_id: String,
}

/// Why nothing was imported, split by what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Try again: the network or the server failed.
    #[error("{name} could not be fetched: {why}. Nothing was imported; try again later")]
    Unreachable {
        /// URL without its query.
        name: String,
        /// The cause.
        why: String,
    },
    /// Point it elsewhere: the source is absent or is not a feed.
    #[error("{name} could not be read: {why}. Nothing was imported")]
    Unreadable {
        /// Path, or URL without its query.
        name: String,
        /// The cause.
        why: String,
    },
    /// Split the feed, or raise the limit.
    #[error("{name} has more than {limit} {what}. Nothing was imported; split the feed")]
    TooLarge {
        /// Path, or URL without its query.
        name: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit that was passed.
        limit: u64,
    },
    /// Mend the listed rows, or import without them.
    #[error(
        "{} rows are wrong. Nothing was imported; mend them, or import without them (--skip-bad)",
        .0.rows_left_out
    )]
    Refused(Box<ImportReport>),
}

/// Reads the whole feed.
///
/// Blocks on files and the network for at most [`Limits::download_ms_max`] a file.
///
/// # Errors
///
/// [`ImportError::Refused`] with the full report if any row is wrong and `skip_bad` is off; the
/// other variants if the feed cannot be read at all, with or without `skip_bad`.
pub fn read(source: &Source, options: &ImportOptions) -> Result<Import, ImportError> {
    let mut gather = Gather::new(options);
    let opener = Opener::new(source, options)?;
    if opener.is_table() {
        table::read(&opener, &mut gather)?;
    } else {
        smart::read(&opener, &mut gather)?;
    }
    let import = gather.finish();
    if import.report.problem_count > 0 && !options.skip_bad {
        return Err(ImportError::Refused(Box::new(import.report)));
    }
    Ok(import)
}
