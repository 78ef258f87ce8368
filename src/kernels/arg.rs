//! Positions of the smallest and largest elements.
//!
//! NumPy's rule: the first of the smallest (largest) elements; a NaN counts as smaller (larger) than any number, so the
//! first NaN wins. The state is the best element so far and its index, -1 before any. A row is searched in blocks: first
//! for the best value, vectorised; then, only in a block that improves on what came before, for its place.

use raptors_ir::{Bool, DType, Element, ReduceOp, dispatch_dtype};

use super::elementwise::load;
use crate::runtime::level::Level;

/// The parts of one argmin or argmax. Pointers to elements may have any alignment; indices are `i64`, -1 for none yet.
#[derive(Clone, Copy)]
pub struct ArgKernels {
    /// `row(x, n, base, best, index)`: `n` elements, the first of which has index `base`, after what the state has seen.
    ///
    /// Safety: `x` has `n` elements, `best` is one, and `index` points to an index.
    pub row: unsafe fn(x: *const u8, n: usize, base: i64, best: *mut u8, index: *mut i64),
    /// `update(x, n, index, best, indices)`: one more element, `index`, for each of `n` states.
    ///
    /// Safety: `x` and `best` have `n` elements and `indices` has `n`; none overlap.
    pub update: unsafe fn(x: *const u8, n: usize, index: i64, best: *mut u8, indices: *mut i64),
    /// `merge(best, indices, later_best, later_indices, n)`: `n` states combined with ones of later elements.
    ///
    /// Safety: each has `n` elements; none overlap.
    pub merge: unsafe fn(
        best: *mut u8,
        indices: *mut i64,
        later_best: *const u8,
        later_indices: *const i64,
        n: usize,
    ),
}

/// The kernels of argmin or argmax for a real `dtype`; `None` for another op. The CPU must have the features of `level`
/// where they are called.
pub fn arg(op: ReduceOp, dtype: DType, level: Level) -> Option<ArgKernels> {
    match op {
        ReduceOp::Argmin => {
            dispatch_dtype!(dtype, T => Some(kernels::<Smallest, T>(level)), half => None, complex => None)
        }
        ReduceOp::Argmax => {
            dispatch_dtype!(dtype, T => Some(kernels::<Largest, T>(level)), half => None, complex => None)
        }
        ReduceOp::Sum | ReduceOp::Prod | ReduceOp::Min | ReduceOp::Max | ReduceOp::Any | ReduceOp::All => {
            None
        }
    }
}

fn kernels<W: Wanted<T>, T: Element>(level: Level) -> ArgKernels {
    ArgKernels { row: row::<W, T>(level), update: update::<W, T>, merge: merge::<W, T> }
}

/// Which of two numbers is wanted.
trait Wanted<T> {
    /// Whether `x` is wanted more than `y`; false where either is NaN.
    fn beats(x: T, y: T) -> bool;
}

struct Smallest;
struct Largest;

macro_rules! wanted {
    ($($t:ty: $value:expr;)*) => {
        $(impl Wanted<$t> for Smallest {
            #[inline(always)]
            fn beats(x: $t, y: $t) -> bool { $value(x) < $value(y) }
        }
        impl Wanted<$t> for Largest {
            #[inline(always)]
            fn beats(x: $t, y: $t) -> bool { $value(x) > $value(y) }
        })*
    };
    ($($t:ident)*) => { $(wanted! { $t: std::convert::identity::<$t>; })* };
}
wanted! { Bool: Bool::get; }
wanted!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);

/// Whether the element is NaN, the only one that differs from itself.
#[inline(always)]
#[allow(clippy::eq_op, reason = "the comparison is the test for NaN of a generic element")]
fn is_nan<T: Element>(x: T) -> bool {
    x != x
}

/// Elements compared side by side.
const WIDTH: usize = 64;
/// Elements searched for a place where their best is better.
const BLOCK: usize = 16 * WIDTH;

leveled! {
    fn row<W: Wanted<T>, T: Element>(x: *const u8, n: usize, base: i64, best: *mut u8, index: *mut i64) = row_body
}

/// # Safety
///
/// That of [`ArgKernels::row`].
#[inline(always)]
unsafe fn row_body<W: Wanted<T>, T: Element>(
    x: *const u8,
    n: usize,
    base: i64,
    best: *mut u8,
    index: *mut i64,
) {
    if n == 0 {
        return;
    }
    // SAFETY: `x` has an element, `best` is one and `index` an index.
    let (mut winner, mut place) = unsafe {
        match index.read_unaligned() {
            -1 => (load::<T>(x, 0), base),
            seen => (load::<T>(best, 0), seen),
        }
    };
    let mut start = 0;
    while start < n && !is_nan(winner) {
        let len = BLOCK.min(n - start);
        // SAFETY: the block lies within the `n` elements.
        if let Some(i) = unsafe { place_in_block::<W, T>(x, start, len, winner) } {
            // SAFETY: as above.
            winner = unsafe { load(x, i) };
            place = base.wrapping_add(i as i64);
        }
        start += len;
    }
    // SAFETY: `best` is an element and `index` an index.
    unsafe {
        best.cast::<T>().write_unaligned(winner);
        index.write_unaligned(place);
    }
}

/// The index of the best of `len` elements from `start` on, if it replaces `winner`, which is not NaN.
///
/// # Safety
///
/// `x` has `start + len` elements.
#[inline(always)]
unsafe fn place_in_block<W: Wanted<T>, T: Element>(
    x: *const u8,
    start: usize,
    len: usize,
    winner: T,
) -> Option<usize> {
    // SAFETY: every `i` below is less than `len`.
    let at = |i: usize| unsafe { load::<T>(x, start + i) };
    // A NaN replaces any number and no number replaces it.
    let better = |x: T, best: T| if W::beats(x, best) | is_nan(x) { x } else { best };
    let whole = len - len % WIDTH;
    let mut found = winner;
    if whole > 0 {
        let mut lane = [winner; WIDTH];
        for i in (0..whole).step_by(WIDTH) {
            for (l, lane) in lane.iter_mut().enumerate() {
                *lane = better(at(i + l), *lane);
            }
        }
        for lane in lane {
            found = better(lane, found);
        }
    }
    for i in whole..len {
        found = better(at(i), found);
    }
    let place = if is_nan(found) {
        first(len, |i| is_nan(at(i)))
    } else if W::beats(found, winner) {
        first(len, |i| at(i) == found)
    } else {
        None
    };
    place.map(|i| start + i)
}

/// The first index below `len` that is wanted, looked for in whole widths first.
#[inline(always)]
fn first(len: usize, wanted: impl Fn(usize) -> bool) -> Option<usize> {
    let mut start = 0;
    while start + WIDTH <= len && !(0..WIDTH).fold(false, |any, l| any | wanted(start + l)) {
        start += WIDTH;
    }
    (start..len).find(|&i| wanted(i))
}

/// # Safety
///
/// That of [`ArgKernels::update`].
unsafe fn update<W: Wanted<T>, T: Element>(
    x: *const u8,
    n: usize,
    index: i64,
    best: *mut u8,
    indices: *mut i64,
) {
    for i in 0..n {
        // SAFETY: `i` is below `n`.
        unsafe { replace::<W, T>(load(x, i), index, best.cast::<T>().add(i), indices.add(i)) }
    }
}

/// # Safety
///
/// That of [`ArgKernels::merge`].
unsafe fn merge<W: Wanted<T>, T: Element>(
    best: *mut u8,
    indices: *mut i64,
    later_best: *const u8,
    later_indices: *const i64,
    n: usize,
) {
    for i in 0..n {
        // SAFETY: `i` is below `n`.
        unsafe {
            let index = later_indices.add(i).read_unaligned();
            if index >= 0 {
                replace::<W, T>(load(later_best, i), index, best.cast::<T>().add(i), indices.add(i));
            }
        }
    }
}

/// Replaces a state where `x` improves it. A branch, as it is seldom taken: the later the element, the less likely.
///
/// # Safety
///
/// `best` is an element and `place` an index.
#[inline(always)]
unsafe fn replace<W: Wanted<T>, T: Element>(x: T, index: i64, best: *mut T, place: *mut i64) {
    // SAFETY: the contract is the caller's.
    unsafe {
        let old = best.read_unaligned();
        if W::beats(x, old) | (is_nan(x) & !is_nan(old)) | (place.read_unaligned() < 0) {
            best.write_unaligned(x);
            place.write_unaligned(index);
        }
    }
}
