//! Matrix products, repeated over leading dimensions, and the elementwise work that is done on their blocks.
//!
//! With an epilogue, each block of the product is computed, and the epilogue is run over its elements while they are in
//! cache. When nothing else needs the product, a block is scratch memory of the thread that computes it. Blocks do not
//! depend on the number of threads, nor the product's bits on the blocks.

use std::ops::Range;

use smallvec::SmallVec;

use crate::accelerate::blas;
use crate::error::Error;
use crate::executor::Bound;
use crate::executor::range::RangeRunner;
use crate::kernels::matmul::{Matrix, MatrixMut, batch_offset, batched};
use crate::kernels::product::{Product, grid};
use crate::program::{LoopNest, MatrixProduct, Memory, Operand};
use crate::runtime::buffer::Buffer;
use crate::runtime::team;

/// Runs a matrix product and its epilogue.
///
/// # Safety
///
/// As for [`super::run`].
pub(crate) unsafe fn run(product: &MatrixProduct, bound: &Bound<'_>) -> Result<(), Error> {
    let (a, a_strides) = matrices(&product.lhs, bound);
    let (b, b_strides) = matrices(&product.rhs, bound);
    // SAFETY: the operands reach only into their memory, aligned (the copies pass sees to it), and what a product's step
    // stores is never placed over an operand of the product.
    unsafe {
        match (&product.epilogue, &product.result) {
            (None, None) => Ok(()),
            (None, Some(result)) => {
                let (c, c_strides) = matrices(result, bound);
                let c =
                    MatrixMut { ptr: c.ptr.cast_mut(), row_stride: c.row_stride, col_stride: c.col_stride };
                let (a, b, c) = ((a, &a_strides[..]), (b, &b_strides[..]), (c, &c_strides[..]));
                batched(&product.provider, product.dtype, product.dims, &product.batch, a, b, c)?;
                Ok(())
            }
            (Some(epilogue), _) => in_blocks(product, epilogue, bound, &|index| {
                let item = product.dtype.size();
                let a = a.offset(batch_offset(&product.batch, &a_strides, index), item);
                let b = b.offset(batch_offset(&product.batch, &b_strides, index), item);
                Ok(match product.provider.is_blas() {
                    true => Product::for_blas(product.dtype, product.dims, a, b)?,
                    false => Product::new(product.dtype, product.dims, a, b)?,
                })
            }),
        }
    }
}

/// The matrix at index 0 of the batch, and elements to the next one in each dimension of the batch.
fn matrices(operand: &Operand, bound: &Bound<'_>) -> (Matrix, SmallVec<[isize; 4]>) {
    let item = operand.dtype.size() as isize;
    let [batch @ .., row_stride, col_stride] = &operand.strides[..] else {
        unreachable!("a matrix product's operands are at least 2-d")
    };
    let mut strides = SmallVec::new();
    batch.iter().for_each(|stride| strides.push(stride / item));
    let (row_stride, col_stride) = (row_stride / item, col_stride / item);
    (Matrix { ptr: bound.base(operand), row_stride, col_stride }, strides)
}

/// Computes each product of the batch, which `prepare` makes, block by block.
///
/// # Safety
///
/// As for [`super::run`].
unsafe fn in_blocks(
    product: &MatrixProduct,
    epilogue: &LoopNest,
    bound: &Bound<'_>,
    prepare: &(dyn Fn(usize) -> Result<Product, Error> + Sync),
) -> Result<(), Error> {
    /// Nanoseconds of a multiplication, roughly.
    const MULTIPLICATION_NS: f64 = 0.02;
    /// Nanoseconds of a chunk of small products.
    const CHUNK_NS: f64 = 50e3;
    let [m, k, n] = product.dims;
    let count: usize = product.batch.iter().product();
    if m * n * count == 0 {
        return Ok(());
    }
    let [row_parts, column_parts] = match product.provider.is_blas() {
        true => blas::grid(product.dims),
        false => grid(product.dims),
    };
    let parts = row_parts * column_parts;
    let one_ns = (m * n) as f64 * (k as f64 * MULTIPLICATION_NS + epilogue.element_ns);
    let shared = team::worth_sharing(one_ns * count as f64);
    let cut = |len: usize, part: usize, parts: usize| part * len / parts..(part + 1) * len / parts;
    if parts == 1 {
        let step = if shared { ((CHUNK_NS / one_ns) as usize).clamp(1, count) } else { count };
        return team::try_run(count.div_ceil(step), &|chunk| {
            // SAFETY: as for this function.
            let mut block = unsafe { Block::new(product, epilogue, bound, [m, n])? };
            for index in chunk * step..count.min((chunk + 1) * step) {
                // SAFETY: all of this product, which no other chunk computes.
                unsafe { block.run(&prepare(index)?, index, 0..m, 0..n)? };
            }
            Ok(())
        });
    }
    for index in 0..count {
        let prepared = prepare(index)?;
        let run = |part: usize| {
            let rows = cut(m, part / column_parts, row_parts);
            let columns = cut(n, part % column_parts, column_parts);
            // SAFETY: as for this function; parts are disjoint blocks of the product's grid.
            unsafe {
                let mut block = Block::new(product, epilogue, bound, [rows.len(), columns.len()])?;
                block.run(&prepared, index, rows, columns)
            }
        };
        if shared { team::try_run(parts, &run)? } else { (0..parts).try_for_each(run)? }
    }
    Ok(())
}

/// What a thread needs to compute blocks.
struct Block<'a> {
    dims: [usize; 3],
    item: usize,
    /// Where the product is stored, when something else needs it.
    stored: Option<*mut u8>,
    /// Where a block of it is otherwise.
    scratch: Buffer,
    runner: RangeRunner<'a>,
}

impl<'a> Block<'a> {
    /// For blocks of at most as many rows and columns.
    ///
    /// # Safety
    ///
    /// As for [`super::run`], until this is dropped.
    unsafe fn new(
        product: &MatrixProduct,
        epilogue: &'a LoopNest,
        bound: &Bound<'_>,
        [rows, columns]: [usize; 2],
    ) -> Result<Block<'a>, Error> {
        let item = product.dtype.size();
        let stored = product.result.as_ref().map(|result| bound.base(result));
        let scratch = Buffer::allocate(if stored.is_some() { 0 } else { rows * columns * item })?;
        // SAFETY: as for this function.
        let runner = unsafe { RangeRunner::new(epilogue, bound, 1, rows * columns)? };
        Ok(Block { dims: product.dims, item, stored, scratch, runner })
    }

    /// Computes a block of the product of one index of the batch, and the epilogue over its elements.
    ///
    /// # Safety
    ///
    /// The block is within the product, and one of its grid; no other thread computes any of it.
    unsafe fn run(
        &mut self,
        product: &Product,
        index: usize,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Result<(), Error> {
        let [m, _, n] = self.dims;
        let first = (index * m + rows.start) * n + columns.start;
        let block = match self.stored {
            Some(base) => {
                let ptr = base.wrapping_add(first * self.item);
                MatrixMut { ptr, row_stride: n as isize, col_stride: 1 }
            }
            None => {
                let row_stride = columns.len() as isize;
                MatrixMut { ptr: self.scratch.as_mut_ptr(), row_stride, col_stride: 1 }
            }
        };
        // Rows that follow each other without a gap are one.
        let (lines, len) = match columns.len() == n {
            true => (1, rows.len() * n),
            false => (rows.len(), columns.len()),
        };
        // SAFETY: the block has room for these rows and columns, and their elements of the epilogue are this thread's own.
        unsafe {
            product.block(rows, columns, block)?;
            for line in 0..lines {
                let start = first + line * n;
                let origin = block.at(line, 0, self.item).wrapping_sub(start * self.item);
                self.runner.rebase(Memory::Product, origin);
                self.runner.run(start, len);
            }
        }
        Ok(())
    }
}
