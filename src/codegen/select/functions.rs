//! Functions of floats: those of mathematics, and the next float.

use std::cell::RefCell;

use raptors_ir::ElementwiseOp;
use raptors_ir::math::{f32_function, f64_function};

use super::builder::{Builder, integer_of};
use super::recorder::Recorder;
use crate::codegen::vector::{Predicate, Type, VectorId, VectorOp};

impl Builder {
    /// A function of mathematics, recorded; `None` for what is none.
    pub(super) fn function(&mut self, op: ElementwiseOp, ty: Type, args: &[VectorId]) -> Option<VectorId> {
        let recording = RefCell::new(std::mem::take(self));
        let value = match ty {
            Type::F32 => f32_function(op, Recorder::<f32>::new(&recording), args),
            Type::F64 => f64_function(op, Recorder::<f64>::new(&recording), args),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Mask => None,
        };
        *self = recording.into_inner();
        value
    }

    /// The next float after `x` towards `y`: one more or less as an integer.
    pub(super) fn next_after(&mut self, x: VectorId, y: VectorId) -> VectorId {
        let ty = self.ty(x);
        let bits = integer_of(ty);
        let zero = self.zero(ty);
        let (up, below) = (self.compare(Predicate::Lt, x, y), self.compare(Predicate::Lt, x, zero));
        let grows = self.xor(up, below);
        let (one, minus_one) = (self.number(bits, 1), self.number(bits, -1));
        let step = self.select(grows, one, minus_one);
        let as_bits = self.bitcast(x, bits);
        let moved = self.same(VectorOp::Add, &[as_bits, step]);
        let moved = self.bitcast(moved, ty);
        let tiny = self.bitcast(one, ty);
        let tiny = self.float_copysign(tiny, y);
        let is_zero = self.compare(Predicate::Eq, x, zero);
        let value = self.select(is_zero, tiny, moved);
        let equal = self.compare(Predicate::Eq, x, y);
        let value = self.select(equal, y, value);
        let unordered = self.compare(Predicate::Unordered, x, y);
        let sum = self.same(VectorOp::Add, &[x, y]);
        self.select(unordered, sum, value)
    }
}
