//! Values with several holders, as `Arc` has them, made for what is made and dropped by the million: nodes and leaves.
//!
//! There is one count and no weak handle. The last holder drops without an atomic exchange, which is most of what a drop
//! of an `Arc` takes, and the memory of the value goes to a short list of its thread, from where the next one takes it.
//!
//! Limits: a list is of blocks of one size, at most [`MOST_SPARE`] of them, and values of more than [`LARGEST`] bytes have
//! none. A block that is dropped on another thread than the one that made it stays there.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicUsize, fence};

/// The most blocks of one size that a thread keeps.
const MOST_SPARE: u32 = 128;
/// Blocks are of multiples of so many bytes.
const UNIT: usize = 64;
/// What they are aligned to.
const ALIGN: usize = 16;
/// The most bytes of a block that is kept.
const LARGEST: usize = 4 * UNIT;
/// Beyond it, handles were forgotten by the million million.
const MOST_HOLDERS: usize = isize::MAX as usize;

/// A handle to a value that others may hold too. A clone is another handle.
pub struct Shared<T> {
    inner: NonNull<Inner<T>>,
    _owned: PhantomData<Inner<T>>,
}

struct Inner<T> {
    holders: AtomicUsize,
    value: T,
}

// SAFETY: handles on several threads give references to one value, which whichever is last drops.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The first handle to a value.
    #[inline(always)]
    pub fn new(value: T) -> Shared<T> {
        let inner = take(const { layout::<T>() }).cast::<Inner<T>>();
        // SAFETY: the block has the layout of an `Inner`, and nothing else uses it.
        unsafe { inner.write(Inner { holders: AtomicUsize::new(1), value }) };
        Shared { inner, _owned: PhantomData }
    }

    /// The first handle to a value that `make` makes where it is to be: large values are not moved there.
    ///
    /// # Safety
    ///
    /// `make` writes a whole value to the address that it is given.
    #[inline(always)]
    pub(crate) unsafe fn made(make: impl FnOnce(*mut T)) -> Shared<T> {
        let inner = take(const { layout::<T>() }).cast::<Inner<T>>();
        let address = inner.as_ptr();
        // SAFETY: the block has the layout of an `Inner`, and nothing else uses it.
        let (holders, value) = unsafe { (&raw mut (*address).holders, &raw mut (*address).value) };
        // SAFETY: as above.
        unsafe { holders.write(AtomicUsize::new(1)) };
        make(value);
        Shared { inner, _owned: PhantomData }
    }

    /// How many handles there are.
    #[inline]
    pub fn holders(this: &Shared<T>) -> usize {
        this.inner().holders.load(Acquire)
    }

    /// Gives up a handle. If it was the last, `end` is shown the value before that is dropped, where it is: large values
    /// are not moved.
    #[inline]
    pub(crate) fn give_up(this: Shared<T>, end: impl FnOnce(&mut T)) {
        let inner = this.inner;
        std::mem::forget(this);
        // SAFETY: the handle is given up. If it was the last, nothing else uses the value, nor the block.
        unsafe {
            if release(inner) {
                end(&mut (*inner.as_ptr()).value);
                drop_value(inner);
            }
        }
    }

    #[inline]
    fn inner(&self) -> &Inner<T> {
        // SAFETY: the value lives as long as there is a handle.
        unsafe { self.inner.as_ref() }
    }
}

/// Gives up a handle; whether it was the last one.
///
/// # Safety
///
/// The handle is the caller's, and is not used afterwards.
#[inline]
unsafe fn release<T>(inner: NonNull<Inner<T>>) -> bool {
    // SAFETY: until the handle is given up, the value lives.
    let holders = unsafe { &inner.as_ref().holders };
    // Nobody else can make a handle of the only one, so that it needs no exchange to be given up. What other holders did
    // before they gave up theirs is seen: they release, this acquires.
    if holders.load(Acquire) == 1 {
        return true;
    }
    if holders.fetch_sub(1, Release) != 1 {
        return false;
    }
    fence(Acquire);
    true
}

impl<T> Clone for Shared<T> {
    #[inline]
    fn clone(&self) -> Shared<T> {
        if self.inner().holders.fetch_add(1, Relaxed) > MOST_HOLDERS {
            std::process::abort();
        }
        Shared { inner: self.inner, _owned: PhantomData }
    }
}

impl<T> Drop for Shared<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this handle ends here. If it was the last, nothing else uses the value, nor the block.
        unsafe {
            if release(self.inner) {
                drop_value(self.inner);
            }
        }
    }
}

/// # Safety
///
/// The last handle to the value was given up.
unsafe fn drop_value<T>(inner: NonNull<Inner<T>>) {
    // SAFETY: as for this function. What its drop does may use the list of blocks, but not yet this block.
    unsafe {
        (&raw mut (*inner.as_ptr()).value).drop_in_place();
        give(inner.cast(), const { layout::<T>() });
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The layout of the block of a value: its own, or, where there is a list for it, that of the blocks of the list.
const fn layout<T>() -> Layout {
    let own = Layout::new::<Inner<T>>();
    if own.size() > LARGEST || own.align() > ALIGN {
        return own;
    }
    match Layout::from_size_align(own.size().div_ceil(UNIT) * UNIT, ALIGN) {
        Ok(layout) => layout,
        Err(_) => own,
    }
}

/// The list that blocks of a layout go to.
const fn list_of(layout: Layout) -> Option<usize> {
    let is_of_list =
        layout.align() == ALIGN && layout.size() <= LARGEST && layout.size().is_multiple_of(UNIT);
    if is_of_list { Some(layout.size() / UNIT - 1) } else { None }
}

/// Blocks of one size. Each begins with the address of the next.
struct List {
    first: Cell<*mut *mut u8>,
    len: Cell<u32>,
}

/// The blocks that a thread keeps, by their size.
struct Lists([List; LARGEST / UNIT]);

thread_local! {
    static LISTS: Lists = const {
        Lists([const { List { first: Cell::new(ptr::null_mut()), len: Cell::new(0) } }; LARGEST / UNIT])
    };
}

impl List {
    #[inline]
    fn pop(&self) -> Option<NonNull<u8>> {
        let first = NonNull::new(self.first.get())?;
        // SAFETY: a block of the list begins with the address of the next, and nothing else uses it.
        self.first.set(unsafe { first.read() }.cast());
        self.len.set(self.len.get() - 1);
        Some(first.cast())
    }

    /// Keeps a block that nothing uses, of the size and alignment of the list's; says whether there was room.
    ///
    /// # Safety
    ///
    /// As said.
    #[inline]
    unsafe fn push(&self, block: NonNull<u8>) -> bool {
        let has_room = self.len.get() < MOST_SPARE;
        if has_room {
            let block = block.cast::<*mut u8>();
            // SAFETY: a block is larger than an address and aligned to it, and this one is given up.
            unsafe { block.write(self.first.get().cast()) };
            self.first.set(block.as_ptr());
            self.len.set(self.len.get() + 1);
        }
        has_room
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        for (n, list) in self.0.iter().enumerate() {
            while let Some(block) = list.pop() {
                // SAFETY: blocks of the n-th list were allocated with this layout, whose size is no zero.
                unsafe { dealloc(block.as_ptr(), Layout::from_size_align_unchecked((n + 1) * UNIT, ALIGN)) };
            }
        }
    }
}

/// A block of a layout.
#[inline]
fn take(layout: Layout) -> NonNull<u8> {
    let spare = list_of(layout).and_then(|n| LISTS.try_with(|lists| lists.0[n].pop()).ok().flatten());
    spare.unwrap_or_else(|| allocate(layout))
}

#[cold]
fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: the count of holders makes the size no zero.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives up a block.
///
/// # Safety
///
/// It was taken with this layout, and nothing uses it.
#[inline]
unsafe fn give(block: NonNull<u8>, layout: Layout) {
    // SAFETY: as for this function; the list is the one of blocks of this layout.
    let kept = list_of(layout)
        .is_some_and(|n| LISTS.try_with(|lists| unsafe { lists.0[n].push(block) }).unwrap_or(false));
    if !kept {
        // SAFETY: as for this function.
        unsafe { dealloc(block.as_ptr(), layout) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_value_is_dropped_once_by_its_last_holder() {
        let count = Arc::new(());
        let (first, other) = (Shared::new(count.clone()), Shared::new(count.clone()));
        let second = first.clone();
        assert_eq!((Shared::holders(&first), Shared::holders(&other)), (2, 1));
        drop(first);
        assert_eq!((Shared::holders(&second), Arc::strong_count(&count)), (1, 3));
        drop(second);
        assert_eq!(Arc::strong_count(&count), 2);
        let mut ends = Vec::new();
        Shared::give_up(other.clone(), |value| ends.push(Arc::strong_count(value)));
        Shared::give_up(other, |value| ends.push(Arc::strong_count(value)));
        assert_eq!((ends, Arc::strong_count(&count)), (vec![2], 1));
    }

    #[test]
    fn blocks_of_every_size_are_used_again_on_any_thread() {
        fn made<const N: usize>() -> Vec<Shared<[u64; N]>> {
            (0..2 * MOST_SPARE as usize).map(|n| Shared::new([n as u64; N])).collect()
        }
        fn are_whole<const N: usize>(values: &[Shared<[u64; N]>]) -> bool {
            values.iter().enumerate().all(|(n, value)| **value == [n as u64; N])
        }
        for _ in 0..3 {
            let (small, middle, large) = (made::<1>(), made::<20>(), made::<100>());
            let there = thread::spawn(move || {
                let sound = are_whole(&small) && are_whole(&middle) && are_whole(&large);
                drop((small, middle));
                (sound && are_whole(&made::<20>()), large)
            });
            let Ok((sound, large)) = there.join() else { panic!("the thread panicked") };
            assert!(sound && are_whole(&large) && are_whole(&made::<1>()));
        }
    }

    #[test]
    fn holders_on_several_threads_drop_one_value() {
        for _ in 0..if cfg!(miri) { 3 } else { 200 } {
            let count = Arc::new(());
            let value = Shared::new(count.clone());
            thread::scope(|scope| {
                for _ in 0..4 {
                    let value = value.clone();
                    scope.spawn(move || drop((value.clone(), value)));
                }
                drop(value);
            });
            assert_eq!(Arc::strong_count(&count), 1);
        }
    }
}
