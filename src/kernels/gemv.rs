//! Products of a matrix and a few vectors.
//!
//! Each element of the matrix is read from memory once and used at most four times, so this runs at the speed of
//! memory. A sum of floats is taken in one of two fixed orders, picked by the strides and the shape alone. Where a row of
//! the matrix is contiguous: lane `l` of 128 bytes of lanes sums every so many products from the `l`-th on, then the upper
//! half of the lanes is added to the lower until one is left; of few long rows, this is done for blocks of columns, and
//! the blocks' sums are added in order. Otherwise: product after product, for many rows at a time.
//! Products of floats are rounded before they are added, as not every level has a fused instruction.

pub(super) mod floats;
pub(super) mod integers;

use super::matmul::{Matrix, MatrixMut, row_major_copy, run_in_chunks};
use super::ring::Ring;
use crate::runtime::buffer::{Buffer, OutOfMemory};
use crate::runtime::level::Level;

/// The most vectors.
pub(super) const THIN: usize = 4;

/// Rows whose dot products are taken at once: streams that memory serves side by side.
const STREAMS: usize = 4;
/// Products of a sum of few long rows that are added by themselves.
const BLOCK: usize = 1 << 15;
/// Rows that are summed side by side.
const ROWS: usize = 2048;
/// Columns that are added to the sums of one vector before those of the next: they stay in L2.
const COLUMNS: usize = 8;
/// Products of a chunk, at least: some ten microseconds, beside which another thread is soon there.
const CHUNK: usize = 1 << 18;
/// Of how many rows, where columns are contiguous, a chunk has a multiple: memory is read in runs of kilobytes, and a matrix
/// of few thousand rows is shared all the same.
const CHUNK_ROWS: usize = 512;

/// `dots(rows, stride, count, y, n, out)`: the dot products of `count` rows, `stride` elements apart, with the `n` elements of
/// `y`.
///
/// Safety: each of `count` rows has `n` contiguous elements, as has `y`, and `out` has room for `count`.
pub(super) type Dots = unsafe fn(*const u8, isize, usize, *const u8, usize, *mut u8);
/// `axpy(columns, stride, x, k, sums, n)`: adds `k` columns, `stride` elements apart, each times an element of `x`, to `n` sums.
///
/// Safety: `columns` has `k` columns of `n` contiguous elements, `x` has `k` elements, `sums` has `n`.
pub(super) type Axpy = unsafe fn(*const u8, isize, *const u8, usize, *mut u8, usize);

/// `c = a b` for at most [`THIN`] columns `n`; `dims` is `[m, k, n]`.
///
/// # Safety
///
/// That of [`super::matmul::matmul`], for elements of `T`.
pub(super) unsafe fn gemv<T: Ring>(
    dims: [usize; 3],
    a: Matrix,
    b: Matrix,
    c: MatrixMut,
) -> Result<(), OutOfMemory> {
    let [m, k, n] = dims;
    let item = size_of::<T>();
    // Vectors that are not contiguous are copied.
    // SAFETY: the columns of `b` are k elements each.
    let copied =
        (b.row_stride != 1).then(|| unsafe { row_major_copy(b.transposed(), n, k, item) }).transpose()?;
    let vectors = match &copied {
        Some(copied) => Matrix { ptr: copied.as_ptr(), row_stride: 1, col_stride: k as isize },
        None => b,
    };
    // SAFETY: the contract is the caller's; the columns of `vectors` are contiguous.
    unsafe {
        if a.col_stride != 1 && a.row_stride == 1 && m > 1 {
            by_columns::<T>(dims, a, vectors, c)
        } else if m <= STREAMS && k > BLOCK {
            by_blocks::<T>(dims, a, vectors, c)
        } else {
            by_rows::<T>(dims, a, vectors, c)
        }
    }
}

/// # Safety
///
/// That of [`gemv`], and the columns of `vectors` are contiguous.
unsafe fn by_rows<T: Ring>(
    [m, k, n]: [usize; 3],
    a: Matrix,
    vectors: Matrix,
    c: MatrixMut,
) -> Result<(), OutOfMemory> {
    let item = size_of::<T>();
    let dots = T::dots(Level::current());
    run_in_chunks(m, (CHUNK / k.max(1)).max(1), STREAMS, &|rows| {
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
                    let sums_at = sums.as_mut_ptr().cast();
                    dots(row, a.row_stride, count, vectors.at(0, j, item), k, sums_at);
                    for (i, sum) in sums[..count].iter().enumerate() {
                        c.at(start + i, j, item).cast::<T>().write_unaligned(*sum);
                    }
                }
            }
        }
        Ok(())
    })
}

/// Of at most [`STREAMS`] long rows.
///
/// # Safety
///
/// That of [`by_rows`].
unsafe fn by_blocks<T: Ring>(
    [m, k, n]: [usize; 3],
    a: Matrix,
    vectors: Matrix,
    c: MatrixMut,
) -> Result<(), OutOfMemory> {
    let item = size_of::<T>();
    // SAFETY: `a` has m rows of k elements.
    let copied = (a.col_stride != 1).then(|| unsafe { row_major_copy(a, m, k, item) }).transpose()?;
    let a = match &copied {
        Some(copied) => Matrix { ptr: copied.as_ptr(), row_stride: k as isize, col_stride: 1 },
        None => a,
    };
    let blocks = k.div_ceil(BLOCK);
    let mut sums = Buffer::allocate(blocks * n * m * item)?;
    let sums = MatrixMut { ptr: sums.as_mut_ptr(), row_stride: (n * m) as isize, col_stride: 1 };
    let dots = T::dots(Level::current());
    run_in_chunks(blocks, (CHUNK / (m * BLOCK)).max(1), 1, &|part| {
        for block in part {
            let first = block * BLOCK;
            for j in 0..n {
                let y = vectors.at(first, j, item);
                // SAFETY: rows and vector have these elements, and the sums of a block are this chunk's.
                unsafe {
                    let sums = sums.at(block, j * m, item);
                    dots(a.at(0, first, item), a.row_stride, m, y, BLOCK.min(k - first), sums);
                }
            }
        }
        Ok(())
    })?;
    for i in 0..m {
        for j in 0..n {
            // SAFETY: the sums are written, and the result is an element of `c`.
            unsafe {
                let sum_of = |block: usize| sums.at(block, j * m + i, item).cast::<T>().read_unaligned();
                let sum = (1..blocks).fold(sum_of(0), |sum, block| sum.add(sum_of(block)));
                c.at(i, j, item).cast::<T>().write_unaligned(sum);
            }
        }
    }
    Ok(())
}

/// Of a matrix whose columns are contiguous.
///
/// # Safety
///
/// That of [`by_rows`].
unsafe fn by_columns<T: Ring>(
    [m, k, n]: [usize; 3],
    a: Matrix,
    vectors: Matrix,
    c: MatrixMut,
) -> Result<(), OutOfMemory> {
    let item = size_of::<T>();
    let axpy = T::axpy(Level::current());
    run_in_chunks(m, (CHUNK / k.max(1)).max(1), CHUNK_ROWS, &|rows| {
        for start in rows.clone().step_by(ROWS) {
            let len = ROWS.min(rows.end - start);
            let mut sums = vec![T::default(); n * len];
            for p in (0..k).step_by(COLUMNS) {
                for (j, sums) in sums.chunks_exact_mut(len).enumerate() {
                    let (columns, y) = (COLUMNS.min(k - p), vectors.at(p, j, item));
                    let first = a.at(start, p, item);
                    // SAFETY: rows `start..start + len` of `columns` columns from `p` on, contiguous from row to row.
                    unsafe {
                        axpy(first, a.col_stride, y, columns, sums.as_mut_ptr().cast(), len);
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
