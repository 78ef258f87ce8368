//! Conversions.
//!
//! Integers become twice as wide, or half, by one instruction; in larger steps their bytes are moved by number. A float that
//! has no integer converts to the nearest there is, or NaN to zero, where the definition has the smallest integer.

use super::{Lowerer, unsupported};
use crate::codegen::machine::{Unsupported, Value};
use crate::codegen::neon::machine::VECTOR;
use crate::codegen::neon::opcode;
use crate::codegen::vector::{Conversion, Shift, Type};

impl Lowerer<'_> {
    pub(super) fn convert(
        &mut self,
        conversion: Conversion,
        from: Type,
        to: Type,
        x: Value,
    ) -> Result<Value, Unsupported> {
        let (from_size, to_size) = (from.size(), to.size());
        if from == Type::Mask {
            return Err(unsupported("convert", to));
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
            (Conversion::FloatToFloat, Type::F32, Type::F64) => self.one(opcode::FCVTL_S, x),
            (Conversion::FloatToFloat, Type::F64, Type::F32) => self.one(opcode::FCVTN_S, x),
            (Conversion::HalfToFloat, Type::I16, Type::F32) => self.one(opcode::FCVTL_H, x),
            (Conversion::FloatToHalf, Type::F32, Type::I16) => self.one(opcode::FCVTN_H, x),
            (Conversion::SignedToFloat, Type::I32, Type::F32) => self.one(opcode::SCVTF_S, x),
            (Conversion::SignedToFloat, Type::I32, Type::F64) => {
                let wide = self.one(opcode::SXTL_S, x);
                self.one(opcode::SCVTF_D, wide)
            }
            (Conversion::SignedToFloat, Type::I64, Type::F64) => self.one(opcode::SCVTF_D, x),
            (Conversion::SignedToFloat, Type::I64, Type::F32) => self.wide_to_single(x),
            (Conversion::FloatToSigned, Type::F32, Type::I32) => {
                let integer = self.one(opcode::FCVTZS_S, x);
                let limit = self.splat(4, u64::from(2f32.powi(31).to_bits()));
                let smallest = self.splat(4, 1 << 31);
                // What is too small has become the smallest already.
                let fits = self.two(opcode::FCMGT_S, limit, x);
                self.choose(fits, integer, smallest)
            }
            (Conversion::FloatToSigned, Type::F64, Type::I32) => {
                let wide = self.double_to_wide(x, 31);
                // To the nearest there is.
                self.one(opcode::SQXTN, wide)
            }
            (Conversion::FloatToSigned, Type::F32, Type::I64) => {
                let double = self.one(opcode::FCVTL_S, x);
                self.double_to_wide(double, 63)
            }
            (Conversion::FloatToSigned, Type::F64, Type::I64) => self.double_to_wide(x, 63),
            _ => return Err(unsupported("convert", to)),
        };
        Ok(value)
    }

    /// `f64` to `i64`; the smallest for NaN and for what is not below a power of two.
    fn double_to_wide(&mut self, x: Value, limit: i32) -> Value {
        let integer = self.one(opcode::FCVTZS_D, x);
        let limit = self.splat(8, 2f64.powi(limit).to_bits());
        let smallest = self.splat(8, 1 << 63);
        let fits = self.two(opcode::FCMGT_D, limit, x);
        self.choose(fits, integer, smallest)
    }

    /// Integers made wider.
    pub(super) fn widen(&mut self, signed: bool, from: usize, to: usize, x: Value) -> Value {
        if to > 2 * from && !signed {
            // A number beyond the register names a zero.
            return self.moved(x, |n| if n % to < from { (n / to * from + n % to) as u8 } else { 0xff });
        }
        let steps = if signed { opcode::SXTL } else { opcode::UXTL };
        let (first, last) = (from.trailing_zeros() as usize, to.trailing_zeros() as usize);
        steps[first..last].iter().fold(x, |x, &step| self.one(step, x))
    }

    /// The low bytes of each element.
    pub(super) fn narrow(&mut self, from: usize, to: usize, x: Value) -> Value {
        if from == 2 * to {
            return self.one(opcode::XTN[to.trailing_zeros() as usize], x);
        }
        self.moved(x, |n| {
            let byte = n / to * from + n % to;
            if byte < VECTOR { byte as u8 } else { 0xff }
        })
    }

    /// Bytes of a vector by their numbers.
    pub(super) fn moved(&mut self, x: Value, number: impl Fn(usize) -> u8) -> Value {
        let numbers = self.constant(std::array::from_fn(number));
        self.two(opcode::TBL1, x, numbers)
    }

    /// `i64` to `f32`, through an `f64` that holds the number exactly, or, where it has too many bits, holds
    /// it with the lowest bits joined to one that says whether any of them was set: far below what `f32`
    /// keeps.
    fn wide_to_single(&mut self, x: Value) -> Value {
        let low = self.splat(8, 0x7ff);
        let rest = self.two(opcode::AND, x, low);
        let carried = self.two(opcode::ADD_D, rest, low);
        let joined = self.two(opcode::ORR, carried, x);
        let joined = self.two(opcode::BIC, joined, low);
        // Numbers from -2^53 to 2^53 stay as they are.
        let limit = self.splat(8, 1 << 53);
        let above = self.two(opcode::ADD_D, x, limit);
        let above = self.shift(Shift::Right, 8, above, 54);
        let zero = self.splat(8, 0);
        let fits = self.two(opcode::CMEQ_D, above, zero);
        let exact = self.choose(fits, x, joined);
        let double = self.one(opcode::SCVTF_D, exact);
        self.one(opcode::FCVTN_S, double)
    }
}
