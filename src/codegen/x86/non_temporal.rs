//! The loop over the lanes of a row that stores past the caches.
//!
//! A store through the caches first reads the line that it writes, and drives out another one. For results that no cache
//! holds until they are read, both are for nothing. A non-temporal store of whole lines does neither. Its address is a
//! multiple of its size, so a row has a *head*, whose vectors are stored as others are, up to the first line of a stream.
//! The loop then begins inside the last vector of the head, part of which is stored again. What is left at the end of
//! the row is stored as usual too.
//!
//! A row is left to the usual loops where it is short, where its streams do not have their lines at the same lanes, where
//! one is read in place, so that its lines are in the cache, and, with accumulations, which take each lane once, where it
//! has a head. A kernel ends with a fence: what the thread tells others later is not seen before these stores.

use super::emit::{Emitter, Extent, INDEX, SCRATCH, Stores};
use super::encoder::{Arithmetic, Condition, Gpr, Label, Memory};
use super::frame::LANES;
use crate::codegen::machine::Place;
use crate::codegen::schedule::{Shape, Step, steps};
use crate::codegen::vector::StreamId;

/// Bytes of a line.
const LINE: i32 = 64;

/// Bytes of the smallest vector that has a non-temporal store.
const SMALLEST: usize = 16;

impl Emitter<'_> {
    /// The streams that are stored past the caches, with the bytes of a store.
    fn non_temporal(&self) -> impl Iterator<Item = (usize, usize)> {
        let (program, lanes) = (self.source, self.program.lanes);
        let streams = program.non_temporal.iter().map(|stream| stream.index());
        let sized = streams.map(move |stream| (stream, lanes * program.streams[stream].ty.size()));
        sized.filter(|&(_, bytes)| bytes >= SMALLEST)
    }

    pub(super) fn has_non_temporal(&self) -> bool {
        self.non_temporal().next().is_some()
    }

    /// Whether a whole vector goes to a place past the caches.
    pub(super) fn is_non_temporal(&self, place: Place) -> bool {
        let is_one = |of: StreamId| self.non_temporal().any(|(stream, _)| stream == of.index());
        matches!(place, Place::Unit(stream) | Place::Pair(stream, _) if is_one(stream))
    }

    /// The loop, with what comes before it. Jumps to `after` if it was run.
    pub(super) fn non_temporal_loop(&mut self, shape: &Shape, single: &[Step], after: Label) {
        let program = self.program;
        let lanes = shape.copies * program.lanes;
        let (head, top, usual) = (self.asm.label(), self.asm.label(), self.asm.label());
        if self.source.accumulations.is_empty() {
            self.asm.arithmetic_memory_immediate(Arithmetic::Cmp, self.frame.in_place(), 0);
            self.asm.jump_if(Condition::NotEqual, usual);
        }
        self.find_head(usual);
        self.asm.lea(Gpr::RSI, Memory::at(SCRATCH, lanes as i32));
        self.asm.arithmetic(Arithmetic::Cmp, Gpr::RSI, LANES);
        self.asm.jump_if(Condition::Above, usual);
        if self.source.accumulations.is_empty() {
            self.asm.store(self.frame.head(), SCRATCH);
            self.asm.arithmetic_immediate(Arithmetic::Cmp, SCRATCH, 0);
            self.asm.jump_if(Condition::Equal, top);
            self.asm.place(head);
            self.block(&program.body, single, 1, Extent::Whole);
            self.asm.arithmetic_immediate(Arithmetic::Add, INDEX, program.lanes as i32);
            self.asm.arithmetic_memory(Arithmetic::Cmp, INDEX, self.frame.head());
            self.asm.jump_if(Condition::Below, head);
            self.asm.load(INDEX, self.frame.head());
        }
        if shape.parts == Some(1) {
            self.take_accumulators(shape.copies, 0);
        }
        self.asm.align(32);
        self.asm.place(top);
        self.stores = Stores::NonTemporal;
        let body = steps(program.repeated(), &program.values, shape.copies);
        self.turn(&body, shape.copies);
        self.stores = Stores::Temporal;
        self.jump_if_room(lanes, top);
        if shape.parts == Some(1) {
            self.put_accumulators(0);
        }
        self.asm.jump(after);
        self.asm.place(usual);
    }

    /// `rcx` = lanes up to the first line of the first stream. Jumps where another stream cannot be stored from there on, or,
    /// with accumulations, where there are some.
    fn find_head(&mut self, usual: Label) {
        for (n, (stream, bytes)) in self.non_temporal().collect::<Vec<_>>().into_iter().enumerate() {
            let lane = self.source.streams[stream].lane_bytes();
            self.stream_address(Gpr::RSI, stream);
            if n == 0 {
                self.asm.arithmetic(Arithmetic::Xor, SCRATCH, SCRATCH);
                self.asm.arithmetic(Arithmetic::Sub, SCRATCH, Gpr::RSI);
                self.asm.arithmetic_immediate(Arithmetic::And, SCRATCH, LINE - 1);
                self.asm.shift_right(SCRATCH, lane.trailing_zeros() as u8);
            }
            let size = lane.min(8);
            for _ in 0..lane / size {
                self.asm.lea(Gpr::RSI, Memory::indexed(Gpr::RSI, SCRATCH, size, 0));
            }
            self.asm.test_immediate(Gpr::RSI, bytes as i32 - 1);
            self.asm.jump_if(Condition::NotEqual, usual);
        }
        if !self.source.accumulations.is_empty() {
            self.asm.arithmetic_immediate(Arithmetic::Cmp, SCRATCH, 0);
            self.asm.jump_if(Condition::NotEqual, usual);
        }
    }
}
