//! Calling for the last places, from rules 3 on: what is believed of those called lately,
//! where fewer places are left than the pace would fill in twenty seconds.
//!
//! While there is enough for everybody, the share that comes is learnt over five minutes,
//! those called in the last 35 s are waited for, and whoever is inside may take a place. For
//! the last places that is too slow. If those who are next in line have gone without a word,
//! each call of ten finds nobody, takes 35 s to be given up, and changes next to nothing about
//! a share that thousands made before; and places that are given back wait until the passes
//! end of those who found nothing. Either way they stay free with hundreds in line.
//!
//! **At the door** silence counts as it lasts, and arrivals count at once:
//! - Of those called, fewer and fewer are still expected: all of them for 5 s, none after
//!   30 s, in a straight line between, as if they came at any time with the same chance.
//!   Nobody loses a turn by that: whoever was called may enter later.
//! - The share starts from the one learnt over five minutes. What the latest calls have shown
//!   takes it down or up; what those before them showed does not undo it. Against both stand
//!   as many imagined calls as places are wanted, so that the few calls for a last place say
//!   little, and silence makes the next calls about as many again as all that it took.
//! - It never falls below [`SHARE_MIN_PERMILLE`]: at most sixteen people are waited for at a
//!   time for each place wanted, which makes forty in the half minute in which people come.
//!   If all of those came at once, so many would enter for nothing (tested).
//!
//! While the door is shut, people come and cannot enter: no time passes for those called.
//!
//! **Inside** a pass lasts for as long as somebody slow may need, and whoever finds nothing
//! often stays until it ends. Of those without a place, the entries of the last minute are
//! taken to look for one, fewer and fewer of those before, and none that is three minutes old.
//! Whoever takes longer may find that others were faster; so they may at any other time.
//!
//! It must never change what rules 1 and 2 decide, nor use a fraction that two machines
//! could round differently. Start reading at [`Controller::believed`].

use super::pace::{Controller, ENTRY};
use crate::time::Time;

/// All of those called are expected for so long: as long as calls count as called together.
const WHOLE_MS: u64 = 5_000;
/// None of them is expected after so long: a look at the document, and some time to get to
/// the button.
const GONE_MS: u64 = 30_000;
/// Everybody who entered within this is taken to look for a place.
const LOOKING_MS: u64 = 60_000;
/// Nobody is who entered longer ago: the last places are a short list.
const LOOKED_MS: u64 = 180_000;
const TEN_S_MS: u64 = 10_000;
/// The lowest share believed: one in sixteen.
const SHARE_MIN_PERMILLE: u64 = 62;

/// What is believed of the line: see the module's documentation.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Belief {
    /// The share of those called that comes, per mille; never 0.
    pub(super) share_permille: u64,
    /// Entries still expected of those called lately, as credit.
    pub(super) expected: u64,
}

impl Controller {
    /// What is believed where `wanted` people more, as credit, could find a place.
    pub(super) fn believed(&self, wanted: u64) -> Belief {
        let share_permille = self.share_of_the_latest(wanted / ENTRY);
        let mut expected_milli = 0;
        for cohort in self.recent_cohorts() {
            let (called, entered) = (u64::from(cohort.called), u64::from(cohort.entered));
            let come = called * share_permille;
            let still = come * (1_000 - self.gone_permille(cohort.called_at)) / 1_000;
            expected_milli += still.min(come.saturating_sub(entered * 1_000));
        }
        Belief { share_permille, expected: expected_milli * (ENTRY / 1_000) }
    }

    /// How many of those inside may still be looking for a place, as credit.
    pub(super) fn entered_lately(&self) -> u64 {
        let now = self.accrued_until.0 / TEN_S_MS;
        let mut looking_permille = 0;
        for (age, entries) in
            (now.saturating_sub(self.newest_ten_s)..).zip(self.entries_by_ten_s.iter().rev())
        {
            let still = 1_000 - fallen_permille(age * TEN_S_MS, LOOKING_MS, LOOKED_MS);
            looking_permille += u64::from(*entries) * still;
        }
        looking_permille * (ENTRY / 1_000)
    }

    /// The share that comes, of the latest calls, with `wanted` imagined ones.
    fn share_of_the_latest(&self, wanted: u64) -> u64 {
        let (mut called, mut entered, mut had_time_milli) = (0, 0, 0);
        let (mut least, mut most) = (SHARE_MIN_PERMILLE, 1_000);
        for cohort in self.recent_cohorts() {
            called += u64::from(cohort.called);
            entered += u64::from(cohort.entered);
            had_time_milli += u64::from(cohort.called) * self.gone_permille(cohort.called_at);
            // What the later ones have shown, those before them do not undo.
            let high = (entered + wanted) * 1_000_000 / (had_time_milli + wanted * 1_000).max(1);
            most = high.clamp(least, most);
            let low = entered * 1_000 / (called + wanted).max(1);
            least = low.clamp(least, most);
        }
        u64::from(self.show_up_permille).clamp(least, most)
    }

    /// Of those called at `called_at` who have not come, how many are taken for gone.
    fn gone_permille(&self, called_at: Time) -> u64 {
        let now = self.accrued_until;
        let open_ms = now.since_ms(called_at).min(now.since_ms(self.shut_at));
        fallen_permille(open_ms, WHOLE_MS, GONE_MS)
    }
}

/// How far a straight line has fallen at `ms` that is whole until `whole_ms` and nothing from
/// `nothing_ms` on.
const fn fallen_permille(ms: u64, whole_ms: u64, nothing_ms: u64) -> u64 {
    if ms >= nothing_ms {
        return 1_000;
    }
    ms.saturating_sub(whole_ms) * 1_000 / (nothing_ms - whole_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting_room::Cohort;

    /// What is believed after these calls, given as seconds ago, called and entered, where
    /// ten are wanted and seven of ten came in the last minutes.
    fn believed(cohorts: &[(u64, u32, u32)], shut_s_ago: u64) -> Belief {
        let now = Time(1_000_000);
        let ago = |s: u64| Time(now.0 - s * 1_000);
        let mut controller = Controller {
            show_up_permille: 700,
            accrued_until: now,
            shut_at: ago(shut_s_ago),
            ..Controller::default()
        };
        let mut upto = 0;
        for (s_ago, called, entered) in cohorts.iter().copied() {
            upto += called;
            controller.cohorts.push_back(Cohort { called_at: ago(s_ago), upto, called, entered });
        }
        controller.believed(10 * ENTRY)
    }

    #[track_caller]
    fn check(cohorts: &[(u64, u32, u32)], share_permille: u64, expected: u64) {
        let belief = believed(cohorts, 1_000);
        assert_eq!((belief.share_permille, belief.expected / ENTRY), (share_permille, expected));
    }

    #[test]
    fn silence_lowers_the_share_and_what_is_expected_as_it_lasts() {
        check(&[], 700, 0);
        check(&[(5, 20, 0)], 700, 14);
        check(&[(15, 20, 0)], 555, 6);
        check(&[(30, 20, 0)], 333, 0);
        check(&[(60, 20, 0), (30, 20, 0)], 200, 0);
        check(&[(60, 1_000, 0)], 62, 0);
    }

    #[test]
    fn those_who_came_are_expected_no_more() {
        check(&[(5, 20, 10)], 700, 4);
        check(&[(5, 20, 14)], 700, 0);
        check(&[(5, 20, 20)], 700, 0);
    }

    #[test]
    fn the_latest_calls_count_more_than_those_before_them() {
        // Silence after many came, and many who came after silence.
        check(&[(60, 1_000, 700), (30, 90, 0)], 100, 0);
        check(&[(60, 1_000, 0), (30, 90, 60)], 600, 0);
        // One who came says little.
        check(&[(60, 1_000, 0), (5, 1, 1)], 90, 0);
    }

    #[test]
    fn while_the_door_is_shut_nobody_is_taken_for_gone() {
        let belief = believed(&[(60, 20, 0)], 0);
        assert_eq!((belief.share_permille, belief.expected / ENTRY), (700, 14));
        // It has been open again for a quarter of a minute.
        let belief = believed(&[(60, 20, 0)], 15);
        assert_eq!((belief.share_permille, belief.expected / ENTRY), (555, 6));
    }
}
