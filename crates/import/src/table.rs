//! The CSV form: one table, one slot a line, the clinic's details repeated.
//!
//! Each line is parsed by itself, so that a quote left open spoils one line and not the file, and
//! memory stays bounded by the length of a line.

use std::collections::HashMap;

use super::fields;
use super::gather::{At, Gather, Offer, SlotDraft};
use super::open::Opener;
use super::report::{Code, Fault};
use super::{ImportError, ImportedClinic};

/// Names of the columns of a table, and whether each is needed.
pub const COLUMNS: [(&str, bool); 15] = [
    ("clinic_id", true),
    ("clinic_name", true),
    ("address", true),
    ("region", true),
    ("district", false),
    ("postcode", true),
    ("telephone", false),
    ("latitude", false),
    ("longitude", false),
    ("slot_id", false),
    ("starts_at", true),
    ("ends_at", true),
    ("capacity", true),
    ("vaccine", false),
    ("dose", false),
];

/// Which field of a line holds which column.
struct Header {
    /// Index of the field, by index into `COLUMNS`.
    fields: [Option<usize>; COLUMNS.len()],
    field_count: usize,
}

/// One line, by column name.
struct Row<'a> {
    header: &'a Header,
    record: csv::StringRecord,
}

impl Row<'_> {
    /// The field of a column, trimmed; empty if the table does not have the column.
    fn get(&self, column: &str) -> &str {
        let index = COLUMNS.iter().position(|(name, _)| *name == column);
        let index = index.expect("only columns of COLUMNS are asked for");
        self.header.fields[index].and_then(|field| self.record.get(field)).unwrap_or("").trim()
    }
}

/// Reads the whole table.
pub(super) fn read(opener: &Opener, gather: &mut Gather) -> Result<(), ImportError> {
    let input = opener.open_entry()?;
    let name = input.name.clone();
    let mut header: Option<Header> = None;
    let mut usable = true;
    let mut offers = HashMap::new();
    gather.each_line(input, |gather, at, line| {
        let record = match split(line) {
            Ok(record) => record,
            Err(fault) => {
                gather.leave_out(at, vec![fault]);
                return Ok(());
            }
        };
        let Some(header) = &header else {
            let (found, faults) = read_header(&record);
            usable = COLUMNS.iter().zip(found.fields).all(|((_, needed), at)| !needed || at.is_some());
            header = Some(found);
            if !faults.is_empty() {
                gather.leave_out(at, faults);
            }
            return Ok(());
        };
        // Without a needed column each line would repeat the same fault.
        if usable { read_row(gather, at, &Row { header, record }, &mut offers) } else { Ok(()) }
    })?;
    if header.is_none() {
        return Err(ImportError::Unreadable { name, why: "it has no header line".to_owned() });
    }
    Ok(())
}

/// The fields of one line.
fn split(line: &str) -> Result<csv::StringRecord, Fault> {
    // A doubled quote stands for one quote, so that a closed line always has an even number.
    if line.bytes().filter(|byte| *byte == b'"').count() % 2 != 0 {
        return Err(Fault::new(Code::MalformedRow, "a quote is not closed on this line"));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .buffer_capacity(line.len().max(1))
        .from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => Ok(record),
        _ => Err(Fault::new(Code::MalformedRow, "the line is not comma-separated text")),
    }
}

fn read_header(record: &csv::StringRecord) -> (Header, Vec<Fault>) {
    let mut header = Header { fields: [None; COLUMNS.len()], field_count: record.len() };
    let mut faults = Vec::new();
    for (field, name) in record.iter().enumerate() {
        let name = name.trim();
        match COLUMNS.iter().position(|(known, _)| *known == name) {
            Some(index) if header.fields[index].is_none() => header.fields[index] = Some(field),
            Some(_) => {
                let message = format!("column {name} is there twice");
                faults.push(Fault::new(Code::UnknownColumn, message));
            }
            None => {
                let message = format!("column {} is not known", fields::quoted(name));
                faults.push(Fault::new(Code::UnknownColumn, message));
            }
        }
    }
    for ((name, needed), found) in COLUMNS.iter().zip(header.fields) {
        if *needed && found.is_none() {
            faults.push(Fault::new(Code::MissingColumn, format!("column {name} is missing")));
        }
    }
    (header, faults)
}

/// A degree; `None` if empty. What is no number becomes one that is out of range.
fn degrees(value: &str) -> Option<f64> {
    if value.is_empty() { None } else { Some(value.parse().unwrap_or(f64::NAN)) }
}

fn read_clinic(row: &Row<'_>) -> Result<ImportedClinic, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut keep =
        |value: Result<String, Fault>| value.map_err(|fault| faults.push(fault)).unwrap_or_default();
    let mut clinic = ImportedClinic {
        source_id: keep(fields::id("clinic_id", row.get("clinic_id"))),
        name: keep(fields::required_text("clinic_name", row.get("clinic_name"))),
        address: keep(fields::required_text("address", row.get("address"))),
        region: keep(fields::required_text("region", row.get("region"))),
        district: keep(fields::text("district", row.get("district"))),
        postcode: keep(fields::postcode(row.get("postcode"), "", row.get("region"))),
        telephone: keep(fields::text("telephone", row.get("telephone"))),
        latitude_e6: None,
        longitude_e6: None,
    };
    match fields::position(degrees(row.get("latitude")), degrees(row.get("longitude"))) {
        Ok(position) => {
            clinic.latitude_e6 = position.map(|(latitude, _)| latitude);
            clinic.longitude_e6 = position.map(|(_, longitude)| longitude);
        }
        Err(fault) => faults.push(fault),
    }
    if faults.is_empty() { Ok(clinic) } else { Err(faults) }
}

/// The clinic of a line: new, or the one seen before with the same details. `None` if it is left
/// out, and reported.
fn clinic_of(gather: &mut Gather, at: At, row: &Row<'_>) -> Result<Option<u32>, ImportError> {
    let id = row.get("clinic_id");
    let draft = read_clinic(row);
    match gather.seen_clinic(id) {
        Some((Some(clinic), first)) => {
            let faults = match draft {
                Ok(draft) if draft == *gather.clinic_at(clinic) => return Ok(Some(clinic)),
                Ok(_) => {
                    let message = format!("details differ from line {}", first.line);
                    vec![Fault::new(Code::ClinicDiffers, message)]
                }
                Err(faults) => faults,
            };
            gather.leave_out(at, faults);
            Ok(None)
        }
        Some((None, first)) => {
            // The faults of its details were named once; a good line cannot follow a bad one,
            // since nobody knows which is right.
            let message = format!("clinic {} at line {} is left out", fields::quoted(id), first.line);
            gather.leave_out(at, vec![Fault::new(Code::ParentLeftOut, message)]);
            Ok(None)
        }
        None => {
            // What cannot be an id is not kept as one.
            let id = fields::id("clinic_id", id).ok();
            gather.clinic(at, id.as_deref(), draft)?;
            Ok(id.and_then(|id| gather.seen_clinic(&id)).and_then(|(clinic, _)| clinic))
        }
    }
}

fn dose(value: &str) -> Result<Option<u8>, Fault> {
    match value.parse::<u8>() {
        _ if value.is_empty() => Ok(None),
        Ok(dose) if dose > 0 => Ok(Some(dose)),
        _ => Err(Fault::new(Code::BadDose, format!("dose {}", fields::quoted(value)))),
    }
}

fn read_row(
    gather: &mut Gather,
    at: At,
    row: &Row<'_>,
    offers: &mut HashMap<Offer, u32>,
) -> Result<(), ImportError> {
    if row.record.len() != row.header.field_count {
        let (found, wanted) = (row.record.len(), row.header.field_count);
        let message = format!("{found} fields; the header has {wanted}");
        gather.leave_out(at, vec![Fault::new(Code::MalformedRow, message)]);
        return Ok(());
    }
    let Some(clinic) = clinic_of(gather, at, row)? else {
        return Ok(());
    };
    let (starts_at, ends_at) = (row.get("starts_at"), row.get("ends_at"));
    if starts_at.is_empty() && ends_at.is_empty() {
        return Ok(());
    }
    let mut faults = Vec::new();
    let id = row.get("slot_id");
    if !id.is_empty() {
        match fields::id("slot_id", id) {
            Ok(id) => faults.extend(gather.slot_id(at, &id)?),
            Err(fault) => faults.push(fault),
        }
    }
    let zones = gather.zones.of(row.get("region"));
    let starts = fields::instant("starts_at", starts_at, zones);
    let ends = fields::instant("ends_at", ends_at, zones);
    let shown = row.get("capacity");
    let capacity = fields::capacity(shown.parse().ok(), shown, gather.limits.capacity_max);
    let dose = dose(row.get("dose"));
    let vaccine = fields::text("vaccine", row.get("vaccine"));
    match (starts, ends, capacity, dose, vaccine) {
        (Ok(starts), Ok(ends), Ok(capacity), Ok(dose), Ok(vaccine)) if faults.is_empty() => {
            let vaccine = Some(vaccine).filter(|vaccine| !vaccine.is_empty());
            let offer = Offer { clinic, vaccine, dose };
            let offer = match offers.get(&offer) {
                Some(index) => *index,
                None => {
                    let index = gather.offer(offer.clone());
                    offers.insert(offer, index);
                    index
                }
            };
            let capacity = Some(capacity);
            let draft = SlotDraft { source_id: id.to_owned(), offer, starts, ends, capacity };
            faults.extend(gather.slot(at, draft)?);
        }
        (starts, ends, capacity, dose, vaccine) => {
            faults.extend([starts.err(), ends.err(), capacity.err()].into_iter().flatten());
            faults.extend([dose.err(), vaccine.err()].into_iter().flatten());
        }
    }
    if !faults.is_empty() {
        gather.leave_out(at, faults);
    }
    Ok(())
}
