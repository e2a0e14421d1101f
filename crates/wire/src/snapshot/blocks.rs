//! Elements into blocks and back. Who writes and who reads name the same elements in
//! the same order; an element never spans two blocks.

use std::io::{self, Read, Write};

use super::{Section, SnapshotError};
use crate::codec::{Fault, Reader, Sink, Wire, Writer};

/// A block ends after the element with which its content reaches this many bytes.
const BLOCK_BYTES: usize = 1 << 20;
/// Content of a block at the most: an element is far smaller than the difference.
const BLOCK_BYTES_MAX: usize = 2 << 20;
/// Bytes of a block before its content: tag and length.
const HEAD_BYTES: usize = 5;
const HASH_BYTES: usize = 32;

/// Cuts elements into blocks and writes them.
pub(super) struct BlockWriter<'a> {
    out: &'a mut dyn Write,
    /// The block in the making, its head included.
    block: Writer,
    section: Section,
    state: blake3::Hasher,
}

impl<'a> BlockWriter<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> BlockWriter<'a> {
        let mut block = Writer::default();
        block.buffer.reserve(BLOCK_BYTES + (64 << 10));
        block.bytes(&[0; HEAD_BYTES]);
        BlockWriter { out, block, section: Section::Head, state: blake3::Hasher::new() }
    }

    /// Ends the section before and begins one, which must get an element at least.
    pub(super) fn section(&mut self, section: Section) -> io::Result<()> {
        self.end_section()?;
        self.section = section;
        Ok(())
    }

    /// Appends one element to the section.
    #[inline]
    pub(super) fn element<T: Wire>(&mut self, element: &T) -> io::Result<()> {
        element.put(&mut self.block);
        if self.block.buffer.len() >= HEAD_BYTES + BLOCK_BYTES { self.cut() } else { Ok(()) }
    }

    /// Writes what is left of the section.
    pub(super) fn end_section(&mut self) -> io::Result<()> {
        if self.block.buffer.len() > HEAD_BYTES { self.cut() } else { Ok(()) }
    }

    /// The hash of the state's blocks that have been written.
    pub(super) fn state_hash(&self) -> [u8; 32] {
        *self.state.finalize().as_bytes()
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end_section()?;
        self.out.flush()
    }

    fn cut(&mut self) -> io::Result<()> {
        let len = self.block.buffer.len() - HEAD_BYTES;
        assert!(!self.block.unfit, "texts and lists of the state are within core's limits");
        assert!(len <= BLOCK_BYTES_MAX, "elements of a snapshot are small");
        self.block.buffer[0] = self.section as u8;
        self.block.buffer[1..HEAD_BYTES].copy_from_slice(&(len as u32).to_le_bytes());
        let hash = blake3::hash(&self.block.buffer);
        if self.section.is_state() {
            self.state.update(hash.as_bytes());
        }
        self.block.bytes(hash.as_bytes());
        self.out.write_all(&self.block.buffer)?;
        self.block.buffer.truncate(HEAD_BYTES);
        Ok(())
    }
}

/// Reads blocks, checks them and hands out their elements.
pub(super) struct BlockReader<'a> {
    input: &'a mut dyn Read,
    /// The current block: its head and content, already checked.
    block: Vec<u8>,
    /// How much of it has been handed out.
    at: usize,
    section: Section,
    /// Blocks of the section that have been read.
    blocks: u64,
    state: blake3::Hasher,
}

impl<'a> BlockReader<'a> {
    pub(super) fn new(input: &'a mut dyn Read) -> BlockReader<'a> {
        let state = blake3::Hasher::new();
        BlockReader { input, block: Vec::new(), at: 0, section: Section::Head, blocks: 0, state }
    }

    /// An error at the place that has been reached.
    pub(super) fn damaged(&self, fault: Fault) -> SnapshotError {
        SnapshotError::Damaged { section: self.section.name(), block: self.blocks.saturating_sub(1), fault }
    }

    /// Reads what stands before the first block.
    pub(super) fn start(&mut self, start: &mut [u8]) -> Result<(), SnapshotError> {
        self.fill(start.len())?;
        start.copy_from_slice(&self.block);
        self.block.clear();
        Ok(())
    }

    /// Goes on to a section; the one before must have been read to its end.
    pub(super) fn section(&mut self, section: Section) -> Result<(), SnapshotError> {
        if self.at != self.block.len() {
            return Err(self.damaged(Fault::LeftOver));
        }
        self.section = section;
        self.blocks = 0;
        Ok(())
    }

    /// The section's next element.
    #[inline]
    pub(super) fn element<T: Wire>(&mut self) -> Result<T, SnapshotError> {
        if self.at == self.block.len() {
            self.next_block()?;
        } else if self.at >= HEAD_BYTES + BLOCK_BYTES {
            // The block should have ended before this element.
            return Err(self.damaged(Fault::NotCanonical));
        }
        let mut from = Reader::new(&self.block[self.at..]);
        match T::take(&mut from) {
            Ok(element) => {
                self.at += from.at();
                Ok(element)
            }
            Err(fault) => Err(self.damaged(fault)),
        }
    }

    /// The hash of the state's blocks that have been read.
    pub(super) fn state_hash(&self) -> [u8; 32] {
        *self.state.finalize().as_bytes()
    }

    /// Refuses anything that follows.
    pub(super) fn finish(mut self) -> Result<(), SnapshotError> {
        if self.at != self.block.len() {
            return Err(self.damaged(Fault::LeftOver));
        }
        self.block.clear();
        match (&mut *self.input).take(1).read_to_end(&mut self.block)? {
            0 => Ok(()),
            _ => Err(self.damaged(Fault::LeftOver)),
        }
    }

    fn next_block(&mut self) -> Result<(), SnapshotError> {
        if self.blocks > 0 && self.block.len() < HEAD_BYTES + BLOCK_BYTES {
            // A block may end early only where its section ends.
            return Err(self.damaged(Fault::NotCanonical));
        }
        self.blocks += 1;
        self.block.clear();
        self.fill(HEAD_BYTES)?;
        let len = u32::from_le_bytes([self.block[1], self.block[2], self.block[3], self.block[4]]) as usize;
        if self.block[0] != self.section as u8 {
            return Err(self.damaged(Fault::UnknownTag));
        }
        if len == 0 || len > BLOCK_BYTES_MAX {
            return Err(self.damaged(Fault::OverLimit));
        }
        self.fill(len + HASH_BYTES)?;
        let hash = blake3::hash(&self.block[..HEAD_BYTES + len]);
        if self.block[HEAD_BYTES + len..] != *hash.as_bytes() {
            return Err(self.damaged(Fault::Checksum));
        }
        if self.section.is_state() {
            self.state.update(hash.as_bytes());
        }
        self.block.truncate(HEAD_BYTES + len);
        self.at = HEAD_BYTES;
        Ok(())
    }

    /// Appends `len` bytes of the input to the block. Memory grows with what comes, not
    /// with what is asked for.
    fn fill(&mut self, len: usize) -> Result<(), SnapshotError> {
        let got = (&mut *self.input).take(len as u64).read_to_end(&mut self.block)?;
        if got == len { Ok(()) } else { Err(self.damaged(Fault::EndsEarly)) }
    }
}
