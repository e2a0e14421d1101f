//! A long sequence in chunks that can be frozen: that costs a pointer per chunk, and a
//! chunk is copied only when it is written to while a frozen sequence still holds it.
//!
//! Snapshots rest on this: the writer freezes the state in about a millisecond and
//! goes on, while another thread encodes what was frozen. It also serves as a queue:
//! elements are numbered from the beginning of time, and the front can be dropped.
//!
//! It must never be indexed by a number that a person can send without asking
//! [`Chunked::get`] first: the other accessors assert.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

/// Elements in a chunk. A write to a shared chunk copies at most this many.
const CHUNK_LEN: u64 = 1024;

/// See the module's documentation. Elements are numbered `first()..end()`. A clone is a
/// full copy; see [`Chunked::freeze`] for the cheap one.
#[derive(Clone, Debug)]
pub struct Chunked<T> {
    /// Full chunks, of which the first is the one that holds `first`.
    full: VecDeque<Chunk<T>>,
    /// The chunk being filled; never full, never shared.
    tail: Vec<T>,
    first: u64,
    end: u64,
}

/// A full chunk. Between snapshots nearly all are owned, so that a write asks nobody:
/// counting the owners by an atomic operation was a sixth of the cost of a booking.
#[derive(Clone, Debug)]
enum Chunk<T> {
    Owned(Box<[T]>),
    /// A frozen sequence holds it too, or did.
    Shared(Arc<Box<[T]>>),
}

impl<T> Chunk<T> {
    fn elements(&self) -> &[T] {
        match self {
            Chunk::Owned(elements) => elements,
            Chunk::Shared(elements) => elements,
        }
    }

    fn into_shared(self) -> Arc<Box<[T]>> {
        match self {
            Chunk::Owned(elements) => Arc::new(elements),
            Chunk::Shared(elements) => elements,
        }
    }
}

impl<T: Clone> Chunk<T> {
    fn elements_mut(&mut self) -> &mut [T] {
        if let Chunk::Shared(_) = self {
            self.take_back();
        }
        match self {
            Chunk::Owned(elements) => elements,
            Chunk::Shared(_) => unreachable!("it was just taken back"),
        }
    }

    /// Copies a shared chunk, unless whoever shared it has dropped it since.
    #[cold]
    fn take_back(&mut self) {
        let shared = mem::replace(self, Chunk::Owned(Box::default())).into_shared();
        *self = Chunk::Owned(Arc::unwrap_or_clone(shared));
    }
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Chunked { full: VecDeque::new(), tail: Vec::new(), first: 0, end: 0 }
    }
}

impl<T: Clone + PartialEq> PartialEq for Chunked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.first == other.first && self.end == other.end && self.iter().eq(other.iter())
    }
}

impl<T: Clone + Eq> Eq for Chunked<T> {}

impl<T: Clone> Chunked<T> {
    /// The number of the oldest element still kept.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// One past the number of the newest element: the number the next one will get.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// How many elements are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.end - self.first) as usize
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// The element with this number, if it is kept.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&T> {
        if number < self.first || number >= self.end {
            return None;
        }
        let (chunk, at) = self.place(number);
        match self.full.get(chunk) {
            Some(full) => full.elements().get(at),
            None => self.tail.get(at),
        }
    }

    /// The element with this number, to be changed. Copies its chunk if a frozen
    /// sequence still holds it.
    #[must_use]
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        if number < self.first || number >= self.end {
            return None;
        }
        let (chunk, at) = self.place(number);
        match self.full.get_mut(chunk) {
            Some(full) => full.elements_mut().get_mut(at),
            None => self.tail.get_mut(at),
        }
    }

    /// Appends an element and gives its number.
    pub fn push(&mut self, element: T) -> u64 {
        let number = self.end;
        self.tail.push(element);
        self.end += 1;
        if self.end.is_multiple_of(CHUNK_LEN) {
            let next = Vec::with_capacity(CHUNK_LEN as usize);
            let full = mem::replace(&mut self.tail, next).into_boxed_slice();
            self.full.push_back(Chunk::Owned(full));
        }
        number
    }

    /// Drops the oldest element and returns it. Its memory is freed with its chunk.
    pub fn pop_front(&mut self) -> Option<T> {
        let oldest = self.get(self.first)?.clone();
        self.first += 1;
        if self.first.is_multiple_of(CHUNK_LEN) {
            self.full.pop_front();
        }
        Some(oldest)
    }

    /// A copy that shares all full chunks with this sequence. Costs tens of nanoseconds
    /// a chunk; no element of a full chunk is copied before it is written to.
    #[must_use]
    pub fn freeze(&mut self) -> Chunked<T> {
        let shared = mem::take(&mut self.full).into_iter().map(Chunk::into_shared);
        let (kept, frozen) =
            shared.map(|chunk| (Chunk::Shared(Arc::clone(&chunk)), Chunk::Shared(chunk))).unzip();
        self.full = kept;
        Chunked { full: frozen, tail: self.tail.clone(), first: self.first, end: self.end }
    }

    /// The oldest element.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.get(self.first)
    }

    /// The newest element.
    #[must_use]
    pub fn back(&self) -> Option<&T> {
        self.get(self.end.checked_sub(1)?)
    }

    /// All elements kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let skipped = (self.first % CHUNK_LEN) as usize;
        let chunks = self.full.iter().map(Chunk::elements).chain([self.tail.as_slice()]);
        chunks.flatten().skip(skipped)
    }

    fn place(&self, number: u64) -> (usize, usize) {
        let chunk = number / CHUNK_LEN - self.first / CHUNK_LEN;
        (chunk as usize, (number % CHUNK_LEN) as usize)
    }
}

impl<T: Clone + Default> Chunked<T> {
    /// An empty sequence whose next element gets the number `first`: how a queue is
    /// brought back from a snapshot.
    #[must_use]
    pub fn starting_at(first: u64) -> Self {
        let mut tail = Vec::new();
        tail.resize((first % CHUNK_LEN) as usize, T::default());
        Chunked { full: VecDeque::new(), tail, first, end: first }
    }
}

impl<T: Clone> FromIterator<T> for Chunked<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut sequence = Chunked::default();
        for element in elements {
            sequence.push(element);
        }
        sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_sequence_does_not_see_later_writes() {
        let mut sequence: Chunked<u32> = (0..5000).collect();
        let frozen = sequence.freeze();
        let again = sequence.freeze();
        *sequence.get_mut(4000).unwrap() = 7;
        *sequence.get_mut(4999).unwrap() = 8;
        sequence.push(9);
        assert!(frozen.iter().copied().eq(0..5000));
        assert_eq!(again, frozen);
        assert_eq!(sequence.get(4000), Some(&7));
        assert_eq!(sequence.get(4999), Some(&8));
        assert_eq!(sequence.get(5000), Some(&9));
    }

    #[test]
    fn only_chunks_that_someone_still_holds_are_copied() {
        let mut sequence: Chunked<u32> = (0..5000).collect();
        let place = |sequence: &Chunked<u32>, number| core::ptr::from_ref(sequence.get(number).unwrap());
        let before = [place(&sequence, 0), place(&sequence, 2000)];
        let frozen = sequence.freeze();
        *sequence.get_mut(0).unwrap() = 7;
        assert_ne!(place(&sequence, 0), before[0]);
        assert_eq!(place(&frozen, 0), before[0]);
        drop(frozen);
        *sequence.get_mut(2000).unwrap() = 7;
        assert_eq!(place(&sequence, 2000), before[1]);
    }

    #[test]
    fn a_queue_behaves_like_the_one_of_the_standard_library() {
        let mut ours = Chunked::starting_at(1500);
        let mut model = VecDeque::new();
        let mut seed = 7_u64;
        for step in 0..20_000_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if seed >> 62 == 0 {
                assert_eq!(ours.pop_front(), model.pop_front());
            } else {
                ours.push(step);
                model.push_back(step);
            }
            assert_eq!(ours.front(), model.front());
            assert_eq!(ours.back(), model.back());
            assert_eq!(ours.len(), model.len());
        }
        assert!(ours.iter().eq(model.iter()));
        while ours.pop_front().is_some() {}
        assert!(ours.is_empty());
        assert_eq!(ours.push(1), ours.first());
    }
}
