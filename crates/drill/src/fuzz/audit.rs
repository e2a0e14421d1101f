//! Judging a turn: what was delivered against the order, what was answered against the model.
//!
//! It must never take an answer for right because a node gave it. Start reading at
//! [`World::audit_turn`].

use jari_core::ids::CommandId;
use jari_core::{Body, Command, Outcome};
use jari_node::TurnError;

use super::auditor::{Promise, Violation, broken};
use super::faults::Fault;
use super::node::Envelope;
use super::world::{Event, World};

impl World {
    /// Compares a turn with the order and the model.
    pub fn audit_turn(
        &mut self,
        node: usize,
        batch: &[Envelope],
        turned: &Result<(), TurnError>,
        answers: &[(usize, Outcome)],
    ) -> Result<(), Violation> {
        self.learn_stream()?;
        let delivered = std::mem::take(&mut self.nodes[node].ear.heard().delivered);
        let mut expected: Vec<Option<Outcome>> = vec![None; batch.len()];
        let mut next = 0;
        for (position, chain, payload) in delivered {
            self.auditor.learn(position, &payload, Some(chain))?;
            if position != self.nodes[node].flushed + 1 {
                let words =
                    format!("node {node} was delivered {position} after {}", self.nodes[node].flushed);
                return broken(Promise::Lost, "gapless order", words);
            }
            self.nodes[node].flushed = position;
            if self.nodes[node].ear.heard().is_own(&payload) {
                self.expect(node, position, batch, &mut next, &mut expected)?;
            }
        }
        for (number, (index, has)) in answers.iter().enumerate() {
            let envelope = &batch[*index];
            let unfit = envelope.is_unfit(&self.nodes[node]);
            let should = if unfit { Some(*has) } else { expected[*index] };
            if *index != number {
                return broken(Promise::Lost, "answers in order", format!("answer {number} was for {index}"));
            }
            if unfit && has.refusal().is_none() {
                return broken(
                    Promise::Rules,
                    "unfit is refused",
                    format!("{:?} came to {has:?}", envelope.command),
                );
            }
            if !unfit {
                self.auditor.answered(&envelope.command, *has, should)?;
            }
        }
        if turned.is_ok() && answers.len() != batch.len() {
            let words = format!("{} of {} commands were answered", answers.len(), batch.len());
            return broken(Promise::Alone, "every command answered", words);
        }
        if matches!(turned, Err(TurnError::Full)) {
            let handed_over = std::mem::take(&mut self.nodes[node].ear.heard().handed_over);
            self.auditor.not_kept(handed_over);
        }
        let Some(engine) = &self.nodes[node].engine else { return Ok(()) };
        let (position, _) = engine.applied();
        let rules = engine.read(|state| state.data().rules);
        if rules > engine.knows() {
            let words =
                format!("node {node} knows rules up to {}, and goes on under {rules}", engine.knows());
            return broken(Promise::Alone, "an old build stops", words);
        }
        if matches!(turned, Err(TurnError::Rules { .. })) {
            return Ok(());
        }
        if position.0 != self.nodes[node].flushed {
            let words = format!("node {node} applied {} of {}", position.0, self.nodes[node].flushed);
            return broken(Promise::Lost, "delivered is applied", words);
        }
        engine.read(|state| self.auditor.compare_sometimes(position.0, state))
    }

    /// What the commands of one of the node's own records must be answered.
    fn expect(
        &self,
        node: usize,
        position: u64,
        batch: &[Envelope],
        next: &mut usize,
        expected: &mut [Option<Outcome>],
    ) -> Result<(), Violation> {
        for (command, answer) in self.auditor.answers(position) {
            // The engine itself makes an empty journal begin with the newest rules.
            if matches!(command, Command { id: CommandId(0), body: Body::Upgrade { .. } }) {
                continue;
            }
            while batch.get(*next).is_some_and(|envelope| envelope.is_unfit(&self.nodes[node])) {
                *next += 1;
            }
            if batch.get(*next).is_none_or(|envelope| envelope.command != *command) {
                let words = format!("the record at {position} holds {command:?}, which was not asked there");
                return broken(Promise::Lost, "record holds what was asked", words);
            }
            expected[*next] = Some(answer);
            *next += 1;
        }
        Ok(())
    }

    /// What the stream stored is in the order from then on, whoever has heard of it.
    pub fn learn_stream(&mut self) -> Result<(), Violation> {
        let Some(stream) = self.stream.as_ref().filter(|_| self.doom.is_none()) else { return Ok(()) };
        let stored = stream.service().after(self.auditor.head());
        stored.iter().try_for_each(|(position, payload)| self.auditor.learn(*position, payload, None))
    }

    /// What happened at the stream during a turn; what is on its way will arrive.
    pub fn hear_of_stream(&mut self) {
        let Some(stream) = &self.stream else { return };
        let mut service = stream.service();
        let (happened, late) = (std::mem::take(&mut service.happened), std::mem::take(&mut service.late));
        drop(service);
        for (fault, node) in happened {
            if fault == Fault::PowerCutAfterAck {
                // It counts when the disk fails, which is at once.
                self.nodes[node].fate = Some((self.any_fate(), fault));
            } else {
                self.happened(fault, node);
            }
        }
        for (node, life, key, bytes) in late {
            let ms = u64::from(self.random.below(6_000));
            self.after(ms, Event::Arrives(node, life, key, bytes));
        }
    }

    /// A record reaches the stream after its offer gave up, unless a repetition was faster.
    pub fn arrives_late(&mut self, node: usize, life: u32, key: u128, bytes: Vec<u8>) {
        let Some(stream) = self.stream.as_ref().filter(|_| self.doom.is_none()) else { return };
        if stream.service().full {
            return;
        }
        let (position, new) = stream.service().store(key, bytes);
        if new && self.nodes[node].life != life {
            self.happened(Fault::StoredLate, node);
            self.note(12, position, || format!("a record of node {node} is stored late, at {position}"));
        }
    }
}
