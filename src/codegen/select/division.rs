//! Quotients and remainders that round towards minus infinity.
//!
//! Integers of up to 32 bits are divided as floats of more than twice their bits: `f32` for 8 and 16 bits,
//! `f64` for 32. A quotient that is no integer is at least `1 / y` away from the next one, which is more than
//! the rounding of the division, so its floor is exact; so is the remainder, by a fused product and
//! difference.
//!
//! The float remainder is exact too: `x - trunc(x / y) * y` fits a float as long as the quotient is below
//! 2^FRACTION_BITS, also when rounding made the quotient too large by one. Other lanes call the scalar
//! definition.

use raptors_ir::lanes::Rare;
use raptors_ir::{DType, ElementwiseOp, Kind};

use super::builder::Builder;
use super::vector_type;
use crate::codegen::vector::{Conversion, Fma, Predicate, Rounding, Type, VectorId, VectorOp};

/// The remainder of truncated division, for quotients that a float does not hold.
static REMAINDER_F32: Rare<f32> = Rare { name: "fmod", function: |x, y| x % y };
static REMAINDER_F64: Rare<f64> = Rare { name: "fmod", function: |x, y| x % y };

impl Builder {
    /// `FloorDivide` or `Remainder` of integers; `None` for 64 bits.
    pub(super) fn integer_division(
        &mut self,
        op: ElementwiseOp,
        dtype: DType,
        x: VectorId,
        y: VectorId,
    ) -> Option<VectorId> {
        let ty = vector_type(dtype)?;
        let float = match ty {
            Type::I8 | Type::I16 => Type::F32,
            Type::I32 => Type::F64,
            Type::I64 | Type::F32 | Type::F64 | Type::Mask => return None,
        };
        let signed = dtype.kind() == Kind::Signed;
        let (dividend, divisor) =
            (self.integer_to_float(x, signed, float), self.integer_to_float(y, signed, float));
        let quotient = self.same(VectorOp::Div, &[dividend, divisor]);
        let floor = self.same(VectorOp::Round(Rounding::Down), &[quotient]);
        let result = if op == ElementwiseOp::Remainder {
            self.same(VectorOp::Fma(Fma::NegMulAdd), &[floor, divisor, dividend])
        } else {
            floor
        };
        let result = self.low_bits_of_float(result, ty);
        let zero = self.zero(ty);
        let by_zero = self.compare(Predicate::Eq, y, zero);
        Some(self.select(by_zero, zero, result))
    }

    /// The low bits of a float that is an integer below 2^31, or 2^51 for `f64`.
    fn low_bits_of_float(&mut self, x: VectorId, ty: Type) -> VectorId {
        if self.ty(x) == Type::F32 {
            let integer = self.convert(Conversion::FloatToSigned, x, Type::I32);
            return self.convert(Conversion::Truncate, integer, ty);
        }
        // 1.5 * 2^52 leaves an integer in the low bits of the fraction.
        let magic = self.float(6_755_399_441_055_744f64);
        let sum = self.same(VectorOp::Add, &[x, magic]);
        let bits = self.bitcast(sum, Type::I64);
        self.convert(Conversion::Truncate, bits, ty)
    }

    /// `fmod`: the remainder of truncated division, with the dividend's sign.
    fn fmod(&mut self, x: VectorId, y: VectorId) -> VectorId {
        let ty = self.ty(x);
        let quotient = self.same(VectorOp::Div, &[x, y]);
        let whole = self.same(VectorOp::Round(Rounding::Zero), &[quotient]);
        let rest = self.same(VectorOp::Fma(Fma::NegMulAdd), &[whole, y, x]);
        // A quotient too large by one leaves a rest of the other sign, one divisor away.
        let zero = self.zero(ty);
        let (rest_below, x_below) =
            (self.compare(Predicate::Lt, rest, zero), self.compare(Predicate::Lt, x, zero));
        let rest_is_zero = self.compare(Predicate::Eq, rest, zero);
        let differs = self.xor(rest_below, x_below);
        let not_zero = self.not(rest_is_zero);
        let too_large = self.and(differs, not_zero);
        let (y_size, x_size) = (self.float_abs(y), self.float_abs(x));
        let step = self.float_copysign(y, x);
        let stepped = self.same(VectorOp::Add, &[rest, step]);
        let rest = self.select(too_large, stepped, rest);
        let rest = self.float_copysign(rest, x);
        // Also for an infinite divisor, of which no multiple is a number.
        let small = self.compare(Predicate::Lt, x_size, y_size);
        let rest = self.select(small, x, rest);
        let size = self.float_abs(whole);
        if ty == Type::F32 {
            let limit = self.float(8_388_608f32);
            let fits = self.compare(Predicate::Lt, size, limit);
            let others = self.not(fits);
            self.rare(&REMAINDER_F32, others, rest, x, y)
        } else {
            let limit = self.float(4_503_599_627_370_496f64);
            let fits = self.compare(Predicate::Lt, size, limit);
            let others = self.not(fits);
            self.rare(&REMAINDER_F64, others, rest, x, y)
        }
    }

    /// NumPy's remainder of floats, with the divisor's sign.
    pub(super) fn float_remainder(&mut self, x: VectorId, y: VectorId) -> VectorId {
        let modulus = self.fmod(x, y);
        let zero = self.zero(self.ty(x));
        let (y_below, modulus_below) =
            (self.compare(Predicate::Lt, y, zero), self.compare(Predicate::Lt, modulus, zero));
        let differs = self.xor(y_below, modulus_below);
        let sum = self.same(VectorOp::Add, &[modulus, y]);
        let result = self.select(differs, sum, modulus);
        let is_zero = self.compare(Predicate::Eq, modulus, zero);
        let signed_zero = self.float_copysign(zero, y);
        self.select(is_zero, signed_zero, result)
    }

    /// NumPy's floor division of floats.
    pub(super) fn float_floor_divide(&mut self, x: VectorId, y: VectorId) -> VectorId {
        let ty = self.ty(x);
        let (zero, one) = (self.zero(ty), self.number(ty, 1));
        let half = if ty == Type::F32 { self.float(0.5f32) } else { self.float(0.5f64) };
        let quotient = self.same(VectorOp::Div, &[x, y]);
        let modulus = self.fmod(x, y);
        let multiple = self.same(VectorOp::Sub, &[x, modulus]);
        let exact = self.same(VectorOp::Div, &[multiple, y]);
        let (y_below, modulus_below) =
            (self.compare(Predicate::Lt, y, zero), self.compare(Predicate::Lt, modulus, zero));
        let differs = self.xor(y_below, modulus_below);
        let not_zero = self.compare(Predicate::Ne, modulus, zero);
        let inexact = self.and(differs, not_zero);
        let less = self.same(VectorOp::Sub, &[exact, one]);
        let exact = self.select(inexact, less, exact);
        let floor = self.same(VectorOp::Round(Rounding::Down), &[exact]);
        let fraction = self.same(VectorOp::Sub, &[exact, floor]);
        let rounded_down = self.compare(Predicate::Lt, half, fraction);
        let above = self.same(VectorOp::Add, &[floor, one]);
        let result = self.select(rounded_down, above, floor);
        let is_zero = self.compare(Predicate::Eq, exact, zero);
        let signed_zero = self.float_copysign(zero, quotient);
        let result = self.select(is_zero, signed_zero, result);
        let by_zero = self.compare(Predicate::Eq, y, zero);
        self.select(by_zero, quotient, result)
    }
}
