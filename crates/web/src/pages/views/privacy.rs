//! Pages about people's data.

use askama::Template;

use super::BookingRow;
use crate::pages::frame::Frame;

/// What is kept, why, for how long, and who sees it.
#[derive(Template, Debug)]
#[template(path = "privacy.html")]
pub struct PrivacyPage {
    /// The frame.
    pub f: Frame,
    /// Who answers for it, if that is said.
    pub controller: Option<String>,
    /// How to reach them.
    pub contact: Option<String>,
    /// What is kept of whoever is signed in.
    pub mine: Option<MyContact>,
    /// Each thing that is kept.
    pub facts: Vec<PrivacyFact>,
    /// Every cookie.
    pub cookies: Vec<CookieRow>,
}

/// The name and number of whoever is signed in.
#[derive(Debug)]
pub enum MyContact {
    /// They are kept.
    Kept {
        /// They are deleted on this day, if nothing happens meanwhile.
        until: String,
    },
    /// They are not.
    Forgotten,
}

/// One thing that is kept.
#[derive(Debug)]
pub struct PrivacyFact {
    /// Its name.
    pub title: String,
    /// What it is.
    pub what: String,
    /// Why.
    pub why: String,
    /// For how long.
    pub long: String,
    /// Who sees it.
    pub who: String,
}

/// A cookie.
#[derive(Debug)]
pub struct CookieRow {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub what: String,
    /// How long a browser keeps it.
    pub long: String,
}

/// Asks once before a name and a number are deleted.
#[derive(Template)]
#[template(path = "forget.html")]
pub struct ForgetPage {
    /// The frame.
    pub f: Frame,
    /// The name and the end of the number; none where they are deleted already.
    pub who: Option<(String, String)>,
    /// The birth date.
    pub birth: String,
    /// Bookings that are still to come, each with where it is given back.
    pub ahead: Vec<BookingRow>,
    /// Whether they wait for a leftover place.
    pub stands_by: bool,
    /// Other devices are signed in for so many days at the most.
    pub session_days: u64,
}

/// Never shows who it is.
impl std::fmt::Debug for ForgetPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForgetPage")
    }
}

/// It is done.
#[derive(Template, Debug)]
#[template(path = "forgotten.html")]
pub struct Forgotten {
    /// The frame.
    pub f: Frame,
    /// Nobody was signed in any more.
    pub nobody: bool,
    /// Backups are deleted after so many days.
    pub backup_days: u32,
}
