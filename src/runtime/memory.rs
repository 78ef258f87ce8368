//! The pool's figures and its limit: what users see of the memory under their arrays.
//!
//! Buffers that are dropped stay mapped, idle, for the next of their size; the limit bounds what lies idle, never
//! what is in use. By default it is 1 GiB, or a quarter of the memory this process may use if that is less: room
//! for the buffers a loop alternates between up to arrays of 1 GiB, and little enough that a process which has
//! finished with arrays does not crowd out its neighbours. Larger buffers, where mapping and faulting is a fifth of
//! the time of a pass over them, are kept once [`set_limit`] makes room.

use super::{pool, system_memory};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What the pool holds and has done. Bytes are of whole blocks, whose capacity is the size class of what was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Bytes of the buffers that exist.
    pub in_use_bytes: usize,
    /// Bytes kept for buffers to come.
    pub idle_bytes: usize,
    /// The most that `in_use_bytes` has been, since the start or [`reset_peak`].
    pub peak_bytes: usize,
    /// How many buffers have been allocated, those of no bytes not counted.
    pub allocations: u64,
    /// How many of them found an idle block.
    pub reuses: u64,
}

/// The pool's figures now. While other threads allocate, they are not of one instant.
pub fn stats() -> MemoryStats {
    pool::stats()
}

/// Starts the peak of [`stats`] again, from what is in use now.
pub fn reset_peak() {
    pool::reset_peak();
}

/// Gives all idle bytes back to the system, and returns how many they were.
pub fn trim() -> usize {
    let freed = pool::shrink(0);
    super::pages::trim_allocator();
    freed
}

/// Bytes that may lie idle.
pub fn limit() -> usize {
    match LIMIT.load(Relaxed) {
        UNRESOLVED => resolve_default_limit(),
        limit => limit,
    }
}

/// Bounds the bytes that lie idle from now on; those above the bound go back to the system at once.
///
/// With 0 nothing is kept.
pub fn set_limit(bytes: usize) {
    let bytes = bytes.min(UNRESOLVED - 1);
    LIMIT.store(bytes, Relaxed);
    pool::shrink(bytes);
}

/// Whether the system would have little left if it gave `bytes` more.
pub(super) fn is_short_of(bytes: usize) -> bool {
    system_memory::available_bytes().is_some_and(|available| available < bytes.saturating_add(bytes / 4))
}

const UNRESOLVED: usize = usize::MAX;
static LIMIT: AtomicUsize = AtomicUsize::new(UNRESOLVED);

#[cold]
fn resolve_default_limit() -> usize {
    const MOST: usize = 1 << 30;
    let default = system_memory::usable_bytes().map_or(MOST, |bytes| (bytes / 4).min(MOST));
    // A limit set meanwhile stays.
    LIMIT.compare_exchange(UNRESOLVED, default, Relaxed, Relaxed).map_or_else(|set| set, |_| default)
}
