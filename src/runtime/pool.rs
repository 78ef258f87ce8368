//! Idle blocks, kept so that the next buffer of their size class finds warm pages.
//!
//! A block in use belongs to a [`Buffer`](super::buffer::Buffer); an idle one lies here, in one of two places:
//!
//! - up to 32 KiB, in one of 16 shards. A thread has a shard, so its lock is free and a small buffer costs tens of
//!   nanoseconds; what a shard has no room for goes back to the system allocator, which is good at small sizes;
//! - larger, on the shelves: a stack per size class under one lock. Last in, first out: the block that comes back
//!   is the one whose pages are in cache and in the TLB. A loop `y = f(x)` that keeps the previous `y` alternates
//!   two blocks, without a page fault. Beyond the limit the block that has been idle longest goes.
//!
//! Threads do not own anything here: a buffer may be dropped on another thread than the one that made it, and a
//! thread that ends leaves nothing behind.
//!
//! Fork: the locks are held across `fork` by the thread that forks (see [`hold`]), so the child finds them free and
//! what they guard whole, and may go on using blocks; pages are shared with the parent until written.

use super::gauge::Gauge;
use super::pages::{self, Block};
use super::size_class::SizeClass;
use super::{fork, memory};
use smallvec::SmallVec;
use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;
/// The class of the largest blocks in a shard.
const LARGEST_SMALL: SizeClass = match SizeClass::holding(32 << 10) {
    Some(class) => class,
    None => unreachable!(),
};
const SMALL_CLASSES: usize = LARGEST_SMALL.rank() + 1;
/// Idle bytes of one shard.
const SHARD_BYTES: usize = 256 << 10;

static SHARD: [Shard; SHARDS] = [const { Shard(Mutex::new(Small::new())) }; SHARDS];
static SHELVES: Mutex<Shelves> = Mutex::new(Shelves::new());

/// Bytes of all blocks that are in use.
static IN_USE_BYTES: Gauge = Gauge { now: AtomicUsize::new(0), most: AtomicUsize::new(0) };

/// On its own pair of cache lines, so that two threads' shards do not share one.
#[repr(align(128))]
struct Shard(Mutex<Small>);

/// Idle blocks of up to [`LARGEST_SMALL`].
struct Small {
    stacks: [Vec<Block>; SMALL_CLASSES],
    idle_bytes: usize,
    served: Served,
}

/// Idle blocks of more than [`LARGEST_SMALL`].
struct Shelves {
    /// By rank of the class; each with the longest idle block in front.
    stacks: [VecDeque<Idle>; SizeClass::COUNT],
    idle_bytes: usize,
    /// Counts the blocks that came to lie here; dates them.
    clock: u64,
    served: Served,
}

struct Idle {
    block: Block,
    since: u64,
}

/// How often a block was asked for, and how often an idle one was there.
#[derive(Clone, Copy, Default)]
struct Served {
    allocations: u64,
    reuses: u64,
}

/// What the pool holds and has done; the fields of [`memory::MemoryStats`].
pub(super) fn stats() -> memory::MemoryStats {
    let mut stats = memory::MemoryStats {
        in_use_bytes: IN_USE_BYTES.now(),
        peak_bytes: IN_USE_BYTES.most(),
        ..Default::default()
    };
    let mut add = |idle_bytes: usize, served: Served| {
        stats.idle_bytes += idle_bytes;
        stats.allocations += served.allocations;
        stats.reuses += served.reuses;
    };
    for shard in &SHARD {
        let small = lock(&shard.0);
        add(small.idle_bytes, small.served);
    }
    let shelves = lock(&SHELVES);
    add(shelves.idle_bytes, shelves.served);
    stats
}

/// Forgets the peak before now.
pub(super) fn reset_peak() {
    IN_USE_BYTES.reset();
}

/// A block of at least `bytes`, not 0; `None` when the system refuses even after it got every idle block back.
pub(super) fn take(bytes: usize) -> Option<Block> {
    let class = SizeClass::holding(bytes)?;
    let idle =
        if class <= LARGEST_SMALL { lock(this_shard()).take(class) } else { lock(&SHELVES).take(class) };
    let block = idle.or_else(|| reserve(bytes, class))?;
    IN_USE_BYTES.add(block.capacity());
    Some(block)
}

/// Takes back a block from [`take`].
pub(super) fn give(block: Block) {
    IN_USE_BYTES.subtract(block.capacity());
    // A block between classes was all the system had left; it is not worth keeping.
    let Some(class) = SizeClass::of_capacity(block.capacity()) else { return };
    // The limit is read under the lock: a lower one is set before its setter comes by here to evict. What is not
    // kept goes back to the system when the lock is free again.
    if class <= LARGEST_SMALL {
        let mut small = lock(this_shard());
        let refused = small.give(class, block, Bounds::of(memory::limit()).shard_bytes);
        drop(small);
        drop(refused);
    } else {
        let mut shelves = lock(&SHELVES);
        let evicted = shelves.give(class, block, Bounds::of(memory::limit()).shelf_bytes);
        drop(shelves);
        drop(evicted);
    }
}

/// Gives idle blocks back to the system until those that stay respect a limit of `limit` bytes.
pub(super) fn shrink(limit: usize) -> usize {
    let bounds = Bounds::of(limit);
    let mut freed = 0;
    for shard in &SHARD {
        let mut small = lock(&shard.0);
        if small.idle_bytes > bounds.shard_bytes {
            let stacks = small.empty();
            freed += std::mem::take(&mut small.idle_bytes);
            drop(small);
            drop(stacks);
        }
    }
    let evicted = lock(&SHELVES).evict(bounds.shelf_bytes);
    freed + evicted.iter().map(Block::capacity).sum::<usize>()
}

/// A new block for `bytes`, of its class if the system has room for that.
///
/// Idle blocks go back to the system first where it is short of memory: many promise more than they have, and end a process
/// that takes them at their word.
#[cold]
fn reserve(bytes: usize, class: SizeClass) -> Option<Block> {
    /// Capacity from which looking costs little beside the page faults.
    const LARGE: usize = 32 << 20;
    fork::install();
    if class.capacity() >= LARGE && lock(&SHELVES).idle_bytes > 0 && memory::is_short_of(class.capacity()) {
        shrink(0);
    }
    Block::reserve(class.capacity()).or_else(|| {
        shrink(0);
        let whole_pages = bytes.next_multiple_of(pages::HUGE_PAGE_BYTES);
        Block::reserve(class.capacity()).or_else(|| Block::reserve(whole_pages.min(class.capacity())))
    })
}

/// How a limit on idle bytes is divided.
struct Bounds {
    shard_bytes: usize,
    shelf_bytes: usize,
}

impl Bounds {
    /// All shards take at most half; under a limit too small for that they keep nothing.
    fn of(limit: usize) -> Bounds {
        let shard_bytes = if limit >= 2 * SHARDS * SHARD_BYTES { SHARD_BYTES } else { 0 };
        Bounds { shard_bytes, shelf_bytes: limit - SHARDS * shard_bytes }
    }
}

/// The shard of this thread; threads are dealt out over the shards as they come.
fn this_shard() -> &'static Mutex<Small> {
    const NONE: usize = usize::MAX;
    // Without a destructor, so that buffers which other thread-locals own can be dropped in any order.
    thread_local! { static MINE: Cell<usize> = const { Cell::new(NONE) } }
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mine = MINE.with(|mine| {
        if mine.get() == NONE {
            mine.set(NEXT.fetch_add(1, Relaxed) % SHARDS);
        }
        mine.get()
    });
    &SHARD[mine].0
}

/// What these locks guard is whole between any two statements, so a panic under one leaves nothing to mend.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Small {
    const fn new() -> Small {
        Small {
            stacks: [const { Vec::new() }; SMALL_CLASSES],
            idle_bytes: 0,
            served: Served { allocations: 0, reuses: 0 },
        }
    }

    fn take(&mut self, class: SizeClass) -> Option<Block> {
        self.served.allocations += 1;
        let block = self.stacks[class.rank()].pop()?;
        self.served.reuses += 1;
        self.idle_bytes -= block.capacity();
        Some(block)
    }

    /// Keeps `block` if that leaves at most `bound` bytes idle, and hands it back if not.
    fn give(&mut self, class: SizeClass, block: Block, bound: usize) -> Option<Block> {
        if self.idle_bytes + block.capacity() > bound {
            return Some(block);
        }
        self.idle_bytes += block.capacity();
        self.stacks[class.rank()].push(block);
        None
    }

    /// All blocks; the caller accounts for their bytes.
    fn empty(&mut self) -> [Vec<Block>; SMALL_CLASSES] {
        std::mem::replace(&mut self.stacks, [const { Vec::new() }; SMALL_CLASSES])
    }
}

/// One block leaves for one that comes, as a rule.
type Evicted = SmallVec<[Block; 2]>;

impl Shelves {
    const fn new() -> Shelves {
        Shelves {
            stacks: [const { VecDeque::new() }; SizeClass::COUNT],
            idle_bytes: 0,
            clock: 0,
            served: Served { allocations: 0, reuses: 0 },
        }
    }

    fn take(&mut self, class: SizeClass) -> Option<Block> {
        self.served.allocations += 1;
        let Idle { block, .. } = self.stacks[class.rank()].pop_back()?;
        self.served.reuses += 1;
        self.idle_bytes -= block.capacity();
        Some(block)
    }

    /// Keeps `block`, and hands back what has to go for at most `bound` bytes to be idle: `block` itself if alone it
    /// is more than that, or else those that have been idle longest.
    fn give(&mut self, class: SizeClass, block: Block, bound: usize) -> Evicted {
        if block.capacity() > bound {
            return Evicted::from_iter([block]);
        }
        self.clock += 1;
        self.idle_bytes += block.capacity();
        self.stacks[class.rank()].push_back(Idle { block, since: self.clock });
        self.evict(bound)
    }

    fn evict(&mut self, bound: usize) -> Evicted {
        let mut evicted = Evicted::new();
        while self.idle_bytes > bound {
            let oldest = self.stacks.iter_mut().filter(|stack| !stack.is_empty());
            let oldest = oldest.min_by_key(|stack| stack.front().map(|idle| idle.since));
            let Some(Idle { block, .. }) = oldest.and_then(VecDeque::pop_front) else { break };
            self.idle_bytes -= block.capacity();
            evicted.push(block);
        }
        evicted
    }
}

/// The guards of all locks here, while the process forks.
struct Held(UnsafeCell<Option<Guards>>);

type Guards = ([MutexGuard<'static, Small>; SHARDS], MutexGuard<'static, Shelves>);

// SAFETY: the cell is read and written only by `hold` after it took every lock and by `let_go` before it gives them
// back, both on the thread that forks; a second thread that forks waits in `hold` for the first lock.
unsafe impl Sync for Held {}

static HELD: Held = Held(UnsafeCell::new(None));

/// Takes every lock of the pool, for `fork`; no other code here holds two.
pub(super) fn hold() {
    let guards = (std::array::from_fn(|shard| lock(&SHARD[shard].0)), lock(&SHELVES));
    // SAFETY: this thread has all the locks, so no other is between `hold` and `let_go`.
    unsafe { *HELD.0.get() = Some(guards) };
}

/// Gives back the locks of [`hold`], on the thread that called it or on its image in the child.
pub(super) fn let_go() {
    // SAFETY: this thread has all the locks until `guards`, already out of the cell, is dropped.
    let guards = unsafe { (*HELD.0.get()).take() };
    drop(guards);
}
