//! Sealed contacts: opaque bytes, one place a person.

use alloc::boxed::Box;

use super::ledger::{Verdict, refused, refused_with};
use crate::ids::PersonId;
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::state::{Contact, Data, Index};

/// Keeps a person's sealed contact. Checked in this order: its length (`setting_unfit`
/// 1: empty or too long); room for one more person (`full`).
pub(super) fn keep_contact(data: &mut Data, index: &mut Index, person: PersonId, sealed: &[u8]) -> Verdict {
    if sealed.is_empty() || sealed.len() > limits::CONTACT_BYTES_MAX {
        return refused_with(Reason::SettingUnfit, 1);
    }
    if let Some(place) = index.contact_of(data, person) {
        let contact = data.contacts.get_mut(place).expect("an indexed contact has a place");
        contact.sealed = Box::from(sealed);
        return Ok(Outcome::Done);
    }
    if data.contacts.end() >= limits::CONTACTS_MAX {
        return refused(Reason::Full);
    }
    let place = data.contacts.push(Contact { person, sealed: Box::from(sealed) });
    index.add_contact(place, person);
    Ok(Outcome::Done)
}

/// Drops a person's sealed contact, or refuses with `contact_unknown`. The empty place
/// stays theirs, so that keeping and dropping in turns uses up nothing.
pub(super) fn drop_contact(data: &mut Data, index: &Index, person: PersonId) -> Verdict {
    let place = index.contact_of(data, person);
    match place.and_then(|place| data.contacts.get_mut(place)) {
        Some(contact) if !contact.sealed.is_empty() => {
            contact.sealed = Box::default();
            Ok(Outcome::Done)
        }
        _ => refused(Reason::ContactUnknown),
    }
}
