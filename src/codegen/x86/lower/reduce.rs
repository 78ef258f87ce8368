//! Accumulations: their lanes in memory of the kernel's frame.
//!
//! The tree of [`kernels::reduce`](crate::kernels::reduce) has 128 lanes, or 64 of 8 bytes. A vector of
//! elements is combined with the lanes it belongs to; when a row is complete, the upper half of the lanes is
//! combined with the lower until one is left. [`places`](super::places) have lanes of their own.

use super::Lowerer;
use crate::codegen::machine::Unsupported;
use crate::codegen::machine::{Accumulator, Class, Home, Place, Value};
use crate::codegen::vector::{Accumulation, Combine, Outcome, Type};
use crate::codegen::x86::machine::{Block, Form};
use crate::codegen::x86::opcode;
use crate::kernels::reduce::lanes_of_size;

impl Lowerer<'_> {
    /// In the body: a vector of elements into the lanes.
    pub(super) fn accumulate(&mut self) -> Result<(), Unsupported> {
        let program = self.program;
        for accumulation in &program.accumulations {
            let ty = program.ty(accumulation.value);
            if ty == Type::Mask {
                return Err(Unsupported { op: "reduce", ty, target: self.target.name() });
            }
            if let Outcome::Place(_) = accumulation.outcome {
                self.seek(accumulation, ty)?;
                continue;
            }
            let bytes = self.bytes(ty);
            let (place, lanes) = self.accumulator(ty, lanes_of_size(ty.size()));
            let value = self.value(accumulation.value);
            let combined = self.combine(accumulation.combine, ty, bytes, lanes, value)?;
            self.keep(place, ty, combined);
        }
        Ok(())
    }

    /// A new accumulator, and its lanes that the current elements belong to.
    pub(super) fn accumulator(&mut self, ty: Type, count: usize) -> (Place, Value) {
        let place = Place::Accumulator(self.accumulators.len() as u16);
        self.accumulators.push(Accumulator { size: ty.size(), count });
        let home = Home { place, element: 0 };
        (place, self.new_value(Class::Vector, self.bytes(ty), Some(home), ty.size()))
    }

    /// New lanes of an accumulator.
    pub(super) fn keep(&mut self, place: Place, ty: Type, value: Value) {
        let form = Form::Store(place, ty.size() as u8);
        self.push(form, opcode::VMOVUPS_STORE, self.bytes(ty), None, &[value]);
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
        let width = self.width(n);
        let element = self.splat(self.accumulators[n].size, bits, width);
        for offset in (0..self.accumulators[n].bytes()).step_by(width) {
            let form = Form::Store(Place::AccumulatorAt(n as u16, offset as u16), 0);
            self.push(form, opcode::VMOVUPS_STORE, width, None, &[element]);
        }
    }

    /// Bytes of an accumulator that are done at once.
    pub(super) fn width(&self, n: usize) -> usize {
        self.target.vector_bytes().min(self.accumulators[n].bytes())
    }

    /// An accumulator's lanes, as vectors.
    pub(super) fn vectors(&mut self, n: usize) -> Vec<Value> {
        let width = self.width(n);
        (0..self.accumulators[n].bytes())
            .step_by(width)
            .map(|offset| {
                let place = Place::AccumulatorAt(n as u16, offset as u16);
                self.new_value(Class::Vector, width, Some(Home { place, element: 0 }), 0)
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
            let width = self.width(next);
            let lower = self.folded(lanes, width, ty.size(), |this, bytes, x, y| {
                this.combine(combine, ty, bytes, x, y)
            })?;
            self.keep_element(Place::Row(target), ty.size(), lower);
            next += 1;
        }
        Ok(self.block())
    }

    /// Stores the first element of a vector.
    pub(super) fn keep_element(&mut self, place: Place, size: usize, value: Value) {
        self.push(Form::StoreElement(place, size as u8), opcode::VMOVD_STORE, 16, None, &[value]);
    }

    /// All elements combined, the upper half with the lower until there is one.
    pub(super) fn folded(
        &mut self,
        mut lanes: Vec<Value>,
        width: usize,
        size: usize,
        mut combine: impl FnMut(&mut Self, usize, Value, Value) -> Result<Value, Unsupported>,
    ) -> Result<Value, Unsupported> {
        while lanes.len() > 1 {
            let upper = lanes.split_off(lanes.len() / 2);
            for (lower, upper) in lanes.iter_mut().zip(upper) {
                *lower = combine(self, width, *lower, upper)?;
            }
        }
        let mut bytes = width;
        let mut lower = lanes[0];
        while bytes > size {
            let half = bytes / 2;
            let upper = if bytes > 16 {
                self.extract_upper(lower, bytes)
            } else {
                let upper = self.op(Form::Shift(3), opcode::VPSRLDQ, 16, &[lower]);
                self.set_immediate(half as u8);
                upper
            };
            lower = combine(self, half.max(16), lower, upper)?;
            bytes = half;
        }
        Ok(lower)
    }

    /// An accumulator, on the left, and an element, in vectors of so many bytes.
    pub(super) fn combine(
        &mut self,
        combine: Combine,
        ty: Type,
        bytes: usize,
        x: Value,
        y: Value,
    ) -> Result<Value, Unsupported> {
        let op = combine.op();
        if !ty.is_float() {
            return self.integer_of(op, ty, bytes, x, y);
        }
        let value = self.float(op, ty, bytes, &[x, y])?;
        if !matches!(combine, Combine::Min | Combine::Max) {
            return Ok(value);
        }
        // The instruction gives y where x is NaN.
        let is_nan = self.compare_floats_of(ty, bytes, 0x03, x, x);
        Ok(self.select(is_nan, ty.size(), bytes, x, value))
    }
}
