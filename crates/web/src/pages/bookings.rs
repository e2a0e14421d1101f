//! Holds and bookings: confirm, see, cancel, move. Each page can be loaded again.

use axum::extract::{Form, Path};
use axum::response::Response;
use http::StatusCode;
use jari_core::Time;
use jari_core::ids::{BookingId, ChannelId, SlotId};
use jari_wire::token::Session;
use serde::Deserialize;

use super::book::{SlotForm, among_times};
use super::caller::{Caller, Failed};
use super::respond::{encode_query, see_other};
use super::views::{self, BookingRow, LookedShown, Qr, Visit};
use super::words::Words;
use super::{calendar, errand, qr, standby};
use crate::actions::IdempotencyKey;
use crate::actions::booking::{self, BookingStatus, BookingView};
use crate::problem::Problem;
use crate::vault::Looked;

/// A form about one booking.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BookingForm {
    csrf: String,
    key: String,
}

/// Who asks, which booking, and what is known of it.
struct Asked {
    session: Session,
    id: BookingId,
    view: BookingView,
}

/// Sends to the identity form whoever is not signed in, and brings them back.
fn not_signed_in(caller: &Caller) -> Option<Response> {
    caller.session().is_none().then(|| see_other(&format!("/identify?next={}", encode_query(&caller.path))))
}

async fn asked(caller: &Caller, code: &str) -> Result<Asked, Problem> {
    let session = caller.session_required()?;
    let id = booking::by_code(&caller.site, code)?;
    let view = booking::booking(&caller.site, &session, id).await?;
    Ok(Asked { session, id, view })
}

fn visit(caller: &Caller, booking: &BookingView) -> Visit {
    let at = Time(booking.slot.starts_at_ms);
    Visit {
        when: caller.words.when(at),
        machine: caller.words.machine(at),
        clinic: booking.clinic.name.clone(),
        address: booking.clinic.address.clone(),
        telephone: booking.clinic.telephone.clone(),
        campaign: booking.campaign_name.clone(),
        vaccine: booking.slot.vaccine_name.clone(),
        dose: booking.dose,
        whom: errand::whom(&caller.words, booking.proxy.as_ref()),
        again: format!("/book/{}/desks/{}?day={}", booking.campaign, booking.slot.desk, booking.slot.date),
    }
}

/// Whether a place waits for the person's answer.
fn is_waiting(status: BookingStatus) -> bool {
    matches!(status, BookingStatus::Held | BookingStatus::Offered)
}

fn fresh_key() -> Result<String, Problem> {
    Ok(IdempotencyKey::random()?.as_str().to_owned())
}

/// `GET /hold/{code}`: what is held, until when, and the one button that books it.
///
/// # Errors
///
/// `unidentified`, `booking_unknown`.
pub async fn get_hold(caller: Caller, Path(code): Path<String>) -> Result<Response, Failed> {
    if let Some(elsewhere) = not_signed_in(&caller) {
        return Ok(elsewhere);
    }
    let Asked { view, .. } = asked(&caller, &code).await?;
    if !is_waiting(view.status) {
        return Ok(see_other(&format!("/bookings/{}", view.code)));
    }
    let until = Time(view.until_ms);
    let page = views::Hold {
        f: caller.frame()?,
        now_ms: view.now_ms,
        until_ms: view.until_ms,
        until: caller.words.clock_exact(until),
        refresh_s: view.until_ms.saturating_sub(view.now_ms) / 1_000 + 1,
        offered: view.status == BookingStatus::Offered,
        key: fresh_key()?,
        key_release: fresh_key()?,
        visit: visit(&caller, &view),
        code: view.code,
    };
    caller.page(&page, StatusCode::OK)
}

/// `POST /hold/{code}/confirm`: books it. When the next page shows, it is durable.
///
/// # Errors
///
/// The machine's refusals. One that says it is booked already is no problem here.
pub async fn confirm_hold(
    caller: Caller,
    Path(code): Path<String>,
    Form(form): Form<BookingForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let asked = asked(&caller, &code).await?;
    let key = IdempotencyKey::parse(&form.key)?;
    let confirmed = booking::confirm(&caller.site, &asked.session, asked.id, &key).await;
    match confirmed {
        Err(problem) if problem.code != "booking_confirmed" && problem.code != "hold_lapsed" => {
            Err(problem.into())
        }
        _ => Ok(see_other(&format!("/bookings/{}", asked.view.code))),
    }
}

/// `POST /hold/{code}/release`: gives the place back and shows the times again.
///
/// # Errors
///
/// The machine's refusals. A hold that is over already is no problem here.
pub async fn release_hold(
    caller: Caller,
    Path(code): Path<String>,
    Form(form): Form<BookingForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let asked = asked(&caller, &code).await?;
    if asked.view.status == BookingStatus::Booked {
        // Two tabs: a booking is never cancelled by a button that spoke of a hold.
        return Ok(see_other(&format!("/bookings/{}", asked.view.code)));
    }
    let key = IdempotencyKey::parse(&form.key)?;
    let released = booking::cancel(&caller.site, &asked.session, asked.id, &key).await;
    match released {
        Err(problem) if problem.code != "hold_lapsed" && problem.code != "booking_cancelled" => {
            Err(problem.into())
        }
        // Whoever declines an offer does not look for another time.
        _ if asked.view.status == BookingStatus::Offered => Ok(see_other("/bookings")),
        _ => Ok(see_other(&visit(&caller, &asked.view).again)),
    }
}

/// `GET /bookings`.
///
/// # Errors
///
/// A passing problem of ours.
pub async fn get_bookings(caller: Caller) -> Result<Response, Failed> {
    let Some(session) = caller.session() else {
        return Ok(see_other("/identify?next=/bookings"));
    };
    let bookings = booking::my_bookings(&caller.site, &session).await.into_iter();
    let rows = bookings.map(|booking| shown_row(&caller, booking)).collect();
    let standbys = standby::rows(&caller, &session);
    let for_other = errand::way(&caller, false);
    let page = views::Bookings { f: caller.frame()?, rows, standbys, for_other };
    caller.page(&page, StatusCode::OK)
}

/// A booking in a list.
pub(super) fn shown_row(caller: &Caller, booking: BookingView) -> BookingRow {
    let (state, class) = match booking.status {
        BookingStatus::Held => ("status-held", "paused"),
        BookingStatus::Offered => ("status-offered", "paused"),
        BookingStatus::Booked => ("status-booked", "open"),
        BookingStatus::Used => ("status-used", "closed"),
        BookingStatus::Cancelled => ("status-cancelled", "closed"),
        BookingStatus::Lapsed => ("status-lapsed", "closed"),
        BookingStatus::Missed => ("status-missed", "closed"),
    };
    let area = if is_waiting(booking.status) { "hold" } else { "bookings" };
    BookingRow {
        href: format!("/{area}/{}", booking.code),
        when: caller.words.when(Time(booking.slot.starts_at_ms)),
        by: errand::by(&caller.words, booking.proxy.as_ref()),
        made: (booking.channel != ChannelId::OWN_SITE.0).then(|| made(&caller.words, &booking)),
        clinic: booking.clinic.name,
        campaign: booking.campaign_name,
        state,
        class,
    }
}

/// `GET /bookings/{code}`.
///
/// # Errors
///
/// `booking_unknown`, also for another person's.
pub async fn get_booking(caller: Caller, Path(code): Path<String>) -> Result<Response, Failed> {
    if let Some(elsewhere) = not_signed_in(&caller) {
        return Ok(elsewhere);
    }
    let Asked { view, .. } = asked(&caller, &code).await?;
    let (heading, lead) = match view.status {
        BookingStatus::Held => ("held-title", "held-lead"),
        BookingStatus::Offered => ("offer-title", "offer-lead"),
        BookingStatus::Booked => ("booked-title", "booked-lead"),
        BookingStatus::Used => ("used-title", "used-lead"),
        BookingStatus::Cancelled => ("cancelled-title", "cancelled-lead"),
        BookingStatus::Lapsed => ("lapsed-title", "lapsed-lead"),
        BookingStatus::Missed => ("missed-title", "missed-lead"),
    };
    let page = views::Booking {
        f: caller.frame()?,
        heading,
        lead,
        booked: view.status == BookingStatus::Booked,
        held: is_waiting(view.status),
        used: view.status == BookingStatus::Used,
        qr: picture(&caller, &view),
        in_calendar: calendar_of(&caller, &view).is_some(),
        made: made(&caller.words, &view),
        looked: looked(&caller, &view),
        by: errand::by(&caller.words, view.proxy.as_ref()),
        key_end: errand::can_end(&view).then(fresh_key).transpose()?,
        visit: visit(&caller, &view),
        code: view.code,
    };
    caller.page(&page, StatusCode::OK)
}

/// How often their name was looked at, and the list of the day with names. Not said while it is not
/// counted.
fn looked(caller: &Caller, booking: &BookingView) -> Option<LookedShown> {
    let (vault, now_ms) = (&caller.site.vault, caller.site.node.now().0);
    let [name, list] = vault.looked(booking.booking, booking.slot.desk, &booking.slot.date, now_ms)?;
    let told =
        |looked: Looked| (looked.times > 0).then(|| (looked.times, caller.words.when(Time(looked.last_ms))));
    Some(LookedShown { name: told(name), list: told(list) })
}

/// The picture of a booking's code, while somebody may still come with it.
fn picture(caller: &Caller, booking: &BookingView) -> Option<Qr> {
    if booking.status != BookingStatus::Booked {
        return None;
    }
    qr::picture(&page_of(caller, booking).unwrap_or_else(|| booking.code.clone()))
}

/// The address of a booking's page. It names the booking and opens for its person only.
fn page_of(caller: &Caller, booking: &BookingView) -> Option<String> {
    caller.address_of(&format!("/bookings/{}", booking.code))
}

fn calendar_of(caller: &Caller, booking: &BookingView) -> Option<String> {
    let page = page_of(caller, booking);
    calendar::file(&caller.words, booking, caller.site.keys.installation(), page.as_deref())
}

/// Through whom a booking was made, as far as it is kept.
fn made(words: &Words, booking: &BookingView) -> String {
    match (ChannelId(booking.channel), &booking.partner) {
        (ChannelId::OWN_SITE, _) => words.t("made-here"),
        (ChannelId::AGENT, _) => words.t("made-agent"),
        (ChannelId::CLINIC, _) => words.t("made-clinic"),
        (_, Some(partner)) => words.s("made-partner", partner),
        (_, None) => words.s("made-unknown", booking.channel.to_string()),
    }
}

/// `GET /bookings/{code}/calendar.ics`: the visit for a calendar.
///
/// # Errors
///
/// `booking_unknown`, also for another person's. What is no booking yet, or never became one,
/// leads to its page.
pub async fn get_calendar(caller: Caller, Path(code): Path<String>) -> Result<Response, Failed> {
    if caller.session().is_none() {
        // The page, not the file: a file would leave them on the identity form.
        return Ok(see_other(&format!("/identify?next=/bookings/{}", encode_query(&code))));
    }
    let Asked { view, .. } = asked(&caller, &code).await?;
    match calendar_of(&caller, &view) {
        Some(file) => Ok(calendar::response(file, &view.code)),
        None => Ok(see_other(&format!("/bookings/{}", view.code))),
    }
}

/// `GET /bookings/{code}/cancel`: asks once.
///
/// # Errors
///
/// `booking_unknown`.
pub async fn get_cancel(caller: Caller, Path(code): Path<String>) -> Result<Response, Failed> {
    if let Some(elsewhere) = not_signed_in(&caller) {
        return Ok(elsewhere);
    }
    let Asked { view, .. } = asked(&caller, &code).await?;
    if view.status != BookingStatus::Booked {
        return Ok(see_other(&format!("/bookings/{}", view.code)));
    }
    let page = views::Cancel {
        f: caller.frame()?,
        key: fresh_key()?,
        visit: visit(&caller, &view),
        code: view.code,
    };
    caller.page(&page, StatusCode::OK)
}

/// `POST /bookings/{code}/cancel`.
///
/// # Errors
///
/// The machine's refusals. A booking that is cancelled already is no problem here.
pub async fn cancel_booking(
    caller: Caller,
    Path(code): Path<String>,
    Form(form): Form<BookingForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let asked = asked(&caller, &code).await?;
    let key = IdempotencyKey::parse(&form.key)?;
    match booking::cancel(&caller.site, &asked.session, asked.id, &key).await {
        Err(problem) if problem.code != "booking_cancelled" => Err(problem.into()),
        _ => Ok(see_other(&format!("/bookings/{}", asked.view.code))),
    }
}

/// `GET /bookings/{code}/move`: the same clinic's times; other clinics are one link away.
///
/// # Errors
///
/// `booking_unknown`.
pub async fn get_move(caller: Caller, Path(code): Path<String>) -> Result<Response, Failed> {
    if let Some(elsewhere) = not_signed_in(&caller) {
        return Ok(elsewhere);
    }
    let Asked { view, .. } = asked(&caller, &code).await?;
    if view.status != BookingStatus::Booked {
        return Ok(see_other(&format!("/bookings/{}", view.code)));
    }
    Ok(see_other(&format!("{}&move={}", visit(&caller, &view).again, view.code)))
}

/// `POST /bookings/{code}/move`: moves it in one step.
///
/// # Errors
///
/// The machine's refusals; the booking stays where it was.
pub async fn move_booking(
    caller: Caller,
    Path(code): Path<String>,
    Form(form): Form<SlotForm>,
) -> Result<Response, Failed> {
    caller.check_form(form.csrf())?;
    let asked = asked(&caller, &code).await?;
    let slot = SlotId(form.slot);
    match booking::reschedule(&caller.site, &asked.session, asked.id, slot, &form.key()?).await {
        Ok(view) => Ok(see_other(&format!("/bookings/{}", view.code))),
        Err(problem) => among_times(&caller, asked.view.campaign, slot, Some(asked.view.code), problem),
    }
}

/// `POST /bookings/{code}/end-proxy`: whoever made it for this person has nothing to do with it any more.
///
/// # Errors
///
/// The machine's refusals.
pub async fn end_proxy(
    caller: Caller,
    Path(code): Path<String>,
    Form(form): Form<BookingForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let asked = asked(&caller, &code).await?;
    let key = IdempotencyKey::parse(&form.key)?;
    crate::actions::errand::end(&caller.site, &asked.session, asked.id, &key).await?;
    Ok(see_other(&format!("/bookings/{}", asked.view.code)))
}
