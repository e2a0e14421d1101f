//! The machine's refusals in words: status, title, what happened and what to do next.

use std::borrow::Cow;

use http::StatusCode;
use jari_core::{Reason, Refusal};

use super::{Culprit, Problem};

/// The problem of a refusal.
pub(super) fn problem(refusal: Refusal) -> Problem {
    let reason = refusal.reason;
    let (status, title, detail) = words_of(reason);
    let retry_after_ms = match reason {
        Reason::Busy | Reason::EffectsBacklog => {
            Some(u32::try_from(refusal.detail).unwrap_or(u32::MAX).clamp(500, 300_000))
        }
        Reason::NotCalled => Some(5_000),
        Reason::Full => Some(10_000),
        _ => None,
    };
    let culprit = match reason {
        Reason::Full | Reason::EffectsBacklog | Reason::Busy => Culprit::Us,
        _ => Culprit::Caller,
    };
    Problem {
        code: reason.code(),
        status,
        title,
        detail: Cow::Borrowed(detail),
        retry_after_ms,
        refusal: Some((reason.number(), refusal.detail)),
        culprit,
    }
}

/// A refusal's status, title and detail. 403: never for this person or at this time;
/// 404: no such thing; 409: the thing is in another state; 410: it is over for good;
/// 422: the request itself does not fit; 503: come back.
#[must_use]
pub fn words_of(reason: Reason) -> (StatusCode, &'static str, &'static str) {
    general(reason)
        .or_else(|| of_rooms(reason))
        .or_else(|| of_campaigns(reason))
        .or_else(|| of_holds(reason))
        .or_else(|| of_desks(reason))
        .unwrap_or_else(|| of_bookings(reason))
}

type Words = (StatusCode, &'static str, &'static str);

const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;
const CONFLICT: StatusCode = StatusCode::CONFLICT;
const GONE: StatusCode = StatusCode::GONE;
const UNFIT: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

fn general(reason: Reason) -> Option<Words> {
    Some(match reason {
        Reason::IdReused => (
            UNFIT,
            "The key was used for something else",
            "This Idempotency-Key came before with other content. What it did then stands; nothing was changed now. \
             Use a new key for a new request.",
        ),
        Reason::TextUnfit => {
            (UNFIT, "A text does not fit", "A text is empty or longer than 400 bytes. Nothing was changed.")
        }
        Reason::SettingUnfit => (
            UNFIT,
            "A setting is out of bounds",
            "The setting whose number is the value, counted from 1, is outside its limits. Nothing was changed.",
        ),
        Reason::Full => (
            BUSY,
            "A limit of this service is reached",
            "No more of these can be kept. Nothing was changed; what exists is safe. The operator can help.",
        ),
        Reason::EffectsBacklog => (
            BUSY,
            "Messages are waiting",
            "Messages to people pile up behind a broken messenger. Nothing was changed; try again shortly.",
        ),
        Reason::RulesUnknown => (
            CONFLICT,
            "The rules that count do not know this",
            "The version of the service's rules that counts does not know this yet, or it is not the next version, or \
             the build of this node does not know it. Nothing was changed. Once every node has this build, an operator \
             makes the next version count with `jari rules upgrade`.",
        ),
        Reason::LeaseHeld => (
            CONFLICT,
            "Another node performs the effects",
            "Another node holds the lease for some seconds more. Nothing was changed.",
        ),
        _ => return None,
    })
}

fn of_rooms(reason: Reason) -> Option<Words> {
    Some(match reason {
        Reason::RoomUnknown => (NOT_FOUND, "No such room", "There is no waiting room with this number."),
        Reason::RoomExists => {
            (CONFLICT, "The room exists already", "A room has this number. Nothing was changed.")
        }
        Reason::RoomClosed => {
            (GONE, "The room is closed", "This waiting room is over. Bookings that were made are kept.")
        }
        Reason::RoomPaused => (
            CONFLICT,
            "The room is paused",
            "The room is paused; its page says why. Your place is kept. Wait, and try again when it goes on.",
        ),
        Reason::RoomNotPaused => (CONFLICT, "The room is not paused", "There is nothing to resume."),
        Reason::RoomNotOpen => (
            FORBIDDEN,
            "The room has not opened yet",
            "The room opens at the instant in the value, by this service's clock and no other. Your place is kept; \
             being early or late by a moment makes no difference.",
        ),
        Reason::DrawNotDue => (
            CONFLICT,
            "The draw is not due",
            "The draw was made already, or the lobby has not been frozen yet.",
        ),
        Reason::SeedWrong => (
            UNFIT,
            "Not the committed seed",
            "This seed is not the one whose hash was published. Nothing was changed.",
        ),
        Reason::IdentityRequired => (
            StatusCode::UNAUTHORIZED,
            "This room needs to know who you are",
            "Tickets of this room are bound to people. Identify yourself first; it can be done any time before.",
        ),
        Reason::IdentityUnused => (
            UNFIT,
            "This room asks for no identity",
            "Tickets of this room are not bound to people. Join without one.",
        ),
        Reason::TicketUnknown => {
            (NOT_FOUND, "No such ticket", "This room has given out no ticket with this number.")
        }
        Reason::NotCalled => (
            FORBIDDEN,
            "Your turn has not come",
            "Your place is kept; nobody can pass you. The value is your position. Watch the room's document and enter \
             when you are called, or any time after.",
        ),
        Reason::Busy => (
            BUSY,
            "You are called, and the service is full this moment",
            "Your turn has come and stays yours. Enter again in a moment.",
        ),
        Reason::TicketSpent => (
            GONE,
            "The ticket is used up",
            "This ticket has served its bookings or was given back. What was booked with it is kept.",
        ),
        Reason::AlreadyOpen => {
            (CONFLICT, "The room has opened already", "An opening that has passed cannot be moved.")
        }
        Reason::TicketForeign => {
            (FORBIDDEN, "Another person's ticket", "This ticket belongs to another person. Use your own.")
        }
        _ => return None,
    })
}

fn of_campaigns(reason: Reason) -> Option<Words> {
    Some(match reason {
        Reason::CampaignUnknown => (NOT_FOUND, "No such campaign", "There is no campaign with this number."),
        Reason::CampaignExists => {
            (CONFLICT, "The campaign exists already", "A campaign has this number. Nothing was changed.")
        }
        Reason::CampaignPaused => (
            CONFLICT,
            "Booking is paused",
            "Booking is paused; the campaign's page says why. Bookings and holds that exist are kept.",
        ),
        Reason::CampaignNotPaused => (CONFLICT, "The campaign is not paused", "There is nothing to resume."),
        Reason::CampaignClosed => (
            GONE,
            "The campaign is over",
            "No more bookings are made. Those that exist are kept and can be cancelled.",
        ),
        Reason::ClinicUnknown => (NOT_FOUND, "No such clinic", "There is no clinic with this number."),
        Reason::DeskUnknown => {
            (NOT_FOUND, "The clinic takes no part", "This clinic takes no part in the campaign.")
        }
        Reason::DeskExists => {
            (CONFLICT, "The clinic takes part already", "This clinic takes part in the campaign already.")
        }
        Reason::SlotUnknown => {
            (NOT_FOUND, "No such slot", "There is no slot with this number. Choose another one.")
        }
        Reason::VaccineUnknown => {
            (NOT_FOUND, "No such vaccine", "The campaign has no vaccine with this number.")
        }
        Reason::BookingNotOpen => (
            FORBIDDEN,
            "Booking has not opened yet",
            "Booking opens at the instant in the value, by this service's clock. Nothing was given to anyone before.",
        ),
        Reason::BookingOver => {
            (GONE, "Booking is over", "The time for booking has passed. Bookings made are kept.")
        }
        Reason::NotEligible => (
            FORBIDDEN,
            "Not for this birth date",
            "The campaign is for birth dates between those its page names. If your birth date is among them, check \
             how it was entered.",
        ),
        Reason::NotYourDay => (
            FORBIDDEN,
            "Another birth digit's day",
            "Today is for other birth digits. The value is the instant from which you may book; a share of the supply \
             is kept for that day.",
        ),
        Reason::PlacesInUse => (
            CONFLICT,
            "Places are in use",
            "The change would take away places that people hold. The value is how many are in use. Nothing was changed.",
        ),
        _ => return None,
    })
}

/// What keeps a person from a new place.
fn of_holds(reason: Reason) -> Option<Words> {
    Some(match reason {
        Reason::PassRequired => (
            FORBIDDEN,
            "A pass is required",
            "This campaign is reached through its waiting room. Take a ticket, wait for your turn, then enter.",
        ),
        Reason::PassEnded => (
            FORBIDDEN,
            "The pass has ended",
            "Your pass has ended. Your ticket still counts: enter again with it. Bookings made are kept.",
        ),
        Reason::PassSpent => (
            FORBIDDEN,
            "The pass has served its bookings",
            "This pass serves no more bookings. Those made are kept.",
        ),
        Reason::AlreadyBooked => (
            CONFLICT,
            "You have a place already",
            "You hold or have booked a place for this dose. See your bookings; you can move or cancel it.",
        ),
        Reason::DoseUnknown => (UNFIT, "No such dose", "The campaign's course has no dose with this number."),
        Reason::DoseTooEarly => (
            CONFLICT,
            "Too early for this dose",
            "The dose before is missing or too close. The value is the first instant that is far enough.",
        ),
        Reason::SlotPast => {
            (CONFLICT, "The slot has begun", "This time has begun or passed. Choose a later one.")
        }
        Reason::SlotFull => (
            CONFLICT,
            "The slot is full",
            "No place is free at this time. Choose another; places of holds that lapse come back within minutes.",
        ),
        Reason::QuotaUsedUp => (
            CONFLICT,
            "Everything has been given",
            "All places of this campaign or vaccine are held or booked. Holds that lapse come back within minutes.",
        ),
        Reason::ShareUsedUp => (
            CONFLICT,
            "Today's share has been given",
            "The places for today are held or booked. The next share opens at the instant in the value.",
        ),
        Reason::TooManyBookings => (
            CONFLICT,
            "Too many holds",
            "You have made more holds than one person may. The operator can help.",
        ),
        _ => return None,
    })
}

/// What the clinic's desk and telephone agents cannot do, and who stands by.
fn of_desks(reason: Reason) -> Option<Words> {
    Some(match reason {
        Reason::AgentShareNone => (
            FORBIDDEN,
            "Nobody comes in by telephone",
            "This room has no share of its pace for telephone agents. The operator can give it one.",
        ),
        Reason::NoShowTooEarly => (
            CONFLICT,
            "They may still come",
            "The person may still come. The value is the instant from which they are a no-show.",
        ),
        Reason::BookingMissed => (
            GONE,
            "The visit was missed",
            "Nobody came for this booking, so its place was given back. The dose can be booked again.",
        ),
        Reason::SlotAhead => (
            CONFLICT,
            "The slot is later today",
            "The desk gives this time's places later. The value is the instant from which it does.",
        ),
        Reason::TooManyStandbys => (
            CONFLICT,
            "Standing by at three clinics",
            "You stand by at as many clinics as one person may. Step back at one of them first.",
        ),
        Reason::StandbyUnknown => (NOT_FOUND, "Not standing by", "You do not stand by at this clinic."),
        Reason::TooManyProxied => (
            CONFLICT,
            "Booking for many others",
            "You book for as many others as one person may; the value is how many. Give one back first, or let them \
             book themselves.",
        ),
        Reason::ProxyUnknown => (
            NOT_FOUND,
            "Nobody else made it",
            "Nobody made this booking for somebody else, so there is nothing to end.",
        ),
        _ => return None,
    })
}

/// What a place that was held or booked cannot do any more.
fn of_bookings(reason: Reason) -> Words {
    match reason {
        Reason::BookingUnknown => (NOT_FOUND, "No such booking", "You have no booking with this number."),
        Reason::HoldLapsed => (
            GONE,
            "The hold has lapsed",
            "The place was kept for you until the hold ended and is free again. Nothing is booked. Choose again.",
        ),
        Reason::BookingCancelled => {
            (GONE, "The booking is cancelled", "This booking has been cancelled already.")
        }
        Reason::BookingConfirmed => (CONFLICT, "Booked already", "This is a booking already. It is stored."),
        Reason::BookingNotConfirmed => (CONFLICT, "Not booked", "Only a confirmed booking can do that."),
        Reason::BookingUsed => {
            (CONFLICT, "The dose has been given", "The visit is over; it cannot be changed.")
        }
        Reason::SameSlot => {
            (CONFLICT, "The same slot", "Your booking is for this slot already. It is stored.")
        }
        Reason::OtherCampaign => (
            CONFLICT,
            "Another campaign's slot",
            "A booking moves within its campaign only. Your booking is kept.",
        ),
        Reason::ContactUnknown => (NOT_FOUND, "No contact is kept", "No name or number of yours is kept."),
        _ => (CONFLICT, "Refused", "The request was refused. Nothing was changed."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_words_of_its_own() {
        for reason in Reason::ALL {
            let (status, title, detail) = words_of(*reason);
            assert_ne!(title, "Refused", "{reason:?} has no words");
            assert!(status.is_client_error() || status.is_server_error(), "{reason:?} is no success");
            assert!(detail.ends_with('.'), "{reason:?} speaks in sentences");
        }
    }
}
