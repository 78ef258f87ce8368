//! Accumulations: the lanes of the reduction tree, in memory of the kernel's frame.
//!
//! The tree of [`kernels::reduce`](crate::kernels::reduce) has 128 lanes, or 64 of 8 bytes. A vector of
//! elements is combined with the lanes it belongs to; when a row is complete, the upper half of the lanes is
//! combined with the lower until one is left.

use super::Lowerer;
use crate::codegen::machine::Unsupported;
use crate::codegen::machine::{Class, Home, Place, Value};
use crate::codegen::vector::{Accumulation, Combine, Type};
use crate::codegen::x86::machine::{Block, Form};
use crate::codegen::x86::opcode;
use crate::kernels::reduce::lanes_of_size;

/// Bytes of the lanes of an accumulation.
pub(in crate::codegen::x86) fn lane_bytes(ty: Type) -> usize {
    lanes_of_size(ty.size()) * ty.size()
}

impl Lowerer<'_> {
    /// In the body: a vector of elements into the lanes.
    pub(super) fn accumulate(&mut self) -> Result<(), Unsupported> {
        let program = self.program;
        for (n, accumulation) in program.accumulations.iter().enumerate() {
            let ty = program.ty(accumulation.value);
            if ty == Type::Mask {
                return Err(Unsupported { op: "reduce", ty, target: self.target.name() });
            }
            let bytes = self.bytes(ty);
            let place = Place::Accumulator(n as u16);
            let lanes = self.new_value(Class::Vector, bytes, Some(Home { place, element: 0 }), ty.size());
            let value = self.value(accumulation.value);
            let combined = self.combine(accumulation.combine, ty, bytes, lanes, value)?;
            let form = Form::Store(place, ty.size() as u8);
            self.push(form, opcode::VMOVUPS_STORE, bytes, None, &[combined]);
        }
        Ok(())
    }

    /// Before a row: every lane holds the identity.
    pub(super) fn row_start(&mut self) -> Block {
        let program = self.program;
        let width = self.target.vector_bytes();
        for (n, &Accumulation { combine, value, .. }) in program.accumulations.iter().enumerate() {
            let ty = program.ty(value);
            let identity = self.splat(ty.size(), combine.identity(ty), width);
            for offset in (0..lane_bytes(ty)).step_by(width) {
                let form = Form::Store(Place::AccumulatorAt(n as u16, offset as u16), 0);
                self.push(form, opcode::VMOVUPS_STORE, width, None, &[identity]);
            }
        }
        self.block()
    }

    /// After a row: the lanes, halved to one, and its store.
    pub(super) fn row_end(&mut self) -> Result<Block, Unsupported> {
        let program = self.program;
        let width = self.target.vector_bytes();
        for (n, &Accumulation { combine, value, target }) in program.accumulations.iter().enumerate() {
            let ty = program.ty(value);
            let mut lanes: Vec<Value> = (0..lane_bytes(ty))
                .step_by(width)
                .map(|offset| {
                    let place = Place::AccumulatorAt(n as u16, offset as u16);
                    self.new_value(Class::Vector, width, Some(Home { place, element: 0 }), 0)
                })
                .collect();
            while lanes.len() > 1 {
                let upper = lanes.split_off(lanes.len() / 2);
                for (lower, upper) in lanes.iter_mut().zip(upper) {
                    *lower = self.combine(combine, ty, width, *lower, upper)?;
                }
            }
            let mut bytes = width;
            let mut lower = lanes[0];
            while bytes > ty.size() {
                let half = bytes / 2;
                let upper = if bytes > 16 {
                    self.extract_upper(lower, bytes)
                } else {
                    let upper = self.op(Form::Shift(3), opcode::VPSRLDQ, 16, &[lower]);
                    self.set_immediate(half as u8);
                    upper
                };
                lower = self.combine(combine, ty, half.max(16), lower, upper)?;
                bytes = half;
            }
            let form = Form::StoreElement(Place::Row(target), ty.size() as u8);
            self.push(form, opcode::VMOVD_STORE, 16, None, &[lower]);
        }
        Ok(self.block())
    }

    /// An accumulator, on the left, and an element, in vectors of so many bytes.
    fn combine(
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
