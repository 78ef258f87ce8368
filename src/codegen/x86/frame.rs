//! The general registers of a kernel, and its stack frame.
//!
//! `rax` is the index of the current lane, `rdx` the lanes of a row, `rdi` the pool, `rcx` and `rsi` are
//! scratch, `rbp` is the frame pointer that profilers follow; the others are addresses of streams. What has
//! no register has a slot. All offsets but the number of spilled vectors are known before the code is
//! written; spilled vectors come last.

use super::encoder::{Gpr, Memory};
use super::machine::MachineProgram;
use crate::codegen::vector::{Step, VectorProgram};

pub(super) const LANES: Gpr = Gpr::RDX;
pub(super) const POOL: Gpr = Gpr::RDI;

/// Registers of the first streams.
const STREAM_REGISTERS: [Gpr; 9] =
    [Gpr::RBX, Gpr(8), Gpr(9), Gpr(10), Gpr(11), Gpr(12), Gpr(13), Gpr(14), Gpr(15)];

/// Registers that a call may change, but for `rcx`.
pub(super) const VOLATILE: [Gpr; 8] =
    [Gpr::RAX, Gpr::RDX, Gpr::RSI, Gpr::RDI, Gpr(8), Gpr(9), Gpr(10), Gpr(11)];

/// Offsets from the stack pointer.
pub(super) struct Frame {
    accumulators: Vec<i32>,
    /// A vector of each accumulator before a tail.
    kept: i32,
    stream_slots: i32,
    /// Addresses of streams, while those of a tail stand in for them.
    saved_streams: i32,
    bounce: i32,
    /// Bytes of the copies of one stream.
    bounce_bytes: i32,
    rare: i32,
    spills: i32,
    vector_bytes: i32,
}

const ARGUMENTS: i32 = 0;
const ROWS: i32 = 8;
const POSITION: i32 = 16;
const STREAMS: i32 = 24;
const TAIL: i32 = 32;
const IN_PLACE: i32 = 40;
const LANE_MASK: i32 = 48;
const PAIR_MASKS: i32 = 56;
const HEAD: i32 = 72;
const LANE_COUNT: i32 = 80;
const FIXED: i32 = 128;

/// Bytes of what a rare call keeps: general registers and mask, operands, vectors, mask registers.
const RARE_OPERANDS: i32 = 128;
const RARE_VECTORS: i32 = RARE_OPERANDS + 3 * 64;
const RARE_MASKS: i32 = RARE_VECTORS + 32 * 64;
const RARE_BYTES: i32 = RARE_MASKS + 64;

impl Frame {
    pub(super) fn new(source: &VectorProgram, program: &MachineProgram) -> Frame {
        let streams = source.streams.len() as i32;
        let vector_bytes = program.target.vector_bytes() as i32;
        let mut end = FIXED;
        let mut take = |bytes: i32| {
            let start = end;
            end = (end + bytes + 63) & !63;
            start
        };
        let accumulators = program.accumulators.iter().map(|one| take(one.bytes() as i32)).collect();
        let kept = take(vector_bytes * program.accumulators.len() as i32);
        let stream_slots = take(8 * streams);
        let saved_streams = take(8 * streams);
        let bounces = if program.target.is_evex() { 0 } else { streams };
        let has_pairs = source.streams.iter().any(|stream| stream.step == Step::Pair);
        let bounce_bytes = if has_pairs { 2 * vector_bytes } else { vector_bytes };
        let bounce = take(bounce_bytes * bounces);
        let rare = take(if source.rares.is_empty() { 0 } else { RARE_BYTES });
        Frame {
            accumulators,
            kept,
            stream_slots,
            saved_streams,
            bounce,
            bounce_bytes,
            rare,
            spills: end,
            vector_bytes,
        }
    }

    /// Bytes of a frame with so many spilled vectors.
    pub(super) fn bytes(&self, places: u32) -> i32 {
        self.spills + places as i32 * self.vector_bytes
    }

    pub(super) fn accumulator(&self, n: usize) -> i32 {
        self.accumulators[n]
    }

    pub(super) fn kept(&self, n: usize) -> Memory {
        Memory::at(Gpr::RSP, self.kept + n as i32 * self.vector_bytes)
    }

    pub(super) fn stream_register(&self, stream: usize) -> Option<Gpr> {
        STREAM_REGISTERS.get(stream).copied()
    }

    pub(super) fn stream_slot(&self, stream: usize) -> Memory {
        Memory::at(Gpr::RSP, self.stream_slots + 8 * stream as i32)
    }

    pub(super) fn saved_stream(&self, stream: usize) -> Memory {
        Memory::at(Gpr::RSP, self.saved_streams + 8 * stream as i32)
    }

    pub(super) fn bounce(&self, stream: usize) -> Memory {
        Memory::at(Gpr::RSP, self.bounce + stream as i32 * self.bounce_bytes)
    }

    pub(super) fn spill(&self, place: u32) -> Memory {
        Memory::at(Gpr::RSP, self.spills + place as i32 * self.vector_bytes)
    }

    pub(super) fn arguments(&self) -> Memory {
        Memory::at(Gpr::RSP, ARGUMENTS)
    }

    pub(super) fn rows(&self) -> Memory {
        Memory::at(Gpr::RSP, ROWS)
    }

    pub(super) fn position(&self) -> Memory {
        Memory::at(Gpr::RSP, POSITION)
    }

    pub(super) fn streams(&self) -> Memory {
        Memory::at(Gpr::RSP, STREAMS)
    }

    /// The lanes of a row, for vectors.
    pub(super) fn lanes(&self) -> Memory {
        Memory::at(Gpr::RSP, LANE_COUNT)
    }

    /// Which tail is run: 0 none, 1 in copies, 2 over the end of what is done.
    pub(super) fn tail(&self) -> Memory {
        Memory::at(Gpr::RSP, TAIL)
    }

    pub(super) fn in_place(&self) -> Memory {
        Memory::at(Gpr::RSP, IN_PLACE)
    }

    /// Lanes before the first non-temporal store of a row.
    pub(super) fn head(&self) -> Memory {
        Memory::at(Gpr::RSP, HEAD)
    }

    /// The mask of a tail's lanes.
    pub(super) fn lane_mask(&self) -> Memory {
        Memory::at(Gpr::RSP, LANE_MASK)
    }

    /// The mask of half the pairs of a tail.
    pub(super) fn pair_mask(&self, half: u8) -> Memory {
        Memory::at(Gpr::RSP, PAIR_MASKS + 8 * i32::from(half))
    }

    pub(super) fn rare_register(&self, n: usize) -> Memory {
        Memory::at(Gpr::RSP, self.rare + 8 * n as i32)
    }

    /// The value, x or y of a rare call.
    pub(super) fn rare_operand(&self, n: usize) -> Memory {
        Memory::at(Gpr::RSP, self.rare + RARE_OPERANDS + 64 * n as i32)
    }

    pub(super) fn rare_vector(&self, register: u32) -> Memory {
        Memory::at(Gpr::RSP, self.rare + RARE_VECTORS + 64 * register as i32)
    }

    pub(super) fn rare_mask(&self, register: u32) -> Memory {
        Memory::at(Gpr::RSP, self.rare + RARE_MASKS + 8 * register as i32)
    }
}
