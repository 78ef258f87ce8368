//! The general registers of a kernel, and its stack frame.
//!
//! `x16` and `x17` are scratch, `x6` and `x7` too outside of blocks, in which they are for accumulators; `x9` and up to
//! `x28`, but for `x18`, are addresses of streams: of the current lanes, or of the row's element. What has no register has a
//! slot. All offsets but the number of spilled vectors are known before the code is written; spilled vectors come last.

use super::encoder::Gpr;
use super::machine::{MachineProgram, VECTOR};
use crate::codegen::vector::{Step, VectorProgram};

/// Whether a stream is read and written, or two are at one address.
pub(super) const IN_PLACE: Gpr = Gpr(0);
/// The index of the current lane in its row.
pub(super) const INDEX: Gpr = Gpr(1);
/// Lanes from the current one to the row's end.
pub(super) const LEFT: Gpr = Gpr(2);
/// The position of the current lane.
pub(super) const POSITION: Gpr = Gpr(3);
pub(super) const POOL: Gpr = Gpr(4);
/// The constants behind the code.
pub(super) const CONSTANTS: Gpr = Gpr(5);
pub(super) const THIRD: Gpr = Gpr(6);
pub(super) const FOURTH: Gpr = Gpr(7);
/// Which tail is run: 0 none, 1 in copies, 2 over the end of what is done.
pub(super) const TAIL: Gpr = Gpr(8);
/// Anything, for a few instructions.
pub(super) const SCRATCH: Gpr = Gpr(16);
pub(super) const SECOND: Gpr = Gpr(17);

/// Registers of the first streams.
const STREAM_REGISTERS: [u8; 17] = [9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28];

/// General registers that a call may change.
pub(super) const VOLATILE: usize = 16;

/// Offsets from the stack pointer.
pub(super) struct Frame {
    accumulators: Vec<usize>,
    /// A vector of each accumulator before a tail.
    kept: usize,
    stream_slots: usize,
    /// Addresses of the first lanes of the row.
    row_slots: usize,
    /// Addresses of streams, while those of a tail stand in for them.
    saved_streams: usize,
    bounce: usize,
    /// Bytes of the copies of one stream.
    bounce_bytes: usize,
    rare: usize,
    spills: usize,
}

pub(super) const ROWS: usize = 0;
pub(super) const LANES: usize = 8;
pub(super) const FIRST_POSITION: usize = 16;
pub(super) const STREAMS: usize = 24;
const FIXED: usize = 32;

/// Bytes of what a rare call keeps: general registers, mask and operands, vectors.
const RARE_OPERANDS: usize = 8 * VOLATILE;
const RARE_VECTORS: usize = RARE_OPERANDS + 4 * VECTOR;
const RARE_BYTES: usize = RARE_VECTORS + 32 * VECTOR;

impl Frame {
    pub(super) fn new(source: &VectorProgram, program: &MachineProgram) -> Frame {
        let streams = source.streams.len();
        let mut end = FIXED;
        let mut take = |bytes: usize| {
            let start = end;
            end = (end + bytes).next_multiple_of(VECTOR);
            start
        };
        let accumulators = program.accumulators.iter().map(|one| take(one.bytes())).collect();
        let kept = take(VECTOR * program.accumulators.len());
        let stream_slots = take(8 * streams);
        let row_slots = take(8 * streams);
        let saved_streams = take(8 * streams);
        let has_pairs = source.streams.iter().any(|stream| stream.step == Step::Pair);
        let bounce_bytes = if has_pairs { 2 * VECTOR } else { VECTOR };
        let bounce = take(bounce_bytes * streams);
        let rare = take(if source.rares.is_empty() { 0 } else { RARE_BYTES });
        Frame {
            accumulators,
            kept,
            stream_slots,
            row_slots,
            saved_streams,
            bounce,
            bounce_bytes,
            rare,
            spills: end,
        }
    }

    /// Bytes of a frame with so many spilled vectors.
    pub(super) fn bytes(&self, places: u32) -> usize {
        self.spills + places as usize * VECTOR
    }

    pub(super) fn accumulator(&self, n: usize) -> usize {
        self.accumulators[n]
    }

    pub(super) fn kept(&self, n: usize) -> usize {
        self.kept + n * VECTOR
    }

    pub(super) fn stream_register(&self, stream: usize) -> Option<Gpr> {
        STREAM_REGISTERS.get(stream).map(|&register| Gpr(register))
    }

    pub(super) fn stream_slot(&self, stream: usize) -> usize {
        self.stream_slots + 8 * stream
    }

    pub(super) fn row_slot(&self, stream: usize) -> usize {
        self.row_slots + 8 * stream
    }

    pub(super) fn saved_stream(&self, stream: usize) -> usize {
        self.saved_streams + 8 * stream
    }

    pub(super) fn bounce(&self, stream: usize) -> usize {
        self.bounce + stream * self.bounce_bytes
    }

    pub(super) fn spill(&self, place: u32) -> usize {
        self.spills + place as usize * VECTOR
    }

    pub(super) fn rare_register(&self, n: usize) -> usize {
        self.rare + 8 * n
    }

    /// The mask, value, x or y of a rare call.
    pub(super) fn rare_operand(&self, n: usize) -> usize {
        self.rare + RARE_OPERANDS + VECTOR * n
    }

    pub(super) fn rare_vector(&self, register: u32) -> usize {
        self.rare + RARE_VECTORS + VECTOR * register as usize
    }
}
