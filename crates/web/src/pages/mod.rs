//! Citizens' pages and the operator's console.
//!
//! A page shows what `actions` answers, in the reader's language, with one thing to do.
//! Every page works without scripts: forms are posted, and each post is answered with a
//! redirect, so that reloading and going back repeat nothing. A page must never decide
//! anything, show one person's data to another, or lose what someone wrote.
//!
//! Addresses and modules share names. Start reading at [`routes`], then [`room`] (the
//! waiting page), [`caller`] (who asks) and [`failure`] (what went wrong).

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler as _;
use axum::middleware;
use axum::routing::{get, post};

use crate::site::Site;

pub mod assets;
pub mod book;
pub mod bookings;
mod calendar;
pub mod caller;
mod choose;
mod eligible;
pub mod errand;
pub mod failure;
pub mod fairness;
pub mod frame;
pub mod home;
pub mod identify;
pub mod operator;
pub mod outbox;
pub mod privacy;
mod qr;
pub mod respond;
pub mod room;
pub mod standby;
pub mod views;
pub mod words;

/// All pages.
pub fn routes(site: &Arc<Site>) -> Router<Arc<Site>> {
    let upload = || DefaultBodyLimit::max(operator::FORM_BYTES_MAX);
    let pages = Router::new()
        .route("/", get(home::get_home))
        .route("/rooms/{room}", get(room::get_room))
        .route("/rooms/{room}/join", post(room::join_room))
        .route("/rooms/{room}/enter", post(room::enter_room))
        .route("/rooms/{room}/leave", post(room::leave_room))
        .route("/rooms/{room}/fairness", get(fairness::get_fairness))
        .route("/identify", get(identify::get_identify).post(identify::identify))
        .route("/identify/code", get(identify::get_code).post(identify::confirm_code))
        .route("/sign-out", post(identify::sign_out))
        .route("/for", get(errand::get_for).post(errand::name_other))
        .route("/for/code", get(errand::get_code).post(errand::confirm_code))
        .route("/for/end", post(errand::end_errand))
        .route("/book/{campaign}", get(book::get_book))
        .route("/book/{campaign}/desks/{desk}", get(book::get_desk))
        .route("/book/{campaign}/hold", post(book::hold_place))
        .route("/hold/{code}", get(bookings::get_hold))
        .route("/hold/{code}/confirm", post(bookings::confirm_hold))
        .route("/hold/{code}/release", post(bookings::release_hold))
        .route("/bookings", get(bookings::get_bookings))
        .route("/bookings/{code}", get(bookings::get_booking))
        .route("/bookings/{code}/calendar.ics", get(bookings::get_calendar))
        .route("/bookings/{code}/cancel", get(bookings::get_cancel).post(bookings::cancel_booking))
        .route("/bookings/{code}/end-proxy", post(bookings::end_proxy))
        .route("/bookings/{code}/move", get(bookings::get_move).post(bookings::move_booking))
        .route("/standby/{desk}", post(standby::stand_by))
        .route("/standby/{desk}/leave", post(standby::stand_down))
        .route("/privacy", get(privacy::get_privacy))
        .route("/forget", get(privacy::get_forget).post(privacy::forget))
        .route("/forget/done", get(privacy::get_done))
        .route("/outbox", get(outbox::get_outbox))
        .route("/operator", get(operator::get_overview))
        .route("/operator/sign-in", post(operator::sign_in))
        .route("/operator/sign-out", post(operator::sign_out))
        .route("/operator/runbook", get(operator::get_runbook))
        .route("/operator/account", get(operator::get_account))
        .route("/operator/account/{deed}", post(operator::do_account))
        .route("/operator/desk", get(operator::get_desks))
        .route("/operator/desk/{desk}", get(operator::get_desk))
        .route("/operator/desk/{desk}/print", get(operator::get_print).post(operator::do_print))
        .route("/operator/desk/{desk}/{deed}", post(operator::do_desk))
        .route("/operator/phone", get(operator::get_phone))
        .route("/operator/phone/{deed}", post(operator::do_phone))
        .route("/operator/phone/book/{campaign}", get(operator::get_phone_book))
        .route("/operator/staff", get(operator::get_staff).post(operator::add_staff))
        .route("/operator/staff/{name}/{deed}", post(operator::do_staff))
        .route("/operator/audit", get(operator::get_audit))
        .route("/operator/audit.csv", get(operator::get_audit_csv))
        .route("/operator/rooms/{room}", get(operator::get_room))
        .route("/operator/rooms/{room}/{deed}", post(operator::do_room))
        .route("/operator/campaigns/{campaign}", get(operator::get_campaign))
        .route("/operator/campaigns/{campaign}/{deed}", post(operator::do_campaign))
        .route("/operator/campaigns/{campaign}/rehearse", post(operator::rehearse))
        .route("/operator/campaigns/{campaign}/export/{table}", get(operator::get_export))
        .route("/operator/openings", get(operator::get_openings))
        .route("/operator/openings/example.csv", get(operator::get_example))
        .route("/operator/openings/look", post(operator::look_at_table.layer(upload())))
        .route("/operator/openings/create", post(operator::create_opening.layer(upload())))
        .fallback(failure::not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(site), failure::as_page));
    Router::new().route("/assets/{file}", get(assets::get_asset)).merge(pages)
}

#[cfg(test)]
mod tests;
