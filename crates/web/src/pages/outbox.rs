//! `GET /outbox`: in a demonstration, what would have gone to telephones.

use axum::response::Response;
use http::StatusCode;
use jari_core::Time;

use super::caller::{Caller, Failed};
use super::views;
use crate::problem::Problem;

/// Messages shown.
const SHOWN: usize = 50;

/// Shows the newest messages.
///
/// # Errors
///
/// `not_found` where this is no demonstration.
pub async fn get_outbox(caller: Caller) -> Result<Response, Failed> {
    if !caller.site.options.demo {
        return Err(Problem::not_found().into());
    }
    let letters = caller.site.outbox.newest(SHOWN, None).into_iter().map(|message| views::Letter {
        to: message.to,
        when: caller.words.when(Time(message.at_ms)),
        text: message.text,
    });
    let page = views::Outbox { f: caller.frame()?, rows: letters.collect() };
    caller.page(&page, StatusCode::OK)
}
