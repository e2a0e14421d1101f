//! One file of the faulty disk: what is seen, what is durable, and what a
//! power cut makes of the difference. Also the seeded source of chance.
//!
//! It must never know names, handles or faults.

use std::collections::BTreeSet;

use crate::disk::faulty::CrashFate;

const SECTOR_BYTES: usize = 512;

#[derive(Default)]
pub(super) struct Inode {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Sectors written since the last sync, failed or not.
    pub(super) dirty: BTreeSet<usize>,
    /// The size changed since the last sync.
    pub(super) resized: bool,
}

pub(super) fn sector(bytes: &[u8], index: usize) -> &[u8] {
    let from = (index * SECTOR_BYTES).min(bytes.len());
    &bytes[from..(from + SECTOR_BYTES).min(bytes.len())]
}

impl Inode {
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if end > self.seen.len() {
            self.seen.resize(end, 0);
            self.resized = true;
        }
        self.seen[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES);
    }

    pub(super) fn truncate(&mut self, bytes: usize) {
        self.seen.resize(bytes, 0);
        self.resized = true;
        // The rest of the last sector reads as zero from now on.
        self.dirty.insert(bytes / SECTOR_BYTES);
    }

    pub(super) fn sync(&mut self) {
        if self.resized {
            self.durable.resize(self.seen.len(), 0);
        }
        for index in std::mem::take(&mut self.dirty) {
            // Writing a sector out brings the size along with it, even if an
            // earlier failed sync dropped the change of size.
            let needs = ((index + 1) * SECTOR_BYTES).min(self.seen.len());
            if needs > self.durable.len() {
                self.durable.resize(needs, 0);
            }
            self.keep_sector(index, self.durable.len());
        }
        self.resized = false;
    }

    /// Makes one sector durable, as far as the durable size `bytes` goes.
    pub(super) fn keep_sector(&mut self, index: usize, bytes: usize) {
        let from = index * SECTOR_BYTES;
        let mut content = sector(&self.seen, index).to_vec();
        content.resize(SECTOR_BYTES, 0);
        let to = (from + SECTOR_BYTES).min(bytes);
        if from < to {
            self.durable[from..to].copy_from_slice(&content[..to - from]);
        }
    }

    pub(super) fn crash(&mut self, fate: CrashFate, random: &mut SplitMix) {
        let dirty = std::mem::take(&mut self.dirty);
        let resized = std::mem::take(&mut self.resized);
        let (old, new) = (self.durable.len(), self.seen.len());
        let changed = resized || !dirty.is_empty();
        match fate {
            CrashFate::KeepPrefix if changed => {
                // Bytes change in the order of the file; the size follows them.
                let cut = random.below(old.max(new) + 1);
                if resized {
                    let size = if new < old { new.max(cut.min(old)) } else { old.max(cut.min(new)) };
                    self.durable.resize(size, 0);
                }
                for index in dirty {
                    let from = index * SECTOR_BYTES;
                    let to = (from + SECTOR_BYTES).min(cut).min(self.durable.len()).min(new);
                    if from < to {
                        self.durable[from..to].copy_from_slice(&self.seen[from..to]);
                    }
                }
            }
            CrashFate::KeepSectors if changed => {
                if resized && random.below(2) == 1 {
                    self.durable.resize(new, 0);
                }
                for index in dirty {
                    if random.below(2) == 1 {
                        // A written sector may bring the size along with it.
                        let needs = ((index + 1) * SECTOR_BYTES).min(new);
                        if needs > self.durable.len() && resized {
                            self.durable.resize(needs, 0);
                        }
                        self.keep_sector(index, self.durable.len());
                    }
                }
            }
            _ => {}
        }
        self.seen = self.durable.clone();
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
pub(super) struct SplitMix(pub(super) u64);

impl SplitMix {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Less than `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }
}
