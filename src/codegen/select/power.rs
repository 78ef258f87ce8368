//! Powers of integers.
//!
//! The low bits of the exponent are gone through by two: the fourth power of what there is, times one of the first three
//! powers. A larger exponent makes an even number zero and leaves of 1 and -1 what its parity says; other odd numbers,
//! which wrap around, call the scalar definition, in bits of floats as wide. A negative one leaves nothing of other
//! numbers than 1 and -1.
//!
//! Integers of 8 bits are computed in 16 with all bits of the exponent, those of 16 in 32.

use raptors_ir::lanes::Rare;
use raptors_ir::scalar::{power_i32, power_i64, power_u32, power_u64};
use raptors_ir::{DType, Kind};

use super::builder::{Builder, Mask};
use super::vector_type;
use crate::codegen::vector::{Conversion, Predicate, Type, VectorId, VectorOp};

static POWER_I32: Rare<f32> = Rare {
    name: "power.i32",
    function: |x, y| {
        let power = power_i32(x.to_bits().cast_signed(), y.to_bits().cast_signed());
        f32::from_bits(power.cast_unsigned())
    },
};
static POWER_U32: Rare<f32> =
    Rare { name: "power.u32", function: |x, y| f32::from_bits(power_u32(x.to_bits(), y.to_bits())) };
static POWER_I64: Rare<f64> = Rare {
    name: "power.i64",
    function: |x, y| {
        let power = power_i64(x.to_bits().cast_signed(), y.to_bits().cast_signed());
        f64::from_bits(power.cast_unsigned())
    },
};
static POWER_U64: Rare<f64> =
    Rare { name: "power.u64", function: |x, y| f64::from_bits(power_u64(x.to_bits(), y.to_bits())) };

impl Builder {
    /// `x` to the power of `y`, integers of `dtype`.
    pub(super) fn integer_power(&mut self, dtype: DType, x: VectorId, y: VectorId) -> Option<VectorId> {
        let signed = dtype.kind() == Kind::Signed;
        let extend = if signed { Conversion::SignExtend } else { Conversion::ZeroExtend };
        let ty = vector_type(dtype)?;
        let (wide, bits) = match ty {
            Type::I8 => (Type::I16, 8),
            Type::I16 | Type::I32 => (Type::I32, 6),
            _ => (Type::I64, 6),
        };
        if wide != ty {
            let [x, y] = [x, y].map(|value| self.convert(extend, value, wide));
            let power = self.power_of(x, y, bits, signed);
            return Some(self.convert(Conversion::Truncate, power, ty));
        }
        Some(self.power_of(x, y, bits, signed))
    }

    fn power_of(&mut self, x: VectorId, y: VectorId, bits: u32, signed: bool) -> VectorId {
        let ty = self.ty(x);
        let (zero, one, minus_one) = (self.zero(ty), self.number(ty, 1), self.number(ty, -1));
        let power = self.power_of_low_bits(x, y, bits);
        let is_one = self.compare(Predicate::Eq, x, one);
        let is_minus_one = self.compare(Predicate::Eq, x, minus_one);
        let is_unit = self.or(is_one, is_minus_one);
        let is_other = self.not(is_unit);
        if ty == Type::I16 {
            if !signed {
                return power;
            }
            let is_below = self.compare(Predicate::Lt, y, zero);
            let is_nothing = self.and(is_below, is_other);
            return self.select(is_nothing, zero, power);
        }
        let largest = self.number(ty, (1 << bits) - 1);
        let is_large = self.compare(Predicate::LtUnsigned, largest, y);
        let is_large = self.and(is_large, is_other);
        let power = self.select(is_large, zero, power);
        let is_odd = self.has_bit(x, 0);
        let mut wraps = self.and(is_large, is_odd);
        if signed {
            let is_size = self.compare(Predicate::Le, zero, y);
            wraps = self.and(wraps, is_size);
        }
        if ty == Type::I32 {
            let rare = if signed { &POWER_I32 } else { &POWER_U32 };
            let [x, y, power] = [x, y, power].map(|value| self.bitcast(value, Type::F32));
            let power = self.rare(rare, wraps, power, x, y);
            return self.bitcast(power, ty);
        }
        let rare = if signed { &POWER_I64 } else { &POWER_U64 };
        let [x, y, power] = [x, y, power].map(|value| self.bitcast(value, Type::F64));
        let power = self.rare(rare, wraps, power, x, y);
        self.bitcast(power, ty)
    }

    /// `x` to the power of the low bits of `y`, an even number of them.
    fn power_of_low_bits(&mut self, x: VectorId, y: VectorId, bits: u32) -> VectorId {
        let one = self.number(self.ty(x), 1);
        let square = self.same(VectorOp::Mul, &[x, x]);
        let cube = self.same(VectorOp::Mul, &[square, x]);
        let mut power: Option<VectorId> = None;
        for low in (0..bits).step_by(2).rev() {
            let (first, second) = (self.has_bit(y, low), self.has_bit(y, low + 1));
            let (with, without) = (self.select(first, cube, square), self.select(first, x, one));
            let factor = self.select(second, with, without);
            power = Some(match power {
                None => factor,
                Some(power) => {
                    let square = self.same(VectorOp::Mul, &[power, power]);
                    let fourth = self.same(VectorOp::Mul, &[square, square]);
                    self.same(VectorOp::Mul, &[fourth, factor])
                }
            });
        }
        power.unwrap_or(one)
    }

    fn has_bit(&mut self, x: VectorId, bit: u32) -> Mask {
        let ty = self.ty(x);
        let (zero, bit) = (self.zero(ty), self.number(ty, 1 << bit));
        let kept = self.same(VectorOp::And, &[x, bit]);
        self.compare(Predicate::Ne, kept, zero)
    }
}
