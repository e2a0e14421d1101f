//! The telephone agent's desk: one caller at a time, everything by keyboard.
//!
//! First who it is: a code goes to their telephone and they read it out, or the agent vouches for them
//! where that is allowed (`actions::operator::calls` says where). Then their bookings, and the way to a
//! time. The call's token is in a cookie of this browser until the agent hangs up. Start reading at
//! [`get_phone`] and [`do_phone`].

use axum::extract::{Form, Path, Query};
use axum::response::Response;
use http::StatusCode;
use jari_core::Time;
use jari_core::ids::{BookingId, CampaignId, DeskId, RoomId, SlotId};
use jari_wire::token::{Session, StaffSession};
use serde::Deserialize;

use super::deeds::whole;
use crate::actions::booking::{BookingStatus, BookingView, by_code};
use crate::actions::campaigns::{self, CampaignState};
use crate::actions::operator::calls::{self, CallGiven, Vouched};
use crate::actions::places::{self, Area, ClinicQuery};
use crate::actions::{IdempotencyKey, identity};
use crate::pages::bookings::shown_row;
use crate::pages::caller::{Caller, Failed};
use crate::pages::failure::sentence;
use crate::pages::respond::{encode_query, see_other};
use crate::pages::views::{
    CallBooking, CallCampaign, CallShown, Confirm, PersonFields, PhoneBook, PhoneOption, PhonePage,
    PhoneStep, SlotChoice,
};
use crate::problem::Problem;

const HERE: &str = "/operator/phone";
/// Bookings of a caller that are shown.
const BOOKINGS_SHOWN: usize = 20;
/// Times of a clinic that are shown.
const TIMES_SHOWN: usize = 100;

/// What was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PhoneQuery {
    to: String,
    done: u8,
    forgotten: u8,
}

/// Any form of the page: each uses some of the fields.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PhoneForm {
    csrf: String,
    key: String,
    name: String,
    year: String,
    month: String,
    day: String,
    telephone: String,
    booking_code: String,
    code: String,
    to: String,
    room: String,
    booking: String,
    slot: String,
    dose: String,
    moving: String,
    campaign: String,
    sure: String,
}

impl PhoneForm {
    fn person(&self) -> PersonFields {
        PersonFields {
            name: self.name.clone(),
            year: self.year.clone(),
            month: self.month.clone(),
            day: self.day.clone(),
            telephone: self.telephone.clone(),
        }
    }
}

/// `GET /operator/phone`: who is on the line, and what they have.
///
/// # Errors
///
/// `staff_only`, `role_unfit`; a passing problem of the vault.
pub async fn get_phone(caller: Caller, Query(query): Query<PhoneQuery>) -> Result<Response, Failed> {
    let staff = caller.staff()?;
    let page = page(&caller, &staff, &query.to).await?;
    let done = match (query.done, query.forgotten) {
        (_, 1) => Some("phone-forgotten"),
        (1, _) => Some("op-done"),
        _ => None,
    };
    caller.page(&PhonePage { done, ..page }, StatusCode::OK)
}

/// `POST /operator/phone/{deed}`.
///
/// # Errors
///
/// `staff_only`, `role_unfit`, `form_expired`, `not_found`. What was refused is shown on the page, with
/// what was written.
pub async fn do_phone(
    caller: Caller,
    Path(deed): Path<String>,
    Form(form): Form<PhoneForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let staff = caller.staff()?;
    match deed_of(&caller, &staff, &deed, &form).await {
        Ok(response) => Ok(response),
        Err(problem) if problem.code == "not_found" => Err(problem.into()),
        Err(problem) if deed == "hold" || deed == "move" => {
            // Another time may do: the times again, with what went wrong.
            let campaign = whole(&form.campaign)?;
            let desk = whole(&form.slot).and_then(|slot| places::slot(&caller.site, SlotId(slot)));
            let query = BookQuery {
                desk: desk.ok().map(|slot| slot.desk),
                moving: form.moving,
                ..BookQuery::default()
            };
            let page = book(&caller, campaign, &query)?;
            let page = PhoneBook { problem: Some(told(&caller, &problem)), ..page };
            caller.page(&page, problem.status)
        }
        Err(problem) => {
            let message = Some(told(&caller, &problem));
            let mut page = PhonePage { problem: message, ..page(&caller, &staff, &form.to).await? };
            if let Some(asked) = &mut page.asked {
                *asked = form.person();
            }
            caller.page(&page, problem.status)
        }
    }
}

/// What went wrong, with how long to wait.
fn told(caller: &Caller, problem: &Problem) -> String {
    let key = match problem.code {
        // The words for a person in line would be wrong here.
        "busy" => "phone-busy",
        _ => return sentence(&caller.words, problem),
    };
    caller.words.n(key, problem.retry_after_s().unwrap_or(1))
}

async fn deed_of(
    caller: &Caller,
    staff: &StaffSession,
    deed: &str,
    form: &PhoneForm,
) -> Result<Response, Problem> {
    let site = &caller.site;
    match deed {
        "find" => {
            let challenge = calls::ask_code(site, staff, &form.person().claim(&caller.words)).await?;
            let mut response = see_other(&format!("{HERE}?to={}", encode_query(&challenge.sent_to)));
            caller.keep_caller(&mut response, &challenge.token);
            return Ok(response);
        }
        "code" => {
            let challenge = caller.caller_challenge().ok_or_else(calls::missing)?;
            let given = calls::confirm_code(site, staff, &challenge, form.code.trim()).await?;
            return Ok(answered(caller, &given));
        }
        "vouch" => {
            let person = form.person().claim(&caller.words);
            let asked = Vouched { person, booking_code: form.booking_code.clone() };
            return Ok(answered(caller, &calls::vouch(site, staff, &asked).await?));
        }
        "hang-up" => {
            let mut response = see_other(HERE);
            caller.drop_call(&mut response);
            return Ok(response);
        }
        _ => {}
    }
    let call = call_of(caller)?;
    if deed == "forget" {
        return forget(caller, staff, &call, form.sure == "yes").await;
    }
    let key = || IdempotencyKey::parse(&form.key);
    let booking = || whole(&form.booking).map(BookingId);
    match deed {
        "enter" => drop(calls::enter(site, staff, &call, RoomId(whole(&form.room)?)).await?),
        "hold" => {
            let (slot, dose) = (SlotId(whole(&form.slot)?), form.dose.parse().unwrap_or(1));
            calls::hold(site, staff, &call, slot, dose, &key()?).await?;
        }
        "confirm" => drop(calls::confirm(site, staff, &call, booking()?, &key()?).await?),
        "cancel" => drop(calls::cancel(site, staff, &call, booking()?, &key()?).await?),
        "move" => {
            let (id, slot) = (by_code(site, &form.moving)?, SlotId(whole(&form.slot)?));
            calls::reschedule(site, staff, &call, id, slot, &key()?).await?;
        }
        _ => return Err(Problem::not_found()),
    }
    Ok(see_other(&format!("{HERE}?done=1")))
}

/// Asks once more, then forgets who called; the call is over then.
async fn forget(
    caller: &Caller,
    staff: &StaffSession,
    call: &Session,
    is_sure: bool,
) -> Result<Response, Problem> {
    if is_sure {
        calls::forget(&caller.site, staff, call).await?;
        let mut response = see_other(&format!("{HERE}?forgotten=1"));
        caller.drop_call(&mut response);
        return Ok(response);
    }
    let contact = identity::contact(&caller.site, call.person).await?;
    let page = Confirm {
        f: caller.frame_at(HERE)?,
        what: "phone-forget",
        subject: contact.map(|contact| contact.name).unwrap_or_default(),
        consequence: "phone-forget-hint",
        shown: Vec::new(),
        action: format!("{HERE}/forget"),
        hidden: Vec::new(),
        go: "phone-forget-go",
        back: HERE.to_owned(),
    };
    caller.page(&page, StatusCode::OK).map_err(|Failed(problem)| problem)
}

fn answered(caller: &Caller, given: &CallGiven) -> Response {
    let mut response = see_other(HERE);
    caller.keep_call(&mut response, &given.call_token);
    response
}

fn call_of(caller: &Caller) -> Result<Session, Problem> {
    calls::open(&caller.site, caller.call_token().ok_or_else(calls::missing)?)
}

async fn page(caller: &Caller, staff: &StaffSession, to: &str) -> Result<PhonePage, Problem> {
    // Shown as it came, so it must look like the end of a number.
    let sent_to: String = to.chars().filter(|c| c.is_ascii_digit() || *c == '·').take(8).collect();
    let call = match call_of(caller) {
        Ok(call) => Some(shown(caller, staff, &call).await?),
        Err(_) => None,
    };
    let is_asked = call.is_none() && caller.caller_challenge().is_some();
    Ok(PhonePage {
        f: caller.frame_at(HERE)?,
        problem: None,
        done: None,
        asked: call.is_none().then(PersonFields::default),
        sent_to: is_asked.then_some(sent_to),
        call,
    })
}

async fn shown(caller: &Caller, staff: &StaffSession, call: &Session) -> Result<CallShown, Problem> {
    let contact = identity::contact(&caller.site, call.person).await?;
    let is_open = |state| !matches!(state, CampaignState::Over);
    let open = campaigns::campaigns(&caller.site).into_iter().filter(|campaign| is_open(campaign.state));
    let bookings = calls::bookings(&caller.site, staff, call).await;
    let rows: Result<Vec<CallBooking>, Problem> =
        bookings.into_iter().take(BOOKINGS_SHOWN).map(|booking| row(caller, booking)).collect();
    Ok(CallShown {
        name: contact.map(|contact| contact.name).unwrap_or_default(),
        birth: caller.words.date(call.birth),
        until: caller.words.clock(call.ends_at),
        campaigns: open
            .map(|campaign| CallCampaign { id: campaign.campaign, name: campaign.name, room: campaign.room })
            .collect(),
        rows: rows?,
    })
}

fn row(caller: &Caller, booking: BookingView) -> Result<CallBooking, Problem> {
    let key = || IdempotencyKey::random().map(|key| key.as_str().to_owned());
    let (campaign, code) = (booking.campaign, encode_query(&booking.code));
    let district = (encode_query(&booking.clinic.region), encode_query(&booking.clinic.district));
    Ok(CallBooking {
        id: booking.booking,
        code: booking.code.clone(),
        held: matches!(booking.status, BookingStatus::Held | BookingStatus::Offered),
        booked: booking.status == BookingStatus::Booked,
        until: caller.words.clock_exact(Time(booking.until_ms)),
        moving: format!(
            "{HERE}/book/{campaign}?region={}&district={}&desk={}&moving={code}",
            district.0, district.1, booking.clinic.desk
        ),
        keys: (key()?, key()?),
        row: shown_row(caller, booking),
    })
}

/// What has been chosen so far.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BookQuery {
    region: String,
    district: String,
    #[serde(deserialize_with = "maybe")]
    desk: Option<u32>,
    moving: String,
}

/// An empty choice is none.
fn maybe<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    Ok(String::deserialize(from)?.parse().ok())
}

/// `GET /operator/phone/book/{campaign}`: region, district, clinic and time, one select after the other.
///
/// # Errors
///
/// `staff_only`, `role_unfit`, `campaign_unknown`. Without a caller it leads to the first page.
pub async fn get_phone_book(
    caller: Caller,
    Path(campaign): Path<u32>,
    Query(query): Query<BookQuery>,
) -> Result<Response, Failed> {
    caller.staff()?;
    if call_of(&caller).is_err() {
        return Ok(see_other(HERE));
    }
    let page = book(&caller, campaign, &query)?;
    caller.page(&page, StatusCode::OK)
}

fn book(caller: &Caller, campaign: u32, query: &BookQuery) -> Result<PhoneBook, Problem> {
    let id = CampaignId(campaign);
    let details = campaigns::campaign(&caller.site, id)?;
    // A clinic that was chosen before the region or district was changed is none any more.
    let is_meant = |chosen: &str, own: &str| chosen.is_empty() || chosen == own;
    let clinic = query.desk.and_then(|desk| places::clinic(&caller.site, DeskId(desk)).ok());
    let clinic =
        clinic.filter(|it| is_meant(&query.region, &it.region) && is_meant(&query.district, &it.district));
    let (region, district) = match &clinic {
        Some(clinic) => (clinic.region.clone(), clinic.district.clone()),
        None => (query.region.clone(), query.district.clone()),
    };
    let area = |area: Area, chosen: &str| PhoneOption {
        text: format!("{} ({})", area.name, caller.words.n("free-short", area.free)),
        chosen: area.name == chosen,
        value: area.name,
    };
    let regions = places::regions(&caller.site, id)?;
    let mut steps = vec![PhoneStep {
        name: "region",
        label: "phone-region",
        options: regions.into_iter().map(|it| area(it, &region)).collect(),
    }];
    // A district or clinic of another region than the one that is chosen now is none.
    let districts = places::districts(&caller.site, id, &region).unwrap_or_default();
    let is_in = districts.iter().any(|it| it.name == district);
    if !districts.is_empty() {
        let options = districts.into_iter().map(|it| area(it, &district)).collect();
        steps.push(PhoneStep { name: "district", label: "phone-district", options });
    }
    if is_in {
        let query = ClinicQuery {
            region: Some(region),
            district: Some(district),
            earliest_first: true,
            limit: places::CLINICS_SHOWN_MAX,
            ..ClinicQuery::default()
        };
        let clinics = places::clinics(&caller.site, id, &query)?.into_iter().map(|it| PhoneOption {
            text: format!("{} ({})", it.name, caller.words.n("free-short", it.supply.free)),
            chosen: clinic.as_ref().is_some_and(|chosen| chosen.desk == it.desk),
            value: it.desk.to_string(),
        });
        steps.push(PhoneStep { name: "desk", label: "phone-clinic", options: clinics.collect() });
    }
    let times = match &clinic {
        Some(clinic) => times(caller, DeskId(clinic.desk))?,
        None => Vec::new(),
    };
    Ok(PhoneBook {
        f: caller.frame_at(&format!("{HERE}/book/{campaign}"))?,
        campaign: details.name,
        id: campaign,
        problem: None,
        moving: query.moving.clone(),
        is_full: clinic.is_some() && times.is_empty(),
        steps,
        times,
        doses: details.rules.doses,
        key: IdempotencyKey::random()?.as_str().to_owned(),
    })
}

/// Free times of a clinic, the earliest first.
fn times(caller: &Caller, desk: DeskId) -> Result<Vec<SlotChoice>, Problem> {
    let slots = places::slots(&caller.site, desk, None)?;
    let free = slots.into_iter().filter(|slot| slot.supply.free > 0).take(TIMES_SHOWN);
    let text = |slot: &places::SlotView| {
        let when = caller.words.when(Time(slot.starts_at_ms));
        let free = caller.words.n("free-short", slot.supply.free);
        format!("{when} · {} · {free}", slot.vaccine_name)
    };
    Ok(free.map(|slot| SlotChoice { id: slot.slot, text: text(&slot), chosen: false }).collect())
}
