//! Matrix products block by block: those of floats, and any whose blocks are used while they are in cache.
//!
//! An element has the same bits in every division into blocks. In small products (`small_matmul.rs`) nothing else is
//! possible. `gemm` divides `k` by cache sizes, and one way for matrices of up to 64 rows and columns, another for larger
//! ones; blocks are cut so that all of them, and the whole, are on the same side. Which loop a thin product takes is up to
//! the whole.

use std::ops::Range;

use raptors_ir::DType;

use super::gemv::{THIN, gemv};
use super::lanes::Vectors;
use super::matmul::{Matrix, MatrixMut, PARALLEL_WORK, matmul, row_major_copy, run_in_chunks_of_most, work};
use super::ring::Ring;
use super::small_matmul::{is_small, product as small_product};
use crate::accelerate::blas::{self, Routines};
use crate::runtime::buffer::{Buffer, OutOfMemory};
use crate::runtime::level::Level;
use crate::runtime::{team, watch};

/// How many parts the rows and the columns of a product are cut into, evenly, for blocks that stay in cache. The number of
/// threads has no say in it.
pub(crate) fn grid([m, k, n]: [usize; 3]) -> [usize; 2] {
    /// Rows and columns of a block for which packing the operands is a small part of the work.
    const EDGE: usize = 256;
    /// Those of a small product, which is to be more than one block.
    const SMALL_EDGE: usize = 128;
    /// Products of a block of a thin matrix.
    const CHUNK: usize = 1 << 18;
    if m.min(n) <= THIN {
        let step = (CHUNK / k.max(1)).max(64);
        return if n <= m { [m.div_ceil(step), 1] } else { [1, n.div_ceil(step)] };
    }
    if m.max(n) <= 64 {
        return [1, 1];
    }
    let edge = if m.min(n) >= 2 * EDGE { EDGE } else { SMALL_EDGE };
    [(m / edge).max(1), (n / edge).max(1)]
}

/// A product whose blocks are computed one by one, on any thread; each element has the bits [`matmul`] gives it.
pub(crate) struct Product {
    dtype: DType,
    dims: [usize; 3],
    a: Matrix,
    b: Matrix,
    by_blas: bool,
    /// What `a` and `b` point to where they had to be copied.
    _copies: [Option<Buffer>; 3],
}

impl Product {
    /// Copies what `gemm` cannot read as it is: it would sum a reversed `k` in reverse.
    ///
    /// # Safety
    ///
    /// As for [`matmul`], as long as blocks are computed.
    pub(crate) unsafe fn new(
        dtype: DType,
        dims: [usize; 3],
        mut a: Matrix,
        mut b: Matrix,
    ) -> Result<Product, OutOfMemory> {
        let [m, k, n] = dims;
        let mut copies = [None, None, None];
        if dtype.is_float() && m.min(n) > THIN {
            let item = dtype.size();
            // SAFETY: `a` has m rows of k elements, `b` n columns of k, or k rows of n.
            unsafe {
                if a.col_stride < 0 {
                    (a, copies[0]) = row_major(a, m, k, item)?;
                }
                if b.row_stride < 0 {
                    let (columns, copy) = row_major(b.transposed(), n, k, item)?;
                    (b, copies[1]) = (columns.transposed(), copy);
                }
                if m * n <= HORIZONTAL && a.col_stride == 1 && b.row_stride == 1 {
                    (b, copies[2]) = row_major(b, k, n, item)?;
                }
            }
        }
        Ok(Product { dtype, dims, a, b, by_blas: false, _copies: copies })
    }

    /// Copies what CBLAS cannot read as it is, and has it compute the blocks.
    ///
    /// # Safety
    ///
    /// As for [`Product::new`]; CBLAS was selected for a product of these dimensions.
    pub(crate) unsafe fn for_blas(
        dtype: DType,
        dims: [usize; 3],
        mut a: Matrix,
        mut b: Matrix,
    ) -> Result<Product, OutOfMemory> {
        let [m, k, n] = dims;
        let mut copies = [None, None, None];
        // SAFETY: `a` has m rows of k elements, `b` k rows of n.
        unsafe {
            if !blas::is_readable(a, m, k) {
                (a, copies[0]) = row_major(a, m, k, dtype.size())?;
            }
            if !blas::is_readable(b, k, n) {
                (b, copies[1]) = row_major(b, k, n, dtype.size())?;
            }
        }
        Ok(Product { dtype, dims, a, b, by_blas: true, _copies: copies })
    }

    /// Computes the block of these rows and columns; `c` is that block.
    ///
    /// # Errors
    ///
    /// As for [`matmul`].
    ///
    /// # Safety
    ///
    /// As for [`matmul`]; the block is within the product, and all of it or one of its [`grid`], or of
    /// whole rows or columns, at least [`least_edge`] of them.
    pub(crate) unsafe fn block(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        c: MatrixMut,
    ) -> Result<(), OutOfMemory> {
        let dims = [rows.len(), self.dims[1], columns.len()];
        let item = self.dtype.size();
        let (a, b) = (self.a.from(rows.start, 0, item), self.b.from(0, columns.start, item));
        // SAFETY: these elements of the product depend on these rows of `a` and columns of `b`.
        unsafe {
            match self.dtype {
                DType::F32 => self.float_block::<f32>(dims, a, b, c, 1.0),
                DType::F64 => self.float_block::<f64>(dims, a, b, c, 1.0),
                DType::Bool
                | DType::I8
                | DType::I16
                | DType::I32
                | DType::I64
                | DType::U8
                | DType::U16
                | DType::U32
                | DType::U64
                | DType::F16
                | DType::BF16
                | DType::C64
                | DType::C128 => matmul(self.dtype, dims, a, b, c),
            }
        }
    }

    /// # Safety
    ///
    /// That of [`matmul`], for elements of `T`.
    unsafe fn float_block<T: Ring + Routines + Vectors + 'static>(
        &self,
        dims: [usize; 3],
        a: Matrix,
        b: Matrix,
        c: MatrixMut,
        one: T,
    ) -> Result<(), OutOfMemory> {
        let [m, _, n] = self.dims;
        let [rows, k, columns] = dims;
        if self.by_blas {
            // SAFETY: the contract is the caller's; the factors have been copied where CBLAS cannot read them.
            unsafe { T::block(self.dims, dims, a, b, c) };
            return Ok(());
        }
        let item = size_of::<T>();
        // Which loop is taken is up to the whole.
        // SAFETY: the contract is the caller's.
        unsafe {
            if m.min(n) > THIN && is_small(self.dims) && c.col_stride == 1 {
                small_product::<T>(Level::current())(dims, a, b, c);
                Ok(())
            } else if m.min(n) > THIN {
                in_pieces(dims, |rows, columns| {
                    let dims = [rows.len(), k, columns.len()];
                    let (a, b) = (a.from(rows.start, 0, item), b.from(0, columns.start, item));
                    gemm_block(dims, a, b, c.from(rows.start, columns.start, item), one);
                });
                Ok(())
            } else if n <= m {
                gemv::<T>(dims, a, b, c)
            } else {
                gemv::<T>([columns, k, rows], b.transposed(), a.transposed(), c.transposed())
            }
        }
    }
}

/// # Safety
///
/// That of [`matmul`], for `f32` or `f64`.
pub(super) unsafe fn floats(
    dtype: DType,
    dims: [usize; 3],
    a: Matrix,
    b: Matrix,
    c: MatrixMut,
) -> Result<(), OutOfMemory> {
    let [m, _, n] = dims;
    // SAFETY: the contract is the caller's.
    let product = unsafe { Product::new(dtype, dims, a, b)? };
    let item = dtype.size();
    // Thin products are divided by `gemv`.
    if m.min(n) <= THIN || work(dims) < 4 * PARALLEL_WORK || team::threads() == 1 {
        // SAFETY: all of the product.
        return unsafe { product.block(0..m, 0..n, c) };
    }
    let least = least_edge(m.max(n), m.min(n));
    run_in_chunks_of_most(m.max(n), least, &|part| {
        // SAFETY: no other chunk writes these rows, or columns, of the product.
        unsafe {
            match m >= n {
                true => product.block(part.clone(), 0..n, c.from(part.start, 0, item)),
                false => product.block(0..m, part.clone(), c.from(0, part.start, item)),
            }
        }
    })
}

/// Calls `f` for pieces of a block's rows and columns, none of which takes long; between them the run can stop. Pieces are
/// whole rows or columns of the block, or have so many of both that packing the operands is a small part of the work.
fn in_pieces([m, k, n]: [usize; 3], mut f: impl FnMut(Range<usize>, Range<usize>)) {
    /// Multiplications of a piece: some ten milliseconds.
    const PIECE: usize = 1 << 29;
    const LEAST: usize = 256;
    let pieces = work([m, k, n]).div_ceil(PIECE);
    // The longer side is cut first.
    let of_rows =
        if m >= n { pieces.min(m / LEAST) } else { pieces.div_ceil((n / LEAST).max(1)).min(m / LEAST) };
    let of_rows = of_rows.max(1);
    let of_columns = pieces.div_ceil(of_rows).min(n / LEAST).max(1);
    let cut = |len: usize, part: usize, parts: usize| part * len / parts..(part + 1) * len / parts;
    for piece in 0..of_rows * of_columns {
        watch::checkpoint(piece, of_rows * of_columns);
        f(cut(m, piece / of_columns, of_rows), cut(n, piece % of_columns, of_columns));
    }
}

/// [`floats`] by CBLAS, block by block.
///
/// # Safety
///
/// As for [`Product::for_blas`] and [`matmul`]; `c` is row-major.
pub(super) unsafe fn floats_by_blas(
    dtype: DType,
    dims: [usize; 3],
    a: Matrix,
    b: Matrix,
    c: MatrixMut,
) -> Result<(), OutOfMemory> {
    let [m, _, n] = dims;
    // SAFETY: the contract is the caller's.
    let product = unsafe { Product::for_blas(dtype, dims, a, b)? };
    let [row_parts, column_parts] = blas::grid(dims);
    for row in 0..row_parts {
        for column in 0..column_parts {
            let rows = row * m / row_parts..(row + 1) * m / row_parts;
            let columns = column * n / column_parts..(column + 1) * n / column_parts;
            let c = c.from(rows.start, columns.start, dtype.size());
            // SAFETY: a block of the product.
            unsafe { product.block(rows, columns, c)? };
        }
    }
    Ok(())
}

/// The least rows, or columns, of a block of a float product of `len` of them, `other` being the length of the other side:
/// more than 64 where the whole has more, and so many that the block has more than [`HORIZONTAL`] elements if the whole has.
fn least_edge(len: usize, other: usize) -> usize {
    if len > 64 { 96 } else { (HORIZONTAL / other.max(1) + 1).max(16) }
}

/// The most elements for which `gemm` has another kernel, with another order of summation, where both operands are
/// contiguous along `k`.
const HORIZONTAL: usize = 256;

/// # Safety
///
/// That of [`matmul`], for elements of `T`.
unsafe fn gemm_block<T: Ring + 'static>([m, k, n]: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut, one: T) {
    let none = gemm::Parallelism::None;
    let (a_ptr, b_ptr, c_ptr) = (a.ptr.cast::<T>(), b.ptr.cast::<T>(), c.ptr.cast::<T>());
    // SAFETY: `gemm` reads and writes the elements of the three matrices; `false` is for not reading `c`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c_ptr,
            c.col_stride,
            c.row_stride,
            false,
            a_ptr,
            a.col_stride,
            a.row_stride,
            b_ptr,
            b.col_stride,
            b.row_stride,
            one,
            one,
            false,
            false,
            false,
            none,
        );
    }
}

/// A row-major copy of a matrix, and its memory.
///
/// # Safety
///
/// The matrix has `rows` rows of `columns` readable elements of `item` bytes.
unsafe fn row_major(
    matrix: Matrix,
    rows: usize,
    columns: usize,
    item: usize,
) -> Result<(Matrix, Option<Buffer>), OutOfMemory> {
    // SAFETY: the contract is the caller's.
    let copy = unsafe { row_major_copy(matrix, rows, columns, item)? };
    Ok((Matrix { ptr: copy.as_ptr(), row_stride: columns as isize, col_stride: 1 }, Some(copy)))
}
