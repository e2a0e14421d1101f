//! Faults that nobody can survive, and that must be noticed: a stream that loses what it had
//! acknowledged, and a record of a newer build.
//!
//! From then on no answer is judged any more; judged is who stops. Start reading at
//! [`World::doom`].

use std::collections::BTreeSet;

use jari_node::TurnError;

use super::auditor::{Promise, Violation, broken};
use super::faults::Fault;
use super::world::World;

/// Within this much virtual time it has been noticed.
const NOTICED_WITHIN_MS: u64 = 20_000;

/// See the module's documentation.
pub struct Doom {
    fault: Fault,
    /// Nodes that can know.
    knowing: BTreeSet<usize>,
    noticed: BTreeSet<usize>,
}

impl Doom {
    /// Whether everyone has noticed who must.
    #[must_use]
    pub fn is_noticed(&self) -> bool {
        match self.fault {
            // Whoever notices stops, and says that every node must be compared.
            Fault::TailLostNoticed => !self.noticed.is_empty(),
            _ => self.knowing.is_subset(&self.noticed),
        }
    }
}

impl World {
    /// Causes such a fault, if the stream has something to lose.
    pub fn doom(&mut self, fault: Fault) {
        let Some(stream) = self.stream.clone() else { return };
        self.learn_stream_for_doom();
        let mut service = stream.service();
        let last = service.last();
        if last < 20 || !service.cut_off.is_empty() {
            return;
        }
        let mut knowing: BTreeSet<usize> =
            (0..self.nodes.len()).filter(|node| self.nodes[*node].is_up()).collect();
        if fault == Fault::TailLostNoticed {
            let kept = last - 1 - u64::from(self.random.below(4));
            knowing.retain(|node| self.nodes[*node].flushed > kept);
            if knowing.is_empty() {
                return;
            }
            service.lose_after(kept);
        } else {
            service.store_newer((self.auditor.head(), self.auditor.chain()));
        }
        (service.full, service.unsure) = (false, 0.0);
        drop(service);
        self.troubled = false;
        self.doom = Some(Doom { fault, knowing, noticed: BTreeSet::new() });
        self.note(11, last, || format!("{} from position {last} on", fault.words()));
    }

    /// A turn after the fault: an error is what is wanted.
    pub fn doomed_turn(&mut self, node: usize, turned: &Result<(), TurnError>) -> Result<(), Violation> {
        let Some(doom) = &mut self.doom else { return Ok(()) };
        match turned {
            Err(TurnError::Full) => Ok(()),
            Err(_) => {
                doom.noticed.insert(node);
                self.nodes[node].down();
                Ok(())
            }
            Ok(()) if doom.fault == Fault::NewerRecordNoticed => {
                let words = format!("node {node} goes on past a record of a newer build");
                broken(Promise::Alone, "newer record stops", words)
            }
            Ok(()) => Ok(()),
        }
    }

    /// The end of such a run.
    pub fn await_doom(&mut self) -> Result<(), Violation> {
        let upto = self.now + NOTICED_WITHIN_MS;
        self.run_until(upto)?;
        let Some(doom) = &self.doom else { return Ok(()) };
        if !doom.is_noticed() {
            let words = format!(
                "{}: it should have been noticed by nodes {:?}, and was by {:?}",
                doom.fault.words(),
                doom.knowing,
                doom.noticed
            );
            return broken(Promise::Alone, "loss is noticed", words);
        }
        let fault = doom.fault;
        self.happened(fault, 0);
        Ok(())
    }

    fn learn_stream_for_doom(&mut self) {
        // What breaks here is found again, and reported, by the next turn.
        let _ = self.learn_stream();
    }
}
