//! Integer arithmetic and shifts.
//!
//! Bytes have no products and no shifts: they are done in pairs of words, each half on its own. AVX2 lacks
//! 64-bit products, minima, signed shifts, and shifts of words by lane.

use super::Lowerer;
use crate::codegen::machine::Unsupported;
use crate::codegen::machine::Value;
use crate::codegen::vector::{Shift, Type, VectorOp};
use crate::codegen::x86::machine::Form;
use crate::codegen::x86::opcode::{self, Opcode};

/// The group and numbers of the instructions that shift elements of a size by a constant.
fn shift_by_immediate(kind: Shift, size: usize) -> (Opcode, u8) {
    let number = match kind {
        Shift::Right => 2,
        Shift::RightSigned => 4,
        Shift::Left => 6,
    };
    let group = match size {
        2 => opcode::SHIFT_W,
        4 => opcode::SHIFT_D,
        _ if kind == Shift::RightSigned => opcode::VPSRAQ_IMM,
        _ => opcode::SHIFT_Q,
    };
    (group, number)
}

/// The instruction of an op for elements of 1, 2, 4 or 8 bytes, if there is one; those of 8 need AVX-512 in
/// part.
fn simple(op: VectorOp, size: usize) -> Option<Opcode> {
    let row = match op {
        VectorOp::Add => [opcode::VPADDB, opcode::VPADDW, opcode::VPADDD, opcode::VPADDQ],
        VectorOp::Sub => [opcode::VPSUBB, opcode::VPSUBW, opcode::VPSUBD, opcode::VPSUBQ],
        VectorOp::MinSigned => [opcode::VPMINSB, opcode::VPMINSW, opcode::VPMINSD, opcode::VPMINSQ],
        VectorOp::MaxSigned => [opcode::VPMAXSB, opcode::VPMAXSW, opcode::VPMAXSD, opcode::VPMAXSQ],
        VectorOp::MinUnsigned => [opcode::VPMINUB, opcode::VPMINUW, opcode::VPMINUD, opcode::VPMINUQ],
        VectorOp::MaxUnsigned => [opcode::VPMAXUB, opcode::VPMAXUW, opcode::VPMAXUD, opcode::VPMAXUQ],
        VectorOp::Mul if size > 1 => [opcode::VPMULLW, opcode::VPMULLW, opcode::VPMULLD, opcode::VPMULLQ],
        _ => return None,
    };
    Some(row[size.trailing_zeros() as usize])
}

impl Lowerer<'_> {
    /// The instruction of a bitwise op; elements of 8 bytes can be broadcast only by one of their size.
    pub(super) fn bitwise(&self, op: VectorOp, size: usize) -> Opcode {
        let (narrow, wide) = match op {
            VectorOp::And => (opcode::VPAND, opcode::VPANDQ),
            VectorOp::Or => (opcode::VPOR, opcode::VPORQ),
            VectorOp::AndNot => (opcode::VPANDN, opcode::VPANDNQ),
            _ => (opcode::VPXOR, opcode::VPXORQ),
        };
        if size == 8 { wide } else { narrow }
    }

    pub(super) fn and(&mut self, bytes: usize, x: Value, y: Value) -> Value {
        self.commuting(opcode::VPAND, bytes, x, y)
    }

    pub(super) fn or(&mut self, bytes: usize, x: Value, y: Value) -> Value {
        self.commuting(opcode::VPOR, bytes, x, y)
    }

    pub(super) fn xor(&mut self, size: usize, bytes: usize, x: Value, y: Value) -> Value {
        let opcode = self.bitwise(VectorOp::Xor, size);
        self.commuting(opcode, bytes, x, y)
    }

    /// An op of two operands.
    pub(super) fn integer(
        &mut self,
        op: VectorOp,
        ty: Type,
        x: Value,
        y: Value,
    ) -> Result<Value, Unsupported> {
        self.integer_of(op, ty, self.bytes(ty), x, y)
    }

    /// The same for vectors of so many bytes.
    pub(super) fn integer_of(
        &mut self,
        op: VectorOp,
        ty: Type,
        bytes: usize,
        x: Value,
        y: Value,
    ) -> Result<Value, Unsupported> {
        let size = ty.size();
        let lacks_wide = size == 8 && !self.is_evex();
        match op {
            VectorOp::MinSigned | VectorOp::MaxSigned | VectorOp::MinUnsigned | VectorOp::MaxUnsigned
                if lacks_wide =>
            {
                let signed = matches!(op, VectorOp::MinSigned | VectorOp::MaxSigned);
                let greater = self.greater_wide(signed, bytes, x, y);
                let is_min = matches!(op, VectorOp::MinSigned | VectorOp::MinUnsigned);
                let (kept, other) = if is_min { (y, x) } else { (x, y) };
                Ok(self.op(Form::Blend, opcode::VPBLENDVB, bytes, &[greater, kept, other]))
            }
            VectorOp::Mul if lacks_wide => Ok(self.multiply_wide(bytes, x, y)),
            VectorOp::Mul if size == 1 => Ok(self.multiply_bytes(bytes, x, y)),
            VectorOp::Sub => Ok(self.two(simple_or(op, size), bytes, x, y)),
            VectorOp::ShiftBy(kind) => Ok(self.shift_by(kind, size, bytes, x, y)),
            op => match simple(op, size) {
                Some(opcode) => Ok(self.commuting(opcode, bytes, x, y)),
                None => Err(self.unsupported(op, ty)),
            },
        }
    }

    /// `x > y` of 64-bit elements, as a vector.
    pub(super) fn greater_wide(&mut self, signed: bool, bytes: usize, x: Value, y: Value) -> Value {
        if signed {
            return self.two(opcode::VPCMPGTQ, bytes, x, y);
        }
        let sign = self.splat(8, 1 << 63, bytes);
        let x = self.xor(8, bytes, x, sign);
        let y = self.xor(8, bytes, y, sign);
        self.two(opcode::VPCMPGTQ, bytes, x, y)
    }

    /// The low 64 bits from three products of 32-bit halves.
    fn multiply_wide(&mut self, bytes: usize, x: Value, y: Value) -> Value {
        let x_high = self.shift_imm(Shift::Right, 8, bytes, x, 32);
        let y_high = self.shift_imm(Shift::Right, 8, bytes, y, 32);
        let first = self.commuting(opcode::VPMULUDQ, bytes, x_high, y);
        let second = self.commuting(opcode::VPMULUDQ, bytes, y_high, x);
        let high = self.commuting(opcode::VPADDQ, bytes, first, second);
        let high = self.shift_imm(Shift::Left, 8, bytes, high, 32);
        let low = self.commuting(opcode::VPMULUDQ, bytes, x, y);
        self.commuting(opcode::VPADDQ, bytes, low, high)
    }

    fn multiply_bytes(&mut self, bytes: usize, x: Value, y: Value) -> Value {
        let even = self.commuting(opcode::VPMULLW, bytes, x, y);
        let low = self.splat(2, 0xff, bytes);
        let even = self.and(bytes, even, low);
        let x = self.shift_imm(Shift::Right, 2, bytes, x, 8);
        let y = self.shift_imm(Shift::Right, 2, bytes, y, 8);
        let odd = self.commuting(opcode::VPMULLW, bytes, x, y);
        let odd = self.shift_imm(Shift::Left, 2, bytes, odd, 8);
        self.or(bytes, even, odd)
    }

    /// The instruction that shifts elements of 2, 4 or 8 bytes by a constant.
    pub(super) fn shift_imm(&mut self, kind: Shift, size: usize, bytes: usize, x: Value, count: u8) -> Value {
        let (group, number) = shift_by_immediate(kind, size);
        let value = self.op(Form::Shift(number), group, bytes, &[x]);
        self.set_immediate(count);
        value
    }

    /// A shift by a constant; other ops of one operand are not of integers.
    pub(super) fn shift_constant(&mut self, op: VectorOp, ty: Type, x: Value) -> Result<Value, Unsupported> {
        let VectorOp::Shift(kind, count) = op else { return Err(self.unsupported(op, ty)) };
        let (size, bytes) = (ty.size(), self.bytes(ty));
        let lacks = kind == Shift::RightSigned && size == 8 && !self.is_evex();
        if size > 1 && !lacks {
            return Ok(self.shift_imm(kind, size, bytes, x, count));
        }
        let shifted = match (kind, size) {
            (Shift::Left, 1) => {
                let moved = self.shift_imm(Shift::Left, 2, bytes, x, count);
                let kept = self.splat(1, u64::from(0xffu8 << count), bytes);
                return Ok(self.and(bytes, moved, kept));
            }
            (_, 1) => {
                let moved = self.shift_imm(Shift::Right, 2, bytes, x, count);
                let kept = self.splat(1, u64::from(0xffu8 >> count), bytes);
                self.and(bytes, moved, kept)
            }
            _ => self.shift_imm(Shift::Right, 8, bytes, x, count),
        };
        if kind != Shift::RightSigned {
            return Ok(shifted);
        }
        // The sign bit has come to `count` places below the top: ((x ^ sign) - sign) copies it to all above.
        let sign = self.splat(size, 1 << (8 * size as u64 - 1 - u64::from(count)), bytes);
        let flipped = self.xor(size, bytes, shifted, sign);
        Ok(self.two(simple_or(VectorOp::Sub, size), bytes, flipped, sign))
    }

    /// A shift of each lane by its own count.
    fn shift_by(&mut self, kind: Shift, size: usize, bytes: usize, x: Value, count: Value) -> Value {
        let evex = self.is_evex();
        let opcode = match (kind, size) {
            (Shift::Left, 8) => Some(opcode::VPSLLVQ),
            (Shift::Right, 8) => Some(opcode::VPSRLVQ),
            (Shift::RightSigned, 8) => evex.then_some(opcode::VPSRAVQ),
            (Shift::Left, 4) => Some(opcode::VPSLLVD),
            (Shift::Right, 4) => Some(opcode::VPSRLVD),
            (Shift::RightSigned, 4) => Some(opcode::VPSRAVD),
            (Shift::Left, 2) => evex.then_some(opcode::VPSLLVW),
            (Shift::Right, 2) => evex.then_some(opcode::VPSRLVW),
            (Shift::RightSigned, 2) => evex.then_some(opcode::VPSRAVW),
            _ => None,
        };
        if let Some(opcode) = opcode {
            return self.two(opcode, bytes, x, count);
        }
        if size == 8 {
            // Of a negative number, the complement is moved, and complemented again.
            let zero = self.zeros(bytes);
            let sign = self.two(opcode::VPCMPGTQ, bytes, zero, x);
            let positive = self.xor(8, bytes, x, sign);
            let moved = self.two(opcode::VPSRLVQ, bytes, positive, count);
            return self.xor(8, bytes, moved, sign);
        }
        // The lower and upper element of each pair, on their own, as one of twice the size.
        let bits = 8 * size as u8;
        let low = self.splat(2 * size, (1 << bits) - 1, bytes);
        let high = self.splat(2 * size, ((1 << bits) - 1) << bits, bytes);
        let low_count = self.and(bytes, count, low);
        let high_count = self.shift_imm(Shift::Right, 2 * size, bytes, count, bits);
        let low_x = match kind {
            Shift::Left => x,
            Shift::Right => self.and(bytes, x, low),
            Shift::RightSigned => {
                let up = self.shift_imm(Shift::Left, 2 * size, bytes, x, bits);
                self.shift_imm(Shift::RightSigned, 2 * size, bytes, up, bits)
            }
        };
        let high_x = if kind == Shift::Left { self.and(bytes, x, high) } else { x };
        let low_moved = self.shift_by(kind, 2 * size, bytes, low_x, low_count);
        let high_moved = self.shift_by(kind, 2 * size, bytes, high_x, high_count);
        let low_moved = self.and(bytes, low_moved, low);
        // Moved to the left, the upper element has zeros below; to the right, what moved below is cut off.
        let high_moved = if kind == Shift::Left { high_moved } else { self.and(bytes, high_moved, high) };
        self.or(bytes, low_moved, high_moved)
    }
}

/// The instruction of an op that every size has.
fn simple_or(op: VectorOp, size: usize) -> Opcode {
    match simple(op, size) {
        Some(opcode) => opcode,
        None => unreachable!("{op:?} has an instruction for every size"),
    }
}
