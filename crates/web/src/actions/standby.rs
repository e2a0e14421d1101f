//! Standing by for leftover places: people say at which clinics they would come at short notice, and
//! how long their way is.
//!
//! It costs one command and ends with the day. An offer is a hold with a time to answer: it is among
//! one's bookings, and confirmed or cancelled like one. Start reading at [`stand_by`].

use jari_core::booking::{Standby, StandbyKey};
use jari_core::ids::{CampaignId, DeskId};
use jari_core::{Body, Data, Reason};
use jari_wire::token::Session;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::places::{ClinicView, clinic_view};
use super::submit_plain;
use crate::problem::Problem;
use crate::site::Site;

/// Where somebody would come at short notice.
#[derive(Copy, Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandbyAsked {
    /// The clinic's part in the campaign.
    pub desk: u32,
    /// Which dose, from 1.
    #[serde(default = "first")]
    pub dose: u8,
    /// How many minutes they need to be there; 1 to 180. Said again, it is changed.
    #[schema(example = 20)]
    pub minutes: u16,
}

fn first() -> u8 {
    1
}

/// Where somebody stands by.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct StandbyView {
    /// The clinic.
    pub clinic: ClinicView,
    /// The campaign's name.
    pub campaign_name: String,
    /// Which dose, from 1.
    pub dose: u8,
    /// Minutes of way, as they said.
    pub minutes: u16,
    /// When it ends by itself: with the day.
    pub ends_at_ms: u64,
}

/// Puts somebody on a clinic's list until the end of the day, or changes their minutes.
///
/// # Errors
///
/// The machine's refusals: `too_many_standbys` beyond three clinics, `already_booked`, `full`,
/// `rules_unknown`, ...
pub async fn stand_by(
    site: &Site,
    session: &Session,
    asked: StandbyAsked,
) -> Result<Vec<StandbyView>, Problem> {
    let StandbyAsked { desk, dose, minutes } = asked;
    let body =
        Body::Standby { desk: DeskId(desk), person: session.person, birth: session.birth, dose, minutes };
    submit_plain(site, body).await?;
    Ok(my_standbys(site, session))
}

/// Takes somebody off a clinic's list. An offer that they have stays theirs to answer. Whoever is not
/// in the list wants no more than that.
///
/// # Errors
///
/// The machine's refusals: `desk_unknown`, `rules_unknown`.
pub async fn stand_down(site: &Site, session: &Session, desk: DeskId) -> Result<(), Problem> {
    match submit_plain(site, Body::StandDown { desk, person: session.person }).await {
        Err(problem) if problem.is(Reason::StandbyUnknown) => Ok(()),
        other => other.map(drop),
    }
}

/// Where somebody stands by today, the nearest first; three at the most.
#[must_use]
pub fn my_standbys(site: &Site, session: &Session) -> Vec<StandbyView> {
    let mut found: Vec<StandbyView> = site.node.read(|state| {
        let standbys = state.standbys_of(session.person);
        standbys.filter_map(|(key, standby)| view(state.data(), key, standby)).collect()
    });
    found.sort_by_key(|standby| (standby.minutes, standby.clinic.desk));
    found
}

fn view(data: &Data, key: StandbyKey, standby: &Standby) -> Option<StandbyView> {
    let clinic = clinic_view(data, key.desk)?;
    let campaign = data.campaigns.get(&CampaignId(clinic.campaign))?;
    Some(StandbyView {
        campaign_name: campaign.config.name.to_string(),
        clinic,
        dose: standby.dose,
        minutes: key.minutes,
        ends_at_ms: standby.ends_at.0,
    })
}
