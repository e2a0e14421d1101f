//! Booking for somebody else, from rules 5 on: a daughter for her father, with both recorded.
//!
//! The booking is the person's in every way: their birth date, their dose, their one place. Beside
//! it stands who made it, the *proxy*, and while their reach lasts the proxy may confirm, move and
//! give back what they made, and hears of it by messages of their own. Nobody else may, and no
//! other booking of that person is within their reach. A ticket that is the proxy's counts, since
//! it is the proxy who stood in line; how many places a pass serves bounds it.
//!
//! **What is kept.** One entry for each such booking, in the order of the bookings, for good: who
//! made it stays known after the reach has ended. Bookings that people make for themselves cost a
//! bit in the index, and only up to the last that was made by a proxy.
//!
//! **Bounds.** A proxy has so many places of others at a time and so many ever made
//! ([`limits::PROXIED_MAX`], [`limits::PROXIED_EVER_MAX`]): one who is called and carries a whole
//! list does not hold up a clinic.
//!
//! It must never let a proxy reach a booking that they did not make, nor forget who made it. Start
//! reading at [`hold_for`], then [`acts_for`].

use super::hold::{Wish, hold};
use super::ledger::{Verdict, refused, refused_with};
use crate::booking::{Booking, BookingState};
use crate::chunked::Chunked;
use crate::ids::{BookingId, PersonId};
use crate::limits;
use crate::outcome::{Outcome, Reason, Refusal};
use crate::rules::RULES_PROXIES;
use crate::shards::Shards;
use crate::state::{Data, Index, State};

/// "No such entry."
const NONE: u32 = u32::MAX;

/// That somebody made a booking for somebody else.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Proxied {
    /// Who made it; two halves, as in [`Booking`].
    pub proxy: [u64; 2],
    /// The booking.
    pub booking: BookingId,
    /// Whether the proxy's reach has been ended.
    pub ended: bool,
}

impl Proxied {
    /// Who made it.
    #[must_use]
    pub fn proxy(&self) -> PersonId {
        PersonId(u128::from(self.proxy[0]) | u128::from(self.proxy[1]) << 64)
    }
}

/// What finds entries fast. Follows from them.
#[derive(Clone, Debug)]
pub(crate) struct ProxyIndex {
    /// A proxy's newest entry.
    newest: Shards,
    /// For each entry the same proxy's one before it.
    earlier: Chunked<u32>,
    /// A bit for each booking, up to the last that has an entry.
    marks: Chunked<u64>,
}

impl Default for ProxyIndex {
    fn default() -> Self {
        ProxyIndex { newest: Shards::new(6), earlier: Chunked::default(), marks: Chunked::default() }
    }
}

impl ProxyIndex {
    /// Builds the index of a list that is in the order of the bookings.
    pub(crate) fn of(proxies: &Chunked<Proxied>) -> ProxyIndex {
        let mut index = ProxyIndex::default();
        for (place, proxied) in (0..).zip(proxies.iter()) {
            index.add(proxies, place, proxied);
        }
        index
    }

    fn add(&mut self, proxies: &Chunked<Proxied>, place: u32, proxied: &Proxied) {
        let hash = proxied.proxy[0];
        let before = self.newest_of(proxies, proxied.proxy);
        match before {
            Some(before) => assert!(self.newest.replace(hash, before, place), "it was just found"),
            None => self.newest.insert(hash, place),
        }
        self.earlier.push(before.unwrap_or(NONE));
        let (word, bit) = place_of_mark(proxied.booking);
        while self.marks.end() <= word {
            self.marks.push(0);
        }
        *self.marks.get_mut(word).expect("it was just made") |= bit;
    }

    fn newest_of(&self, proxies: &Chunked<Proxied>, proxy: [u64; 2]) -> Option<u32> {
        let is_theirs = |place: u32| proxies.get(u64::from(place)).is_some_and(|entry| entry.proxy == proxy);
        self.newest.find(proxy[0], is_theirs)
    }

    /// The entries of a proxy, newest first.
    fn of_proxy<'a>(&'a self, data: &'a Data, proxy: PersonId) -> impl Iterator<Item = &'a Proxied> {
        let mut next = self.newest_of(&data.proxies, Booking::halves(proxy));
        core::iter::from_fn(move || {
            let place = u64::from(next?);
            next = self.earlier.get(place).copied().filter(|earlier| *earlier != NONE);
            data.proxies.get(place)
        })
    }

    /// The place of a booking's entry. For what people booked themselves it is one look at a bit.
    fn place(&self, data: &Data, booking: BookingId) -> Option<u64> {
        let (word, bit) = place_of_mark(booking);
        if self.marks.get(word)? & bit == 0 {
            return None;
        }
        let (mut below, mut beyond) = (0, data.proxies.end());
        while below < beyond {
            let middle = below + (beyond - below) / 2;
            let entry = data.proxies.get(middle).expect("the middle is between the ends");
            if entry.booking < booking { below = middle + 1 } else { beyond = middle }
        }
        Some(below)
    }

    /// Who made a booking for somebody else, whether or not their reach has ended.
    pub(crate) fn find<'a>(&self, data: &'a Data, booking: BookingId) -> Option<&'a Proxied> {
        data.proxies.get(self.place(data, booking)?)
    }

    /// The proxy within whose reach a booking is.
    pub(crate) fn reaching(&self, data: &Data, booking: BookingId) -> Option<PersonId> {
        self.find(data, booking).filter(|proxied| !proxied.ended).map(Proxied::proxy)
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.newest.bytes() + self.earlier.len() * size_of::<u32>() + self.marks.len() * size_of::<u64>()
    }
}

const fn place_of_mark(booking: BookingId) -> (u64, u64) {
    (booking.0 as u64 / 64, 1 << (booking.0 % 64))
}

/// Holds a place for somebody else.
///
/// Checked in this order: `rules_unknown`; the proxy is somebody else (`setting_unfit` 1); all that
/// [`hold`] checks, of the person; with a ticket or an agent's pass that is the proxy's instead of the
/// person's `ticket_foreign` is not the answer; and, before the bounds of a hold, `too_many_proxied`.
pub(super) fn hold_for(data: &mut Data, index: &mut Index, wish: &Wish, proxy: &PersonId) -> Verdict {
    check_rules(data)?;
    if *proxy == wish.person {
        return refused_with(Reason::SettingUnfit, 1);
    }
    let held = hold(data, index, wish, Some(proxy))?;
    if let Outcome::Held { booking, .. } = held {
        let proxied = Proxied { proxy: Booking::halves(*proxy), booking, ended: false };
        let place = data.proxies.push(proxied) as u32;
        index.proxies.add(&data.proxies, place, &proxied);
    }
    Ok(held)
}

/// Whether somebody may make one more booking for others.
pub(super) fn check_proxy(data: &Data, index: &ProxyIndex, proxy: PersonId) -> Result<(), Refusal> {
    let (mut ever, mut now) = (0, 0);
    for proxied in index.of_proxy(data, proxy) {
        let booking = data.bookings.get(u64::from(proxied.booking.0)).expect("an entry's booking exists");
        ever += 1;
        now += u32::from(is_pending(booking.state));
    }
    for (count, most) in [(now, limits::PROXIED_MAX), (ever, limits::PROXIED_EVER_MAX)] {
        if count >= most {
            return refused_with(Reason::TooManyProxied, u64::from(most));
        }
    }
    Ok(())
}

/// Whether a booking counts among those that a proxy has at a time.
pub(crate) const fn is_pending(state: BookingState) -> bool {
    matches!(state, BookingState::Held | BookingState::Booked)
}

/// Whether a booking was made by somebody for somebody else, and is still within their reach.
pub(super) fn acts_for(data: &Data, index: &ProxyIndex, booking: BookingId, who: PersonId) -> bool {
    index.reaching(data, booking) == Some(who)
}

/// Ends a proxy's reach over a booking, and nothing else: it stays as it is. The person may ask for
/// it, and the proxy.
///
/// Checked in this order: `rules_unknown`; it is a booking of this person, or within their reach
/// (`booking_unknown`); `proxy_unknown` if nobody made it for them. Of the person it may be asked
/// again.
pub(super) fn end_proxy(data: &mut Data, index: &mut Index, id: BookingId, who: PersonId) -> Verdict {
    check_rules(data)?;
    let booking = data.bookings.get(u64::from(id.0));
    let theirs = booking.is_some_and(|booking| booking.person() == who);
    if !theirs && !acts_for(data, &index.proxies, id, who) {
        return refused(Reason::BookingUnknown);
    }
    let place = index.proxies.place(data, id);
    match place.and_then(|place| data.proxies.get_mut(place)) {
        None => refused(Reason::ProxyUnknown),
        Some(proxied) => {
            proxied.ended = true;
            Ok(Outcome::Done)
        }
    }
}

fn check_rules(data: &Data) -> Result<(), Refusal> {
    if data.rules < RULES_PROXIES { refused(Reason::RulesUnknown) } else { Ok(()) }
}

/// What pages ask.
impl State {
    /// Who made a booking for its person, if somebody else did.
    #[must_use]
    pub fn proxy_of(&self, booking: BookingId) -> Option<&Proxied> {
        self.index.proxies.find(&self.data, booking)
    }

    /// Whether somebody may see and change a booking: it is theirs, or within their reach.
    #[must_use]
    pub fn may_reach(&self, booking: BookingId, who: PersonId) -> bool {
        let kept = self.data.bookings.get(u64::from(booking.0));
        kept.is_some_and(|kept| kept.person() == who)
            || acts_for(&self.data, &self.index.proxies, booking, who)
    }

    /// What somebody made for others and may still reach, newest first.
    pub fn bookings_for_others(&self, proxy: PersonId) -> impl Iterator<Item = (BookingId, &Booking)> {
        let entries = self.index.proxies.of_proxy(&self.data, proxy).filter(|proxied| !proxied.ended);
        entries.filter_map(|proxied| {
            let booking = self.data.bookings.get(u64::from(proxied.booking.0))?;
            Some((proxied.booking, booking))
        })
    }
}
