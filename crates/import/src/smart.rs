//! SMART Scheduling Links: the manifest, then Locations, Schedules and Slots, in that order.
//!
//! The order of the manifest does not matter: references must be known before they are used, so all
//! files of one type are read before the next. Values are looked at one by one rather than through
//! a typed parse, so that each fault can be named.

use serde_json::Value;

use super::fields::{self, quoted};
use super::gather::{At, Gather, Offer, SlotDraft};
use super::open::{OpenError, Opener};
use super::report::{Code, Fault};
use super::{ImportError, ImportedClinic};

/// The types, in reading order.
const TYPES: [&str; 3] = ["Location", "Schedule", "Slot"];

/// A file that the manifest lists.
struct Listed {
    kind: &'static str,
    link: String,
    /// Where the manifest says so.
    at: At,
}

/// Reads the whole feed.
pub(super) fn read(opener: &Opener, gather: &mut Gather) -> Result<(), ImportError> {
    let listed = match opener.manifest()? {
        Some((name, text)) => read_manifest(gather, &name, &text)?,
        None => list_by_name(opener, gather)?,
    };
    for kind in TYPES {
        for file in listed.iter().filter(|file| file.kind == kind) {
            let input = match opener.open_link(&file.link) {
                Ok(input) => input,
                Err(OpenError::Forbidden(fault)) => {
                    gather.leave_out(file.at, vec![fault]);
                    continue;
                }
                Err(OpenError::Import(error)) => return Err(error),
            };
            gather.each_line(input, |gather, at, line| read_row(gather, at, line, kind))?;
        }
    }
    Ok(())
}

fn too_many_files(name: &str, gather: &Gather) -> ImportError {
    let limit = gather.limits.files_max as u64;
    ImportError::TooLarge { name: name.to_owned(), what: "files", limit }
}

fn read_manifest(gather: &mut Gather, name: &str, text: &str) -> Result<Vec<Listed>, ImportError> {
    let unreadable = |why: String| ImportError::Unreadable { name: name.to_owned(), why };
    let text = text.trim_start_matches('\u{feff}');
    let manifest: Value = serde_json::from_str(text)
        .map_err(|error| unreadable(format!("the manifest is not JSON: {error}")))?;
    let Some(output) = manifest.get("output").and_then(Value::as_array) else {
        return Err(unreadable("the manifest has no \"output\" list".to_owned()));
    };
    if output.len() > gather.limits.files_max {
        return Err(too_many_files(name, gather));
    }
    let file = gather.name_file(name);
    let mut listed = Vec::new();
    for (number, entry) in output.iter().enumerate() {
        let (kind, link) = (text_of(entry, "type"), text_of(entry, "url"));
        let at = At { file, line: link.map_or(1, |link| line_of(text, link)) };
        match (kind, link.filter(|link| !link.trim().is_empty())) {
            (Some(kind), Some(link)) => match TYPES.iter().find(|known| **known == kind) {
                Some(kind) => listed.push(Listed { kind, link: link.to_owned(), at }),
                // A bulk manifest may publish more than scheduling needs.
                None => gather
                    .report
                    .notes
                    .push(format!("{name} lists a file of {}, which is not needed; not read", quoted(kind))),
            },
            _ => {
                let message = format!("entry {} of output lacks a type or url", number + 1);
                gather.leave_out(at, vec![Fault::new(Code::UnknownFile, message)]);
            }
        }
    }
    if manifest.get("error").and_then(Value::as_array).is_some_and(|errors| !errors.is_empty()) {
        gather.report.notes.push(format!("{name}: the publisher lists errors of its own"));
    }
    Ok(listed)
}

/// The line of the manifest that holds a link; the first if it is written with escapes.
fn line_of(text: &str, link: &str) -> u64 {
    let needle = format!("\"{link}\"");
    text.lines().position(|line| line.contains(&needle)).map_or(1, |index| index as u64 + 1)
}

/// Files of a directory without a manifest: the type is in the name.
fn list_by_name(opener: &Opener, gather: &mut Gather) -> Result<Vec<Listed>, ImportError> {
    let names = opener.list_ndjson()?;
    if names.len() > gather.limits.files_max {
        return Err(too_many_files(&names[0], gather));
    }
    let mut listed = Vec::new();
    for name in names {
        let lower = name.to_ascii_lowercase();
        let at = At { file: gather.name_file(&name), line: 1 };
        match TYPES.iter().find(|kind| lower.starts_with(&kind.to_ascii_lowercase())) {
            Some(kind) => listed.push(Listed { kind, link: name, at }),
            None => {
                let message = "the name begins with none of location, schedule, slot";
                gather.leave_out(at, vec![Fault::new(Code::UnknownFile, message)]);
            }
        }
    }
    Ok(listed)
}

fn read_row(gather: &mut Gather, at: At, line: &str, kind: &str) -> Result<(), ImportError> {
    let row = match serde_json::from_str::<Value>(line) {
        Ok(row) if row.is_object() => row,
        Ok(_) => {
            let fault = Fault::new(Code::MalformedJson, "the line is JSON, but not an object");
            gather.leave_out(at, vec![fault]);
            return Ok(());
        }
        Err(error) => {
            // The error counts columns of this line; its own line number is always 1.
            let message = format!("column {}: not JSON", error.column());
            gather.leave_out(at, vec![Fault::new(Code::MalformedJson, message)]);
            return Ok(());
        }
    };
    let found = text_of(&row, "resourceType").unwrap_or_default();
    if found != kind {
        let message = format!("resourceType is {}, expected {kind:?}", quoted(found));
        gather.leave_out(at, vec![Fault::new(Code::WrongResourceType, message)]);
        return Ok(());
    }
    match kind {
        "Location" => read_location(gather, at, &row),
        "Schedule" => read_schedule(gather, at, &row),
        _ => read_slot(gather, at, &row),
    }
}

/// A string member; `None` if absent or of another type.
fn text_of<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get(field).and_then(Value::as_str)
}

/// A string member that may be absent, but not of another type.
fn optional_text(object: &Value, field: &str) -> Result<String, Fault> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(value)) => fields::text(field, value),
        Some(_) => Err(Fault::new(Code::BadField, format!("{field} is not a string"))),
    }
}

/// A string member that must be there.
fn needed_text(object: &Value, field: &str) -> Result<String, Fault> {
    let value = optional_text(object, field)?;
    fields::required_text(field, &value)
}

fn id_of(row: &Value) -> Result<String, Fault> {
    match row.get("id") {
        Some(Value::String(id)) => fields::id("id", id),
        None | Some(Value::Null) => Err(Fault::new(Code::MissingField, "id is empty")),
        Some(_) => Err(Fault::new(Code::BadField, "id is not a string")),
    }
}

/// The value, or its default with the fault noted.
fn or_note<T: Default>(value: Result<T, Fault>, faults: &mut Vec<Fault>) -> T {
    value.unwrap_or_else(|fault| {
        faults.push(fault);
        T::default()
    })
}

/// Ends a row: the draft if nothing was wrong.
fn judged<T>(draft: T, faults: Vec<Fault>) -> Result<T, Vec<Fault>> {
    if faults.is_empty() { Ok(draft) } else { Err(faults) }
}

fn list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Extensions by the last part of their URL: publishers use the registry's and HL7's prefix.
fn extensions<'a>(row: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    list(row, "extension").iter().filter(move |extension| {
        text_of(extension, "url").is_some_and(|url| url.rsplit('/').next() == Some(name))
    })
}

fn read_location(gather: &mut Gather, at: At, row: &Value) -> Result<(), ImportError> {
    let mut faults = Vec::new();
    let id = or_note(id_of(row), &mut faults);
    let name = or_note(needed_text(row, "name"), &mut faults);
    let nothing = Value::Null;
    let address = row.get("address").filter(|address| address.is_object());
    if address.is_none() {
        faults.push(Fault::new(Code::MissingField, "address is empty"));
    }
    let address = address.unwrap_or(&nothing);
    let city = or_note(optional_text(address, "city"), &mut faults);
    let county = or_note(optional_text(address, "district"), &mut faults);
    let region = or_note(optional_text(address, "state"), &mut faults);
    let country = or_note(optional_text(address, "country"), &mut faults);
    let postcode = match address.get("postalCode") {
        // Numbers lose their zeros on the way.
        Some(Value::Number(number)) => fields::postcode(&number.to_string(), &country, &region)
            .and_then(|_| Err(Fault::new(Code::BadField, "postalCode is a number; write it as text"))),
        Some(Value::String(value)) => fields::postcode(value, &country, &region),
        Some(_) => Err(Fault::new(Code::BadField, "postalCode is not a string")),
        None if address.is_null() => Ok(String::new()),
        None => Err(Fault::new(Code::MissingField, "postalCode is empty")),
    };
    let postcode = or_note(postcode, &mut faults);
    let mut lines: Vec<&str> = list(address, "line").iter().filter_map(Value::as_str).collect();
    if !city.is_empty() {
        lines.push(&city);
    }
    let one_line = or_note(fields::text("address", &lines.join(", ")), &mut faults);
    let phone = list(row, "telecom")
        .iter()
        .find(|contact| text_of(contact, "system") == Some("phone"))
        .and_then(|contact| text_of(contact, "value"));
    let telephone = or_note(fields::text("telecom", phone.unwrap_or_default()), &mut faults);
    let position = or_note(position_of(row), &mut faults);
    let clinic = ImportedClinic {
        source_id: id.clone(),
        name,
        address: one_line,
        region,
        district: if county.is_empty() { city } else { county },
        postcode,
        telephone,
        latitude_e6: position.map(|(latitude, _)| latitude),
        longitude_e6: position.map(|(_, longitude)| longitude),
    };
    gather.clinic(at, Some(&*id).filter(|id| !id.is_empty()), judged(clinic, faults))
}

fn position_of(row: &Value) -> Result<Option<(i32, i32)>, Fault> {
    let Some(position) = row.get("position").filter(|position| !position.is_null()) else {
        return Ok(None);
    };
    let degrees = |field| position.get(field).and_then(Value::as_f64);
    // An empty object says as much as half a position: it is not one.
    match fields::position(degrees("latitude"), degrees("longitude"))? {
        Some(position) => Ok(Some(position)),
        None => Err(Fault::new(Code::BadPosition, "latitude and longitude are missing")),
    }
}

/// The id in `Location/123`, in `https://example.org/fhir/Location/123`, and with a version behind.
fn referred<'a>(reference: &'a str, kind: &str) -> Option<&'a str> {
    let mut parts = reference.split('/');
    parts.find(|part| *part == kind)?;
    parts.next().filter(|id| !id.is_empty())
}

fn read_schedule(gather: &mut Gather, at: At, row: &Value) -> Result<(), ImportError> {
    let mut faults = Vec::new();
    let id = or_note(id_of(row), &mut faults);
    // Actors may be practitioners too; the place is the one that is a Location.
    let place = list(row, "actor")
        .iter()
        .filter_map(|actor| text_of(actor, "reference"))
        .find_map(|reference| referred(reference, "Location").map(|id| (reference, id)));
    let clinic = match place {
        Some((reference, id)) => gather.find_clinic(reference, id),
        None => Err(Fault::new(Code::MissingField, "actor names no Location")),
    };
    let clinic = or_note(clinic, &mut faults);
    let product = extensions(row, "vaccine-product").find_map(|product| product.get("valueCoding"));
    let vaccine = product.and_then(|coding| {
        [text_of(coding, "display"), text_of(coding, "code")]
            .into_iter()
            .flatten()
            .find(|name| !name.trim().is_empty())
    });
    let vaccine = or_note(fields::text("vaccine-product", vaccine.unwrap_or_default()), &mut faults);
    let dose = or_note(dose_of(row), &mut faults);
    let vaccine = Some(vaccine).filter(|vaccine| !vaccine.is_empty());
    let offer = Offer { clinic, vaccine, dose };
    gather.schedule(at, Some(&*id).filter(|id| !id.is_empty()), judged(offer, faults))
}

/// The dose, if all dose extensions name the same one.
fn dose_of(row: &Value) -> Result<Option<u8>, Fault> {
    let mut doses = Vec::new();
    for extension in extensions(row, "vaccine-dose") {
        let value = extension.get("valueInteger").unwrap_or(&Value::Null);
        match value.as_u64().and_then(|dose| u8::try_from(dose).ok()).filter(|dose| *dose > 0) {
            Some(dose) => doses.push(dose),
            None => {
                let message = format!("dose {}", quoted(&value.to_string()));
                return Err(Fault::new(Code::BadDose, message));
            }
        }
    }
    doses.dedup();
    Ok(if let [dose] = doses[..] { Some(dose) } else { None })
}

fn read_slot(gather: &mut Gather, at: At, row: &Value) -> Result<(), ImportError> {
    let mut faults = Vec::new();
    let id = or_note(id_of(row), &mut faults);
    if !id.is_empty()
        && let Some(fault) = gather.slot_id(at, &id)?
    {
        faults.push(fault);
    }
    let free = or_note(is_free(row), &mut faults);
    let reference = row.get("schedule").and_then(|schedule| text_of(schedule, "reference"));
    let offer = match reference.and_then(|text| referred(text, "Schedule").map(|id| (text, id))) {
        Some((reference, id)) => gather.find_schedule(reference, id).map(Some),
        None => Err(Fault::new(Code::MissingField, "schedule names no Schedule")),
    };
    let offer = or_note(offer, &mut faults);
    let region = offer.map(|offer| {
        let clinic = gather.offer_at(offer).clinic;
        gather.clinic_at(clinic).region.clone()
    });
    let zones = gather.zones.of(region.as_deref().unwrap_or_default());
    let mut instant = |field| match row.get(field) {
        Some(Value::String(value)) => match fields::instant(field, value, zones) {
            Ok(instant) => Some(instant),
            Err(fault) => {
                faults.push(fault);
                None
            }
        },
        _ => {
            faults.push(Fault::new(Code::MissingField, format!("{field} is not there")));
            None
        }
    };
    let times = (instant("start"), instant("end"));
    // A busy slot has no place to offer, so that a capacity of 0 is right there.
    let capacity = if free { capacity_of(row, gather.limits.capacity_max) } else { Ok(None) };
    let capacity = or_note(capacity, &mut faults);
    if let (true, Some(offer), (Some(starts), Some(ends))) = (faults.is_empty(), offer, times) {
        if !free {
            gather.report.slots_busy += 1;
            return Ok(());
        }
        let draft = SlotDraft { source_id: id, offer, starts, ends, capacity };
        faults.extend(gather.slot(at, draft)?);
    }
    if !faults.is_empty() {
        gather.leave_out(at, faults);
    }
    Ok(())
}

fn is_free(row: &Value) -> Result<bool, Fault> {
    match text_of(row, "status") {
        Some("free") => Ok(true),
        Some("busy" | "busy-unavailable" | "busy-tentative") => Ok(false),
        Some(other) => Err(Fault::new(Code::BadStatus, format!("status {}", quoted(other)))),
        None => Err(Fault::new(Code::MissingField, "status is empty")),
    }
}

fn capacity_of(row: &Value, max: u32) -> Result<Option<u32>, Fault> {
    let Some(extension) = extensions(row, "slot-capacity").next() else {
        return Ok(None);
    };
    let value = extension.get("valueInteger").unwrap_or(&Value::Null);
    fields::capacity(value.as_i64(), &value.to_string(), max).map(Some)
}
