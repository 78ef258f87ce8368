//! Places: where in a row its first minimum or maximum is, or its first NaN.
//!
//! A lane keeps the best of its elements, and its *age*: how many elements of the lane have come since. An element
//! that is better takes the best's place, and the age is 0 again: no other register has to count. When a row is
//! complete, ages and the row's length say where the best of each lane was; of the lanes that have the best of all,
//! the first place is wanted.
//!
//! Any number of lanes gives the same place. They are so many that they stay in registers while the body is
//! repeated, if they can.

use super::{Lowered, Lowerer};
use crate::codegen::machine::{Class, Home, Place, Unsupported, Value};
use crate::codegen::vector::{Accumulation, Combine, Shift, StreamId, Type, VectorOp};
use crate::codegen::x86::opcode;

/// Instructions of a body that has no registers to spare for lanes where registers are few.
const LONG_BODY: usize = 20;

impl Lowerer<'_> {
    /// In the body: where a vector of elements is better than what its lanes have.
    pub(super) fn seek(&mut self, accumulation: &Accumulation, ty: Type) -> Result<(), Unsupported> {
        let combine = accumulation.combine;
        let int = match ty {
            Type::I16 => Type::I16,
            Type::I32 | Type::F32 => Type::I32,
            Type::I64 | Type::F64 => Type::I64,
            Type::I8 | Type::Mask => {
                return Err(Unsupported { op: "place", ty, target: self.target.name() });
            }
        };
        let (size, bytes, count) = (ty.size(), self.bytes(ty), self.lanes_of_places());
        let (best_place, best) = self.accumulator(ty, count);
        let (age_place, age) = self.accumulator(int, count);
        let value = self.value(accumulation.value);
        let replaces = self.replaces(combine, ty, value, best)?;
        let one = self.splat(size, 1, bytes);
        let older = self.integer_of(VectorOp::Add, int, bytes, age, one)?;
        let age = self.zero_where(replaces, size, bytes, older);
        let best = self.select(replaces, size, bytes, value, best);
        self.keep(age_place, int, age);
        self.keep(best_place, ty, best);
        Ok(())
    }

    /// How many lanes places have: those of the trees beside them, with which they share the copies of the body.
    fn lanes_of_places(&self) -> usize {
        let vectors = if self.is_evex() || self.insts.len() >= LONG_BODY { 4 } else { 2 };
        self.program.fewest_tree_lanes().unwrap_or(vectors * self.lanes)
    }

    /// Whether an element is better than the best so far, or the first NaN.
    fn replaces(
        &mut self,
        combine: Combine,
        ty: Type,
        value: Value,
        best: Value,
    ) -> Result<Lowered, Unsupported> {
        let Some((predicate, low, high)) = combine.comparison(value, best) else {
            return Err(Unsupported { op: "place", ty, target: self.target.name() });
        };
        let compared = self.compare(predicate, ty, low, high)?;
        if !ty.is_float() {
            return Ok(compared);
        }
        // Of a NaN it is not known to be no better; nothing is better than one.
        let is_number = self.compare_floats(ty, 0x07, best, best);
        Ok(self.combine_lowered(VectorOp::AndNot, compared, is_number))
    }

    /// Zero where a mask holds, else the element.
    fn zero_where(&mut self, mask: Lowered, size: usize, bytes: usize, x: Value) -> Value {
        if self.is_evex() {
            let zero = self.splat(size, 0, bytes);
            return self.select(mask, size, bytes, zero, x);
        }
        if mask.inverted {
            self.and(bytes, mask.value, x)
        } else {
            self.two(opcode::VPANDN, bytes, mask.value, x)
        }
    }

    /// After a row: the first place of the best, of the lanes of accumulator `n` and the ages behind it.
    pub(super) fn found(
        &mut self,
        n: usize,
        combine: Combine,
        ty: Type,
        target: StreamId,
        best: Option<StreamId>,
    ) -> Result<(), Unsupported> {
        let (size, width, count) = (ty.size(), self.width(n), self.accumulators[n].count);
        // Places are small: the lower halves of 8 bytes hold them.
        let int = if size == 2 { Type::I16 } else { Type::I32 };
        let (bests, ages) = (self.vectors(n), self.vectors(n + 1));
        let top = self
            .folded(bests.clone(), width, size, |this, bytes, x, y| this.combine(combine, ty, bytes, x, y))?;
        if let Some(best) = best {
            self.keep_element(Place::Row(best), size, top);
        }
        let broadcast = match size {
            2 => opcode::VPBROADCASTW,
            4 => opcode::VPBROADCASTD,
            _ => opcode::VPBROADCASTQ,
        };
        let top = self.one(broadcast, width, top);
        let home = Home { place: Place::Lanes, element: size as u8 };
        let len = self.new_value(Class::Vector, width, Some(home), 0);
        let in_turn = self.splat(size, count as u64 - 1, width);
        let none = self.splat(size, u64::MAX >> (64 - 8 * size), width);
        let mut places = Vec::with_capacity(bests.len());
        for (v, (lanes, age)) in bests.into_iter().zip(ages).enumerate() {
            let first = v * width / size;
            let numbers = (first + 1..).take(width / size);
            let numbers: Vec<u8> = numbers.flat_map(|n| n.to_le_bytes().into_iter().take(size)).collect();
            let numbers = self.table(&numbers);
            // The lane's last element is `rest`, rounded down to whole turns, behind its first.
            let rest = self.integer_of(VectorOp::Sub, int, width, len, numbers)?;
            let last = self.two(self.bitwise(VectorOp::AndNot, size), width, in_turn, rest);
            let since = self.shift_imm(Shift::Left, size, width, age, count.trailing_zeros() as u8);
            let turn = self.integer_of(VectorOp::Sub, int, width, last, since)?;
            let after = self.integer_of(VectorOp::Add, int, width, turn, numbers)?;
            let is_best = self.is_top(ty, width, lanes, top);
            places.push(self.select(is_best, size, width, after, none));
        }
        let after = self.folded(places, width, size, |this, bytes, x, y| {
            this.integer_of(VectorOp::MinUnsigned, int, bytes, x, y)
        })?;
        // A lane that found nothing better than what it began with names a place before the first: then all elements
        // are that.
        let one = self.splat(size, 1, 16);
        let place = self.integer_of(VectorOp::Sub, int, 16, after, one)?;
        let zero = self.zeros(16);
        let place = self.integer_of(VectorOp::MaxSigned, int, 16, place, zero)?;
        let place = match size {
            2 => self.one(opcode::VPMOVZXWQ, 16, place),
            4 => self.one(opcode::VPMOVZXDQ, 16, place),
            _ => place,
        };
        self.keep_element(Place::Row(target), 8, place);
        Ok(())
    }

    /// Whether elements are the best of all: equal to it, or NaN, which then it is.
    fn is_top(&mut self, ty: Type, width: usize, x: Value, top: Value) -> Lowered {
        if !ty.is_float() {
            return self.equal(ty.size(), width, x, top);
        }
        let equal = self.compare_floats_of(ty, width, 0x00, x, top);
        let is_nan = self.compare_floats_of(ty, width, 0x03, x, x);
        if self.is_evex() {
            return self.combine_lowered(VectorOp::Or, equal, is_nan);
        }
        Lowered { value: self.or(width, equal.value, is_nan.value), ..equal }
    }
}
