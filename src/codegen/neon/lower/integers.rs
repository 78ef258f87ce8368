//! Integer arithmetic and shifts.
//!
//! There are no products, minima and maxima of 64-bit elements. A shift by lane takes its count from the lowest byte, a
//! number with sign, of which a negative one moves to the right.

use super::{Lowerer, unsupported};
use crate::codegen::machine::{Unsupported, Value};
use crate::codegen::neon::opcode;
use crate::codegen::vector::{Shift, Type, VectorOp};

impl Lowerer<'_> {
    /// An op of two operands.
    pub(super) fn integer(
        &mut self,
        op: VectorOp,
        ty: Type,
        x: Value,
        y: Value,
    ) -> Result<Value, Unsupported> {
        let size = ty.size();
        let row = size.trailing_zeros() as usize;
        let narrow = match op {
            VectorOp::Add => return Ok(self.two(opcode::ADD[row], x, y)),
            VectorOp::Sub => return Ok(self.two(opcode::SUB[row], x, y)),
            VectorOp::ShiftBy(kind) => return Ok(self.shift_by(kind, size, x, y)),
            VectorOp::Mul => &opcode::MUL,
            VectorOp::MinSigned => &opcode::SMIN,
            VectorOp::MaxSigned => &opcode::SMAX,
            VectorOp::MinUnsigned => &opcode::UMIN,
            VectorOp::MaxUnsigned => &opcode::UMAX,
            _ => return Err(unsupported("arithmetic", ty)),
        };
        if let Some(&opcode) = narrow.get(row) {
            return Ok(self.two(opcode, x, y));
        }
        Ok(match op {
            VectorOp::Mul => self.multiply_wide(x, y),
            VectorOp::MinSigned => self.greater_of(opcode::CMGT_D, x, y, [y, x]),
            VectorOp::MaxSigned => self.greater_of(opcode::CMGT_D, x, y, [x, y]),
            VectorOp::MinUnsigned => self.greater_of(opcode::CMHI_D, x, y, [y, x]),
            _ => self.greater_of(opcode::CMHI_D, x, y, [x, y]),
        })
    }

    fn greater_of(
        &mut self,
        compare: opcode::Opcode,
        x: Value,
        y: Value,
        [then, other]: [Value; 2],
    ) -> Value {
        let greater = self.two(compare, x, y);
        self.choose(greater, then, other)
    }

    /// The low 64 bits from three products of 32-bit halves.
    fn multiply_wide(&mut self, x: Value, y: Value) -> Value {
        let swapped = self.one(opcode::REV64, y);
        let crossed = self.two(opcode::MUL_S, swapped, x);
        let high = self.one(opcode::UADDLP, crossed);
        let high = self.shift(Shift::Left, 8, high, 32);
        let x_low = self.one(opcode::XTN_S, x);
        let y_low = self.one(opcode::XTN_S, y);
        self.tied(opcode::UMLAL, high, x_low, y_low)
    }

    /// A shift by a constant below the width.
    pub(super) fn shift(&mut self, kind: Shift, size: usize, x: Value, count: u8) -> Value {
        let row = size.trailing_zeros() as usize;
        if count == 0 {
            return x;
        }
        let opcode = match kind {
            Shift::Left => opcode::SHL[row].left(size, count),
            Shift::Right => opcode::USHR[row].right(size, count),
            Shift::RightSigned => opcode::SSHR[row].right(size, count),
        };
        self.one(opcode, x)
    }

    /// A shift of each lane by its own count.
    fn shift_by(&mut self, kind: Shift, size: usize, x: Value, count: Value) -> Value {
        let row = size.trailing_zeros() as usize;
        // By the width everything moves out, as by more, and it fits a byte with sign.
        let width = self.splat(size, 8 * size as u64);
        let count = match opcode::UMIN.get(row) {
            Some(&smaller) => self.two(smaller, count, width),
            None => self.greater_of(opcode::CMHI_D, count, width, [width, count]),
        };
        let count = if kind == Shift::Left { count } else { self.one(opcode::NEG[row], count) };
        let opcode = if kind == Shift::RightSigned { opcode::SSHL[row] } else { opcode::USHL[row] };
        self.two(opcode, x, count)
    }
}
