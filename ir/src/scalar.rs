//! What each op means for one element: one line an op.
//!
//! Everything that computes agrees with this file: constant folding calls it, the kernels are loops around it, and the
//! tests use it as their reference. A line gives an expression per dtype family, or the two functions of
//! [`math`](crate::math) that compute the op for lanes of `f32` and `f64`; [`visit`] hands the definition
//! to a [`Visitor`] as a type, so that a loop over it is compiled with the expression inlined.
//!
//! Sources: integer division, remainder, shifts and the float remainder follow NumPy's `npy_math` and `loops`
//! definitions; conversions follow x86-64's truncating instructions, which NumPy's results show there.

mod half;

use smallvec::SmallVec;

pub use half::{half_computed_in, is_direct_cast, prefers_first_of_equals};

use crate::lanes::Scalar;
use crate::math::Function;
use crate::{Bool, DType, Element, ElementwiseOp, Literal, complex, dispatch_dtype};

/// An op of one operand, for one element type.
pub trait Unary<T: Element> {
    /// The result's type.
    type Out: Element;
    /// The value for `x`.
    fn apply(x: T) -> Self::Out;
}

/// An op of two operands, for one element type.
pub trait Binary<T: Element> {
    /// The result's type.
    type Out: Element;
    /// The value for `x` and `y`.
    fn apply(x: T, y: T) -> Self::Out;
}

/// An op of three operands, for one element type.
pub trait Ternary<T: Element> {
    /// The result's type.
    type Out: Element;
    /// The value for `x`, `y` and `z`.
    fn apply(x: T, y: T, z: T) -> Self::Out;
}

/// Receives an op's definition as a type.
pub trait Visitor {
    /// What the visit returns.
    type Output;
    /// Called for an op of one operand.
    fn unary<K: Unary<T>, T: Element>(self) -> Self::Output;
    /// Called for an op of two operands.
    fn binary<K: Binary<T>, T: Element>(self) -> Self::Output;
    /// Called for an op of three operands.
    fn ternary<K: Ternary<T>, T: Element>(self) -> Self::Output;
    /// Called for a function of mathematics of `f32`.
    fn f32_function<F: Function<f32, N>, const N: usize>(self) -> Self::Output;
    /// Called for a function of mathematics of `f64`.
    fn f64_function<F: Function<f64, N>, const N: usize>(self) -> Self::Output;
}

/// Calls `visitor` with the definition of `op` for `dtype`; `None` where there is none, and for half-precision floats,
/// which [`evaluate`] defines by `f32`.
pub fn visit<V: Visitor>(op: ElementwiseOp, dtype: DType, visitor: V) -> Option<V::Output> {
    definitions::visit(op, dtype, visitor)
}

/// Expands `Op(x) { family => expression; … }` lines to trait implementations and [`visit`].
///
/// Families: `bool` (operands are `bool`), `signed`, `unsigned`, `int` (both), `float`, `any` (all of them), and
/// `function`, which has two paths instead of an expression: the function for lanes of `f32` and that for `f64`.
macro_rules! scalar {
    (
        same { $($same:ident $s:tt { $($sf:ident => $($se:expr),+);* $(;)? })* }
        predicate { $($pred:ident $p:tt { $($pf:ident => $pe:expr);* $(;)? })* }
        relaxed { $($twin:ident $t:tt { $tf:ident => $f32:expr, $f64:expr })* }
    ) => {
        $(struct $same;
          $(scalar!(@family $sf, same, $same, $s, $($se),+);)*)*
        $(struct $pred;
          $(scalar!(@family $pf, predicate, $pred, $p, $pe);)*)*
        /// Twins have the names of what they are twins of.
        mod twins {
            use super::*;
            $(pub(super) struct $twin;
              scalar!(@family $tf, same, $twin, $t, $f32, $f64);)*
        }

        pub(super) fn visit<V: Visitor>(op: ElementwiseOp, dtype: DType, visitor: V) -> Option<V::Output> {
            match op {
                $(ElementwiseOp::$same => { $(scalar!(@visit $sf, $same, $s, dtype, visitor);)* })*
                $(ElementwiseOp::$pred => { $(scalar!(@visit $pf, $pred, $p, dtype, visitor);)* })*
                $(ElementwiseOp::Relaxed(Relaxed::$twin) => {
                    use twins::$twin;
                    scalar!(@visit $tf, $twin, $t, dtype, visitor);
                })*
            }
            None
        }
    };
    (@family bool, $rule:ident, $op:ident, $args:tt, $e:expr) => { scalar!(@bool $rule, $op, $args, $e); };
    (@family signed, $rule:ident, $op:ident, $args:tt, $e:expr) => {
        scalar!(@types $rule, $op, $args, $e, i8); scalar!(@types $rule, $op, $args, $e, i16);
        scalar!(@types $rule, $op, $args, $e, i32); scalar!(@types $rule, $op, $args, $e, i64);
    };
    (@family unsigned, $rule:ident, $op:ident, $args:tt, $e:expr) => {
        scalar!(@types $rule, $op, $args, $e, u8); scalar!(@types $rule, $op, $args, $e, u16);
        scalar!(@types $rule, $op, $args, $e, u32); scalar!(@types $rule, $op, $args, $e, u64);
    };
    (@family int, $rule:ident, $op:ident, $args:tt, $e:expr) => {
        scalar!(@family signed, $rule, $op, $args, $e); scalar!(@family unsigned, $rule, $op, $args, $e);
    };
    (@family float, $rule:ident, $op:ident, $args:tt, $e:expr) => {
        scalar!(@types $rule, $op, $args, $e, f32); scalar!(@types $rule, $op, $args, $e, f64);
    };
    (@family any, $rule:ident, $op:ident, $args:tt, $e:expr) => {
        scalar!(@family bool, $rule, $op, $args, $e); scalar!(@family int, $rule, $op, $args, $e);
        scalar!(@family float, $rule, $op, $args, $e);
    };
    (@family function, same, $op:ident, $args:tt, $f32:expr, $f64:expr) => {
        scalar!(@function $op, $args, $f32, f32); scalar!(@function $op, $args, $f64, f64);
    };
    (@function $op:ident, ($($x:ident),+), $f:expr, $t:ty) => {
        impl Function<$t, { scalar!(@count $($x)+) }> for $op {
            #[inline(always)]
            fn apply<L: Lanes<Elem = $t>>(lanes: L, [$($x),+]: [L::Float; scalar!(@count $($x)+)]) -> L::Float {
                $f(lanes, $($x),+)
            }
        }
    };
    (@count $x:ident) => { 1 };
    (@count $x:ident $y:ident) => { 2 };
    (@types same, $op:ident, ($x:ident), $e:expr, $t:ty) => {
        impl Unary<$t> for $op { type Out = $t; #[inline(always)] fn apply($x: $t) -> $t { $e } }
    };
    (@types same, $op:ident, ($x:ident, $y:ident), $e:expr, $t:ty) => {
        impl Binary<$t> for $op { type Out = $t; #[inline(always)] fn apply($x: $t, $y: $t) -> $t { $e } }
    };
    (@types same, $op:ident, ($x:ident, $y:ident, $z:ident), $e:expr, $t:ty) => {
        impl Ternary<$t> for $op {
            type Out = $t;
            #[inline(always)]
            fn apply($x: $t, $y: $t, $z: $t) -> $t { $e }
        }
    };
    (@types predicate, $op:ident, ($x:ident), $e:expr, $t:ty) => {
        impl Unary<$t> for $op {
            type Out = Bool;
            #[inline(always)]
            fn apply($x: $t) -> Bool { let _ = $x; Bool::from($e) }
        }
    };
    (@types predicate, $op:ident, ($x:ident, $y:ident), $e:expr, $t:ty) => {
        impl Binary<$t> for $op { type Out = Bool; #[inline(always)] fn apply($x: $t, $y: $t) -> Bool { Bool::from($e) } }
    };
    (@bool $rule:ident, $op:ident, ($x:ident), $e:expr) => {
        impl Unary<Bool> for $op {
            type Out = Bool;
            #[inline(always)]
            fn apply($x: Bool) -> Bool { let $x = $x.get(); let _ = $x; Bool::from($e) }
        }
    };
    (@bool $rule:ident, $op:ident, ($x:ident, $y:ident), $e:expr) => {
        impl Binary<Bool> for $op {
            type Out = Bool;
            #[inline(always)]
            fn apply($x: Bool, $y: Bool) -> Bool { let ($x, $y) = ($x.get(), $y.get()); Bool::from($e) }
        }
    };
    (@visit bool, $op:ident, $args:tt, $d:ident, $v:ident) => { scalar!(@call $op, $args, $d, $v, Bool); };
    (@visit signed, $op:ident, $args:tt, $d:ident, $v:ident) => { scalar!(@call $op, $args, $d, $v, i8 i16 i32 i64); };
    (@visit unsigned, $op:ident, $args:tt, $d:ident, $v:ident) => { scalar!(@call $op, $args, $d, $v, u8 u16 u32 u64); };
    (@visit int, $op:ident, $args:tt, $d:ident, $v:ident) => {
        scalar!(@call $op, $args, $d, $v, i8 i16 i32 i64 u8 u16 u32 u64);
    };
    (@visit float, $op:ident, $args:tt, $d:ident, $v:ident) => { scalar!(@call $op, $args, $d, $v, f32 f64); };
    (@visit any, $op:ident, $args:tt, $d:ident, $v:ident) => {
        scalar!(@call $op, $args, $d, $v, Bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
    };
    (@visit function, $op:ident, ($($x:ident),+), $d:ident, $v:ident) => {
        if $d == DType::F32 { return Some($v.f32_function::<$op, { scalar!(@count $($x)+) }>()); }
        if $d == DType::F64 { return Some($v.f64_function::<$op, { scalar!(@count $($x)+) }>()); }
    };
    (@call $op:ident, ($x:ident), $d:ident, $v:ident, $($t:ty)+) => {
        $(if $d == <$t as Element>::DTYPE { return Some($v.unary::<$op, $t>()); })+
    };
    (@call $op:ident, ($x:ident, $y:ident), $d:ident, $v:ident, $($t:ty)+) => {
        $(if $d == <$t as Element>::DTYPE { return Some($v.binary::<$op, $t>()); })+
    };
    (@call $op:ident, ($x:ident, $y:ident, $z:ident), $d:ident, $v:ident, $($t:ty)+) => {
        $(if $d == <$t as Element>::DTYPE { return Some($v.ternary::<$op, $t>()); })+
    };
}

/// The lines. Inside, `x` and `y` have the element's type (`bool` for `Bool`).
#[allow(clippy::bool_comparison, clippy::nonminimal_bool, reason = "one line serves bool and the ordered types")]
#[rustfmt::skip]
mod definitions {
    use super::{Binary, Float, Integer, Ternary, Unary, Visitor};
    use crate::lanes::Lanes;
    use crate::math::{
        Function, error_function, exp, gamma, gamma_f64, hyperbolic, inverse_hyperbolic, inverse_trigonometric, log,
        logaddexp, pow, relaxed, root, trigonometric,
    };
    use crate::{Bool, DType, Element, ElementwiseOp, Relaxed};

    scalar! {
        same {
            Abs(x) { bool => x; signed => x.wrapping_abs(); unsigned => x; float => x.abs() }
            Negative(x) { int => x.wrapping_neg(); float => -x }
            Positive(x) { int => x; float => x }
            Sign(x) { signed => x.sign(); unsigned => (x != 0).into(); float => x.numpy_sign() }
            Square(x) { int => x.wrapping_mul(x); float => x * x }
            Reciprocal(x) { int => x.reciprocal(); float => 1.0 / x }
            Sqrt(x) { float => x.sqrt() }
            Floor(x) { bool => x; int => x; float => x.floor() }
            Ceil(x) { bool => x; int => x; float => x.ceil() }
            Trunc(x) { bool => x; int => x; float => x.trunc() }
            Round(x) { int => x; float => x.round_ties_even() }
            Conj(x) { int => x; float => x }
            Real(x) { bool => x; int => x; float => x }
            Imag(x) { bool => { let _ = x; false }; int => { let _ = x; 0 }; float => { let _ = x; 0.0 } }

            Add(x, y) { bool => x | y; int => x.wrapping_add(y); float => x + y }
            Subtract(x, y) { int => x.wrapping_sub(y); float => x - y }
            Multiply(x, y) { bool => x & y; int => x.wrapping_mul(y); float => x * y }
            Divide(x, y) { float => x / y }
            FloorDivide(x, y) { int => x.floor_divide(y); float => x.floor_divide(y) }
            Remainder(x, y) { int => x.remainder(y); float => x.remainder(y) }
            Pow(x, y) { int => x.power(y); function => pow::pow_f32, pow::pow_f64 }
            Minimum(x, y) { bool => x & y; int => x.min(y); float => if x.is_nan() | (x < y) { x } else { y } }
            Maximum(x, y) { bool => x | y; int => x.max(y); float => if x.is_nan() | (x > y) { x } else { y } }
            Copysign(x, y) { float => x.copysign(y) }
            Nextafter(x, y) { float => x.next_after(y) }
            Hypot(x, y) { function => root::hypot_f32, root::hypot_f64 }
            Logaddexp(x, y) { function => logaddexp::logaddexp_f32, logaddexp::logaddexp_f64 }
            Fma(x, y, z) { float => x.mul_add(y, z) }

            Exp(x) { function => exp::exp_f32, exp::exp_f64 }
            Exp2(x) { function => exp::exp2_f32, exp::exp2_f64 }
            Expm1(x) { function => exp::expm1_f32, exp::expm1_f64 }
            Log(x) { function => log::log_f32, log::log_f64 }
            Log1p(x) { function => log::log1p_f32, log::log1p_f64 }
            Log2(x) { function => log::log2_f32, log::log2_f64 }
            Log10(x) { function => log::log10_f32, log::log10_f64 }
            Sin(x) { function => trigonometric::sin_f32, trigonometric::sin_f64 }
            Cos(x) { function => trigonometric::cos_f32, trigonometric::cos_f64 }
            Tan(x) { function => trigonometric::tan_f32, trigonometric::tan_f64 }
            Asin(x) { function => inverse_trigonometric::asin_f32, inverse_trigonometric::asin_f64 }
            Acos(x) { function => inverse_trigonometric::acos_f32, inverse_trigonometric::acos_f64 }
            Atan(x) { function => inverse_trigonometric::atan_f32, inverse_trigonometric::atan_f64 }
            Atan2(x, y) { function => inverse_trigonometric::atan2_f32, inverse_trigonometric::atan2_f64 }
            Sinh(x) { function => hyperbolic::sinh_f32, hyperbolic::sinh_f64 }
            Cosh(x) { function => hyperbolic::cosh_f32, hyperbolic::cosh_f64 }
            Tanh(x) { function => hyperbolic::tanh_f32, hyperbolic::tanh_f64 }
            Asinh(x) { function => inverse_hyperbolic::asinh_f32, inverse_hyperbolic::asinh_f64 }
            Acosh(x) { function => inverse_hyperbolic::acosh_f32, inverse_hyperbolic::acosh_f64 }
            Atanh(x) { function => inverse_hyperbolic::atanh_f32, inverse_hyperbolic::atanh_f64 }
            Sigmoid(x) { function => exp::sigmoid_f32, exp::sigmoid_f64 }
            Cbrt(x) { function => root::cbrt_f32, root::cbrt_f64 }
            Erf(x) { function => error_function::erf_f32, error_function::erf_f64 }
            Erfc(x) { function => error_function::erfc_f32, error_function::erfc_f64 }
            Gamma(x) { function => gamma::tgamma_f32, gamma_f64::tgamma_f64 }
            Lgamma(x) { function => gamma::lgamma_f32, gamma_f64::lgamma_f64 }

            BitwiseAnd(x, y) { bool => x & y; int => x & y }
            BitwiseOr(x, y) { bool => x | y; int => x | y }
            BitwiseXor(x, y) { bool => x ^ y; int => x ^ y }
            BitwiseInvert(x) { bool => !x; int => !x }
            BitwiseLeftShift(x, y) { int => x.shift_left(y) }
            BitwiseRightShift(x, y) { int => x.shift_right(y) }
        }
        predicate {
            Equal(x, y) { any => x == y }
            NotEqual(x, y) { any => x != y }
            Less(x, y) { any => x < y }
            LessEqual(x, y) { any => x <= y }
            Greater(x, y) { any => x > y }
            GreaterEqual(x, y) { any => x >= y }

            Isnan(x) { bool => false; int => false; float => x.is_nan() }
            Isinf(x) { bool => false; int => false; float => x.is_infinite() }
            Isfinite(x) { bool => true; int => true; float => x.is_finite() }
            Signbit(x) { float => x.is_sign_negative() }

            LogicalAnd(x, y) { bool => x & y; int => (x != 0) & (y != 0); float => (x != 0.0) & (y != 0.0) }
            LogicalOr(x, y) { bool => x | y; int => (x != 0) | (y != 0); float => (x != 0.0) | (y != 0.0) }
            LogicalXor(x, y) { bool => x ^ y; int => (x != 0) ^ (y != 0); float => (x != 0.0) ^ (y != 0.0) }
            LogicalNot(x) { bool => !x; int => x == 0; float => x == 0.0 }
        }
        relaxed {
            Pow(x, y) { function => relaxed::pow::pow_f32, relaxed::pow::pow_f64 }
            Hypot(x, y) { function => relaxed::root::hypot_f32, relaxed::root::hypot_f64 }
            Expm1(x) { function => relaxed::exponential::expm1_f32, relaxed::exponential::expm1_f64 }
            Log1p(x) { function => relaxed::logarithm::log1p_f32, relaxed::logarithm::log1p_f64 }
            Sin(x) { function => relaxed::trigonometric::sin_f32, relaxed::trigonometric::sin_f64 }
            Cos(x) { function => relaxed::trigonometric::cos_f32, relaxed::trigonometric::cos_f64 }
            Tan(x) { function => relaxed::trigonometric::tan_f32, relaxed::trigonometric::tan_f64 }
            Asin(x) { function => relaxed::inverse_trigonometric::asin_f32, relaxed::inverse_trigonometric::asin_f64 }
            Acos(x) { function => relaxed::inverse_trigonometric::acos_f32, relaxed::inverse_trigonometric::acos_f64 }
            Atan(x) { function => relaxed::inverse_trigonometric::atan_f32, relaxed::inverse_trigonometric::atan_f64 }
            Atan2(x, y) { function => relaxed::inverse_trigonometric::atan2_f32, relaxed::inverse_trigonometric::atan2_f64 }
            Sinh(x) { function => relaxed::exponential::sinh_f32, relaxed::exponential::sinh_f64 }
            Cosh(x) { function => relaxed::exponential::cosh_f32, relaxed::exponential::cosh_f64 }
            Tanh(x) { function => hyperbolic::tanh_f32, relaxed::exponential::tanh_f64 }
            Asinh(x) { function => relaxed::logarithm::asinh_f32, relaxed::logarithm::asinh_f64 }
            Acosh(x) { function => relaxed::logarithm::acosh_f32, relaxed::logarithm::acosh_f64 }
            Atanh(x) { function => relaxed::logarithm::atanh_f32, relaxed::logarithm::atanh_f64 }
            Sigmoid(x) { function => relaxed::exponential::sigmoid_f32, relaxed::exponential::sigmoid_f64 }
            Cbrt(x) { function => relaxed::root::cbrt_f32, root::cbrt_f64 }
        }
    }
}

/// Integer definitions longer than a line.
trait Integer: Sized {
    fn sign(self) -> Self;
    fn reciprocal(self) -> Self;
    fn floor_divide(self, y: Self) -> Self;
    fn remainder(self, y: Self) -> Self;
    fn power(self, y: Self) -> Self;
    fn shift_left(self, y: Self) -> Self;
    fn shift_right(self, y: Self) -> Self;
}

macro_rules! integer {
    ($($t:ident $signed:literal)*) => {
        $(#[allow(unused_comparisons, reason = "signed and unsigned types share the text")]
        impl Integer for $t {
            // Two comparisons have a vector form; `signum` has not.
            #[inline(always)]
            fn sign(self) -> $t {
                ((self > 0) as $t).wrapping_sub((self < 0) as $t)
            }
            #[inline(always)]
            fn reciprocal(self) -> $t {
                if self == 0 { 0 } else { (1 as $t).wrapping_div(self) }
            }
            #[inline(always)]
            fn floor_divide(self, y: $t) -> $t {
                if y == 0 {
                    return 0;
                }
                let quotient = self.wrapping_div(y);
                let inexact = self.wrapping_rem(y) != 0;
                if $signed && inexact && ((self < 0) != (y < 0)) { quotient - 1 } else { quotient }
            }
            #[inline(always)]
            fn remainder(self, y: $t) -> $t {
                if y == 0 {
                    return 0;
                }
                let rem = self.wrapping_rem(y);
                if $signed && rem != 0 && ((rem < 0) != (y < 0)) { rem.wrapping_add(y) } else { rem }
            }
            #[inline(always)]
            fn power(self, y: $t) -> $t {
                if y < 0 {
                    return match self {
                        1 => 1,
                        x if $signed && x == (0 as $t).wrapping_sub(1) => if y & 1 == 0 { 1 } else { x },
                        _ => 0,
                    };
                }
                let (mut base, mut exponent, mut result) = (self, y, 1 as $t);
                while exponent != 0 {
                    if exponent & 1 == 1 {
                        result = result.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    exponent >>= 1;
                }
                result
            }
            #[inline(always)]
            fn shift_left(self, y: $t) -> $t {
                if y >= 0 && (y as u64) < u64::from($t::BITS) { self.wrapping_shl(y as u32) } else { 0 }
            }
            #[inline(always)]
            fn shift_right(self, y: $t) -> $t {
                let within = y >= 0 && (y as u64) < u64::from($t::BITS);
                if within { self.wrapping_shr(y as u32) } else if self < 0 { (0 as $t).wrapping_sub(1) } else { 0 }
            }
        })*
    };
}
integer!(i8 true i16 true i32 true i64 true u8 false u16 false u32 false u64 false);

macro_rules! power {
    ($($name:ident $t:ident;)*) => {
        $(/// What `Pow` means for two integers.
        pub fn $name(x: $t, y: $t) -> $t {
            x.power(y)
        })*
    };
}
power!(power_i32 i32; power_i64 i64; power_u32 u32; power_u64 u64;);

/// Float definitions longer than a line.
trait Float: Sized {
    fn numpy_sign(self) -> Self;
    fn floor_divide(self, y: Self) -> Self;
    fn remainder(self, y: Self) -> Self;
    fn next_after(self, y: Self) -> Self;
}

macro_rules! float {
    ($($t:ident)*) => {
        $(impl Float for $t {
            #[inline(always)]
            fn numpy_sign(self) -> $t {
                let unordered_or_zero = if self == 0.0 { 0.0 } else { self };
                if self > 0.0 { 1.0 } else if self < 0.0 { -1.0 } else { unordered_or_zero }
            }
            #[inline(always)]
            fn floor_divide(self, y: $t) -> $t {
                let quotient = self / y;
                if y == 0.0 {
                    return quotient;
                }
                let modulus = self % y;
                let mut exact = (self - modulus) / y;
                if modulus != 0.0 && ((y < 0.0) != (modulus < 0.0)) {
                    exact -= 1.0;
                }
                if exact == 0.0 {
                    return (0.0 as $t).copysign(quotient);
                }
                let floor = exact.floor();
                if exact - floor > 0.5 { floor + 1.0 } else { floor }
            }
            #[inline(always)]
            fn remainder(self, y: $t) -> $t {
                let modulus = self % y;
                if y == 0.0 || modulus.is_nan() {
                    return modulus;
                }
                if modulus == 0.0 {
                    return (0.0 as $t).copysign(y);
                }
                if (y < 0.0) != (modulus < 0.0) { modulus + y } else { modulus }
            }
            #[inline(always)]
            fn next_after(self, y: $t) -> $t {
                if self.is_nan() || y.is_nan() {
                    self + y
                } else if self == y {
                    y
                } else if self < y {
                    self.next_up()
                } else {
                    self.next_down()
                }
            }
        })*
    };
}

float!(f32 f64);

/// Conversion of one element to another type.
pub trait CastTo<U: Element>: Element {
    /// The converted value: integers wrap; floats truncate, and what does not fit gives x86-64's result.
    fn cast_to(self) -> U;
}

macro_rules! cast_same_kind {
    ($($from:ident)* => $to:tt) => { $(cast_same_kind!(@one $from $to);)* };
    (@one $from:ident ($($to:ident)*)) => {
        $(impl CastTo<$to> for $from {
            #[inline(always)]
            fn cast_to(self) -> $to { self as $to }
        })*
        impl CastTo<Bool> for $from {
            #[inline(always)]
            fn cast_to(self) -> Bool { Bool::from(self != (0 as $from)) }
        }
        impl CastTo<$from> for Bool {
            #[inline(always)]
            fn cast_to(self) -> $from { u8::from(self.get()) as $from }
        }
    };
}
cast_same_kind!(i8 i16 i32 i64 u8 u16 u32 u64 => (i8 i16 i32 i64 u8 u16 u32 u64 f32 f64));
cast_same_kind!(f32 f64 => (f32 f64));

impl CastTo<Bool> for Bool {
    #[inline(always)]
    fn cast_to(self) -> Bool {
        Bool::from(self.get())
    }
}

macro_rules! cast_float_to_int {
    ($($from:ident: $($to:ident via $via:ident),*;)*) => {
        $($(impl CastTo<$to> for $from {
            // cvttss2si and cvttsd2si give the smallest integer for NaN and for what does not fit;
            // narrower results are their low bits.
            #[inline(always)]
            fn cast_to(self) -> $to {
                let limit = -($via::MIN as $from);
                let fits = (self >= -limit) & (self < limit);
                (if fits { self as $via } else { $via::MIN }) as $to
            }
        })*
        impl CastTo<u64> for $from {
            #[inline(always)]
            fn cast_to(self) -> u64 {
                let half = -(i64::MIN as $from);
                // NaN takes the second branch, as it does in NumPy's compiled comparison.
                if self >= half {
                    (CastTo::<i64>::cast_to(self - half) as u64) ^ (1 << 63)
                } else {
                    CastTo::<i64>::cast_to(self) as u64
                }
            }
        })*
    };
}
cast_float_to_int! {
    f32: i8 via i32, i16 via i32, i32 via i32, i64 via i64, u8 via i32, u16 via i32, u32 via i64;
    f64: i8 via i32, i16 via i32, i32 via i32, i64 via i64, u8 via i32, u16 via i32, u32 via i64;
}

/// The value of `op` for literals of one dtype; `None` where the op is not defined for it.
pub fn evaluate(op: ElementwiseOp, operands: &[Literal]) -> Option<Literal> {
    struct Evaluate<'a>(&'a [Literal]);
    impl Visitor for Evaluate<'_> {
        type Output = Option<Literal>;
        fn unary<K: Unary<T>, T: Element>(self) -> Option<Literal> {
            let [x] = self.0 else { return None };
            Some(Literal::new(K::apply(x.get()?)))
        }
        fn binary<K: Binary<T>, T: Element>(self) -> Option<Literal> {
            let [x, y] = self.0 else { return None };
            Some(Literal::new(K::apply(x.get()?, y.get()?)))
        }
        fn ternary<K: Ternary<T>, T: Element>(self) -> Option<Literal> {
            let [x, y, z] = self.0 else { return None };
            Some(Literal::new(K::apply(x.get()?, y.get()?, z.get()?)))
        }
        fn f32_function<F: Function<f32, N>, const N: usize>(self) -> Option<Literal> {
            Some(Literal::new(F::apply(Scalar::<f32>::new(), numbers(self.0)?)))
        }
        fn f64_function<F: Function<f64, N>, const N: usize>(self) -> Option<Literal> {
            Some(Literal::new(F::apply(Scalar::<f64>::new(), numbers(self.0)?)))
        }
    }
    fn numbers<T: Element, const N: usize>(operands: &[Literal]) -> Option<[T; N]> {
        let numbers: SmallVec<[T; 2]> = operands.iter().map(|x| x.get()).collect::<Option<_>>()?;
        numbers.as_slice().try_into().ok()
    }
    match operands.first()?.dtype() {
        dtype if dtype.is_half() => half::evaluate_half(op, dtype, operands),
        dtype if dtype.is_complex() => complex::evaluate(op, operands),
        dtype => visit(op, dtype, Evaluate(operands)).flatten(),
    }
}

/// The literal converted to `dtype`; `None` for a complex number and a real dtype other than `bool`.
pub fn cast(literal: Literal, dtype: DType) -> Option<Literal> {
    if literal.dtype().is_complex() || dtype.is_complex() {
        return complex::cast(literal, dtype);
    }
    fn to<T: CastTo<U>, U: Element>(literal: Literal) -> Option<Literal> {
        Some(Literal::new(literal.get::<T>()?.cast_to()))
    }
    dispatch_dtype!(
        literal.dtype(),
        T => dispatch_dtype!(dtype, U => to::<T, U>(literal), complex => None),
        complex => None
    )
}
