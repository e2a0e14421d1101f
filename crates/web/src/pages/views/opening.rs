//! The page on which an opening is prepared, as data.

use askama::Template;

use super::Figure;
use crate::pages::frame::Frame;

/// A table of clinics and times, and the campaign around it.
#[derive(Template, Debug)]
#[template(path = "operator/opening.html")]
pub struct OpeningPage {
    /// The frame.
    pub f: Frame,
    /// What went wrong.
    pub problem: Option<String>,
    /// What the problem says more exactly.
    pub detail: String,
    /// Whether what is wrong in a table is left out.
    pub skip_bad: bool,
    /// What was found in the table.
    pub looked: Option<LookedTable>,
    /// What is asked for; there once the table is well.
    pub form: Option<OpeningFields>,
    /// The columns of a table: name, and whether it is needed.
    pub columns: Vec<(&'static str, bool)>,
}

/// What was found in a table.
#[derive(Debug)]
pub struct LookedTable {
    /// Its name.
    pub name: String,
    /// Clinics, times, places, rows left out.
    pub figures: Vec<Figure>,
    /// Places of each vaccine.
    pub doses: Vec<(String, String)>,
    /// From the first time to the last.
    pub span: Option<(String, String)>,
    /// Bad rows: where, what, what to do.
    pub problems: Vec<BadRow>,
    /// How many more there are.
    pub more: u64,
    /// Oddities that harm nothing.
    pub notes: Vec<String>,
}

/// A bad row of a table.
#[derive(Debug)]
pub struct BadRow {
    /// Its line.
    pub line: u64,
    /// The stable code.
    pub code: &'static str,
    /// What is wrong, and what to do.
    pub says: String,
}

/// What is asked for around a table, as it was written.
#[derive(Clone, Debug, Default)]
pub struct OpeningFields {
    /// The hash of the table that was looked at.
    pub seen: String,
    /// The form's key.
    pub key: String,
    /// Numbers of the campaign and the room.
    pub campaign: String,
    /// See above.
    pub room: String,
    /// The name.
    pub name: String,
    /// The vaccine of rows without one; none where every row has its own.
    pub vaccine: Option<String>,
    /// How many people it is for.
    pub quota: String,
    /// The first birth date.
    pub born_from: String,
    /// The last birth date.
    pub born_until: String,
    /// Doses.
    pub doses: String,
    /// Days between two doses.
    pub interval: String,
    /// When booking opens.
    pub opens_at: String,
    /// When it ends.
    pub closes_at: String,
    /// Ten days by birth digit first.
    pub by_digit: bool,
    /// Entries a minute.
    pub entries: String,
    /// People inside at once.
    pub passes: String,
    /// Minutes of a turn.
    pub turn: String,
    /// Minutes of a hold.
    pub hold: String,
    /// Hours before the visit at which people are reminded.
    pub reminder: String,
    /// A number in line needs an identity.
    pub identity_bound: bool,
}
