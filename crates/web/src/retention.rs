//! Contacts end by themselves.
//!
//! A name and a number are kept for [`PrivacyOptions::keep_contact_days`] after the latest of: the day
//! on which their person last said who they are, the beginning of their last visit, the last change of
//! any booking of theirs. Those that an earlier build sealed have no such day: theirs is the one on which
//! this one first looked. Then they are forgotten as by the person's own wish: the key first, then the
//! sealed bytes. Once a day one node goes over everybody, in slices and slowly, so that it costs
//! nothing worth naming while a country books.
//!
//! It must never forget somebody who may still come: a booking ahead, or one that was missed or changed
//! lately, keeps the contact. Nor must it take a contact that it cannot open for one that is over.
//!
//! Start reading at [`sweep`] and [`ends_on`].
//!
//! [`PrivacyOptions::keep_contact_days`]: crate::site::PrivacyOptions::keep_contact_days

use std::sync::Arc;
use std::time::Duration;

use jari_core::booking::BookingState;
use jari_core::ids::{CommandId, PersonId};
use jari_core::time::Date;
use jari_core::{Command, Outcome, Reason, State};
use jari_node::Duty;
use tokio::time::{Instant, MissedTickBehavior};

use crate::actions::identity::{ForgottenBy, forget_person};
use crate::problem::Problem;
use crate::site::Site;
use crate::staff::audit::{Entry, SERVICE};

/// Days for which a contact may be kept, by configuration. Fewer, and somebody who is signed in could
/// be forgotten before their session ends.
pub const KEEP_DAYS: std::ops::RangeInclusive<u32> = 14..=3_650;
/// After a start, so long before the first look.
const FIRST_AFTER: Duration = Duration::from_secs(10 * 60);
/// Whether today's sweep is still to be done is looked at so often.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// How fast a sweep goes.
#[derive(Copy, Clone, Debug)]
pub struct Pace {
    /// Contacts looked at under one lock of the state.
    pub slice: u64,
    /// Between two slices.
    pub between_slices: Duration,
    /// Between two people who are forgotten: each is a flush of the vault and a command.
    pub between_people: Duration,
}

impl Default for Pace {
    /// Ten million contacts take half an hour, and twenty people a second are forgotten at the most.
    fn default() -> Self {
        let (between_slices, between_people) = (Duration::from_millis(40), Duration::from_millis(50));
        Pace { slice: 256, between_slices, between_people }
    }
}

/// What a sweep came to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Swept {
    /// Everybody was looked at.
    Whole {
        /// How many were forgotten.
        forgotten: u32,
    },
    /// Another node does it.
    Elsewhere,
}

/// A contact is sealed anew when its person comes again after so many days: a third of the time, a month
/// at the most. So the day that is kept is never older than that before the last time they came.
pub(crate) fn renew_days(keep_days: u32) -> i32 {
    (keep_days / 3).clamp(1, 30) as i32
}

/// The first day on which a contact is kept no more, of the day on which it was sealed and the last day
/// of its person's bookings.
#[must_use]
pub fn ends_on(since: Date, last: Option<Date>, keep_days: u32) -> Date {
    let latest = last.map_or(since, |last| since.max(last));
    Date(latest.0.saturating_add(i32::try_from(keep_days).unwrap_or(i32::MAX)).saturating_add(1))
}

/// The day from which a contact counts that was sealed on this one. Those that earlier builds sealed have
/// none: for them it is the day on which this service first asked.
pub(crate) async fn since_of(site: &Site, since: Option<Date>) -> Result<Date, Problem> {
    match since {
        Some(since) => Ok(since),
        None => site.vault.dated_since(site.today()).await,
    }
}

/// The last day that has to do with a booking of this person, or one that they made for somebody else: a
/// visit, or a change.
pub(crate) fn last_day(state: &State, person: PersonId, utc_offset_min: i16) -> Option<Date> {
    let all = state.bookings_of(person).chain(state.bookings_for_others(person));
    let days = all.map(|(_, booking)| {
        let changed = booking.until.date(utc_offset_min);
        // Whoever gave a place back is expected nowhere.
        let is_visit = !matches!(booking.state, BookingState::Cancelled | BookingState::Lapsed);
        let slot = state.data().slots.get(u64::from(booking.slot.0)).filter(|_| is_visit);
        slot.map_or(changed, |slot| changed.max(slot.starts_at.date(utc_offset_min)))
    });
    days.max()
}

/// Sweeps once a day until it is dropped.
pub(crate) async fn run(site: Arc<Site>) {
    let mut interval = tokio::time::interval_at(Instant::now() + FIRST_AFTER, EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swept_on = None;
    loop {
        interval.tick().await;
        let today = site.today();
        if swept_on == Some(today) {
            continue;
        }
        match sweep(&site, &Pace::default()).await {
            Ok(Swept::Whole { .. }) => swept_on = Some(today),
            Ok(Swept::Elsewhere) => {}
            Err(problem) => {
                tracing::warn!(code = problem.code, "contacts whose time is over could not all be forgotten");
            }
        }
    }
}

/// Goes over all contacts and forgets those whose time is over, if this node is the one that does such
/// things. What it did is one entry of the audit list, with a number and no names.
///
/// # Errors
///
/// A passing problem of the vault or the journal. Whoever was not reached is met by the next sweep.
pub async fn sweep(site: &Site, pace: &Pace) -> Result<Swept, Problem> {
    let mut forgotten = 0;
    let walked = walk(site, pace, &mut forgotten).await;
    if forgotten > 0 {
        tracing::info!(forgotten, "contacts whose time was over were forgotten");
        let on = format!("{forgotten} contacts");
        let entry = Entry::new(site.node.now().0, SERVICE, "forget_contacts", on);
        if let Err(problem) = site.vault.note(&entry).await {
            tracing::warn!(code = problem.code, forgotten, "a sweep is missing in the audit list");
        }
    }
    Ok(if walked? { Swept::Whole { forgotten } } else { Swept::Elsewhere })
}

/// Somebody who may be forgotten, by their bookings.
struct Candidate {
    person: PersonId,
    sealed: Vec<u8>,
    last: Option<Date>,
}

/// Whether everybody was looked at.
async fn walk(site: &Site, pace: &Pace, forgotten: &mut u32) -> Result<bool, Problem> {
    let me = site.node.identity();
    if site.node.read(|state| me.turn(state.data(), site.node.now())) == Duty::Rest {
        return Ok(false);
    }
    let mut next = Some(0);
    while let Some(from) = next {
        let (candidates, then) = site.node.read(|state| slice(site, state, from, pace.slice));
        for candidate in candidates {
            if !is_over(site, &candidate).await? {
                continue;
            }
            // Asked for here, so that a day without anybody to be forgotten writes nothing.
            if !has_turn(site).await? {
                return Ok(false);
            }
            if is_as_it_was(site, &candidate) {
                forget_person(site, candidate.person, ForgottenBy::Time).await?;
                *forgotten += 1;
                tokio::time::sleep(pace.between_people).await;
            }
        }
        next = then;
        if next.is_some() {
            tokio::time::sleep(pace.between_slices).await;
        }
    }
    Ok(true)
}

/// Those of so many contacts whose bookings do not keep them, and where to go on.
fn slice(site: &Site, state: &State, from: u64, count: u64) -> (Vec<Candidate>, Option<u64>) {
    let contacts = &state.data().contacts;
    let upto = (from + count.max(1)).min(contacts.end());
    let found = (from..upto).filter_map(|place| contacts.get(place)).filter(|it| !it.sealed.is_empty());
    let candidates = found.filter_map(|contact| {
        let last = last_day(state, contact.person, site.options.utc_offset_min);
        let is_kept = last.is_some_and(|last| !is_past(site, last, None));
        (!is_kept).then(|| Candidate { person: contact.person, sealed: contact.sealed.to_vec(), last })
    });
    (candidates.collect(), (upto < contacts.end()).then_some(upto))
}

fn is_past(site: &Site, since: Date, last: Option<Date>) -> bool {
    ends_on(since, last, site.options.privacy.keep_contact_days) <= site.today()
}

/// Whether it is over by the day that is sealed with it, too. One that does not open is left alone:
/// nobody can read it, and a key that is missing here by mistake may come back.
async fn is_over(site: &Site, candidate: &Candidate) -> Result<bool, Problem> {
    let Some(kept) = site.vault.kept(candidate.person, &candidate.sealed).await? else { return Ok(false) };
    Ok(is_past(site, since_of(site, kept.since).await?, candidate.last))
}

/// Whether nothing has happened since it was looked at: its person came again, or booked.
fn is_as_it_was(site: &Site, candidate: &Candidate) -> bool {
    let Candidate { person, sealed, last } = candidate;
    site.node.read(|state| {
        state.contact_of(*person) == Some(sealed)
            && last_day(state, *person, site.options.utc_offset_min) == *last
    })
}

/// Whether this node is the one that acts for all, asking for the lease where nobody has it.
async fn has_turn(site: &Site) -> Result<bool, Problem> {
    let me = site.node.identity();
    // Asked once; a lease that is given and nearly over at once is tried again by the next sweep.
    for is_asked in [false, true] {
        match site.node.read(|state| me.turn(state.data(), site.node.now())) {
            Duty::Perform { .. } => return Ok(true),
            Duty::Rest => return Ok(false),
            Duty::Ask if is_asked => return Ok(false),
            Duty::Ask => {}
        }
        match site.node.submit(Command { id: CommandId(0), body: me.ask() }).await? {
            Outcome::Leased { .. } => {}
            Outcome::Refused(refusal) if refusal.reason == Reason::LeaseHeld => return Ok(false),
            Outcome::Refused(refusal) => return Err(refusal.into()),
            other => return Err(Problem::unexpected(other)),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::SiteOptions;

    #[test]
    fn a_contact_ends_after_the_latest_of_what_is_known() {
        let ends = |since: i32, last: Option<i32>| ends_on(Date(since), last.map(Date), 90).0;
        assert_eq!((ends(100, None), ends(100, Some(50))), (191, 191));
        assert_eq!((ends(100, Some(150)), ends(150, Some(100))), (241, 241));
        assert_eq!(ends_on(Date(i32::MAX), None, u32::MAX), Date(i32::MAX));
    }

    #[test]
    fn nobody_is_forgotten_while_they_are_signed_in() {
        let session_days = (SiteOptions::default().session_ms / 86_400_000) as i32;
        for keep_days in KEEP_DAYS {
            let left = keep_days as i32 - renew_days(keep_days);
            assert!(left >= session_days, "{keep_days}: {left} days after the last time they came");
            assert!((1..=30).contains(&renew_days(keep_days)));
        }
    }
}
