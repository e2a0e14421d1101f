//! What the operator sees of messages to people: how many, and each that failed.

use jari_wire::token::StaffSession;

use crate::actions::operator::messages::messages;
use crate::outbox::Purpose;
use crate::pages::views::{Figure, MessageRow, Messages};
use crate::pages::words::grouped;
use crate::site::Site;

/// Rows shown: the API has all.
const SHOWN_MAX: usize = 30;

/// The figures and rows of this moment.
pub(super) fn shown(site: &Site, staff: &StaffSession) -> Messages {
    let messages = messages(site, staff);
    let figure = |key, value: u64| Figure { key, value: grouped(value) };
    let mut figures = vec![
        figure("op-messages-waiting", messages.waiting),
        figure("op-messages-oldest", messages.oldest_ms / 1_000),
        figure("op-messages-codes", messages.codes_waiting as u64),
        figure("op-messages-taken", messages.taken),
        figure("op-messages-given-up", messages.given_up),
    ];
    if let Some(last) = messages.last_failure {
        let ago_ms = site.node.now().0.saturating_sub(last.at_ms);
        let value = format!("{}: {}", last.carrier, last.said);
        figures.push(Figure { key: "op-messages-last", value });
        figures.push(figure("op-messages-last-ago", ago_ms / 1_000));
    }
    let failing = messages.failing.into_iter().map(|row| MessageRow {
        purpose: purpose(row.purpose),
        booking: row.booking,
        to: row.to,
        tries: row.tries,
        said: row.said,
        again_s: Some(grouped(row.next_in_ms.unwrap_or(0).div_ceil(1_000))),
    });
    let failed = messages.failed.into_iter().map(|row| MessageRow {
        purpose: purpose(row.purpose),
        booking: row.booking.unwrap_or_default(),
        to: row.to,
        tries: row.tries,
        said: row.said,
        again_s: None,
    });
    let rows = failing.chain(failed).take(SHOWN_MAX).collect();
    Messages { carried: !messages.carriers.is_empty(), late: messages.late, figures, rows }
}

fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Code => "message-purpose-code",
        Purpose::Booked => "message-purpose-booked",
        Purpose::Cancelled => "message-purpose-cancelled",
        Purpose::Moved => "message-purpose-moved",
        Purpose::Reminder => "message-purpose-reminder",
    }
}
