//! Positions of the smallest and largest elements.
//!
//! NumPy's rule: the first of the smallest (largest) elements; a NaN counts as smaller (larger) than any number, so the
//! first NaN wins. The state is the best element so far and its index, -1 before any.
//!
//! *Rows*: what replaces the best so far is looked for, one comparison an element. Where something does, the best of the
//! block that begins there is found without its place, and then its place, while the block is in the first-level cache.
//! Of elements in random order few blocks are searched; of ascending ones all are.
//!
//! *Columns*: the best of a few columns and the rows where they were stay in registers over some rows. Rows are counted in
//! integers as wide as the elements, so that a comparison selects both.

use raptors_ir::{Bool, DType, Element, ReduceOp, dispatch_dtype};

use super::elementwise::load;
use crate::runtime::level::Level;

/// The parts of one argmin or argmax. Pointers to elements may have any alignment; indices are `i64`, -1 for none yet.
#[derive(Clone, Copy, Debug)]
pub struct ArgKernels {
    /// `row(x, n, base, best, index)`: `n` elements, the first of which has index `base`, after what the state has seen.
    ///
    /// Safety: `x` has `n` elements, `best` is one, and `index` points to an index.
    pub row: unsafe fn(x: *const u8, n: usize, base: i64, best: *mut u8, index: *mut i64),
    /// `columns(x, stride, rows, n, base, best, indices)`: `rows` more elements for each of `n` states, the first of index
    /// `base`; from one to the next there are `stride` bytes. All states have seen elements, or none has.
    ///
    /// Safety: `x` has `rows` times `n` elements, `best` has `n` and `indices` has `n`; none overlap.
    pub columns: unsafe fn(
        x: *const u8,
        stride: isize,
        rows: usize,
        n: usize,
        base: i64,
        best: *mut u8,
        indices: *mut i64,
    ),
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
    ArgKernels { row: row::<W, T>(level), columns: columns::<W, T>(level), merge: merge::<W, T>(level) }
}

/// Which of two numbers is wanted.
trait Wanted<T> {
    /// A number that no other is wanted less than.
    fn worst() -> T;
    /// Whether `x` is wanted more than `y`; false where either is NaN.
    fn beats(x: T, y: T) -> bool;
    /// Whether `x` replaces `y`, which is not NaN: it is wanted more, or is NaN.
    fn replaces(x: T, y: T) -> bool;
    /// NaN if either is; of infinities perhaps.
    fn taint(x: T, y: T) -> T;
}

struct Smallest;
struct Largest;

macro_rules! wanted {
    ($($t:ty: $value:expr, $least:expr, $most:expr, |$x:ident, $y:ident| $more:expr, $less:expr, $taint:expr;)*) => {
        $(impl Wanted<$t> for Smallest {
            #[inline(always)]
            fn worst() -> $t { $most }
            #[inline(always)]
            fn beats(x: $t, y: $t) -> bool { $value(x) < $value(y) }
            #[inline(always)]
            #[allow(clippy::neg_cmp_op_on_partial_ord, reason = "true of NaN")]
            fn replaces($x: $t, $y: $t) -> bool { let ($x, $y) = ($value($x), $value($y)); $less }
            #[inline(always)]
            fn taint($x: $t, $y: $t) -> $t { let _ = $y; $taint }
        }
        impl Wanted<$t> for Largest {
            #[inline(always)]
            fn worst() -> $t { $least }
            #[inline(always)]
            fn beats(x: $t, y: $t) -> bool { $value(x) > $value(y) }
            #[inline(always)]
            #[allow(clippy::neg_cmp_op_on_partial_ord, reason = "true of NaN")]
            fn replaces($x: $t, $y: $t) -> bool { let ($x, $y) = ($value($x), $value($y)); $more }
            #[inline(always)]
            fn taint($x: $t, $y: $t) -> $t { let _ = $y; $taint }
        })*
    };
    ($($t:ident)*) => {
        $(wanted! { $t: std::convert::identity::<$t>, $t::MIN, $t::MAX, |x, y| x > y, x < y, x; })*
    };
}
wanted! { Bool: Bool::get, Bool::from(false), Bool::from(true), |x, y| x & !y, !x & y, x; }
wanted!(i8 i16 i32 i64 u8 u16 u32 u64);
wanted! {
    f32: std::convert::identity::<f32>, f32::NEG_INFINITY, f32::INFINITY, |x, y| !(x <= y), !(x >= y), x + y;
    f64: std::convert::identity::<f64>, f64::NEG_INFINITY, f64::INFINITY, |x, y| !(x <= y), !(x >= y), x + y;
}

/// Whether the element is NaN, the only one that differs from itself.
#[inline(always)]
#[allow(clippy::eq_op, reason = "the comparison is the test for NaN of a generic element")]
fn is_nan<T: Element>(x: T) -> bool {
    x != x
}

/// Bytes compared side by side: four registers of AVX2.
const WIDTH: usize = 128;
/// Bytes of a block.
const BLOCK: usize = 8192;

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
    // SAFETY: the contract is the caller's.
    unsafe {
        match size_of::<T>() {
            1 => row_of::<W, T, WIDTH>(x, n, base, best, index),
            2 => row_of::<W, T, { WIDTH / 2 }>(x, n, base, best, index),
            4 => row_of::<W, T, { WIDTH / 4 }>(x, n, base, best, index),
            _ => row_of::<W, T, { WIDTH / 8 }>(x, n, base, best, index),
        }
    }
}

/// # Safety
///
/// That of [`ArgKernels::row`].
#[inline(always)]
unsafe fn row_of<W: Wanted<T>, T: Element, const L: usize>(
    x: *const u8,
    n: usize,
    base: i64,
    best: *mut u8,
    index: *mut i64,
) {
    if n == 0 {
        return;
    }
    let block = BLOCK / size_of::<T>();
    // SAFETY: `index` points to an index, and `best` to an element if there was one.
    let (mut winner, mut place) = unsafe {
        match index.read_unaligned() {
            -1 => (None, -1),
            seen => (Some(load::<T>(best, 0)), seen),
        }
    };
    let mut start = 0;
    // Few elements, one after the other.
    while n < L && start < n {
        // SAFETY: `start` is below `n`.
        let x = unsafe { load::<T>(x, start) };
        if winner.is_none_or(|winner| W::replaces(x, winner) & !is_nan(winner)) {
            (winner, place) = (Some(x), base.wrapping_add(start as i64));
        }
        start += 1;
    }
    while start < n {
        if let Some(winner) = winner {
            if is_nan(winner) {
                break;
            }
            // SAFETY: an element from `start` on.
            let better = |i: usize| W::replaces(unsafe { load(x, start + i) }, winner);
            match first::<L>(n - start, better) {
                Some(i) => start += i,
                None => break,
            }
        }
        let len = block.min(n - start);
        // SAFETY: the block lies within the `n` elements, as does its best.
        unsafe {
            let i = start + best_of::<W, T, L>(x.add(start * size_of::<T>()), len);
            winner = Some(load(x, i));
            place = base.wrapping_add(i as i64);
        }
        start += len;
    }
    if let Some(winner) = winner {
        // SAFETY: `best` is an element and `index` an index.
        unsafe {
            best.cast::<T>().write_unaligned(winner);
            index.write_unaligned(place);
        }
    }
}

/// The index of the best of `len` elements, which are some.
///
/// # Safety
///
/// `x` has `len` elements.
#[inline(always)]
unsafe fn best_of<W: Wanted<T>, T: Element, const L: usize>(x: *const u8, len: usize) -> usize {
    // SAFETY: every `i` below is less than `len`.
    let at = |i: usize| unsafe { load::<T>(x, i) };
    let better = |x: T, best: T| if W::beats(x, best) { x } else { best };
    // The best number: a comparison with NaN is false. Whether there is a NaN, a sum says.
    let (mut lane, mut sum) = ([W::worst(); L], [T::default(); L]);
    let mut start = 0;
    while start + L <= len {
        for (l, (lane, sum)) in lane.iter_mut().zip(&mut sum).enumerate() {
            let x = at(start + l);
            *lane = better(x, *lane);
            *sum = W::taint(*sum, x);
        }
        start += L;
    }
    while start + L / 4 <= len {
        for (l, (lane, sum)) in lane.iter_mut().zip(&mut sum).enumerate().take(L / 4) {
            let x = at(start + l);
            *lane = better(x, *lane);
            *sum = W::taint(*sum, x);
        }
        start += L / 4;
    }
    // Opaque to the compiler: it would have the lanes in the order in which they are combined here.
    (lane, sum) = std::hint::black_box((lane, sum));
    let mut half = L / 2;
    while half > 0 {
        for l in 0..half {
            lane[l] = better(lane[l], lane[l + half]);
            sum[l] = W::taint(sum[l], sum[l + half]);
        }
        half /= 2;
    }
    let (mut found, mut sum) = (lane[0], sum[0]);
    for i in start..len {
        found = better(at(i), found);
        sum = W::taint(sum, at(i));
    }
    let nan = if is_nan(sum) { first::<L>(len, |i| is_nan(at(i))) } else { None };
    nan.or_else(|| first::<L>(len, |i| !W::beats(found, at(i)))).unwrap_or(0)
}

/// The first index below `len` that is wanted.
#[inline(always)]
fn first<const L: usize>(len: usize, wanted: impl Fn(usize) -> bool) -> Option<usize> {
    let any = |start: usize, count: usize| (0..count).fold(false, |any, l| any | wanted(start + l));
    let mut start = 0;
    while start + 2 * L <= len && !any(start, 2 * L) {
        start += 2 * L;
    }
    while start + L / 4 <= len && !any(start, L / 4) {
        start += L / 4;
    }
    (start..len).find(|&i| wanted(i))
}

/// An integer as wide as an element, to count rows in. Choices are made bit by bit: of a conditional assignment the
/// compiler makes a masked store, whose result it then has to wait for.
trait Bits: Copy + Default + PartialEq {
    /// No row.
    const NONE: Self;
    fn of(bits: u64) -> Self;
    fn get(self) -> u64;
    /// `x` where `choice` is true, else `y`.
    fn choose(choice: bool, x: Self, y: Self) -> Self;
}

macro_rules! bits {
    ($($t:ty)*) => {
        $(impl Bits for $t {
            const NONE: $t = <$t>::MAX;
            #[inline(always)]
            fn of(bits: u64) -> $t { bits as $t }
            #[inline(always)]
            fn get(self) -> u64 { self as u64 }
            #[inline(always)]
            fn choose(choice: bool, x: $t, y: $t) -> $t {
                let mask = <$t>::from(choice).wrapping_neg();
                (x & mask) | (y & !mask)
            }
        })*
    };
}
bits!(u8 u16 u32 u64);

leveled! {
    fn columns<W: Wanted<T>, T: Element>(
        x: *const u8, stride: isize, rows: usize, n: usize, base: i64, best: *mut u8, indices: *mut i64,
    ) = columns_body
}

/// # Safety
///
/// That of [`ArgKernels::columns`].
#[inline(always)]
unsafe fn columns_body<W: Wanted<T>, T: Element>(
    x: *const u8,
    stride: isize,
    rows: usize,
    n: usize,
    base: i64,
    best: *mut u8,
    indices: *mut i64,
) {
    // SAFETY: the contract is the caller's.
    unsafe {
        match size_of::<T>() {
            1 => columns_of::<W, T, u8, WIDTH, { WIDTH / 4 }>(x, stride, rows, n, base, best, indices),
            2 => {
                columns_of::<W, T, u16, { WIDTH / 2 }, { WIDTH / 8 }>(x, stride, rows, n, base, best, indices)
            }
            4 => columns_of::<W, T, u32, { WIDTH / 4 }, { WIDTH / 16 }>(
                x, stride, rows, n, base, best, indices,
            ),
            _ => columns_of::<W, T, u64, { WIDTH / 8 }, { WIDTH / 32 }>(
                x, stride, rows, n, base, best, indices,
            ),
        }
    }
}

/// # Safety
///
/// That of [`ArgKernels::columns`].
#[inline(always)]
unsafe fn columns_of<W: Wanted<T>, T: Element, B: Bits, const L: usize, const S: usize>(
    x: *const u8,
    stride: isize,
    rows: usize,
    n: usize,
    base: i64,
    best: *mut u8,
    indices: *mut i64,
) {
    /// Rows that every integer can count, and memory serves side by side.
    const ROWS: usize = 16;
    let item = size_of::<T>();
    // SAFETY: if there is a column, it has an index.
    let mut unseen = n > 0 && unsafe { indices.read_unaligned() } < 0;
    for row in (0..rows).step_by(ROWS) {
        let count = ROWS.min(rows - row);
        let (x, base) = (x.wrapping_offset(row as isize * stride), base.wrapping_add(row as i64));
        let mut column = 0;
        // SAFETY: so many columns, from one that there is on.
        unsafe {
            while column + L <= n {
                let (x, best) = (x.add(column * item), best.add(column * item));
                some_columns::<W, T, B, L>(x, stride, count, base, best, indices.add(column), unseen);
                column += L;
            }
            while column + S <= n {
                let (x, best) = (x.add(column * item), best.add(column * item));
                some_columns::<W, T, B, S>(x, stride, count, base, best, indices.add(column), unseen);
                column += S;
            }
            while column < n {
                let (x, best) = (x.add(column * item), best.add(column * item));
                some_columns::<W, T, B, 1>(x, stride, count, base, best, indices.add(column), unseen);
                column += 1;
            }
        }
        unseen = false;
    }
}

/// # Safety
///
/// That of [`ArgKernels::columns`], for `L` columns and at least one row, no more than `B` counts.
#[inline(always)]
unsafe fn some_columns<W: Wanted<T>, T: Element, B: Bits, const L: usize>(
    x: *const u8,
    stride: isize,
    rows: usize,
    base: i64,
    best: *mut u8,
    indices: *mut i64,
    unseen: bool,
) {
    // SAFETY: each row has `L` elements, and there are as many states.
    let row =
        |row: usize| unsafe { x.wrapping_offset(row as isize * stride).cast::<[T; L]>().read_unaligned() };
    let (best, indices) = (best.cast::<[T; L]>(), indices.cast::<[i64; L]>());
    let (top, mut place) = match unseen {
        true => (row(0), [B::of(0); L]),
        // SAFETY: as above.
        false => (unsafe { best.read_unaligned() }, [B::NONE; L]),
    };
    let mut top = each(top, |top| B::of(top.to_bits64()));
    for n in usize::from(unseen)..rows {
        let (values, n) = (row(n), B::of(n as u64));
        let replaces = both(values, top, |value, top| {
            let top = T::from_bits64(top.get());
            W::replaces(value, top) & !is_nan(top)
        });
        let values = each(values, |value| B::of(value.to_bits64()));
        top = both(replaces, both(values, top, |value, top| (value, top)), |replaces, (value, top)| {
            B::choose(replaces, value, top)
        });
        place = both(replaces, place, |replaces, place| B::choose(replaces, n, place));
    }
    // SAFETY: as above.
    unsafe {
        best.write_unaligned(each(top, |top| T::from_bits64(top.get())));
        indices.write_unaligned(both(place, indices.read_unaligned(), |place, old| {
            let index = base.wrapping_add(place.get() as i64);
            u64::choose(place == B::NONE, old as u64, index as u64) as i64
        }));
    }
}

/// `f` of each element. Of `std::array::from_fn` the compiler may make a call, without the level's instructions.
#[inline(always)]
fn each<X: Copy, Y: Default + Copy, const L: usize>(x: [X; L], f: impl Fn(X) -> Y) -> [Y; L] {
    let mut y = [Y::default(); L];
    for (y, x) in y.iter_mut().zip(x) {
        *y = f(x);
    }
    y
}

/// `f` of each two elements.
#[inline(always)]
fn both<X: Copy, Y: Copy, Z: Default + Copy, const L: usize>(
    x: [X; L],
    y: [Y; L],
    f: impl Fn(X, Y) -> Z,
) -> [Z; L] {
    let mut z = [Z::default(); L];
    for (l, z) in z.iter_mut().enumerate() {
        *z = f(x[l], y[l]);
    }
    z
}

leveled! {
    fn merge<W: Wanted<T>, T: Element>(
        best: *mut u8, indices: *mut i64, later_best: *const u8, later_indices: *const i64, n: usize,
    ) = merge_body
}

/// # Safety
///
/// That of [`ArgKernels::merge`].
#[inline(always)]
unsafe fn merge_body<W: Wanted<T>, T: Element>(
    best: *mut u8,
    indices: *mut i64,
    later_best: *const u8,
    later_indices: *const i64,
    n: usize,
) {
    for i in 0..n {
        // SAFETY: `i` is below `n`.
        unsafe {
            let (index, place) = (later_indices.add(i).read_unaligned(), indices.add(i));
            let (later, best) = (load::<T>(later_best, i), best.cast::<T>().add(i));
            let (old, seen) = (best.read_unaligned(), place.read_unaligned());
            if (index >= 0) & ((seen < 0) | (W::replaces(later, old) & !is_nan(old))) {
                best.write_unaligned(later);
                place.write_unaligned(index);
            }
        }
    }
}
