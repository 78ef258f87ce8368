//! Blocks of memory from the system.
//!
//! On Linux a block of 2 MiB or more is its own anonymous mapping, aligned to 2 MiB and marked for huge pages: a
//! fresh 16 MiB output then costs 8 page faults instead of 4096, 0.8 ms instead of 3. Other blocks come from the
//! system allocator. A refusal is a `None`, never an abort.
//!
//! Limits: huge pages are a request. Where transparent huge pages are off, or memory is fragmented, the kernel
//! serves small pages and nothing else changes.

use std::alloc::Layout;
use std::ptr::NonNull;

/// Bytes every block is aligned to: a cache line, and the widest vector.
pub(super) const ALIGNMENT: usize = 64;

/// Bytes of a huge page, and the capacity from which a block asks for them.
pub(super) const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Uninitialised memory nobody else refers to, aligned to [`ALIGNMENT`]; goes back to the system when dropped.
#[derive(Debug)]
pub(super) struct Block {
    start: NonNull<u8>,
    capacity: usize,
}

// SAFETY: a block is the only owner of the bytes from `start`, it is not `Clone`, and neither the system allocator
// nor a mapping belongs to the thread that asked for it.
unsafe impl Send for Block {}

// SAFETY: a shared block gives out its address and its capacity, nothing that reads or writes the bytes.
unsafe impl Sync for Block {}

impl Block {
    /// A block of no bytes, at an aligned address that is nothing's.
    pub(super) const fn empty() -> Block {
        #[repr(align(64))]
        struct Aligned;
        const { assert!(align_of::<Aligned>() == ALIGNMENT) };
        Block { start: NonNull::<Aligned>::dangling().cast(), capacity: 0 }
    }

    /// A block of `capacity` bytes; `None` when the system refuses.
    ///
    /// A capacity is positive, and from [`HUGE_PAGE_BYTES`] on it is a multiple of 64 KiB, the largest small page.
    pub(super) fn reserve(capacity: usize) -> Option<Block> {
        assert!(capacity > 0, "a block of no bytes is `Block::empty`");
        let start = if is_mapped(capacity) { map(capacity)? } else { allocate(capacity)? };
        Some(Block { start, capacity })
    }

    /// The first byte.
    pub(super) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes that may be used.
    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.capacity == 0 {
            return;
        }
        if is_mapped(self.capacity) {
            // SAFETY: `capacity` is not 0, so `reserve` made this block, by `map` since the same predicate says so;
            // nobody refers to the bytes of a block that is being dropped.
            unsafe { unmap(self.start, self.capacity) };
        } else {
            // SAFETY: as above, with `allocate`, whose layout of `capacity` bytes is therefore a valid one.
            unsafe {
                let layout = Layout::from_size_align_unchecked(self.capacity, ALIGNMENT);
                std::alloc::dealloc(self.start.as_ptr(), layout);
            }
        }
    }
}

/// Whether blocks of `capacity` bytes are mappings of their own.
const fn is_mapped(capacity: usize) -> bool {
    cfg!(all(target_os = "linux", not(miri))) && capacity >= HUGE_PAGE_BYTES
}

/// `capacity` bytes of the system allocator; `capacity` is not 0.
fn allocate(capacity: usize) -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(capacity, ALIGNMENT).ok()?;
    // SAFETY: `reserve`, the only caller, asserts that `capacity`, the size of the layout, is not 0.
    NonNull::new(unsafe { std::alloc::alloc(layout) })
}

/// A mapping of `capacity` bytes at a multiple of [`HUGE_PAGE_BYTES`], for huge pages.
#[cfg(target_os = "linux")]
fn map(capacity: usize) -> Option<NonNull<u8>> {
    // The kernel aligns to a small page. What is asked for beyond `capacity` leaves room for an aligned start;
    // the rest is unmapped again, untouched.
    let reserved = capacity.checked_add(HUGE_PAGE_BYTES)?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new anonymous mapping, at an address of the kernel's choice, changes no memory in use.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), reserved, access, kind, -1, 0) };
    if base == libc::MAP_FAILED {
        return None;
    }
    let base = base.cast::<u8>();
    let head = base.align_offset(HUGE_PAGE_BYTES);
    let tail = HUGE_PAGE_BYTES - head;
    // SAFETY: `head < HUGE_PAGE_BYTES`, so the three parts `head`, `capacity`, `tail` are the `reserved` bytes just
    // mapped, which nobody else has. `base`, `head` and `capacity` are multiples of the page size, so each part is
    // whole pages. Advice changes no contents, and its failure leaves small pages.
    unsafe {
        let start = base.add(head);
        if head > 0 {
            libc::munmap(base.cast(), head);
        }
        libc::munmap(start.add(capacity).cast(), tail);
        libc::madvise(start.cast(), capacity, libc::MADV_HUGEPAGE);
        NonNull::new(start)
    }
}

/// Gives a mapping back to the kernel.
///
/// # Safety
///
/// `start` is from [`map`] with this `capacity`, and the bytes are not used again.
#[cfg(target_os = "linux")]
unsafe fn unmap(start: NonNull<u8>, capacity: usize) {
    // SAFETY: the caller owns exactly this mapping. Failure is impossible short of the limit on the number of
    // mappings, and then only keeps the memory.
    unsafe { libc::munmap(start.as_ptr().cast(), capacity) };
}

#[cfg(not(target_os = "linux"))]
fn map(_capacity: usize) -> Option<NonNull<u8>> {
    unreachable!("`is_mapped` is false off Linux")
}

#[cfg(not(target_os = "linux"))]
unsafe fn unmap(_start: NonNull<u8>, _capacity: usize) {
    unreachable!("`is_mapped` is false off Linux")
}

/// Asks the system allocator to give its own free pages back; where it cannot be asked, nothing.
pub(super) fn trim_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
    // SAFETY: `malloc_trim` takes the allocator's own locks and touches only memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}
