//! The one place that decides who may do what.
//!
//! [`may`] is the table of roles and deeds; [`DEEDS`] says which deed each address is. An address of
//! the operator's that is not in it is for nobody: a test goes over every one of them and every role.

use http::Method;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What someone of the staff is.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the service: everything.
    Operator,
    /// Works at one clinic or several: their own bookings and slots.
    Clinic,
    /// Answers the telephone: finds bookings, and books for callers.
    Agent,
    /// Sees everything but the audit list, and changes nothing.
    Viewer,
    /// A viewer who also sees the audit list.
    Auditor,
}

impl Role {
    /// All of them, in the order in which pages list them.
    pub const ALL: [Role; 5] = [Role::Operator, Role::Clinic, Role::Agent, Role::Viewer, Role::Auditor];

    /// As it is kept, for good.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Role::Operator => 1,
            Role::Clinic => 2,
            Role::Agent => 3,
            Role::Viewer => 4,
            Role::Auditor => 5,
        }
    }

    /// The role of a number; none for one of a newer build.
    #[must_use]
    pub fn of(number: u8) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.number() == number)
    }

    /// Its name in the API, forms and the audit list.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::Clinic => "clinic",
            Role::Agent => "agent",
            Role::Viewer => "viewer",
            Role::Auditor => "auditor",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// What can be done, as far as roles tell it apart.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    /// One's own account: sign out, password, second factor. The only one before a first password
    /// was changed, and before a second factor that is required was set up.
    OwnAccount,
    /// Look at rooms, campaigns, plots, alarms, messages and the runbook.
    Look,
    /// Look at a booking, which says nothing of who it is.
    LookAtBooking,
    /// Note that a person came.
    CheckIn,
    /// Change how many places a slot has, or withdraw some.
    SetPlaces,
    /// The clinic's desk: a day's list, who did not come, who walks in, leftover places.
    RunDesk,
    /// See the name and telephone number behind a booking.
    LookAtContact,
    /// Act for callers: identify them, let them in, book, move and cancel for them.
    Telephone,
    /// Run rooms and campaigns: make, open, pause, pace, quota, end.
    Operate,
    /// Make clinics, their parts in campaigns, and slots.
    Arrange,
    /// Make the next version of the rules count.
    UpgradeRules,
    /// See who is of the staff.
    SeeStaff,
    /// Add, change, lock and reset members of the staff.
    ManageStaff,
    /// See and take away the audit list.
    SeeAudit,
    /// Take a campaign's bookings, places and events away; nobody is named in them.
    Export,
}

impl Deed {
    /// All of them.
    pub const ALL: [Deed; 15] = [
        Deed::OwnAccount,
        Deed::Look,
        Deed::LookAtBooking,
        Deed::CheckIn,
        Deed::SetPlaces,
        Deed::RunDesk,
        Deed::LookAtContact,
        Deed::Telephone,
        Deed::Operate,
        Deed::Arrange,
        Deed::UpgradeRules,
        Deed::SeeStaff,
        Deed::ManageStaff,
        Deed::SeeAudit,
        Deed::Export,
    ];
}

/// How far someone may.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Leave {
    /// Everywhere.
    Yes,
    /// At the clinics that they are bound to.
    OwnClinics,
    /// Not at all.
    No,
}

/// The table: who may do what.
#[must_use]
pub fn may(role: Role, deed: Deed) -> Leave {
    use Deed::*;
    use Leave::{No, OwnClinics, Yes};
    match (role, deed) {
        (_, OwnAccount) => Yes,
        (Role::Operator, _) => Yes,
        (Role::Clinic, LookAtBooking | CheckIn | SetPlaces | RunDesk | LookAtContact) => OwnClinics,
        (Role::Clinic, _) => No,
        (Role::Agent, Look | LookAtBooking | Telephone) => Yes,
        (Role::Agent, _) => No,
        (Role::Viewer | Role::Auditor, Look | LookAtBooking | SeeStaff) => Yes,
        (Role::Auditor, SeeAudit | Export) => Yes,
        (Role::Viewer | Role::Auditor, _) => No,
    }
}

/// Every address of the operator's that needs a session, and which deed it is. `*` is any deed of a
/// page's path: the forms of rooms and campaigns are all of one kind.
pub const DEEDS: &[(&str, &str, Deed)] = &[
    // The API.
    ("DELETE", "/api/v1/operator/sessions", Deed::OwnAccount),
    ("PUT", "/api/v1/operator/password", Deed::OwnAccount),
    ("POST", "/api/v1/operator/rooms", Deed::Operate),
    ("POST", "/api/v1/operator/rooms/{room}/schedule", Deed::Operate),
    ("POST", "/api/v1/operator/rooms/{room}/open", Deed::Operate),
    ("POST", "/api/v1/operator/rooms/{room}/draw", Deed::Operate),
    ("POST", "/api/v1/operator/rooms/{room}/pause", Deed::Operate),
    ("POST", "/api/v1/operator/rooms/{room}/resume", Deed::Operate),
    ("POST", "/api/v1/operator/rooms/{room}/close", Deed::Operate),
    ("POST", "/api/v1/operator/rooms/{room}/pace", Deed::Operate),
    ("POST", "/api/v1/operator/rooms/{room}/notices", Deed::Operate),
    ("POST", "/api/v1/operator/campaigns", Deed::Operate),
    ("POST", "/api/v1/operator/campaigns/{campaign}/rules", Deed::Operate),
    ("POST", "/api/v1/operator/campaigns/{campaign}/windows", Deed::Operate),
    ("POST", "/api/v1/operator/campaigns/{campaign}/quota", Deed::Operate),
    ("POST", "/api/v1/operator/campaigns/{campaign}/pause", Deed::Operate),
    ("POST", "/api/v1/operator/campaigns/{campaign}/resume", Deed::Operate),
    ("POST", "/api/v1/operator/campaigns/{campaign}/close", Deed::Operate),
    ("POST", "/api/v1/operator/clinics", Deed::Arrange),
    ("POST", "/api/v1/operator/campaigns/{campaign}/desks", Deed::Arrange),
    ("POST", "/api/v1/operator/slots", Deed::Arrange),
    ("POST", "/api/v1/operator/slots/{slot}/capacity", Deed::SetPlaces),
    ("POST", "/api/v1/operator/slots/{slot}/withdrawn", Deed::SetPlaces),
    ("GET", "/api/v1/operator/bookings/{booking}", Deed::LookAtBooking),
    ("POST", "/api/v1/operator/bookings/{booking}/check-in", Deed::CheckIn),
    ("POST", "/api/v1/operator/rooms/{room}/agent-share", Deed::Operate),
    ("GET", "/api/v1/operator/desks", Deed::RunDesk),
    ("GET", "/api/v1/operator/desks/{desk}/days/{date}", Deed::RunDesk),
    ("POST", "/api/v1/operator/desks/{desk}/slots", Deed::SetPlaces),
    ("POST", "/api/v1/operator/bookings/{booking}/no-show", Deed::RunDesk),
    ("POST", "/api/v1/operator/bookings/{booking}/contact", Deed::LookAtContact),
    ("POST", "/api/v1/operator/slots/{slot}/walk-ins", Deed::RunDesk),
    ("POST", "/api/v1/operator/slots/{slot}/offers", Deed::RunDesk),
    ("POST", "/api/v1/operator/calls/codes", Deed::Telephone),
    ("POST", "/api/v1/operator/calls", Deed::Telephone),
    ("POST", "/api/v1/operator/calls/vouched", Deed::Telephone),
    ("GET", "/api/v1/operator/calls/bookings", Deed::Telephone),
    ("POST", "/api/v1/operator/calls/rooms/{room}/enter", Deed::Telephone),
    ("POST", "/api/v1/operator/calls/holds", Deed::Telephone),
    ("POST", "/api/v1/operator/calls/bookings/{booking}/confirm", Deed::Telephone),
    ("POST", "/api/v1/operator/calls/bookings/{booking}/cancel", Deed::Telephone),
    ("POST", "/api/v1/operator/calls/bookings/{booking}/reschedule", Deed::Telephone),
    ("POST", "/api/v1/operator/calls/forget", Deed::Telephone),
    ("GET", "/api/v1/operator/rules", Deed::Look),
    ("POST", "/api/v1/operator/rules", Deed::UpgradeRules),
    ("GET", "/api/v1/operator/messages", Deed::Look),
    ("GET", "/api/v1/operator/series", Deed::Look),
    ("GET", "/api/v1/operator/events", Deed::Look),
    ("GET", "/api/v1/operator/alarms", Deed::Look),
    ("GET", "/api/v1/operator/staff", Deed::SeeStaff),
    ("POST", "/api/v1/operator/staff", Deed::ManageStaff),
    ("POST", "/api/v1/operator/staff/{name}/role", Deed::ManageStaff),
    ("POST", "/api/v1/operator/staff/{name}/lock", Deed::ManageStaff),
    ("POST", "/api/v1/operator/staff/{name}/unlock", Deed::ManageStaff),
    ("POST", "/api/v1/operator/staff/{name}/reset", Deed::ManageStaff),
    ("GET", "/api/v1/operator/audit", Deed::SeeAudit),
    // The pages. The overview sends those who may not look to their own account.
    ("GET", "/operator", Deed::OwnAccount),
    ("POST", "/operator/sign-out", Deed::OwnAccount),
    ("GET", "/operator/account", Deed::OwnAccount),
    ("POST", "/operator/account/{deed}", Deed::OwnAccount),
    ("GET", "/operator/runbook", Deed::Look),
    ("GET", "/operator/rooms/{room}", Deed::Look),
    ("POST", "/operator/rooms/{room}/{deed}", Deed::Operate),
    ("GET", "/operator/campaigns/{campaign}", Deed::Look),
    ("POST", "/operator/campaigns/{campaign}/{deed}", Deed::Operate),
    ("POST", "/operator/campaigns/{campaign}/rehearse", Deed::Operate),
    ("GET", "/operator/campaigns/{campaign}/export/{table}", Deed::Export),
    ("GET", "/operator/openings", Deed::Arrange),
    ("GET", "/operator/openings/example.csv", Deed::Arrange),
    ("POST", "/operator/openings/look", Deed::Arrange),
    ("POST", "/operator/openings/create", Deed::Operate),
    ("GET", "/operator/desk", Deed::RunDesk),
    ("GET", "/operator/desk/{desk}", Deed::RunDesk),
    ("GET", "/operator/desk/{desk}/print", Deed::RunDesk),
    ("POST", "/operator/desk/{desk}/print", Deed::LookAtContact),
    ("POST", "/operator/desk/{desk}/{deed}", Deed::RunDesk),
    ("GET", "/operator/phone", Deed::Telephone),
    ("GET", "/operator/phone/book/{campaign}", Deed::Telephone),
    ("POST", "/operator/phone/{deed}", Deed::Telephone),
    ("GET", "/operator/staff", Deed::SeeStaff),
    ("POST", "/operator/staff", Deed::ManageStaff),
    ("POST", "/operator/staff/{name}/{deed}", Deed::ManageStaff),
    ("GET", "/operator/audit", Deed::SeeAudit),
    ("GET", "/operator/audit.csv", Deed::SeeAudit),
];

/// The deed of an address; none if it is not in the table, and then it is for nobody.
#[must_use]
pub fn deed_of(method: &Method, path: &str) -> Option<Deed> {
    // A page that is asked for by its head only is looked at all the same.
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    DEEDS.iter().find(|(of, at, _)| *of == method && *at == path).map(|(_, _, deed)| *deed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_roles_and_deeds() {
        let sign = |leave| match leave {
            Leave::Yes => 'y',
            Leave::OwnClinics => 'c',
            Leave::No => '-',
        };
        let row = |role| Deed::ALL.map(|deed| sign(may(role, deed))).iter().collect::<String>();
        // Own account, look, look at booking, check in, places, desk, contact, telephone, operate,
        // arrange, upgrade, see staff, manage staff, see audit, export.
        let expected =
            ["yyyyyyyyyyyyyyy", "y-ccccc--------", "yyy----y-------", "yyy--------y---", "yyy--------y-yy"];
        assert_eq!(Role::ALL.map(row), expected);
    }

    #[test]
    fn numbers_of_roles_are_for_good() {
        assert_eq!(Role::ALL.map(Role::number), [1, 2, 3, 4, 5]);
        for role in Role::ALL {
            assert_eq!((Role::of(role.number()), Role::named(role.name())), (Some(role), Some(role)));
        }
        assert_eq!((Role::of(0), Role::of(6), Role::named("root")), (None, None, None));
    }

    #[test]
    fn an_address_is_in_the_table_once() {
        for (at, (method, path, _)) in DEEDS.iter().enumerate() {
            let again = DEEDS[at + 1..].iter().any(|(other, same, _)| other == method && same == path);
            assert!(!again, "{method} {path} is there twice");
        }
        assert_eq!(deed_of(&Method::HEAD, "/operator/staff"), Some(Deed::SeeStaff));
        assert_eq!(deed_of(&Method::PUT, "/operator/staff"), None);
    }
}
