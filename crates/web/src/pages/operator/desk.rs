//! The clinic's desk: a day's list, and what is done with those who come.
//!
//! Nobody is named until somebody asks, one booking at a time, or for the list on paper; the answer to
//! that form shows it and no address leads there again. A scanner types the booking's code or the
//! address in its picture into the first field of the page and presses Enter. Start reading at
//! [`get_desk`] and [`do_desk`].

use axum::extract::{Form, Path, Query};
use axum::response::Response;
use http::StatusCode;
use jari_core::Time;
use jari_core::ids::{BookingId, DeskId, SlotId};
use jari_core::limits;
use jari_core::time::Date;
use jari_wire::token::StaffSession;
use serde::Deserialize;

use super::deeds::whole;
use super::subjects;
use crate::actions::IdempotencyKey;
use crate::actions::booking::{BookingStatus, by_code};
use crate::actions::campaigns::{date_text, parse_date};
use crate::actions::identity::Claim;
use crate::actions::operator::desk::{self, ContactView, DeskBooking, DeskDay, DeskSlot, Offer, WalkIn};
use crate::actions::operator::directory;
use crate::pages::caller::{Caller, Failed};
use crate::pages::failure::sentence;
use crate::pages::respond::{encode_query, see_other};
use crate::pages::views::{
    DeskChoice, DeskPage, DeskPrint, DeskRow, DeskSlotRow, DesksPage, Figure, FoundBooking, PersonFields,
    SlotChoice,
};
use crate::pages::words::{Words, grouped};
use crate::problem::Problem;
use crate::staff::Role;

mod places;

/// Minutes to answer an offer, unless the desk says otherwise.
const OFFER_MIN_USUAL: u32 = 10;

/// Which desks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FindQuery {
    find: String,
}

/// Which day, and whether something was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DayQuery {
    day: String,
    done: u8,
}

/// Any form of the desk: each uses some of the fields.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct DeskForm {
    csrf: String,
    key: String,
    date: String,
    code: String,
    booking: String,
    slot: String,
    name: String,
    year: String,
    month: String,
    day: String,
    telephone: String,
    dose: String,
    places: String,
    time: String,
    vaccine: String,
    minutes: String,
    reason: String,
}

impl DeskForm {
    /// Who was written down.
    fn person(&self) -> PersonFields {
        PersonFields {
            name: self.name.clone(),
            year: self.year.clone(),
            month: self.month.clone(),
            day: self.day.clone(),
            telephone: self.telephone.clone(),
        }
    }

    fn booking(&self) -> Result<BookingId, Problem> {
        whole(&self.booking).map(BookingId)
    }

    fn slot(&self) -> Result<SlotId, Problem> {
        whole(&self.slot).map(SlotId)
    }
}

impl PersonFields {
    /// What was written, as a claim; the language is the page's.
    pub(super) fn claim(&self, words: &Words) -> Claim {
        let padded = |text: &str| format!("{:0>2}", text.trim());
        let birth = format!("{}-{}-{}", self.year.trim(), padded(&self.month), padded(&self.day));
        Claim { name: self.name.clone(), birth, telephone: self.telephone.clone(), language: words.lang }
    }
}

/// `GET /operator/desk`: which desk. Whoever has one only goes there at once.
///
/// # Errors
///
/// `staff_only`, `role_unfit`.
pub async fn get_desks(caller: Caller, Query(query): Query<FindQuery>) -> Result<Response, Failed> {
    let member = caller.member()?;
    let desks = desk::desks(&caller.site, &member.session, &query.find)?;
    let is_clinic = member.role == Role::Clinic;
    if let ([only], true) = (desks.as_slice(), is_clinic) {
        return Ok(see_other(&format!("/operator/desk/{}", only.desk)));
    }
    let choice = |clinic: crate::actions::places::ClinicView| DeskChoice {
        desk: clinic.desk,
        line: format!("{} · {}", clinic.address, campaign_name(&caller, clinic.campaign)),
        name: clinic.name,
    };
    let page = DesksPage {
        f: caller.frame()?,
        find: (!is_clinic).then_some(query.find),
        rows: desks.into_iter().map(choice).collect(),
    };
    caller.page(&page, StatusCode::OK)
}

fn campaign_name(caller: &Caller, campaign: u32) -> String {
    let campaign = jari_core::ids::CampaignId(campaign);
    crate::actions::campaigns::campaign(&caller.site, campaign).map(|it| it.name).unwrap_or_default()
}

/// `GET /operator/desk/{desk}`: a day there; today unless another one is asked for.
///
/// # Errors
///
/// `staff_only`, `role_unfit`, `desk_unknown`.
pub async fn get_desk(
    caller: Caller,
    Path(desk): Path<u32>,
    Query(query): Query<DayQuery>,
) -> Result<Response, Failed> {
    let staff = caller.staff()?;
    let page = DeskPage { done: query.done == 1, ..page(&caller, &staff, desk, &query.day)? };
    caller.page(&page, StatusCode::OK)
}

/// `GET /operator/desk/{desk}/print`: the day for paper, without names.
///
/// # Errors
///
/// As [`get_desk`].
pub async fn get_print(
    caller: Caller,
    Path(desk): Path<u32>,
    Query(query): Query<DayQuery>,
) -> Result<Response, Failed> {
    let staff = caller.staff()?;
    let day = day_of(&caller, &staff, desk, &query.day)?;
    let page = paper(&caller, &day, None)?;
    caller.page(&page, StatusCode::OK)
}

/// `POST /operator/desk/{desk}/print`: the same with names.
///
/// # Errors
///
/// As [`do_desk`].
pub async fn do_print(
    caller: Caller,
    Path(desk): Path<u32>,
    Form(form): Form<DeskForm>,
) -> Result<Response, Failed> {
    do_desk(caller, Path((desk, "print".to_owned())), Form(form)).await
}

/// `POST /operator/desk/{desk}/{deed}`.
///
/// # Errors
///
/// `staff_only`, `role_unfit`, `form_expired`, `not_found`. What was refused is shown on the day's page.
pub async fn do_desk(
    caller: Caller,
    Path((desk, deed)): Path<(u32, String)>,
    Form(form): Form<DeskForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let staff = caller.staff()?;
    match deed_of(&caller, &staff, desk, &deed, &form).await {
        Ok(response) => Ok(response),
        Err(Failed(problem)) if problem.code == "not_found" => Err(problem.into()),
        Err(Failed(problem)) => {
            let message = sentence_at(&caller, &problem);
            let walk = if deed == "walk-in" { form.person() } else { PersonFields::default() };
            let shown = page(&caller, &staff, desk, &form.date)?;
            let page = DeskPage { problem: Some(message), walk, ..shown };
            caller.page(&page, problem.status)
        }
    }
}

async fn deed_of(
    caller: &Caller,
    staff: &StaffSession,
    desk: u32,
    deed: &str,
    form: &DeskForm,
) -> Result<Response, Failed> {
    let site = &caller.site;
    match deed {
        "find" => {
            let id = by_code(site, code_in(&form.code))?;
            return show_found(caller, staff, desk, &form.date, id, None).await;
        }
        "contact" => {
            let id = form.booking()?;
            let contact = desk::contact(site, staff, id).await?;
            return show_found(caller, staff, desk, &form.date, id, Some(contact)).await;
        }
        "print" => {
            let day = day_of(caller, staff, desk, &form.date)?;
            let names = desk::names(site, staff, &day).await?;
            return caller.page(&paper(caller, &day, Some(names))?, StatusCode::OK);
        }
        "check-in" => drop(directory::check_in(site, staff, form.booking()?, None).await?),
        "no-show" => drop(desk::mark_no_show(site, staff, form.booking()?, None).await?),
        "walk-in" => {
            let asked =
                WalkIn { person: form.person().claim(&caller.words), dose: form.dose.parse().unwrap_or(1) };
            let key = IdempotencyKey::parse(&form.key)?;
            desk::walk_in(site, staff, form.slot()?, &asked, &key).await?;
        }
        "offer" => {
            let offer = Offer {
                places: whole(&form.places)?,
                offer_ms: whole(&form.minutes)?.saturating_mul(60_000),
            };
            let key = IdempotencyKey::parse(&form.key)?;
            let offered = desk::offer(site, staff, form.slot()?, offer, Some(&key)).await?;
            if offered.offers == 0 {
                let nobody = caller.words.t("desk-nobody-stands-by");
                let shown = page(caller, staff, desk, &form.date)?;
                return caller.page(&DeskPage { problem: Some(nobody), ..shown }, StatusCode::OK);
            }
        }
        _ => places::change(caller, staff, desk, deed, form).await?,
    }
    let day = encode_query(&form.date);
    Ok(see_other(&format!("/operator/desk/{desk}?day={day}&done=1")))
}

/// What went wrong, with the instant from which it will do.
fn sentence_at(caller: &Caller, problem: &Problem) -> String {
    let text = sentence(&caller.words, problem);
    match problem.refusal {
        Some((_, at)) if at > 0 && matches!(problem.code, "no_show_too_early" | "slot_ahead") => {
            format!("{text}. {}", caller.words.s("detail-from", caller.words.when(Time(at))))
        }
        _ => text,
    }
}

/// The code that was typed, or scanned with the address around it.
fn code_in(text: &str) -> &str {
    let text = text.trim();
    let text = text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    text.rsplit('/').next().unwrap_or_default()
}

async fn show_found(
    caller: &Caller,
    staff: &StaffSession,
    desk: u32,
    date: &str,
    id: BookingId,
    contact: Option<ContactView>,
) -> Result<Response, Failed> {
    let view = directory::find_booking(&caller.site, staff, id).await?;
    let row = DeskBooking {
        booking: view.booking,
        code: view.code,
        status: view.status,
        until_ms: view.until_ms,
        dose: view.dose,
        channel: view.channel,
    };
    let at = Time(view.slot.starts_at_ms);
    let shown = page(caller, staff, desk, date)?;
    let found = FoundBooking {
        row: row_of(&caller.words, &row, at, Time(view.now_ms)),
        when: caller.words.when(at),
        elsewhere: (view.clinic.desk != desk).then_some(view.clinic.name),
        made_by: contact.as_ref().and_then(|it| it.made_by.clone()),
        contact: contact.map(|it| (it.name.unwrap_or_default(), it.telephone.unwrap_or_default())),
    };
    caller.page(&DeskPage { found: Some(found), ..shown }, StatusCode::OK)
}

/// The day that was asked for, or today.
fn day_of(caller: &Caller, staff: &StaffSession, desk: u32, day: &str) -> Result<DeskDay, Problem> {
    let today = || caller.site.node.now().date(caller.site.options.utc_offset_min);
    let date = parse_date(day).unwrap_or_else(today);
    desk::day(&caller.site, staff, DeskId(desk), date)
}

fn page(caller: &Caller, staff: &StaffSession, desk: u32, day: &str) -> Result<DeskPage, Problem> {
    let day = day_of(caller, staff, desk, day)?;
    let here = format!("/operator/desk/{desk}");
    let date = parse_date(&day.date).unwrap_or(Date(0));
    let link = |days: i32| format!("{here}?day={}", date_text(Date(date.0.saturating_add(days))));
    let today = day.slots.iter().filter(|slot| is_given_now(slot, day.now_ms));
    Ok(DeskPage {
        f: caller.frame_at(&format!("{here}?day={}", day.date))?,
        now: subjects::now(caller),
        day_name: caller.words.date(date),
        before: link(-1),
        after: link(1),
        figures: figures(&day),
        left_out: day.left_out,
        done: false,
        problem: None,
        found: None,
        today: today.map(|slot| choice(caller, slot)).collect(),
        slots: day.slots.iter().map(|slot| slot_row(&caller.words, slot, Time(day.now_ms))).collect(),
        walk: PersonFields::default(),
        key: IdempotencyKey::random()?.as_str().to_owned(),
        vaccines: day.vaccines,
        doses: day.doses,
        clinic: day.clinic.name,
        campaign: day.campaign_name,
        day: day.date,
        here,
    })
}

/// Whether the desk may give a free place of the slot at this moment.
fn is_given_now(slot: &DeskSlot, now_ms: u64) -> bool {
    let starts_at = slot.slot.starts_at_ms;
    let from = starts_at.saturating_sub(limits::DESK_EARLY_MS);
    slot.slot.supply.free > 0 && (from..=starts_at + limits::DESK_LATE_MS).contains(&now_ms)
}

fn choice(caller: &Caller, slot: &DeskSlot) -> SlotChoice {
    let time = caller.words.clock(Time(slot.slot.starts_at_ms));
    let free = caller.words.n("free-short", slot.slot.supply.free);
    SlotChoice {
        id: slot.slot.slot,
        text: format!("{time} · {} · {free}", slot.slot.vaccine_name),
        chosen: false,
    }
}

fn figures(day: &DeskDay) -> Vec<Figure> {
    let all = || day.slots.iter().flat_map(|slot| &slot.bookings);
    let count = |status| all().filter(|booking| booking.status == status).count() as u64;
    let free: u64 = day.slots.iter().map(|slot| u64::from(slot.slot.supply.free)).sum();
    let figure = |key, value: u64| Figure { key, value: grouped(value) };
    vec![
        figure("desk-expected", count(BookingStatus::Booked)),
        figure("desk-came", count(BookingStatus::Used)),
        figure("desk-missed", count(BookingStatus::Missed)),
        figure("desk-offered", count(BookingStatus::Offered)),
        figure("op-free", free),
        figure("desk-standing-by", day.standing_by.into()),
    ]
}

fn slot_row(words: &Words, slot: &DeskSlot, now: Time) -> DeskSlotRow {
    let starts_at = Time(slot.slot.starts_at_ms);
    let supply = slot.slot.supply;
    let offering = slot.offering.map(|offering| {
        let texts = [
            ("places", offering.places.to_string()),
            ("open", offering.open.to_string()),
            ("minutes", (offering.offer_ms / 60_000).to_string()),
        ];
        words.texts("desk-offering", &texts.each_ref().map(|(name, text)| (*name, text.as_str())))
    });
    DeskSlotRow {
        id: slot.slot.slot,
        time: words.clock(starts_at),
        vaccine: slot.slot.vaccine_name.clone(),
        free: supply.free,
        capacity: supply.capacity,
        withdrawn: supply.withdrawn,
        offering,
        rows: slot.bookings.iter().map(|booking| row_of(words, booking, starts_at, now)).collect(),
    }
}

fn row_of(words: &Words, booking: &DeskBooking, starts_at: Time, now: Time) -> DeskRow {
    let (state, class) = match booking.status {
        BookingStatus::Held => ("status-held", "paused"),
        BookingStatus::Offered => ("desk-offered", "paused"),
        BookingStatus::Booked => ("desk-expected", "open"),
        BookingStatus::Used => ("desk-came", "closed"),
        BookingStatus::Missed => ("desk-missed", "closed"),
        BookingStatus::Cancelled => ("status-cancelled", "closed"),
        BookingStatus::Lapsed => ("status-lapsed", "closed"),
    };
    let until = Time(booking.until_ms);
    let missed_at = starts_at.max(until).plus_ms(limits::NO_SHOW_AFTER_MS);
    let at = match booking.status {
        BookingStatus::Offered | BookingStatus::Held => words.s("desk-until", words.clock(until)),
        BookingStatus::Used | BookingStatus::Missed => words.clock(until),
        _ => String::new(),
    };
    DeskRow {
        id: booking.booking,
        code: booking.code.clone(),
        state,
        class,
        dose: booking.dose,
        at,
        may_come: matches!(booking.status, BookingStatus::Booked | BookingStatus::Missed),
        may_miss: booking.status == BookingStatus::Booked && now >= missed_at,
        name: String::new(),
        telephone: String::new(),
    }
}

fn paper(
    caller: &Caller,
    day: &DeskDay,
    names: Option<Vec<(u32, ContactView)>>,
) -> Result<DeskPrint, Problem> {
    let here = format!("/operator/desk/{}", day.clinic.desk);
    let named = names.is_some();
    let mut names = names.unwrap_or_default().into_iter();
    let mut slots: Vec<DeskSlotRow> =
        day.slots.iter().map(|slot| slot_row(&caller.words, slot, Time(day.now_ms))).collect();
    // Names come in the order of the list.
    for row in slots.iter_mut().flat_map(|slot| &mut slot.rows) {
        if let Some((_, contact)) = names.next().filter(|(id, _)| *id == row.id) {
            row.name = contact.name.unwrap_or_default();
            row.telephone = contact.telephone.unwrap_or_default();
        }
    }
    let date = parse_date(&day.date).unwrap_or(Date(0));
    Ok(DeskPrint {
        f: caller.frame_at(&format!("{here}/print?day={}", day.date))?,
        now: subjects::now(caller),
        clinic: day.clinic.name.clone(),
        campaign: day.campaign_name.clone(),
        day: day.date.clone(),
        day_name: caller.words.date(date),
        named,
        slots,
        here,
    })
}

impl DeskPage {
    /// Minutes to answer an offer, as the form begins.
    #[must_use]
    pub fn offer_minutes(&self) -> u32 {
        OFFER_MIN_USUAL
    }
}

#[cfg(test)]
mod tests {
    use super::code_in;

    #[test]
    fn a_scanned_address_and_a_typed_code_name_the_same_booking() {
        for text in [
            "K7Q2M-9F0M3",
            " K7Q2M-9F0M3\n",
            "https://jari.example.org/bookings/K7Q2M-9F0M3",
            "https://jari.example.org/bookings/K7Q2M-9F0M3/?lang=en#x",
        ] {
            assert_eq!(code_in(text), "K7Q2M-9F0M3", "{text:?}");
        }
        assert_eq!(code_in(""), "");
    }
}
