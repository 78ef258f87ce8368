//! Conversions.
//!
//! AVX2 narrows integers by moving bytes, and has no conversions between 64-bit integers and floats: they are
//! built from exact steps and one rounding.

use super::Lowerer;
use crate::codegen::machine::Unsupported;
use crate::codegen::machine::{Class, Value};
use crate::codegen::vector::{Conversion, Shift, Type, VectorOp};
use crate::codegen::x86::machine::Form;
use crate::codegen::x86::opcode::{self, Opcode};

impl Lowerer<'_> {
    pub(super) fn convert(
        &mut self,
        conversion: Conversion,
        from: Type,
        to: Type,
        x: Value,
    ) -> Result<Value, Unsupported> {
        let (bytes, source) = (self.bytes(to), self.bytes(from));
        let evex = self.is_evex();
        let (from_size, to_size) = (from.size(), to.size());
        if from == Type::Mask {
            return Err(self.unsupported(VectorOp::Convert(conversion), to));
        }
        let value = match (conversion, from, to) {
            (Conversion::Bitcast, ..) if from_size == to_size => x,
            (Conversion::SignExtend, ..) if from_size < to_size => self.widen(true, from_size, to_size, x),
            (Conversion::ZeroExtend, ..) if from_size < to_size => self.widen(false, from_size, to_size, x),
            (Conversion::Truncate, ..) if from_size > to_size => self.narrow(from_size, to_size, x),
            (Conversion::FloatToFloat | Conversion::SignExtend | Conversion::ZeroExtend, ..)
                if from == to =>
            {
                x
            }
            (Conversion::FloatToFloat, Type::F32, Type::F64) => self.one(opcode::VCVTPS2PD, bytes, x),
            (Conversion::FloatToFloat, Type::F64, Type::F32) => self.halved(opcode::VCVTPD2PS, source, x),
            (Conversion::HalfToFloat, Type::I16, Type::F32) => self.one(opcode::VCVTPH2PS, bytes, x),
            (Conversion::FloatToHalf, Type::F32, Type::I16) => {
                let dst = self.new_value(Class::Vector, bytes, None, 0);
                self.push(Form::Narrow, opcode::VCVTPS2PH, source, Some(dst), &[x]);
                self.set_immediate(0);
                dst
            }
            (Conversion::SignedToFloat, Type::I32, Type::F32) => self.one(opcode::VCVTDQ2PS, bytes, x),
            (Conversion::SignedToFloat, Type::I32, Type::F64) => self.one(opcode::VCVTDQ2PD, bytes, x),
            (Conversion::SignedToFloat, Type::I64, Type::F64) if evex => {
                self.one(opcode::VCVTQQ2PD, bytes, x)
            }
            (Conversion::SignedToFloat, Type::I64, Type::F32) if evex => {
                self.halved(opcode::VCVTQQ2PS, source, x)
            }
            (Conversion::SignedToFloat, Type::I64, Type::F64) => self.wide_to_double(bytes, x),
            (Conversion::SignedToFloat, Type::I64, Type::F32) => self.wide_to_single(source, x)?,
            (Conversion::FloatToSigned, Type::F32, Type::I32) => self.one(opcode::VCVTTPS2DQ, bytes, x),
            (Conversion::FloatToSigned, Type::F64, Type::I32) => self.halved(opcode::VCVTTPD2DQ, source, x),
            (Conversion::FloatToSigned, Type::F32, Type::I64) if evex => {
                self.one(opcode::VCVTTPS2QQ, bytes, x)
            }
            (Conversion::FloatToSigned, Type::F64, Type::I64) if evex => {
                self.one(opcode::VCVTTPD2QQ, bytes, x)
            }
            (Conversion::FloatToSigned, Type::F32, Type::I64) => {
                let double = self.one(opcode::VCVTPS2PD, bytes, x);
                self.double_to_wide(bytes, double)
            }
            (Conversion::FloatToSigned, Type::F64, Type::I64) => self.double_to_wide(bytes, x),
            _ => return Err(self.unsupported(VectorOp::Convert(conversion), to)),
        };
        Ok(value)
    }

    /// An instruction whose operand has twice the bytes of its result.
    fn halved(&mut self, opcode: Opcode, source: usize, x: Value) -> Value {
        let dst = self.new_value(Class::Vector, source / 2, None, 0);
        self.push(Form::One, opcode, source, Some(dst), &[x]);
        dst
    }

    /// Integers made wider.
    pub(super) fn widen(&mut self, signed: bool, from: usize, to: usize, x: Value) -> Value {
        let [sign, zero] = match (from, to) {
            (1, 2) => [opcode::VPMOVSXBW, opcode::VPMOVZXBW],
            (1, 4) => [opcode::VPMOVSXBD, opcode::VPMOVZXBD],
            (1, _) => [opcode::VPMOVSXBQ, opcode::VPMOVZXBQ],
            (2, 4) => [opcode::VPMOVSXWD, opcode::VPMOVZXWD],
            (2, _) => [opcode::VPMOVSXWQ, opcode::VPMOVZXWQ],
            _ => [opcode::VPMOVSXDQ, opcode::VPMOVZXDQ],
        };
        let opcode = if signed { sign } else { zero };
        self.one(opcode, self.lanes * to, x)
    }

    /// The low bytes of each element.
    pub(super) fn narrow(&mut self, from: usize, to: usize, x: Value) -> Value {
        let (source, bytes) = (self.lanes * from, self.lanes * to);
        if self.is_evex() {
            let opcode = match (from, to) {
                (2, _) => opcode::VPMOVWB,
                (4, 1) => opcode::VPMOVDB,
                (4, _) => opcode::VPMOVDW,
                (_, 1) => opcode::VPMOVQB,
                (_, 2) => opcode::VPMOVQW,
                _ => opcode::VPMOVQD,
            };
            let dst = self.new_value(Class::Vector, bytes, None, 0);
            self.push(Form::Narrow, opcode, source, Some(dst), &[x]);
            return dst;
        }
        // In each 16 bytes the low bytes of the elements come to the front, zeros behind them.
        let half: Vec<u8> = (0..16u8)
            .map(|n| {
                let (element, byte) = (usize::from(n) / to, usize::from(n) % to);
                if element * from < 16 { (element * from + byte) as u8 } else { 0x80 }
            })
            .collect();
        let indices = self.table(&half.repeat(source.max(16) / 16));
        let fronts = self.two(opcode::VPSHUFB, source, x, indices);
        if source <= 16 {
            return self.low_part(fronts, bytes);
        }
        if from == 2 * to {
            // The first and third 8 bytes.
            let value = self.op(Form::One, opcode::VPERMQ, 32, &[fronts]);
            self.set_immediate(0b00_00_10_00);
            return self.low_part(value, bytes);
        }
        let upper = self.extract_upper(fronts, 32);
        let unpack = if from == 4 * to { opcode::VPUNPCKLDQ } else { opcode::VPUNPCKLWD };
        let lower = self.low_part(fronts, 16);
        let value = self.two(unpack, 16, lower, upper);
        self.low_part(value, bytes)
    }

    /// The same register, of which fewer bytes matter.
    fn low_part(&mut self, value: Value, bytes: usize) -> Value {
        let info = &mut self.values[value.index()];
        // A value that was just made and is used once more at most; its bytes are what a spill keeps.
        info.bytes = info.bytes.max(bytes as u8);
        value
    }

    /// The upper half of a vector of 32 or 64 bytes.
    pub(super) fn extract_upper(&mut self, x: Value, bytes: usize) -> Value {
        let opcode = if bytes == 64 { opcode::VEXTRACT256 } else { opcode::VEXTRACT128 };
        let dst = self.new_value(Class::Vector, bytes / 2, None, 0);
        self.push(Form::Narrow, opcode, bytes, Some(dst), &[x]);
        self.set_immediate(1);
        dst
    }

    /// `i64` to `f64`: the upper 48 bits and the lower 16 bits plus powers of two that put them in place, by
    /// their bits; the powers are subtracted exactly, and the sum of the parts is rounded once.
    fn wide_to_double(&mut self, bytes: usize, x: Value) -> Value {
        // 2^52 in the upper bits of an element, its lower 32 bits below.
        let low_bits = self.splat(8, 0xffff_ffff, bytes);
        let low = self.commuting(opcode::VPANDQ, bytes, x, low_bits);
        let magic_low = self.splat(8, 2f64.powi(52).to_bits(), bytes);
        let low = self.commuting(opcode::VPORQ, bytes, low, magic_low);
        // The upper 32 bits, made positive by 2^31, below 2^84.
        let high = self.shift_imm(Shift::Right, 8, bytes, x, 32);
        let magic_high = self.splat(8, 2f64.powi(84).to_bits() ^ 1 << 31, bytes);
        let high = self.commuting(opcode::VPXORQ, bytes, high, magic_high);
        // 2^84 + 2^63 + 2^52 takes both magic numbers and the offset away.
        let offset = self.splat(8, (2f64.powi(84) + 2f64.powi(63) + 2f64.powi(52)).to_bits(), bytes);
        let high = self.two(opcode::VSUBPD, bytes, high, offset);
        self.commuting(opcode::VADDPD, bytes, high, low)
    }

    /// `i64` to `f32`, through an `f64` that holds the number exactly, or, where it has too many bits, holds
    /// it with the lowest bits joined to one that says whether any of them was set: far below what `f32`
    /// keeps.
    fn wide_to_single(&mut self, source: usize, x: Value) -> Result<Value, Unsupported> {
        let low = self.splat(8, 0x7ff, source);
        let high = self.splat(8, !0x7ff, source);
        let rest = self.commuting(opcode::VPANDQ, source, x, low);
        let carried = self.commuting(opcode::VPADDQ, source, rest, low);
        let joined = self.commuting(opcode::VPORQ, source, carried, x);
        let joined = self.commuting(opcode::VPANDQ, source, joined, high);
        // Numbers from -2^53 to 2^53 stay as they are.
        let limit = self.splat(8, 1 << 53, source);
        let above = self.commuting(opcode::VPADDQ, source, x, limit);
        let above = self.shift_imm(Shift::Right, 8, source, above, 54);
        let zero = self.zeros(source);
        let fits = self.commuting(opcode::VPCMPEQQ, source, above, zero);
        let exact = self.op(Form::Blend, opcode::VBLENDVPD, source, &[fits, x, joined]);
        let double = self.wide_to_double(source, exact);
        Ok(self.halved(opcode::VCVTPD2PS, source, double))
    }

    /// `f64` to `i64`, by moving the fraction to where the exponent says.
    fn double_to_wide(&mut self, bytes: usize, x: Value) -> Value {
        let fraction = self.splat(8, (1 << 52) - 1, bytes);
        let implicit = self.splat(8, 1 << 52, bytes);
        let exponent_bits = self.splat(8, 0x7ff, bytes);
        let significand = self.commuting(opcode::VPANDQ, bytes, x, fraction);
        let significand = self.commuting(opcode::VPORQ, bytes, significand, implicit);
        let exponent = self.shift_imm(Shift::Right, 8, bytes, x, 52);
        let exponent = self.commuting(opcode::VPANDQ, bytes, exponent, exponent_bits);
        // Counts of the two shifts; one of them is negative, or huge as the instruction sees it, and its
        // shift gives zero. Both are zero for numbers from 2^52 to 2^53.
        let whole = self.splat(8, 1023 + 52, bytes);
        let right = self.two(opcode::VPSUBQ, bytes, whole, exponent);
        let left = self.two(opcode::VPSUBQ, bytes, exponent, whole);
        let small = self.two(opcode::VPSRLVQ, bytes, significand, right);
        let large = self.two(opcode::VPSLLVQ, bytes, significand, left);
        let size = self.commuting(opcode::VPORQ, bytes, small, large);
        let zero = self.zeros(bytes);
        let sign = self.two(opcode::VPCMPGTQ, bytes, zero, x);
        let flipped = self.xor(8, bytes, size, sign);
        let value = self.two(opcode::VPSUBQ, bytes, flipped, sign);
        // NaN, and what is 2^63 or more in size.
        let all_but_sign = self.splat(8, !(1 << 63), bytes);
        let limit = self.splat(8, 2f64.powi(63).to_bits(), bytes);
        let size = self.commuting(opcode::VPANDQ, bytes, x, all_but_sign);
        let fits = self.compare_floats(Type::F64, 0x11, size, limit);
        let smallest = self.splat(8, 1 << 63, bytes);
        self.op(Form::Blend, opcode::VBLENDVPD, bytes, &[fits.value, value, smallest])
    }
}
