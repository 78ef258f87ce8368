//! Reductions, by one fixed tree.
//!
//! The promise: the bits of a result depend on the sequence alone, not on the level, the threads or how it was cut to tiles.
//! A sequence is cut into blocks of [`block`] elements. Within a block, lane `l` of [`lanes`] combines elements
//! `l`, `l + lanes`, `l + 2 lanes`, … in that order, starting from the identity. Then the upper half of the lanes is
//! combined into the lower half, until one is left. The results of blocks are combined pairwise, like a binary counter:
//! two partial results of equal rank are combined at once, the earlier one on the left; at the end the rest is folded
//! from the latest: `acc = earlier op acc`. The error of a sum grows with the logarithm of its length.
//!
//! Identities: 0, 1, the infinities or extreme integers, false and true. A float sum begins with 0.0, as NumPy's does, so
//! that of -0.0 alone is 0.0.
//! A lane that no element reached holds the identity, so shorter trees than the full one give the same bits.
//! Payloads of NaN are not part of the promise.
//!
//! [`ReduceKernels::row`] reduces a sequence in memory. A fused region keeps `lanes` accumulators and uses
//! [`ReduceKernels::fold`], [`ReduceKernels::halve`] and [`ReduceKernels::combine`]. Reducing the rows of a matrix to one row
//! is [`ReduceKernels::columns`] for lanes that are few, and [`ReduceKernels::accumulate`] for what it leaves of groups of
//! lanes, taken in [`leaf_order`].

use raptors_ir::{Bool, DType, Element, Literal, ReduceOp, dispatch_dtype};

use super::columns::columns;
use super::elementwise::{Kernel, elementwise, load};
use super::level;
use super::reduction::{Max, Min, Prod, Reduction, Sum};
use crate::runtime::level::Level;

pub use super::arg::{ArgKernels, arg};
pub use super::columns::LANES as COLUMN_LANES;

/// Number of lanes of the tree.
pub const fn lanes(dtype: DType) -> usize {
    lanes_of_size(dtype.size())
}

/// Number of elements in a block.
pub const fn block(dtype: DType) -> usize {
    ROWS * lanes(dtype)
}

/// Elements of a lane in a block.
const ROWS: usize = 32;

/// The most lanes of any dtype.
const MOST_LANES: usize = 128;

pub(crate) const fn lanes_of_size(bytes: usize) -> usize {
    if bytes <= 4 { MOST_LANES } else { MOST_LANES / 2 }
}

/// The order in which a stack of vectors, combined like a binary counter, reproduces the halving of `lanes` lanes: the
/// lane numbers with their bits reversed. `lanes` is a power of two.
pub fn leaf_order(lanes: usize) -> impl Iterator<Item = usize> {
    let unused = usize::BITS - lanes.trailing_zeros();
    (0..lanes).map(move |i| i.reverse_bits().checked_shr(unused).unwrap_or(0))
}

/// The parts of one reduction of one dtype. Pointers may have any alignment.
#[derive(Clone, Copy)]
pub struct ReduceKernels {
    /// What accumulators start from.
    pub identity: Literal,
    /// `fold(acc, tile, n)`: combines the `n` elements of `tile` into the accumulators, its first one into lane 0.
    ///
    /// Safety: `acc` has [`lanes`] elements, and does not overlap the `n` elements of `tile`.
    pub fold: unsafe fn(acc: *mut u8, tile: *const u8, n: usize),
    /// `halve(acc)`: combines all lanes into lane 0; the others are left unspecified.
    ///
    /// Safety: `acc` has [`lanes`] elements.
    pub halve: unsafe fn(acc: *mut u8),
    /// `row(x, n, out)`: the whole reduction of `n` elements.
    ///
    /// Safety: `x` has `n` elements, `out` room for one.
    pub row: unsafe fn(x: *const u8, n: usize, out: *mut u8),
    /// `combine(partials, count, out)`: the results of `count` blocks, in order, combined pairwise.
    ///
    /// Safety: `partials` has `count` elements, `out` room for one.
    pub combine: unsafe fn(partials: *const u8, count: usize, out: *mut u8),
    /// `columns(x, stride, rows, lanes, n, out, continues)`: each of `n` columns of a matrix of `rows` rows, `stride` bytes from
    /// one to the next, by the tree of so many lanes: rows `l`, `l + lanes`, … make lane `l`, and lanes are halved to one.
    /// With one lane, `out` may hold what others have combined, and is continued.
    ///
    /// Safety: `x` has `rows` times `n` elements, `out` room for `n`, which it has if it is continued; they do not overlap.
    /// `lanes` is 1 or [`COLUMN_LANES`].
    pub columns: unsafe fn(
        x: *const u8,
        stride: isize,
        rows: usize,
        lanes: usize,
        n: usize,
        out: *mut u8,
        continues: bool,
    ),
    /// The binary elementwise kernel that combines accumulators with elements.
    pub accumulate: Kernel,
}

/// The kernels of `op` for `dtype`: sums and products of integers and floats, minima and maxima of these and `bool`, any
/// and all of `bool`. The CPU must have the features of `level` where they are called.
pub fn reduce(op: ReduceOp, dtype: DType, level: Level) -> Option<ReduceKernels> {
    match (op, dtype) {
        (ReduceOp::Sum, _) => match unsigned(dtype) {
            DType::U8 => tree::<Sum, u8>(dtype, level),
            DType::U16 => tree::<Sum, u16>(dtype, level),
            DType::U32 => tree::<Sum, u32>(dtype, level),
            DType::U64 => tree::<Sum, u64>(dtype, level),
            DType::F32 => tree::<Sum, f32>(dtype, level),
            DType::F64 => tree::<Sum, f64>(dtype, level),
            _ => None,
        },
        (ReduceOp::Prod, _) => match unsigned(dtype) {
            DType::U8 => tree::<Prod, u8>(dtype, level),
            DType::U16 => tree::<Prod, u16>(dtype, level),
            DType::U32 => tree::<Prod, u32>(dtype, level),
            DType::U64 => tree::<Prod, u64>(dtype, level),
            DType::F32 => tree::<Prod, f32>(dtype, level),
            DType::F64 => tree::<Prod, f64>(dtype, level),
            _ => None,
        },
        (ReduceOp::Min, _) => {
            dispatch_dtype!(dtype, T => tree::<Min, T>(dtype, level), half => None, complex => None)
        }
        (ReduceOp::Max, _) => {
            dispatch_dtype!(dtype, T => tree::<Max, T>(dtype, level), half => None, complex => None)
        }
        (ReduceOp::Any, DType::Bool) => tree::<Max, Bool>(dtype, level),
        (ReduceOp::All, DType::Bool) => tree::<Min, Bool>(dtype, level),
        (ReduceOp::Any | ReduceOp::All | ReduceOp::Argmin | ReduceOp::Argmax, _) => None,
    }
}

/// The unsigned integer of a signed one's size: wrapping sums and products have the same bits in both.
pub(super) const fn unsigned(dtype: DType) -> DType {
    match dtype {
        DType::I8 => DType::U8,
        DType::I16 => DType::U16,
        DType::I32 => DType::U32,
        DType::I64 => DType::U64,
        other => other,
    }
}

fn tree<R: Reduction<T>, T: Element>(dtype: DType, level: Level) -> Option<ReduceKernels> {
    match level {
        Level::Baseline => tree_at::<R, T, level::Baseline>(dtype),
        Level::Avx2 => tree_at::<R, T, level::Avx2>(dtype),
        Level::Avx512 => tree_at::<R, T, level::Avx512>(dtype),
    }
}

fn tree_at<R: Reduction<T>, T: Element, L: level::AtLevel>(dtype: DType) -> Option<ReduceKernels> {
    Some(ReduceKernels {
        identity: Literal::from_bits(dtype, R::identity().to_bits64().into()),
        fold: fold::<R, T>(L::LEVEL),
        halve: halve::<R, T, L>,
        row: row::<R, T, L>,
        combine: combine::<R, T>,
        columns: columns::<R, T>(L::LEVEL),
        accumulate: elementwise(R::STEP, dtype, L::LEVEL)?,
    })
}

leveled! {
    fn fold<R: Reduction<T>, T: Element>(acc: *mut u8, tile: *const u8, n: usize) = fold_body
}

/// Bytes of accumulators kept in registers at a time.
const GROUP_BYTES: usize = 256;

/// # Safety
///
/// That of [`ReduceKernels::fold`].
#[inline(always)]
unsafe fn fold_body<R: Reduction<T>, T: Element>(acc: *mut u8, tile: *const u8, n: usize) {
    let lanes = lanes_of_size(size_of::<T>());
    let group = (GROUP_BYTES / size_of::<T>()).min(lanes);
    let (rows, rest) = (n / lanes, n % lanes);
    let mut last = [R::identity(); MOST_LANES];
    if rest > 0 {
        // SAFETY: the elements after the whole rows are within the `n`; `last` has room for less than `lanes`.
        unsafe {
            let tile = tile.add(rows * lanes * size_of::<T>());
            last.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(tile, rest * size_of::<T>());
        }
    }
    for first in (0..lanes).step_by(group) {
        // SAFETY: `acc` has `lanes` elements, `group` of them from `first` on; each of `rows` rows of the tile has `lanes`.
        unsafe {
            let acc = acc.cast::<T>().add(first);
            let mut lane = [R::identity(); MOST_LANES];
            for (l, lane) in lane[..group].iter_mut().enumerate() {
                *lane = acc.add(l).read_unaligned();
            }
            for row in 0..rows {
                // Opaque to the compiler: with AVX-512 it would vectorise integers across rows, by gathers.
                let row = std::hint::black_box(row);
                for (l, lane) in lane[..group].iter_mut().enumerate() {
                    *lane = R::combine(*lane, load(tile, row * lanes + first + l));
                }
            }
            for (l, lane) in lane[..group].iter().enumerate() {
                acc.add(l).write_unaligned(R::combine(*lane, last[first + l]));
            }
        }
    }
}

/// # Safety
///
/// That of [`ReduceKernels::halve`].
unsafe fn halve<R: Reduction<T>, T: Element, L: level::AtLevel>(acc: *mut u8) {
    // SAFETY: `acc` has so many elements, and is written when all are read.
    unsafe { short::<R, T>(L::LEVEL)(acc, lanes_of_size(size_of::<T>()), acc) }
}

leveled! {
    /// The tree of no more elements than there are lanes.
    fn short<R: Reduction<T>, T: Element>(x: *const u8, n: usize, out: *mut u8) = short_body
}

/// # Safety
///
/// `x` has `n` elements, `out` room for one; it may be one of them.
#[inline(always)]
unsafe fn short_body<R: Reduction<T>, T: Element>(x: *const u8, n: usize, out: *mut u8) {
    let mut lane = [R::identity(); MOST_LANES];
    // SAFETY: `x` has `n` elements, `lane` room for more; `out` has room for one.
    unsafe {
        lane.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(x, n * size_of::<T>());
        let result = halve_lanes::<R, T>(&mut lane[..lanes_of_size(size_of::<T>())]);
        out.cast::<T>().write_unaligned(result);
    }
}

/// # Safety
///
/// That of [`ReduceKernels::row`].
unsafe fn row<R: Reduction<T>, T: Element, L: level::AtLevel>(x: *const u8, n: usize, out: *mut u8) {
    let lanes = lanes_of_size(size_of::<T>());
    // SAFETY: `x` has `n` elements; every part read lies within them. `lane` has the lanes that `fold` and `halve` use.
    let result = unsafe {
        if n <= 8 {
            few::<R, T>(x, n)
        } else if n <= 32 {
            padded::<R, T>(x, n)
        } else if n <= lanes {
            return short::<R, T>(L::LEVEL)(x, n, out);
        } else {
            let mut counter = Counter::<T>::default();
            for start in (0..n).step_by(ROWS * lanes) {
                let mut lane = [R::identity(); MOST_LANES];
                let acc = lane.as_mut_ptr().cast();
                fold::<R, T>(L::LEVEL)(acc, x.add(start * size_of::<T>()), (n - start).min(ROWS * lanes));
                halve::<R, T, L>(acc);
                counter.push::<R>(lane[0]);
            }
            counter.finish::<R>()
        }
    };
    // SAFETY: `out` has room for an element.
    unsafe { out.cast::<T>().write_unaligned(result) }
}

/// # Safety
///
/// That of [`ReduceKernels::combine`].
unsafe fn combine<R: Reduction<T>, T: Element>(partials: *const u8, count: usize, out: *mut u8) {
    let mut counter = Counter::<T>::default();
    for i in 0..count {
        // SAFETY: `partials` has `count` elements.
        counter.push::<R>(unsafe { load(partials, i) });
    }
    // SAFETY: `out` has room for an element.
    unsafe { out.cast::<T>().write_unaligned(counter.finish::<R>()) }
}

/// The results of blocks, combined pairwise: bit `r` of `count` says whether a result of `2^r` blocks is waiting.
#[derive(Clone, Copy)]
struct Counter<T> {
    waiting: [T; usize::BITS as usize],
    count: usize,
}

impl<T: Element> Default for Counter<T> {
    #[inline(always)]
    fn default() -> Counter<T> {
        Counter { waiting: [T::default(); usize::BITS as usize], count: 0 }
    }
}

impl<T: Element> Counter<T> {
    #[inline(always)]
    fn push<R: Reduction<T>>(&mut self, mut value: T) {
        let rank = self.count.trailing_ones() as usize;
        for &earlier in &self.waiting[..rank] {
            value = R::combine(earlier, value);
        }
        self.waiting[rank] = value;
        self.count += 1;
    }

    #[inline(always)]
    fn finish<R: Reduction<T>>(self) -> T {
        let mut bits = self.count;
        let mut result = None;
        while bits != 0 {
            let earlier = self.waiting[bits.trailing_zeros() as usize];
            result = Some(result.map_or(earlier, |later| R::combine(earlier, later)));
            bits &= bits - 1;
        }
        result.unwrap_or_else(R::identity)
    }
}

/// The lanes, halved to one.
#[inline(always)]
fn halve_lanes<R: Reduction<T>, T: Element>(lane: &mut [T]) -> T {
    let mut half = lane.len() / 2;
    while half > 0 {
        for l in 0..half {
            lane[l] = R::combine(lane[l], lane[l + half]);
        }
        half /= 2;
    }
    lane[0]
}

/// The tree of up to 8 elements.
///
/// # Safety
///
/// `x` has `n` elements.
#[inline(always)]
unsafe fn few<R: Reduction<T>, T: Element>(x: *const u8, n: usize) -> T {
    let mut lane = [R::identity(); 8];
    for (l, lane) in lane.iter_mut().enumerate() {
        if l < n {
            // SAFETY: `l` is below `n`.
            *lane = unsafe { load(x, l) };
        }
    }
    let [a, b, c, d, e, f, g, h] = lane;
    let quarters = [R::combine(a, e), R::combine(b, f), R::combine(c, g), R::combine(d, h)];
    let [a, b, c, d] = quarters;
    // Combined with the identity last instead of first: only the sign of a zero sum sees it, and sees the same.
    R::combine(R::identity(), R::combine(R::combine(a, c), R::combine(b, d)))
}

/// The tree of up to 32 elements.
///
/// # Safety
///
/// `x` has `n` elements.
#[inline(always)]
unsafe fn padded<R: Reduction<T>, T: Element>(x: *const u8, n: usize) -> T {
    let mut lane = [R::identity(); 32];
    // SAFETY: `x` has `n` elements, `lane` room for more.
    unsafe { lane.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(x, n * size_of::<T>()) };
    R::combine(R::identity(), halve_lanes::<R, T>(&mut lane))
}
