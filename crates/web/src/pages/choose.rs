//! Lists to choose a clinic from: regions, districts, clinics, those with the earliest free
//! place first.
//!
//! Nobody is asked where they are: what is near is the district they choose, or the one
//! where they had a place last. Each list is bounded and leads on.

use jari_core::Time;
use jari_core::ids::CampaignId;

use super::book::BookQuery;
use super::caller::Caller;
use super::respond::encode_query;
use super::views::{self, Choice, FreeAt};
use super::{eligible, errand, standby};
use crate::actions::booking;
use crate::actions::campaigns::CampaignView;
use crate::actions::places::{self, Area, ClinicQuery, ClinicView};
use crate::problem::Problem;

/// Clinics on one page.
const CLINICS_SHOWN: usize = 20;
/// Regions or districts on one page.
const AREAS_SHOWN: usize = 60;
/// Clinics of other districts shown where a district has little left.
const ELSEWHERE_SHOWN: usize = 5;

/// One step of choosing, from what has been chosen so far.
pub(super) fn step(
    caller: &Caller,
    campaign: CampaignView,
    query: &BookQuery,
) -> Result<views::Choose, Problem> {
    let chooser = Chooser { caller, number: campaign.campaign, query, suffix: query.moving_suffix() };
    let step = match (&query.region, &query.district) {
        (None, _) => chooser.regions()?,
        (Some(region), None) if !query.all => chooser.districts(region)?,
        (Some(region), district) => chooser.clinics(region, district.as_deref())?,
    };
    Ok(views::Choose {
        f: caller.frame()?,
        standby: step.title == "choose-clinic"
            && query.moving.is_none()
            && caller.errand().is_none()
            && standby::is_known(caller),
        for_other: errand::way(caller, query.moving.is_some()),
        title: caller.words.t(step.title),
        back: step.back,
        // A move is not bound to a birth digit's day.
        eligible: if query.moving.is_some() { None } else { eligible::note(caller, campaign.campaign)? },
        moving: query.moving.is_some(),
        reason: campaign.paused_because,
        campaign: campaign.name,
        trail: step.trail,
        shortcut: step.shortcut,
        rows: step.rows,
        next: step.next,
        elsewhere: step.elsewhere,
        all: step.all,
    })
}

/// What one step shows.
#[derive(Default)]
struct Step {
    title: &'static str,
    back: Option<String>,
    trail: Option<String>,
    shortcut: Option<views::Shortcut>,
    rows: Vec<Choice>,
    next: Option<String>,
    elsewhere: Vec<Choice>,
    all: Option<views::Shortcut>,
}

/// Who chooses, and how their links end.
struct Chooser<'a> {
    caller: &'a Caller,
    number: u32,
    query: &'a BookQuery,
    suffix: String,
}

impl Chooser<'_> {
    fn regions(&self) -> Result<Step, Problem> {
        let areas = places::regions(&self.caller.site, CampaignId(self.number))?;
        let session = self.caller.session();
        let last = session.and_then(|it| booking::last_area(&self.caller.site, &it, CampaignId(self.number)));
        let shortcut = last.map(|(region, district)| views::Shortcut {
            href: self.district_link(&region, &district),
            name: format!("{region} › {district}"),
        });
        let (rows, next) = self.page_of(areas, "", |name| self.region_link(name));
        Ok(Step { title: "choose-region", shortcut, rows, next, ..Step::default() })
    }

    fn districts(&self, region: &str) -> Result<Step, Problem> {
        let areas = places::districts(&self.caller.site, CampaignId(self.number), region)?;
        let all = (areas.len() > 1)
            .then(|| views::Shortcut { href: self.all_link(region), name: region.to_owned() });
        let here = format!("region={}", encode_query(region));
        let (rows, next) = self.page_of(areas, &here, |name| self.district_link(region, name));
        let back = Some(format!("/book/{}?{}", self.number, self.suffix.trim_start_matches('&')));
        let trail = Some(region.to_owned());
        Ok(Step { title: "choose-district", back, trail, rows, next, all, ..Step::default() })
    }

    /// A page of areas, and where the next one is.
    fn page_of(
        &self,
        areas: Vec<Area>,
        here: &str,
        link: impl Fn(&str) -> String,
    ) -> (Vec<Choice>, Option<String>) {
        let end = self.query.skip.saturating_add(AREAS_SHOWN);
        let more = areas.len() > end;
        let next = more.then(|| format!("/book/{}?{here}&skip={end}{}", self.number, self.suffix));
        let choice = |area: Area| Choice {
            href: link(&area.name),
            name: area.name,
            line: None,
            earliest: None,
            free: area.free,
        };
        (areas.into_iter().skip(self.query.skip).take(AREAS_SHOWN).map(choice).collect(), next)
    }

    /// The clinics of a district, or of a whole region.
    fn clinics(&self, region: &str, district: Option<&str>) -> Result<Step, Problem> {
        let mut found = self.earliest(&ClinicQuery {
            district: district.map(str::to_owned),
            skip: self.query.skip,
            // One more than is shown says whether there is a next page.
            limit: CLINICS_SHOWN + 1,
            ..self.of_region(region)
        })?;
        let more = found.len() > CLINICS_SHOWN;
        found.truncate(CLINICS_SHOWN);
        let with_places = found.iter().filter(|clinic| clinic.supply.free > 0).count();
        let elsewhere = match district {
            // The chosen district comes first; where it has little, what is next to it follows.
            Some(district) if !more && with_places < ELSEWHERE_SHOWN => self.earliest(&ClinicQuery {
                outside: Some(district.to_owned()),
                free_only: true,
                limit: ELSEWHERE_SHOWN,
                ..self.of_region(region)
            })?,
            _ => Vec::new(),
        };
        let here = match district {
            Some(district) => self.district_link(region, district),
            None => self.all_link(region),
        };
        let end = self.query.skip.saturating_add(CLINICS_SHOWN);
        Ok(Step {
            title: "choose-clinic",
            back: Some(self.region_link(region)),
            trail: Some(district.map_or(region.to_owned(), |district| format!("{region} › {district}"))),
            rows: found.iter().map(|clinic| self.clinic_choice(clinic, district.is_none())).collect(),
            next: more.then(|| format!("{here}&skip={end}")),
            all: (!elsewhere.is_empty())
                .then(|| views::Shortcut { href: self.all_link(region), name: region.to_owned() }),
            elsewhere: elsewhere.iter().map(|clinic| self.clinic_choice(clinic, true)).collect(),
            shortcut: None,
        })
    }

    fn of_region(&self, region: &str) -> ClinicQuery {
        ClinicQuery { region: Some(region.to_owned()), earliest_first: true, ..ClinicQuery::default() }
    }

    fn earliest(&self, query: &ClinicQuery) -> Result<Vec<ClinicView>, Problem> {
        places::clinics(&self.caller.site, CampaignId(self.number), query)
    }

    fn clinic_choice(&self, clinic: &ClinicView, names_district: bool) -> Choice {
        let words = &self.caller.words;
        let earliest = clinic.earliest.map(|earliest| {
            let at = Time(earliest.starts_at_ms);
            FreeAt { text: words.when(at), machine: words.machine(at) }
        });
        let address = &clinic.address;
        // Most addresses name their district themselves.
        let is_said = clinic.district.split(' ').next().is_some_and(|name| address.contains(name));
        let line = match names_district && !is_said {
            true => format!("{} · {address}", clinic.district),
            false => address.clone(),
        };
        Choice {
            href: format!(
                "/book/{}/desks/{}?{}",
                self.number,
                clinic.desk,
                self.suffix.trim_start_matches('&')
            ),
            name: clinic.name.clone(),
            line: Some(line),
            earliest,
            free: clinic.supply.free.into(),
        }
    }

    fn region_link(&self, region: &str) -> String {
        format!("/book/{}?region={}{}", self.number, encode_query(region), self.suffix)
    }

    fn district_link(&self, region: &str, district: &str) -> String {
        let (region, district) = (encode_query(region), encode_query(district));
        format!("/book/{}?region={region}&district={district}{}", self.number, self.suffix)
    }

    fn all_link(&self, region: &str) -> String {
        format!("/book/{}?region={}&all=true{}", self.number, encode_query(region), self.suffix)
    }
}
