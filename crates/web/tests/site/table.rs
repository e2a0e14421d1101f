//! A shared table in memory that can be away, be another one, or tell of no changes. The
//! vault's own tests use it, too.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Asked, Changed, Changes, Created, Kept, SharedTable, Standing, TableFault};

/// So few at a time that everything takes several questions.
const CHANGES_MAX: usize = 3;

#[derive(Default)]
struct Inner {
    life: u64,
    revision: u64,
    entries: BTreeMap<String, Kept>,
}

impl Inner {
    fn keep(&mut self, name: &str, value: Option<Vec<u8>>) -> u64 {
        self.revision += 1;
        self.entries.insert(name.to_owned(), Kept { revision: self.revision, value });
        self.revision
    }
}

/// See the module's documentation.
#[derive(Default)]
#[allow(dead_code, reason = "each test binary uses its own part of this")]
pub struct MemoryTable {
    inner: Mutex<Inner>,
    away: AtomicBool,
    silent: AtomicBool,
}

#[allow(dead_code, reason = "each test binary uses its own part of this")]
impl MemoryTable {
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Whoever follows it hears nothing.
    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// Puts an empty table in its place.
    pub fn lose(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *inner = Inner { life: inner.life + 1, ..Inner::default() };
    }

    pub fn names(&self) -> Vec<String> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).entries.keys().cloned().collect()
    }

    /// Any text that is part of a value.
    pub fn holds(&self, text: &[u8]) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values = inner.entries.values().filter_map(|kept| kept.value.as_deref());
        values.any(|value| value.windows(text.len()).any(|part| part == text))
    }

    fn answer<T: Send + 'static>(&self, work: impl FnOnce(&mut Inner) -> T) -> Asked<'_, T> {
        if self.away.load(Ordering::Relaxed) {
            return Box::pin(ready(Err(TableFault::Away("it was told to".into()))));
        }
        Box::pin(ready(Ok(work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner)))))
    }
}

impl SharedTable for MemoryTable {
    fn standing(&self) -> Asked<'_, Standing> {
        self.answer(|inner| Standing {
            life: inner.life.to_string(),
            revision: inner.revision,
            names: inner.entries.len() as u64,
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> Asked<'a, Option<Kept>> {
        self.answer(|inner| inner.entries.get(name).cloned())
    }

    fn create<'a>(&'a self, name: &'a str, value: &'a [u8]) -> Asked<'a, Created> {
        self.answer(|inner| match inner.entries.get(name) {
            Some(kept) if kept.value.is_some() => Created::Before(kept.clone()),
            _ => Created::Now(inner.keep(name, Some(value.to_vec()))),
        })
    }

    fn put<'a>(&'a self, name: &'a str, value: &'a [u8], _lasts_s: Option<u64>) -> Asked<'a, u64> {
        self.answer(|inner| inner.keep(name, Some(value.to_vec())))
    }

    fn replace<'a>(&'a self, name: &'a str, value: &'a [u8], revision: u64) -> Asked<'a, Option<u64>> {
        self.answer(|inner| {
            let is_last = inner.entries.get(name).is_some_and(|kept| kept.revision == revision);
            is_last.then(|| inner.keep(name, Some(value.to_vec())))
        })
    }

    fn erase<'a>(&'a self, name: &'a str) -> Asked<'a, u64> {
        self.answer(|inner| inner.keep(name, None))
    }

    fn changes(&self, after: u64) -> Asked<'_, Changes> {
        let after = if self.silent.load(Ordering::Relaxed) { u64::MAX } else { after };
        self.answer(move |inner| {
            let mut changed: Vec<Changed> = inner
                .entries
                .iter()
                .filter(|(_, kept)| kept.revision > after)
                .map(|(name, kept)| Changed { name: name.clone(), kept: kept.clone() })
                .collect();
            changed.sort_by_key(|changed| changed.kept.revision);
            let more = changed.len() > CHANGES_MAX;
            changed.truncate(CHANGES_MAX);
            Changes { changed, more }
        })
    }
}
