//! What ops and casts of half-precision floats mean: those of `f32`, rounded.
//!
//! For `+ - * /` and `sqrt` this is the exact result rounded once, since `f32` has more than twice the digits and two
//! more (Figueroa 1995); for the others it is what NumPy does. Otherwise defined are: [`ElementwiseOp::Nextafter`], which is
//! about the type itself; the minimum and maximum of `f16`, which are the first of zeros of two signs; and `fma` of
//! `f16`, which is that of `f64`, so that it is rounded once. (`fma` of `bf16` is that of `f32`, rounded again.)
//!
//! No kernel computes this: `legalize` rewrites it to conversions and ops of wider floats.

use super::{CastTo, cast, evaluate};
use crate::{BF16, Bool, DType, ElementwiseOp, F16, Literal};

/// The value of `op` for halves of one dtype; `None` where the op is not defined for it.
pub(super) fn evaluate_half(op: ElementwiseOp, dtype: DType, operands: &[Literal]) -> Option<Literal> {
    if let (ElementwiseOp::Nextafter, &[x, y]) = (op, operands) {
        return next_after(dtype, x, y);
    }
    let wide = half_computed_in(op, dtype);
    let mut operands: smallvec::SmallVec<[Literal; 3]> =
        operands.iter().map(|&operand| cast(operand, wide)).collect::<Option<_>>()?;
    if prefers_first_of_equals(op, dtype) {
        operands.reverse();
    }
    let value = evaluate(op, &operands)?;
    cast(value, op.result_dtype(dtype))
}

/// The dtype whose `op`, rounded, is that of the half `dtype`.
pub fn half_computed_in(op: ElementwiseOp, dtype: DType) -> DType {
    // The product of two `f16` and its sum with a third have 53 bits, or a part too far below to matter.
    if op == ElementwiseOp::Fma && dtype == DType::F16 { DType::F64 } else { DType::F32 }
}

/// Whether `op` gives the first of two equal operands, where the one of `f32` gives the second: NumPy's do for `float16`.
pub fn prefers_first_of_equals(op: ElementwiseOp, dtype: DType) -> bool {
    dtype == DType::F16 && matches!(op, ElementwiseOp::Minimum | ElementwiseOp::Maximum)
}

/// The next number after `x` towards `y`: numbers of one sign are ordered as their bits. Of equal zeros of two signs it
/// is the first for `f16`, as in NumPy, and the second for `bf16`, as in `ml_dtypes`.
fn next_after(dtype: DType, x: Literal, y: Literal) -> Option<Literal> {
    let (a, b) = (x.to_f64()?, y.to_f64()?);
    let bits = x.bits();
    let bits = match a.partial_cmp(&b) {
        None => return Some(if a.is_nan() { x } else { y }),
        Some(std::cmp::Ordering::Equal) => return Some(if dtype == DType::F16 { x } else { y }),
        Some(_) if a == 0.0 => (y.bits() & 0x8000) | 1,
        Some(std::cmp::Ordering::Less) if a > 0.0 => bits + 1,
        Some(std::cmp::Ordering::Greater) if a < 0.0 => bits + 1,
        Some(_) => bits - 1,
    };
    Some(Literal::from_bits(dtype, bits))
}

/// Whether a kernel converts between these dtypes; other conversions of halves are two of these.
pub fn is_direct_cast(from: DType, to: DType) -> bool {
    match (from, to) {
        (DType::F64, DType::F16) => true,
        (from, to) if from.is_half() => to == DType::F32 || to == from,
        (from, to) if to.is_half() => from == DType::F32,
        _ => true,
    }
}

macro_rules! through_f32 {
    ($($half:ident)*) => { $(through_f32!(@one $half (Bool i8 i16 i32 i64 u8 u16 u32 u64));)* };
    (@one $half:ident ($($t:ident)*)) => {
        $(impl CastTo<$t> for $half {
            #[inline(always)]
            fn cast_to(self) -> $t { self.to_f32().cast_to() }
        }
        impl CastTo<$half> for $t {
            #[inline(always)]
            fn cast_to(self) -> $half { $half::from_f32(self.cast_to()) }
        })*
        impl CastTo<f32> for $half {
            #[inline(always)]
            fn cast_to(self) -> f32 { self.to_f32() }
        }
        impl CastTo<f64> for $half {
            #[inline(always)]
            fn cast_to(self) -> f64 { self.to_f32().into() }
        }
        impl CastTo<$half> for f32 {
            #[inline(always)]
            fn cast_to(self) -> $half { $half::from_f32(self) }
        }
        impl CastTo<$half> for f64 {
            #[inline(always)]
            fn cast_to(self) -> $half { $half::from_f64(self) }
        }
        impl CastTo<$half> for $half {
            #[inline(always)]
            fn cast_to(self) -> $half { self }
        }
    };
}
through_f32!(F16 BF16);

impl CastTo<BF16> for F16 {
    #[inline(always)]
    fn cast_to(self) -> BF16 {
        BF16::from_f32(self.to_f32())
    }
}

impl CastTo<F16> for BF16 {
    #[inline(always)]
    fn cast_to(self) -> F16 {
        F16::from_f32(self.to_f32())
    }
}
