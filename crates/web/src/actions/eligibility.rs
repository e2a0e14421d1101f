//! Whether a person may book, and from when.
//!
//! It explains what the machine decides, and must never decide: a hold is judged by
//! `core::booking` alone, whatever is said here. A test holds the two against each other.

use jari_core::Time;
use jari_core::booking::{Campaign, Window};
use jari_core::ids::CampaignId;
use jari_core::time::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::campaigns;
use crate::problem::Problem;
use crate::site::Site;

/// Whether somebody may book at this moment.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Eligibility {
    /// They may.
    Now,
    /// From a later instant on.
    From {
        /// When the first window that is for them opens.
        at: Time,
        /// The birth digits of that window: bit n stands for digit n.
        digits: u16,
    },
    /// It is for other birth dates.
    BirthOutside {
        /// The first birth date that may book.
        born_from: Date,
        /// The last one.
        born_until: Date,
    },
    /// No window that is still to come is for their birth digit.
    NoDayLeft,
    /// Booking has ended.
    Over,
}

/// The same, as it goes over the wire.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum EligibilityView {
    /// They may book now.
    Now,
    /// They may book from a later instant on.
    From {
        /// From when.
        opens_at_ms: u64,
        /// The birth digits that it is for.
        digits: Vec<u8>,
    },
    /// The campaign is for other birth dates.
    BirthOutside {
        /// The first birth date that may book, `YYYY-MM-DD`.
        born_from: String,
        /// The last one.
        born_until: String,
    },
    /// No window that is still to come is for their birth digit.
    NoDayLeft,
    /// Booking has ended.
    Over,
}

/// Whether somebody who was born on a day may book in a campaign, by the service's clock. A
/// pause is left out: it says nothing about the person.
///
/// # Errors
///
/// `campaign_unknown`.
pub fn eligibility(site: &Site, campaign: CampaignId, birth: Date) -> Result<Eligibility, Problem> {
    site.node.read(|state| {
        let data = state.data();
        let campaign = data.campaigns.get(&campaign).ok_or_else(campaigns::unknown)?;
        Ok(of(campaign, birth, data.time))
    })
}

/// In the order in which the machine checks.
fn of(campaign: &Campaign, birth: Date, now: Time) -> Eligibility {
    let (rules, windows) = (&campaign.config.rules, &campaign.config.windows);
    if campaign.closed || (!windows.is_empty() && windows.iter().all(|window| window.closes_at <= now)) {
        return Eligibility::Over;
    }
    if birth < rules.born_from || birth > rules.born_until {
        return Eligibility::BirthOutside { born_from: rules.born_from, born_until: rules.born_until };
    }
    let is_theirs = |window: &&Window| window.digits >> birth.birth_digit() & 1 == 1;
    let mut theirs = windows.iter().filter(is_theirs).filter(|window| now < window.closes_at);
    if theirs.clone().any(|window| window.opens_at <= now) {
        return Eligibility::Now;
    }
    // Windows are in order of their openings.
    match theirs.next() {
        Some(next) => Eligibility::From { at: next.opens_at, digits: next.digits },
        None => Eligibility::NoDayLeft,
    }
}

/// The digits of a window's bits.
#[must_use]
pub fn digits_of(bits: u16) -> Vec<u8> {
    (0..10).filter(|digit| bits >> digit & 1 == 1).collect()
}

impl From<Eligibility> for EligibilityView {
    fn from(eligibility: Eligibility) -> EligibilityView {
        match eligibility {
            Eligibility::Now => EligibilityView::Now,
            Eligibility::From { at, digits } => {
                EligibilityView::From { opens_at_ms: at.0, digits: digits_of(digits) }
            }
            Eligibility::BirthOutside { born_from, born_until } => EligibilityView::BirthOutside {
                born_from: campaigns::date_text(born_from),
                born_until: campaigns::date_text(born_until),
            },
            Eligibility::NoDayLeft => EligibilityView::NoDayLeft,
            Eligibility::Over => EligibilityView::Over,
        }
    }
}
