//! An opening from a table: choose the file, look at what is in it, write down what else is asked for,
//! choose the file once more, make it.
//!
//! A file cannot be kept between two pages, so it comes twice; what was written comes back whenever
//! something does not fit. Start reading at [`look_at_table`] and [`create_opening`].

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Multipart;
use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use jari_core::Time;
use jari_core::booking::Window;
use jari_core::rules::RULES_REMINDERS;
use jari_core::time::Date;
use jari_core::waiting_room::Pace;

use super::deeds::whole;
use crate::actions::IdempotencyKey;
use crate::actions::campaigns::parse_date;
use crate::actions::operator::campaigns::{BirthDigitDays, Windows};
use crate::actions::operator::opening::{self, Looked, Opening, TABLE_BYTES_MAX, Table};
use crate::pages::caller::{Caller, Failed};
use crate::pages::failure::sentence;
use crate::pages::respond::see_other;
use crate::pages::views::{BadRow, Figure, LookedTable, OpeningFields, OpeningPage};
use crate::pages::words::grouped;
use crate::problem::Problem;

/// Bytes of a whole form: the table and what is written beside it.
pub const FORM_BYTES_MAX: usize = TABLE_BYTES_MAX + 64 * 1024;
/// Fields of a form, and bytes of each: more than any page here asks for.
const FIELDS_MAX: usize = 40;
const FIELD_BYTES_MAX: usize = 1_024;
const DAY_MS: u64 = 86_400_000;
/// A table to begin with.
const EXAMPLE: &str = "\u{feff}clinic_id,clinic_name,address,region,district,postcode,telephone,starts_at,ends_at,capacity,vaccine\r\n\
    a1,하늘의원,서울 중구 세종대로 1,서울,중구,04524,02-000-0000,2027-03-02T09:00:00+09:00,2027-03-02T09:30:00+09:00,6,Moderna\r\n\
    a1,하늘의원,서울 중구 세종대로 1,서울,중구,04524,02-000-0000,2027-03-02T09:30:00+09:00,2027-03-02T10:00:00+09:00,6,Moderna\r\n";
/// The columns, and whether each is needed.
const COLUMNS: [(&str, bool); 15] = jari_import::COLUMNS;

/// A form with a file in it, which is looked at only once it is known who sends it.
type Upload = Result<Multipart, MultipartRejection>;

/// What came in it.
#[derive(Default)]
struct Sent {
    fields: BTreeMap<String, String>,
    table: Option<Table>,
}

impl Sent {
    async fn read(form: Upload) -> Result<Sent, Problem> {
        let mut form = form.map_err(|_| Problem::malformed("This form is sent with a file in it."))?;
        let mut sent = Sent::default();
        let (mut name, mut bytes) = (String::new(), None);
        while let Some(field) = form.next_field().await.map_err(unreadable)? {
            let of = field.name().unwrap_or_default().to_owned();
            if of == "table" {
                name = shown_name(field.file_name().unwrap_or_default());
                bytes = Some(field.bytes().await.map_err(unreadable)?);
                continue;
            }
            let text = field.text().await.map_err(unreadable)?;
            if sent.fields.len() == FIELDS_MAX || text.len() > FIELD_BYTES_MAX {
                return Err(Problem::malformed("The form has more in it than its page asks for."));
            }
            sent.fields.insert(of, text);
        }
        let skip_bad = sent.is("skip_bad");
        let full = bytes.filter(|bytes| !bytes.is_empty());
        sent.table = full.map(|bytes| Table { name, bytes: Arc::from(&*bytes), skip_bad });
        Ok(sent)
    }

    fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |text| text.trim())
    }

    fn is(&self, name: &str) -> bool {
        self.text(name) == "yes"
    }

    fn table(&self) -> Result<&Table, Problem> {
        self.table.as_ref().ok_or_else(|| Problem::unfit("Choose a file with a table in it."))
    }

    /// What was written, to be shown again.
    fn fields(&self) -> OpeningFields {
        let text = |name: &str| self.text(name).to_owned();
        OpeningFields {
            seen: text("seen"),
            key: text("key"),
            campaign: text("campaign"),
            room: text("room"),
            name: text("name"),
            vaccine: self.fields.contains_key("vaccine").then(|| text("vaccine")),
            quota: text("quota"),
            born_from: text("born_from"),
            born_until: text("born_until"),
            doses: text("doses"),
            interval: text("interval"),
            opens_at: text("opens_at"),
            closes_at: text("closes_at"),
            by_digit: self.is("by_digit"),
            entries: text("entries"),
            passes: text("passes"),
            turn: text("turn"),
            hold: text("hold"),
            reminder: text("reminder"),
            identity_bound: self.is("identity_bound"),
        }
    }
}

fn unreadable(error: MultipartError) -> Problem {
    let status = error.status();
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::caller(
            status,
            "table_large",
            "The table is too large",
            "A table has 32 MB at the most. Nothing was changed. Take parts of it, or `jari import`.",
        ),
        _ => Problem::malformed("The form did not arrive whole. Nothing was changed; send it again."),
    }
}

/// The end of a file's name, as a report shows it.
fn shown_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars().filter(|character| !character.is_control()).take(80).collect()
}

/// `GET /operator/openings`: choose a table.
///
/// # Errors
///
/// `staff_only`, `role_unfit`.
pub async fn get_openings(caller: Caller) -> Result<Response, Failed> {
    caller.staff()?;
    caller.page(&empty(&caller)?, StatusCode::OK)
}

/// `GET /operator/openings/example.csv`: a table to begin with.
///
/// # Errors
///
/// `staff_only`, `role_unfit`.
pub async fn get_example(caller: Caller) -> Result<Response, Failed> {
    caller.staff()?;
    let mut response = EXAMPLE.into_response();
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    let file = HeaderValue::from_static("attachment; filename=\"clinics.csv\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, file);
    Ok(response)
}

/// `POST /operator/openings/look`: says what is in a table, and asks for the rest.
///
/// # Errors
///
/// `staff_only`, `form_expired`; what is wrong with the table is shown.
pub async fn look_at_table(caller: Caller, form: Upload) -> Result<Response, Failed> {
    // Nobody else's megabytes are read.
    caller.staff()?;
    let sent = Sent::read(form).await?;
    caller.check_form(sent.text("csrf"))?;
    let looked = async {
        let table = sent.table()?;
        Ok((table, opening::look(&caller.site, table).await?))
    };
    let page = OpeningPage { skip_bad: sent.is("skip_bad"), ..empty(&caller)? };
    match looked.await {
        Err(problem) => with_problem(&caller, page, &problem),
        Ok((table, looked)) if looked.is_usable => {
            let form = Some(proposal(&caller, table, &looked)?);
            let looked = Some(shown(&caller, table, looked));
            caller.page(&OpeningPage { looked, form, ..page }, StatusCode::OK)
        }
        Ok((table, looked)) => {
            let problem = Some(caller.words.t("opening-bad"));
            let looked = Some(shown(&caller, table, looked));
            caller.page(&OpeningPage { looked, problem, ..page }, StatusCode::UNPROCESSABLE_ENTITY)
        }
    }
}

/// `POST /operator/openings/create`: makes campaign, room, clinics and times.
///
/// # Errors
///
/// `staff_only`, `form_expired`; what does not fit is shown above the form, which keeps what was written.
pub async fn create_opening(caller: Caller, form: Upload) -> Result<Response, Failed> {
    let staff = caller.staff()?;
    let sent = Sent::read(form).await?;
    caller.check_form(sent.text("csrf"))?;
    match create(&caller, &staff, &sent).await {
        Ok(campaign) => Ok(see_other(&format!("/operator/campaigns/{campaign}?done=1"))),
        Err(problem) => {
            let form = Some(sent.fields());
            let page = OpeningPage { skip_bad: sent.is("skip_bad"), form, ..empty(&caller)? };
            with_problem(&caller, page, &problem)
        }
    }
}

async fn create(
    caller: &Caller,
    staff: &jari_wire::token::StaffSession,
    sent: &Sent,
) -> Result<u32, Problem> {
    if !sent.is("sure") {
        return Err(Problem::unfit("Look at all of it once more, and say that you did."));
    }
    let opening = opening_of(caller, sent)?;
    let (campaign, table) = (opening.campaign, sent.table()?.clone());
    let key = IdempotencyKey::parse(sent.text("key"))?;
    // Whoever closes the page does not stop it half-way.
    let (site, staff, seen) = (Arc::clone(&caller.site), *staff, sent.text("seen").to_owned());
    let creating =
        tokio::spawn(async move { opening::create(&site, &staff, &table, &seen, &opening, &key).await });
    let lost = |_| Problem::ours("It stopped half-way. Send the same form again: it goes on from there.");
    creating.await.map_err(lost)??;
    Ok(campaign)
}

/// What was written, as what is to be made.
fn opening_of(caller: &Caller, sent: &Sent) -> Result<Opening, Problem> {
    let number = |name: &'static str| whole(sent.text(name)).map_err(|_| misread(name));
    let date = |name: &'static str| parse_date(sent.text(name)).ok_or_else(|| misread(name));
    let ms =
        |name: &'static str, unit_ms: u32| number(name)?.checked_mul(unit_ms).ok_or_else(|| misread(name));
    let at = |name: &'static str| caller.words.parse_input_time(sent.text(name)).ok_or_else(|| misread(name));
    Ok(Opening {
        campaign: number("campaign")?,
        room: number("room")?,
        name: sent.text("name").to_owned(),
        vaccine: sent.text("vaccine").to_owned(),
        quota: number("quota")?,
        born: (date("born_from")?, date("born_until")?),
        doses: (
            u8::try_from(number("doses")?).map_err(|_| misread("doses"))?,
            u16::try_from(number("interval")?).map_err(|_| misread("interval"))?,
        ),
        windows: windows(caller, at("opens_at")?, at("closes_at")?, sent.is("by_digit"))?,
        hold_ms: ms("hold", 60_000)?,
        reminder_ms: ms("reminder", 3_600_000)?,
        pace: Pace {
            entries_per_minute_max: number("entries")?,
            passes_max: number("passes")?,
            pass_ttl_ms: ms("turn", 60_000)?,
            latency_goal_ms: 1_500,
            error_goal_ppm: 10_000,
        },
        bookings_per_pass: 1,
        identity_bound: sent.is("identity_bound"),
    })
}

/// One window for everybody, or ten days by birth digit and then days for everybody.
fn windows(caller: &Caller, opens_at: Time, closes_at: Time, by_digit: bool) -> Result<Vec<Window>, Problem> {
    if closes_at <= opens_at {
        return Err(Problem::unfit("Booking ends before it opens."));
    }
    if !by_digit {
        return Ok(vec![Window { opens_at, closes_at, digits: 0x3ff, share_ppm: 1_000_000 }]);
    }
    let offset_min = caller.site.options.utc_offset_min;
    let first = opens_at.date(offset_min);
    let local_ms = opens_at.0.saturating_add_signed(i64::from(offset_min) * 60_000) % DAY_MS;
    let afterwards = closes_at.since_ms(opens_at) / DAY_MS;
    let days = BirthDigitDays {
        first_day: crate::actions::campaigns::date_text(first),
        opens_minute: u16::try_from(local_ms / 60_000).unwrap_or(0),
        open_minutes: 22 * 60,
        days_for_everyone: u16::try_from(afterwards.saturating_sub(10).min(366)).unwrap_or(0),
    };
    Windows::BirthDigitDays(days).to_windows(offset_min)
}

fn misread(field: &'static str) -> Problem {
    Problem::unfit(format!("{field}: this is no number, day or time. Nothing was made."))
}

fn empty(caller: &Caller) -> Result<OpeningPage, Problem> {
    Ok(OpeningPage {
        f: caller.frame_at("/operator/openings")?,
        problem: None,
        detail: String::new(),
        skip_bad: false,
        looked: None,
        form: None,
        columns: COLUMNS.to_vec(),
    })
}

fn with_problem(caller: &Caller, page: OpeningPage, problem: &Problem) -> Result<Response, Failed> {
    let told = Some(sentence(&caller.words, problem));
    let page = OpeningPage { problem: told, detail: problem.detail.to_string(), ..page };
    caller.page(&page, problem.status)
}

/// What a form proposes before anything was written: a week from now, everybody at once.
fn proposal(caller: &Caller, table: &Table, looked: &Looked) -> Result<OpeningFields, Problem> {
    let (campaign, room) = opening::free_numbers(&caller.site);
    let now = caller.site.node.now();
    let offset_min = caller.site.options.utc_offset_min;
    let today = i64::from(now.date(offset_min).0);
    // 20:00 by the service's clock.
    let evening = |days: i64| {
        let ms = (today + days) * DAY_MS as i64 + (20 * 60 - i64::from(offset_min)) * 60_000;
        caller.words.input_time(Time(u64::try_from(ms).unwrap_or(0)))
    };
    let reminds = caller.site.node.status().rules >= RULES_REMINDERS;
    let names_none = looked.doses.iter().any(|doses| doses.vaccine.is_empty());
    let (year, ..) = Date(i32::try_from(today).unwrap_or(0)).civil();
    Ok(OpeningFields {
        seen: table.hash(),
        key: IdempotencyKey::random()?.as_str().to_owned(),
        campaign: campaign.to_string(),
        room: room.to_string(),
        name: String::new(),
        vaccine: names_none.then(String::new),
        quota: grouped(looked.report.places),
        born_from: "1900-01-01".into(),
        born_until: format!("{year}-12-31"),
        doses: "1".into(),
        interval: "28".into(),
        opens_at: evening(7),
        closes_at: evening(14),
        by_digit: false,
        entries: "600".into(),
        passes: "1,000".into(),
        turn: "10".into(),
        hold: "5".into(),
        reminder: if reminds { "24" } else { "0" }.into(),
        identity_bound: true,
    })
}

fn shown(caller: &Caller, table: &Table, looked: Looked) -> LookedTable {
    let Looked { report, doses, times, .. } = looked;
    let figure = |key, value: u64| Figure { key, value: grouped(value) };
    let bad = |problem: &jari_import::Problem| BadRow {
        line: problem.line,
        code: problem.code.as_str(),
        says: format!("{}. {}", problem.message, problem.advice),
    };
    LookedTable {
        name: table.name.clone(),
        figures: vec![
            figure("opening-clinics", report.clinics),
            figure("opening-slots", report.slots),
            figure("opening-places", report.places),
            figure("opening-left-out", report.rows_left_out),
        ],
        doses: doses.into_iter().map(|doses| (doses.vaccine, grouped(doses.places))).collect(),
        span: times.map(|(first, last)| (caller.words.when_dated(first), caller.words.when_dated(last))),
        more: report.problems_not_listed(),
        problems: report.problems.iter().map(bad).collect(),
        notes: report.notes,
    }
}
