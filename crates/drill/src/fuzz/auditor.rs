//! The auditor: knows the order, applies it to a model of its own, and judges every answer.
//!
//! It learns each record once, when it first becomes final, and whoever delivers or reads that
//! position later must have the same bytes. Each command is applied to the [`Model`], which says
//! what the answer must be. A witness, which is a replica without journal, restart or faults,
//! tells it what the pace of a room decides and what the state's hash must be at a position.
//!
//! It must never take a node's word for anything but the order of records that nobody has seen
//! yet. Start reading at [`Auditor::learn`], then [`Auditor::answered`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jari_core::booking::BookingState;
use jari_core::ids::{BookingId, CommandId, PersonId};
use jari_core::{Body, Command, Outcome, State, step};
use jari_wire::{record, snapshot};

use super::model::Model;

/// The state's hash is kept for every so many positions.
pub const HASH_EVERY: u64 = 8;

/// Everything is compared with the model at every so many positions.
const COMPARE_EVERY: u64 = 32;

/// What was promised; the numbers are the design's.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Promise {
    /// P1: nothing acknowledged is lost, and nodes agree.
    Lost,
    /// P2: nothing is given twice.
    Twice,
    /// P3: the order is fair.
    Order,
    /// P6: no hidden rules: what operators decide counts, and is public.
    Rules,
    /// P7: what fails is noticed, fails alone, and comes back.
    Alone,
}

impl fmt::Display for Promise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Promise::Lost => "P1 (nothing acknowledged is lost)",
            Promise::Twice => "P2 (nothing is given twice)",
            Promise::Order => "P3 (the order is fair)",
            Promise::Rules => "P6 (no hidden rules)",
            Promise::Alone => "P7 (a failing part fails alone, and is noticed)",
        })
    }
}

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{promise}: {check}: {words}")]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// The check that noticed, in a word or two.
    pub check: &'static str,
    /// What happened.
    pub words: String,
}

/// A violation, on its way out.
pub fn broken<T>(promise: Promise, check: &'static str, words: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { promise, check, words: words.into() })
}

/// The promise that a wrong answer to a command breaks.
fn promise_of(body: &Body) -> Promise {
    match body {
        Body::Hold { .. }
        | Body::HoldFor { .. }
        | Body::EndProxy { .. }
        | Body::Confirm { .. }
        | Body::Cancel { .. }
        | Body::Reschedule { .. }
        | Body::CheckIn { .. }
        | Body::MarkNoShow { .. }
        | Body::WalkIn { .. }
        | Body::Standby { .. }
        | Body::StandDown { .. }
        | Body::OfferLeftover { .. } => Promise::Twice,
        Body::Join { .. }
        | Body::JoinAs { .. }
        | Body::Enter { .. }
        | Body::EnterByAgent { .. }
        | Body::Leave { .. } => Promise::Order,
        Body::TakeLease { .. } => Promise::Twice,
        Body::KeepContact { .. } | Body::DropContact { .. } => Promise::Lost,
        _ => Promise::Rules,
    }
}

/// A record as everyone must have it.
struct Final {
    payload: Vec<u8>,
    chain: [u8; 32],
    commands: Vec<Command>,
    /// What the model says to each command.
    answers: Vec<Outcome>,
}

/// See the module's documentation.
#[derive(Default)]
pub struct Auditor {
    log: Vec<Final>,
    model: Model,
    witness: State,
    hashes: BTreeMap<u64, [u8; 32]>,
    /// Records of which a node was told that they are not kept.
    refused: BTreeSet<Vec<u8>>,
    /// What somebody was answered, by id.
    acknowledged: BTreeMap<CommandId, (Body, Outcome)>,
    /// Commands judged so far.
    pub judged: u64,
    /// What they came to, and how often: kinds of outcomes, and codes of refusals.
    pub came_to: BTreeMap<&'static str, u64>,
}

/// The kind of an outcome, or the code of a refusal.
fn kind_of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Refused(refusal) => refusal.reason.code(),
        Outcome::Joined { .. } => "joined",
        Outcome::Entered { .. } => "entered",
        Outcome::Held { .. } => "held",
        Outcome::Confirmed { .. } => "confirmed",
        Outcome::Cancelled { .. } => "cancelled",
        Outcome::Rescheduled { .. } => "rescheduled",
        Outcome::CheckedIn { .. } => "checked_in",
        Outcome::ClinicAdded { .. } => "clinic_added",
        Outcome::DeskAdded { .. } => "desk_added",
        Outcome::SlotsAdded { .. } => "slots_added",
        Outcome::Leased { .. } => "leased",
        Outcome::EnteredByAgent { .. } => "entered_by_agent",
        Outcome::StandingBy { .. } => "standing_by",
        Outcome::Offered { offers: 0 } => "offered_to_nobody",
        Outcome::Offered { .. } => "offered",
        Outcome::MarkedNoShow { .. } => "marked_no_show",
    }
}

impl Auditor {
    /// The position of the last record known.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.log.len() as u64
    }

    /// The chain after the last record known.
    #[must_use]
    pub fn chain(&self) -> [u8; 32] {
        self.log.last().map_or([0; 32], |last| last.chain)
    }

    /// The witness's state, for looking only.
    #[must_use]
    pub fn witness(&self) -> &State {
        &self.witness
    }

    /// When people are to be reminded of a booking, where it is and they are.
    #[must_use]
    pub fn reminder_due(&self, id: BookingId) -> Option<u64> {
        let model = &self.model;
        model.bookings.get(id.0 as usize).and_then(|booking| model.reminder_due(booking))
    }

    /// The next one who is booked, and may still come, and from when on they are a no-show.
    #[must_use]
    pub fn next_missed(&self) -> Option<(u64, BookingId)> {
        let booked = (0..).map(BookingId).zip(&self.model.bookings);
        let booked = booked.filter(|(_, booking)| booking.state == BookingState::Booked);
        let missed = booked.map(|(id, booking)| (self.model.missed_at(booking), id));
        missed.filter(|(at, _)| *at > self.model.now).min()
    }

    /// The open offers, each with whom it was made to, and when it ends.
    #[must_use]
    pub fn offers(&self) -> Vec<(BookingId, PersonId, u64)> {
        let bookings = (0..).map(BookingId).zip(&self.model.bookings);
        let open = bookings.filter(|(_, booking)| booking.state == BookingState::Offered);
        open.map(|(id, booking)| (id, booking.person, booking.until)).collect()
    }

    /// Who holds the lease by the whole order: node, life, until when.
    #[must_use]
    pub fn lease(&self) -> Option<(u16, u32, u64)> {
        self.model.lease
    }

    /// What was acknowledged to somebody.
    #[must_use]
    pub fn acknowledged(&self) -> &BTreeMap<CommandId, (Body, Outcome)> {
        &self.acknowledged
    }

    /// The bytes of a record, if it is known.
    #[must_use]
    pub fn payload(&self, position: u64) -> Option<&[u8]> {
        let index = usize::try_from(position.checked_sub(1)?).ok()?;
        self.log.get(index).map(|known| &*known.payload)
    }

    /// A record as somebody has it: a new one is the next in the order, a known one must be the
    /// same.
    ///
    /// # Errors
    ///
    /// The broken promise.
    pub fn learn(&mut self, position: u64, payload: &[u8], chain: Option<[u8; 32]>) -> Result<(), Violation> {
        if position == self.head() + 1 {
            self.append(position, payload)?;
        }
        let Some(known) = position.checked_sub(1).and_then(|index| self.log.get(index as usize)) else {
            let head = self.head();
            return broken(Promise::Lost, "gapless order", format!("position {position} came after {head}"));
        };
        if known.payload != payload {
            return broken(Promise::Lost, "same order", format!("position {position} holds another record"));
        }
        match chain {
            Some(chain) if chain != known.chain => {
                broken(Promise::Lost, "hash chain", format!("position {position} has another chain"))
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, position: u64, payload: &[u8]) -> Result<(), Violation> {
        let record = match record::decode(payload) {
            Ok(record) => record,
            Err(error) => {
                let words = format!("the record at {position} cannot be read: {error}");
                return broken(Promise::Lost, "readable record", words);
            }
        };
        if self.refused.contains(payload) {
            let words =
                format!("the record at {position} was refused for want of room: {:?}", record.commands);
            return broken(Promise::Lost, "full means not kept", words);
        }
        self.model.pass_time(record.head.at.0);
        self.witness.advance(record.head.at);
        let mut answers = Vec::with_capacity(record.commands.len());
        for command in &record.commands {
            let told = step(&mut self.witness, command, record.head.at);
            let answer = match self.model.apply(command, told) {
                Ok(answer) => answer,
                Err(words) => return broken(Promise::Order, "pace within bounds", words),
            };
            if told != answer {
                let words = format!("{:?} came to {told:?}, not to {answer:?}", command.body);
                return broken(promise_of(&command.body), "every answer", words);
            }
            self.check_called(command)?;
            self.judged += 1;
            *self.came_to.entry(kind_of(&answer)).or_default() += 1;
            answers.push(answer);
        }
        let compared = match position % COMPARE_EVERY {
            0 => self.model.compare(&self.witness),
            _ => self.model.compare_states(&self.witness),
        };
        if let Err(words) = compared {
            let words = format!("after the record at {position}: {words}");
            return broken(Promise::Twice, "state against the model", words);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.chain()).update(&position.to_le_bytes()).update(payload);
        let chain = *hasher.finalize().as_bytes();
        self.log.push(Final { payload: payload.to_vec(), chain, commands: record.commands, answers });
        if position.is_multiple_of(HASH_EVERY) {
            self.hashes.insert(position, snapshot::state_hash(self.witness.data()));
        }
        Ok(())
    }

    /// A room has called everyone who was let in, and nobody beyond the last ticket.
    fn check_called(&self, command: &Command) -> Result<(), Violation> {
        let Body::Enter { room, .. } = &command.body else { return Ok(()) };
        let rooms = (self.model.rooms.get(room), self.witness.data().rooms.get(room));
        let (Some(model), Some(has)) = rooms else { return Ok(()) };
        if has.called >= model.called_min && has.called <= has.issued {
            return Ok(());
        }
        let words =
            format!("{command:?}: called are {}, entered position {}", has.called, model.called_min - 1);
        broken(Promise::Order, "nobody enters uncalled", words)
    }

    /// A node was told that records are not kept.
    pub fn not_kept(&mut self, payloads: impl IntoIterator<Item = Vec<u8>>) {
        self.refused.extend(payloads);
    }

    /// A node that numbers its records from where they end starts anew: it may write the very
    /// bytes again that were refused before.
    pub fn may_be_written_again(&mut self) {
        self.refused.clear();
    }

    /// The commands of a known record and what each must be answered.
    pub fn answers(&self, position: u64) -> impl Iterator<Item = (&Command, Outcome)> {
        let known = &self.log[position as usize - 1];
        known.commands.iter().zip(known.answers.iter().copied())
    }

    /// A node answers a command that it took.
    ///
    /// # Errors
    ///
    /// The broken promise.
    pub fn answered(
        &mut self,
        command: &Command,
        has: Outcome,
        should: Option<Outcome>,
    ) -> Result<(), Violation> {
        let Some(should) = should else {
            let words = format!("{command:?} was answered {has:?}, but no record with it is final");
            return broken(Promise::Lost, "answer after its record", words);
        };
        if has != should {
            let words = format!("{command:?} was answered {has:?} instead of {should:?}");
            return broken(promise_of(&command.body), "every answer", words);
        }
        self.heard(command, has)
    }

    /// Somebody hears an answer: it is the same for good.
    ///
    /// # Errors
    ///
    /// The broken promise.
    pub fn heard(&mut self, command: &Command, outcome: Outcome) -> Result<(), Violation> {
        if command.id == CommandId(0) {
            return Ok(());
        }
        let (body, first) = self.acknowledged.entry(command.id).or_insert((command.body.clone(), outcome));
        if *body == command.body && *first != outcome {
            let words = format!("{command:?} was answered {first:?} first, and then {outcome:?}");
            return broken(Promise::Lost, "same answer again", words);
        }
        Ok(())
    }

    /// A node's hash of its state at a position, where the witness's is known.
    ///
    /// # Errors
    ///
    /// The broken promise.
    pub fn compare_hash(&self, position: u64, state: &State) -> Result<(), Violation> {
        let now = position == self.head();
        let should = self.hashes.get(&position).copied();
        let should = should.or_else(|| now.then(|| snapshot::state_hash(self.witness.data())));
        match should {
            Some(should) if should != snapshot::state_hash(state.data()) => {
                let why = if now { self.model.compare(state).err() } else { None };
                let why = why.unwrap_or_else(|| "where the model does not look".to_owned());
                let words = format!("at position {position} a node holds another state: {why}");
                broken(Promise::Lost, "same state", words)
            }
            _ => Ok(()),
        }
    }

    /// [`Auditor::compare_hash`] at every few positions, where it costs little.
    ///
    /// # Errors
    ///
    /// The broken promise.
    pub fn compare_sometimes(&self, position: u64, state: &State) -> Result<(), Violation> {
        if position.is_multiple_of(HASH_EVERY) { self.compare_hash(position, state) } else { Ok(()) }
    }

    /// A node's whole state, which must be at the end of the order.
    ///
    /// # Errors
    ///
    /// The broken promise.
    pub fn compare_state(&self, position: u64, state: &State) -> Result<(), Violation> {
        let head = self.head();
        if position != head {
            let words = format!("a node stands at {position}, the order ends at {head}");
            return broken(Promise::Alone, "all at one position", words);
        }
        if let Err(words) = self.model.compare(state) {
            return broken(Promise::Twice, "state against the model", words);
        }
        self.compare_hash(position, state)
    }
}
