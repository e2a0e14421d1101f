//! Core's structures that only snapshots hold, field by field. Tags and numbers are
//! stable.
//!
//! What there are millions of (bookings, slots) is fixed in width, so that it is copied
//! rather than computed.

use jari_core::booking::{
    Booking, BookingState, Campaign, Clinic, Desk, Offering, Proxied, Reminded, Slot, Standby, StandbyKey,
    Supply,
};
use jari_core::effect::{Effect, EffectKind};
use jari_core::ids::{BookingId, ChannelId, CommandId, DeskId, Serial, SlotId, VaccineId};
use jari_core::lease::Lease;
use jari_core::outcome::{Outcome, Reason, Refusal};
use jari_core::recent::Recent;
use jari_core::state::{Contact, Event, EventKind};
use jari_core::time::Time;
use jari_core::waiting_room::{Cohort, Controller, Inside, PassEnd, Phase};

use crate::codec::{Fault, Reader, Sink, Wire};
use crate::shapes::shapes;

shapes! {
    Cohort { called_at, upto, called, entered }
    Controller {
        factor_ppm, slowed_at, raised_at, show_up_permille, shut_at, entry_credit, call_credit,
        accrued_until, cohorts, entries_by_ten_s, newest_ten_s,
    }
    Inside { ends_at, bookings, confirmed }
    PassEnd { ends_at, serial }
    Campaign { config, paused, closed, supply, by_vaccine, confirmed, lapsed }
    Clinic { config }
    Desk { campaign, clinic, supply }
    Contact { person, sealed }
    Effect { kind, booking, person }
    Event { at, kind, subject, value, reason }
    Refusal { reason, detail }
    Lease { node, life, until }
    Reminded { due, below }
    StandbyKey { desk, minutes, number }
    Standby { person, birth, dose, ends_at }
    Offering { places, open, offer_ms }
}

/// Enums whose numbers core keeps stable: one byte.
macro_rules! numbered {
    ($($name:ident { $($variant:ident)* })*) => {$(
        impl Wire for $name {
            #[inline]
            fn put<S: Sink>(&self, out: &mut S) {
                match self { $($name::$variant => ($name::$variant as u8).put(out),)* }
            }

            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
                let number = u8::take(from)?;
                $(if number == $name::$variant as u8 { return Ok($name::$variant); })*
                Err(Fault::UnknownTag)
            }
        }
    )*};
}

numbered! {
    Phase { Lobby Open Closed }
    BookingState { Held Booked Used Cancelled Lapsed NoShow Offered }
    EffectKind { BookingConfirmed BookingCancelled BookingRescheduled Reminder Offer }
    EventKind {
        RoomCreated RoomScheduled RoomOpened RoomDrawn RoomPaused RoomResumed RoomClosed PaceSet AgentShareSet
        CampaignCreated RulesSet WindowsSet QuotaSet CampaignPaused CampaignResumed CampaignClosed
        CapacitySet WithdrawnSet VaccineQuotaSet RulesUpgraded
    }
}

impl Wire for Reason {
    fn put<S: Sink>(&self, out: &mut S) {
        self.number().put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        Reason::from_number(u16::take(from)?).ok_or(Fault::UnknownTag)
    }
}

/// Makes the encoding of outcomes from the table of tags and fields. Tag 1 is a refusal.
macro_rules! outcomes {
    ($($tag:literal $name:ident { $($field:ident),* })*) => {
        impl Wire for Outcome {
            fn put<S: Sink>(&self, out: &mut S) {
                match self {
                    Outcome::Refused(refusal) => {
                        1_u8.put(out);
                        refusal.put(out);
                    }
                    $(Outcome::$name { $($field),* } => {
                        ($tag as u8).put(out);
                        $($field.put(out);)*
                    })*
                }
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
                match u8::take(from)? {
                    1 => Wire::take(from).map(Outcome::Refused),
                    $($tag => {
                        $(let $field = Wire::take(from)?;)*
                        Ok(Outcome::$name { $($field),* })
                    })*
                    _ => Err(Fault::UnknownTag),
                }
            }
        }
    };
}

outcomes! {
    0 Done {}
    2 Joined { first, count }
    3 Entered { ends_at }
    4 Held { booking, ends_at }
    5 Confirmed { booking }
    6 Cancelled { booking }
    7 Rescheduled { booking }
    8 CheckedIn { booking }
    9 ClinicAdded { clinic }
    10 DeskAdded { desk }
    11 SlotsAdded { first, count }
    12 Leased { until }
    13 MarkedNoShow { booking }
    14 EnteredByAgent { serial, ends_at }
    15 StandingBy { ends_at }
    16 Offered { offers }
}

impl Wire for Recent {
    fn put<S: Sink>(&self, out: &mut S) {
        let Recent { id, digest, outcome } = self;
        id.put(out);
        digest.to_le_bytes().put(out);
        outcome.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        let id = CommandId::take(from)?;
        let digest = u64::from_le_bytes(from.array()?);
        Ok(Recent { id, digest, outcome: Outcome::take(from)? })
    }
}

/// Lays integers side by side in an array, and reads them back.
macro_rules! fixed {
    ($len:literal: $($value:expr),* $(,)?) => {{
        let mut bytes = [0_u8; $len];
        let mut at = 0;
        $({
            let part = $value.to_le_bytes();
            bytes[at..at + part.len()].copy_from_slice(&part);
            at += part.len();
        })*
        assert!(at == $len, "the fields fill the array");
        bytes
    }};
}

impl Wire for Booking {
    #[inline]
    fn put<S: Sink>(&self, out: &mut S) {
        let Booking { person: [low, high], until, slot, earlier, serial, channel, dose, state } = self;
        let bytes = fixed!(
            40: low, high, until.0, slot.0, earlier, serial.0, channel.0, dose, (*state as u8),
        );
        out.bytes(&bytes);
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        let mut fields = Reader::new(from.bytes(40)?);
        let from = &mut fields;
        Ok(Booking {
            person: [u64::from_le_bytes(from.array()?), u64::from_le_bytes(from.array()?)],
            until: Time(u64::from_le_bytes(from.array()?)),
            slot: SlotId(u32::from_le_bytes(from.array()?)),
            earlier: u32::from_le_bytes(from.array()?),
            serial: Serial(u32::from_le_bytes(from.array()?)),
            channel: ChannelId(u16::from_le_bytes(from.array()?)),
            dose: u8::take(from)?,
            state: BookingState::take(from)?,
        })
    }
}

impl Wire for Proxied {
    fn put<S: Sink>(&self, out: &mut S) {
        let Proxied { proxy: [low, high], booking, ended } = self;
        out.bytes(&fixed!(21: low, high, booking.0, u8::from(*ended)));
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(Proxied {
            proxy: [u64::from_le_bytes(from.array()?), u64::from_le_bytes(from.array()?)],
            booking: BookingId(u32::from_le_bytes(from.array()?)),
            ended: Wire::take(from)?,
        })
    }
}

impl Wire for Slot {
    #[inline]
    fn put<S: Sink>(&self, out: &mut S) {
        let Slot { desk, starts_at, vaccine, supply } = self;
        let Supply { capacity, held, booked, used, withdrawn } = supply;
        let bytes = fixed!(
            34: desk.0, starts_at.0, vaccine.0, capacity, held, booked, used, withdrawn,
        );
        out.bytes(&bytes);
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        let mut fields = Reader::new(from.bytes(34)?);
        let from = &mut fields;
        Ok(Slot {
            desk: DeskId(u32::from_le_bytes(from.array()?)),
            starts_at: Time(u64::from_le_bytes(from.array()?)),
            vaccine: VaccineId(u16::from_le_bytes(from.array()?)),
            supply: Supply {
                capacity: u32::from_le_bytes(from.array()?),
                held: u32::from_le_bytes(from.array()?),
                booked: u32::from_le_bytes(from.array()?),
                used: u32::from_le_bytes(from.array()?),
                withdrawn: u32::from_le_bytes(from.array()?),
            },
        })
    }
}
