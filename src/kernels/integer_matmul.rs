//! Products of integer and `bool` matrices, in the dtype itself and wrapping: NumPy's `matmul`.
//!
//! Tiles of four rows and 64 bytes of columns are summed in registers over a block of `k`, for which a panel of `b` is
//! copied to contiguous memory that stays in L1. Wrapping sums have the same bits in any order. `bool` matrices are
//! multiplied 64 elements of `k` at a time, as the bits of a word.

use super::matmul::{Matrix, MatrixMut, row_major_copy};
use super::ring::Ring;
use crate::runtime::buffer::{Buffer, OutOfMemory};
use crate::runtime::level::Level;
use crate::runtime::watch;

/// Rows of a tile.
const ROWS: usize = 4;
/// Bytes of a row of a tile.
const ROW_BYTES: usize = 64;
/// Rows of `b` in a panel.
const DEPTH: usize = 256;

/// `c = a b`; `dims` is `[m, k, n]`.
///
/// # Safety
///
/// That of [`super::matmul::matmul`], for elements of `T`.
pub(super) unsafe fn matmul<T: Ring>([m, k, n]: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut) {
    let item = size_of::<T>();
    let columns = ROW_BYTES / item;
    let tile = tile::<T>(Level::current());
    let mut panel = vec![T::default(); DEPTH * columns];
    for j in (0..n).step_by(columns) {
        let width = columns.min(n - j);
        for p in (0..k.max(1)).step_by(DEPTH) {
            watch::checkpoint(j, n);
            let depth = DEPTH.min(k - p);
            for (q, row) in panel.chunks_exact_mut(columns).take(depth).enumerate() {
                for (l, element) in row[..width].iter_mut().enumerate() {
                    // SAFETY: row `p + q` and column `j + l` are within `b`.
                    *element = unsafe { b.at(p + q, j + l, item).cast::<T>().read_unaligned() }.normal();
                }
            }
            for i in (0..m).step_by(ROWS) {
                let size = [ROWS.min(m - i), depth, width];
                let a = Matrix { ptr: a.at(i, p, item), ..a };
                let c = MatrixMut { ptr: c.at(i, j, item), ..c };
                let begin = if p == 0 { Begin::Zero } else { Begin::Result };
                // SAFETY: the tile lies within `a` and `c`, and the panel has `depth` rows of `columns` elements.
                unsafe { tile(size, a, panel.as_ptr().cast(), c, begin) };
            }
        }
    }
}

/// The rows of a `bool` matrix as words of 64 elements, of which the last may have fewer.
///
/// # Safety
///
/// The matrix has `rows` rows of `columns` readable bytes.
pub(super) unsafe fn row_bits(matrix: Matrix, rows: usize, columns: usize) -> Result<Buffer, OutOfMemory> {
    /// One bit for each of eight bytes: whether it is not zero.
    fn bits(bytes: [u8; 8]) -> u64 {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        let x = u64::from_le_bytes(bytes);
        let truth = ((((x & LOW) + LOW) | x) & !LOW) >> 7;
        truth.wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
    // SAFETY: the contract is the caller's.
    let copied =
        (matrix.col_stride != 1).then(|| unsafe { row_major_copy(matrix, rows, columns, 1) }).transpose()?;
    let count = columns.div_ceil(64);
    let mut buffer = Buffer::allocate(rows * count * size_of::<u64>())?;
    let words = buffer.as_mut_ptr().cast::<u64>();
    for i in 0..rows {
        let row = match &copied {
            Some(copied) => copied.as_ptr().wrapping_add(i * columns),
            None => matrix.at(i, 0, 1),
        };
        // SAFETY: row `i` is contiguous and can be read.
        let row = unsafe { std::slice::from_raw_parts(row, columns) };
        for (j, elements) in row.chunks(64).enumerate() {
            let mut word = 0;
            for (i, elements) in elements.chunks(8).enumerate() {
                let mut eight = [0; 8];
                eight[..elements.len()].copy_from_slice(elements);
                word |= bits(eight) << (8 * i);
            }
            // SAFETY: the buffer has `count` words for each row.
            unsafe { words.add(i * count + j).write(word) };
        }
    }
    Ok(buffer)
}

/// What the sums of a tile start from.
#[derive(Clone, Copy, PartialEq)]
enum Begin {
    Zero,
    Result,
}

leveled! {
    fn tile<T: Ring>(size: [usize; 3], a: Matrix, panel: *const u8, c: MatrixMut, begin: Begin) = tile_body
}

/// # Safety
///
/// `a` has `size[0]` rows of `size[1]` elements, `c` as many rows of `size[2]`, and `panel` `size[1]` rows of
/// `ROW_BYTES` bytes. `size[0]` is at most [`ROWS`], and not 0.
#[inline(always)]
unsafe fn tile_body<T: Ring>(
    [rows, depth, width]: [usize; 3],
    a: Matrix,
    panel: *const u8,
    c: MatrixMut,
    begin: Begin,
) {
    let item = size_of::<T>();
    let columns = ROW_BYTES / item;
    let mut sums = [[T::default(); ROW_BYTES]; ROWS];
    let each = |i: usize, l: usize| c.at(i, l, item).cast::<T>();
    if begin == Begin::Result {
        for (i, sums) in sums[..rows].iter_mut().enumerate() {
            for (l, sum) in sums[..width].iter_mut().enumerate() {
                // SAFETY: the element is within `c`.
                *sum = unsafe { each(i, l).read_unaligned() };
            }
        }
    }
    for p in 0..depth {
        for (i, sums) in sums.iter_mut().enumerate() {
            // A tile of fewer rows computes its last one more than once.
            // SAFETY: the element is within `a`.
            let x = unsafe { a.at(i.min(rows - 1), p, item).cast::<T>().read_unaligned() }.normal();
            for (l, sum) in sums[..columns].iter_mut().enumerate() {
                // SAFETY: the panel has `columns` elements in row `p`.
                let y = unsafe { panel.cast::<T>().add(p * columns + l).read_unaligned() };
                *sum = sum.add_product(x, y);
            }
        }
    }
    for (i, sums) in sums[..rows].iter().enumerate() {
        for (l, sum) in sums[..width].iter().enumerate() {
            // SAFETY: the element is within `c`.
            unsafe { each(i, l).write_unaligned(*sum) };
        }
    }
}
