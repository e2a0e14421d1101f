//! What is kept of people, in plain words, and the button that forgets a name and a number.
//!
//! Every sentence of the page must be true of the code, and every figure on it comes from where the
//! code has it: a period that is changed there is another one here. Start reading at [`get_privacy`];
//! deleting is [`forget`].

use axum::extract::{Form, Query};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use jari_core::Time;
use jari_core::ids::RoomId;
use jari_wire::token::Session;
use serde::Deserialize;

use super::bookings::shown_row;
use super::caller::{self, Caller, Failed};
use super::respond::see_other;
use super::standby;
use super::views::{BookingRow, CookieRow, ForgetPage, Forgotten, MyContact, PrivacyFact, PrivacyPage};
use super::words::Words;
use crate::actions::booking::{self, BookingStatus, BookingView};
use crate::actions::identity;
use crate::carriers;
use crate::retention;
use crate::site::Site;
use crate::vault::AUDIT_LASTS_MS;

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;
/// Days of a month, for periods that are told in months.
const MONTH_DAYS: u64 = 30;

/// `GET /privacy`.
///
/// # Errors
///
/// A passing problem of ours.
pub async fn get_privacy(caller: Caller) -> Result<Response, Failed> {
    let mine = match caller.session() {
        Some(session) => my_contact(&caller, &session).await,
        None => None,
    };
    let privacy = &caller.site.options.privacy;
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let page = PrivacyPage {
        f: caller.frame()?,
        controller: said(&privacy.controller),
        contact: said(&privacy.contact),
        mine,
        facts: facts(&caller.site, &caller.words),
        cookies: cookies(&caller.site, &caller.words),
    };
    caller.page(&page, StatusCode::OK)
}

/// What is kept of whoever is signed in. The page is there without it, where the vault is away.
async fn my_contact(caller: &Caller, session: &Session) -> Option<MyContact> {
    let site = &caller.site;
    let kept = identity::kept(site, session.person).await.ok()?;
    let Some(kept) = kept else { return Some(MyContact::Forgotten) };
    let offset = site.options.utc_offset_min;
    let last = site.node.read(|state| retention::last_day(state, session.person, offset));
    let since = retention::since_of(site, kept.since).await.ok()?;
    let until = retention::ends_on(since, last, site.options.privacy.keep_contact_days);
    Some(MyContact::Kept { until: caller.words.date(until) })
}

/// Each thing that is kept, in the order in which people ask.
fn facts(site: &Site, words: &Words) -> Vec<PrivacyFact> {
    let mut facts = Vec::from(of_people(site, words));
    facts.extend(of_partners(site, words));
    facts.extend(of_messages(site, words));
    facts.extend(of_machines(site, words));
    facts
}

/// What one thing is, why it is kept and who sees it, by their messages; and for how long.
fn fact(words: &Words, [title, what, why, who]: [&str; 4], long: String) -> PrivacyFact {
    PrivacyFact { title: words.t(title), what: words.t(what), why: words.t(why), who: words.t(who), long }
}

fn of_people(site: &Site, words: &Words) -> [PrivacyFact; 4] {
    let options = &site.options;
    let contact = ["privacy-contact", "privacy-contact-what", "privacy-contact-why", "privacy-contact-who"];
    let birth = ["birth", "privacy-birth-what", "privacy-birth-why", "privacy-birth-who"];
    let bookings = ["my-bookings", "privacy-bookings-what", "privacy-bookings-why", "privacy-bookings-who"];
    let line = ["privacy-line", "privacy-line-what", "privacy-line-why", "privacy-line-who"];
    [
        fact(words, contact, words.n("privacy-contact-long", options.privacy.keep_contact_days)),
        fact(words, birth, words.n("privacy-birth-long", options.session_ms / 1_000 / DAY_S)),
        fact(words, bookings, words.t("privacy-bookings-long")),
        fact(words, line, words.t("privacy-records-long")),
    ]
}

/// Through whom else people book; nothing where there is nobody.
fn of_partners(site: &Site, words: &Words) -> Option<PrivacyFact> {
    let names: Vec<&str> = site.options.partners.iter().map(|partner| partner.name.as_str()).collect();
    (!names.is_empty()).then(|| PrivacyFact {
        title: words.t("privacy-partners"),
        what: words.s("privacy-partners-what", names.join(", ")),
        why: words.t("privacy-partners-why"),
        long: words.t("privacy-records-long"),
        who: words.t("privacy-partners-who"),
    })
}

fn of_messages(site: &Site, words: &Words) -> [PrivacyFact; 2] {
    let options = &site.options;
    let carried = if options.messenger.is_some() { "privacy-messages-what" } else { "privacy-outbox-what" };
    let messages = ["privacy-messages", carried, "privacy-messages-why", "privacy-messages-who"];
    let codes = ["privacy-codes", "privacy-codes-what", "privacy-codes-why", "privacy-codes-who"];
    let (messages_long, codes_long) = if site.keeps_outbox() {
        // They stay here, codes included.
        let long = words.n("privacy-outbox-long", options.messages_max as u64);
        (long.clone(), long)
    } else {
        let codes = words.n("privacy-codes-long", caller::CHALLENGE_KEPT_S / MINUTE_S);
        (words.t("privacy-messages-long"), codes)
    };
    [fact(words, messages, messages_long), fact(words, codes, codes_long)]
}

fn of_machines(site: &Site, words: &Words) -> [PrivacyFact; 4] {
    let network = ["privacy-network", "privacy-network-what", "privacy-network-why", "privacy-network-who"];
    let log = ["privacy-log", "privacy-log-what", "privacy-log-why", "privacy-machine-who"];
    let audit = ["privacy-audit", "privacy-audit-what", "privacy-audit-why", "privacy-audit-who"];
    let backups = ["privacy-backups", "privacy-backups-what", "privacy-backups-why", "privacy-machine-who"];
    let months = AUDIT_LASTS_MS / 1_000 / DAY_S / MONTH_DAYS;
    [
        fact(words, network, words.t("privacy-network-long")),
        fact(words, log, words.t("privacy-log-long")),
        fact(words, audit, words.n("privacy-audit-long", months)),
        fact(words, backups, words.n("privacy-backups-long", site.options.privacy.backup_days)),
    ]
}

/// Every cookie of the service's, by its name.
fn cookies(site: &Site, words: &Words) -> Vec<CookieRow> {
    // Those of a room end with its number.
    let of_rooms = |name: String| format!("{}…", name.trim_end_matches('0'));
    let room = RoomId(0);
    let days = |seconds: u64| words.n("privacy-days", seconds / DAY_S);
    let minutes = |seconds: u64| words.n("privacy-minutes", seconds / MINUTE_S);
    let row =
        |name: &str, what: &str, long: String| CookieRow { name: name.to_owned(), what: words.t(what), long };
    let staff = [carriers::STAFF_COOKIE, carriers::CALL_COOKIE, caller::CALLER].join(", ");
    let staff_s = site.options.staff_session_ms / 1_000;
    vec![
        row(carriers::SESSION_COOKIE, "privacy-cookie-session", days(site.options.session_ms / 1_000)),
        row(carriers::ERRAND_COOKIE, "privacy-cookie-errand", days(site.options.session_ms / 1_000)),
        row(caller::CHALLENGE, "privacy-cookie-challenge", minutes(caller::CHALLENGE_KEPT_S)),
        row(&of_rooms(carriers::ticket_cookie(room)), "privacy-cookie-ticket", days(caller::KEPT_S)),
        row(&of_rooms(carriers::slip_cookie(room)), "privacy-cookie-slip", days(caller::KEPT_S)),
        row(&of_rooms(carriers::pass_cookie(room)), "privacy-cookie-pass", days(caller::KEPT_S)),
        row(caller::FORM, "privacy-cookie-form", days(caller::KEPT_S)),
        row(caller::LANGUAGE, "privacy-cookie-language", days(caller::LANGUAGE_KEPT_S)),
        row(&staff, "privacy-cookie-staff", words.n("privacy-hours", staff_s / HOUR_S)),
    ]
}

/// The form's token.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ForgetForm {
    csrf: String,
}

/// `GET /forget`: who is meant, what goes, what stays.
///
/// # Errors
///
/// `vault_away`.
pub async fn get_forget(caller: Caller) -> Result<Response, Failed> {
    let Some(session) = caller.session() else {
        return Ok(see_other("/identify?next=/forget"));
    };
    let contact = identity::contact(&caller.site, session.person).await?;
    let now_ms = caller.site.node.now().0;
    let mine = booking::my_bookings(&caller.site, &session).await.into_iter();
    let page = ForgetPage {
        f: caller.frame()?,
        who: contact.map(|contact| (contact.name, identity::last_digits(&contact.telephone))),
        birth: caller.words.date(session.birth),
        ahead: mine
            .filter(|booking| is_ahead(booking, now_ms))
            .map(|booking| row(&caller, booking))
            .collect(),
        stands_by: !standby::rows(&caller, &session).is_empty(),
        session_days: caller.site.options.session_ms / 1_000 / DAY_S,
    };
    let mut response = caller.page(&page, StatusCode::OK)?;
    // Going back after it was done shows no name out of the browser's memory.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Whether its person still expects to come, or has to answer.
fn is_ahead(booking: &BookingView, now_ms: u64) -> bool {
    if booking.proxy.as_ref().is_some_and(|proxy| proxy.made_by_me) {
        return false;
    }
    match booking.status {
        BookingStatus::Booked => Time(booking.slot.starts_at_ms) > Time(now_ms),
        BookingStatus::Held | BookingStatus::Offered => booking.until_ms > now_ms,
        _ => false,
    }
}

/// A booking that leads to where it is given back.
fn row(caller: &Caller, booking: BookingView) -> BookingRow {
    let is_booked = booking.status == BookingStatus::Booked;
    let row = shown_row(caller, booking);
    let href = if is_booked { format!("{}/cancel", row.href) } else { row.href };
    BookingRow { href, ..row }
}

/// `POST /forget`: forgets the name and the number, and who is on this device.
///
/// # Errors
///
/// `form_expired`; passing problems of the vault and the journal: nothing is lost by trying again.
pub async fn forget(caller: Caller, Form(form): Form<ForgetForm>) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let Some(session) = caller.session() else {
        // The page came out of the browser's memory; who pressed it is not known any more.
        return Ok(see_other("/forget/done?nobody=true"));
    };
    identity::forget(&caller.site, &session).await?;
    let mut response = see_other("/forget/done");
    caller.drop_session(&mut response);
    caller.drop_challenge(&mut response);
    Ok(response)
}

/// Whether somebody was there to be forgotten.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DoneQuery {
    nobody: bool,
}

/// `GET /forget/done`: that it is done, and what that means. Loaded again it says the same.
///
/// # Errors
///
/// A passing problem of ours.
pub async fn get_done(caller: Caller, Query(query): Query<DoneQuery>) -> Result<Response, Failed> {
    let backup_days = caller.site.options.privacy.backup_days;
    let page = Forgotten { f: caller.frame()?, nobody: query.nobody, backup_days };
    caller.page(&page, StatusCode::OK)
}
