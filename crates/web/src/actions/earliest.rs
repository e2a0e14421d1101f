//! Which clinic has a free place first.
//!
//! A region's clinics are put in order at most once a second, whoever asks and however many;
//! what is shown of a clinic is read live. It must never hold the state's lock for longer than
//! one district takes. Start reading at `order`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, TryLockError};

use arc_swap::ArcSwap;
use jari_core::ids::{CampaignId, DeskId, SlotId};
use jari_core::{Data, Time};
use jari_node::views::Directory;
use serde::Serialize;
use utoipa::ToSchema;

use crate::site::Site;

/// An order is at most so old.
const ORDER_MS: u64 = 1_000;

/// A clinic's earliest time with a free place.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FreeTime {
    /// When it begins.
    pub starts_at_ms: u64,
    /// How many places are free then.
    pub free: u32,
}

/// District and desk, those with the earliest free place first and full ones last. Of equals,
/// the one that came first into the directory.
pub(crate) type Order = Arc<[(Box<str>, DeskId)]>;

/// A campaign and the name of a region in it.
type RegionOf = (CampaignId, Box<str>);

/// Orders of regions: as many as the directory has regions, since no other is kept.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    kept: ArcSwap<BTreeMap<RegionOf, (Time, Order)>>,
    /// Held by the one request that works one out.
    ordering: Mutex<()>,
}

/// The slots of a desk, in order of their beginning.
pub(crate) fn slots_of(directory: &Directory, desk: DeskId) -> &[SlotId] {
    directory.slots.get(desk.0 as usize).map(Vec::as_slice).unwrap_or_default()
}

/// The earliest time with a free place of a desk with these slots.
pub(super) fn of_desk(data: &Data, slots: &[SlotId], desk: DeskId) -> Option<FreeTime> {
    // Most clinics of a busy evening are full: those cost one look.
    data.desks.get(u64::from(desk.0)).filter(|desk| desk.supply.free() > 0)?;
    let slot = |id: &SlotId| data.slots.get(u64::from(id.0));
    let begun = slots.partition_point(|id| slot(id).is_some_and(|slot| slot.starts_at <= data.time));
    let mut free = slots[begun..].iter().filter_map(slot).filter(|slot| slot.supply.free() > 0);
    let first = free.next()?;
    let together = free.take_while(|slot| slot.starts_at == first.starts_at);
    let places = first.supply.free() + together.map(|slot| slot.supply.free()).sum::<u32>();
    Some(FreeTime { starts_at_ms: first.starts_at.0, free: places })
}

/// The clinics of a region of a campaign, at most about a second old; none where there is no
/// such region.
pub(super) fn order(site: &Site, campaign: CampaignId, region: &str) -> Order {
    let key = (campaign, Box::from(region));
    let kept = site.orders.kept.load_full();
    let now = site.node.now();
    let known = kept.get(&key);
    if let Some((at, order)) = known
        && *at <= now
        && now.since_ms(*at) < ORDER_MS
    {
        return Arc::clone(order);
    }
    let _ordering = match (site.orders.ordering.try_lock(), known) {
        (Ok(ordering), _) => ordering,
        (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
        (Err(TryLockError::WouldBlock), Some((_, order))) => return Arc::clone(order),
        // This region was never put in order: this once, whoever asks does it for themselves.
        (Err(TryLockError::WouldBlock), None) => return sorted(site, campaign, region),
    };
    let order = sorted(site, campaign, region);
    if !order.is_empty() {
        let mut orders = BTreeMap::clone(&site.orders.kept.load());
        orders.insert(key, (now, Arc::clone(&order)));
        site.orders.kept.store(Arc::new(orders));
    }
    order
}

fn sorted(site: &Site, campaign: CampaignId, region: &str) -> Order {
    let views = site.node.views();
    let districts = views.directory.places.get(&campaign).and_then(|regions| regions.get(region));
    let mut found: Vec<(Time, DeskId, &str)> = Vec::new();
    for (district, desks) in districts.into_iter().flatten() {
        site.node.read(|state| {
            for desk in desks {
                let earliest = of_desk(state.data(), slots_of(&views.directory, *desk), *desk);
                let at = earliest.map_or(Time(u64::MAX), |earliest| Time(earliest.starts_at_ms));
                found.push((at, *desk, &**district));
            }
        });
    }
    found.sort_unstable();
    found.into_iter().map(|(_, desk, district)| (Box::from(district), desk)).collect()
}
