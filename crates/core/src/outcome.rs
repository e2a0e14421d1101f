//! What a command came to. Small and plain, so that it can be remembered by the
//! million and compared byte for byte between nodes.

use crate::ids::{BookingId, ClinicId, DeskId, Serial, SlotId};
use crate::time::Time;

/// The answer to one command.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// Done; there is nothing to tell.
    Done,
    /// Not done, and nothing was changed.
    Refused(Refusal),
    /// Tickets `first..first + count` were issued.
    Joined {
        /// The first serial number.
        first: Serial,
        /// How many.
        count: u32,
    },
    /// The ticket's holder is inside until `ends_at`.
    Entered {
        /// When the pass ends.
        ends_at: Time,
    },
    /// A place is held until `ends_at`.
    Held {
        /// The hold, which a confirmation turns into a booking.
        booking: BookingId,
        /// When the hold lapses by itself.
        ends_at: Time,
    },
    /// The hold is now a booking.
    Confirmed {
        /// The booking.
        booking: BookingId,
    },
    /// The hold or booking is given back.
    Cancelled {
        /// The booking.
        booking: BookingId,
    },
    /// The booking is now for another slot.
    Rescheduled {
        /// The booking.
        booking: BookingId,
    },
    /// The person came, with a booking or without; the dose is used.
    CheckedIn {
        /// The booking.
        booking: BookingId,
    },
    /// A clinic was added.
    ClinicAdded {
        /// Its number.
        clinic: ClinicId,
    },
    /// A clinic takes part in a campaign.
    DeskAdded {
        /// The clinic's part in the campaign.
        desk: DeskId,
    },
    /// Slots `first..first + count` were added.
    SlotsAdded {
        /// The first slot.
        first: SlotId,
        /// How many.
        count: u32,
    },
    /// The lease is the asker's.
    Leased {
        /// When it ends by itself.
        until: Time,
    },
    /// The person on the telephone is inside until `ends_at`.
    EnteredByAgent {
        /// The number of their pass, as in [`crate::command::Entry`].
        serial: Serial,
        /// When the pass ends.
        ends_at: Time,
    },
    /// The person stands by until `ends_at`.
    StandingBy {
        /// The end of the day.
        ends_at: Time,
    },
    /// Free places of a slot are offered.
    Offered {
        /// How many offers of this slot wait for an answer now.
        offers: u32,
    },
    /// The person did not come; the place is free again.
    MarkedNoShow {
        /// The booking.
        booking: BookingId,
    },
}

impl Outcome {
    /// A refusal without detail.
    #[must_use]
    pub const fn refused(reason: Reason) -> Outcome {
        Outcome::Refused(Refusal { reason, detail: 0 })
    }

    /// A refusal with the detail that `reason` documents.
    #[must_use]
    pub const fn refused_with(reason: Reason, detail: u64) -> Outcome {
        Outcome::Refused(Refusal { reason, detail })
    }

    /// The refusal, if it is one.
    #[must_use]
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Outcome::Refused(refusal) => Some(*refusal),
            _ => None,
        }
    }
}

/// Why a command was refused, and one number that says more.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// As the reason documents; 0 otherwise.
    pub detail: u64,
}

/// Makes the enum of reasons with its stable numbers and names.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $code:literal;)*) => {
        /// Reasons for refusals. Numbers and codes are stable forever: they are
        /// journaled in snapshots and shown to callers.
        #[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
        #[repr(u16)]
        pub enum Reason {
            $($(#[$doc])* $name = $number,)*
        }

        impl Reason {
            /// Every reason, in the order of the numbers.
            pub const ALL: &[Reason] = &[$(Reason::$name),*];

            /// The stable word for it, as in a problem's type.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }

            /// The reason with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Reason> {
                match number { $($number => Some(Reason::$name),)* _ => None }
            }

            /// Its stable number.
            #[must_use]
            pub const fn number(self) -> u16 {
                self as u16
            }
        }
    };
}

reasons! {
    /// The command id was used before with other content.
    IdReused = 1, "id_reused";
    /// A text is longer than [`crate::limits::TEXT_BYTES_MAX`] or empty where it must not be.
    TextUnfit = 2, "text_unfit";
    /// A setting is outside its limits; the detail is the number of the setting, from 1.
    SettingUnfit = 3, "setting_unfit";
    /// A bound of [`crate::limits`] is reached.
    Full = 4, "full";
    /// Effects wait for a broken messenger; try again. The detail is milliseconds.
    EffectsBacklog = 5, "effects_backlog";
    /// The rules version is not the next one known, or the rules in force know no such command.
    RulesUnknown = 6, "rules_unknown";
    /// Another node holds the lease; the detail is the instant it ends and, times 2^48, that node's number.
    LeaseHeld = 7, "lease_held";

    /// There is no such room.
    RoomUnknown = 20, "room_unknown";
    /// The room exists already.
    RoomExists = 21, "room_exists";
    /// The room is closed.
    RoomClosed = 22, "room_closed";
    /// The room is paused; its reason is public.
    RoomPaused = 23, "room_paused";
    /// The room is not paused.
    RoomNotPaused = 24, "room_not_paused";
    /// The room has not opened yet; the detail is the instant it opens.
    RoomNotOpen = 25, "room_not_open";
    /// The lobby's draw has been made already, or the lobby is not frozen yet.
    DrawNotDue = 26, "draw_not_due";
    /// The seed is not the one that was committed to.
    SeedWrong = 27, "seed_wrong";
    /// The room gives a ticket only to an identified person.
    IdentityRequired = 28, "identity_required";
    /// The room's tickets are not bound to people.
    IdentityUnused = 29, "identity_unused";
    /// There is no such ticket in the room.
    TicketUnknown = 30, "ticket_unknown";
    /// The ticket's turn has not come; the detail is its position, from 0.
    NotCalled = 31, "not_called";
    /// Called, but the service behind is full this moment, or the agents have let in as many as they may; the detail is milliseconds to wait.
    Busy = 32, "busy";
    /// The ticket has been used up or given back.
    TicketSpent = 33, "ticket_spent";
    /// The opening has passed already and cannot be moved.
    AlreadyOpen = 34, "already_open";
    /// The ticket or pass belongs to another person.
    TicketForeign = 35, "ticket_foreign";
    /// The room lets nobody in by telephone.
    AgentShareNone = 36, "agent_share_none";

    /// There is no such campaign.
    CampaignUnknown = 50, "campaign_unknown";
    /// The campaign exists already.
    CampaignExists = 51, "campaign_exists";
    /// The campaign is paused; its reason is public.
    CampaignPaused = 52, "campaign_paused";
    /// The campaign is not paused.
    CampaignNotPaused = 53, "campaign_not_paused";
    /// The campaign is closed.
    CampaignClosed = 54, "campaign_closed";
    /// There is no such clinic.
    ClinicUnknown = 55, "clinic_unknown";
    /// The clinic takes no part in the campaign.
    DeskUnknown = 56, "desk_unknown";
    /// The clinic takes part in the campaign already.
    DeskExists = 57, "desk_exists";
    /// There is no such slot.
    SlotUnknown = 58, "slot_unknown";
    /// There is no such vaccine in the campaign.
    VaccineUnknown = 59, "vaccine_unknown";
    /// Booking has not opened yet for anyone; the detail is the instant it opens.
    BookingNotOpen = 60, "booking_not_open";
    /// Booking is over.
    BookingOver = 61, "booking_over";
    /// Born outside the years that the campaign is for.
    NotEligible = 62, "not_eligible";
    /// Another birth digit's day; the detail is the instant from which this person may book, 0 if none.
    NotYourDay = 63, "not_your_day";
    /// The campaign is reached through its waiting room: a pass is required.
    PassRequired = 64, "pass_required";
    /// The pass has ended or never was; the way back in is the ticket.
    PassEnded = 65, "pass_ended";
    /// The pass has served as many bookings as it may.
    PassSpent = 66, "pass_spent";
    /// The person has a hold or booking for this dose; the detail is its number.
    AlreadyBooked = 67, "already_booked";
    /// The dose is outside the campaign's course.
    DoseUnknown = 68, "dose_unknown";
    /// The earlier dose is missing, or too close; the detail is the first instant that is far enough, 0 if the earlier dose is missing.
    DoseTooEarly = 69, "dose_too_early";
    /// The slot has begun or passed.
    SlotPast = 70, "slot_past";
    /// The slot has no free place.
    SlotFull = 71, "slot_full";
    /// The campaign's or vaccine's quota is used up.
    QuotaUsedUp = 72, "quota_used_up";
    /// Today's share is used up; the detail is the instant the next share opens, 0 if none.
    ShareUsedUp = 73, "share_used_up";
    /// The person has made too many holds; an operator can help.
    TooManyBookings = 74, "too_many_bookings";
    /// There is no such booking of this person, nor one that they made for somebody else.
    BookingUnknown = 75, "booking_unknown";
    /// The hold has lapsed; its place is free again.
    HoldLapsed = 76, "hold_lapsed";
    /// The booking has been cancelled.
    BookingCancelled = 77, "booking_cancelled";
    /// The booking has been confirmed already.
    BookingConfirmed = 78, "booking_confirmed";
    /// Only a confirmed booking can do that.
    BookingNotConfirmed = 79, "booking_not_confirmed";
    /// The dose has been given.
    BookingUsed = 80, "booking_used";
    /// The change would take away places that are held or booked; the detail is how many are in use.
    PlacesInUse = 81, "places_in_use";
    /// The slot is the booking's own already.
    SameSlot = 82, "same_slot";
    /// The slot belongs to another campaign.
    OtherCampaign = 83, "other_campaign";
    /// No contact is kept for the person.
    ContactUnknown = 84, "contact_unknown";
    /// The person may still come; the detail is the instant from which they are a no-show.
    NoShowTooEarly = 85, "no_show_too_early";
    /// The person did not come, and the place was given back.
    BookingMissed = 86, "booking_missed";
    /// The desk gives the slot's places later; the detail is the instant from which it does.
    SlotAhead = 87, "slot_ahead";
    /// The person stands by at as many desks as one may.
    TooManyStandbys = 88, "too_many_standbys";
    /// The person does not stand by there.
    StandbyUnknown = 89, "standby_unknown";
    /// The person books for as many others as one may; the detail is how many, at a time or ever.
    TooManyProxied = 90, "too_many_proxied";
    /// Nobody made the booking for somebody else.
    ProxyUnknown = 91, "proxy_unknown";
}
