//! What a desk does to its places: so many in all, so many withdrawn, a time more.

use std::time::Duration;

use jari_core::Time;
use jari_core::ids::{DeskId, SlotId};
use jari_wire::token::StaffSession;

use super::DeskForm;
use crate::actions::IdempotencyKey;
use crate::actions::operator::desk::{self, NewTime};
use crate::actions::operator::directory;
use crate::pages::caller::Caller;
use crate::pages::operator::deeds::whole;
use crate::problem::Problem;

/// A new time is looked for so often, with so long between.
const LOOKS: u32 = 20;
const MOMENT: Duration = Duration::from_millis(25);

/// Does it.
///
/// # Errors
///
/// `not_found` for what is none of these; `unfit`; the machine's refusals.
pub(super) async fn change(
    caller: &Caller,
    staff: &StaffSession,
    desk: u32,
    deed: &str,
    form: &DeskForm,
) -> Result<(), Problem> {
    let (site, reason) = (&caller.site, form.reason.trim());
    match deed {
        "capacity" => {
            directory::set_capacity(site, staff, form.slot()?, whole(&form.places)?, reason, None).await
        }
        "withdrawn" => {
            directory::set_withdrawn(site, staff, form.slot()?, whole(&form.places)?, reason, None).await
        }
        "time" => {
            let new = NewTime {
                starts_at_ms: at(caller, &form.date, &form.time)?.0,
                vaccine: form.vaccine.parse().unwrap_or(0),
                capacity: whole(&form.places)?,
            };
            let key = IdempotencyKey::parse(&form.key)?;
            let slot = desk::add_time(site, staff, DeskId(desk), new, &key).await?;
            // The next page lists times as they are published, some moments later.
            for _ in 0..LOOKS {
                if desk::is_listed(site, DeskId(desk), SlotId(slot)) {
                    break;
                }
                tokio::time::sleep(MOMENT).await;
            }
            Ok(())
        }
        _ => Err(Problem::not_found()),
    }
}

/// A time of a day.
fn at(caller: &Caller, day: &str, time: &str) -> Result<Time, Problem> {
    let at = caller.words.parse_input_time(&format!("{}T{}", day.trim(), time.trim()));
    at.ok_or_else(|| Problem::unfit("A time of day is written HH:MM."))
}
