//! Means, variances and standard deviations, of sums.

use raptors_ir::{DType, ElementwiseOp, ReduceOp, Source};

use super::{Axes, Operand, Weak, cast, elementwise, reduce};
use crate::array::Array;
use crate::error::Error;

/// The arithmetic mean over `axes`: the sum divided by the count. Integers and `bool` are computed as `f64`;
/// half-precision floats as `f32`, rounded at the end.
pub fn mean(
    x: &Array,
    axes: Option<&[isize]>,
    kept: Axes,
    dtype: Option<DType>,
    source: Option<Source>,
) -> Result<Array, Error> {
    let half = x.dtype();
    if half.is_half() && dtype.is_none() {
        let mean = mean(x, axes, kept, Some(DType::F32), source)?;
        return cast(&mean, half, source);
    }
    let x = cast(x, dtype.unwrap_or(mean_dtype(x.dtype())), source)?;
    let count = reduced_count("mean", &x, axes)?;
    let sum = reduce(ReduceOp::Sum, &x, axes, kept, None, source)?;
    divided(&sum, count as f64, source)
}

/// The variance over `axes`: the mean of squared distances from the mean, divided by the count less `correction`. That
/// of complex numbers is real.
///
/// As in NumPy, each step of it is rounded to `f16`, and sums beyond 65504 are infinite; `bf16` is computed as `f32`,
/// rounded at the end.
pub fn var(
    x: &Array,
    axes: Option<&[isize]>,
    kept: Axes,
    correction: f64,
    source: Option<Source>,
) -> Result<Array, Error> {
    if x.dtype() == DType::BF16 {
        let var = var(&cast(x, DType::F32, source)?, axes, kept, correction, source)?;
        return cast(&var, DType::BF16, source);
    }
    let x = cast(x, mean_dtype(x.dtype()), source)?;
    let count = reduced_count("var", &x, axes)?;
    let sum = reduce(ReduceOp::Sum, &x, axes, Axes::Keep, None, source)?;
    let center = divided(&sum, count as f64, source)?;
    let distance =
        elementwise(ElementwiseOp::Subtract, &[Operand::Array(&x), Operand::Array(&center)], source)?;
    let squared = |part: &Array| elementwise(ElementwiseOp::Square, &[Operand::Array(part)], source);
    let squared = match distance.dtype().is_complex() {
        false => squared(&distance)?,
        true => {
            let part = |op| elementwise(op, &[Operand::Array(&distance)], source);
            let squares = [squared(&part(ElementwiseOp::Real)?)?, squared(&part(ElementwiseOp::Imag)?)?];
            let [re, im] = &squares;
            elementwise(ElementwiseOp::Add, &[Operand::Array(re), Operand::Array(im)], source)?
        }
    };
    let sum = reduce(ReduceOp::Sum, &squared, axes, kept, None, source)?;
    divided(&sum, (count as f64 - correction).max(0.0), source)
}

/// A sum divided by a count, which may be none that a half-precision float has.
fn divided(sum: &Array, count: f64, source: Option<Source>) -> Result<Array, Error> {
    let count = Operand::Scalar(Weak::Float(count));
    if sum.dtype().is_half() {
        let wide = cast(sum, DType::F64, source)?;
        let quotient = elementwise(ElementwiseOp::Divide, &[Operand::Array(&wide), count], source)?;
        return cast(&quotient, sum.dtype(), source);
    }
    elementwise(ElementwiseOp::Divide, &[Operand::Array(sum), count], source)
}

/// The square root of the variance.
pub fn std(
    x: &Array,
    axes: Option<&[isize]>,
    kept: Axes,
    correction: f64,
    source: Option<Source>,
) -> Result<Array, Error> {
    let var = var(x, axes, kept, correction, source)?;
    elementwise(ElementwiseOp::Sqrt, &[Operand::Array(&var)], source)
}

fn mean_dtype(dtype: DType) -> DType {
    if dtype.is_float() || dtype.is_complex() { dtype } else { DType::F64 }
}

fn reduced_count(op: &'static str, x: &Array, axes: Option<&[isize]>) -> Result<usize, Error> {
    let axes =
        raptors_ir::normalize_axes(op, axes, x.ndim()).map_err(|error| Array::mistaken(error, &[x]))?;
    Ok(axes.iter().map(|&axis| x.shape()[axis]).product())
}
