//! When booking is open, for whom, and how much of the supply may be gone by then.

use super::ledger::{refused, refused_with};
use crate::booking::{Supply, Window};
use crate::limits;
use crate::outcome::{Reason, Refusal};
use crate::time::Time;

/// One million: a whole, in parts per million.
const WHOLE_PPM: u64 = 1_000_000;

impl Window {
    fn is_open(&self, now: Time) -> bool {
        self.opens_at <= now && now < self.closes_at
    }

    fn is_for(&self, digit: u8) -> bool {
        self.digits >> digit & 1 == 1
    }
}

/// Whether booking has begun: some window has opened.
pub(super) fn check_begun(windows: &[Window], now: Time) -> Result<(), Refusal> {
    let first = windows.first().map_or(Time(0), |window| window.opens_at);
    if windows.is_empty() || now < first {
        return refused_with(Reason::BookingNotOpen, first.0);
    }
    Ok(())
}

/// Whether booking is going on at all: some window has opened and some has not closed.
pub(super) fn check_season(windows: &[Window], now: Time) -> Result<(), Refusal> {
    check_begun(windows, now)?;
    if windows.iter().all(|window| window.closes_at <= now) {
        return refused(Reason::BookingOver);
    }
    Ok(())
}

/// The largest share of the windows that are open now for a birth digit.
pub(super) fn share_for(windows: &[Window], digit: u8, now: Time) -> Result<u32, Refusal> {
    let open = windows.iter().filter(|window| window.is_open(now) && window.is_for(digit));
    match open.map(|window| window.share_ppm).max() {
        Some(share_ppm) => Ok(share_ppm),
        None => {
            let later = windows.iter().find(|window| window.opens_at > now && window.is_for(digit));
            refused_with(Reason::NotYourDay, later.map_or(0, |window| window.opens_at.0))
        }
    }
}

/// The share that windows opened by now have reached, for moves of bookings: they are
/// not bound to a birth digit's day.
pub(super) fn share_reached(windows: &[Window], now: Time) -> u32 {
    windows.iter().filter(|window| window.opens_at <= now).map(|window| window.share_ppm).max().unwrap_or(0)
}

/// Whether a window is open for anyone.
pub(super) fn is_any_open(windows: &[Window], now: Time) -> bool {
    windows.iter().any(|window| window.is_open(now))
}

/// What is left of the share of the windows that are open, or of the next one to open.
pub(super) fn left_of_share(windows: &[Window], quota: u32, taken: u32, now: Time) -> u32 {
    let open = windows.iter().filter(|window| window.is_open(now)).map(|window| window.share_ppm).max();
    let next = || windows.iter().find(|window| window.opens_at > now).map(|window| window.share_ppm);
    let share_ppm = open.or_else(next).unwrap_or(0);
    let share = u64::from(quota) * u64::from(share_ppm) / WHOLE_PPM;
    u32::try_from(share).unwrap_or(u32::MAX).saturating_sub(taken)
}

/// Whether one more place of `whole` stays within a share, rounded down.
pub(super) fn share_allows(share_ppm: u32, whole: u32, taken: u32) -> bool {
    u64::from(taken) < u64::from(whole) * u64::from(share_ppm) / WHOLE_PPM
}

/// Whether one more place of a desk stays within a share of its places, rounded up, so
/// that a desk with few places has one on the first day. The whole is no share: then
/// only free places count.
pub(super) fn share_allows_desk(share_ppm: u32, desk: &Supply) -> bool {
    let part = u64::from(desk.capacity) * u64::from(share_ppm);
    u64::from(share_ppm) == WHOLE_PPM || u64::from(desk.taken()) < part.div_ceil(WHOLE_PPM)
}

/// The refusal of a used-up share: its detail is when a larger one opens, for a birth
/// digit if one is given.
pub(super) fn share_used_up<T>(
    windows: &[Window],
    digit: Option<u8>,
    share_ppm: u32,
    now: Time,
) -> Result<T, Refusal> {
    let larger = windows.iter().find(|window| {
        window.opens_at > now
            && window.share_ppm > share_ppm
            && digit.is_none_or(|digit| window.is_for(digit))
    });
    refused_with(Reason::ShareUsedUp, larger.map_or(0, |window| window.opens_at.0))
}

/// The number, from 1, of the first window that is unfit: it ends before it begins, is
/// for nobody or for digits that do not exist, begins before the one ahead of it, or
/// takes back some of its share.
pub(super) fn unfit_window(windows: &[Window]) -> Option<u64> {
    let mut opened = Time(0);
    let mut share_ppm = 1;
    for (number, window) in (1_u64..).zip(windows) {
        let fits = number <= limits::WINDOWS_PER_CAMPAIGN_MAX as u64
            && window.opens_at < window.closes_at
            && (1..1 << 10).contains(&window.digits)
            && opened <= window.opens_at
            && (share_ppm..=WHOLE_PPM as u32).contains(&window.share_ppm);
        if !fits {
            return Some(number);
        }
        opened = window.opens_at;
        share_ppm = window.share_ppm;
    }
    None
}
