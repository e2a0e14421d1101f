//! The changes that a whole country sends in the same second: joining, entering, holding,
//! confirming. They are matched by their path and go straight to what the handlers of the
//! routes call, too: matching, boxes around bodies and futures, and extensions are work
//! that a join has no use for.
//!
//! It must never decide anything that the handlers do not: a test sends each request both
//! ways. Start reading at [`Rush::of`].

use axum::BoxError;
use bytes::Bytes;
use http::{Method, Request, Response};
use jari_core::ids::{BookingId, RoomId};

use super::{Answer, bookings, rooms};
use crate::network::{Peer, address_of};
use crate::site::Site;

/// One of these changes, with the number in its path.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Rush {
    /// A place in a room's line.
    Join(RoomId),
    /// A pass for a ticket.
    Enter(RoomId),
    /// A place at a clinic, for a few minutes.
    Hold,
    /// A held place becomes a booking.
    Confirm(BookingId),
}

impl Rush {
    /// The change at this address, if it is one of them.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Rush> {
        if *method != Method::POST {
            return None;
        }
        let path = path.strip_prefix("/api/v1/")?;
        if path == "holds" {
            return Some(Rush::Hold);
        }
        let (kind, rest) = path.split_once('/')?;
        let (number, what) = rest.split_once('/')?;
        // `parse` alone would let a sign through; leading zeros mean the same to the routes.
        let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse::<u32>())?.ok()?;
        match (kind, what) {
            ("rooms", "tickets") => Some(Rush::Join(RoomId(number))),
            ("rooms", "passes") => Some(Rush::Enter(RoomId(number))),
            ("bookings", "confirm") => Some(Rush::Confirm(BookingId(number))),
            _ => None,
        }
    }

    /// Answers as the routes would.
    pub(crate) async fn answer<B>(self, site: &Site, peer: Peer, request: Request<B>) -> Response<Bytes>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let headers = &parts.headers;
        let answered = match self {
            Rush::Join(room) => rooms::join(site, room, address_of(headers, peer.0, site), headers).await,
            Rush::Enter(room) => rooms::enter(site, room, headers).await.map(Answer::whole),
            Rush::Hold => bookings::hold_place(site, headers, body).await.map(Answer::whole),
            Rush::Confirm(booking) => bookings::confirm_hold(site, booking, headers).await.map(Answer::whole),
        };
        answered.unwrap_or_else(|problem| problem.whole())
    }
}
