//! What became of each effect that this node took up: under way, to be tried again at some moment, resolved.
//!
//! Effects are reported done in their order only, up to the first that is not resolved. So the ledger reaches
//! a bounded stretch beyond that one: what lies in it is carried whatever becomes of the others, except that a
//! booking's messages to one person keep their order: only the first of them is ever due. A booking that
//! somebody made for somebody else is told to both, and neither waits for the other's number.
//!
//! It is in memory alone. After a restart, or at another node, whatever was not reported done is carried again,
//! with the same key.
//!
//! Somebody who moves a booking again and again gets one message of the moves that nobody has begun to tell: each
//! would say the same, where the booking is now. So a booking has a handful of messages to each here at the most, and
//! nobody fills the stretch alone.
//!
//! It must never let an effect pass as resolved that nobody took, nobody gave up and no later one tells.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use jari_core::Time;
use jari_core::chunked::Chunked;
use jari_core::effect::{Effect, EffectKind};
use jari_core::ids::{BookingId, PersonId};
use jari_messenger::{Blame, Course, Fault, Next, Policy};
use tokio::time::Instant;

/// Effects beyond the first unresolved one that are taken up.
pub(crate) const REACH: u64 = 4_096;
/// After so many failures in a row the receiver was away: when it takes one again, all others are due.
const OUTAGE_FAILURES: u32 = 8;

/// An effect that is not resolved.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) effect: Effect,
    pub(crate) course: Course,
    /// When it is to be tried; none while it is under way or stands behind another of its booking.
    pub(crate) due: Option<Instant>,
    /// The last digits of the number, once it was looked up.
    pub(crate) to: String,
    /// What was said when it failed last.
    pub(crate) said: String,
}

/// See the module's documentation.
pub(crate) struct Ledger {
    carriers: usize,
    entries: BTreeMap<u64, Entry>,
    /// The unresolved effects of each booking for each of those who are told of it, in their order.
    lines: HashMap<(BookingId, PersonId), VecDeque<u64>>,
    due: BTreeSet<(Instant, u64)>,
    /// The first effect that was not taken up.
    end: u64,
    failures_in_a_row: u32,
}

impl Ledger {
    pub(crate) fn new(carriers: usize) -> Ledger {
        Ledger {
            carriers,
            entries: BTreeMap::new(),
            lines: HashMap::new(),
            due: BTreeSet::new(),
            end: 0,
            failures_in_a_row: 0,
        }
    }

    /// The first effect that it has not seen, and the first that is not resolved.
    pub(crate) fn edges(&self) -> (u64, u64) {
        (self.end, self.upto())
    }

    /// Takes up what waits, and forgets what was reported done.
    pub(crate) fn take_up(&mut self, waiting: Waiting, now: Instant) {
        let Waiting { first, from, fresh } = waiting;
        while let Some(number) = self.entries.keys().next().copied().filter(|number| *number < first) {
            self.resolve(number, now);
        }
        self.end = self.end.max(first);
        for (number, effect) in (from..).zip(fresh) {
            if number < self.end {
                continue;
            }
            self.end = number + 1;
            self.drop_told_by(&effect);
            let course = Course::new(self.carriers);
            let line = self.lines.entry((effect.booking, effect.person)).or_default();
            line.push_back(number);
            let due = (line.len() == 1).then_some(now);
            self.due.extend(due.map(|due| (due, number)));
            let (to, said) = (String::new(), String::new());
            self.entries.insert(number, Entry { effect, course, due, to, said });
        }
    }

    /// Drops a move that nobody has begun to tell, when another of the same booking comes.
    fn drop_told_by(&mut self, effect: &Effect) {
        let Some(line) = self.lines.get_mut(&(effect.booking, effect.person)) else { return };
        let last = line.back().copied().filter(|_| line.len() > 1);
        let Some(last) = last.filter(|_| effect.kind == EffectKind::BookingRescheduled) else { return };
        if self.entries.get(&last).is_some_and(|entry| entry.effect.kind == effect.kind) {
            line.pop_back();
            self.entries.remove(&last);
        }
    }

    /// Everything below this is resolved.
    pub(crate) fn upto(&self) -> u64 {
        self.entries.keys().next().copied().unwrap_or(self.end)
    }

    /// The next one that is due, which is under way from now on; with the carrier to be asked.
    pub(crate) fn begin(&mut self, now: Instant) -> Option<(u64, Effect, usize)> {
        let first = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        self.due.remove(&first);
        let entry = self.entries.get_mut(&first.1)?;
        entry.due = None;
        Some((first.1, entry.effect, entry.course.carrier()))
    }

    /// Whether one is due.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due.first().is_some_and(|(due, _)| *due <= now)
    }

    /// It was taken, given up, or there is nobody to tell. The next message of its booking is due.
    pub(crate) fn resolve(&mut self, number: u64, now: Instant) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        if let Some(due) = entry.due {
            self.due.remove(&(due, number));
        }
        let whose = (entry.effect.booking, entry.effect.person);
        let line = self.lines.get_mut(&whose)?;
        line.retain(|other| *other != number);
        match line.front().copied() {
            Some(next) => self.set_due(next, now),
            None => {
                self.lines.remove(&whose);
            }
        }
        Some(entry)
    }

    /// It was taken: whatever waits because the receiver was away is due.
    pub(crate) fn taken(&mut self, number: u64, now: Instant) {
        self.resolve(number, now);
        if std::mem::take(&mut self.failures_in_a_row) >= OUTAGE_FAILURES {
            let later: Vec<u64> = self.due.iter().map(|(_, number)| *number).collect();
            for number in later {
                self.set_due(number, now);
            }
        }
    }

    /// It failed: when it is due again, or that it is to be given up.
    pub(crate) fn failed(
        &mut self,
        number: u64,
        fault: Fault,
        to: String,
        taken: u64,
        policy: &Policy,
        now: Instant,
    ) -> Next {
        if fault.blame != Blame::Letter {
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        }
        // Reported done by another node meanwhile: nothing is left to be done.
        let Some(entry) = self.entries.get_mut(&number) else { return Next::After(policy.retry_max) };
        let next = entry.course.failed(&fault, taken, super::jitter(), policy);
        (entry.to, entry.said) = (to, fault.said);
        if let Next::After(wait) = next {
            self.set_due(number, now + wait);
        }
        next
    }

    /// It could not be tried.
    pub(crate) fn put_back(&mut self, number: u64, now: Instant) {
        self.set_due(number, now);
    }

    /// Nothing is under way any more: what was, is due. Whether it was taken is not known.
    pub(crate) fn land(&mut self, now: Instant) {
        let fronts: Vec<u64> = self.lines.values().filter_map(|line| line.front().copied()).collect();
        for number in fronts {
            if self.entries.get(&number).is_some_and(|entry| entry.due.is_none()) {
                self.set_due(number, now);
            }
        }
    }

    /// The first of those that failed at least once, with their numbers.
    pub(crate) fn failing(&self, count: usize) -> Vec<(u64, Entry)> {
        let failing = self.entries.iter().filter(|(_, entry)| entry.course.tries() > 0);
        failing.take(count).map(|(number, entry)| (*number, entry.clone())).collect()
    }

    fn set_due(&mut self, number: u64, due: Instant) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        if let Some(before) = entry.due.replace(due) {
            self.due.remove(&(before, number));
        }
        self.due.insert((due, number));
    }
}

/// What waits in the state, as far as a ledger reaches: copied, so that nobody who writes waits for the ledger.
pub(crate) struct Waiting {
    first: u64,
    from: u64,
    fresh: Vec<Effect>,
}

impl Waiting {
    /// What waits beyond the [edges](Ledger::edges) of a ledger.
    pub(crate) fn beyond((end, upto): (u64, u64), effects: &Chunked<Effect>) -> Waiting {
        let first = effects.first();
        let from = end.max(first);
        let to = (upto.max(first) + REACH).min(effects.end());
        Waiting { first, from, fresh: (from..to).map_while(|number| effects.get(number).copied()).collect() }
    }
}

/// Since when an effect waits, at the latest: its booking changed last then.
pub(crate) fn waits_since(data: &jari_core::Data, number: u64) -> Option<Time> {
    let effect = data.effects.get(number)?;
    data.bookings.get(u64::from(effect.booking.0)).map(|booking| booking.until)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn effects(bookings: &[u32]) -> Chunked<Effect> {
        let mut effects = Chunked::default();
        for booking in bookings {
            effects.push(Effect { booking: BookingId(*booking), ..Effect::default() });
        }
        effects
    }

    fn take_up(ledger: &mut Ledger, effects: &Chunked<Effect>, now: Instant) {
        ledger.take_up(Waiting::beyond(ledger.edges(), effects), now);
    }

    fn ledger(bookings: &[u32]) -> (Ledger, Instant) {
        let (mut ledger, now) = (Ledger::new(1), Instant::now());
        take_up(&mut ledger, &effects(bookings), now);
        (ledger, now)
    }

    fn due(ledger: &mut Ledger, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| ledger.begin(now)).map(|(number, ..)| number).collect()
    }

    fn fault(blame: Blame) -> Fault {
        Fault { blame, said: "x".into(), after: None }
    }

    fn fail(ledger: &mut Ledger, number: u64, now: Instant) -> Next {
        ledger.failed(number, fault(Blame::Receiver), "··78".into(), 0, &Policy::default(), now)
    }

    #[test]
    fn a_booking_s_messages_keep_their_order_and_others_do_not_wait_for_them() {
        let (mut ledger, now) = ledger(&[7, 8, 7, 7, 9]);
        assert_eq!(due(&mut ledger, now), [0, 1, 4]);
        ledger.taken(1, now);
        ledger.taken(4, now);
        assert!(matches!(fail(&mut ledger, 0, now), Next::After(_)));
        assert_eq!((due(&mut ledger, now), ledger.upto()), (vec![], 0), "its own later messages wait");
        let later = now + Duration::from_secs(2);
        assert_eq!(due(&mut ledger, later), [0]);
        ledger.taken(0, later);
        assert_eq!((due(&mut ledger, later), ledger.upto()), (vec![2], 2));
        ledger.taken(2, later);
        ledger.taken(3, later);
        assert_eq!(ledger.upto(), 5);
    }

    #[test]
    fn a_booking_that_is_moved_again_and_again_is_told_of_where_it_is() {
        let mut effects = effects(&[7, 8]);
        for _ in 0..100 {
            let kind = EffectKind::BookingRescheduled;
            effects.push(Effect { kind, booking: BookingId(7), ..Effect::default() });
        }
        effects.push(Effect {
            kind: EffectKind::BookingCancelled,
            booking: BookingId(7),
            ..Effect::default()
        });
        let (mut ledger, now) = (Ledger::new(1), Instant::now());
        take_up(&mut ledger, &effects, now);
        let mut told = Vec::new();
        while let Some((number, ..)) = ledger.begin(now) {
            told.push(number);
            ledger.taken(number, now);
        }
        assert_eq!((told, ledger.upto()), (vec![0, 1, 101, 102], 103));
    }

    #[test]
    fn both_who_are_told_of_a_booking_hear_all_of_it_and_neither_waits_for_the_other() {
        let mut effects = Chunked::default();
        for kind in [EffectKind::BookingConfirmed, EffectKind::BookingRescheduled] {
            for person in [PersonId(1), PersonId(2)] {
                effects.push(Effect { kind, booking: BookingId(7), person });
            }
        }
        let (mut ledger, now) = (Ledger::new(1), Instant::now());
        take_up(&mut ledger, &effects, now);
        assert_eq!(due(&mut ledger, now), [0, 1]);
        assert!(matches!(fail(&mut ledger, 0, now), Next::After(_)));
        ledger.taken(1, now);
        assert_eq!(due(&mut ledger, now), [3], "the move is told to one though the other was not reached");
        ledger.taken(3, now);
        let later = now + Duration::from_secs(2);
        assert_eq!(due(&mut ledger, later), [0]);
        ledger.taken(0, later);
        assert_eq!(due(&mut ledger, later), [2]);
    }

    #[test]
    fn one_that_fails_holds_up_so_many_others_and_no_more_memory() {
        let bookings: Vec<u32> = (0..2 * REACH as u32).collect();
        let (mut ledger, now) = ledger(&bookings);
        let effects = effects(&bookings);
        assert_eq!(due(&mut ledger, now).len() as u64, REACH);
        for number in 1..REACH {
            ledger.taken(number, now);
        }
        take_up(&mut ledger, &effects, now);
        assert_eq!((ledger.upto(), due(&mut ledger, now)), (0, vec![]), "the first one is under way");
        ledger.taken(0, now);
        take_up(&mut ledger, &effects, now);
        assert_eq!((ledger.upto(), due(&mut ledger, now).len() as u64), (REACH, REACH));
    }

    #[test]
    fn a_ledger_that_begins_late_begins_where_the_state_does() {
        let bookings: Vec<u32> = (0..2 * REACH as u32).collect();
        let mut effects = effects(&bookings);
        for _ in 0..REACH + 7 {
            effects.pop_front();
        }
        let (mut ledger, now) = (Ledger::new(1), Instant::now());
        take_up(&mut ledger, &effects, now);
        assert_eq!(due(&mut ledger, now), (REACH + 7..2 * REACH).collect::<Vec<_>>());
    }

    #[test]
    fn what_another_node_reported_done_is_forgotten_and_what_was_under_way_comes_again() {
        let (mut ledger, now) = ledger(&[1, 1, 2, 3]);
        assert_eq!(due(&mut ledger, now), [0, 2, 3]);
        let mut effects = effects(&[1, 1, 2, 3, 4]);
        effects.pop_front();
        take_up(&mut ledger, &effects, now);
        assert_eq!((ledger.upto(), due(&mut ledger, now)), (1, vec![1, 4]));
        assert!(matches!(fail(&mut ledger, 0, now), Next::After(_)), "late news of it change nothing");
        ledger.taken(3, now);
        ledger.land(now);
        assert_eq!(due(&mut ledger, now), [1, 2, 4]);
    }

    #[test]
    fn when_an_outage_is_over_nobody_waits_for_the_end_of_a_back_off() {
        let bookings: Vec<u32> = (0..10).collect();
        let (mut ledger, now) = ledger(&bookings);
        due(&mut ledger, now);
        for number in 1..10 {
            fail(&mut ledger, number, now);
        }
        assert!(due(&mut ledger, now).is_empty());
        ledger.taken(0, now);
        assert_eq!(due(&mut ledger, now).len(), 9);
        // One failure among successes waits its time.
        fail(&mut ledger, 1, now);
        ledger.taken(2, now);
        assert!(due(&mut ledger, now).is_empty());
    }
}
