//! What an operator takes away after an opening: bookings without names, places, and what was public.
//!
//! A table is written as it is read, some thousand rows at a time, so that millions of bookings cost no
//! more memory than one slice and nobody waits behind them. Each row is as it was when it was written.
//! That a table was taken is in the audit list. It must never hold anything of who somebody is. Start
//! reading at [`export`].

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use jari_core::booking::{Campaign, Clinic, Desk, Slot};
use jari_core::ids::{BookingId, CampaignId, SlotId};
use jari_core::{Data, Time};
use jari_wire::token::StaffSession;
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::actions::booking::status_of;
use crate::actions::waiting::event_kind;
use crate::actions::{campaigns, staff as members};
use crate::code;
use crate::problem::Problem;
use crate::site::Site;
use crate::table::push_row;

/// Rows that are looked at in one go: some hundred microseconds.
const SLICE: u64 = 2_048;

/// What can be taken away.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Export {
    /// Every booking there ever was, by its code.
    Bookings,
    /// Every time of every clinic, with what became of its places.
    Places,
    /// Every public event: openings, pauses, quotas, and their reasons.
    Events,
}

impl Export {
    /// All of them.
    pub const ALL: [Export; 3] = [Export::Bookings, Export::Places, Export::Events];

    /// Its name, in addresses and of files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Export::Bookings => "bookings",
            Export::Places => "places",
            Export::Events => "events",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Export> {
        Export::ALL.into_iter().find(|export| export.name() == name)
    }

    fn head(self) -> &'static [&'static str] {
        match self {
            Export::Bookings => &[
                "booking",
                "code",
                "status",
                "dose",
                "slot",
                "starts_at",
                "clinic",
                "clinic_name",
                "region",
                "district",
                "vaccine",
                "channel",
                "changed_at",
            ],
            Export::Places => &[
                "slot",
                "starts_at",
                "clinic",
                "clinic_name",
                "region",
                "district",
                "vaccine",
                "capacity",
                "free",
                "held",
                "booked",
                "used",
                "withdrawn",
            ],
            Export::Events => &["event", "at", "kind", "subject", "value", "reason"],
        }
    }
}

/// A table of a campaign.
///
/// # Errors
///
/// `campaign_unknown`; when it cannot be noted.
pub async fn export(
    site: &Arc<Site>,
    staff: &StaffSession,
    campaign: CampaignId,
    export: Export,
) -> Result<Rows, Problem> {
    campaigns::campaign(site, campaign)?;
    let on = format!("campaign {}, {}", campaign.0, export.name());
    members::note(site, staff, "export_campaign", on, "").await?;
    Ok(Rows { site: Arc::clone(site), campaign, export, next: Next::Head })
}

/// A table, as the body of an answer.
pub struct Rows {
    site: Arc<Site>,
    campaign: CampaignId,
    export: Export,
    next: Next,
}

/// Where a table goes on.
#[derive(Copy, Clone)]
enum Next {
    Head,
    From(u64),
    Nothing,
}

impl Body for Rows {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = match self.next {
            Next::Head => self.head(),
            Next::From(number) => self.slice(number),
            Next::Nothing => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))))
    }
}

impl Rows {
    fn head(&mut self) -> String {
        // A mark by which spreadsheets know UTF-8.
        let mut text = String::from("\u{feff}");
        push_row(&mut text, self.export.head());
        self.next = Next::From(0);
        text
    }

    /// Some more of the table, which may be nothing: not every row is of this campaign.
    fn slice(&mut self, from: u64) -> String {
        let (site, campaign, export) = (&self.site, self.campaign, self.export);
        let (text, next) = site.node.read(|state| {
            let data = state.data();
            let (first, end) = match export {
                Export::Bookings => (0, data.bookings.end()),
                Export::Places => (0, data.slots.end()),
                Export::Events => (data.events.first(), data.events.end()),
            };
            let from = from.max(first);
            let upto = end.min(from + SLICE);
            let mut text = String::new();
            for number in from..upto {
                match export {
                    Export::Bookings => booking_row(site, data, campaign, number, &mut text),
                    Export::Places => places_row(site, data, campaign, number, &mut text),
                    Export::Events => event_row(site, data, number, &mut text),
                };
            }
            (text, if upto == end { Next::Nothing } else { Next::From(upto) })
        });
        self.next = next;
        text
    }
}

/// A slot of the campaign, and whose it is.
struct Place<'a> {
    slot: &'a Slot,
    desk: &'a Desk,
    clinic: &'a Clinic,
    campaign: &'a Campaign,
}

fn place(data: &Data, campaign: CampaignId, slot: SlotId) -> Option<Place<'_>> {
    let slot = data.slots.get(u64::from(slot.0))?;
    let desk = data.desks.get(u64::from(slot.desk.0)).filter(|desk| desk.campaign == campaign)?;
    let clinic = data.clinics.get(u64::from(desk.clinic.0))?;
    Some(Place { slot, desk, clinic, campaign: data.campaigns.get(&campaign)? })
}

impl Place<'_> {
    fn vaccine(&self) -> &str {
        let vaccine = self.campaign.config.vaccines.get(usize::from(self.slot.vaccine.0));
        vaccine.map_or("", |vaccine| &vaccine.name)
    }
}

fn booking_row(site: &Site, data: &Data, campaign: CampaignId, number: u64, text: &mut String) -> Option<()> {
    let booking = data.bookings.get(number)?;
    let at = place(data, campaign, booking.slot)?;
    let id = BookingId(u32::try_from(number).ok()?);
    let config = &at.clinic.config;
    push_row(
        text,
        &[
            &number.to_string(),
            &code::encode(&site.keys, id),
            status_of(booking.state).name(),
            &booking.dose.to_string(),
            &booking.slot.0.to_string(),
            &instant(site, at.slot.starts_at),
            &at.desk.clinic.0.to_string(),
            &config.name,
            &config.region,
            &config.district,
            at.vaccine(),
            &booking.channel.0.to_string(),
            &instant(site, booking.until),
        ],
    );
    Some(())
}

fn places_row(site: &Site, data: &Data, campaign: CampaignId, number: u64, text: &mut String) -> Option<()> {
    let at = place(data, campaign, SlotId(u32::try_from(number).ok()?))?;
    let (config, supply) = (&at.clinic.config, &at.slot.supply);
    let counts = [supply.capacity, supply.free(), supply.held, supply.booked, supply.used, supply.withdrawn];
    let [capacity, free, held, booked, used, withdrawn] = counts.map(|count| count.to_string());
    push_row(
        text,
        &[
            &number.to_string(),
            &instant(site, at.slot.starts_at),
            &at.desk.clinic.0.to_string(),
            &config.name,
            &config.region,
            &config.district,
            at.vaccine(),
            &capacity,
            &free,
            &held,
            &booked,
            &used,
            &withdrawn,
        ],
    );
    Some(())
}

fn event_row(site: &Site, data: &Data, number: u64, text: &mut String) -> Option<()> {
    let event = data.events.get(number)?;
    push_row(
        text,
        &[
            &number.to_string(),
            &instant(site, event.at),
            event_kind(event.kind),
            &event.subject.to_string(),
            &event.value.to_string(),
            &event.reason,
        ],
    );
    Some(())
}

/// An instant with its offset (RFC 3339), by the service's clock.
fn instant(site: &Site, at: Time) -> String {
    let offset = Offset::from_seconds(i32::from(site.options.utc_offset_min) * 60).unwrap_or(Offset::UTC);
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    at.display_with_offset(offset).to_string()
}
