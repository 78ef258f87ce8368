//! Sums of products in any order, which the compiler puts in vectors: of integers, which wrap, and of truth values.

use crate::kernels::elementwise::load;
use crate::kernels::ring::Ring;

/// Sums of a step of [`axpy`].
const STEP: usize = 64;

leveled! {
    /// The dot products of `count` rows with a vector: a [`Dots`](super::Dots).
    pub(in crate::kernels) fn dots<T: Ring>(rows: *const u8, stride: isize, count: usize, y: *const u8, n: usize, out: *mut u8) = dots_body
}

/// # Safety
///
/// That of [`Dots`](super::Dots).
#[inline(always)]
unsafe fn dots_body<T: Ring>(
    rows: *const u8,
    stride: isize,
    count: usize,
    y: *const u8,
    n: usize,
    out: *mut u8,
) {
    for r in 0..count {
        let row = rows.wrapping_offset(r as isize * stride * size_of::<T>() as isize);
        let mut sum = T::default();
        for i in 0..n {
            // SAFETY: row and vector have `n` elements.
            let (x, y) = unsafe { (load::<T>(row, i), load::<T>(y, i)) };
            sum = sum.add_product(x.normal(), y.normal());
        }
        // SAFETY: `out` has room for `count` elements.
        unsafe { out.cast::<T>().add(r).write_unaligned(sum) };
    }
}

leveled! {
    /// Columns times elements of a vector, added to sums: an [`Axpy`](super::Axpy).
    pub(in crate::kernels) fn axpy<T: Ring>(columns: *const u8, stride: isize, x: *const u8, k: usize, sums: *mut u8, n: usize) = axpy_body
}

/// # Safety
///
/// That of [`Axpy`](super::Axpy).
#[inline(always)]
unsafe fn axpy_body<T: Ring>(
    columns: *const u8,
    stride: isize,
    x: *const u8,
    k: usize,
    sums: *mut u8,
    n: usize,
) {
    let each = |p: usize, i: usize| {
        let column = columns.wrapping_offset(p as isize * stride * size_of::<T>() as isize);
        // SAFETY: called for `p` below `k` and `i` below `n`.
        unsafe { (load::<T>(column, i).normal(), load::<T>(x, p).normal()) }
    };
    let sums = sums.cast::<T>();
    let whole = n - n % STEP;
    for start in (0..whole).step_by(STEP) {
        // SAFETY: `STEP` sums from `start` on.
        let mut lane = unsafe { sums.add(start).cast::<[T; STEP]>().read_unaligned() };
        for p in 0..k {
            for (l, lane) in lane.iter_mut().enumerate() {
                let (element, x) = each(p, start + l);
                *lane = lane.add_product(element, x);
            }
        }
        // SAFETY: as above.
        unsafe { sums.add(start).cast::<[T; STEP]>().write_unaligned(lane) };
    }
    for i in whole..n {
        // SAFETY: `i` is below `n`.
        let mut sum = unsafe { sums.add(i).read_unaligned() };
        for p in 0..k {
            let (element, x) = each(p, i);
            sum = sum.add_product(element, x);
        }
        // SAFETY: as above.
        unsafe { sums.add(i).write_unaligned(sum) };
    }
}
