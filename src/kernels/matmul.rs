//! Matrix products.
//!
//! Floats go to the `gemm` crate, divided over the thread team by rows or columns; products with at most four rows or columns,
//! where reading the other matrix is all the work, to `gemv.rs`; integers and `bool` to
//! `integer_matmul.rs`. A sum over `k` is never divided, so its bits do not depend on the threads.
//!
//! `gemm` divides `k` by cache sizes, and one way for matrices of up to 64 rows and columns, another for larger ones; panels
//! are cut so that all of them, and the whole, are on the same side. Its bits may differ between CPUs, and where
//! the strides of a thin product make another loop order the fast one. Limits: real dtypes; native order.

use std::ops::Range;

use raptors_ir::DType;

use super::copy::copy;
use super::gemv::{THIN, gemv};
use super::integer_matmul::{matmul as integer_matmul, row_bits};
use super::ring::{Ring, Truth};
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

    fn from(self, row: usize, column: usize, item: usize) -> Matrix {
        Matrix { ptr: self.at(row, column, item), ..self }
    }
}

impl MatrixMut {
    /// The matrix with rows and columns exchanged.
    pub(super) fn transposed(self) -> MatrixMut {
        MatrixMut { ptr: self.ptr, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// The address of an element of `item` bytes.
    pub(super) fn at(self, row: usize, column: usize, item: usize) -> *mut u8 {
        let offset = row as isize * self.row_stride + column as isize * self.col_stride;
        self.ptr.wrapping_offset(offset * item as isize)
    }

    fn from(self, row: usize, column: usize, item: usize) -> MatrixMut {
        MatrixMut { ptr: self.at(row, column, item), ..self }
    }
}

/// `c = a b` for `a` of `m` rows and `k` columns and `b` of `k` rows and `n` columns, `dims` being `[m, k, n]`. What `c` held is
/// not read. Integers wrap; for `bool` it is any of all of two. A complex `dtype` computes nothing.
///
/// # Safety
///
/// Every element of the matrices is valid for reading or, in `c`, writing, and aligned to its size; `c` overlaps neither
/// operand, and none of its elements overlap.
pub unsafe fn matmul(dtype: DType, dims: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut) {
    // SAFETY: the contract is the caller's. Signed and unsigned integers of a size wrap to the same bits.
    unsafe {
        match dtype {
            DType::Bool => booleans(dims, a, b, c),
            DType::I8 | DType::U8 => integers::<u8>(dims, a, b, c),
            DType::I16 | DType::U16 => integers::<u16>(dims, a, b, c),
            DType::I32 | DType::U32 => integers::<u32>(dims, a, b, c),
            DType::I64 | DType::U64 => integers::<u64>(dims, a, b, c),
            DType::F32 => floats::<f32>(dims, a, b, c, 1.0),
            DType::F64 => floats::<f64>(dims, a, b, c, 1.0),
            DType::C64 | DType::C128 => {}
        }
    }
}

/// One operand's place in a batch: elements from one matrix to the next in each batch dimension, 0 where it is broadcast.
pub type BatchStrides<'a> = &'a [isize];

/// [`matmul`] for every index below `batch`; the matrices given are those of index 0.
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
) {
    let count: usize = batch.iter().product();
    let item = dtype.size() as isize;
    let one = |index: usize| {
        let mut rest = index;
        let (mut a, mut b, mut c) = (a, b, c);
        for (axis, &len) in batch.iter().enumerate().rev() {
            let i = (rest % len) as isize * item;
            rest /= len;
            a.ptr = a.ptr.wrapping_offset(i * a_strides[axis]);
            b.ptr = b.ptr.wrapping_offset(i * b_strides[axis]);
            c.ptr = c.ptr.wrapping_offset(i * c_strides[axis]);
        }
        // SAFETY: these are the matrices of one index of the batch.
        unsafe { matmul(dtype, dims, a, b, c) }
    };
    let work = work(dims);
    if work >= PARALLEL_WORK && count < 2 * team::threads() {
        // Few and large: each is divided.
        (0..count).for_each(one);
    } else {
        run_in_chunks(count, (PARALLEL_WORK / work.max(1)).max(1), &|range| range.for_each(&one));
    }
}

/// Multiplications that are worth waking a thread for: some ten microseconds.
const PARALLEL_WORK: usize = 1 << 19;

fn work([m, k, n]: [usize; 3]) -> usize {
    m.saturating_mul(k).saturating_mul(n)
}

/// Runs `f` on the parts of `0..len` over the team, each of at least `least` and in multiples of it but for the last.
pub(super) fn run_in_chunks(len: usize, least: usize, f: &(dyn Fn(Range<usize>) + Sync)) {
    /// Chunks a thread claims: a thread that is interrupted holds up that part of the work.
    const CHUNKS: usize = 4;
    let threads = team::threads();
    let parts = if threads > 1 { threads * CHUNKS } else { 1 };
    let step = len.div_ceil(parts).next_multiple_of(least);
    team::run(len.div_ceil(step.max(1)), &|chunk| f(chunk * step..len.min((chunk + 1) * step)));
}

/// # Safety
///
/// That of [`matmul`], for elements of one byte.
unsafe fn booleans(dims: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut) {
    let [m, k, n] = dims;
    if m.min(n) <= THIN {
        // SAFETY: the contract is the caller's.
        return unsafe { integers::<Truth<u8>>(dims, a, b, c) };
    }
    let words = k.div_ceil(64);
    // SAFETY: `a` has m rows of k elements, `b` n columns of k.
    let (a, b) = unsafe { (row_bits(a, m, k), row_bits(b.transposed(), n, k)) };
    let mut any = vec![Truth(0u64); m * n];
    let rows = |ptr, columns: usize| Matrix { ptr, row_stride: columns as isize, col_stride: 1 };
    let (a, b) = (rows(a.as_ptr().cast(), words), rows(b.as_ptr().cast(), words).transposed());
    let product = MatrixMut { ptr: any.as_mut_ptr().cast(), row_stride: n as isize, col_stride: 1 };
    // SAFETY: the vectors hold matrices of these sizes, and live.
    unsafe { integers::<Truth<u64>>([m, words, n], a, b, product) };
    for (i, row) in any.chunks_exact(n).enumerate() {
        for (j, any) in row.iter().enumerate() {
            // SAFETY: an element of `c`.
            unsafe { *c.at(i, j, 1) = u8::from(any.0 != 0) };
        }
    }
}

/// # Safety
///
/// That of [`matmul`], for elements of `T`.
unsafe fn thin<T: Ring>(dims: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut) {
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
unsafe fn integers<T: Ring>(dims: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut) {
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
    });
}

/// # Safety
///
/// That of [`matmul`], for elements of `T`, `f32` or `f64`.
unsafe fn floats<T: Ring + 'static>(dims: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut, one: T) {
    let [m, k, n] = dims;
    if m.min(n) <= THIN {
        // SAFETY: the contract is the caller's.
        return unsafe { thin::<T>(dims, a, b, c) };
    }
    // SAFETY: `a` has m rows of k elements, `b` n columns of k.
    let (a_rows, b_columns) =
        unsafe { (Ordered::<T>::new(a, m, k), Ordered::<T>::new(b.transposed(), n, k)) };
    let (a, mut b) = (a_rows.matrix, b_columns.matrix.transposed());
    // `gemm` has another kernel, with another order of summation, for small products of these strides alone.
    let scratch = (m * n <= 256 && a.col_stride == 1 && b.row_stride == 1).then(|| {
        // SAFETY: `b` has k rows of n elements.
        unsafe { row_major_copy::<T>(b, k, n) }
    });
    if let Some(scratch) = &scratch {
        b = Matrix { ptr: scratch.as_ptr().cast(), row_stride: n as isize, col_stride: 1 };
    }
    if work(dims) < 4 * PARALLEL_WORK || team::threads() == 1 {
        // SAFETY: the contract is the caller's.
        return unsafe { gemm_panel::<T>(dims, a, b, c, one) };
    }
    let item = size_of::<T>();
    // Panels of more than 64 where the whole is larger than 64, of at most 64 where it is not.
    let least = if m.max(n) > 64 { 96 } else { 16 };
    if m >= n {
        run_in_chunks_of_most(m, least, &|rows| {
            let dims = [rows.len(), k, n];
            // SAFETY: these rows of the product depend on these rows of `a`; no other chunk writes them.
            unsafe { gemm_panel::<T>(dims, a.from(rows.start, 0, item), b, c.from(rows.start, 0, item), one) }
        });
    } else {
        run_in_chunks_of_most(n, least, &|columns| {
            let dims = [m, k, columns.len()];
            let (b, c) = (b.from(0, columns.start, item), c.from(0, columns.start, item));
            // SAFETY: these columns of the product depend on these columns of `b`; no other chunk writes them.
            unsafe { gemm_panel::<T>(dims, a, b, c, one) }
        });
    }
}

/// Runs `f` on parts of `0..len` over the team: as many as there are threads, or twice as many where they stay large,
/// since each packs the other operand anew. No part is smaller than `least`, unless it is the whole.
fn run_in_chunks_of_most(len: usize, least: usize, f: &(dyn Fn(Range<usize>) + Sync)) {
    /// Rows from which packing the other operand is a few percent of the work.
    const LARGE: usize = 256;
    let threads = team::threads();
    let parts = if len >= 2 * threads * LARGE { 2 * threads } else { threads };
    let parts = parts.min(len / least).max(1);
    team::run(parts, &|part| f(part * len / parts..(part + 1) * len / parts));
}

/// # Safety
///
/// That of [`matmul`], for elements of `T`.
unsafe fn gemm_panel<T: Ring + 'static>([m, k, n]: [usize; 3], a: Matrix, b: Matrix, c: MatrixMut, one: T) {
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

/// A matrix whose columns are in rising order: `gemm` would sum a reversed `k` in reverse.
struct Ordered<T> {
    matrix: Matrix,
    /// What `matrix` points to where it had to be copied.
    _scratch: Option<Vec<T>>,
}

impl<T: Ring> Ordered<T> {
    /// # Safety
    ///
    /// The matrix has `rows` rows of `columns` readable elements.
    unsafe fn new(matrix: Matrix, rows: usize, columns: usize) -> Ordered<T> {
        if matrix.col_stride >= 0 {
            return Ordered { matrix, _scratch: None };
        }
        // SAFETY: the contract is the caller's.
        let scratch = unsafe { row_major_copy::<T>(matrix, rows, columns) };
        let matrix = Matrix { ptr: scratch.as_ptr().cast(), row_stride: columns as isize, col_stride: 1 };
        Ordered { matrix, _scratch: Some(scratch) }
    }
}

/// # Safety
///
/// The matrix has `rows` rows of `columns` readable elements.
pub(super) unsafe fn row_major_copy<T: Ring>(matrix: Matrix, rows: usize, columns: usize) -> Vec<T> {
    let item = size_of::<T>() as isize;
    let mut scratch = vec![T::default(); rows * columns];
    let from = [matrix.row_stride * item, matrix.col_stride * item];
    let to = [columns as isize * item, item];
    // SAFETY: the source is the caller's, and `scratch` holds as many elements.
    unsafe { copy(matrix.ptr, &from, scratch.as_mut_ptr().cast(), &to, &[rows, columns], item as usize) };
    scratch
}
