//! Products of a matrix and a few vectors.
//!
//! Each element of the matrix is read from memory once and used at most four times, so this runs at the speed of
//! memory. A sum is taken in one of two fixed orders, picked by the strides and the shape alone. Where a row of the matrix
//! is contiguous: [`LANES`] lanes of every `LANES`-th product, then the upper half of the lanes added to the lower until
//! one is left. Otherwise: product after product, for many rows at a time. Products of floats are rounded before they are
//! added, as not every level has a fused instruction.

use super::elementwise::load;
use super::matmul::{Matrix, MatrixMut, row_major_copy, run_in_chunks};
use super::ring::Ring;
use crate::runtime::level::Level;

/// The most vectors.
pub(super) const THIN: usize = 4;

/// Lanes of a dot product.
const LANES: usize = 64;
/// Rows that are summed side by side.
const ROWS: usize = 2048;
/// Columns that are added to the sums of one vector before those of the next: they stay in L2.
const COLUMNS: usize = 16;
/// Products of a chunk, at least.
const CHUNK: usize = 1 << 16;

/// `c = a b` for at most [`THIN`] columns `n`; `dims` is `[m, k, n]`.
///
/// # Safety
///
/// That of [`super::matmul::matmul`], for elements of `T`.
pub(super) unsafe fn gemv<T: Ring>([m, k, n]: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut) {
    let item = size_of::<T>();
    // SAFETY: the columns of `b` are k elements each.
    let vectors = unsafe { row_major_copy::<T>(b.transposed(), n, k) };
    let vector = |j: usize, p: usize| vectors[j * k + p..].as_ptr().cast::<u8>();
    let level = Level::current();
    // Rows that are not contiguous are copied, unless the columns are.
    if a.col_stride == 1 || a.row_stride != 1 {
        let dot = dot::<T>(level);
        run_in_chunks(m, (CHUNK / k.max(1)).max(1), &|rows| {
            for i in rows {
                let row = Matrix { ptr: a.at(i, 0, item), ..a };
                // SAFETY: row `i` has k elements; the results are elements of `c`.
                unsafe {
                    let copied = (a.col_stride != 1).then(|| row_major_copy::<T>(row, 1, k));
                    let row = copied.as_ref().map_or(row.ptr, |copied| copied.as_ptr().cast());
                    for j in 0..n {
                        dot(row, vector(j, 0), k, c.at(i, j, item));
                    }
                }
            }
        });
        return;
    }
    let axpy = axpy::<T>(level);
    run_in_chunks(m, (CHUNK / k.max(1)).max(1).next_multiple_of(ROWS), &|rows| {
        for start in rows.clone().step_by(ROWS) {
            let len = ROWS.min(rows.end - start);
            let mut sums = vec![T::default(); n * len];
            for p in (0..k).step_by(COLUMNS) {
                for (j, sums) in sums.chunks_exact_mut(len).enumerate() {
                    let columns = COLUMNS.min(k - p);
                    let first = a.at(start, p, item);
                    // SAFETY: rows `start..start + len` of `columns` columns from `p` on, contiguous from row to row.
                    unsafe {
                        axpy(first, a.col_stride, vector(j, p), columns, sums.as_mut_ptr().cast(), len);
                    }
                }
            }
            for (j, sums) in sums.chunks_exact(len).enumerate() {
                for (i, sum) in sums.iter().enumerate() {
                    // SAFETY: an element of `c`.
                    unsafe { c.at(start + i, j, item).cast::<T>().write_unaligned(*sum) };
                }
            }
        }
    });
}

leveled! {
    /// The dot product of `n` elements.
    fn dot<T: Ring>(x: *const u8, y: *const u8, n: usize, out: *mut u8) = dot_body
}

/// # Safety
///
/// `x` and `y` have `n` elements, `out` room for one.
#[inline(always)]
unsafe fn dot_body<T: Ring>(x: *const u8, y: *const u8, n: usize, out: *mut u8) {
    // SAFETY: called for `i` below `n`.
    let each = |i: usize| unsafe { (load::<T>(x, i).normal(), load::<T>(y, i).normal()) };
    let mut lane = [T::default(); LANES];
    let whole = n - n % LANES;
    for start in (0..whole).step_by(LANES) {
        for (l, lane) in lane.iter_mut().enumerate() {
            let (x, y) = each(start + l);
            *lane = lane.add_product(x, y);
        }
    }
    for (lane, i) in lane.iter_mut().zip(whole..n) {
        let (x, y) = each(i);
        *lane = lane.add_product(x, y);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lane[l] = lane[l].add(lane[l + half]);
        }
        half /= 2;
    }
    // SAFETY: `out` has room for an element.
    unsafe { out.cast::<T>().write_unaligned(lane[0]) }
}

leveled! {
    /// Adds `k` columns, each times an element of `x`, to `n` sums. Columns are `stride` elements apart.
    fn axpy<T: Ring>(columns: *const u8, stride: isize, x: *const u8, k: usize, sums: *mut u8, n: usize) = axpy_body
}

/// # Safety
///
/// `columns` has `k` columns of `n` contiguous elements, `x` has `k` elements, `sums` has `n`.
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
    let whole = n - n % LANES;
    for start in (0..whole).step_by(LANES) {
        // SAFETY: `LANES` sums from `start` on.
        let mut lane = unsafe { sums.add(start).cast::<[T; LANES]>().read_unaligned() };
        for p in 0..k {
            for (l, lane) in lane.iter_mut().enumerate() {
                let (element, x) = each(p, start + l);
                *lane = lane.add_product(element, x);
            }
        }
        // SAFETY: as above.
        unsafe { sums.add(start).cast::<[T; LANES]>().write_unaligned(lane) };
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
