//! The state's sections, in their order. A sequence is its length and its elements.

use std::collections::BTreeMap;
use std::io;

use jari_core::Data;
use jari_core::booking::{Campaign, Reminded, Standbys};
use jari_core::chunked::Chunked;
use jari_core::ids::CampaignId;
use jari_core::lease::Lease;
use jari_core::rules::{RULES_DESK, RULES_LEASES, RULES_PROXIES, RULES_REMINDERS};
use jari_core::time::Time;

use super::blocks::{BlockReader, BlockWriter};
use super::{Section, SnapshotError, rooms};
use crate::codec::{Fault, Wire};

/// Numbers of a queue's elements lie below this: far beyond what can ever be reached,
/// far from overflowing.
const NUMBER_MAX: u64 = 1 << 56;

pub(super) fn write(data: &Data, out: &mut BlockWriter<'_>) -> io::Result<()> {
    let Data {
        rules,
        time,
        rooms,
        campaigns,
        clinics,
        desks,
        slots,
        bookings,
        contacts,
        recent,
        effects,
        events,
        lease,
        answers,
        reminded,
        standbys,
        proxies,
    } = data;
    let version = version_of(data);
    out.section(Section::Machine)?;
    out.element(&(*rules, *time))?;
    if version >= LEASES {
        out.element(&(lease.is_some(), lease.unwrap_or(NOBODY)))?;
        out.element(&answers.to_le_bytes())?;
    }
    if version >= REMINDERS {
        out.element(reminded)?;
    }
    out.section(Section::Rooms)?;
    rooms::write(rooms, version >= DESK, out)?;
    out.section(Section::Campaigns)?;
    out.element(&(campaigns.len() as u64))?;
    for (id, campaign) in campaigns {
        out.element(id)?;
        out.element(campaign)?;
        if version >= REMINDERS {
            out.element(&campaign.config.reminder_ms)?;
        }
    }
    out.section(Section::Clinics)?;
    write_list(clinics, out)?;
    out.section(Section::Desks)?;
    write_list(desks, out)?;
    out.section(Section::Slots)?;
    write_list(slots, out)?;
    out.section(Section::Bookings)?;
    write_list(bookings, out)?;
    out.section(Section::Contacts)?;
    write_list(contacts, out)?;
    out.section(Section::Recent)?;
    write_queue(recent, out)?;
    out.section(Section::Effects)?;
    write_queue(effects, out)?;
    out.section(Section::Events)?;
    write_queue(events, out)?;
    if version < DESK {
        return Ok(());
    }
    out.section(Section::Standbys)?;
    write_standbys(standbys, out)?;
    if version < PROXIES {
        return Ok(());
    }
    out.section(Section::Proxies)?;
    write_list(proxies, out)
}

/// Reads the sections of a snapshot of this format version.
pub(super) fn read(version: u8, from: &mut BlockReader<'_>) -> Result<Data, SnapshotError> {
    from.section(Section::Machine)?;
    let (rules, time) = from.element::<(u32, Time)>()?;
    // One state has one encoding: its rules say which version it must have.
    if version_for(rules) != version {
        return Err(from.damaged(Fault::NotCanonical));
    }
    let (lease, answers) = if version >= LEASES { read_lease(from)? } else { (None, 0) };
    let reminded = if version >= REMINDERS { from.element()? } else { Reminded::default() };
    from.section(Section::Rooms)?;
    let rooms = rooms::read(version >= DESK, from)?;
    from.section(Section::Campaigns)?;
    let campaigns = read_campaigns(version, from)?;
    from.section(Section::Clinics)?;
    let clinics = read_list(from)?;
    from.section(Section::Desks)?;
    let desks = read_list(from)?;
    from.section(Section::Slots)?;
    let slots = read_list(from)?;
    from.section(Section::Bookings)?;
    let bookings = read_list(from)?;
    from.section(Section::Contacts)?;
    let contacts = read_list(from)?;
    from.section(Section::Recent)?;
    let recent = read_queue(from)?;
    from.section(Section::Effects)?;
    let effects = read_queue(from)?;
    from.section(Section::Events)?;
    let events = read_queue(from)?;
    let standbys = if version >= DESK {
        from.section(Section::Standbys)?;
        read_standbys(from)?
    } else {
        Standbys::default()
    };
    let proxies = if version >= PROXIES {
        from.section(Section::Proxies)?;
        read_list(from)?
    } else {
        Chunked::default()
    };
    Ok(Data {
        rules,
        time,
        rooms,
        campaigns,
        clinics,
        desks,
        slots,
        bookings,
        contacts,
        recent,
        effects,
        events,
        lease,
        answers,
        reminded,
        standbys,
        proxies,
    })
}

/// The first version that has the lease and the running number of answers.
const LEASES: u8 = 2;
/// The first version that has reminders.
const REMINDERS: u8 = 3;
/// The first version that has what the clinic's desk needs.
const DESK: u8 = 4;
/// The first version that has who booked for somebody else.
const PROXIES: u8 = 5;
/// Stands where there is no lease.
const NOBODY: Lease = Lease { node: 0, life: 0, until: Time(0) };

/// The version that a state is written in: the oldest that holds all of it. So a build that
/// knows only the rules in force reads what a newer one wrote, and both have one state hash.
pub(super) fn version_of(data: &Data) -> u8 {
    version_for(data.rules)
}

fn version_for(rules: u32) -> u8 {
    if rules < RULES_LEASES {
        1
    } else if rules < RULES_REMINDERS {
        LEASES
    } else if rules < RULES_DESK {
        REMINDERS
    } else if rules < RULES_PROXIES {
        DESK
    } else {
        PROXIES
    }
}

fn read_lease(from: &mut BlockReader<'_>) -> Result<(Option<Lease>, u64), SnapshotError> {
    let (held, lease) = from.element::<(bool, Lease)>()?;
    let answers = from.element::<[u8; 8]>()?;
    if !held && lease != NOBODY {
        return Err(from.damaged(Fault::NotCanonical));
    }
    Ok((held.then_some(lease), u64::from_le_bytes(answers)))
}

fn read_campaigns(
    version: u8,
    from: &mut BlockReader<'_>,
) -> Result<BTreeMap<CampaignId, Campaign>, SnapshotError> {
    let len = from.element::<u64>()?;
    let mut campaigns = BTreeMap::new();
    for _ in 0..len {
        let id = next_key(&campaigns, from)?;
        let mut campaign: Campaign = from.element()?;
        if version >= REMINDERS {
            campaign.config.reminder_ms = from.element()?;
        }
        campaigns.insert(id, campaign);
    }
    Ok(campaigns)
}

fn write_standbys(standbys: &Standbys, out: &mut BlockWriter<'_>) -> io::Result<()> {
    let Standbys { made, people, offerings } = standbys;
    out.element(&(*made, people.len() as u64))?;
    people.iter().try_for_each(|(key, standby)| out.element(&(*key, *standby)))?;
    out.element(&(offerings.len() as u64))?;
    offerings.iter().try_for_each(|(slot, offering)| out.element(&(*slot, *offering)))
}

fn read_standbys(from: &mut BlockReader<'_>) -> Result<Standbys, SnapshotError> {
    let (made, len) = from.element::<(u64, u64)>()?;
    let people = read_pairs(len, from)?;
    let len = from.element::<u64>()?;
    Ok(Standbys { made, people, offerings: read_pairs(len, from)? })
}

/// A map whose pairs are written in the order of their keys.
pub(super) fn read_pairs<K: Wire + Ord, V: Wire>(
    len: u64,
    from: &mut BlockReader<'_>,
) -> Result<BTreeMap<K, V>, SnapshotError> {
    let mut map = BTreeMap::new();
    for _ in 0..len {
        let (key, value) = from.element::<(K, V)>()?;
        if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(from.damaged(Fault::NotCanonical));
        }
        map.insert(key, value);
    }
    Ok(map)
}

/// The next key of a map whose keys are written in ascending order.
pub(super) fn next_key<K: Wire + Ord, V>(
    map: &BTreeMap<K, V>,
    from: &mut BlockReader<'_>,
) -> Result<K, SnapshotError> {
    let key = from.element::<K>()?;
    if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
        return Err(from.damaged(Fault::NotCanonical));
    }
    Ok(key)
}

/// A sequence from which nothing is ever dropped.
pub(super) fn write_list<T: Wire + Clone>(list: &Chunked<T>, out: &mut BlockWriter<'_>) -> io::Result<()> {
    assert!(list.first() == 0, "nothing is dropped from a list whose numbers are ids");
    out.element(&list.end())?;
    list.iter().try_for_each(|element| out.element(element))
}

pub(super) fn read_list<T: Wire + Clone>(from: &mut BlockReader<'_>) -> Result<Chunked<T>, SnapshotError> {
    let len = from.element::<u64>()?;
    let mut list = Chunked::default();
    for _ in 0..len {
        list.push(from.element()?);
    }
    Ok(list)
}

/// A sequence whose oldest elements are dropped: it begins with its first number.
pub(super) fn write_queue<T: Wire + Clone>(queue: &Chunked<T>, out: &mut BlockWriter<'_>) -> io::Result<()> {
    out.element(&(queue.first(), queue.len() as u64))?;
    queue.iter().try_for_each(|element| out.element(element))
}

pub(super) fn read_queue<T: Wire + Clone + Default>(
    from: &mut BlockReader<'_>,
) -> Result<Chunked<T>, SnapshotError> {
    let (first, len) = from.element::<(u64, u64)>()?;
    if first > NUMBER_MAX || len > NUMBER_MAX {
        return Err(from.damaged(Fault::OverLimit));
    }
    let mut queue = Chunked::starting_at(first);
    for _ in 0..len {
        queue.push(from.element()?);
    }
    Ok(queue)
}
