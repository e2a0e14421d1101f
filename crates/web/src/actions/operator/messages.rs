//! Messages to people, as the operator may see them.

use jari_wire::token::StaffSession;

use crate::messages::{MessagesView, view};
use crate::site::Site;

/// Which messages wait, and which failed: without names, and of numbers the last two digits.
#[must_use]
pub fn messages(site: &Site, _staff: &StaffSession) -> MessagesView {
    view(site)
}
