//! Commands: everything that can be asked of the machine.
//!
//! Whoever may not ask for it is turned away before core: core checks rules, not
//! credentials. Texts are public and bounded by [`crate::limits::TEXT_BYTES_MAX`].

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::booking::{CampaignConfig, ClinicConfig, Rules, SlotSpec, Window};
use crate::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, RoomId, Serial, SlotId,
    VaccineId,
};
use crate::time::{Date, Time};
use crate::waiting_room::{Pace, RoomConfig};

/// A public text.
pub type Text = Box<str>;

/// One command with its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// See [`CommandId`].
    pub id: CommandId,
    /// What is asked.
    pub body: Body,
}

/// What is asked. The order of the checks is specified at each domain's handler.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Body {
    // --- the whole machine ---
    /// From here on, the rules of this version count.
    Upgrade {
        /// The next version.
        rules: u32,
    },
    /// All effects with a number below `upto` have been performed.
    AckEffects {
        /// One past the last number that is done.
        upto: u64,
    },

    // --- waiting room: operator and node ---
    /// Makes a room whose lobby is open from now on.
    CreateRoom {
        /// Its number.
        room: RoomId,
        /// Its settings.
        config: Box<RoomConfig>,
    },
    /// Moves the opening of a room that has not opened.
    ScheduleRoom {
        /// The room.
        room: RoomId,
        /// When it opens.
        opens_at: Time,
        /// Why, in public.
        reason: Text,
    },
    /// Reveals the seed once the lobby is frozen; calling starts.
    DrawRoom {
        /// The room.
        room: RoomId,
        /// What the commitment was the SHA-256 of.
        seed: [u8; 32],
        /// A public value nobody could know beforehand; zeros if none is used.
        beacon: [u8; 32],
    },
    /// Stops calling and entering; everyone keeps their place.
    PauseRoom {
        /// The room.
        room: RoomId,
        /// Why, in public.
        reason: Text,
    },
    /// Goes on after a pause.
    ResumeRoom {
        /// The room.
        room: RoomId,
    },
    /// Ends the room for good.
    CloseRoom {
        /// The room.
        room: RoomId,
        /// Why, in public.
        reason: Text,
    },
    /// Changes how fast the room lets people in.
    SetPace {
        /// The room.
        room: RoomId,
        /// The new pace.
        pace: Pace,
        /// Why, in public.
        reason: Text,
    },
    /// What the protected service felt since the last report.
    ReportHealth {
        /// The room in front of it.
        room: RoomId,
        /// 95th percentile of its answers, milliseconds.
        latency_p95_ms: u32,
        /// Errors per million answers.
        error_ppm: u32,
    },
    /// Puts up a notice; an empty list takes all down.
    SetNotices {
        /// The room.
        room: RoomId,
        /// All notices from now on.
        notices: Vec<Text>,
    },

    // --- waiting room: people ---
    /// Issues tickets to people who are not identified.
    Join {
        /// The room.
        room: RoomId,
        /// How many.
        count: u32,
    },
    /// Issues the one ticket of an identified person, or finds it again.
    JoinAs {
        /// The room.
        room: RoomId,
        /// The person.
        person: PersonId,
    },
    /// Turns a called ticket into a pass, or finds the pass again.
    Enter {
        /// The room.
        room: RoomId,
        /// The ticket.
        serial: Serial,
    },
    /// Gives a ticket or pass back.
    Leave {
        /// The room.
        room: RoomId,
        /// The ticket.
        serial: Serial,
    },

    // --- booking: operator and clinic ---
    /// Makes a campaign.
    CreateCampaign {
        /// Its number.
        campaign: CampaignId,
        /// Its settings.
        config: Box<CampaignConfig>,
    },
    /// Changes who may book. The rules' version must grow.
    SetRules {
        /// The campaign.
        campaign: CampaignId,
        /// The new rules.
        rules: Rules,
        /// Why, in public.
        reason: Text,
    },
    /// Changes when and for which birth digits booking is open.
    SetWindows {
        /// The campaign.
        campaign: CampaignId,
        /// All windows from now on, in order.
        windows: Vec<Window>,
        /// Why, in public.
        reason: Text,
    },
    /// Changes how many people the campaign is for; bookings made stay.
    SetQuota {
        /// The campaign.
        campaign: CampaignId,
        /// One vaccine's quota, or the whole campaign's.
        vaccine: Option<VaccineId>,
        /// The new quota.
        quota: u32,
        /// Why, in public.
        reason: Text,
    },
    /// Stops new holds, bookings and moves; holds and bookings stay.
    PauseCampaign {
        /// The campaign.
        campaign: CampaignId,
        /// Why, in public.
        reason: Text,
    },
    /// Goes on after a pause.
    ResumeCampaign {
        /// The campaign.
        campaign: CampaignId,
    },
    /// Ends the campaign for good; bookings stay and can be cancelled.
    CloseCampaign {
        /// The campaign.
        campaign: CampaignId,
        /// Why, in public.
        reason: Text,
    },
    /// Adds a clinic to the directory.
    AddClinic {
        /// What the public may know of it.
        config: Box<ClinicConfig>,
    },
    /// Lets a clinic take part in a campaign.
    AddDesk {
        /// The campaign.
        campaign: CampaignId,
        /// The clinic.
        clinic: ClinicId,
    },
    /// Adds slots to a clinic's part in a campaign.
    AddSlots {
        /// The clinic's part.
        desk: DeskId,
        /// The slots.
        slots: Vec<SlotSpec>,
    },
    /// Changes how many places a slot has. Places in use cannot be taken away.
    SetCapacity {
        /// The slot.
        slot: SlotId,
        /// The new number of places, withdrawn ones included.
        capacity: u32,
        /// Why, in public.
        reason: Text,
    },
    /// Takes free places out of use, or puts them back.
    SetWithdrawn {
        /// The slot.
        slot: SlotId,
        /// How many are out of use from now on.
        withdrawn: u32,
        /// Why, in public.
        reason: Text,
    },
    /// The person came and got the dose.
    CheckIn {
        /// The booking.
        booking: BookingId,
    },

    // --- booking: people ---
    /// Holds a place for a few minutes.
    Hold {
        /// The slot.
        slot: SlotId,
        /// For whom.
        person: PersonId,
        /// Their birth date, vouched for by whoever identified them.
        birth: Date,
        /// Which dose of the course, from 1.
        dose: u8,
        /// The verified pass, where the campaign asks for one.
        entry: Option<Entry>,
        /// Through whom.
        channel: ChannelId,
    },
    /// Turns a hold into a booking.
    Confirm {
        /// The hold.
        booking: BookingId,
        /// Whose it is, or who made it for them.
        person: PersonId,
    },
    /// Gives a hold or booking back.
    Cancel {
        /// The hold or booking.
        booking: BookingId,
        /// Whose it is, or who made it for them.
        person: PersonId,
    },
    /// Moves a booking to another slot in one step: never without a place.
    Reschedule {
        /// The booking.
        booking: BookingId,
        /// Whose it is, or who made it for them.
        person: PersonId,
        /// The new slot.
        slot: SlotId,
    },
    /// Keeps a person's sealed contact, replacing an earlier one.
    KeepContact {
        /// The person.
        person: PersonId,
        /// Encrypted bytes; at most [`crate::limits::CONTACT_BYTES_MAX`].
        sealed: Box<[u8]>,
    },
    /// Drops a person's sealed contact.
    DropContact {
        /// The person.
        person: PersonId,
    },

    // --- the whole machine, from rules 2 on; at the end, where they leave the digests of
    // --- remembered commands as they are ---
    /// A node asks to be the one that performs effects, or to go on being it.
    TakeLease {
        /// The node.
        node: u16,
        /// The life of its process.
        life: u32,
    },
    /// A node says what its state came to; every other one compares, and remembers what
    /// its own comes to here.
    Checkpoint {
        /// The position of an earlier checkpoint; 0 if the node knows of none.
        position: u64,
        /// See [`crate::checkpoint::digest`]: of the writer's state after that position.
        digest: u64,
    },

    // --- the clinic's desk, from rules 4 on ---
    /// The slot began some minutes ago and the person did not come: the place is free again.
    /// Checking the person in later takes it back, while the place is free.
    MarkNoShow {
        /// The booking.
        booking: BookingId,
    },
    /// Somebody at the desk gets a free place of today and the dose in one step.
    WalkIn {
        /// The slot.
        slot: SlotId,
        /// Who.
        person: PersonId,
        /// Their birth date, vouched for by the clinic.
        birth: Date,
        /// Which dose of the course, from 1.
        dose: u8,
        /// Through whom.
        channel: ChannelId,
    },

    // --- telephone agents, from rules 4 on ---
    /// Changes which part of a room's pace its telephone agents may use.
    SetAgentShare {
        /// The room.
        room: RoomId,
        /// Thousandths of the pace; at most [`crate::limits::AGENT_SHARE_PERMILLE_MAX`].
        permille: u32,
        /// Why, in public.
        reason: Text,
    },
    /// Lets in somebody who is on the telephone, at once and without a ticket, or finds the pass
    /// again that they have.
    EnterByAgent {
        /// The room.
        room: RoomId,
        /// The person, vouched for by the agent. The pass counts for nobody else.
        person: PersonId,
    },

    // --- leftover places, from rules 4 on ---
    /// A person would come to a clinic at short notice, today; again, to say how long the way is
    /// by now.
    Standby {
        /// The clinic's part in the campaign.
        desk: DeskId,
        /// Who.
        person: PersonId,
        /// Their birth date, vouched for by whoever identified them.
        birth: Date,
        /// Which dose of the course, from 1.
        dose: u8,
        /// How many minutes they need to be there, as they say.
        minutes: u16,
    },
    /// The person does not stand by there any more.
    StandDown {
        /// The clinic's part in the campaign.
        desk: DeskId,
        /// Who.
        person: PersonId,
    },
    /// A clinic offers free places of a slot of today to those who stand by, one after the other.
    OfferLeftover {
        /// The slot.
        slot: SlotId,
        /// How many places, beside those that are offered already.
        places: u32,
        /// How long each has to answer, milliseconds.
        offer_ms: u32,
    },

    // --- for somebody else, from rules 5 on ---
    /// Holds a place for somebody else. Who made it is recorded, and may act for the person from
    /// then on: confirm it, move it, give it back.
    HoldFor {
        /// The slot.
        slot: SlotId,
        /// For whom.
        person: PersonId,
        /// Their birth date, vouched for by whoever identified them.
        birth: Date,
        /// Which dose of the course, from 1.
        dose: u8,
        /// The verified pass, where the campaign asks for one: the person's or the proxy's.
        entry: Option<Entry>,
        /// Through whom.
        channel: ChannelId,
        /// Who books for them.
        proxy: PersonId,
    },
    /// Whoever made a booking for somebody else has nothing to do with it any more.
    EndProxy {
        /// The booking.
        booking: BookingId,
        /// Who asks: the person, or the proxy.
        person: PersonId,
    },
}

/// A verified pass: the ticket that is inside.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// The room.
    pub room: RoomId,
    /// The ticket.
    pub serial: Serial,
}
