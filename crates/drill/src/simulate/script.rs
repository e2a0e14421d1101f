//! The operator's evening: pauses, quotas, crashes, floods; and whether everyone was told.
//!
//! Must never change a rule without a public reason. Start at [`Simulation::play_script`].

use jari_core::state::EventKind;
use jari_core::{Body, Time};

use super::meter::SECOND_TICKS;
use super::{Planted, Simulation, text};
use crate::auditor::Breach;
use crate::report::Mark;
use crate::scenario::{CAMPAIGN, Crash, ROOM, What, scaled};

impl Simulation {
    /// Does what is due.
    pub(super) fn play_script(&mut self) -> anyhow::Result<()> {
        while let Some(act) = self.scenario.script.get(self.script_next) {
            let at = i64::from(self.opening) + i64::from(act.at_s) * i64::from(SECOND_TICKS);
            if at > i64::from(self.tick) {
                break;
            }
            self.script_next += 1;
            self.play(f64::from(act.at_s), act.what);
        }
        Ok(())
    }

    fn play(&mut self, at_s: f64, what: What) {
        let mut mark = |label: &str| self.marks.push(Mark::new(at_s, label));
        match what {
            What::Pause(reason) => {
                mark("paused");
                self.announced.push((at_s, reason));
                self.order(Body::PauseRoom { room: ROOM, reason: text(reason) });
            }
            What::Resume => {
                mark("goes on");
                self.order(Body::ResumeRoom { room: ROOM });
            }
            What::Quota(quota, reason) => {
                mark("quota raised");
                self.announced.push((at_s, reason));
                let quota = scaled(quota, self.scale);
                self.order(Body::SetQuota { campaign: CAMPAIGN, vaccine: None, quota, reason: text(reason) });
            }
            What::Close(reason) => {
                mark("closed");
                self.announced.push((at_s, reason));
                self.order(Body::CloseRoom { room: ROOM, reason: text(reason) });
            }
            What::ServiceAt(factor) => {
                mark(if factor < 1.0 { "service slows" } else { "service well" });
                self.service.factor = factor;
            }
            What::Crash(crash) => self.crash_due = Some(crash),
            What::Flood { seconds, times } => {
                mark("10x flood");
                let per_tick = f64::from(self.scenario.node.commands_per_s) * self.scale * times
                    / f64::from(SECOND_TICKS);
                self.flood = Some((self.tick + seconds * SECOND_TICKS, per_tick.ceil()));
            }
        }
    }

    /// Whether each pause, quota and closing stands among the public events with its reason, at
    /// the time it happened.
    pub(super) fn check_announcements(&mut self) {
        let announced = std::mem::take(&mut self.announced);
        let opening = self.scenario.opens_at;
        let Self { host, auditor, totals, planted, .. } = self;
        host.read(|state| {
            for (at_s, reason) in &announced {
                let at = Time((opening.0 as f64 + at_s * 1e3) as u64);
                let is_public = state.data().events.iter().any(|event| {
                    let soon = event.at >= at && event.at.since_ms(at) <= 10_000;
                    let hidden = *planted == Planted::HidesPause && event.kind == EventKind::RoomPaused;
                    soon && *event.reason == **reason && !hidden
                });
                totals.events_checked += 1;
                if !is_public {
                    auditor.breach(Breach::Unannounced, || format!("at {at_s} s: {reason}"));
                }
            }
        });
        self.announced = announced;
    }

    /// How many of the script's crashes there were to be.
    pub(super) fn crashes_planned(&self) -> usize {
        self.scenario.script.iter().filter(|act| matches!(act.what, What::Crash(_))).count()
    }

    /// Whether a kill of the process alone was among the crashes.
    pub(super) fn was_killed(&self) -> bool {
        self.totals.crashes.iter().any(|(_, crash, _)| *crash == Crash::KillBeforeAnswers)
    }
}
