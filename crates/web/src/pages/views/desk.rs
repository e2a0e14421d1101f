//! The clinic's desk and the telephone agent's as data.

use askama::Template;

use super::{BookingRow, Figure};
use crate::pages::frame::Frame;

/// Clinics' desks to choose from.
#[derive(Template, Debug)]
#[template(path = "operator/desks.html")]
pub struct DesksPage {
    /// The frame.
    pub f: Frame,
    /// What was looked for; none for an account that has its own clinics only.
    pub find: Option<String>,
    /// The desks.
    pub rows: Vec<DeskChoice>,
}

/// A desk to choose.
#[derive(Debug)]
pub struct DeskChoice {
    /// Its number.
    pub desk: u32,
    /// The clinic's name.
    pub name: String,
    /// Its address, and the campaign.
    pub line: String,
}

/// A clinic's day.
#[derive(Template, Debug)]
#[template(path = "operator/desk.html")]
pub struct DeskPage {
    /// The frame.
    pub f: Frame,
    /// The moment shown.
    pub now: String,
    /// The address of the desk.
    pub here: String,
    /// The clinic.
    pub clinic: String,
    /// The campaign.
    pub campaign: String,
    /// The day as in addresses.
    pub day: String,
    /// The day's name.
    pub day_name: String,
    /// The day before.
    pub before: String,
    /// The day after.
    pub after: String,
    /// The whole day's figures.
    pub figures: Vec<Figure>,
    /// Bookings that are left out of the list.
    pub left_out: u32,
    /// Whether something was just done.
    pub done: bool,
    /// What went wrong.
    pub problem: Option<String>,
    /// The booking that was looked for.
    pub found: Option<FoundBooking>,
    /// The day's slots.
    pub slots: Vec<DeskSlotRow>,
    /// Slots with free places that may be given now.
    pub today: Vec<SlotChoice>,
    /// A walk-in as it was written.
    pub walk: PersonFields,
    /// The walk-in's idempotency key.
    pub key: String,
    /// The campaign's vaccines, in the order of their numbers.
    pub vaccines: Vec<String>,
    /// Doses of the course.
    pub doses: u8,
}

/// Who somebody is, as it was written.
#[derive(Clone, Default)]
pub struct PersonFields {
    /// The name.
    pub name: String,
    /// The year of birth.
    pub year: String,
    /// The month.
    pub month: String,
    /// The day.
    pub day: String,
    /// The telephone number.
    pub telephone: String,
}

/// Never shows who it is.
impl std::fmt::Debug for PersonFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonFields")
    }
}

/// A booking that the desk looks at.
#[derive(Debug)]
pub struct FoundBooking {
    /// Its row.
    pub row: DeskRow,
    /// When, with the zone.
    pub when: String,
    /// Another clinic, if it is for one.
    pub elsewhere: Option<String>,
    /// A name and a number, if they were asked for; empty once forgotten.
    pub contact: Option<(String, String)>,
    /// Who made it for them, likewise.
    pub made_by: Option<String>,
}

/// A slot of a day.
#[derive(Debug)]
pub struct DeskSlotRow {
    /// Its number.
    pub id: u32,
    /// The time of day.
    pub time: String,
    /// The vaccine.
    pub vaccine: String,
    /// Free places.
    pub free: u32,
    /// All places.
    pub capacity: u32,
    /// Places taken out of use.
    pub withdrawn: u32,
    /// What is offered of it, in words.
    pub offering: Option<String>,
    /// Bookings.
    pub rows: Vec<DeskRow>,
}

/// A booking of a day.
#[derive(Debug)]
pub struct DeskRow {
    /// Its number.
    pub id: u32,
    /// Its code.
    pub code: String,
    /// What became of it: a message's key.
    pub state: &'static str,
    /// The style.
    pub class: &'static str,
    /// The dose.
    pub dose: u8,
    /// Since when, or until when.
    pub at: String,
    /// Whether the person can be checked in.
    pub may_come: bool,
    /// Whether it may be noted that nobody came.
    pub may_miss: bool,
    /// The name, on a list for paper with names.
    pub name: String,
    /// The number likewise.
    pub telephone: String,
}

/// A slot to choose.
#[derive(Debug)]
pub struct SlotChoice {
    /// Its number.
    pub id: u32,
    /// Time, vaccine, free places.
    pub text: String,
    /// It was chosen before.
    pub chosen: bool,
}

/// A day's list for paper.
#[derive(Template, Debug)]
#[template(path = "operator/desk_print.html")]
pub struct DeskPrint {
    /// The frame.
    pub f: Frame,
    /// The moment it shows.
    pub now: String,
    /// The address of the desk.
    pub here: String,
    /// The clinic.
    pub clinic: String,
    /// The campaign.
    pub campaign: String,
    /// The day as in addresses.
    pub day: String,
    /// The day's name.
    pub day_name: String,
    /// Whether names are on it.
    pub named: bool,
    /// Slots and their bookings.
    pub slots: Vec<DeskSlotRow>,
}

/// The telephone agent's desk.
#[derive(Template, Debug)]
#[template(path = "operator/phone.html")]
pub struct PhonePage {
    /// The frame.
    pub f: Frame,
    /// What went wrong.
    pub problem: Option<String>,
    /// What was just done: a message's key.
    pub done: Option<&'static str>,
    /// Nobody is on the line: who is it.
    pub asked: Option<PersonFields>,
    /// A code was sent to this end of a number.
    pub sent_to: Option<String>,
    /// Whoever is on the line.
    pub call: Option<CallShown>,
}

/// Whoever is on the line.
#[derive(Debug)]
pub struct CallShown {
    /// The name.
    pub name: String,
    /// The birth date.
    pub birth: String,
    /// Until when they are identified.
    pub until: String,
    /// Campaigns to book in.
    pub campaigns: Vec<CallCampaign>,
    /// Their holds and bookings.
    pub rows: Vec<CallBooking>,
}

/// A campaign that can be booked in.
#[derive(Debug)]
pub struct CallCampaign {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The room in front of it.
    pub room: Option<u32>,
}

/// A booking of the caller's.
#[derive(Debug)]
pub struct CallBooking {
    /// Its row.
    pub row: BookingRow,
    /// Its number.
    pub id: u32,
    /// Its code, to be read out.
    pub code: String,
    /// It waits to be confirmed.
    pub held: bool,
    /// It is booked.
    pub booked: bool,
    /// Until when it is held.
    pub until: String,
    /// Where another time is chosen.
    pub moving: String,
    /// Keys of its forms.
    pub keys: (String, String),
}

/// Where and when, for the caller.
#[derive(Template, Debug)]
#[template(path = "operator/phone_book.html")]
pub struct PhoneBook {
    /// The frame.
    pub f: Frame,
    /// The campaign.
    pub campaign: String,
    /// Its number.
    pub id: u32,
    /// What went wrong.
    pub problem: Option<String>,
    /// The code of the booking that is moved; empty for a new one.
    pub moving: String,
    /// Choices up to now and the next one.
    pub steps: Vec<PhoneStep>,
    /// Times to choose from; empty until a clinic is chosen.
    pub times: Vec<SlotChoice>,
    /// Whether the clinic that was chosen has no free time.
    pub is_full: bool,
    /// Doses of the course.
    pub doses: u8,
    /// The idempotency key.
    pub key: String,
}

/// A step on the way to a time.
#[derive(Debug)]
pub struct PhoneStep {
    /// The field's name.
    pub name: &'static str,
    /// Its label.
    pub label: &'static str,
    /// What there is, and what was chosen.
    pub options: Vec<PhoneOption>,
}

/// Something to choose.
#[derive(Debug)]
pub struct PhoneOption {
    /// Its value.
    pub value: String,
    /// Its name and free places.
    pub text: String,
    /// It was chosen.
    pub chosen: bool,
}
