//! Conversions between dtypes, as `scalar.rs` defines them.

use raptors_ir::{DType, Kind};

use super::builder::Builder;
use super::{Lane, Truth, vector_type};
use crate::codegen::vector::{Conversion, Predicate, Shift, Type, VectorId, VectorOp};

impl Builder {
    /// The value of `from` as one of `to`; `None` where either is complex, and for conversions of half-precision floats
    /// that are two.
    pub(super) fn cast(&mut self, from: DType, to: DType, x: Lane) -> Option<Lane> {
        if from.is_half() || to.is_half() {
            let Lane::Vector(x) = x else { return None };
            return self.half_cast(from, to, x).map(Lane::Vector);
        }
        let (source, target) = (vector_type(from)?, vector_type(to)?);
        let x = match (x, to.kind()) {
            (_, Kind::Complex) => return None,
            (Lane::Truth(truth), Kind::Bool) => return Some(Lane::Truth(Truth::Mask(self.mask(truth)))),
            (Lane::Truth(truth), Kind::Float) => {
                let (mask, one, zero) = (self.mask(truth), self.number(target, 1), self.zero(target));
                return Some(Lane::Vector(self.select(mask, one, zero)));
            }
            (Lane::Truth(truth), Kind::Signed | Kind::Unsigned) => {
                let mask = self.mask(truth);
                let byte = self.mask_to_int(mask);
                return Some(Lane::Vector(self.resized(byte, false, target)));
            }
            (Lane::Vector(x), _) => x,
        };
        let signed = from.kind() == Kind::Signed;
        let vector = match (from.kind(), to.kind()) {
            (Kind::Complex, _) => return None,
            (_, Kind::Bool) => {
                let zero = self.zero(source);
                return Some(Lane::Truth(Truth::Mask(self.compare(Predicate::Ne, x, zero))));
            }
            (Kind::Float, Kind::Float) => self.convert(Conversion::FloatToFloat, x, target),
            (Kind::Float, _) => self.float_to_integer(x, to)?,
            (_, Kind::Float) => self.integer_to_float(x, signed, target),
            (_, _) => self.resized(x, signed, target),
        };
        Some(Lane::Vector(vector))
    }

    /// A conversion from or to a half-precision float, as [`half`](raptors_ir::half) defines it.
    fn half_cast(&mut self, from: DType, to: DType, x: VectorId) -> Option<VectorId> {
        Some(match (from, to) {
            (from, to) if from == to => x,
            (DType::F16, DType::F32) => self.convert(Conversion::HalfToFloat, x, Type::F32),
            (DType::F32, DType::F16) => self.convert(Conversion::FloatToHalf, x, Type::I16),
            (DType::F64, DType::F16) => {
                let single = self.cut_to_single(x);
                self.convert(Conversion::FloatToHalf, single, Type::I16)
            }
            (DType::BF16, DType::F32) => {
                let wide = self.resized(x, false, Type::I32);
                let bits = self.same(VectorOp::Shift(Shift::Left, 16), &[wide]);
                self.bitcast(bits, Type::F32)
            }
            (DType::F32, DType::BF16) => self.upper_half(x),
            _ => return None,
        })
    }

    /// An `f64` without the digits that an `f32` has no room for: its last bit says whether any of them was set, which
    /// is far below what an `f16` keeps.
    fn cut_to_single(&mut self, x: VectorId) -> VectorId {
        const CUT: u64 = (1 << 29) - 1;
        let bits = self.bitcast(x, Type::I64);
        let [cut, kept, last] = [CUT, !CUT, CUT + 1].map(|bits| self.constant(Type::I64, bits));
        let rest = self.same(VectorOp::And, &[bits, cut]);
        let carried = self.same(VectorOp::Add, &[rest, cut]);
        let sticky = self.same(VectorOp::And, &[carried, last]);
        let bits = self.same(VectorOp::And, &[bits, kept]);
        let bits = self.same(VectorOp::Or, &[bits, sticky]);
        let exact = self.bitcast(bits, Type::F64);
        self.convert(Conversion::FloatToFloat, exact, Type::F32)
    }

    /// The nearest `bf16` of an `f32`: the upper half of its bits, rounded; a NaN stays one.
    fn upper_half(&mut self, x: VectorId) -> VectorId {
        let bits = self.bitcast(x, Type::I32);
        let upper = self.same(VectorOp::Shift(Shift::Right, 16), &[bits]);
        let [one, below_half, quiet] = [1, 0x7fff, 0x0040_0000].map(|bits| self.constant(Type::I32, bits));
        let tie = self.same(VectorOp::And, &[upper, one]);
        let rounding = self.same(VectorOp::Add, &[tie, below_half]);
        let rounded = self.same(VectorOp::Add, &[bits, rounding]);
        let quieted = self.same(VectorOp::Or, &[bits, quiet]);
        let is_nan = self.compare(Predicate::Unordered, x, x);
        let kept = self.select(is_nan, quieted, rounded);
        let upper = self.same(VectorOp::Shift(Shift::Right, 16), &[kept]);
        self.resized(upper, false, Type::I16)
    }

    /// The low bits of an integer, or more of them.
    fn resized(&mut self, x: VectorId, signed: bool, to: Type) -> VectorId {
        let from = self.ty(x);
        match from.size().cmp(&to.size()) {
            std::cmp::Ordering::Equal => x,
            std::cmp::Ordering::Greater => self.convert(Conversion::Truncate, x, to),
            std::cmp::Ordering::Less if signed => self.convert(Conversion::SignExtend, x, to),
            std::cmp::Ordering::Less => self.convert(Conversion::ZeroExtend, x, to),
        }
    }

    /// The nearest float of an integer.
    pub(super) fn integer_to_float(&mut self, x: VectorId, signed: bool, to: Type) -> VectorId {
        match (self.ty(x), signed) {
            (Type::I64, false) => self.u64_to_float(x, to),
            (Type::I32, false) => {
                // The integer in the low bits of 2^52 is exact.
                let wide = self.resized(x, false, Type::I64);
                let exponent = self.float(4_503_599_627_370_496f64);
                let bits = self.bitcast(exponent, Type::I64);
                let sum = self.same(VectorOp::Or, &[wide, bits]);
                let sum = self.bitcast(sum, Type::F64);
                let exact = self.same(VectorOp::Sub, &[sum, exponent]);
                self.float_to_float(exact, to)
            }
            (Type::I32 | Type::I64, _) => self.convert(Conversion::SignedToFloat, x, to),
            _ => {
                let wide = self.resized(x, signed, Type::I32);
                self.convert(Conversion::SignedToFloat, wide, to)
            }
        }
    }

    fn float_to_float(&mut self, x: VectorId, to: Type) -> VectorId {
        if self.ty(x) == to { x } else { self.convert(Conversion::FloatToFloat, x, to) }
    }

    /// Numbers with the highest bit are converted halved, with a last bit that says whether one was lost: rounding
    /// takes the same side. Doubling is exact.
    fn u64_to_float(&mut self, x: VectorId, to: Type) -> VectorId {
        let one = self.constant(Type::I64, 1);
        let half = self.same(VectorOp::Shift(Shift::Right, 1), &[x]);
        let lost = self.same(VectorOp::And, &[x, one]);
        let half = self.same(VectorOp::Or, &[half, lost]);
        let large = self.sign_bit(x);
        let signed = self.select(large, half, x);
        let value = self.convert(Conversion::SignedToFloat, signed, to);
        let doubled = self.same(VectorOp::Add, &[value, value]);
        self.select(large, doubled, value)
    }

    /// A float's integer; what does not fit is the smallest integer of the type it is converted by.
    fn float_to_integer(&mut self, x: VectorId, to: DType) -> Option<VectorId> {
        let target = vector_type(to)?;
        Some(match to {
            DType::I8 | DType::I16 | DType::I32 | DType::U8 | DType::U16 => {
                let integer = self.convert(Conversion::FloatToSigned, x, Type::I32);
                self.resized(integer, true, target)
            }
            DType::U32 => {
                let integer = self.convert(Conversion::FloatToSigned, x, Type::I64);
                self.resized(integer, true, target)
            }
            DType::I64 => self.convert(Conversion::FloatToSigned, x, Type::I64),
            DType::U64 => {
                let half = if self.ty(x) == Type::F32 {
                    self.float(9_223_372_036_854_775_808f32)
                } else {
                    self.float(9_223_372_036_854_775_808f64)
                };
                let large = self.compare(Predicate::Le, half, x);
                let rest = self.same(VectorOp::Sub, &[x, half]);
                let rest = self.select(large, rest, x);
                let integer = self.convert(Conversion::FloatToSigned, rest, Type::I64);
                let (top, zero) = (self.constant(Type::I64, 1 << 63), self.zero(Type::I64));
                let top = self.select(large, top, zero);
                self.same(VectorOp::Xor, &[integer, top])
            }
            DType::Bool | DType::F16 | DType::BF16 | DType::F32 | DType::F64 | DType::C64 | DType::C128 => {
                return None;
            }
        })
    }
}
