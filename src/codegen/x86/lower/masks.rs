//! Comparisons and masks.
//!
//! With AVX-512 a mask is a register of bits, of which those beyond the lanes mean nothing. With AVX2 it is a
//! vector of elements that are all ones or all zeros, as wide as what was compared; what AVX2 cannot compare
//! is compared the other way round and marked as inverted, which a select undoes for nothing.

use super::{Lowered, Lowerer};
use crate::codegen::machine::Unsupported;
use crate::codegen::machine::{Class, Value};
use crate::codegen::vector::{Predicate, Type, VectorId, VectorInst, VectorOp};
use crate::codegen::x86::machine::Form;
use crate::codegen::x86::opcode::{self, Opcode};

impl Lowerer<'_> {
    /// An instruction whose value is a mask.
    pub(super) fn mask(&mut self, inst: &VectorInst, from: Type) -> Result<Lowered, Unsupported> {
        match (inst.op, &inst.args[..]) {
            (VectorOp::Compare(predicate), &[x, y]) if from != Type::Mask => {
                self.compare(predicate, from, self.value(x), self.value(y))
            }
            (VectorOp::And | VectorOp::Or | VectorOp::Xor | VectorOp::AndNot, &[x, y]) => {
                Ok(self.combine_masks(inst.op, x, y))
            }
            (VectorOp::Select, &[mask, x, y]) => {
                let if_set = self.combine_masks(VectorOp::And, mask, x);
                let if_clear = self.combine_masks(VectorOp::AndNot, mask, y);
                Ok(self.combine_lowered(VectorOp::Or, if_set, if_clear))
            }
            (op, _) => Err(self.unsupported(op, Type::Mask)),
        }
    }

    pub(super) fn compare(
        &mut self,
        predicate: Predicate,
        ty: Type,
        x: Value,
        y: Value,
    ) -> Result<Lowered, Unsupported> {
        if ty.is_float() {
            let imm = match predicate {
                Predicate::Eq => 0x00,
                Predicate::Ne => 0x04,
                Predicate::Lt => 0x11,
                Predicate::Le => 0x12,
                Predicate::Unordered => 0x03,
                Predicate::LtUnsigned | Predicate::LeUnsigned => {
                    return Err(self.unsupported(VectorOp::Compare(predicate), ty));
                }
            };
            return Ok(self.compare_floats(ty, imm, x, y));
        }
        if predicate == Predicate::Unordered {
            return Err(self.unsupported(VectorOp::Compare(predicate), ty));
        }
        if self.is_evex() {
            Ok(self.compare_to_register(predicate, ty, x, y))
        } else {
            Ok(self.compare_to_vector(predicate, ty, x, y))
        }
    }

    pub(super) fn compare_floats(&mut self, ty: Type, imm: u8, x: Value, y: Value) -> Lowered {
        self.compare_floats_of(ty, self.bytes(ty), imm, x, y)
    }

    /// The same for vectors of so many bytes.
    pub(super) fn compare_floats_of(
        &mut self,
        ty: Type,
        bytes: usize,
        imm: u8,
        x: Value,
        y: Value,
    ) -> Lowered {
        let opcode = if ty == Type::F32 { opcode::VCMPPS } else { opcode::VCMPPD };
        let value = self.compared(opcode, bytes, x, y);
        self.set_immediate(imm);
        Lowered { value, element: ty.size() as u8, inverted: false }
    }

    /// A comparison's result: a register of bits or a vector.
    fn compared(&mut self, opcode: Opcode, bytes: usize, x: Value, y: Value) -> Value {
        if self.is_evex() {
            let dst = self.new_value(Class::Mask, 8, None, 0);
            self.push(Form::Two, opcode, bytes, Some(dst), &[x, y]);
            dst
        } else {
            self.two(opcode, bytes, x, y)
        }
    }

    /// Whether integers of a size are equal, in vectors of so many bytes.
    pub(super) fn equal(&mut self, size: usize, bytes: usize, x: Value, y: Value) -> Lowered {
        let row = size.trailing_zeros() as usize;
        let opcode = if self.is_evex() {
            [opcode::VPCMPB, opcode::VPCMPW, opcode::VPCMPD, opcode::VPCMPQ][row]
        } else {
            [opcode::VPCMPEQB, opcode::VPCMPEQW, opcode::VPCMPEQD, opcode::VPCMPEQQ][row]
        };
        let value = self.compared(opcode, bytes, x, y);
        if self.is_evex() {
            self.set_immediate(0);
        }
        Lowered { value, element: size as u8, inverted: false }
    }

    fn compare_to_register(&mut self, predicate: Predicate, ty: Type, x: Value, y: Value) -> Lowered {
        let imm = match predicate {
            Predicate::Eq => 0,
            Predicate::Lt | Predicate::LtUnsigned => 1,
            Predicate::Le | Predicate::LeUnsigned => 2,
            Predicate::Ne | Predicate::Unordered => 4,
        };
        let unsigned = matches!(predicate, Predicate::LtUnsigned | Predicate::LeUnsigned);
        let opcode = match (ty.size(), unsigned) {
            (1, false) => opcode::VPCMPB,
            (1, true) => opcode::VPCMPUB,
            (2, false) => opcode::VPCMPW,
            (2, true) => opcode::VPCMPUW,
            (4, false) => opcode::VPCMPD,
            (4, true) => opcode::VPCMPUD,
            (_, false) => opcode::VPCMPQ,
            (_, true) => opcode::VPCMPUQ,
        };
        let value = self.compared(opcode, self.bytes(ty), x, y);
        self.set_immediate(imm);
        Lowered { value, element: 0, inverted: false }
    }

    fn compare_to_vector(&mut self, predicate: Predicate, ty: Type, x: Value, y: Value) -> Lowered {
        let (size, bytes) = (ty.size(), self.bytes(ty));
        let equal = [opcode::VPCMPEQB, opcode::VPCMPEQW, opcode::VPCMPEQD, opcode::VPCMPEQQ];
        let greater = [opcode::VPCMPGTB, opcode::VPCMPGTW, opcode::VPCMPGTD, opcode::VPCMPGTQ];
        let smallest = [opcode::VPMINUB, opcode::VPMINUW, opcode::VPMINUD];
        let row = size.trailing_zeros() as usize;
        let (value, inverted) = match predicate {
            Predicate::Eq => (self.commuting(equal[row], bytes, x, y), false),
            Predicate::Ne | Predicate::Unordered => (self.commuting(equal[row], bytes, x, y), true),
            Predicate::Lt => (self.two(greater[row], bytes, y, x), false),
            Predicate::Le => (self.two(greater[row], bytes, x, y), true),
            Predicate::LtUnsigned if size == 8 => (self.greater_wide(false, bytes, y, x), false),
            Predicate::LeUnsigned if size == 8 => (self.greater_wide(false, bytes, x, y), true),
            // x < y unless the smaller of them is y.
            Predicate::LtUnsigned => {
                let least = self.commuting(smallest[row], bytes, x, y);
                (self.commuting(equal[row], bytes, least, y), true)
            }
            Predicate::LeUnsigned => {
                let least = self.commuting(smallest[row], bytes, x, y);
                (self.commuting(equal[row], bytes, least, x), false)
            }
        };
        Lowered { value, element: size as u8, inverted }
    }

    fn combine_masks(&mut self, op: VectorOp, x: VectorId, y: VectorId) -> Lowered {
        self.combine_lowered(op, self.get(x), self.get(y))
    }

    pub(super) fn combine_lowered(&mut self, op: VectorOp, x: Lowered, y: Lowered) -> Lowered {
        if self.is_evex() {
            let opcode = match op {
                VectorOp::And => opcode::KAND,
                VectorOp::Or => opcode::KOR,
                VectorOp::AndNot => opcode::KANDN,
                _ => opcode::KXOR,
            };
            let dst = self.new_value(Class::Mask, 8, None, 0);
            self.push(Form::Two, opcode, 32, Some(dst), &[x.value, y.value]);
            return Lowered { value: dst, element: 0, inverted: false };
        }
        let element = x.element.max(y.element);
        let bytes = self.lanes * usize::from(element);
        let x = Lowered { value: self.resize_mask(x, element), ..x };
        let y = Lowered { value: self.resize_mask(y, element), ..y };
        let and_not = |this: &mut Self, x: Value, y: Value| this.two(opcode::VPANDN, bytes, x, y);
        let y_inverted = y.inverted;
        // An inverted mask m stands for !m; `!x & y` is an `and` with x inverted once more.
        let (value, inverted) = match (op, x.inverted ^ (op == VectorOp::AndNot), y_inverted) {
            (VectorOp::Xor, x_inverted, y_inverted) => {
                (self.xor(4, bytes, x.value, y.value), x_inverted ^ y_inverted)
            }
            (VectorOp::Or, false, false) => (self.or(bytes, x.value, y.value), false),
            (VectorOp::Or, true, true) => (self.and(bytes, x.value, y.value), true),
            // !x | y is !(x & !y).
            (VectorOp::Or, true, false) => (and_not(self, y.value, x.value), true),
            (VectorOp::Or, false, true) => (and_not(self, x.value, y.value), true),
            (_, false, false) => (self.and(bytes, x.value, y.value), false),
            (_, true, true) => (self.or(bytes, x.value, y.value), true),
            (_, true, false) => (and_not(self, x.value, y.value), false),
            (_, false, true) => (and_not(self, y.value, x.value), false),
        };
        Lowered { value, element, inverted }
    }

    /// A mask's bits for elements of another size, still inverted if they were.
    fn resize_mask(&mut self, mask: Lowered, element: u8) -> Value {
        let (from, to) = (usize::from(mask.element), usize::from(element));
        if from == to {
            mask.value
        } else if from < to {
            self.widen(true, from, to, mask.value)
        } else {
            self.narrow(from, to, mask.value)
        }
    }

    /// A mask that is not inverted, for elements of a size.
    pub(super) fn mask_of_width(&mut self, mask: Lowered, size: usize) -> Value {
        if self.is_evex() {
            return mask.value;
        }
        let value = self.resize_mask(mask, size as u8);
        if !mask.inverted {
            return value;
        }
        let bytes = self.lanes * size;
        let ones = self.op(Form::Ones, opcode::VPCMPEQD, bytes, &[]);
        self.xor(4, bytes, value, ones)
    }

    pub(super) fn select(&mut self, mask: Lowered, size: usize, bytes: usize, x: Value, y: Value) -> Value {
        if self.is_evex() {
            let opcode = match size {
                1 => opcode::VPBLENDMB,
                2 => opcode::VPBLENDMW,
                4 => opcode::VPBLENDMD,
                _ => opcode::VPBLENDMQ,
            };
            return self.op(Form::Blend, opcode, bytes, &[mask.value, x, y]);
        }
        let value = self.resize_mask(mask, size as u8);
        let (x, y) = if mask.inverted { (y, x) } else { (x, y) };
        let opcode = match size {
            4 => opcode::VBLENDVPS,
            8 => opcode::VBLENDVPD,
            _ => opcode::VPBLENDVB,
        };
        self.op(Form::Blend, opcode, bytes, &[value, x, y])
    }

    /// 0 or 1 as bytes.
    pub(super) fn mask_to_int(&mut self, mask: Lowered) -> Value {
        let bytes = self.lanes;
        if self.is_evex() {
            let one = self.splat(1, 1, bytes);
            return self.op(Form::ZeroBlend, opcode::VMOVDQU8_LOAD, bytes, &[mask.value, one]);
        }
        let value = self.resize_mask(mask, 1);
        let one = self.splat(1, 1, bytes);
        if mask.inverted { self.two(opcode::VPANDN, bytes, value, one) } else { self.and(bytes, value, one) }
    }
}
