//! The operator's pages as data.

use askama::Template;

use super::Standing;
use crate::pages::frame::Frame;

/// The sign-in form.
#[derive(Template, Debug)]
#[template(path = "operator/sign_in.html")]
pub struct SignIn {
    /// The frame.
    pub f: Frame,
    /// The name as written.
    pub name: String,
    /// What went wrong.
    pub problem: Option<String>,
}

/// All rooms and campaigns with their figures.
#[derive(Template, Debug)]
#[template(path = "operator/overview.html")]
pub struct Overview {
    /// The frame.
    pub f: Frame,
    /// The moment shown.
    pub now: String,
    /// Whether all is well, and plots.
    pub console: Console,
    /// Waiting rooms.
    pub rooms: Vec<Subject>,
    /// Campaigns.
    pub campaigns: Vec<Subject>,
    /// Messages to people.
    pub messages: Messages,
    /// Whether the reader makes campaigns.
    pub makes_openings: bool,
    /// Whether the reader runs clinics' desks.
    pub runs_desks: bool,
    /// Whether the reader answers the telephone.
    pub answers_phone: bool,
    /// Whether the reader sees who is of the staff.
    pub sees_staff: bool,
    /// Whether the reader sees the audit list.
    pub sees_audit: bool,
}

/// What a page of the operator's begins with.
#[derive(Debug)]
pub struct Console {
    /// The room it is about, if it is about one.
    pub room: Option<u32>,
    /// The campaign it is about, or that behind the room.
    pub campaign: Option<u32>,
    /// Whether it is about one of them.
    pub is_one: bool,
    /// How far the zone of the times is ahead of UTC, minutes, for the script.
    pub zone_min: i32,
    /// Its short name.
    pub zone_name: String,
    /// Whether anything was recorded yet.
    pub known: bool,
    /// The alarms that stand.
    pub alarms: Vec<AlarmLine>,
    /// Since when, with the mark `{s}`, for the script.
    pub since: String,
    /// The words of every alarm, for the script.
    pub words: Vec<AlarmWords>,
    /// Plots.
    pub plots: Vec<Plot>,
    /// Names of rooms.
    pub rooms: Vec<RoomName>,
}

/// An alarm that stands.
#[derive(Debug)]
pub struct AlarmLine {
    /// In which room, where it is one's.
    pub room: Option<RoomName>,
    /// What is wrong.
    pub says: String,
    /// Since when.
    pub since: String,
    /// What to do.
    pub does: String,
    /// The runbook's section.
    pub runbook: String,
}

/// What an alarm says, with the mark `{n}` for how bad it is.
#[derive(Clone, Debug)]
pub struct AlarmWords {
    /// Its name.
    pub kind: &'static str,
    /// What is wrong.
    pub says: String,
    /// What to do.
    pub does: String,
    /// The runbook's section.
    pub runbook: String,
}

/// A room's number and name.
#[derive(Clone, Debug)]
pub struct RoomName {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
}

/// A plot and its last values.
#[derive(Debug)]
pub struct Plot {
    /// Its name, for the script.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// The unit of all its values.
    pub unit: &'static str,
    /// Its lines.
    pub values: Vec<PlotValue>,
}

/// A line of a plot.
#[derive(Debug)]
pub struct PlotValue {
    /// Its name, for the script.
    pub key: &'static str,
    /// Its label.
    pub label: &'static str,
    /// Its last value.
    pub value: String,
}

/// The runbook.
#[derive(Template, Debug)]
#[template(path = "operator/runbook.html")]
pub struct Runbook {
    /// The frame.
    pub f: Frame,
    /// Its sections.
    pub sections: Vec<RunbookSection>,
}

/// A section of the runbook.
#[derive(Debug)]
pub struct RunbookSection {
    /// Its address on the page.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Whether it is part of the section before.
    pub is_part: bool,
    /// Its text.
    pub text: String,
}

/// Messages to people: how many, and those that failed.
#[derive(Debug)]
pub struct Messages {
    /// There is something that carries them.
    pub carried: bool,
    /// The oldest waits for more than a minute.
    pub late: bool,
    /// Live figures.
    pub figures: Vec<Figure>,
    /// Those that wait after a failure, then those that were given up.
    pub rows: Vec<MessageRow>,
}

/// A message that failed.
#[derive(Debug)]
pub struct MessageRow {
    /// What it is for: a message's key.
    pub purpose: &'static str,
    /// The booking's code.
    pub booking: String,
    /// The last two digits of the number.
    pub to: String,
    /// How often it was tried.
    pub tries: u32,
    /// What happened.
    pub said: String,
    /// Seconds until it is tried again; none where it was given up.
    pub again_s: Option<String>,
}

/// One room or campaign, its figures and what can be done.
#[derive(Template, Debug)]
#[template(path = "operator/subject.html")]
pub struct SubjectPage {
    /// The frame.
    pub f: Frame,
    /// The moment shown.
    pub now: String,
    /// Whether all is well, and plots.
    pub console: Console,
    /// The room or campaign.
    pub room: Subject,
    /// Its own address.
    pub here: String,
    /// What the public sees.
    pub public: String,
    /// Why it is paused.
    pub reason: Option<String>,
    /// Whether something was just done.
    pub done: bool,
    /// What went wrong.
    pub problem: Option<String>,
    /// What can be done.
    pub forms: Vec<OperatorForm>,
    /// Where else to go: the room behind a campaign, tables to take away.
    pub ways: Vec<Way>,
}

/// A way from a page.
#[derive(Clone, Debug)]
pub struct Way {
    /// Where it leads.
    pub href: String,
    /// Its label.
    pub label: &'static str,
}

/// Asks once before something that many people feel.
#[derive(Template, Debug)]
#[template(path = "operator/confirm.html")]
pub struct Confirm {
    /// The frame.
    pub f: Frame,
    /// What is to be done.
    pub what: &'static str,
    /// To which room or campaign.
    pub subject: String,
    /// What that means.
    pub consequence: &'static str,
    /// The values, to be looked at once more.
    pub shown: Vec<Figure>,
    /// Where it is posted.
    pub action: String,
    /// Everything that was written, again.
    pub hidden: Vec<Figure>,
    /// The button.
    pub go: &'static str,
    /// The way back.
    pub back: String,
}

/// A room or campaign.
#[derive(Debug)]
pub struct Subject {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub state: Standing,
    /// Live figures.
    pub figures: Vec<Figure>,
}

/// A name (a message's key, or a field's) and a value.
#[derive(Debug, Clone)]
pub struct Figure {
    /// The name.
    pub key: &'static str,
    /// The value.
    pub value: String,
}

/// A form of the operator's.
#[derive(Debug)]
pub struct OperatorForm {
    /// The last part of its address.
    pub action: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What it means.
    pub hint: &'static str,
    /// Its button.
    pub go: &'static str,
    /// Whether it is confirmed once more.
    pub dangerous: bool,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A field of a form.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its label.
    pub label: &'static str,
    /// Its value.
    pub value: String,
    /// How it is written.
    pub kind: FieldKind,
}

/// How a field is written.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// One line.
    Text,
    /// Several lines.
    Area,
    /// A number.
    Number,
    /// A day and a time.
    Time,
}

impl FieldKind {
    /// Whether it has several lines.
    #[must_use]
    pub fn is_area(self) -> bool {
        self == FieldKind::Area
    }

    /// Whether it is a number.
    #[must_use]
    pub fn is_number(self) -> bool {
        self == FieldKind::Number
    }

    /// Whether it is a day and a time.
    #[must_use]
    pub fn is_time(self) -> bool {
        self == FieldKind::Time
    }
}
