//! What the auditor believes: the service's rules written a second time, in the plainest way.
//!
//! Lists that are searched from the beginning, and no counter that could disagree with them. It
//! takes the commands in the journal's order and says what each must be answered. It knows
//! nothing of the machine's code but the names of commands, outcomes and settings.
//!
//! One thing it cannot know is what the pace of a room decides: whether a ticket's turn has come
//! and whether the door has room this moment. There it is told what a replica answered, and
//! judges whether that answer is allowed ([`rooms`]).
//!
//! It must never call the machine, nor keep a total that could be recounted. Start reading at
//! [`Model::apply`], then [`bookings`].

pub mod agents;
pub mod bookings;
pub mod compare;
mod desk;
pub mod operators;
mod proxies;
pub mod rooms;
pub mod standby;

use std::collections::BTreeMap;

use jari_core::booking::{BookingState, CampaignConfig, ClinicConfig, SlotSpec};
use jari_core::command::Text;
use jari_core::effect::{Effect, EffectKind};
use jari_core::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, PersonId, RoomId, Serial, SlotId,
};
use jari_core::state::{Event, EventKind};
use jari_core::{Body, Command, Outcome, Reason, Time};

use rooms::Room;

/// Yes with an outcome, or a refusal; both are outcomes.
pub type Verdict = Result<Outcome, Outcome>;

/// A pass: which room let which ticket in.
pub type Pass = (RoomId, Serial);

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The latest instant seen, milliseconds since 1970.
    pub now: u64,
    /// Rooms.
    pub rooms: BTreeMap<RoomId, Room>,
    /// Campaigns.
    pub campaigns: BTreeMap<CampaignId, Campaign>,
    /// Clinics, by their numbers.
    pub clinics: Vec<ClinicConfig>,
    /// Desks, by their numbers.
    pub desks: Vec<(CampaignId, ClinicId)>,
    /// Slots, by their numbers.
    pub slots: Vec<Slot>,
    /// Bookings and holds ever made, by their numbers.
    pub bookings: Vec<Booking>,
    /// Contacts kept.
    pub contacts: BTreeMap<PersonId, Box<[u8]>>,
    /// What each id was first used for, and what was answered.
    pub answers: BTreeMap<CommandId, (Body, Outcome)>,
    /// Every message ever to be sent.
    pub effects: Vec<Effect>,
    /// How many of them are known to be sent.
    pub effects_done: usize,
    /// Everything told to the public.
    pub events: Vec<Event>,
    /// How often newer rules began to count: the first rules were those of version 1.
    pub upgrades: u32,
    /// Who holds the lease: node, life, until when.
    pub lease: Option<(u16, u32, u64)>,
    /// Who stands by, and what is offered.
    pub standbys: standby::Standbys,
    /// Bookings that somebody made for somebody else, who did, and whether their reach has ended.
    pub proxies: Vec<(BookingId, PersonId, bool)>,
}

/// A campaign.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Its settings of this moment.
    pub config: CampaignConfig,
    /// The reason of its pause.
    pub paused: Option<Text>,
    /// Whether it is over.
    pub closed: bool,
}

/// A slot.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The desk's number.
    pub desk: usize,
    /// What was asked for, with the capacity of this moment.
    pub spec: SlotSpec,
    /// Places out of use.
    pub withdrawn: u32,
}

/// A hold or booking.
#[derive(Clone, Debug)]
pub struct Booking {
    /// Whose.
    pub person: PersonId,
    /// Where.
    pub slot: SlotId,
    /// Which dose.
    pub dose: u8,
    /// Through whom.
    pub channel: ChannelId,
    /// What became of it.
    pub state: BookingState,
    /// While held: its end. Then: when it last changed, except that a lapsed one keeps its end.
    pub until: u64,
    /// The pass it was made with.
    pub pass: Option<Pass>,
    /// Whether it was ever confirmed.
    pub confirmed: bool,
    /// Whether its person was reminded of this slot, or the time for it went by.
    pub reminded: bool,
}

/// A refusal.
pub fn no<T>(reason: Reason) -> Result<T, Outcome> {
    Err(Outcome::refused(reason))
}

/// A refusal with its detail.
pub fn no_with<T>(reason: Reason, detail: u64) -> Result<T, Outcome> {
    Err(Outcome::refused_with(reason, detail))
}

/// Whether a public text says something and is not too long.
pub fn fits(text: &str) -> bool {
    text.len() <= 400 && text.chars().any(|letter| !letter.is_whitespace())
}

/// As [`fits`], as a verdict.
pub fn check_text(text: &str) -> Result<(), Outcome> {
    if fits(text) { Ok(()) } else { no(Reason::TextUnfit) }
}

impl Model {
    /// Lets time pass: holds end, people are reminded, passes end, rooms open. Earlier instants change nothing.
    pub fn pass_time(&mut self, at: u64) {
        if at <= self.now {
            return;
        }
        self.now = at;
        for booking in &mut self.bookings {
            let held = matches!(booking.state, BookingState::Held | BookingState::Offered);
            if held && booking.until <= at {
                booking.state = BookingState::Lapsed;
            }
        }
        self.standbys_time_passes();
        self.remind();
        for id in self.rooms.keys().copied().collect::<Vec<_>>() {
            self.room_time_passes(id);
        }
    }

    /// What a command must be answered. `told` is what a replica answered; it counts only where
    /// the pace of a room decides.
    ///
    /// # Errors
    ///
    /// In words: the replica's answer is not allowed.
    pub fn apply(&mut self, command: &Command, told: Outcome) -> Result<Outcome, String> {
        if let Some((body, first)) = self.answers.get(&command.id) {
            return Ok(if *body == command.body { *first } else { Outcome::refused(Reason::IdReused) });
        }
        let outcome = match &command.body {
            Body::Enter { room, serial } => self.enter(*room, *serial, told)?,
            Body::EnterByAgent { room, person } => self.enter_by_agent(*room, *person, told)?,
            body => self.decide(body).unwrap_or_else(|refused| refused),
        };
        if command.id != CommandId(0) {
            self.answers.insert(command.id, (command.body.clone(), outcome));
        }
        Ok(outcome)
    }

    fn decide(&mut self, body: &Body) -> Verdict {
        match body {
            Body::Upgrade { rules } => self.upgrade(*rules),
            Body::TakeLease { node, life } => self.take_lease(*node, *life),
            // It changes nothing; whether nodes agree is for them, and for the hashes.
            Body::Checkpoint { .. } => Ok(Outcome::Done),
            Body::AckEffects { upto } => {
                let upto = usize::try_from(*upto).unwrap_or(usize::MAX).min(self.effects.len());
                self.effects_done = self.effects_done.max(upto);
                Ok(Outcome::Done)
            }
            Body::KeepContact { person, sealed } => {
                if sealed.is_empty() || sealed.len() > 512 {
                    return no_with(Reason::SettingUnfit, 1);
                }
                self.contacts.insert(*person, sealed.clone());
                Ok(Outcome::Done)
            }
            Body::DropContact { person } => match self.contacts.remove(person) {
                Some(_) => Ok(Outcome::Done),
                None => no(Reason::ContactUnknown),
            },
            Body::Hold { slot, person, birth, dose, entry, channel } => {
                let wish = bookings::Wish {
                    slot: *slot,
                    person: *person,
                    birth: *birth,
                    dose: *dose,
                    entry: entry.map(|entry| (entry.room, entry.serial)),
                    channel: *channel,
                };
                self.hold(&wish, None)
            }
            Body::HoldFor { slot, person, birth, dose, entry, channel, proxy } => {
                let entry = entry.map(|entry| (entry.room, entry.serial));
                let (slot, person, birth, dose) = (*slot, *person, *birth, *dose);
                let wish = bookings::Wish { slot, person, birth, dose, entry, channel: *channel };
                self.hold_for(&wish, *proxy)
            }
            Body::EndProxy { booking, person } => self.end_proxy(*booking, *person),
            Body::Confirm { booking, person } => self.confirm(*booking, *person),
            Body::Cancel { booking, person } => self.cancel(*booking, *person),
            Body::Reschedule { booking, person, slot } => self.reschedule(*booking, *person, *slot),
            Body::CheckIn { booking } => self.check_in(*booking),
            Body::MarkNoShow { booking } => self.mark_no_show(*booking),
            Body::WalkIn { slot, person, birth, dose, channel } => {
                let (slot, person, birth) = (*slot, *person, *birth);
                let wish =
                    bookings::Wish { slot, person, birth, dose: *dose, entry: None, channel: *channel };
                self.walk_in(&wish)
            }
            Body::Standby { desk, person, birth, dose, minutes } => {
                let (slot, person, birth) = (SlotId(0), *person, *birth);
                let channel = ChannelId::OWN_SITE;
                let wish = bookings::Wish { slot, person, birth, dose: *dose, entry: None, channel };
                self.stand_by(*desk, &wish, *minutes)
            }
            Body::StandDown { desk, person } => self.stand_down(*desk, *person),
            Body::OfferLeftover { slot, places, offer_ms } => self.offer_leftover(*slot, *places, *offer_ms),
            Body::Join { room, count } => self.join(*room, *count),
            Body::JoinAs { room, person } => self.join_as(*room, *person),
            Body::Leave { room, serial } => self.leave(*room, *serial),
            body => self.operate(body),
        }
    }

    /// There are five versions of the rules so far.
    fn upgrade(&mut self, rules: u32) -> Verdict {
        if rules != self.upgrades + 2 || rules > 5 {
            return no(Reason::RulesUnknown);
        }
        self.upgrades += 1;
        self.publish(EventKind::RulesUpgraded, 0, u64::from(rules), "");
        Ok(Outcome::Done)
    }

    /// One holder at a time, for six seconds after it last asked.
    fn take_lease(&mut self, node: u16, life: u32) -> Verdict {
        if self.upgrades == 0 {
            return no(Reason::RulesUnknown);
        }
        match self.lease {
            Some((holder, its_life, until)) if until > self.now && (holder, its_life) != (node, life) => {
                no_with(Reason::LeaseHeld, u64::from(holder) << 48 | until)
            }
            _ => {
                self.lease = Some((node, life, self.now + 6_000));
                Ok(Outcome::Leased { until: Time(self.now + 6_000) })
            }
        }
    }

    /// Notes a message to be sent.
    fn message(&mut self, kind: EffectKind, booking: BookingId, person: PersonId) {
        self.effects.push(Effect { kind, booking, person });
    }

    /// Notes what everyone may know.
    fn publish(&mut self, kind: EventKind, subject: u32, value: u64, reason: &str) {
        self.events.push(Event { at: Time(self.now), kind, subject, value, reason: reason.into() });
    }
}
