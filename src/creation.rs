//! Arrays made from a rule: constants, ranges, the identity. They hold no memory until they must.

use raptors_ir::{DType, ElementwiseOp, IrError, Literal, Op, Shape, Source};

use crate::array::Array;
use crate::error::Error;
use crate::ops::{self, Operand, Weak};

fn op(op: ElementwiseOp, x: &Array, y: &Array, source: Option<Source>) -> Result<Array, Error> {
    ops::elementwise(op, &[Operand::Array(x), Operand::Array(y)], source)
}

fn iota(len: usize, source: Option<Source>) -> Result<Array, Error> {
    Array::apply(Op::Iota(len), &[], source)
}

/// `shape` filled with a literal.
pub fn full(dims: &[usize], value: Literal, source: Option<Source>) -> Result<Array, Error> {
    let shape = Shape::new(dims).map_err(|error| Array::mistaken(error, &[]))?;
    ops::full(&shape, value, source)
}

/// `start, start + step, …` up to, and without, `stop`.
///
/// As in NumPy, floats are `start + i * delta`, where `delta` is the rounded second element less the first.
pub fn arange(
    start: Weak,
    stop: Weak,
    step: Weak,
    dtype: Option<DType>,
    source: Option<Source>,
) -> Result<Array, Error> {
    let fail = |problem: String| Array::mistaken(IrError::Attribute { op: "arange", problem }, &[]);
    let number = |weak: Weak| match weak {
        Weak::Bool(value) => Ok(f64::from(u8::from(value))),
        Weak::Int(value) => Ok(value as f64),
        Weak::Float(value) => Ok(value),
        Weak::Complex(..) => Err(fail("takes real numbers".to_owned())),
    };
    let (first, last, distance) = (number(start)?, number(stop)?, number(step)?);
    let integers = |weak: Weak| matches!(weak, Weak::Int(_) | Weak::Bool(_));
    let all_integers = integers(start) && integers(stop) && integers(step);
    let dtype = dtype.unwrap_or(if all_integers { DType::I64 } else { DType::F64 });
    let len = ((last - first) / distance).ceil();
    if distance == 0.0 || len.is_nan() || len.is_infinite() {
        return Err(fail(format!("from {first} to {last} in steps of {distance} has no length")));
    }
    let len = if len > 0.0 { len as usize } else { 0 };
    let index = iota(len, source)?;
    if dtype.is_integer() || dtype == DType::Bool {
        let exact = |weak: Weak| match weak {
            Weak::Int(value) => value as i64,
            weak => number(weak).map_or(0, |value| value as i64),
        };
        let scaled =
            op(ElementwiseOp::Multiply, &index, &Array::scalar(Literal::new(exact(step)), source), source)?;
        let moved =
            op(ElementwiseOp::Add, &scaled, &Array::scalar(Literal::new(exact(start)), source), source)?;
        return ops::cast(&moved, dtype, source);
    }
    // The first two numbers are rounded to the dtype; from there NumPy goes on in `f32` where that is a half.
    let real = dtype.part();
    let computed = if real.is_half() { DType::F32 } else { real };
    let rounded = |value: f64| raptors_ir::scalar::cast(Literal::from_f64(real, value), computed);
    let (Some(start), Some(second)) = (rounded(first), rounded(first + distance)) else {
        return Err(Error::Unsupported { dtype });
    };
    let Some(delta) = raptors_ir::scalar::evaluate(ElementwiseOp::Subtract, &[second, start]) else {
        unreachable!("floats have a difference")
    };
    let delta = Array::scalar(delta, source);
    let scaled = op(ElementwiseOp::Multiply, &ops::cast(&index, computed, source)?, &delta, source)?;
    let moved = op(ElementwiseOp::Add, &scaled, &Array::scalar(start, source), source)?;
    ops::cast(&moved, dtype, source)
}

/// Whether a range contains its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// The last element is the stop.
    Included,
    /// The stop is one step past the last element.
    Excluded,
}

/// `count` evenly spaced numbers from `start` to `stop`, computed in `f64` as NumPy does.
pub fn linspace(
    start: f64,
    stop: f64,
    count: usize,
    endpoint: Endpoint,
    dtype: Option<DType>,
    source: Option<Source>,
) -> Result<Array, Error> {
    let scalar = |value: f64| Array::scalar(Literal::new(value), source);
    let index = ops::cast(&iota(count, source)?, DType::F64, source)?;
    let divisions = match endpoint {
        Endpoint::Included => count.saturating_sub(1),
        Endpoint::Excluded => count,
    };
    let delta = stop - start;
    let step = delta / divisions as f64;
    let scaled = if divisions == 0 {
        op(ElementwiseOp::Multiply, &index, &scalar(delta), source)?
    } else if step == 0.0 {
        let unit = op(ElementwiseOp::Divide, &index, &scalar(divisions as f64), source)?;
        op(ElementwiseOp::Multiply, &unit, &scalar(delta), source)?
    } else {
        op(ElementwiseOp::Multiply, &index, &scalar(step), source)?
    };
    let mut moved = op(ElementwiseOp::Add, &scaled, &scalar(start), source)?;
    if endpoint == Endpoint::Included && count > 1 {
        let at_end = op(ElementwiseOp::Equal, &index, &scalar(count as f64 - 1.0), source)?;
        moved = Array::apply(Op::Where, &[&at_end, &scalar(stop), &moved], source)?;
    }
    let dtype = dtype.unwrap_or(DType::F64);
    if dtype.is_integer() {
        moved = ops::elementwise(ElementwiseOp::Floor, &[Operand::Array(&moved)], source)?;
    }
    ops::cast(&moved, dtype, source)
}

/// Ones on the `k`-th diagonal (0 is the main one, above it positive), zeros elsewhere.
pub fn eye(
    rows: usize,
    columns: usize,
    k: i64,
    dtype: DType,
    source: Option<Source>,
) -> Result<Array, Error> {
    let shape = |dims: &[usize]| Shape::new(dims).map_err(|error| Array::mistaken(error, &[]));
    let row = Array::apply(Op::Reshape(shape(&[rows, 1])?), &[&iota(rows, source)?], source)?;
    let column = Array::apply(Op::Reshape(shape(&[1, columns])?), &[&iota(columns, source)?], source)?;
    let diagonal = op(ElementwiseOp::Add, &row, &Array::scalar(Literal::new(k), source), source)?;
    let hit = op(ElementwiseOp::Equal, &diagonal, &column, source)?;
    if dtype == DType::Bool { Ok(hit) } else { ops::cast(&hit, dtype, source) }
}

/// `shape` filled with ones (true for `bool`).
pub fn ones(dims: &[usize], dtype: DType, source: Option<Source>) -> Result<Array, Error> {
    full(dims, Literal::one(dtype), source)
}

/// `shape` filled with zeros (false for `bool`).
pub fn zeros(dims: &[usize], dtype: DType, source: Option<Source>) -> Result<Array, Error> {
    full(dims, Literal::zero(dtype), source)
}
