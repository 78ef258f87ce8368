//! Places: where in a row its first minimum or maximum is, or its first NaN.
//!
//! A lane keeps the best of its elements, and its *age*: how many elements of the lane have come since. An element
//! that is better takes the best's place, and the age is 0 again: no other register has to count. When a row is
//! complete, ages and the row's length say where the best of each lane was; of the lanes that have the best of all,
//! the first place is wanted.
//!
//! Any number of lanes gives the same place. They are so many that they stay in registers while the body is
//! repeated, if they can.

use super::{Lowered, Lowerer, unsupported};
use crate::codegen::machine::{Home, Place, Unsupported, Value};
use crate::codegen::neon::machine::VECTOR;
use crate::codegen::neon::opcode;
use crate::codegen::vector::{Accumulation, Combine, Predicate, Shift, StreamId, Type, VectorOp};

impl Lowerer<'_> {
    /// In the body: where a vector of elements is better than what its lanes have.
    pub(super) fn seek(&mut self, accumulation: &Accumulation, ty: Type) -> Result<(), Unsupported> {
        let combine = accumulation.combine;
        let int = match ty {
            Type::I16 => Type::I16,
            Type::I32 | Type::F32 => Type::I32,
            Type::I64 | Type::F64 => Type::I64,
            Type::I8 | Type::Mask => return Err(unsupported("place", ty)),
        };
        // Those of the trees beside them share the copies of the body.
        let count = self.program.fewest_tree_lanes().unwrap_or(4 * self.lanes);
        let size = ty.size();
        let (best_place, best) = self.accumulator(ty, count);
        let (age_place, age) = self.accumulator(int, count);
        let value = self.value(accumulation.value);
        let replaces = self.replaces(combine, ty, value, best)?;
        let one = self.splat(size, 1);
        let older = self.integer(VectorOp::Add, int, age, one)?;
        let mask = self.mask_of_width(replaces, size);
        let age = self.two(opcode::BIC, older, mask);
        let best = self.choose(mask, value, best);
        self.keep(age_place, int, age);
        self.keep(best_place, ty, best);
        Ok(())
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
            return Err(unsupported("place", ty));
        };
        let compared = self.compare(predicate, ty, low, high)?;
        if !ty.is_float() {
            return Ok(compared);
        }
        // Of a NaN it is not known to be no better; nothing is better than one.
        let is_number = self.compare(Predicate::Eq, ty, best, best)?;
        Ok(self.combine_masks(VectorOp::AndNot, compared, is_number))
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
        let (size, count) = (ty.size(), self.accumulators[n].count);
        // Places are small: the lower halves of 8 bytes hold them.
        let int = if size == 2 { Type::I16 } else { Type::I32 };
        let (bests, ages) = (self.vectors(n), self.vectors(n + 1));
        let top = self.folded(bests.clone(), size, |this, x, y| this.combine(combine, ty, x, y))?;
        if let Some(best) = best {
            self.keep_element(Place::Row(best), size, top);
        }
        let top = self.moved(top, |byte| (byte % size) as u8);
        let len = self.new_value(VECTOR, Some(Home { place: Place::Lanes, element: size as u8 }), 0);
        let in_turn = self.splat(size, count as u64 - 1);
        let none = self.splat(size, u64::MAX);
        let mut places = Vec::with_capacity(bests.len());
        for (v, (lanes, age)) in bests.into_iter().zip(ages).enumerate() {
            let first = v * VECTOR / size;
            let number = |byte: usize| ((first + 1 + byte / size) as u64).to_le_bytes()[byte % size];
            let numbers = self.constant(std::array::from_fn(number));
            // The lane's last element is `rest`, rounded down to whole turns, behind its first.
            let rest = self.integer(VectorOp::Sub, int, len, numbers)?;
            let last = self.two(opcode::BIC, rest, in_turn);
            let since = self.shift(Shift::Left, size, age, count.trailing_zeros() as u8);
            let turn = self.integer(VectorOp::Sub, int, last, since)?;
            let after = self.integer(VectorOp::Add, int, turn, numbers)?;
            let mut is_best = self.compare(Predicate::Eq, ty, lanes, top)?;
            if ty.is_float() {
                // All lanes that are NaN are as good, if one is.
                let is_nan = self.compare(Predicate::Unordered, ty, lanes, lanes)?;
                is_best = self.combine_masks(VectorOp::Or, is_best, is_nan);
            }
            places.push(self.select(is_best, size, after, none));
        }
        let after = self.folded(places, size, |this, x, y| this.integer(VectorOp::MinUnsigned, int, x, y))?;
        // A lane that found nothing better than what it began with names a place before the first: then all elements
        // are that.
        let one = self.splat(size, 1);
        let place = self.integer(VectorOp::Sub, int, after, one)?;
        let zero = self.splat(size, 0);
        let place = self.integer(VectorOp::MaxSigned, int, place, zero)?;
        let place = if size < 8 { self.widen(false, size, 8, place) } else { place };
        self.keep_element(Place::Row(target), 8, place);
        Ok(())
    }
}
