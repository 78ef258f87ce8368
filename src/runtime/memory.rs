//! The pool's figures and its limit: what users see of the memory under their arrays.
//!
//! Buffers that are dropped stay mapped, idle, for the next of their size; the limit bounds what lies idle, never
//! what is in use. By default it is 1 GiB, or a quarter of the memory this process may use if that is less: room
//! for the buffers a loop alternates between up to arrays of 1 GiB, and little enough that a process which has
//! finished with arrays does not crowd out its neighbours. Larger buffers, where mapping and faulting is a fifth of
//! the time of a pass over them, are kept once [`set_limit`] makes room.

use super::pool;
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

const UNRESOLVED: usize = usize::MAX;
static LIMIT: AtomicUsize = AtomicUsize::new(UNRESOLVED);

#[cold]
fn resolve_default_limit() -> usize {
    const MOST: usize = 1 << 30;
    let default = usable_memory_bytes().map_or(MOST, |bytes| (bytes / 4).min(MOST));
    // A limit set meanwhile stays.
    LIMIT.compare_exchange(UNRESOLVED, default, Relaxed, Relaxed).map_or_else(|set| set, |_| default)
}

/// Physical memory, or what the control group allows if that is less.
#[cfg(unix)]
fn usable_memory_bytes() -> Option<usize> {
    // SAFETY: `sysconf` reads a constant of the system.
    let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    let physical = usize::try_from(pages).ok()?.checked_mul(usize::try_from(page).ok()?)?;
    Some(control_group_bytes().map_or(physical, |allowed| allowed.min(physical)))
}

#[cfg(not(unix))]
fn usable_memory_bytes() -> Option<usize> {
    None
}

/// The smallest memory limit on the path of this process's control group, version 2, or of version 1's root, which
/// is what a container sees.
#[cfg(unix)]
fn control_group_bytes() -> Option<usize> {
    use std::path::Path;
    let read = |path: &Path| std::fs::read_to_string(path).ok()?.trim().parse::<usize>().ok();
    let root = Path::new("/sys/fs/cgroup");
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let up_to_root = root.join(group);
    let up_to_root = up_to_root.ancestors().take_while(|group| group.starts_with(root));
    let version_2 = up_to_root.filter_map(|group| read(&group.join("memory.max")));
    version_2.chain(read(&root.join("memory/memory.limit_in_bytes"))).min()
}
