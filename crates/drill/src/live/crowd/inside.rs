//! What a person does once they are in: looks at clinics and slots, holds, confirms, cancels.
//!
//! Must never take a refusal for a lost place: what is held stays theirs until it lapses. Start at
//! `came_in`.

use super::super::{api, auditor::Booked, http::Done};
use super::{
    Scene,
    people::Habits,
    person::{CHOICES_MAX, End, Next, Person, Step, read},
};

impl Person {
    pub(super) fn came_in(&mut self, scene: &mut Scene, done: &Done<u32>, word: &str) -> Next {
        if let Some(entered) = read::<api::Entered>(done).filter(|_| word == "ok") {
            let at_ms = scene.ms(done.done_at);
            scene.ledger.lock().entered(self.number, at_ms);
            self.pass = Some(entered.pass_token.into());
            if !self.entered {
                self.entered = true;
                self.desk = scene.random_desk();
            }
            // A pass that ended between hold and confirmation: the hold is still theirs.
            if matches!(scene.record(self.number), Booked::Held { .. }) {
                self.keys += 1;
                return self.go(Step::Confirm, scene, 10.0);
            }
            let step = if self.session.is_none() { Step::Identify } else { Step::Slots };
            return self.go(step, scene, scene.options.thinking_ms);
        }
        match word {
            "not_called" | "room_paused" | "room_not_open" => self.go(Step::Poll, scene, 500.0),
            "ticket_spent" => Next::End(End::GaveUp),
            "room_closed" => Next::End(End::Closed),
            _ => Next::End(End::Stuck),
        }
    }

    pub(super) fn saw_clinics(&mut self, scene: &mut Scene, done: &Done<u32>) -> Next {
        let clinics = read::<Vec<api::Clinic>>(done).unwrap_or_default();
        if clinics.is_empty() {
            self.desk = scene.random_desk();
            // Nothing free from there on: look from the start, then see what the room says.
            self.choices += 4;
            if self.choices >= CHOICES_MAX {
                return Next::End(End::SoldOut);
            }
            return self.go(Step::Clinics, scene, 1_000.0);
        }
        self.desk = clinics[scene.random.below(clinics.len())].desk;
        self.go(Step::Slots, scene, scene.options.thinking_ms)
    }

    pub(super) fn saw_slots(&mut self, scene: &mut Scene, done: &Done<u32>) -> Next {
        let slots = read::<Vec<api::Slot>>(done).unwrap_or_default();
        {
            let mut ledger = scene.ledger.lock();
            slots.iter().for_each(|slot| ledger.slot(slot.slot, slot.supply.capacity));
        }
        let free: Vec<u32> = slots.iter().filter(|slot| slot.supply.free > 0).map(|slot| slot.slot).collect();
        if free.is_empty() {
            return self.choose_again(scene);
        }
        self.slot = free[scene.random.below(free.len())];
        self.keys += 1;
        self.go(Step::Hold, scene, scene.options.thinking_ms)
    }

    pub(super) fn choose_again(&mut self, scene: &mut Scene) -> Next {
        self.choices += 1;
        if self.choices >= CHOICES_MAX {
            return Next::End(End::SoldOut);
        }
        self.desk = scene.random_desk();
        let step = if self.choices < 3 { Step::Slots } else { Step::Clinics };
        self.go(step, scene, scene.options.thinking_ms / 4.0)
    }

    pub(super) fn held(&mut self, scene: &mut Scene, done: &Done<u32>, word: &str) -> Next {
        if let Some(held) = read::<api::Held>(done).filter(|_| word == "ok") {
            scene.ledger.lock().held(self.number, held.booking, self.slot);
            self.booking = held.booking;
            return self.go(Step::Confirm, scene, scene.options.thinking_ms);
        }
        match word {
            "slot_full" | "slot_past" => self.choose_again(scene),
            "pass_ended" | "pass_expired" => self.go(Step::Enter, scene, 100.0),
            "quota_used_up" | "share_used_up" => {
                self.choices += 10;
                if self.choices >= CHOICES_MAX {
                    return Next::End(End::SoldOut);
                }
                self.keys += 1;
                self.go(Step::Hold, scene, 2_000.0)
            }
            "booking_over" | "campaign_closed" => Next::End(End::Closed),
            "campaign_paused" => {
                self.keys += 1;
                self.go(Step::Hold, scene, 1_000.0)
            }
            _ => Next::End(End::Stuck),
        }
    }

    pub(super) fn confirmed(&mut self, scene: &mut Scene, word: &str) -> Next {
        match word {
            "ok" => {
                let known = self.step == Step::ConfirmAgain;
                scene.ledger.lock().booked(self.number, self.booking, self.slot);
                if self.habits.has(Habits::TAPS_TWICE) && !known {
                    return self.go(Step::ConfirmAgain, scene, 10.0);
                }
                if self.habits.has(Habits::CANCELS) {
                    return self.go(Step::Cancel, scene, 3_000.0);
                }
                Next::End(End::Booked)
            }
            // The key of the first confirmation is forgotten only after a long time.
            "booking_confirmed" => {
                scene.ledger.lock().booked(self.number, self.booking, self.slot);
                Next::End(End::Booked)
            }
            "hold_lapsed" | "booking_cancelled" => {
                let held = matches!(scene.record(self.number), Booked::Held { .. });
                scene.ledger.lock().refused(self.number, held);
                self.choose_again(scene)
            }
            "pass_ended" | "pass_expired" => {
                scene.ledger.lock().refused(self.number, false);
                self.go(Step::Enter, scene, 100.0)
            }
            _ => Next::End(End::Stuck),
        }
    }
}
