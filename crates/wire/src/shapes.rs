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
    ClinicConfig { name, address, region, district, postcode, telephone, latitude_e6, longitude_e6 }
    SlotSpec { starts_at, vaccine, capacity }
    Supply { capacity, held, booked, used, withdrawn }
}

/// Without `reminder_ms`, which came with rules 3: whatever writes a campaign with reminders
/// puts it behind the campaign.
impl Wire for CampaignConfig {
    fn put<S: Sink>(&self, out: &mut S) {
        let CampaignConfig {
            name,
            room,
            quota,
            vaccines,
            rules,
            windows,
            hold_ms,
            utc_offset_min,
            reminder_ms: _,
        } = self;
        name.put(out);
        room.put(out);
        quota.put(out);
        vaccines.put(out);
        rules.put(out);
        windows.put(out);
        hold_ms.put(out);
        utc_offset_min.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(CampaignConfig {
            name: Wire::take(from)?,
            room: Wire::take(from)?,
            quota: Wire::take(from)?,
            vaccines: Wire::take(from)?,
            rules: Wire::take(from)?,
            windows: Wire::take(from)?,
            hold_ms: Wire::take(from)?,
            utc_offset_min: Wire::take(from)?,
            reminder_ms: 0,
        })
    }
}
