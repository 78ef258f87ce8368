//! Notation: real values of an algebra with operators, pairs of them, and truth values.
//!
//! A value carries its algebra and dtype, so that formulas read as formulas. A plain `f64` beside a value is a constant of
//! the value's dtype.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::Algebra;
use crate::{DType, ElementwiseOp, Literal};

/// A float value of an algebra.
pub struct Number<'a, A: Algebra> {
    algebra: &'a RefCell<A>,
    value: A::Value,
    dtype: DType,
}

/// A truth value of an algebra.
pub struct Truth<'a, A: Algebra> {
    algebra: &'a RefCell<A>,
    value: A::Value,
}

/// A complex number: two floats of one dtype.
pub struct Complex<'a, A: Algebra> {
    /// The real part.
    pub re: Number<'a, A>,
    /// The imaginary part.
    pub im: Number<'a, A>,
}

macro_rules! copies {
    ($($type:ident)*) => {$(
        impl<A: Algebra> Clone for $type<'_, A> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<A: Algebra> Copy for $type<'_, A> {}
        impl<A: Algebra> fmt::Debug for $type<'_, A> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($type))
            }
        }
    )*};
}
copies!(Number Truth Complex);

impl<'a, A: Algebra> Complex<'a, A> {
    pub(super) fn new(algebra: &'a RefCell<A>, [re, im]: [A::Value; 2], dtype: DType) -> Self {
        Complex { re: Number { algebra, value: re, dtype }, im: Number { algebra, value: im, dtype } }
    }

    /// What `function` gives for the number in `f64`, rounded to the number's own dtype.
    pub(super) fn in_f64(self, function: impl Fn(Complex<'a, A>) -> Complex<'a, A>) -> Complex<'a, A> {
        let z = function(self.wide());
        let dtype = self.re.dtype;
        Complex { re: z.re.cast(dtype), im: z.im.cast(dtype) }
    }

    /// The number in `f64`.
    pub(super) fn wide(self) -> Complex<'a, A> {
        Complex { re: self.re.cast(DType::F64), im: self.im.cast(DType::F64) }
    }

    pub(super) fn abs(self) -> Number<'a, A> {
        self.re.binary(ElementwiseOp::Hypot, self.im)
    }

    /// Whether it is not zero; NaN is not.
    pub(super) fn is_nonzero(self) -> Truth<'a, A> {
        let zero = self.re.constant(0.0);
        self.re.ne(zero) | self.im.ne(zero)
    }

    pub(super) fn is_finite(self) -> Truth<'a, A> {
        self.re.is_finite() & self.im.is_finite()
    }

    /// The parts in the other order: of `f(z) = -i g(i z)`, the parts of both sides.
    pub(super) fn swapped(self) -> Complex<'a, A> {
        Complex { re: self.im, im: self.re }
    }

    pub(super) fn scaled(self, factor: f64) -> Complex<'a, A> {
        Complex { re: self.re * factor, im: self.im * factor }
    }
}

impl<'a, A: Algebra> Number<'a, A> {
    /// The value.
    pub fn value(self) -> A::Value {
        self.value
    }

    /// A constant of the same dtype.
    pub(super) fn constant(self, x: f64) -> Self {
        let literal = Literal::from_f64(self.dtype, x);
        Number { value: self.algebra.borrow_mut().constant(literal), ..self }
    }

    fn cast(self, dtype: DType) -> Self {
        if self.dtype == dtype {
            return self;
        }
        Number { value: self.algebra.borrow_mut().cast(self.value, dtype), dtype, ..self }
    }

    fn op(self, op: ElementwiseOp, operands: &[A::Value]) -> Self {
        Number { value: self.algebra.borrow_mut().elementwise(op, operands), ..self }
    }

    pub(super) fn unary(self, op: ElementwiseOp) -> Self {
        self.op(op, &[self.value])
    }

    pub(super) fn binary(self, op: ElementwiseOp, other: Self) -> Self {
        self.op(op, &[self.value, other.value])
    }

    fn predicate(self, op: ElementwiseOp, operands: &[A::Value]) -> Truth<'a, A> {
        Truth { value: self.algebra.borrow_mut().elementwise(op, operands), algebra: self.algebra }
    }

    fn compare(self, op: ElementwiseOp, other: Self) -> Truth<'a, A> {
        self.predicate(op, &[self.value, other.value])
    }

    /// `self * factor + addend`, rounded once.
    pub(super) fn fma(self, factor: Self, addend: Self) -> Self {
        self.op(ElementwiseOp::Fma, &[self.value, factor.value, addend.value])
    }

    pub(super) fn copysign(self, sign: Self) -> Self {
        self.binary(ElementwiseOp::Copysign, sign)
    }

    pub(super) fn hypot(self, other: Self) -> Self {
        self.binary(ElementwiseOp::Hypot, other)
    }

    /// The angle of the point (`x`, `self`).
    pub(super) fn atan2(self, x: Self) -> Self {
        self.binary(ElementwiseOp::Atan2, x)
    }

    /// The larger of two numbers that are not NaN.
    pub(super) fn max(self, other: Self) -> Self {
        self.binary(ElementwiseOp::Maximum, other)
    }

    pub(super) fn lt(self, other: Self) -> Truth<'a, A> {
        self.compare(ElementwiseOp::Less, other)
    }

    pub(super) fn le(self, other: Self) -> Truth<'a, A> {
        self.compare(ElementwiseOp::LessEqual, other)
    }

    pub(super) fn eq(self, other: Self) -> Truth<'a, A> {
        self.compare(ElementwiseOp::Equal, other)
    }

    pub(super) fn ne(self, other: Self) -> Truth<'a, A> {
        self.compare(ElementwiseOp::NotEqual, other)
    }

    pub(super) fn is(self, x: f64) -> Truth<'a, A> {
        self.eq(self.constant(x))
    }

    pub(super) fn is_below(self, x: f64) -> Truth<'a, A> {
        self.lt(self.constant(x))
    }

    pub(super) fn is_above(self, x: f64) -> Truth<'a, A> {
        self.constant(x).lt(self)
    }

    pub(super) fn is_nan(self) -> Truth<'a, A> {
        self.predicate(ElementwiseOp::Isnan, &[self.value])
    }

    pub(super) fn is_inf(self) -> Truth<'a, A> {
        self.predicate(ElementwiseOp::Isinf, &[self.value])
    }

    pub(super) fn is_finite(self) -> Truth<'a, A> {
        self.predicate(ElementwiseOp::Isfinite, &[self.value])
    }

    /// Whether the sign bit is set.
    pub(super) fn is_negative(self) -> Truth<'a, A> {
        self.predicate(ElementwiseOp::Signbit, &[self.value])
    }
}

/// Methods of the ops of one operand.
macro_rules! functions {
    ($($name:ident = $op:ident)*) => {
        impl<A: Algebra> Number<'_, A> {
            $(pub(super) fn $name(self) -> Self {
                self.unary(ElementwiseOp::$op)
            })*
        }
    };
}
functions! {
    abs = Abs sqrt = Sqrt round = Round floor = Floor square = Square exp = Exp exp2 = Exp2 expm1 = Expm1 log = Log log1p = Log1p sin = Sin cos = Cos
    tan = Tan asin = Asin acos = Acos atan = Atan sinh = Sinh cosh = Cosh atanh = Atanh
}

/// Operators of two numbers, and of a number and a constant.
macro_rules! operators {
    ($($trait:ident $method:ident $op:ident)*) => {$(
        impl<'a, A: Algebra> $trait for Number<'a, A> {
            type Output = Number<'a, A>;
            fn $method(self, other: Number<'a, A>) -> Number<'a, A> {
                self.binary(ElementwiseOp::$op, other)
            }
        }
        impl<'a, A: Algebra> $trait<f64> for Number<'a, A> {
            type Output = Number<'a, A>;
            fn $method(self, other: f64) -> Number<'a, A> {
                self.binary(ElementwiseOp::$op, self.constant(other))
            }
        }
        impl<'a, A: Algebra> $trait<Number<'a, A>> for f64 {
            type Output = Number<'a, A>;
            fn $method(self, other: Number<'a, A>) -> Number<'a, A> {
                other.constant(self).binary(ElementwiseOp::$op, other)
            }
        }
    )*};
}
operators!(Add add Add Sub sub Subtract Mul mul Multiply Div div Divide);

impl<'a, A: Algebra> Neg for Number<'a, A> {
    type Output = Number<'a, A>;
    fn neg(self) -> Number<'a, A> {
        self.unary(ElementwiseOp::Negative)
    }
}

impl<'a, A: Algebra> Truth<'a, A> {
    /// The value.
    pub fn value(self) -> A::Value {
        self.value
    }

    fn op(self, op: ElementwiseOp, operands: &[A::Value]) -> Self {
        Truth { value: self.algebra.borrow_mut().elementwise(op, operands), ..self }
    }

    pub(super) fn differs(self, other: Self) -> Self {
        self.op(ElementwiseOp::LogicalXor, &[self.value, other.value])
    }

    /// `x` where this holds, `y` elsewhere.
    pub(super) fn choose(self, x: Number<'a, A>, y: Number<'a, A>) -> Number<'a, A> {
        Number { value: self.algebra.borrow_mut().choose(self.value, x.value, y.value), ..x }
    }

    /// The constant where this holds, `y` elsewhere.
    pub(super) fn choose_constant(self, x: f64, y: Number<'a, A>) -> Number<'a, A> {
        self.choose(y.constant(x), y)
    }

    pub(super) fn choose_complex(self, x: Complex<'a, A>, y: Complex<'a, A>) -> Complex<'a, A> {
        Complex { re: self.choose(x.re, y.re), im: self.choose(x.im, y.im) }
    }
}

impl<A: Algebra> BitAnd for Truth<'_, A> {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        self.op(ElementwiseOp::LogicalAnd, &[self.value, other.value])
    }
}

impl<A: Algebra> BitOr for Truth<'_, A> {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.op(ElementwiseOp::LogicalOr, &[self.value, other.value])
    }
}

impl<A: Algebra> Not for Truth<'_, A> {
    type Output = Self;
    fn not(self) -> Self {
        self.op(ElementwiseOp::LogicalNot, &[self.value])
    }
}
