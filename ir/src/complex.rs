//! What each op means for complex numbers: real ops on their two parts, written once.
//!
//! A definition is generic over an [`Algebra`] of real values. With [`Literals`] it is the op's meaning for one element,
//! which folding and the tests use; `legalize` gives it the nodes of a graph, and so every kernel that computes with
//! complex numbers is one of real numbers. Both do the same ops in the same order, and give the same bits.
//!
//! Arithmetic is in the dtype of the parts and gives NumPy's bits. Functions of mathematics are computed in `f64`
//! for either dtype and rounded once for `c64`; special values follow C99, Annex G. Sources and bounds are in the
//! files: [`arithmetic`], [`exponential`], [`hyperbolic`], [`inverse`].
//!
//! There is no order: what compares, rounds to one side or takes a remainder is refused ([`OnComplex::Refused`]).

mod arithmetic;
mod exponential;
mod hyperbolic;
mod inverse;
mod number;

use std::cell::RefCell;

use crate::{DType, ElementwiseOp, Literal, scalar};

pub use number::{Complex, Number, Truth};

/// Real values, of any dtype but complex ones, and what can be done with them.
pub trait Algebra {
    /// A value.
    type Value: Copy;
    /// A known value.
    fn constant(&mut self, literal: Literal) -> Self::Value;
    /// An elementwise op of operands of one dtype.
    fn elementwise(&mut self, op: ElementwiseOp, operands: &[Self::Value]) -> Self::Value;
    /// `x` where `condition`, a truth value, holds, and `y` elsewhere.
    fn choose(&mut self, condition: Self::Value, x: Self::Value, y: Self::Value) -> Self::Value;
    /// The value converted to a real dtype.
    fn cast(&mut self, x: Self::Value, dtype: DType) -> Self::Value;
}

/// What an op gives, part by part.
#[derive(Clone, Copy, Debug)]
pub enum Parts<V> {
    /// A complex number.
    Complex([V; 2]),
    /// A real number or a truth value.
    Real(V),
}

/// What `op` makes of complex operands of `dtype`, given by their parts; `None` where it is refused.
pub fn elementwise<A: Algebra>(
    algebra: &RefCell<A>,
    op: ElementwiseOp,
    dtype: DType,
    operands: &[[A::Value; 2]],
) -> Option<Parts<A::Value>> {
    let operand = |n: usize| operands.get(n).map(|&parts| Complex::new(algebra, parts, dtype.part()));
    let (x, y) = (operand(0)?, operand(1));
    Some(match y {
        None => unary(op, x)?.parts(),
        Some(y) => binary(op, x, y)?.parts(),
    })
}

/// The values of complex numbers as `dtype`: their parts, or whether they are not zero.
pub fn cast_parts<A: Algebra>(
    algebra: &RefCell<A>,
    from: DType,
    parts: [A::Value; 2],
    dtype: DType,
) -> Parts<A::Value> {
    match dtype {
        DType::Bool => Parts::Real(Complex::new(algebra, parts, from.part()).is_nonzero().value()),
        _ => Parts::Complex(parts.map(|part| algebra.borrow_mut().cast(part, dtype.part()))),
    }
}

/// A result.
enum Outcome<'a, A: Algebra> {
    Complex(Complex<'a, A>),
    Number(Number<'a, A>),
    Truth(Truth<'a, A>),
}

impl<A: Algebra> Outcome<'_, A> {
    fn parts(self) -> Parts<A::Value> {
        match self {
            Outcome::Complex(z) => Parts::Complex([z.re.value(), z.im.value()]),
            Outcome::Number(x) => Parts::Real(x.value()),
            Outcome::Truth(truth) => Parts::Real(truth.value()),
        }
    }
}

fn unary<A: Algebra>(op: ElementwiseOp, z: Complex<'_, A>) -> Option<Outcome<'_, A>> {
    use ElementwiseOp::*;
    let complex = Outcome::Complex;
    Some(match op {
        Abs => Outcome::Number(z.abs()),
        Real => Outcome::Number(z.re),
        Imag => Outcome::Number(z.im),
        Negative => complex(Complex { re: -z.re, im: -z.im }),
        Positive => complex(z),
        Conj => complex(Complex { re: z.re, im: -z.im }),
        Round => complex(Complex { re: z.re.round(), im: z.im.round() }),
        Sign => complex(arithmetic::sign(z)),
        Square => complex(arithmetic::square(z)),
        Reciprocal => complex(arithmetic::reciprocal(z)),
        Sqrt => complex(z.in_f64(exponential::sqrt)),
        Exp => complex(z.in_f64(exponential::exp)),
        Exp2 => complex(z.in_f64(exponential::exp2)),
        Expm1 => complex(z.in_f64(exponential::expm1)),
        Log => complex(z.in_f64(exponential::log)),
        Log2 => complex(z.in_f64(exponential::log2)),
        Log10 => complex(z.in_f64(exponential::log10)),
        Log1p => complex(z.in_f64(exponential::log1p)),
        Sin => complex(z.in_f64(hyperbolic::sin)),
        Cos => complex(z.in_f64(hyperbolic::cos)),
        Tan => complex(z.in_f64(hyperbolic::tan)),
        Sinh => complex(z.in_f64(hyperbolic::sinh)),
        Cosh => complex(z.in_f64(hyperbolic::cosh)),
        Tanh => complex(z.in_f64(hyperbolic::tanh)),
        Asin => complex(z.in_f64(inverse::asin)),
        Acos => complex(z.in_f64(inverse::acos)),
        Atan => complex(z.in_f64(inverse::atan)),
        Asinh => complex(z.in_f64(inverse::asinh)),
        Acosh => complex(z.in_f64(inverse::acosh)),
        Atanh => complex(z.in_f64(inverse::atanh)),
        Isnan => Outcome::Truth(z.re.is_nan() | z.im.is_nan()),
        Isinf => Outcome::Truth(z.re.is_inf() | z.im.is_inf()),
        Isfinite => Outcome::Truth(z.is_finite()),
        LogicalNot => Outcome::Truth(!z.is_nonzero()),
        Floor | Ceil | Trunc | Sigmoid | Cbrt | Erf | Erfc | Gamma | Lgamma | Signbit | BitwiseInvert
        | Relaxed(_) => {
            return None;
        }
        Add | Subtract | Multiply | Divide | FloorDivide | Remainder | Pow | Minimum | Maximum | Copysign
        | Nextafter | Hypot | Logaddexp | Fma | Atan2 | Equal | NotEqual | Less | LessEqual | Greater
        | GreaterEqual | LogicalAnd | LogicalOr | LogicalXor | BitwiseAnd | BitwiseOr | BitwiseXor
        | BitwiseLeftShift | BitwiseRightShift => return None,
    })
}

fn binary<'a, A: Algebra>(op: ElementwiseOp, x: Complex<'a, A>, y: Complex<'a, A>) -> Option<Outcome<'a, A>> {
    use ElementwiseOp::*;
    let complex = Outcome::Complex;
    Some(match op {
        Add => complex(Complex { re: x.re + y.re, im: x.im + y.im }),
        Subtract => complex(Complex { re: x.re - y.re, im: x.im - y.im }),
        Multiply => complex(arithmetic::multiply(x, y)),
        Divide => complex(arithmetic::divide(x, y)),
        Pow => complex(arithmetic::pow(x, y)),
        Equal => Outcome::Truth(x.re.eq(y.re) & x.im.eq(y.im)),
        NotEqual => Outcome::Truth(x.re.ne(y.re) | x.im.ne(y.im)),
        LogicalAnd => Outcome::Truth(x.is_nonzero() & y.is_nonzero()),
        LogicalOr => Outcome::Truth(x.is_nonzero() | y.is_nonzero()),
        LogicalXor => Outcome::Truth(x.is_nonzero().differs(y.is_nonzero())),
        FloorDivide | Remainder | Minimum | Maximum | Copysign | Nextafter | Hypot | Logaddexp | Fma
        | Atan2 | Less | LessEqual | Greater | GreaterEqual | BitwiseAnd | BitwiseOr | BitwiseXor
        | BitwiseLeftShift | BitwiseRightShift | Relaxed(_) => return None,
        Abs | Negative | Positive | Sign | Square | Reciprocal | Sqrt | Floor | Ceil | Trunc | Round
        | Conj | Real | Imag | Exp | Exp2 | Expm1 | Log | Log1p | Log2 | Log10 | Sin | Cos | Tan | Asin
        | Acos | Atan | Sinh | Cosh | Tanh | Asinh | Acosh | Atanh | Sigmoid | Cbrt | Erf | Erfc | Gamma
        | Lgamma | Isnan | Isinf | Isfinite | Signbit | LogicalNot | BitwiseInvert => return None,
    })
}

/// Literals, computed by the scalar definitions.
#[derive(Debug)]
pub struct Literals;

impl Algebra for Literals {
    type Value = Literal;

    fn constant(&mut self, literal: Literal) -> Literal {
        literal
    }

    fn elementwise(&mut self, op: ElementwiseOp, operands: &[Literal]) -> Literal {
        match scalar::evaluate(op, operands) {
            Some(value) => value,
            None => unreachable!("{} of {operands:?} is part of a definition", op.name()),
        }
    }

    fn choose(&mut self, condition: Literal, x: Literal, y: Literal) -> Literal {
        if condition.bits() != 0 { x } else { y }
    }

    fn cast(&mut self, x: Literal, dtype: DType) -> Literal {
        match scalar::cast(x, dtype) {
            Some(value) => value,
            None => unreachable!("{x:?} is real, and so is {dtype}"),
        }
    }
}

/// The value of `op` for complex literals of one dtype; `None` where it is refused.
pub fn evaluate(op: ElementwiseOp, operands: &[Literal]) -> Option<Literal> {
    let dtype = operands.first()?.dtype();
    if operands.len() != op.arity() || operands.iter().any(|operand| operand.dtype() != dtype) {
        return None;
    }
    let parts: Vec<[Literal; 2]> = operands.iter().map(|operand| operand.parts()).collect();
    elementwise(&RefCell::new(Literals), op, dtype, &parts).map(literal)
}

/// The literal converted, where it or `dtype` is complex; `None` for a complex number as a real one.
pub fn cast(literal_value: Literal, dtype: DType) -> Option<Literal> {
    let from = literal_value.dtype();
    if !from.is_complex() {
        let real = scalar::cast(literal_value, dtype.part())?;
        return Some(Literal::of_parts([real, Literal::zero(dtype.part())]));
    }
    let is_defined = dtype.is_complex() || dtype == DType::Bool;
    is_defined.then(|| literal(cast_parts(&RefCell::new(Literals), from, literal_value.parts(), dtype)))
}

fn literal(parts: Parts<Literal>) -> Literal {
    match parts {
        Parts::Complex(parts) => Literal::of_parts(parts),
        Parts::Real(value) => value,
    }
}

#[cfg(test)]
mod tests;
