//! Accumulations: the lanes of the reduction tree, in memory of the kernel's frame.
//!
//! The tree of [`kernels::reduce`](crate::kernels::reduce) has 128 lanes, or 64 of 8 bytes. A vector of
//! elements is combined with the lanes it belongs to; when a row is complete, the upper half of the lanes is
//! combined with the lower until one is left.

use super::{Lowerer, unsupported};
use crate::codegen::machine::{Home, Place, Unsupported, Value};
use crate::codegen::neon::machine::{Block, Form, VECTOR};
use crate::codegen::neon::opcode;
use crate::codegen::vector::{Accumulation, Combine, Type};
use crate::kernels::reduce::lanes_of_size;

/// Bytes of the lanes of an accumulation.
pub(in crate::codegen::neon) fn lane_bytes(ty: Type) -> usize {
    lanes_of_size(ty.size()) * ty.size()
}

impl Lowerer<'_> {
    /// In the body: a vector of elements into the lanes.
    pub(super) fn accumulate(&mut self) -> Result<(), Unsupported> {
        let program = self.program;
        for (n, accumulation) in program.accumulations.iter().enumerate() {
            let ty = program.ty(accumulation.value);
            if ty == Type::Mask {
                return Err(unsupported("reduce", ty));
            }
            let bytes = self.bytes(ty);
            let place = Place::Accumulator(n as u16);
            let lanes = self.new_value(bytes, Some(Home { place, element: 0 }), ty.size());
            let value = self.value(accumulation.value);
            let combined = self.combine(accumulation.combine, ty, lanes, value)?;
            self.push(Form::Store(place, bytes as u8, ty.size() as u8), opcode::ORR, None, &[combined]);
        }
        Ok(())
    }

    /// Before a row: every lane holds the identity.
    pub(super) fn row_start(&mut self) -> Block {
        let program = self.program;
        for (n, &Accumulation { combine, value, .. }) in program.accumulations.iter().enumerate() {
            let ty = program.ty(value);
            let identity = self.splat(ty.size(), combine.identity(ty));
            for offset in (0..lane_bytes(ty)).step_by(VECTOR) {
                let place = Place::AccumulatorAt(n as u16, offset as u16);
                self.push(Form::Store(place, VECTOR as u8, 0), opcode::ORR, None, &[identity]);
            }
        }
        self.block()
    }

    /// After a row: the lanes, halved to one, and its store.
    pub(super) fn row_end(&mut self) -> Result<Block, Unsupported> {
        let program = self.program;
        for (n, &Accumulation { combine, value, target }) in program.accumulations.iter().enumerate() {
            let ty = program.ty(value);
            let mut lanes: Vec<Value> = (0..lane_bytes(ty))
                .step_by(VECTOR)
                .map(|offset| {
                    let place = Place::AccumulatorAt(n as u16, offset as u16);
                    self.new_value(VECTOR, Some(Home { place, element: 0 }), 0)
                })
                .collect();
            while lanes.len() > 1 {
                let upper = lanes.split_off(lanes.len() / 2);
                for (lower, upper) in lanes.iter_mut().zip(upper) {
                    *lower = self.combine(combine, ty, *lower, upper)?;
                }
            }
            let mut bytes = VECTOR;
            let mut lower = lanes[0];
            while bytes > ty.size() {
                bytes /= 2;
                let upper = self.two(opcode::EXT.bytes_from(bytes as u8), lower, lower);
                lower = self.combine(combine, ty, lower, upper)?;
            }
            let size = ty.size() as u8;
            self.push(Form::Store(Place::Row(target), size, size), opcode::ORR, None, &[lower]);
        }
        Ok(self.block())
    }

    /// An accumulator, on the left, and an element.
    fn combine(&mut self, combine: Combine, ty: Type, x: Value, y: Value) -> Result<Value, Unsupported> {
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
