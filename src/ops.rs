//! Ops on lazy arrays: promotion, then a node.
//!
//! These functions return mistakes at once, for front ends that can raise them where they are written. `Array`'s own
//! methods and operators (in `operators.rs`) are built on them, and keep a mistake in the array instead.
//!
//! Promotion is NumPy 2's (NEP 50): arrays are strong; a plain number is weak, and takes the arrays' dtype when its kind
//! allows.

mod joins;
mod moments;

use raptors_ir::{Class, DType, ElementwiseOp, IrError, Kind, Literal, Op, ReduceOp, Shape, Source, Type};
use smallvec::{SmallVec, smallvec};

use crate::array::{Array, Kind as NodeKind};
use crate::error::Error;

pub use joins::{concat, stack};
pub use moments::{mean, std, var};

/// A number without a dtype.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Weak {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A real number.
    Float(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
}

/// An operand of an op: an array, or a number that adapts to the arrays.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// An array.
    Array(&'a Array),
    /// A number.
    Scalar(Weak),
}

impl Weak {
    /// The dtype of an array of this number alone: NumPy's defaults.
    pub fn default_dtype(self) -> DType {
        match self {
            Weak::Bool(_) => DType::Bool,
            Weak::Int(_) => DType::I64,
            Weak::Float(_) => DType::F64,
            Weak::Complex(..) => DType::C128,
        }
    }

    /// The dtype of the number combined with arrays of `dtype`.
    fn promote(self, dtype: DType) -> DType {
        match (self, dtype.kind()) {
            (Weak::Bool(_), _) => dtype,
            (Weak::Int(_), Kind::Bool) => DType::I64,
            (Weak::Int(_), _) => dtype,
            (Weak::Float(_), Kind::Bool | Kind::Signed | Kind::Unsigned) => DType::F64,
            (Weak::Float(_), Kind::Float | Kind::Complex) => dtype,
            (Weak::Complex(..), Kind::Float) => dtype.to_complex(),
            (Weak::Complex(..), Kind::Complex) => dtype,
            (Weak::Complex(..), _) => DType::C128,
        }
    }

    /// The number as a literal of `dtype`, where `dtype` is what it promotes to and the conversion is exact or one
    /// rounding.
    #[inline]
    fn literal_at_once(self, op: ElementwiseOp, dtype: DType) -> Option<Literal> {
        match (self, dtype) {
            (Weak::Float(value), DType::F64) => Some(Literal::new(value)),
            (Weak::Float(value), DType::F32) => Some(Literal::new(value as f32)),
            (Weak::Float(value), DType::F16 | DType::BF16) => Some(Literal::from_f64(dtype, value)),
            (Weak::Int(value), DType::F64) => Some(Literal::new(i64::try_from(value).ok()? as f64)),
            (Weak::Int(value), DType::F32) => Some(Literal::new(i64::try_from(value).ok()? as f32)),
            (Weak::Int(value), DType::I64) if op.class() != Class::Quotient && op != ElementwiseOp::Pow => {
                Some(Literal::new(i64::try_from(value).ok()?))
            }
            _ => None,
        }
    }

    /// The number as a literal of `dtype`.
    fn to_literal(self, op: &'static str, dtype: DType) -> Result<Literal, Error> {
        match self {
            Weak::Bool(value) => Ok(Literal::from_f64(dtype, f64::from(u8::from(value)))),
            Weak::Int(value) if dtype.is_integer() => integer_literal(op, value, dtype),
            Weak::Int(value) if dtype == DType::F32 => Ok(Literal::new(value as f32)),
            Weak::Int(value) => Ok(Literal::from_f64(dtype, value as f64)),
            Weak::Float(value) => Ok(Literal::from_f64(dtype, value)),
            Weak::Complex(real, imag) if dtype == DType::Bool => {
                Ok(Literal::new(raptors_ir::Bool::from(real != 0.0 || imag != 0.0)))
            }
            Weak::Complex(real, imag) => Ok(Literal::complex(dtype.to_complex(), real, imag)),
        }
    }
}

fn integer_bounds(dtype: DType) -> (i128, i128) {
    let bits = 8 * dtype.size() as u32;
    match dtype.kind() {
        Kind::Signed => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        _ => (0, (1 << bits) - 1),
    }
}

fn integer_literal(op: &'static str, value: i128, dtype: DType) -> Result<Literal, Error> {
    let (min, max) = integer_bounds(dtype);
    if value < min || value > max {
        return Err(Error::IntegerOutOfBounds { op, value, dtype, min, max });
    }
    Ok(Literal::from_bits(dtype, value as u128))
}

/// The dtype that operands promote to; `None` without operands.
pub fn result_dtype(operands: &[Operand<'_>]) -> Option<DType> {
    let strong = operands.iter().filter_map(|operand| match operand {
        Operand::Array(array) => Some(array.dtype()),
        Operand::Scalar(_) => None,
    });
    let weak = operands.iter().filter_map(|operand| match operand {
        Operand::Array(_) => None,
        Operand::Scalar(weak) => Some(*weak),
    });
    match strong.reduce(DType::promote) {
        Some(dtype) => Some(weak.fold(dtype, |dtype, weak| weak.promote(dtype))),
        None => weak.map(Weak::default_dtype).reduce(DType::promote),
    }
}

/// The operand as an array of `dtype`.
fn convert(
    op: &'static str,
    operand: Operand<'_>,
    dtype: DType,
    source: Option<Source>,
) -> Result<Array, Error> {
    match operand {
        Operand::Array(array) => cast(array, dtype, source),
        Operand::Scalar(weak) => Ok(Array::scalar(weak.to_literal(op, dtype)?, source)),
    }
}

/// An operand that becomes part of an array of `dtype`, converted as NumPy converts what is written into one.
pub(crate) fn converted(
    op: &'static str,
    operand: Operand<'_>,
    dtype: DType,
    source: Option<Source>,
) -> Result<Array, Error> {
    convert(op, operand, dtype, source)
}

/// `array` converted to `dtype`; the same array where it has that dtype.
///
/// # Errors
///
/// Complex numbers as real ones, other than `bool`.
pub fn cast(array: &Array, dtype: DType, source: Option<Source>) -> Result<Array, Error> {
    if array.dtype() == dtype {
        return Ok(array.clone());
    }
    Array::apply(Op::Cast(dtype), &[array], source)
}

/// An elementwise op on operands that are promoted and broadcast.
///
/// # Errors
///
/// When shapes do not broadcast, the op is not defined for the dtype, or an integer does not fit it.
pub fn elementwise(
    op: ElementwiseOp,
    operands: &[Operand<'_>],
    source: Option<Source>,
) -> Result<Array, Error> {
    if let Some(array) = unconverted(op, operands, source) {
        return Ok(array);
    }
    let name = op.name();
    let promoted = result_dtype(operands)
        .ok_or_else(|| Array::mistaken(IrError::Arity { op: name, given: 0, needed: op.arity() }, &[]))?;
    if let Some(comparison) = compare_exactly(op, operands, source)? {
        return Ok(comparison);
    }
    if op == ElementwiseOp::Pow
        && promoted.kind() == Kind::Signed
        && let Some(Operand::Scalar(Weak::Int(exponent))) = operands.get(1)
        && *exponent < 0
    {
        return Err(Error::NegativeIntegerPower);
    }
    let Some(dtype) = op.compute_dtype(promoted).map(|dtype| narrowest_float(op, operands).unwrap_or(dtype))
    else {
        let arrays: SmallVec<[&Array; 2]> = operands.iter().filter_map(Operand::array).collect();
        return Err(Array::mistaken(
            IrError::DType { op: name, dtype: promoted, needed: op.accepted() },
            &arrays,
        ));
    };
    // An integer is checked against the dtype it joins, not against the float type that a function computes in.
    let weak_dtype = if op.class() == Class::Quotient { dtype } else { promoted };
    let mut converted: SmallVec<[Array; 3]> = SmallVec::new();
    for &operand in operands {
        let array = match operand {
            Operand::Array(_) => convert(name, operand, dtype, source)?,
            Operand::Scalar(weak) => {
                let literal = weak.to_literal(name, weak_dtype)?;
                let Some(literal) = raptors_ir::scalar::cast(literal, dtype) else {
                    unreachable!("{name} computes complex numbers as complex")
                };
                Array::scalar(literal, source)
            }
        };
        converted.push(array);
    }
    let references: SmallVec<[&Array; 3]> = converted.iter().collect();
    Array::apply(Op::Elementwise(op), &references, source)
}

/// [`elementwise`] on two arrays that are given up: what it keeps need not be counted again.
///
/// # Errors
///
/// As [`elementwise`].
#[inline]
pub fn binary(op: ElementwiseOp, x: Array, y: Array, source: Option<Source>) -> Result<Array, Error> {
    let dtype = x.dtype();
    let is_plain = dtype == y.dtype() && op.arity() == 2 && op.accepts(dtype);
    if is_plain
        && x.mistake().is_none()
        && y.mistake().is_none()
        && let Some(shape) = x.shape().broadcast(y.shape())
    {
        let ty = Type { dtype: op.result_dtype(dtype), shape };
        let operands = SmallVec::from_buf([x, y]);
        return Ok(Array::new(NodeKind::Op(Op::Elementwise(op)), operands, ty, source));
    }
    elementwise(op, &[Operand::Array(&x), Operand::Array(&y)], source)
}

/// The float type that a function of arrays alone computes in: the narrowest that holds each of them, as NumPy chooses
/// it. That may be narrower than what their common type converts to: `int8` and `uint16` have `int32` in common, and
/// both fit in `float32`.
fn narrowest_float(op: ElementwiseOp, operands: &[Operand<'_>]) -> Option<DType> {
    let floats = operands.iter().map(|operand| operand.array().map(|array| array.dtype().to_float()));
    let floats: SmallVec<[DType; 3]> = floats.collect::<Option<_>>()?;
    floats.into_iter().reduce(DType::promote).filter(|_| op.class() == Class::Float)
}

/// The common case, in which no operand is converted; `None` in any other, and for a mistake.
#[inline]
fn unconverted(op: ElementwiseOp, operands: &[Operand<'_>], source: Option<Source>) -> Option<Array> {
    let (operands, shape): (SmallVec<[Array; 2]>, Shape) = match *operands {
        [Operand::Array(x)] => (smallvec![x.clone()], x.shape().clone()),
        [Operand::Array(x), Operand::Array(y)] if x.dtype() == y.dtype() => {
            (SmallVec::from_buf([x.clone(), y.clone()]), x.shape().broadcast(y.shape())?)
        }
        [Operand::Array(x), Operand::Scalar(y)] => {
            let y = Array::scalar(y.literal_at_once(op, x.dtype())?, source);
            (SmallVec::from_buf([x.clone(), y]), x.shape().clone())
        }
        [Operand::Scalar(x), Operand::Array(y)] => {
            let x = Array::scalar(x.literal_at_once(op, y.dtype())?, source);
            (SmallVec::from_buf([x, y.clone()]), y.shape().clone())
        }
        _ => return None,
    };
    let dtype = operands[operands.len() - 1].dtype();
    if operands.len() != op.arity() || !op.accepts(dtype) || operands.iter().any(|x| x.mistake().is_some()) {
        return None;
    }
    let ty = Type { dtype: op.result_dtype(dtype), shape };
    Some(Array::new(NodeKind::Op(Op::Elementwise(op)), operands, ty, source))
}

impl<'a> Operand<'a> {
    fn array(&self) -> Option<&'a Array> {
        match self {
            Operand::Array(array) => Some(array),
            Operand::Scalar(_) => None,
        }
    }
}

/// Comparisons that promotion would get wrong: an integer beyond the array's dtype, and `i64` with `u64`.
fn compare_exactly(
    op: ElementwiseOp,
    operands: &[Operand<'_>],
    source: Option<Source>,
) -> Result<Option<Array>, Error> {
    let mirrored = match op {
        ElementwiseOp::Equal | ElementwiseOp::NotEqual => op,
        ElementwiseOp::Less => ElementwiseOp::Greater,
        ElementwiseOp::LessEqual => ElementwiseOp::GreaterEqual,
        ElementwiseOp::Greater => ElementwiseOp::Less,
        ElementwiseOp::GreaterEqual => ElementwiseOp::LessEqual,
        _ => return Ok(None),
    };
    match *operands {
        [Operand::Array(array), Operand::Scalar(Weak::Int(value))] => beyond(op, array, value, source),
        [Operand::Scalar(Weak::Int(value)), Operand::Array(array)] => beyond(mirrored, array, value, source),
        [Operand::Array(x), Operand::Array(y)] => match (x.dtype(), y.dtype()) {
            (x_dtype, DType::U64) if x_dtype.kind() == Kind::Signed => {
                signed_with_u64(op, x, y, source).map(Some)
            }
            (DType::U64, y_dtype) if y_dtype.kind() == Kind::Signed => {
                signed_with_u64(mirrored, y, x, source).map(Some)
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// `array op value`, where the integer is outside the range of the array's integer dtype: the same everywhere.
fn beyond(
    op: ElementwiseOp,
    array: &Array,
    value: i128,
    source: Option<Source>,
) -> Result<Option<Array>, Error> {
    if !array.dtype().is_integer() {
        return Ok(None);
    }
    let (min, max) = integer_bounds(array.dtype());
    let truth = match op {
        _ if (min..=max).contains(&value) => return Ok(None),
        ElementwiseOp::NotEqual => true,
        ElementwiseOp::Less | ElementwiseOp::LessEqual => value > max,
        ElementwiseOp::Greater | ElementwiseOp::GreaterEqual => value < min,
        _ => false,
    };
    full(array.shape(), Literal::new(raptors_ir::Bool::from(truth)), source).map(Some)
}

/// `signed op unsigned` without going through `f64`: a negative number is below every unsigned one.
fn signed_with_u64(
    op: ElementwiseOp,
    signed: &Array,
    unsigned: &Array,
    source: Option<Source>,
) -> Result<Array, Error> {
    let zero = Operand::Scalar(Weak::Int(0));
    let negative = elementwise(ElementwiseOp::Less, &[Operand::Array(signed), zero], source)?;
    let as_unsigned = cast(signed, DType::U64, source)?;
    let compared = elementwise(op, &[Operand::Array(&as_unsigned), Operand::Array(unsigned)], source)?;
    let when_negative =
        matches!(op, ElementwiseOp::Less | ElementwiseOp::LessEqual | ElementwiseOp::NotEqual);
    let constant = Array::scalar(Literal::new(raptors_ir::Bool::from(when_negative)), source);
    Array::apply(Op::Where, &[&negative, &constant, &compared], source)
}

/// `x` where `condition` is true, `y` elsewhere; all three broadcast, `x` and `y` promote.
pub fn choose(
    condition: Operand<'_>,
    x: Operand<'_>,
    y: Operand<'_>,
    source: Option<Source>,
) -> Result<Array, Error> {
    let condition = convert("where", condition, DType::Bool, source)?;
    let dtype = result_dtype(&[x, y]).unwrap_or(DType::F64);
    let (x, y) = (convert("where", x, dtype, source)?, convert("where", y, dtype, source)?);
    Array::apply(Op::Where, &[&condition, &x, &y], source)
}

/// `x` limited to `low..=high`, either of which may be missing: `minimum(maximum(x, low), high)`.
pub fn clip(
    x: Operand<'_>,
    low: Option<Operand<'_>>,
    high: Option<Operand<'_>>,
    source: Option<Source>,
) -> Result<Array, Error> {
    let all: SmallVec<[Operand<'_>; 3]> = [Some(x), low, high].into_iter().flatten().collect();
    let dtype = result_dtype(&all).unwrap_or(DType::F64);
    let mut result = convert("clip", x, dtype, source)?;
    for (op, bound) in [(ElementwiseOp::Maximum, low), (ElementwiseOp::Minimum, high)] {
        if let Some(bound) = bound {
            let bound = convert("clip", bound, dtype, source)?;
            result = Array::apply(Op::Elementwise(op), &[&result, &bound], source)?;
        }
    }
    Ok(result)
}

/// `base ** exponent` as NumPy's operator computes it: exponents 2, 1, 0.5 and -1 of float arrays are `square`, the
/// base, `sqrt` and `reciprocal`; so they are of complex arrays, the whole ones as integers alone; 2 of integer arrays is
/// `square`.
pub fn power(base: &Array, exponent: Operand<'_>, source: Option<Source>) -> Result<Array, Error> {
    let x = Operand::Array(base);
    let number = match exponent {
        Operand::Scalar(Weak::Int(value)) => Some(value as f64),
        Operand::Scalar(Weak::Float(value)) => Some(value),
        _ => None,
    };
    let weak_float = matches!(exponent, Operand::Scalar(Weak::Float(_)));
    let (is_float, is_complex) = (base.dtype().is_float(), base.dtype().is_complex());
    let takes_whole = is_float || (is_complex && !weak_float);
    let shortcut = match number {
        Some(2.0) if takes_whole || (base.dtype().is_integer() && !weak_float) => Some(ElementwiseOp::Square),
        Some(1.0) if takes_whole => Some(ElementwiseOp::Positive),
        Some(0.5) if is_float || is_complex => Some(ElementwiseOp::Sqrt),
        Some(-1.0) if takes_whole => Some(ElementwiseOp::Reciprocal),
        _ => None,
    };
    match shortcut {
        Some(op) => elementwise(op, &[x], source),
        None => elementwise(ElementwiseOp::Pow, &[x, exponent], source),
    }
}

/// The angle of each number in the complex plane, in radians in [-pi, pi]; integers and `bool` are computed as floats.
pub fn angle(x: Operand<'_>, source: Option<Source>) -> Result<Array, Error> {
    let dtype = result_dtype(&[x]).unwrap_or(DType::F64);
    let x = convert("angle", x, dtype.to_float(), source)?;
    let part = |op| elementwise(op, &[Operand::Array(&x)], source);
    let (re, im) = (part(ElementwiseOp::Real)?, part(ElementwiseOp::Imag)?);
    elementwise(ElementwiseOp::Atan2, &[Operand::Array(&im), Operand::Array(&re)], source)
}

/// An array of `shape` that is `literal` everywhere.
pub fn full(shape: &Shape, literal: Literal, source: Option<Source>) -> Result<Array, Error> {
    let scalar = Array::scalar(literal, source);
    if shape.is_empty() { Ok(scalar) } else { Array::apply(Op::Broadcast(shape.clone()), &[&scalar], source) }
}

/// Whether a reduced axis stays, with length 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Axes {
    /// Reduced axes stay with length 1.
    Keep,
    /// Reduced axes are dropped.
    Drop,
}

/// Combines the elements over `axes` (`None`: all), in the dtype NumPy accumulates in, or in `dtype`.
///
/// # Errors
///
/// An axis out of range or given twice; no elements for a reduction without identity; a dtype it is not defined for.
pub fn reduce(
    op: ReduceOp,
    x: &Array,
    axes: Option<&[isize]>,
    kept: Axes,
    dtype: Option<DType>,
    source: Option<Source>,
) -> Result<Array, Error> {
    let name = op.name();
    let axes =
        raptors_ir::normalize_axes(name, axes, x.ndim()).map_err(|error| Array::mistaken(error, &[x]))?;
    let x = match op {
        ReduceOp::Any | ReduceOp::All => cast(x, DType::Bool, source)?,
        ReduceOp::Sum | ReduceOp::Prod => cast(x, dtype.unwrap_or(op.accumulator_dtype(x.dtype())), source)?,
        ReduceOp::Min | ReduceOp::Max | ReduceOp::Argmin | ReduceOp::Argmax => x.clone(),
    };
    let kept_shape = (kept == Axes::Drop && !axes.is_empty()).then(|| x.shape().without(&axes));
    let reduced = if axes.is_empty() && !matches!(op, ReduceOp::Argmin | ReduceOp::Argmax) {
        x
    } else if op == ReduceOp::Sum && x.mistake().is_none() && op.accumulator_dtype(x.dtype()) == x.dtype() {
        // The common case, in which nothing is wrong.
        let ty = Type { dtype: x.dtype(), shape: x.shape().with_reduced(&axes) };
        Array::new(NodeKind::Op(Op::Reduce(op, axes)), smallvec![x], ty, source)
    } else {
        Array::apply(Op::Reduce(op, axes), &[&x], source)?
    };
    Ok(match kept_shape {
        None => reduced,
        Some(shape) => {
            let ty = Type { dtype: reduced.dtype(), shape: shape.clone() };
            Array::new(NodeKind::Op(Op::Reshape(shape)), smallvec![reduced], ty, source)
        }
    })
}

/// Position of the first smallest or largest element along `axis`, or in the flattened array; `i64`.
pub fn arg_reduce(
    op: ReduceOp,
    x: &Array,
    axis: Option<isize>,
    kept: Axes,
    source: Option<Source>,
) -> Result<Array, Error> {
    if let Some(axis) = axis {
        return reduce(op, x, Some(&[axis]), kept, None, source);
    }
    let flat = match x.ndim() {
        1 => x.clone(),
        _ => {
            let flat = Shape::new(&[x.size()]).map_err(|error| Array::mistaken(error, &[x]))?;
            Array::apply(Op::Reshape(flat), &[x], source)?
        }
    };
    let reduced = reduce(op, &flat, None, Axes::Drop, None, source)?;
    match kept {
        Axes::Drop => Ok(reduced),
        Axes::Keep => {
            let ones = x.shape().with_reduced(&(0..x.ndim()).collect::<Vec<_>>());
            Array::apply(Op::Reshape(ones), &[&reduced], source)
        }
    }
}

/// The matrix product of the last two dimensions; leading ones broadcast. A 1-d operand is a row on the left, a column on
/// the right, and its dimension is dropped from the result.
pub fn matmul(x: &Array, y: &Array, source: Option<Source>) -> Result<Array, Error> {
    let op = "matmul";
    for operand in [x, y] {
        if operand.ndim() == 0 {
            let error = IrError::TooFewDims { op, shape: operand.shape().clone(), needed: 1 };
            return Err(Array::mistaken(error, &[x, y]));
        }
    }
    let inner = |array: &Array, from_end: usize| {
        array.shape()[array.ndim().saturating_sub(from_end).min(array.ndim() - 1)]
    };
    let (inner_lhs, inner_rhs) = (inner(x, 1), inner(y, 2));
    if inner_lhs != inner_rhs {
        let error =
            IrError::Matmul { op, lhs: x.shape().clone(), rhs: y.shape().clone(), inner_lhs, inner_rhs };
        return Err(Array::mistaken(error, &[x, y]));
    }
    let dtype = x.dtype().promote(y.dtype());
    let (lhs, rhs) = (cast(x, dtype, source)?, cast(y, dtype, source)?);
    let shape = |dims: &[usize]| Shape::new(dims).map_err(|error| Array::mistaken(error, &[x, y]));
    let lhs = match x.ndim() {
        1 => Array::apply(Op::Reshape(shape(&[1, inner_lhs])?), &[&lhs], source)?,
        _ => lhs,
    };
    let rhs = match y.ndim() {
        1 => Array::apply(Op::Reshape(shape(&[inner_rhs, 1])?), &[&rhs], source)?,
        _ => rhs,
    };
    let product = Array::apply(Op::Matmul, &[&lhs, &rhs], source)?;
    let mut dropped: SmallVec<[usize; 2]> = SmallVec::new();
    if x.ndim() == 1 {
        dropped.push(product.ndim() - 2);
    }
    if y.ndim() == 1 {
        dropped.push(product.ndim() - 1);
    }
    if dropped.is_empty() {
        return Ok(product);
    }
    Array::apply(Op::Reshape(product.shape().without(&dropped)), &[&product], source)
}
