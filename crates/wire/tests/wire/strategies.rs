//! Arbitrary commands, of every kind and with numbers of every length.

use jari_core::booking::{CampaignConfig, ClinicConfig, Rules, SlotSpec, Vaccine, Window};
use jari_core::command::{Entry, Text};
use jari_core::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, RoomId, Serial, SlotId,
    VaccineId,
};
use jari_core::time::{Date, Time};
use jari_core::waiting_room::{Pace, RoomConfig};
use jari_core::{Body, Command};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::Union;

/// Numbers of any length, not only long ones.
fn wide() -> impl Strategy<Value = u64> + Clone {
    (any::<u64>(), 0_u32..64).prop_map(|(value, shift)| value >> shift)
}

fn long() -> impl Strategy<Value = u32> + Clone {
    (any::<u32>(), 0_u32..32).prop_map(|(value, shift)| value >> shift)
}

fn time() -> impl Strategy<Value = Time> + Clone {
    wide().prop_map(Time)
}

fn date() -> impl Strategy<Value = Date> + Clone {
    (any::<i32>(), 0_u32..32).prop_map(|(value, shift)| Date(value >> shift))
}

fn text() -> impl Strategy<Value = Text> {
    "\\PC{0,40}".prop_map(Text::from)
}

fn pace() -> impl Strategy<Value = Pace> {
    (long(), long(), long(), long(), long()).prop_map(|(entries, passes, ttl, latency, error)| Pace {
        entries_per_minute_max: entries,
        passes_max: passes,
        pass_ttl_ms: ttl,
        latency_goal_ms: latency,
        error_goal_ppm: error,
    })
}

fn room_config() -> impl Strategy<Value = Box<RoomConfig>> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<u8>());
    let parts = (text(), time(), any::<[u8; 32]>(), option::of(long()), flags, pace());
    parts.prop_map(|(name, opens_at, commitment, campaign, flags, pace)| {
        Box::new(RoomConfig {
            name,
            opens_at,
            commitment,
            campaign: campaign.map(CampaignId),
            awaits_beacon: flags.0,
            identity_bound: flags.1,
            fails_open: flags.2,
            bookings_per_pass: flags.3,
            pace,
        })
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let parts = (long(), date(), date(), any::<u8>(), any::<u16>());
    parts.prop_map(|(version, born_from, born_until, doses, dose_interval_days)| Rules {
        version,
        born_from,
        born_until,
        doses,
        dose_interval_days,
    })
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    let window = (time(), time(), any::<u16>(), long());
    let window = window.prop_map(|(opens_at, closes_at, digits, share_ppm)| Window {
        opens_at,
        closes_at,
        digits,
        share_ppm,
    });
    vec(window, 0..5)
}

fn campaign_config() -> impl Strategy<Value = Box<CampaignConfig>> {
    let vaccine = (text(), long()).prop_map(|(name, quota)| Vaccine { name, quota });
    let numbers = (option::of(long()), long(), long(), any::<i16>(), prop_oneof![Just(0), long()]);
    (text(), vec(vaccine, 0..4), rules(), windows(), numbers).prop_map(
        |(name, vaccines, rules, windows, (room, quota, hold_ms, utc_offset_min, reminder_ms))| {
            let room = room.map(RoomId);
            Box::new(CampaignConfig {
                name,
                room,
                quota,
                vaccines,
                rules,
                windows,
                hold_ms,
                utc_offset_min,
                reminder_ms,
            })
        },
    )
}

fn clinic_config() -> impl Strategy<Value = Box<ClinicConfig>> {
    let texts = (text(), text(), text(), text(), text(), text());
    (texts, any::<i32>(), any::<i32>()).prop_map(|(texts, latitude_e6, longitude_e6)| {
        let (name, address, region, district, postcode, telephone) = texts;
        Box::new(ClinicConfig {
            name,
            address,
            region,
            district,
            postcode,
            telephone,
            latitude_e6,
            longitude_e6,
        })
    })
}

fn slots() -> impl Strategy<Value = Vec<SlotSpec>> {
    let slot = (time(), any::<u16>(), long());
    let slot = slot.prop_map(|(starts_at, vaccine, capacity)| SlotSpec {
        starts_at,
        vaccine: VaccineId(vaccine),
        capacity,
    });
    vec(slot, 0..5)
}

/// Ids of everything, so that every kind of command below reads its own.
#[derive(Clone, Debug)]
struct Ids {
    room: RoomId,
    serial: Serial,
    campaign: CampaignId,
    clinic: ClinicId,
    desk: DeskId,
    slot: SlotId,
    booking: BookingId,
    person: PersonId,
}

fn ids() -> impl Strategy<Value = Ids> + Clone {
    (long(), long(), long(), long(), any::<u128>()).prop_map(|(a, b, c, d, person)| Ids {
        room: RoomId(a),
        serial: Serial(b),
        campaign: CampaignId(a),
        clinic: ClinicId(b),
        desk: DeskId(c),
        slot: SlotId(c),
        booking: BookingId(d),
        person: PersonId(person),
    })
}

/// A strategy for one kind of command from the ids and whatever else it needs.
fn kind<S: Strategy + 'static>(
    more: S,
    make: impl Fn(Ids, S::Value) -> Body + 'static,
) -> BoxedStrategy<Body> {
    (ids(), more).prop_map(move |(ids, more)| make(ids, more)).boxed()
}

fn room_kinds() -> Vec<BoxedStrategy<Body>> {
    vec![
        kind(long(), |_, rules| Body::Upgrade { rules }),
        kind(wide(), |_, upto| Body::AckEffects { upto }),
        kind((any::<u16>(), long()), |_, (node, life)| Body::TakeLease { node, life }),
        kind((wide(), wide()), |_, (position, digest)| Body::Checkpoint { position, digest }),
        kind(room_config(), |Ids { room, .. }, config| Body::CreateRoom { room, config }),
        kind((time(), text()), |Ids { room, .. }, (opens_at, reason)| Body::ScheduleRoom {
            room,
            opens_at,
            reason,
        }),
        kind(any::<[[u8; 32]; 2]>(), |Ids { room, .. }, [seed, beacon]| Body::DrawRoom {
            room,
            seed,
            beacon,
        }),
        kind(text(), |Ids { room, .. }, reason| Body::PauseRoom { room, reason }),
        kind(Just(()), |Ids { room, .. }, ()| Body::ResumeRoom { room }),
        kind(text(), |Ids { room, .. }, reason| Body::CloseRoom { room, reason }),
        kind((pace(), text()), |Ids { room, .. }, (pace, reason)| Body::SetPace { room, pace, reason }),
        kind((long(), long()), |Ids { room, .. }, (latency_p95_ms, error_ppm)| Body::ReportHealth {
            room,
            latency_p95_ms,
            error_ppm,
        }),
        kind(vec(text(), 0..4), |Ids { room, .. }, notices| Body::SetNotices { room, notices }),
        kind(long(), |Ids { room, .. }, count| Body::Join { room, count }),
        kind(Just(()), |Ids { room, person, .. }, ()| Body::JoinAs { room, person }),
        kind(Just(()), |Ids { room, serial, .. }, ()| Body::Enter { room, serial }),
        kind(Just(()), |Ids { room, serial, .. }, ()| Body::Leave { room, serial }),
        kind((long(), text()), |Ids { room, .. }, (permille, reason)| Body::SetAgentShare {
            room,
            permille,
            reason,
        }),
        kind(Just(()), |Ids { room, person, .. }, ()| Body::EnterByAgent { room, person }),
    ]
}

fn campaign_kinds() -> Vec<BoxedStrategy<Body>> {
    vec![
        kind(campaign_config(), |Ids { campaign, .. }, config| Body::CreateCampaign { campaign, config }),
        kind((rules(), text()), |Ids { campaign, .. }, (rules, reason)| Body::SetRules {
            campaign,
            rules,
            reason,
        }),
        kind((windows(), text()), |Ids { campaign, .. }, (windows, reason)| Body::SetWindows {
            campaign,
            windows,
            reason,
        }),
        kind((option::of(any::<u16>()), long(), text()), |Ids { campaign, .. }, (vaccine, quota, reason)| {
            Body::SetQuota { campaign, vaccine: vaccine.map(VaccineId), quota, reason }
        }),
        kind(text(), |Ids { campaign, .. }, reason| Body::PauseCampaign { campaign, reason }),
        kind(Just(()), |Ids { campaign, .. }, ()| Body::ResumeCampaign { campaign }),
        kind(text(), |Ids { campaign, .. }, reason| Body::CloseCampaign { campaign, reason }),
        kind(clinic_config(), |_, config| Body::AddClinic { config }),
        kind(Just(()), |Ids { campaign, clinic, .. }, ()| Body::AddDesk { campaign, clinic }),
        kind(slots(), |Ids { desk, .. }, slots| Body::AddSlots { desk, slots }),
        kind((long(), text()), |Ids { slot, .. }, (capacity, reason)| Body::SetCapacity {
            slot,
            capacity,
            reason,
        }),
        kind((long(), text()), |Ids { slot, .. }, (withdrawn, reason)| Body::SetWithdrawn {
            slot,
            withdrawn,
            reason,
        }),
    ]
}

fn booking_kinds() -> Vec<BoxedStrategy<Body>> {
    let hold = (date(), any::<u8>(), option::of((long(), long())), any::<u16>());
    let hold = kind(hold, |Ids { slot, person, .. }, (birth, dose, entry, channel)| {
        let entry = entry.map(|(room, serial)| Entry { room: RoomId(room), serial: Serial(serial) });
        Body::Hold { slot, person, birth, dose, entry, channel: ChannelId(channel) }
    });
    let walk_in = kind((date(), any::<u8>(), any::<u16>()), |ids, (birth, dose, channel)| {
        let Ids { slot, person, .. } = ids;
        Body::WalkIn { slot, person, birth, dose, channel: ChannelId(channel) }
    });
    let parts = (date(), any::<u8>(), option::of((long(), long())), any::<u16>(), any::<u128>());
    let hold_for = kind(parts, |Ids { slot, person, .. }, (birth, dose, entry, channel, proxy)| {
        let entry = entry.map(|(room, serial)| Entry { room: RoomId(room), serial: Serial(serial) });
        let (channel, proxy) = (ChannelId(channel), PersonId(proxy));
        Body::HoldFor { slot, person, birth, dose, entry, channel, proxy }
    });
    vec![
        hold,
        walk_in,
        hold_for,
        kind(Just(()), |Ids { booking, person, .. }, ()| Body::EndProxy { booking, person }),
        kind((date(), any::<u8>(), any::<u16>()), |ids, (birth, dose, minutes)| Body::Standby {
            desk: ids.desk,
            person: ids.person,
            birth,
            dose,
            minutes,
        }),
        kind(Just(()), |Ids { desk, person, .. }, ()| Body::StandDown { desk, person }),
        kind((long(), long()), |Ids { slot, .. }, (places, offer_ms)| Body::OfferLeftover {
            slot,
            places,
            offer_ms,
        }),
        kind(Just(()), |Ids { booking, .. }, ()| Body::MarkNoShow { booking }),
        kind(Just(()), |Ids { booking, .. }, ()| Body::CheckIn { booking }),
        kind(Just(()), |Ids { booking, person, .. }, ()| Body::Confirm { booking, person }),
        kind(Just(()), |Ids { booking, person, .. }, ()| Body::Cancel { booking, person }),
        kind(Just(()), |Ids { booking, person, slot, .. }, ()| Body::Reschedule { booking, person, slot }),
        kind(vec(any::<u8>(), 0..200), |Ids { person, .. }, sealed| Body::KeepContact {
            person,
            sealed: sealed.into(),
        }),
        kind(Just(()), |Ids { person, .. }, ()| Body::DropContact { person }),
    ]
}

/// Any command.
pub fn command() -> impl Strategy<Value = Command> {
    let id = prop_oneof![Just(CommandId(0)), any::<u128>().prop_map(CommandId)];
    let body = Union::new([room_kinds(), campaign_kinds(), booking_kinds()].concat());
    (id, body).prop_map(|(id, body)| Command { id, body })
}
