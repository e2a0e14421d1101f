//! Keeps the rows that are well, and tells repeats and duplicates from new ones.
//!
//! Both forms end here, so both obey the same limits. Nothing is kept of a row with a fault but its
//! id, so that rows which refer to it are told so.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::fields::{Instant, quoted};
use super::lines::{Line, Lines, LinesError};
use super::open::Input;
use super::report::{Code, Fault, ImportReport};
use super::zones::Zones;
use super::{Import, ImportError, ImportOptions, ImportedClinic, ImportedSlot, Limits};

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    /// Index into the files read so far.
    pub file: u32,
    pub line: u64,
}

/// A row that others refer to.
enum Known<T> {
    Good(T),
    LeftOut,
}

/// What a slot needs from its schedule (SMART) or its row (CSV).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Offer {
    pub clinic: u32,
    pub vaccine: Option<String>,
    pub dose: Option<u8>,
}

/// A slot whose values are all well.
pub(super) struct SlotDraft {
    pub source_id: String,
    /// Index into the offers.
    pub offer: u32,
    pub starts: Instant,
    pub ends: Instant,
    /// `None`: not stated, that is, 1, and equal slots add up.
    pub capacity: Option<u32>,
}

pub(super) struct Gather {
    pub limits: Limits,
    pub zones: Zones,
    pub report: ImportReport,
    files: Vec<String>,
    clinics: Vec<ImportedClinic>,
    clinic_ids: HashMap<String, (Known<u32>, At)>,
    offers: Vec<Offer>,
    schedule_ids: HashMap<String, (Known<u32>, At)>,
    slots: Vec<ImportedSlot>,
    slot_ids: HashMap<String, At>,
    /// Offer and times of each slot: index into `slots`, where it stands, whether it stated a
    /// capacity.
    slot_times: HashMap<(u32, i64, i64), (u32, At, bool)>,
}

impl Gather {
    pub fn new(options: &ImportOptions) -> Gather {
        Gather {
            limits: options.limits.clone(),
            zones: Zones::new(options.zone.clone()),
            report: ImportReport::default(),
            files: Vec::new(),
            clinics: Vec::new(),
            clinic_ids: HashMap::new(),
            offers: Vec::new(),
            schedule_ids: HashMap::new(),
            slots: Vec::new(),
            slot_ids: HashMap::new(),
            slot_times: HashMap::new(),
        }
    }

    /// Reports the faults of a row.
    pub fn leave_out(&mut self, at: At, faults: Vec<Fault>) {
        let listed_max = self.limits.problems_listed_max;
        self.report.add(&self.files[at.file as usize], at.line, faults, listed_max);
    }

    /// Makes a file's name known, for places in it.
    pub fn name_file(&mut self, name: &str) -> u32 {
        self.files.push(name.to_owned());
        u32::try_from(self.files.len() - 1).expect("files are limited")
    }

    /// Reads a file line by line. Lines that cannot be read are reported, blank ones passed over.
    pub fn each_line(
        &mut self,
        input: Input,
        mut row: impl FnMut(&mut Gather, At, &str) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let remote = input.is_remote();
        let Input { name, reader, .. } = input;
        let file = self.name_file(&name);
        self.report.files += 1;
        let file_bytes_max = self.limits.file_bytes_max;
        let mut lines = Lines::new(reader, self.limits.line_bytes_max, file_bytes_max);
        loop {
            let next = lines.next_line().map_err(|error| match error {
                LinesError::Io(error) => Input::failed(name.clone(), remote, &error),
                LinesError::TooLarge => {
                    let name = name.clone();
                    ImportError::TooLarge { name, what: "bytes", limit: file_bytes_max }
                }
            })?;
            let Some((line, content)) = next else { break };
            let at = At { file, line };
            match content {
                Line::Text(text) if text.trim().is_empty() => {}
                Line::Text(text) => row(self, at, text)?,
                Line::TooLong => {
                    let message = format!("over {} bytes", self.limits.line_bytes_max);
                    self.leave_out(at, vec![Fault::new(Code::LineTooLong, message)]);
                }
                Line::NotUtf8 => {
                    self.leave_out(at, vec![Fault::new(Code::NotUtf8, "the line is not UTF-8")]);
                }
            }
        }
        if lines.had_mark {
            self.report.notes.push(format!("{name} begins with a byte order mark; accepted"));
        }
        if lines.had_crlf {
            self.report.notes.push(format!("{name} has CRLF line ends; accepted"));
        }
        Ok(())
    }

    fn place(&self, at: At) -> String {
        format!("{}:{}", self.files[at.file as usize], at.line)
    }

    fn too_many(&self, at: At, what: &'static str, limit: usize) -> ImportError {
        let name = self.files[at.file as usize].clone();
        ImportError::TooLarge { name, what, limit: limit as u64 }
    }

    fn repeated(&self, what: &str, id: &str, first: At) -> Fault {
        let message = format!("{what} id {} was used at {}", quoted(id), self.place(first));
        Fault::new(Code::RepeatedId, message)
    }

    /// Takes a clinic, or reports it. A repeated id leaves the first clinic as it is.
    pub fn clinic(
        &mut self,
        at: At,
        id: Option<&str>,
        draft: Result<ImportedClinic, Vec<Fault>>,
    ) -> Result<(), ImportError> {
        if let Some((_, first)) = id.and_then(|id| self.clinic_ids.get(id)) {
            let mut faults = vec![self.repeated("clinic", id.unwrap_or_default(), *first)];
            faults.extend(draft.err().unwrap_or_default());
            self.leave_out(at, faults);
            return Ok(());
        }
        // What is left out counts towards the limit too, since its id is kept.
        if self.clinic_ids.len() >= self.limits.clinics_max {
            return Err(self.too_many(at, "clinics", self.limits.clinics_max));
        }
        let known = match draft {
            Ok(clinic) => {
                self.clinics.push(clinic);
                Known::Good(index(self.clinics.len() - 1))
            }
            Err(faults) => {
                self.leave_out(at, faults);
                Known::LeftOut
            }
        };
        if let Some(id) = id {
            self.clinic_ids.insert(id.to_owned(), (known, at));
        }
        Ok(())
    }

    /// Index of the clinic with an id, or why there is none.
    pub fn find_clinic(&self, shown: &str, id: &str) -> Result<u32, Fault> {
        find(&self.clinic_ids, shown, id, |first| self.place(first))
    }

    /// The clinic with an id, if it was seen and is well.
    pub fn seen_clinic(&self, id: &str) -> Option<(Option<u32>, At)> {
        self.clinic_ids.get(id).map(|(known, at)| match known {
            Known::Good(clinic) => (Some(*clinic), *at),
            Known::LeftOut => (None, *at),
        })
    }

    pub fn clinic_at(&self, clinic: u32) -> &ImportedClinic {
        &self.clinics[clinic as usize]
    }

    /// Takes a schedule, or reports it.
    pub fn schedule(
        &mut self,
        at: At,
        id: Option<&str>,
        draft: Result<Offer, Vec<Fault>>,
    ) -> Result<(), ImportError> {
        if let Some((_, first)) = id.and_then(|id| self.schedule_ids.get(id)) {
            let mut faults = vec![self.repeated("schedule", id.unwrap_or_default(), *first)];
            faults.extend(draft.err().unwrap_or_default());
            self.leave_out(at, faults);
            return Ok(());
        }
        if self.schedule_ids.len() >= self.limits.schedules_max {
            return Err(self.too_many(at, "schedules", self.limits.schedules_max));
        }
        let known = match draft {
            Ok(offer) => Known::Good(self.offer(offer)),
            Err(faults) => {
                self.leave_out(at, faults);
                Known::LeftOut
            }
        };
        if let Some(id) = id {
            self.schedule_ids.insert(id.to_owned(), (known, at));
        }
        Ok(())
    }

    /// Index of the offer of the schedule with an id, or why there is none.
    pub fn find_schedule(&self, shown: &str, id: &str) -> Result<u32, Fault> {
        find(&self.schedule_ids, shown, id, |first| self.place(first))
    }

    /// Keeps an offer; its index.
    pub fn offer(&mut self, offer: Offer) -> u32 {
        self.offers.push(offer);
        index(self.offers.len() - 1)
    }

    pub fn offer_at(&self, offer: u32) -> &Offer {
        &self.offers[offer as usize]
    }

    /// Notes the id of a slot, well or not; the fault if it was used before.
    pub fn slot_id(&mut self, at: At, id: &str) -> Result<Option<Fault>, ImportError> {
        if let Some(first) = self.slot_ids.get(id).copied() {
            return Ok(Some(self.repeated("slot", id, first)));
        }
        if self.slot_ids.len() >= self.limits.slots_max {
            return Err(self.too_many(at, "slots", self.limits.slots_max));
        }
        self.slot_ids.insert(id.to_owned(), at);
        Ok(None)
    }

    /// Takes a slot whose values are well, adds it to an equal one, or gives the fault to report.
    pub fn slot(&mut self, at: At, draft: SlotDraft) -> Result<Option<Fault>, ImportError> {
        let SlotDraft { source_id, offer, starts, ends, capacity } = draft;
        if ends.ms <= starts.ms {
            let message = match (starts.ms - ends.ms) / 1_000 {
                0 => "the slot ends when it starts".to_owned(),
                seconds => format!("the slot ends {seconds} s before it starts"),
            };
            return Ok(Some(Fault::new(Code::EndBeforeStart, message)));
        }
        let unchecked = !starts.offset_checked || !ends.offset_checked;
        let next = index(self.slots.len());
        match self.slot_times.entry((offer, starts.ms, ends.ms)) {
            Entry::Occupied(found) => {
                let (first, first_at, stated) = *found.get();
                let slot = &mut self.slots[first as usize];
                if stated || capacity.is_some() || slot.capacity >= self.limits.capacity_max {
                    let message = format!("same schedule and times as {}", self.place(first_at));
                    return Ok(Some(Fault::new(Code::DuplicateSlot, message)));
                }
                slot.capacity += 1;
            }
            Entry::Vacant(room) => {
                if self.slots.len() >= self.limits.slots_max {
                    return Err(self.too_many(at, "slots", self.limits.slots_max));
                }
                room.insert((next, at, capacity.is_some()));
                let Offer { clinic, vaccine, dose } = self.offers[offer as usize].clone();
                self.slots.push(ImportedSlot {
                    clinic: clinic as usize,
                    starts_at_ms: starts.ms,
                    ends_at_ms: ends.ms,
                    capacity: capacity.unwrap_or(1),
                    vaccine,
                    dose,
                    source_id,
                });
            }
        }
        self.report.offsets_unchecked += u64::from(unchecked);
        Ok(None)
    }

    /// What was read.
    pub fn finish(self) -> Import {
        let Gather { mut report, clinics, slots, .. } = self;
        report.clinics = clinics.len() as u64;
        report.slots = slots.len() as u64;
        report.places = slots.iter().map(|slot| u64::from(slot.capacity)).sum();
        Import { clinics, slots, report }
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("limits are below four billion")
}

fn find(
    ids: &HashMap<String, (Known<u32>, At)>,
    shown: &str,
    id: &str,
    place: impl Fn(At) -> String,
) -> Result<u32, Fault> {
    match ids.get(id) {
        Some((Known::Good(found), _)) => Ok(*found),
        Some((Known::LeftOut, first)) => {
            let message = format!("{} at {} is left out", quoted(shown), place(*first));
            Err(Fault::new(Code::ParentLeftOut, message))
        }
        None => Err(Fault::new(Code::DanglingReference, format!("{} is in no file", quoted(shown)))),
    }
}
