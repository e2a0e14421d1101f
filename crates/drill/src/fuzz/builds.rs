//! Nodes of different builds, and what each node does for all: effects under the lease,
//! checkpoints.
//!
//! It must never let a node perform an effect that is not its to perform, and say so if one
//! does. Start reading at [`World::duties`].

use jari_core::ids::CommandId;
use jari_core::rules::{RULES_LEASES, RULES_NEWEST};
use jari_core::{Body, Command, Time};
use jari_journal::CrashFate;
use jari_node::{Duty, Engine};

use super::auditor::{Promise, Violation, broken};
use super::faults::Fault;
use super::node::Envelope;
use super::world::{Event, World};

/// How likely a node looks at the effects that wait in a turn, while there is trouble.
const LOOKS: f64 = 0.4;

impl World {
    /// The first node gets a newer build before the operator asks for newer rules, some others
    /// at any time; those that are left learn of it when they stop.
    pub fn plan_installations(&mut self) {
        if !self.plan.old_builds {
            return;
        }
        let before = u64::from(self.random.below(self.plan.upgrade_ms.max(1) as u32));
        self.after(before, Event::Install(0));
        for node in 1..self.nodes.len() {
            if self.random.chance(0.4) {
                let ms = u64::from(self.random.below(self.plan.busy_ms as u32));
                self.after(ms, Event::Install(node));
            }
        }
    }

    /// Puts the newest build on a machine, and starts it anew if it runs.
    pub fn install(&mut self, node: usize) {
        if self.nodes[node].knows == RULES_NEWEST || self.doom.is_some() {
            return;
        }
        self.nodes[node].knows = RULES_NEWEST;
        self.happened(Fault::BuildInstalled, node);
        if self.nodes[node].is_up() && self.nodes[node].fate.is_none() {
            self.crash(node, CrashFate::KeepAll);
        }
    }

    /// A node says that its build is too old for the rules that count. It must be right, and it
    /// is down until somebody installs a newer one; half of them are started as they are first.
    pub fn too_old(&mut self, node: usize, needs: u32) -> Result<(), Violation> {
        let knows = self.nodes[node].engine.as_ref().map_or(self.nodes[node].knows, Engine::knows);
        if needs != knows + 1 || self.auditor.witness().data().rules < needs {
            let words = format!("node {node} knows rules up to {knows} and stops for want of {needs}");
            return broken(Promise::Alone, "an old build stops", words);
        }
        self.happened(Fault::OldBuildStopped, node);
        if self.random.chance(0.5) {
            self.nodes[node].knows = RULES_NEWEST;
            self.happened(Fault::BuildInstalled, node);
        }
        self.crash(node, CrashFate::KeepAll);
        Ok(())
    }

    /// What a node does in a turn for all: effects, if they are its to perform, and a checkpoint.
    pub fn duties(&mut self, node: usize) -> Result<Vec<Envelope>, Violation> {
        let clock = self.clock().saturating_add_signed(self.nodes[node].skew_ms);
        let Some(engine) = &self.nodes[node].engine else { return Ok(Vec::new()) };
        let idle = self.nodes[node].mailbox.is_empty();
        let mut bodies: Vec<Body> =
            engine.checkpoint_due(idle).map(|checkpoint| checkpoint.body).into_iter().collect();
        let me = engine.identity();
        let (rules, duty, upto) = engine.read(|state| {
            let data = state.data();
            (data.rules, me.duty(data, Time(clock)), data.effects.end())
        });
        // Before there are leases every node performs everything.
        if rules >= RULES_LEASES && (!self.troubled || self.random.chance(LOOKS)) {
            match duty {
                Duty::Rest => {}
                Duty::Ask => bodies.push(me.ask()),
                Duty::Perform { .. } => {
                    self.check_holder(node, me.life)?;
                    bodies.push(Body::AckEffects { upto });
                }
            }
        }
        let envelope = |body| Envelope { client: usize::MAX, command: Command { id: CommandId(0), body } };
        Ok(bodies.into_iter().map(envelope).collect())
    }

    /// With clocks that are right, whoever performs an effect holds the lease by the whole order,
    /// also by what that node has not heard of yet.
    fn check_holder(&mut self, node: usize, life: u32) -> Result<(), Violation> {
        self.learn_stream()?;
        let clock = self.clock();
        self.note(13, node as u64, || format!("node {node} performs effects"));
        let number = self.nodes[node].number;
        let holds = self
            .auditor
            .lease()
            .is_some_and(|(holder, its_life, until)| holder == number && its_life == life && until > clock);
        // After what nobody survives there is no order to hold a lease by; judged is who stops.
        if holds || !self.plan.clocks_are_right() || self.doom.is_some() {
            return Ok(());
        }
        let words =
            format!("node {node} performs effects at {clock}, and the lease is {:?}", self.auditor.lease());
        broken(Promise::Twice, "only the holder performs", words)
    }

    /// One past the number of the newest message.
    pub fn pushed(&self) -> u64 {
        self.auditor.witness().data().effects.end()
    }

    /// Under rules with a lease every message with a number below `pushed` is sent in the end.
    ///
    /// # Errors
    ///
    /// One that was not.
    pub fn check_sent(&self, pushed: u64) -> Result<(), Violation> {
        let data = self.auditor.witness().data();
        if data.rules < RULES_LEASES || data.effects.first() >= pushed {
            return Ok(());
        }
        let waiting = pushed - data.effects.first();
        let words = format!("{waiting} effects wait, and the lease is {:?}", data.lease);
        broken(Promise::Alone, "every message is sent", words)
    }
}
