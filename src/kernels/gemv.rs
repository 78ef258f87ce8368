//! Products of a matrix and a few vectors.
//!
//! Each element of the matrix is read from memory once and used at most four times, so this runs at the speed of
//! memory. A sum is taken in one of two fixed orders, picked by the strides and the shape alone. Where a row of the matrix
//! is contiguous: lane `l` of 64 bytes of lanes sums every so many products from the `l`-th on, then the upper half of
//! the lanes is added to the lower until one is left. Otherwise: product after product, for many rows at a time.
//! Products of floats are rounded before they are added, as not every level has a fused instruction.

use super::elementwise::load;
use super::matmul::{Matrix, MatrixMut, row_major_copy, run_in_chunks};
use super::ring::Ring;
use crate::runtime::buffer::{Buffer, OutOfMemory};
use crate::runtime::level::Level;

/// The most vectors.
pub(super) const THIN: usize = 4;

/// Bytes of the lanes of a dot product.
const LANE_BYTES: usize = 64;
/// Rows whose dot products are taken at once: streams that memory serves side by side.
const STREAMS: usize = 4;
/// Sums of a step of [`axpy`].
const STEP: usize = 64;
/// Rows that are summed side by side.
const ROWS: usize = 2048;
/// Columns that are added to the sums of one vector before those of the next: they stay in L2.
const COLUMNS: usize = 8;
/// Products of a chunk, at least.
const CHUNK: usize = 1 << 16;
/// Of how many rows, where columns are contiguous, a chunk has a multiple: memory is read in runs of kilobytes, and a matrix
/// of few thousand rows is shared all the same.
const CHUNK_ROWS: usize = 512;

/// `c = a b` for at most [`THIN`] columns `n`; `dims` is `[m, k, n]`.
///
/// # Safety
///
/// That of [`super::matmul::matmul`], for elements of `T`.
pub(super) unsafe fn gemv<T: Ring>(
    [m, k, n]: [usize; 3],
    a: Matrix,
    b: Matrix,
    c: MatrixMut,
) -> Result<(), OutOfMemory> {
    let item = size_of::<T>();
    // SAFETY: the columns of `b` are k elements each.
    let vectors = unsafe { row_major_copy(b.transposed(), n, k, item)? };
    let vector = |j: usize, p: usize| vectors.as_ptr().wrapping_add((j * k + p) * item);
    let level = Level::current();
    // Rows that are not contiguous are copied, unless the columns are.
    if a.col_stride == 1 || a.row_stride != 1 {
        let dots = dots::<T>(level);
        return run_in_chunks(m, (CHUNK / k.max(1)).max(1).next_multiple_of(STREAMS), &|rows| {
            let streams = if a.col_stride == 1 { STREAMS } else { 1 };
            for start in rows.clone().step_by(streams) {
                let count = streams.min(rows.end - start);
                let row = Matrix { ptr: a.at(start, 0, item), ..a };
                // SAFETY: row `start` has k elements.
                let copied =
                    (a.col_stride != 1).then(|| unsafe { row_major_copy(row, 1, k, item) }).transpose()?;
                let row = copied.as_ref().map_or(row.ptr, Buffer::as_ptr);
                for j in 0..n {
                    let mut sums = [T::default(); STREAMS];
                    // SAFETY: `count` rows from `start` on have k elements each, as the vector; the results are in `c`.
                    unsafe {
                        dots(row, a.row_stride, count, vector(j, 0), k, sums.as_mut_ptr().cast());
                        for (i, sum) in sums[..count].iter().enumerate() {
                            c.at(start + i, j, item).cast::<T>().write_unaligned(*sum);
                        }
                    }
                }
            }
            Ok(())
        });
    }
    let axpy = axpy::<T>(level);
    run_in_chunks(m, (CHUNK / k.max(1)).max(1).next_multiple_of(CHUNK_ROWS), &|rows| {
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
        Ok(())
    })
}

leveled! {
    /// The dot products of `count` rows, `stride` elements apart, with the `n` elements of `y`.
    fn dots<T: Ring>(rows: *const u8, stride: isize, count: usize, y: *const u8, n: usize, out: *mut u8) = dots_body
}

/// # Safety
///
/// Each of `count` rows has `n` elements, as has `y`, and `out` has room for `count`.
#[inline(always)]
unsafe fn dots_body<T: Ring>(
    rows: *const u8,
    stride: isize,
    count: usize,
    y: *const u8,
    n: usize,
    out: *mut u8,
) {
    // SAFETY: the contract is the caller's. There are `LANE_BYTES` of lanes.
    unsafe {
        match size_of::<T>() {
            1 => dots_of::<T, LANE_BYTES>(rows, stride, count, y, n, out),
            2 => dots_of::<T, { LANE_BYTES / 2 }>(rows, stride, count, y, n, out),
            4 => dots_of::<T, { LANE_BYTES / 4 }>(rows, stride, count, y, n, out),
            _ => dots_of::<T, { LANE_BYTES / 8 }>(rows, stride, count, y, n, out),
        }
    }
}

/// # Safety
///
/// That of [`dots_body`].
#[inline(always)]
unsafe fn dots_of<T: Ring, const L: usize>(
    rows: *const u8,
    stride: isize,
    count: usize,
    y: *const u8,
    n: usize,
    out: *mut u8,
) {
    let item = size_of::<T>();
    let row = |i: usize| rows.wrapping_offset(i as isize * stride * item as isize);
    // SAFETY: the contract is the caller's, for some of the rows.
    unsafe {
        if count == STREAMS {
            some_dots::<T, STREAMS, L>(rows, stride, y, n, out);
        } else {
            (0..count).for_each(|i| some_dots::<T, 1, L>(row(i), stride, y, n, out.add(i * item)));
        }
    }
}

/// # Safety
///
/// That of [`dots_body`], for `COUNT` rows.
#[inline(always)]
unsafe fn some_dots<T: Ring, const COUNT: usize, const L: usize>(
    rows: *const u8,
    stride: isize,
    y: *const u8,
    n: usize,
    out: *mut u8,
) {
    let row = |r: usize| rows.wrapping_offset(r as isize * stride * size_of::<T>() as isize);
    let mut lane = [[T::default(); L]; COUNT];
    let whole = n - n % L;
    for start in (0..whole).step_by(L) {
        // SAFETY: `L` elements from `start` on.
        let some = |from: *const u8| unsafe { from.cast::<T>().add(start).cast::<[T; L]>().read_unaligned() };
        let y = some(y);
        for (r, lane) in lane.iter_mut().enumerate() {
            add_products(lane, some(row(r)), y);
        }
    }
    if whole < n {
        // Zeros add nothing to sums that began as zero.
        let rest = |from: *const u8| {
            let mut rest = [T::default(); L];
            let bytes = (n - whole) * size_of::<T>();
            // SAFETY: the elements from `whole` on are fewer than `L`.
            unsafe {
                let from = from.add(whole * size_of::<T>());
                rest.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(from, bytes);
            }
            rest
        };
        let y = rest(y);
        for (r, lane) in lane.iter_mut().enumerate() {
            add_products(lane, rest(row(r)), y);
        }
    }
    // Opaque to the compiler: it would add up rows side by side, and have the lanes across them for that.
    for (r, lane) in std::hint::black_box(lane).iter_mut().enumerate() {
        let mut half = L / 2;
        while half > 0 {
            for l in 0..half {
                lane[l] = lane[l].add(lane[l + half]);
            }
            half /= 2;
        }
        // SAFETY: `out` has room for `COUNT` elements.
        unsafe { out.cast::<T>().add(r).write_unaligned(lane[0]) };
    }
}

/// Adds the product of each two elements to a sum. (Loops over as many lanes as the type says, and not as many as a variable,
/// stay in registers.)
#[inline(always)]
fn add_products<T: Ring, const L: usize>(sums: &mut [T; L], x: [T; L], y: [T; L]) {
    for (l, sum) in sums.iter_mut().enumerate() {
        *sum = sum.add_product(x[l].normal(), y[l].normal());
    }
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
