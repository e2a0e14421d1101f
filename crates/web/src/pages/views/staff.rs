//! Pages of accounts and of the audit list as data.

use askama::Template;

use super::Qr;
use crate::pages::frame::Frame;

/// One's own account.
#[derive(Template, Debug)]
#[template(path = "operator/account.html")]
pub struct AccountPage {
    /// The frame.
    pub f: Frame,
    /// The name to sign in with.
    pub name: String,
    /// The role: a message's key.
    pub role: &'static str,
    /// The clinics that it is bound to; empty without.
    pub clinics: String,
    /// The first password has to be changed.
    pub must_change: bool,
    /// A second factor has to be set up.
    pub must_set_up: bool,
    /// There is one.
    pub has_second_factor: bool,
    /// It may be taken away.
    pub may_remove: bool,
    /// A key that is offered.
    pub offer: Option<OfferShown>,
    /// Recovery codes, shown once.
    pub codes: Vec<String>,
    /// Whether something was just done.
    pub done: bool,
    /// What went wrong.
    pub problem: Option<String>,
}

/// A key of a second factor, for a camera and for hands.
#[derive(Debug)]
pub struct OfferShown {
    /// The picture.
    pub qr: Option<Qr>,
    /// The key in groups of four.
    pub secret: String,
    /// The offer, sealed, to be sent back.
    pub sealed: String,
}

/// Who is of the staff.
#[derive(Template, Debug)]
#[template(path = "operator/staff.html")]
pub struct StaffPage {
    /// The frame.
    pub f: Frame,
    /// Accounts, by name.
    pub rows: Vec<StaffRow>,
    /// Roles to choose from.
    pub roles: Vec<RoleChoice>,
    /// The reader may change something.
    pub may_manage: bool,
    /// A name and its first password, shown once.
    pub first: Option<(String, String)>,
    /// Whether something was just done.
    pub done: bool,
    /// What went wrong.
    pub problem: Option<String>,
}

/// An account.
#[derive(Debug)]
pub struct StaffRow {
    /// Its name.
    pub name: String,
    /// Its role: a message's key.
    pub role: &'static str,
    /// Roles to choose from, its own marked.
    pub roles: Vec<RoleChoice>,
    /// Its clinics, with commas.
    pub clinics: String,
    /// Nobody signs in.
    pub locked: bool,
    /// There is a second factor.
    pub second_factor: bool,
    /// The first password was not changed yet.
    pub first_password: bool,
}

/// A role to choose.
#[derive(Clone, Debug)]
pub struct RoleChoice {
    /// Its name in forms.
    pub name: &'static str,
    /// A message's key.
    pub label: &'static str,
    /// It is the one.
    pub chosen: bool,
}

/// The audit list.
#[derive(Template, Debug)]
#[template(path = "operator/audit.html")]
pub struct AuditPage {
    /// The frame.
    pub f: Frame,
    /// The day asked for; empty for all.
    pub day: String,
    /// The account asked for; empty for all.
    pub person: String,
    /// Entries, the newest first.
    pub rows: Vec<AuditRow>,
    /// Where the older ones are.
    pub older: Option<String>,
    /// Where the table is.
    pub csv: String,
    /// What went wrong.
    pub problem: Option<String>,
}

/// An entry.
#[derive(Debug)]
pub struct AuditRow {
    /// When.
    pub at: String,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
    /// To what.
    pub on: String,
    /// The public reason.
    pub reason: String,
    /// The code of the problem; empty where it was done.
    pub refused: String,
    /// How often, where it was more than once.
    pub count: Option<String>,
}
