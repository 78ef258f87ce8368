//! Accumulations: their lanes in memory of the kernel's frame.
//!
//! The tree of [`kernels::reduce`](crate::kernels::reduce) has 128 lanes, or 64 of 8 bytes. A vector of
//! elements is combined with the lanes it belongs to; when a row is complete, the upper half of the lanes is
//! combined with the lower until one is left. [`places`](super::places) have lanes of their own.

use super::{Lowerer, unsupported};
use crate::codegen::machine::{Accumulator, Home, Place, Unsupported, Value};
use crate::codegen::neon::machine::{Block, Form, VECTOR};
use crate::codegen::neon::opcode;
use crate::codegen::vector::{Accumulation, Combine, Outcome, Type};
use crate::kernels::reduce::lanes_of_size;

impl Lowerer<'_> {
    /// In the body: a vector of elements into the lanes.
    pub(super) fn accumulate(&mut self) -> Result<(), Unsupported> {
        let program = self.program;
        for accumulation in &program.accumulations {
            let ty = program.ty(accumulation.value);
            if ty == Type::Mask {
                return Err(unsupported("reduce", ty));
            }
            if let Outcome::Place(_) = accumulation.outcome {
                self.seek(accumulation, ty)?;
                continue;
            }
            let (place, lanes) = self.accumulator(ty, lanes_of_size(ty.size()));
            let value = self.value(accumulation.value);
            let combined = self.combine(accumulation.combine, ty, lanes, value)?;
            self.keep(place, ty, combined);
        }
        Ok(())
    }

    /// A new accumulator, and its lanes that the current elements belong to.
    pub(super) fn accumulator(&mut self, ty: Type, count: usize) -> (Place, Value) {
        let place = Place::Accumulator(self.accumulators.len() as u16);
        self.accumulators.push(Accumulator { size: ty.size(), count });
        (place, self.new_value(self.bytes(ty), Some(Home { place, element: 0 }), ty.size()))
    }

    /// New lanes of an accumulator.
    pub(super) fn keep(&mut self, place: Place, ty: Type, value: Value) {
        let form = Form::Store(place, self.bytes(ty) as u8, ty.size() as u8);
        self.push(form, opcode::ORR, None, &[value]);
    }

    /// Before a row: every lane holds the identity.
    pub(super) fn row_start(&mut self) -> Block {
        let program = self.program;
        let mut next = 0;
        for &Accumulation { combine, value, outcome, .. } in &program.accumulations {
            let ty = program.ty(value);
            self.fill(next, combine.identity(ty));
            next += 1;
            if let Outcome::Place(_) = outcome {
                self.fill(next, 0);
                next += 1;
            }
        }
        self.block()
    }

    /// The same element in every lane of an accumulator.
    fn fill(&mut self, n: usize, bits: u64) {
        let element = self.splat(self.accumulators[n].size, bits);
        for offset in (0..self.accumulators[n].bytes()).step_by(VECTOR) {
            let place = Place::AccumulatorAt(n as u16, offset as u16);
            self.push(Form::Store(place, VECTOR as u8, 0), opcode::ORR, None, &[element]);
        }
    }

    /// An accumulator's lanes, as vectors.
    pub(super) fn vectors(&mut self, n: usize) -> Vec<Value> {
        (0..self.accumulators[n].bytes())
            .step_by(VECTOR)
            .map(|offset| {
                let place = Place::AccumulatorAt(n as u16, offset as u16);
                self.new_value(VECTOR, Some(Home { place, element: 0 }), 0)
            })
            .collect()
    }

    /// After a row: the lanes, halved to one, and its store.
    pub(super) fn row_end(&mut self) -> Result<Block, Unsupported> {
        let program = self.program;
        let mut next = 0;
        for accumulation in &program.accumulations {
            let &Accumulation { combine, value, target, outcome } = accumulation;
            let ty = program.ty(value);
            if let Outcome::Place(best) = outcome {
                self.found(next, combine, ty, target, best)?;
                next += 2;
                continue;
            }
            let lanes = self.vectors(next);
            let lower = self.folded(lanes, ty.size(), |this, x, y| this.combine(combine, ty, x, y))?;
            self.keep_element(Place::Row(target), ty.size(), lower);
            next += 1;
        }
        Ok(self.block())
    }

    /// Stores the first element of a vector.
    pub(super) fn keep_element(&mut self, place: Place, size: usize, value: Value) {
        self.push(Form::Store(place, size as u8, size as u8), opcode::ORR, None, &[value]);
    }

    /// All elements combined, the upper half with the lower until there is one.
    pub(super) fn folded(
        &mut self,
        mut lanes: Vec<Value>,
        size: usize,
        mut combine: impl FnMut(&mut Self, Value, Value) -> Result<Value, Unsupported>,
    ) -> Result<Value, Unsupported> {
        while lanes.len() > 1 {
            let upper = lanes.split_off(lanes.len() / 2);
            for (lower, upper) in lanes.iter_mut().zip(upper) {
                *lower = combine(self, *lower, upper)?;
            }
        }
        let mut bytes = VECTOR;
        let mut lower = lanes[0];
        while bytes > size {
            bytes /= 2;
            let upper = self.two(opcode::EXT.bytes_from(bytes as u8), lower, lower);
            lower = combine(self, lower, upper)?;
        }
        Ok(lower)
    }

    /// An accumulator, on the left, and an element.
    pub(super) fn combine(
        &mut self,
        combine: Combine,
        ty: Type,
        x: Value,
        y: Value,
    ) -> Result<Value, Unsupported> {
        if !ty.is_float() {
            return self.integer(combine.op(), ty, x, y);
        }
        let (single, double) = match combine {
            Combine::Min => (opcode::FMIN_S, opcode::FMIN_D),
            Combine::Max => (opcode::FMAX_S, opcode::FMAX_D),
            _ => return self.float(combine.op(), ty, &[x, y]),
        };
        let (equal, nearest) =
            if ty == Type::F32 { (opcode::FCMEQ_S, single) } else { (opcode::FCMEQ_D, double) };
        // The instruction gives NaN where one is, but orders the zeros: the second operand where both are equal.
        let are_equal = self.two(equal, x, y);
        let nearest = self.two(nearest, x, y);
        Ok(self.tied(opcode::BIT, nearest, y, are_equal))
    }
}
