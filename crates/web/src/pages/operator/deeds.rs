//! What the operator does. Dangerous deeds are shown once more before they are done.

use axum::extract::{Form, Path};
use axum::response::Response;
use http::StatusCode;
use jari_core::Time;
use jari_core::ids::{CampaignId, RoomId};
use jari_wire::token::StaffSession;
use serde::Deserialize;

use super::subjects;
use crate::actions::campaigns::WindowView;
use crate::actions::operator::campaigns::Windows;
use crate::actions::operator::{self, campaigns as deeds};
use crate::actions::waiting::PaceView;
use crate::actions::{campaigns, waiting};
use crate::pages::caller::{Caller, Failed};
use crate::pages::failure::sentence;
use crate::pages::respond::see_other;
use crate::pages::views::{Confirm, Figure};
use crate::problem::Problem;

/// Any of the operator's forms: each uses some of the fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeedForm {
    csrf: String,
    sure: String,
    reason: String,
    opens_at: String,
    closes_at: String,
    notices: String,
    entries: String,
    passes: String,
    ttl: String,
    latency: String,
    errors: String,
    quota: String,
    beacon: String,
    share: String,
}

impl DeedForm {
    fn is_sure(&self) -> bool {
        self.sure == "yes"
    }

    /// What was written, to be carried through the question.
    fn written(&self) -> Vec<Figure> {
        let all = [
            ("reason", &self.reason),
            ("opens_at", &self.opens_at),
            ("closes_at", &self.closes_at),
            ("quota", &self.quota),
            ("beacon", &self.beacon),
            ("share", &self.share),
        ];
        all.into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| Figure { key, value: value.clone() })
            .collect()
    }
}

/// A whole number as people write it, with or without separators.
pub(super) fn whole(text: &str) -> Result<u32, Problem> {
    let digits: String = text.chars().filter(|character| !matches!(character, ',' | ' ')).collect();
    digits.parse().map_err(|_| Problem::unfit("A number is written in digits."))
}

/// Thousandths of per cent as people write them: `12.5`.
fn permille(text: &str) -> Result<u32, Problem> {
    let unfit =
        || Problem::unfit("A share is written in per cent, with one digit behind the point at the most.");
    let (whole, tenth) =
        text.trim().trim_end_matches('%').trim_end().split_once('.').unwrap_or((text.trim(), "0"));
    let is_tenth = tenth.len() == 1 && tenth.bytes().all(|byte| byte.is_ascii_digit());
    let whole: u32 = whole.trim_end_matches('%').trim_end().parse().map_err(|_| unfit())?;
    let tenth: u32 = if is_tenth { tenth.parse().map_err(|_| unfit())? } else { return Err(unfit()) };
    whole.checked_mul(10).and_then(|tens| tens.checked_add(tenth)).ok_or_else(unfit)
}

/// `POST /operator/rooms/{room}/{deed}`.
///
/// # Errors
///
/// `staff_only`, `not_found`. The machine's refusals are shown on the room's page.
pub async fn do_room(
    caller: Caller,
    Path((id, deed)): Path<(u32, String)>,
    Form(form): Form<DeedForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let staff = caller.staff()?;
    let name = waiting::room(&caller.site, RoomId(id))?.name;
    let back = format!("/operator/rooms/{id}");
    if let Some(question) = question(&deed, &form) {
        let page = confirm(&caller, question, name, &back, &deed, &form)?;
        return caller.page(&page, StatusCode::OK);
    }
    match room_deed(&caller, &staff, RoomId(id), &deed, &form).await {
        Ok(()) => Ok(see_other(&format!("{back}?done=1"))),
        Err(problem) if problem.code == "not_found" => Err(problem.into()),
        Err(problem) => {
            let page = subjects::room_page(&caller, id, false, Some(sentence(&caller.words, &problem)))?;
            caller.page(&page, problem.status)
        }
    }
}

async fn room_deed(
    caller: &Caller,
    staff: &StaffSession,
    room: RoomId,
    deed: &str,
    form: &DeedForm,
) -> Result<(), Problem> {
    let site = &caller.site;
    let reason = form.reason.trim();
    match deed {
        "pause" => operator::pause_room(site, staff, room, reason, None).await,
        "resume" => operator::resume_room(site, staff, room, None).await,
        "close" => operator::close_room(site, staff, room, reason, None).await,
        "open" => operator::open_room(site, staff, room, reason, None).await,
        "draw" => operator::draw_room(site, staff, room, form.beacon.trim(), None).await,
        "schedule" => {
            let opens_at = instant(caller, &form.opens_at)?;
            operator::schedule_room(site, staff, room, opens_at, reason, None).await
        }
        "pace" => {
            let pace = PaceView {
                entries_per_minute_max: whole(&form.entries)?,
                passes_max: whole(&form.passes)?,
                pass_ttl_ms: whole(&form.ttl)?.saturating_mul(1000),
                latency_goal_ms: whole(&form.latency)?,
                error_goal_ppm: whole(&form.errors)?,
            };
            operator::set_pace(site, staff, room, &pace, reason, None).await
        }
        "agent-share" => {
            let permille = permille(&form.share)?;
            operator::set_agent_share(site, staff, room, permille, reason, None).await
        }
        "notices" => {
            let lines = form.notices.lines().map(str::trim).filter(|line| !line.is_empty());
            let notices: Vec<String> = lines.map(str::to_owned).collect();
            operator::set_notices(site, staff, room, &notices, None).await
        }
        _ => Err(Problem::not_found()),
    }
}

/// `POST /operator/campaigns/{campaign}/{deed}`.
///
/// # Errors
///
/// `staff_only`, `not_found`. The machine's refusals are shown on the campaign's page.
pub async fn do_campaign(
    caller: Caller,
    Path((id, deed)): Path<(u32, String)>,
    Form(form): Form<DeedForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let staff = caller.staff()?;
    let campaign = CampaignId(id);
    let name = campaigns::campaign(&caller.site, campaign)?.name;
    let back = format!("/operator/campaigns/{id}");
    if let Some(question) = question(&deed, &form) {
        let page = confirm(&caller, question, name, &back, &deed, &form)?;
        return caller.page(&page, StatusCode::OK);
    }
    let (site, reason) = (&caller.site, form.reason.trim());
    let done = match deed.as_str() {
        "pause" => deeds::pause_campaign(site, &staff, campaign, reason, None).await,
        "resume" => deeds::resume_campaign(site, &staff, campaign, None).await,
        "close" => deeds::close_campaign(site, &staff, campaign, reason, None).await,
        "quota" => match whole(&form.quota) {
            Ok(quota) => deeds::set_quota(site, &staff, campaign, None, quota, reason, None).await,
            Err(problem) => Err(problem),
        },
        "windows" => match window(&caller, &form) {
            Ok(windows) => deeds::set_windows(site, &staff, campaign, &windows, reason, None).await,
            Err(problem) => Err(problem),
        },
        _ => return Err(Problem::not_found().into()),
    };
    match done {
        Ok(()) => Ok(see_other(&format!("{back}?done=1"))),
        Err(problem) => {
            let page = subjects::campaign_page(&caller, id, false, Some(sentence(&caller.words, &problem)))?;
            caller.page(&page, problem.status)
        }
    }
}

/// A time as its field writes it.
fn instant(caller: &Caller, text: &str) -> Result<Time, Problem> {
    let unfit = || Problem::unfit("A time is written YYYY-MM-DDTHH:MM.");
    caller.words.parse_input_time(text).ok_or_else(unfit)
}

/// One stretch of time for everybody.
fn window(caller: &Caller, form: &DeedForm) -> Result<Windows, Problem> {
    let window = WindowView {
        opens_at_ms: instant(caller, &form.opens_at)?.0,
        closes_at_ms: instant(caller, &form.closes_at)?.0,
        digits: (0..10).collect(),
        share_ppm: 1_000_000,
    };
    Ok(Windows::Each(vec![window]))
}

/// What is asked before a dangerous deed.
struct Question {
    what: &'static str,
    consequence: &'static str,
    go: &'static str,
}

fn question(deed: &str, form: &DeedForm) -> Option<Question> {
    let question = |what, consequence, go| Some(Question { what, consequence, go });
    match deed {
        _ if form.is_sure() => None,
        "pause" => question("op-pause", "op-pause-hint", "op-pause-go"),
        "close" => question("op-close", "op-close-hint", "op-close-go"),
        "schedule" => question("op-schedule", "op-schedule-hint", "op-schedule-go"),
        "windows" => question("op-windows", "op-windows-hint", "op-windows-go"),
        "open" => question("op-open", "op-open-hint", "op-open-go"),
        "draw" => question("op-draw", "op-draw-hint", "op-draw-go"),
        "agent-share" => question("op-share", "op-share-hint", "op-share-go"),
        "quota" => question("op-set-quota", "op-set-quota-hint", "op-set-quota-go"),
        _ => None,
    }
}

fn confirm(
    caller: &Caller,
    question: Question,
    subject: String,
    back: &str,
    deed: &str,
    form: &DeedForm,
) -> Result<Confirm, Problem> {
    let label = |key: &str| match key {
        "reason" => "op-reason",
        "opens_at" => "op-opens",
        "closes_at" => "opening-closes",
        "quota" => "op-quota",
        "share" => "op-share-percent",
        _ => "op-beacon",
    };
    let hidden = form.written();
    let shown =
        hidden.iter().map(|field| Figure { key: label(field.key), value: field.value.clone() }).collect();
    Ok(Confirm {
        f: caller.frame_at(back)?,
        what: question.what,
        subject,
        consequence: question.consequence,
        shown,
        action: format!("{back}/{deed}"),
        hidden,
        go: question.go,
        back: back.to_owned(),
    })
}
