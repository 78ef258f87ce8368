//! Streams of pairs in memory: addresses, and the masks of a tail.
//!
//! A vector of lanes is two vectors of pairs. The mask of either is in the frame and takes the place of that of the lanes for
//! one instruction.

use super::emit::{Emitter, INDEX, SCRATCH, TAIL_MASK};
use super::encoder::{Arithmetic, Gpr, Memory, Operand};
use super::opcode;
use crate::codegen::machine::Place;
use crate::codegen::vector::Step;

impl Emitter<'_> {
    /// Whether there are streams of pairs.
    pub(super) fn has_pairs(&self) -> bool {
        self.source.streams.iter().any(|stream| stream.step == Step::Pair)
    }

    /// The address of half the pairs of a vector; may take the scratch register.
    pub(super) fn pair_address(&mut self, stream: usize, copy: u8, half: u8) -> Memory {
        let size = self.source.streams[stream].ty.size();
        let elements = 2 * self.ahead + (2 * usize::from(copy) + usize::from(half)) * self.program.lanes;
        let base = self.base(stream);
        let first = self.lane_address(base, 2 * size);
        Memory { displacement: (elements * size) as i32, ..first }
    }

    /// The address of the current lane, of up to 16 bytes, in a stream; may take the scratch register.
    pub(super) fn lane_address(&mut self, base: Gpr, lane: usize) -> Memory {
        let first = Memory::indexed(base, INDEX, lane.min(8), 0);
        if lane <= 8 {
            return first;
        }
        self.asm.lea(SCRATCH, first);
        Memory::indexed(SCRATCH, INDEX, 8, 0)
    }

    /// In a tail, lets the mask be that of the pairs that a place has.
    pub(super) fn mask_half(&mut self, place: Place) {
        if let Place::Pair(_, half) = place {
            let mask = Operand::Memory(self.frame.pair_mask(half));
            self.mask_op(opcode::KMOV_LOAD, false, TAIL_MASK, 0, mask);
        }
    }

    /// In a tail, lets the mask be that of the lanes again.
    pub(super) fn mask_lanes(&mut self, place: Place) {
        if let Place::Pair(..) = place {
            let mask = Operand::Memory(self.frame.lane_mask());
            self.mask_op(opcode::KMOV_LOAD, false, TAIL_MASK, 0, mask);
        }
    }

    /// The masks of a tail to the frame: `rsi` has that of the lanes, at most 16, `rcx` 64 less their number.
    pub(super) fn keep_masks(&mut self) {
        self.asm.store(self.frame.lane_mask(), Gpr::RSI);
        self.asm.shift_left(SCRATCH, 1);
        self.asm.arithmetic_immediate(Arithmetic::Sub, SCRATCH, 64);
        self.asm.mov_immediate(Gpr::RSI, -1);
        self.asm.shift_right_by_cl(Gpr::RSI);
        self.asm.store(self.frame.pair_mask(0), Gpr::RSI);
        self.asm.mov_immediate(SCRATCH, self.program.lanes as i32);
        self.asm.shift_right_by_cl(Gpr::RSI);
        self.asm.store(self.frame.pair_mask(1), Gpr::RSI);
    }
}
