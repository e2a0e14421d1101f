//! Core's plain structures, field by field, in the order in which they are written.
//!
//! Every structure is taken apart without `..`: a field that is added to core does not
//! compile here until it has a place in the bytes, and the format a new version.

use jari_core::booking::{CampaignConfig, ClinicConfig, Rules, SlotSpec, Supply, Vaccine, Window};
use jari_core::command::Entry;
use jari_core::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, RoomId, Serial, SlotId,
    VaccineId,
};
use jari_core::time::{Date, Time};
use jari_core::waiting_room::{Pace, RoomConfig};

use crate::codec::{Fault, Reader, Sink, Wire};

/// Transparent types: written as what they hold.
macro_rules! transparent {
    ($($name:ident)*) => {$(
        impl Wire for $name {
            #[inline]
            fn put<S: Sink>(&self, out: &mut S) {
                self.0.put(out);
            }

            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
                Wire::take(from).map($name)
            }
        }
    )*};
}

transparent! {
    BookingId CampaignId ChannelId ClinicId CommandId DeskId PersonId RoomId Serial SlotId VaccineId Date Time
}

/// Structures: written field by field in the order given.
macro_rules! shapes {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl Wire for $name {
            #[inline]
            fn put<S: Sink>(&self, out: &mut S) {
                let $name { $($field),* } = self;
                $($field.put(out);)*
            }

            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
                $(let $field = Wire::take(from)?;)*
                Ok($name { $($field),* })
            }
        }
    )*};
}

pub(crate) use shapes;

shapes! {
    Pace { entries_per_minute_max, passes_max, pass_ttl_ms, latency_goal_ms, error_goal_ppm }
    RoomConfig {
        name, opens_at, commitment, campaign, awaits_beacon, identity_bound, fails_open, bookings_per_pass, pace,
    }
    Entry { room, serial }
    Vaccine { name, quota }
    Rules { version, born_from, born_until, doses, dose_interval_days }
    Window { opens_at, closes_at, digits, share_ppm }
    CampaignConfig { name, room, quota, vaccines, rules, windows, hold_ms, utc_offset_min }
    ClinicConfig { name, address, region, district, postcode, telephone, latitude_e6, longitude_e6 }
    SlotSpec { starts_at, vaccine, capacity }
    Supply { capacity, held, booked, used, withdrawn }
}
