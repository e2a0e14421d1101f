//! What goes wrong, and when it ends.
//!
//! Each trouble is arranged here and counted where it shows. It must never break what nobody
//! promised to survive: two damaged copies at once, say. Start reading at [`World::mischief`].

use jari_journal::CrashFate;

use super::auditor::Violation;
use super::faults::Fault;
use super::workload::scenes::Scene;
use super::world::{Event, World};

/// So long before it matters, milliseconds, everybody is back from quiet hours.
const MOMENT_MS: u64 = 1_500;
/// How much of a clinic's trouble is that nobody comes for a while.
const QUIET_AT_CLINIC: f64 = 0.3;

impl World {
    /// Causes one of the plan's troubles, and plans the next.
    pub fn mischief(&mut self) -> Result<(), Violation> {
        let next_ms = 50 + self.random.exponential(self.plan.mischief_ms) as u64;
        self.after(next_ms, Event::Mischief);
        let troubles: Vec<Fault> = self.plan.troubles.iter().copied().collect();
        if troubles.is_empty() {
            return Ok(());
        }
        let quiet = self.plan.scene == Scene::Clinic && self.random.chance(QUIET_AT_CLINIC);
        let drawn = troubles[self.random.below(troubles.len() as u32) as usize];
        let trouble = if quiet { Fault::QuietHours } else { drawn };
        let node = self.random.below(self.nodes.len() as u32) as usize;
        if trouble == Fault::QuietHours {
            self.pass_hours(node);
            return Ok(());
        }
        if self.nodes[node].is_up() {
            self.trouble(node, trouble);
        }
        Ok(())
    }

    fn trouble(&mut self, node: usize, trouble: Fault) {
        let some = u64::from(self.random.below(6));
        match trouble {
            Fault::Killed => {
                self.happened(trouble, node);
                self.crash(node, CrashFate::KeepAll);
            }
            Fault::PowerCut => {
                self.happened(trouble, node);
                let fate = self.any_fate();
                self.crash(node, fate);
            }
            Fault::PowerCutInTurn => {
                // Within the next operations of the disk, whichever they are.
                self.nodes[node].fate = Some((self.any_fate(), trouble));
                self.nodes[node].disk.power_off_after(Some(1 + some));
            }
            Fault::FlushFailed if self.plan.scene == Scene::Clinic && self.random.chance(0.5) => {
                self.fail_snapshot(node, some);
            }
            Fault::FlushFailed => {
                self.nodes[node].fate = Some((CrashFate::KeepAll, trouble));
                self.nodes[node].disk.fail_sync_after(some / 2);
            }
            Fault::WriteFailed => {
                self.nodes[node].fate = Some((CrashFate::KeepAll, trouble));
                self.nodes[node].disk.fail_write_after(some / 2);
            }
            Fault::CrashBeforeAnswers => self.nodes[node].mute = true,
            Fault::PowerCutInSnapshot => self.cut_snapshot(node, some),
            Fault::JournalBitNoticed => self.flip(node, true),
            Fault::SnapshotBitNoticed => self.flip(node, false),
            Fault::DiskFull => {
                let used = self.nodes[node].disk.used_bytes();
                self.nodes[node].disk.limit_room(Some(used + 100 * some));
                self.relieve_later(node, trouble);
            }
            Fault::DiskSlow => {
                self.happened(trouble, node);
                self.nodes[node].disk_ms = 200 + self.random.below(2_500);
                self.relieve_later(node, trouble);
            }
            Fault::ClockSkewed => {
                self.happened(trouble, node);
                self.nodes[node].skew_ms = i64::from(self.random.below(20_000)) - 10_000;
                self.relieve_later(node, trouble);
            }
            Fault::ClockBack => {
                self.happened(trouble, node);
                self.nodes[node].skew_ms -= i64::from(self.random.below(30_000));
                self.relieve_later(node, trouble);
            }
            Fault::OldSnapshot => self.start_from_old_snapshot(node),
            // Every start is in danger where the plan has this one.
            Fault::PowerCutInStart => self.crash(node, CrashFate::KeepAll),
            Fault::AckLost | Fault::Partitioned | Fault::StreamFull | Fault::PowerCutAfterAck => {
                self.trouble_stream(node, trouble);
            }
            other => unreachable!("{other:?} is no trouble to cause"),
        }
    }

    fn trouble_stream(&mut self, node: usize, trouble: Fault) {
        let Some(stream) = &self.stream else { return };
        let mut service = stream.service();
        match trouble {
            Fault::AckLost => service.unsure = [0.1, 0.5, 0.9][self.random.below(3) as usize],
            Fault::Partitioned => drop(service.cut_off.insert(node)),
            Fault::StreamFull => service.full = true,
            _ => {
                service.cut_after_ack.insert(node, self.nodes[node].disk.clone());
                return;
            }
        }
        drop(service);
        self.relieve_later(node, trouble);
    }

    fn relieve_later(&mut self, node: usize, trouble: Fault) {
        let ms = 500 + u64::from(self.random.below(8_000));
        self.after(ms, Event::Relief(node, trouble));
    }

    /// A trouble that lasts is over.
    pub fn relieve(&mut self, node: usize, trouble: Fault) {
        self.note(7, node as u64, || format!("node {node}: over is {}", trouble.words()));
        match trouble {
            Fault::DiskFull => self.nodes[node].disk.limit_room(None),
            Fault::DiskSlow => self.nodes[node].disk_ms = 3,
            Fault::AckLost | Fault::Partitioned | Fault::StreamFull => {
                let Some(stream) = &self.stream else { return };
                let mut service = stream.service();
                match trouble {
                    Fault::AckLost => service.unsure = 0.0,
                    Fault::Partitioned => drop(service.cut_off.remove(&node)),
                    _ => service.full = false,
                }
            }
            _ => self.nodes[node].skew_ms = 0,
        }
    }

    /// Everything stands still for hours, a night at the most, at a clinic for minutes. Often it goes on a moment before
    /// somebody is a no-show, or an offer ends, and a node has a turn at that very instant.
    fn pass_hours(&mut self, node: usize) {
        self.happened(Fault::QuietHours, node);
        let mut hours_ms = u64::from(self.random.below(self.plan.quiet_ms_max));
        let clock = self.clock();
        let offer = self.auditor.offers().into_iter().map(|(booking, _, at)| (at, booking)).min();
        let next = offer.filter(|_| self.random.chance(0.7)).or_else(|| self.auditor.next_missed());
        let next = next.map(|(at, booking)| (at.saturating_sub(clock), booking));
        if let Some((ms, booking)) =
            next.filter(|(ms, _)| (MOMENT_MS..u64::from(self.plan.quiet_ms_max)).contains(ms))
            && self.random.chance(0.7)
        {
            self.workload.missed = Some(booking);
            hours_ms = ms - MOMENT_MS;
            if self.nodes[node].is_up() {
                let life = self.nodes[node].life;
                self.after(MOMENT_MS, Event::Turn(node, life));
            }
        }
        self.skipped_ms += hours_ms;
    }

    /// A snapshot is taken now, and the power goes while it is written.
    fn cut_snapshot(&mut self, node: usize, operations: u64) {
        if self.nodes[node].turning {
            return;
        }
        self.nodes[node].disk.power_off_after(Some(1 + operations));
        let fate = self.any_fate();
        if self.nodes[node].take_snapshot() {
            self.nodes[node].disk.power_off_after(None);
            return;
        }
        self.happened(Fault::PowerCutInSnapshot, node);
        self.crash(node, fate);
    }

    /// A snapshot is taken now, and a flush fails: while it is written, while the journal lets go
    /// of what it stands for, or at the next chance.
    fn fail_snapshot(&mut self, node: usize, flushes: u64) {
        if self.nodes[node].turning {
            return;
        }
        self.nodes[node].fate = Some((CrashFate::KeepAll, Fault::FlushFailed));
        self.nodes[node].disk.fail_sync_after(flushes);
        if !self.nodes[node].take_snapshot() {
            self.disk_failed(node);
        }
    }

    /// The process is killed, and a bit of a durable file flips while it is down.
    fn flip(&mut self, node: usize, journal: bool) {
        let files = if journal { self.nodes[node].segments() } else { self.nodes[node].snapshots() };
        // The journal is kept from the older of two snapshots on: one may be damaged.
        if files.is_empty()
            || !journal && !self.nodes[node].can_fall_back()
            || self.nodes[node].fate.is_some()
        {
            return;
        }
        let file = if journal {
            &files[self.random.below(files.len() as u32) as usize]
        } else {
            &files[files.len() - 1]
        };
        self.crash(node, CrashFate::KeepAll);
        let seed = self.random.bits();
        let bytes = self.nodes[node].disk.contents(file).map_or(0, |bytes| bytes.len());
        if bytes == 0 {
            return;
        }
        let (offset, bit) = (self.random.below(bytes as u32) as usize, self.random.below(8) as u8);
        let intact = self.nodes[node].disk.copy(seed);
        self.nodes[node].intact = Some(intact);
        self.nodes[node].disk.flip_bit(file, offset, bit);
        self.note(8, offset as u64, || format!("bit {bit} of byte {offset} of {} flips", file.display()));
    }

    /// The newest snapshot is taken away: the start works from the one before it.
    fn start_from_old_snapshot(&mut self, node: usize) {
        let snapshots = self.nodes[node].snapshots();
        if !self.nodes[node].can_fall_back() || self.nodes[node].fate.is_some() {
            return;
        }
        self.crash(node, CrashFate::KeepAll);
        self.nodes[node].forget(&snapshots[snapshots.len() - 1]);
        self.happened(Fault::OldSnapshot, node);
    }
}
