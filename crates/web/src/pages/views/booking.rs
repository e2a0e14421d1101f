//! Who, where, when: the pages from the identity form to one's bookings.

use askama::Template;

use crate::pages::frame::Frame;

/// The identity form, with what was written and what is wrong with it.
#[derive(Template, Debug)]
#[template(path = "identify.html")]
pub struct Identify {
    /// The frame.
    pub f: Frame,
    /// Where to go afterwards; a local path.
    pub next: String,
    /// The name as written.
    pub name: String,
    /// The year as written.
    pub year: String,
    /// The month as written.
    pub month: String,
    /// The day as written.
    pub day: String,
    /// The telephone number as written.
    pub telephone: String,
    /// Message beside the name.
    pub error_name: Option<&'static str>,
    /// Message beside the date.
    pub error_birth: Option<&'static str>,
    /// Message beside the telephone number.
    pub error_telephone: Option<&'static str>,
    /// Whether any field is marked.
    pub any_error: bool,
    /// What else went wrong.
    pub problem: Option<String>,
    /// Whether it is somebody else for whom the reader books.
    pub other: bool,
    /// Whether whoever books for somebody else is told what to do.
    pub hint: bool,
}

/// The one-time code's form.
#[derive(Template, Debug)]
#[template(path = "code.html")]
pub struct Code {
    /// The frame.
    pub f: Frame,
    /// Where to go afterwards; a local path.
    pub next: String,
    /// Where the message went, masked.
    pub telephone: String,
    /// Message beside the code.
    pub error_code: Option<&'static str>,
    /// What else went wrong.
    pub problem: Option<String>,
    /// Whether it is somebody else for whom the reader books.
    pub other: bool,
}

/// A list to choose one from: regions, districts, clinics.
#[derive(Template, Debug)]
#[template(path = "choose.html")]
pub struct Choose {
    /// The frame.
    pub f: Frame,
    /// What is chosen.
    pub title: String,
    /// One step back.
    pub back: Option<String>,
    /// Whether a booking is being moved.
    pub moving: bool,
    /// Why booking is paused.
    pub reason: Option<String>,
    /// Why the reader cannot book yet, or at all.
    pub eligible: Option<Eligible>,
    /// The campaign's name.
    pub campaign: String,
    /// What was chosen before.
    pub trail: Option<String>,
    /// Where they had a place last.
    pub shortcut: Option<Shortcut>,
    /// What there is.
    pub rows: Vec<Choice>,
    /// The rest of a long list.
    pub next: Option<String>,
    /// Whether leftover places are told of.
    pub standby: bool,
    /// Where somebody else is named, for whom the reader books.
    pub for_other: Option<String>,
    /// Clinics of the region's other districts, where this one has little left.
    pub elsewhere: Vec<Choice>,
    /// All clinics of the region.
    pub all: Option<Shortcut>,
}

/// A way past a step.
#[derive(Debug)]
pub struct Shortcut {
    /// Where it leads.
    pub href: String,
    /// What is there.
    pub name: String,
}

/// Why somebody cannot book now.
#[derive(Debug)]
pub struct Eligible {
    /// From when they may, or that they may not.
    pub title: String,
    /// Why.
    pub text: String,
    /// Whether their day is still to come.
    pub later: bool,
    /// Where a birth date is corrected.
    pub correct: Option<String>,
}

/// A clinic's earliest free time.
#[derive(Debug)]
pub struct FreeAt {
    /// The time, with its zone.
    pub text: String,
    /// The instant.
    pub machine: String,
}

/// One thing to choose.
#[derive(Debug)]
pub struct Choice {
    /// Where it leads.
    pub href: String,
    /// Its name.
    pub name: String,
    /// A second line.
    pub line: Option<String>,
    /// Its earliest free time.
    pub earliest: Option<FreeAt>,
    /// Free places.
    pub free: u64,
}

/// A clinic's days and times.
#[derive(Template, Debug)]
#[template(path = "slots.html")]
pub struct Slots {
    /// The frame.
    pub f: Frame,
    /// The list of clinics.
    pub back: String,
    /// The clinic's name.
    pub clinic: String,
    /// Its address.
    pub address: String,
    /// Its telephone number; may be empty.
    pub telephone: String,
    /// The code of the booking that is being moved.
    pub moving: Option<String>,
    /// What went wrong with the last choice.
    pub problem: Option<String>,
    /// Why booking is paused.
    pub reason: Option<String>,
    /// Why the reader cannot book yet, or at all.
    pub eligible: Option<Eligible>,
    /// Days with times; a strip of them.
    pub days: Vec<DayChoice>,
    /// The strip before.
    pub earlier_days: Option<String>,
    /// The strip after.
    pub later_days: Option<String>,
    /// The chosen day's name.
    pub day_name: String,
    /// Its times.
    pub times: Vec<TimeChoice>,
    /// The rest of them.
    pub more_times: Option<String>,
    /// Where a time is posted.
    pub action: String,
    /// This page, to come back to.
    pub here: String,
    /// The idempotency key.
    pub key: String,
    /// Doses of the course.
    pub doses: u8,
    /// Standing by for leftover places there; none while a booking is moved, or under older rules.
    pub standby: Option<StandbyForm>,
}

/// The form to stand by at a clinic.
#[derive(Debug)]
pub struct StandbyForm {
    /// The clinic's part in the campaign.
    pub desk: u32,
    /// The campaign.
    pub campaign: u32,
    /// The minutes that the reader said, if they stand by there.
    pub minutes: Option<u32>,
}

/// Where the reader stands by.
#[derive(Debug)]
pub struct StandbyRow {
    /// The clinic's part in the campaign.
    pub desk: u32,
    /// The clinic's name.
    pub clinic: String,
    /// The campaign's name.
    pub campaign: String,
    /// Minutes of way, in words.
    pub minutes: String,
    /// Until when, in words.
    pub until: String,
}

/// A day to choose.
#[derive(Debug)]
pub struct DayChoice {
    /// Where it leads.
    pub href: String,
    /// Its name.
    pub name: String,
    /// Free places.
    pub free: u64,
    /// Whether it is the one shown.
    pub chosen: bool,
}

/// A time to choose.
#[derive(Debug)]
pub struct TimeChoice {
    /// The slot.
    pub id: u32,
    /// The time of day.
    pub time: String,
    /// The instant.
    pub machine: String,
    /// The vaccine.
    pub vaccine: String,
    /// Free places.
    pub free: u64,
}

/// When, where and what.
#[derive(Debug)]
pub struct Visit {
    /// When, with the zone.
    pub when: String,
    /// The instant.
    pub machine: String,
    /// The clinic's name.
    pub clinic: String,
    /// Its address.
    pub address: String,
    /// Its telephone number; may be empty.
    pub telephone: String,
    /// The campaign's name.
    pub campaign: String,
    /// The vaccine.
    pub vaccine: String,
    /// The dose; 0 is not shown.
    pub dose: u8,
    /// For whom it is, if not for the reader.
    pub whom: Option<String>,
    /// Where to choose again.
    pub again: String,
}

/// A hold: confirm it.
#[derive(Template, Debug)]
#[template(path = "hold.html")]
pub struct Hold {
    /// The frame.
    pub f: Frame,
    /// The hold's code.
    pub code: String,
    /// The service's clock, ms.
    pub now_ms: u64,
    /// Until when, ms.
    pub until_ms: u64,
    /// Until when.
    pub until: String,
    /// Without scripts: load again after so many seconds.
    pub refresh_s: u64,
    /// Whether it is a leftover place that was offered.
    pub offered: bool,
    /// The confirmation's idempotency key.
    pub key: String,
    /// The release's idempotency key.
    pub key_release: String,
    /// When, where and what.
    pub visit: Visit,
}

/// Looks of the staff, each as how often and when last; none where there was none.
#[derive(Debug)]
pub struct LookedShown {
    /// At the name.
    pub name: Option<(u32, String)>,
    /// At the list with names of that day at that clinic.
    pub list: Option<(u32, String)>,
}

/// One booking.
#[derive(Template, Debug)]
#[template(path = "booking.html")]
pub struct Booking {
    /// The frame.
    pub f: Frame,
    /// The heading's message.
    pub heading: &'static str,
    /// The first sentence's message.
    pub lead: &'static str,
    /// Whether it is booked.
    pub booked: bool,
    /// Whether it is only held.
    pub held: bool,
    /// Whether the visit is over.
    pub used: bool,
    /// Its code.
    pub code: String,
    /// The same as a picture, while it is booked.
    pub qr: Option<Qr>,
    /// Whether a calendar can take it.
    pub in_calendar: bool,
    /// How often their name was looked at; not said while it is not known.
    pub looked: Option<LookedShown>,
    /// Through whom it was made.
    pub made: String,
    /// Who made it for whom, where somebody did.
    pub by: Option<String>,
    /// The idempotency key of the end of that person's reach, where the reader can end it.
    pub key_end: Option<String>,
    /// When, where and what.
    pub visit: Visit,
}

/// A QR code as a picture.
#[derive(Debug)]
pub struct Qr {
    /// Its side with the margin, modules.
    pub side: usize,
    /// The dark modules, as the path of an SVG.
    pub path: String,
}

/// Asks once before a cancellation.
#[derive(Template, Debug)]
#[template(path = "cancel.html")]
pub struct Cancel {
    /// The frame.
    pub f: Frame,
    /// The booking's code.
    pub code: String,
    /// The idempotency key.
    pub key: String,
    /// When, where and what.
    pub visit: Visit,
}

/// The reader's bookings.
#[derive(Template, Debug)]
#[template(path = "bookings.html")]
pub struct Bookings {
    /// The frame.
    pub f: Frame,
    /// Newest first.
    pub rows: Vec<BookingRow>,
    /// Where they stand by.
    pub standbys: Vec<StandbyRow>,
    /// Where somebody else is named, for whom the reader books.
    pub for_other: Option<String>,
}

/// A booking in the list.
#[derive(Debug)]
pub struct BookingRow {
    /// Its page.
    pub href: String,
    /// When.
    pub when: String,
    /// The clinic.
    pub clinic: String,
    /// The campaign.
    pub campaign: String,
    /// Through whom it was made, unless on this site.
    pub made: Option<String>,
    /// Who made it for whom, where somebody did.
    pub by: Option<String>,
    /// What became of it.
    pub state: &'static str,
    /// The style of that.
    pub class: &'static str,
}
