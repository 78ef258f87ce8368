//! Buffers: the bytes under arrays, from a pool that keeps their pages warm.
//!
//! A [`Buffer`] owns 64-byte aligned, uninitialised memory, and returns it to the pool when dropped, on any thread.
//! Page faults are what a fresh output costs (four fifths of the time of a 64 MiB `a * 2` on small pages); a pooled
//! one has none. From 2 MiB on, memory is aligned to 2 MiB and asks for huge pages, on Linux.
//!
//! Limits: contents are never cleared, neither before use nor after it. A buffer cannot grow. Memory the system does
//! not have is an [`OutOfMemory`]; memory it promises and cannot keep (overcommit) is the system's own affair.

use super::pages::Block;
use super::size_class::SizeClass;
use super::{memory, pages, pool};

/// Bytes every buffer is aligned to.
pub const ALIGNMENT: usize = pages::ALIGNMENT;

/// Bytes of a huge page, and the capacity from which a buffer is aligned to it and asks for huge pages, on Linux.
pub const HUGE_PAGE_BYTES: usize = pages::HUGE_PAGE_BYTES;

/// The system has no room for a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "allocate: the system refuses {bytes} bytes, while {in_use_bytes} bytes of arrays are in use; \
     drop arrays that are no longer needed, or work on a part at a time"
)]
pub struct OutOfMemory {
    /// Bytes that were asked for.
    pub bytes: usize,
    /// Bytes of all buffers at that time.
    pub in_use_bytes: usize,
}

/// Owned bytes, aligned to [`ALIGNMENT`], uninitialised until written.
#[derive(Debug)]
pub struct Buffer {
    block: Block,
    len: usize,
}

impl Buffer {
    /// A buffer of `bytes` bytes, whose contents are arbitrary. Zero bytes need no memory.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] when the system refuses them, also after all idle memory went back to it.
    pub fn allocate(bytes: usize) -> Result<Buffer, OutOfMemory> {
        let block = match bytes {
            0 => Block::empty(),
            _ => pool::take(bytes).ok_or_else(|| OutOfMemory::now(bytes))?,
        };
        Ok(Buffer { block, len: bytes })
    }

    /// Bytes that were asked for.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no bytes were asked for.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that may be used, at least [`len`](Buffer::len).
    #[inline]
    pub fn capacity(&self) -> usize {
        self.block.capacity()
    }

    /// The first byte; valid for reads of [`capacity`](Buffer::capacity) bytes, those that have been written.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.block.start().as_ptr()
    }

    /// The first byte; valid for reads and writes of [`capacity`](Buffer::capacity) bytes.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.block.start().as_ptr()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.capacity() > 0 {
            pool::give(std::mem::replace(&mut self.block, Block::empty()));
        }
    }
}

/// Bytes of pool memory a buffer of `bytes` bytes takes: the capacity it will have, and its share of
/// [`MemoryStats::in_use_bytes`](memory::MemoryStats::in_use_bytes). `None` when no system has that many.
pub fn capacity_for(bytes: usize) -> Option<usize> {
    match bytes {
        0 => Some(0),
        _ => SizeClass::holding(bytes).map(SizeClass::capacity),
    }
}

impl OutOfMemory {
    fn now(bytes: usize) -> OutOfMemory {
        OutOfMemory { bytes, in_use_bytes: memory::stats().in_use_bytes }
    }
}
