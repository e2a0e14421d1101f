//! Clients: each asks one thing at a time, and asks the same thing again, with the same id and
//! mostly at another node, until it is answered.
//!
//! It must never take silence for an answer. Start reading at [`World::wake`].

use jari_core::ids::CommandId;
use jari_core::{Command, Outcome, Reason, Time};

use super::auditor::Violation;
use super::faults::Fault;
use super::node::Envelope;
use super::world::{Event, World};

/// A client asks again after so long without an answer, milliseconds.
pub const PATIENCE_MS: u64 = 1_500;

/// A reminder is waited for if it is due within this, milliseconds.
const SOON_MS: u64 = 600_000;

/// See the module's documentation.
#[derive(Default)]
pub struct Client {
    /// What it waits for.
    pub asking: Option<Envelope>,
    /// When it began to ask.
    pub since: u64,
    /// Grows with every request and every repetition.
    attempt: u64,
    /// The node that was asked last.
    node: usize,
}

impl World {
    /// A client asks the next thing, or the same again.
    pub fn wake(&mut self, client: usize, attempt: u64) {
        if self.clients[client].attempt != attempt {
            return;
        }
        if self.clients[client].asking.is_none() {
            if !self.troubled {
                return;
            }
            let command = self.workload.next(client, self.clock(), &mut self.wishes);
            self.clients[client].asking = Some(Envelope { client, command });
            self.clients[client].since = self.now;
        } else if self.clients[client].asking.as_ref().is_some_and(|asked| asked.command.id == CommandId(0)) {
            // Nothing remembers it: asking again would ask for something else.
            self.clients[client].asking = None;
            self.clients[client].attempt += 1;
            self.after(1, Event::Wake(client, attempt + 1));
            return;
        }
        self.ask(client);
    }

    /// Sends what a client asks to some node.
    pub fn ask(&mut self, client: usize) {
        let Some(envelope) = self.clients[client].asking.clone() else { return };
        let node = self.random.below(self.nodes.len() as u32) as usize;
        if self.clients[client].since != self.now && self.clients[client].node != node {
            self.counts.happened(Fault::OtherNode);
        }
        self.clients[client].node = node;
        self.clients[client].attempt += 1;
        let attempt = self.clients[client].attempt;
        let repeated = self.troubled && self.random.chance(self.plan.repeat);
        if repeated {
            self.counts.happened(Fault::RequestRepeated);
            let other = self.random.below(self.nodes.len() as u32) as usize;
            self.deliver(Event::Arrive(other, envelope.clone()), Fault::RequestLost);
        }
        self.deliver(Event::Arrive(node, envelope), Fault::RequestLost);
        self.after(PATIENCE_MS, Event::Wake(client, attempt));
    }

    /// A client hears an answer, perhaps late, perhaps again.
    pub fn hear(
        &mut self,
        client: usize,
        command: &Command,
        outcome: Option<Outcome>,
    ) -> Result<(), Violation> {
        let waits = self.clients[client].asking.as_ref().is_some_and(|asked| asked.command == *command);
        let Some(outcome) = outcome else {
            // No room: it comes again by itself.
            return Ok(());
        };
        // What a node refuses because of its build is no answer of the machine.
        let by_node = outcome.refusal().is_some_and(|refusal| refusal.reason == Reason::RulesUnknown);
        if !by_node && !(Envelope { client, command: command.clone() }).is_too_long() {
            self.auditor.heard(command, outcome)?;
        }
        if !waits {
            return Ok(());
        }
        self.note(6, client as u64, || format!("client {client} hears {outcome:?} to {:?}", command.body));
        self.workload.heard(command, outcome);
        self.meet_end(outcome);
        self.clients[client].asking = None;
        self.clients[client].attempt += 1;
        let attempt = self.clients[client].attempt;
        let mut pause_ms = 1 + self.wishes.exponential(self.plan.pause_ms) as u64;
        if client == 0 && self.workload.is_setting_up() {
            pause_ms = 1;
        }
        self.after(pause_ms, Event::Wake(client, attempt));
        Ok(())
    }
    /// A node has a turn at the very instant at which a hold or pass ends, or a reminder is due
    /// soon: errors live there.
    fn meet_end(&mut self, outcome: Outcome) {
        let ends_at = match outcome {
            Outcome::Held { ends_at, .. } | Outcome::Entered { ends_at } => ends_at,
            Outcome::Confirmed { booking } | Outcome::Rescheduled { booking } => {
                match self.auditor.reminder_due(booking).filter(|due| *due < self.clock() + SOON_MS) {
                    Some(due) => Time(due),
                    None => return,
                }
            }
            _ => return,
        };
        let node = self.random.below(self.nodes.len() as u32) as usize;
        let ms = ends_at.0.saturating_sub(self.clock());
        if ms > 0 && self.nodes[node].is_up() {
            let life = self.nodes[node].life;
            self.after(ms, Event::Turn(node, life));
        }
    }
}
