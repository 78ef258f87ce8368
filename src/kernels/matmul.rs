//! Matrix products.
//!
//! Floats go to the `gemm` crate (`product.rs`), small ones to `small_matmul.rs`, divided over the thread team by rows or
//! columns; products with at most four rows or columns, where reading the other matrix is all the work, to `gemv.rs`;
//! integers and `bool` to `integer_matmul.rs`. A sum over `k` is never divided, so its bits do not depend on the threads. They
//! may differ between CPUs, and where the strides of a thin product make another loop order the fast one. Limits: real
//! dtypes; native order.

use std::ops::Range;

use raptors_ir::DType;

use super::copy::copy;
use super::gemv::{THIN, gemv};
use super::integer_matmul::{matmul as integer_matmul, row_bits};
use super::product::{floats, floats_by_blas};
use super::ring::{Ring, Truth};
use crate::accelerate::blas::Provider;
use crate::runtime::buffer::{Buffer, OutOfMemory};
use crate::runtime::team;

/// A matrix to read. Strides are in elements, of either sign, or 0.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// The element in row 0 and column 0.
    pub ptr: *const u8,
    /// Elements from one row to the next.
    pub row_stride: isize,
    /// Elements from one column to the next.
    pub col_stride: isize,
}

/// A matrix to write. Strides are in elements; no two elements share memory.
#[derive(Clone, Copy, Debug)]
pub struct MatrixMut {
    /// The element in row 0 and column 0.
    pub ptr: *mut u8,
    /// Elements from one row to the next.
    pub row_stride: isize,
    /// Elements from one column to the next.
    pub col_stride: isize,
}

// SAFETY: the pointer is only an address here; the functions that use it say what it must point to.
unsafe impl Send for Matrix {}
// SAFETY: as above.
unsafe impl Sync for Matrix {}
// SAFETY: as above.
unsafe impl Send for MatrixMut {}
// SAFETY: as above.
unsafe impl Sync for MatrixMut {}

impl Matrix {
    /// The matrix with rows and columns exchanged.
    pub(super) fn transposed(self) -> Matrix {
        Matrix { ptr: self.ptr, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// The address of an element of `item` bytes.
    pub(super) fn at(self, row: usize, column: usize, item: usize) -> *const u8 {
        let offset = row as isize * self.row_stride + column as isize * self.col_stride;
        self.ptr.wrapping_offset(offset * item as isize)
    }

    /// The matrix from a row and a column on.
    pub(super) fn from(self, row: usize, column: usize, item: usize) -> Matrix {
        Matrix { ptr: self.at(row, column, item), ..self }
    }

    /// The matrix `elements` of `item` bytes further on.
    pub(crate) fn offset(self, elements: isize, item: usize) -> Matrix {
        Matrix { ptr: self.ptr.wrapping_offset(elements * item as isize), ..self }
    }
}

impl MatrixMut {
    /// The matrix with rows and columns exchanged.
    pub(super) fn transposed(self) -> MatrixMut {
        MatrixMut { ptr: self.ptr, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// The address of an element of `item` bytes.
    pub(crate) fn at(self, row: usize, column: usize, item: usize) -> *mut u8 {
        let offset = row as isize * self.row_stride + column as isize * self.col_stride;
        self.ptr.wrapping_offset(offset * item as isize)
    }

    /// The matrix from a row and a column on.
    pub(super) fn from(self, row: usize, column: usize, item: usize) -> MatrixMut {
        MatrixMut { ptr: self.at(row, column, item), ..self }
    }

    fn offset(self, elements: isize, item: usize) -> MatrixMut {
        MatrixMut { ptr: self.ptr.wrapping_offset(elements * item as isize), ..self }
    }
}

/// `c = a b` for `a` of `m` rows and `k` columns and `b` of `k` rows and `n` columns, `dims` being `[m, k, n]`. What `c` held is
/// not read. Integers wrap; for `bool` it is any of all of two. A complex or half-precision `dtype`
/// computes nothing.
///
/// # Errors
///
/// [`OutOfMemory`] when there is none for the copy of an operand that cannot be read as it is.
///
/// # Safety
///
/// Every element of the matrices is valid for reading or, in `c`, writing, and aligned to its size; `c` overlaps neither
/// operand, and none of its elements overlap.
pub unsafe fn matmul(
    dtype: DType,
    dims: [usize; 3],
    a: Matrix,
    b: Matrix,
    c: MatrixMut,
) -> Result<(), OutOfMemory> {
    // SAFETY: the contract is the caller's. Signed and unsigned integers of a size wrap to the same bits.
    unsafe {
        match dtype {
            DType::Bool => booleans(dims, a, b, c),
            DType::I8 | DType::U8 => integers::<u8>(dims, a, b, c),
            DType::I16 | DType::U16 => integers::<u16>(dims, a, b, c),
            DType::I32 | DType::U32 => integers::<u32>(dims, a, b, c),
            DType::I64 | DType::U64 => integers::<u64>(dims, a, b, c),
            DType::F32 | DType::F64 => floats(dtype, dims, a, b, c),
            DType::F16 | DType::BF16 | DType::C64 | DType::C128 => Ok(()),
        }
    }
}

/// One operand's place in a batch: elements from one matrix to the next in each batch dimension, 0 where it is broadcast.
pub type BatchStrides<'a> = &'a [isize];

/// Elements from the matrix of index 0 of `batch` to that of a linear index.
pub fn batch_offset(batch: &[usize], strides: BatchStrides<'_>, mut index: usize) -> isize {
    let mut offset = 0;
    for (&len, &stride) in batch.iter().zip(strides).rev() {
        offset += (index % len) as isize * stride;
        index /= len;
    }
    offset
}

/// [`matmul`] for every index below `batch`; the matrices given are those of index 0.
///
/// # Errors
///
/// As for [`matmul`].
///
/// # Safety
///
/// That of [`matmul`], for every index; the results do not overlap. The strides have the length of `batch`.
pub unsafe fn matmul_batched(
    dtype: DType,
    dims: [usize; 3],
    batch: &[usize],
    (a, a_strides): (Matrix, BatchStrides<'_>),
    (b, b_strides): (Matrix, BatchStrides<'_>),
    (c, c_strides): (MatrixMut, BatchStrides<'_>),
) -> Result<(), OutOfMemory> {
    // SAFETY: the contract is the caller's.
    unsafe { batched(&Provider::Own, dtype, dims, batch, (a, a_strides), (b, b_strides), (c, c_strides)) }
}

/// As [`matmul_batched`], by what computes the product.
///
/// # Safety
///
/// As for [`matmul_batched`]; if it is CBLAS, it was selected for a product of these dimensions.
pub(crate) unsafe fn batched(
    provider: &Provider,
    dtype: DType,
    dims: [usize; 3],
    batch: &[usize],
    (a, a_strides): (Matrix, BatchStrides<'_>),
    (b, b_strides): (Matrix, BatchStrides<'_>),
    (c, c_strides): (MatrixMut, BatchStrides<'_>),
) -> Result<(), OutOfMemory> {
    let count: usize = batch.iter().product();
    let item = dtype.size();
    let one = |index: usize| {
        let a = a.offset(batch_offset(batch, a_strides, index), item);
        let b = b.offset(batch_offset(batch, b_strides, index), item);
        let c = c.offset(batch_offset(batch, c_strides, index), item);
        // SAFETY: these are the matrices of one index of the batch.
        unsafe {
            match provider.is_blas() {
                true => floats_by_blas(dtype, dims, a, b, c),
                false => matmul(dtype, dims, a, b, c),
            }
        }
    };
    let work = work(dims);
    if is_divided(dims, count) {
        (0..count).try_for_each(one)
    } else {
        run_in_chunks(count, (PARALLEL_WORK / work.max(1)).max(1), 1, &|mut range| range.try_for_each(&one))
    }
}

/// Whether each of `count` products is divided over the team: they are few and large.
pub(crate) fn is_divided(dims: [usize; 3], count: usize) -> bool {
    work(dims) >= PARALLEL_WORK && count < 2 * team::threads()
}

/// Nanoseconds that a large product takes on one thread, roughly.
pub(crate) fn product_ns(dtype: DType, dims: [usize; 3]) -> f64 {
    let multiplication_ns = if dtype.is_float() { 0.02 * dtype.size() as f64 / 4.0 } else { 0.1 };
    dims.iter().map(|&dim| dim as f64).product::<f64>() * multiplication_ns
}

/// Multiplications that are worth waking a thread for: some ten microseconds.
pub(crate) const PARALLEL_WORK: usize = 1 << 19;

/// The multiplications of a product.
pub(crate) fn work([m, k, n]: [usize; 3]) -> usize {
    m.saturating_mul(k).saturating_mul(n)
}

/// Runs `f` on the parts of `0..len` over the team, of even lengths, which are at least `least` and multiples of `unit` but
/// for the last.
pub(super) fn run_in_chunks(
    len: usize,
    least: usize,
    unit: usize,
    f: &(dyn Fn(Range<usize>) -> Result<(), OutOfMemory> + Sync),
) -> Result<(), OutOfMemory> {
    /// Chunks a thread claims: a thread that is interrupted holds up that part of the work.
    const CHUNKS: usize = 4;
    /// The longest chunk is as many of the least: after some milliseconds a run can stop.
    const MOST: usize = 128;
    let threads = team::threads();
    let parts = if threads > 1 { threads * CHUNKS } else { 1 };
    let step = len.div_ceil(parts).clamp(least, least.saturating_mul(MOST)).next_multiple_of(unit);
    team::try_run(len.div_ceil(step), &|chunk| f(chunk * step..len.min((chunk + 1) * step)))
}

/// # Safety
///
/// That of [`matmul`], for elements of one byte.
unsafe fn booleans(dims: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut) -> Result<(), OutOfMemory> {
    let [m, k, n] = dims;
    if m.min(n) <= THIN {
        // SAFETY: the contract is the caller's.
        return unsafe { integers::<Truth<u8>>(dims, a, b, c) };
    }
    let words = k.div_ceil(64);
    // SAFETY: `a` has m rows of k elements, `b` n columns of k.
    let (a, b) = unsafe { (row_bits(a, m, k)?, row_bits(b.transposed(), n, k)?) };
    let mut any = Buffer::allocate(m * n * size_of::<u64>())?;
    let rows = |buffer: &Buffer| Matrix { ptr: buffer.as_ptr(), row_stride: words as isize, col_stride: 1 };
    let (a, b) = (rows(&a), rows(&b).transposed());
    let product = MatrixMut { ptr: any.as_mut_ptr(), row_stride: n as isize, col_stride: 1 };
    // SAFETY: the buffers hold matrices of these sizes, and live.
    unsafe { integers::<Truth<u64>>([m, words, n], a, b, product)? };
    for i in 0..m {
        for j in 0..n {
            // SAFETY: an element of the product, which has been written, and one of `c`.
            unsafe {
                let any = product.at(i, j, size_of::<u64>()).cast::<u64>().read();
                *c.at(i, j, 1) = u8::from(any != 0);
            }
        }
    }
    Ok(())
}

/// # Safety
///
/// That of [`matmul`], for elements of `T`.
unsafe fn thin<T: Ring>(dims: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut) -> Result<(), OutOfMemory> {
    let [m, k, n] = dims;
    // SAFETY: the contract is the caller's, also for the transposed product.
    unsafe {
        if n <= m {
            gemv::<T>(dims, a, b, c)
        } else {
            gemv::<T>([n, k, m], b.transposed(), a.transposed(), c.transposed())
        }
    }
}

/// # Safety
///
/// That of [`matmul`], for elements of `T`.
unsafe fn integers<T: Ring>(dims: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut) -> Result<(), OutOfMemory> {
    let [m, k, n] = dims;
    if m.min(n) <= THIN {
        // SAFETY: the contract is the caller's.
        return unsafe { thin::<T>(dims, a, b, c) };
    }
    if n > m {
        // The transposed product has more rows to divide.
        // SAFETY: (a b)^T = b^T a^T, and multiplication commutes.
        return unsafe { integers::<T>([n, k, m], b.transposed(), a.transposed(), c.transposed()) };
    }
    /// Rows for which packing the other operand is a small part of the work.
    const ROWS: usize = 32;
    let item = size_of::<T>();
    let least = if work(dims) < 2 * PARALLEL_WORK { m } else { ROWS };
    run_in_chunks_of_most(m, least, &|rows| {
        let dims = [rows.len(), k, n];
        // SAFETY: these rows of the product depend on these rows of `a`; no other chunk writes them.
        unsafe { integer_matmul::<T>(dims, a.from(rows.start, 0, item), b, c.from(rows.start, 0, item)) }
        Ok(())
    })
}

/// Runs `f` on parts of `0..len` over the team: as many as there are threads, or twice as many where they stay large,
/// since each packs the other operand anew. No part is smaller than `least`, unless it is the whole.
pub(super) fn run_in_chunks_of_most(
    len: usize,
    least: usize,
    f: &(dyn Fn(Range<usize>) -> Result<(), OutOfMemory> + Sync),
) -> Result<(), OutOfMemory> {
    /// Rows from which packing the other operand is a few percent of the work.
    const LARGE: usize = 256;
    let threads = team::threads();
    let parts = if len >= 2 * threads * LARGE { 2 * threads } else { threads };
    let parts = parts.min(len / least).max(1);
    team::try_run(parts, &|part| f(part * len / parts..(part + 1) * len / parts))
}

/// # Safety
///
/// The matrix has `rows` rows of `columns` readable elements of `item` bytes.
pub(super) unsafe fn row_major_copy(
    matrix: Matrix,
    rows: usize,
    columns: usize,
    item: usize,
) -> Result<Buffer, OutOfMemory> {
    let mut scratch = Buffer::allocate(rows * columns * item)?;
    let bytes = item as isize;
    let from = [matrix.row_stride * bytes, matrix.col_stride * bytes];
    let to = [columns as isize * bytes, bytes];
    // SAFETY: the source is the caller's, and `scratch` has room for as many elements.
    unsafe { copy(matrix.ptr, &from, scratch.as_mut_ptr(), &to, &[rows, columns], item) };
    Ok(scratch)
}
