//! The order in which people were served, recomputed from what was acknowledged and the public
//! seed. Must never ask the service for a place. Start at [`Order::of`].

use super::{
    api,
    auditor::Ledger,
    shuffle::{Shuffle, from_hex},
};
use crate::report::stats::kendall_tau;

/// See the module's documentation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Order {
    /// Of each lobby ticket acknowledged: when it was asked for, ms, and its drawn position.
    pub lobby: Vec<(u64, u64)>,
    /// No two of them have the same position, and none is outside.
    pub is_permutation: bool,
    /// Kendall's tau of the two.
    pub lobby_tau: Option<f64>,
    /// People who came later.
    pub later: u64,
    /// Kendall's tau of when they asked and their position.
    pub later_tau: Option<f64>,
    /// People who entered.
    pub entered: u64,
    /// Kendall's tau of their position and when they entered.
    pub entry_tau: Option<f64>,
}

impl Order {
    /// The order of everyone in the ledger, by the revealed draw.
    pub fn of(ledger: &Ledger, draw: Option<&api::Draw>) -> Self {
        let shuffle = draw.and_then(|draw| Some(Shuffle::new(from_hex(&draw.mixed)?, draw.lobby)));
        let Some(shuffle) = shuffle else {
            return Self::default();
        };
        let (mut lobby, mut later, mut entered) = (Vec::new(), Vec::new(), Vec::new());
        for record in &ledger.people {
            let Some(serial) = record.serial else {
                continue;
            };
            let asked_ms = u64::from(record.joined_ms.0);
            let position = u64::from(shuffle.position(serial).unwrap_or(serial));
            if serial < shuffle.len() {
                lobby.push((asked_ms, position))
            } else {
                later.push((asked_ms, position))
            }
            if let Some(entered_ms) = record.entered_ms {
                entered.push((position, u64::from(entered_ms)));
            }
        }
        let mut positions: Vec<u64> = lobby.iter().map(|(_, position)| *position).collect();
        positions.sort_unstable();
        let distinct = positions.windows(2).all(|pair| pair[0] != pair[1]);
        let inside = positions.last().is_none_or(|last| *last < u64::from(shuffle.len()));
        Self {
            is_permutation: distinct && inside,
            lobby_tau: kendall_tau(&lobby),
            lobby,
            later: later.len() as u64,
            later_tau: kendall_tau(&later),
            entered: entered.len() as u64,
            entry_tau: kendall_tau(&entered),
        }
    }
}
