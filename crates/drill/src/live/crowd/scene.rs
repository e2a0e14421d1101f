//! What the crowd shares: the options, the ledger, and what everyone may know.
//!
//! Must never hold what only one person was told. Start at [`Scene`].

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use tokio::time::Instant;

use super::{Booked, CrowdOptions, Faults, Now, Random, SharedLedger, Shuffle, api, from_hex};

/// Whether a room's tickets are bound to people.
#[derive(Deserialize)]
pub(super) struct Binding {
    /// As in the room's details.
    pub(super) identity_bound: bool,
}

/// See the module's documentation.
pub(super) struct Scene {
    pub(super) options: CrowdOptions,
    pub(super) ledger: SharedLedger,
    pub(super) random: Random,
    pub(super) desks: Vec<u32>,
    pub(super) identity_bound: bool,
    pub(super) came_together: Instant,
    pub(super) opens_at: Instant,
    pub(super) pushes: BTreeMap<String, u32>,
    pub(super) compared: (u64, Faults),
    pub(super) sold_out_at: Option<Instant>,
    pub(super) draw: Option<api::Draw>,
    shuffle: Option<Shuffle>,
    clock: (u64, Instant),
    come: HashSet<u32>,
}

impl Scene {
    pub(super) fn new(
        options: CrowdOptions,
        ledger: SharedLedger,
        desks: Vec<u32>,
        identity_bound: bool,
        came_together: Instant,
        opens_at: Instant,
    ) -> Self {
        Self {
            random: Random::new(options.seed, 3),
            options,
            ledger,
            desks,
            identity_bound,
            came_together,
            opens_at,
            pushes: BTreeMap::new(),
            compared: (0, Faults::default()),
            sold_out_at: None,
            draw: None,
            shuffle: None,
            clock: (0, came_together),
            come: HashSet::new(),
        }
    }

    /// Milliseconds since the crowd came together.
    pub(super) fn ms(&self, at: Instant) -> u32 {
        u32::try_from(at.saturating_duration_since(self.came_together).as_millis()).unwrap_or(u32::MAX)
    }

    /// The service's clock now, as far as its last document tells.
    pub(super) fn service_ms(&self) -> u64 {
        self.clock.0 + u64::try_from(self.clock.1.elapsed().as_millis()).unwrap_or(0)
    }

    /// Takes note of a document.
    pub(super) fn saw(&mut self, now: &Now, at: Instant) {
        self.clock = (now.t, at);
        if now.f == Some(0) {
            self.sold_out_at.get_or_insert(at);
        }
    }

    /// The position of a ticket, recomputed here from the revealed seed.
    pub(super) fn position(&mut self, draw: &api::Draw, serial: u32) -> Option<u32> {
        if self.shuffle.is_none() {
            self.shuffle = Some(Shuffle::new(from_hex(&draw.mixed)?, draw.lobby));
            self.draw = Some(draw.clone());
        }
        self.shuffle.as_ref()?.position(serial).or(Some(serial))
    }

    /// Compares a place the service computed with the one computed here.
    pub(super) fn compared(&mut self, person: u32, serial: u32, position: Option<u32>, place: &api::Place) {
        self.compared.0 += 1;
        if place.serial != serial {
            let fault = format!("person {person} with ticket {serial} was told of ticket {}", place.serial);
            self.compared.1.add(fault);
        }
        if let (Some(ours), Some(theirs)) = (position, place.position)
            && ours != theirs
        {
            self.compared.1.add(format!("ticket {serial}: position {ours} recomputed, {theirs} told"));
        }
    }

    pub(super) fn pushed(&mut self, word: &str) {
        *self.pushes.entry(word.to_string()).or_default() += 1;
    }

    pub(super) fn random_desk(&mut self) -> u32 {
        self.desks[self.random.below(self.desks.len())]
    }

    /// What the ledger says of a person's place.
    pub(super) fn record(&self, person: u32) -> Booked {
        self.ledger.lock().people.get(person as usize).map_or(Booked::Nothing, |record| record.booked)
    }

    /// Whether this person was here before; from now on they were.
    pub(super) fn has_come(&mut self, person: u32) -> bool {
        !self.come.insert(person)
    }
}
