//! Comparisons and masks.
//!
//! A mask is a vector of elements that are all ones or all zeros, as wide as what was compared. What there is no comparison
//! for is compared the other way round and marked as inverted, which a select undoes for nothing.

use super::{Lowered, Lowerer, unsupported};
use crate::codegen::machine::{Unsupported, Value};
use crate::codegen::neon::opcode::{self, Opcode};
use crate::codegen::vector::{Predicate, Shift, Type, VectorInst, VectorOp};

impl Lowerer<'_> {
    /// An instruction whose value is a mask.
    pub(super) fn mask(&mut self, inst: &VectorInst, from: Type) -> Result<Lowered, Unsupported> {
        match (inst.op, &inst.args[..]) {
            (VectorOp::Compare(predicate), &[x, y]) if from != Type::Mask => {
                self.compare(predicate, from, self.value(x), self.value(y))
            }
            (VectorOp::And | VectorOp::Or | VectorOp::Xor | VectorOp::AndNot, &[x, y]) => {
                Ok(self.combine_masks(inst.op, self.get(x), self.get(y)))
            }
            (VectorOp::Select, &[mask, x, y]) => {
                let (mask, x, y) = (self.get(mask), self.get(x), self.get(y));
                let if_set = self.combine_masks(VectorOp::And, mask, x);
                let if_clear = self.combine_masks(VectorOp::AndNot, mask, y);
                Ok(self.combine_masks(VectorOp::Or, if_set, if_clear))
            }
            _ => Err(unsupported("mask", Type::Mask)),
        }
    }

    pub(super) fn compare(
        &mut self,
        predicate: Predicate,
        ty: Type,
        x: Value,
        y: Value,
    ) -> Result<Lowered, Unsupported> {
        let pick = |single: Opcode, double: Opcode| if ty == Type::F32 { single } else { double };
        let row = ty.size().trailing_zeros() as usize;
        let (value, inverted) = if ty.is_float() {
            let equal = pick(opcode::FCMEQ_S, opcode::FCMEQ_D);
            let greater = pick(opcode::FCMGT_S, opcode::FCMGT_D);
            let at_least = pick(opcode::FCMGE_S, opcode::FCMGE_D);
            match predicate {
                Predicate::Eq => (self.two(equal, x, y), false),
                Predicate::Ne => (self.two(equal, x, y), true),
                Predicate::Lt => (self.two(greater, y, x), false),
                Predicate::Le => (self.two(at_least, y, x), false),
                Predicate::Unordered if x == y => (self.two(equal, x, x), true),
                Predicate::Unordered => {
                    let (x, y) = (self.two(equal, x, x), self.two(equal, y, y));
                    (self.two(opcode::AND, x, y), true)
                }
                Predicate::LtUnsigned | Predicate::LeUnsigned => return Err(unsupported("compare", ty)),
            }
        } else {
            match predicate {
                Predicate::Eq => (self.two(opcode::CMEQ[row], x, y), false),
                Predicate::Ne => (self.two(opcode::CMEQ[row], x, y), true),
                Predicate::Lt => (self.two(opcode::CMGT[row], y, x), false),
                Predicate::Le => (self.two(opcode::CMGE[row], y, x), false),
                Predicate::LtUnsigned => (self.two(opcode::CMHI[row], y, x), false),
                Predicate::LeUnsigned => (self.two(opcode::CMHS[row], y, x), false),
                Predicate::Unordered => return Err(unsupported("compare", ty)),
            }
        };
        Ok(Lowered { value, element: ty.size() as u8, inverted })
    }

    pub(super) fn combine_masks(&mut self, op: VectorOp, x: Lowered, y: Lowered) -> Lowered {
        let element = x.element.max(y.element);
        let (p, q) = (self.resize_mask(x, element), self.resize_mask(y, element));
        // An inverted mask m stands for !m; `!x & y` is an `and` with x inverted once more. BIC is p & !q, ORN p | !q.
        let (value, inverted) = match (op, x.inverted ^ (op == VectorOp::AndNot), y.inverted) {
            (VectorOp::Xor, x_inverted, y_inverted) => (self.two(opcode::EOR, p, q), x_inverted ^ y_inverted),
            (VectorOp::Or, false, false) => (self.two(opcode::ORR, p, q), false),
            (VectorOp::Or, true, true) => (self.two(opcode::AND, p, q), true),
            (VectorOp::Or, true, false) => (self.two(opcode::ORN, q, p), false),
            (VectorOp::Or, false, true) => (self.two(opcode::ORN, p, q), false),
            (_, false, false) => (self.two(opcode::AND, p, q), false),
            (_, true, true) => (self.two(opcode::ORR, p, q), true),
            (_, true, false) => (self.two(opcode::BIC, q, p), false),
            (_, false, true) => (self.two(opcode::BIC, p, q), false),
        };
        Lowered { value, element, inverted }
    }

    /// A mask's bits for elements of another size, still inverted if they were.
    fn resize_mask(&mut self, mask: Lowered, element: u8) -> Value {
        let (from, to) = (usize::from(mask.element), usize::from(element));
        if 2 * from < to {
            self.moved(mask.value, |n| (n / to * from) as u8)
        } else if from < to {
            self.widen(true, from, to, mask.value)
        } else if from > to {
            self.narrow(from, to, mask.value)
        } else {
            mask.value
        }
    }

    /// A mask that is not inverted, for elements of a size.
    pub(super) fn mask_of_width(&mut self, mask: Lowered, size: usize) -> Value {
        let value = self.resize_mask(mask, size as u8);
        if mask.inverted { self.one(opcode::MVN, value) } else { value }
    }

    pub(super) fn select(&mut self, mask: Lowered, size: usize, x: Value, y: Value) -> Value {
        let value = self.resize_mask(mask, size as u8);
        let (x, y) = if mask.inverted { (y, x) } else { (x, y) };
        self.choose(value, x, y)
    }

    /// 0 or 1 as bytes.
    pub(super) fn mask_to_int(&mut self, mask: Lowered) -> Value {
        let value = self.resize_mask(mask, 1);
        if mask.inverted {
            let one = self.splat(1, 1);
            self.two(opcode::BIC, one, value)
        } else {
            self.shift(Shift::Right, 1, value, 7)
        }
    }
}
