//! Matrix products, repeated over leading dimensions.

use smallvec::SmallVec;

use crate::error::Error;
use crate::executor::Bound;
use crate::kernels::matmul::{Matrix, MatrixMut, matmul_batched};
use crate::program::{MatrixProduct, Operand};

/// Runs a matrix product.
///
/// # Safety
///
/// As for [`super::run`].
pub(crate) unsafe fn run(product: &MatrixProduct, bound: &Bound<'_>) -> Result<(), Error> {
    let (lhs, rhs, result) = (&product.lhs, &product.rhs, &product.result);
    let (lhs_strides, rhs_strides, result_strides) = (elements(lhs), elements(rhs), elements(result));
    let (lhs_batch, [lhs_row, lhs_column]) = split(&lhs_strides);
    let (rhs_batch, [rhs_row, rhs_column]) = split(&rhs_strides);
    let (result_batch, [result_row, result_column]) = split(&result_strides);
    let a = Matrix { ptr: bound.base(lhs), row_stride: lhs_row, col_stride: lhs_column };
    let b = Matrix { ptr: bound.base(rhs), row_stride: rhs_row, col_stride: rhs_column };
    let c = MatrixMut { ptr: bound.base(result), row_stride: result_row, col_stride: result_column };
    // SAFETY: the operands reach only into their memory, aligned (the copies pass sees to it), and a product's result
    // is never placed over an operand.
    unsafe {
        matmul_batched(
            product.dtype,
            product.dims,
            &product.batch,
            (a, lhs_batch),
            (b, rhs_batch),
            (c, result_batch),
        )?;
    }
    Ok(())
}

/// The operand's strides in elements.
fn elements(operand: &Operand) -> SmallVec<[isize; 4]> {
    operand.strides.iter().map(|&stride| stride / operand.dtype.size() as isize).collect()
}

/// The strides of the leading dimensions, and of rows and columns.
fn split(strides: &[isize]) -> (&[isize], [isize; 2]) {
    match strides.split_last_chunk() {
        Some((batch, matrix)) => (batch, *matrix),
        None => unreachable!("a matrix product's operands are at least 2-d"),
    }
}
