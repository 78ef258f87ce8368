//! A kernel as a whole: the loop over rows, in each of them the loop over lanes, and what is left at its end.
//!
//! The body exists twice: over several vectors at once, and over one. The last lanes of a row are done by going back so far
//! that they fill a vector, or, where that would compute something twice from what it has overwritten, or the row is shorter
//! than a vector, in copies of the streams' last elements in the frame. No memory is touched outside a stream's lanes.
//!
//! The addresses of streams follow the lanes, so that each vector of a body is at a constant distance from one.

use super::emit::Emitter;
use super::encoder::{Assembler, Condition, Data, Gpr, Label};
use super::frame::{
    CONSTANTS, FIRST_POSITION, FOURTH, Frame, IN_PLACE, INDEX, LANES, LEFT, POOL, POSITION, ROWS, SCRATCH,
    SECOND, STREAMS, TAIL, THIRD,
};
use super::lower::{lower, unsupported};
use super::machine::VECTOR;
use super::opcode;
use crate::codegen::machine::{MachineCode, Place, Unsupported, Value};
use crate::codegen::schedule::{Bounds, Shape, Step as Scheduled, pinned, steps};
use crate::codegen::vector::{Step, Type, VectorOp, VectorProgram};
use smallvec::SmallVec;

/// Offsets of the fields of `KernelArgs`.
const ARGUMENT_ROWS: usize = 0;
const ARGUMENT_LANES: usize = 8;
const ARGUMENT_POSITION: usize = 16;
const ARGUMENT_POOL: usize = 24;
const ARGUMENT_STREAMS: usize = 32;

/// Bytes of the smallest page.
const PAGE: usize = 4096;

/// Pairs of streams whose addresses are compared; with more, they are taken to be equal.
const MOST_PAIRS: usize = 24;

/// The code of a program. `forced` is a number of copies of the body, for tests.
pub(super) fn compile(source: &VectorProgram, forced: Option<usize>) -> Result<MachineCode, Unsupported> {
    let program = lower(source)?;
    let bounds = Bounds { registers: program.target.registers, parts: 1 };
    let (pinned, shape) = pinned(&program, bounds, forced);
    let kernel = |probed| {
        let mut emitter = Emitter {
            asm: Assembler::new(),
            source,
            program: &program,
            frame: Frame::new(source, &program),
            pinned: &pinned,
            copies: shape.copies,
            rares: Vec::new(),
            places: 0,
            accumulators: Vec::new(),
            table: None,
            lane_bases: SmallVec::new(),
        };
        let code = emitter.kernel(&shape, probed);
        (code, emitter.frame.bytes(emitter.places))
    };
    let (code, frame_bytes) = kernel(0);
    // How much is spilled is known when the code is written. A frame of more than a page could lie beyond the
    // page that guards the end of the stack: each of its pages is then touched in turn.
    let code = if frame_bytes > PAGE { kernel(frame_bytes).0 } else { code };
    code.ok_or_else(|| {
        unsupported("a program so long", source.insts.first().map_or(Type::I8, |inst| inst.ty))
    })
}

impl Emitter<'_> {
    /// The kernel; none if a branch is too long.
    fn kernel(&mut self, shape: &Shape, probed: usize) -> Option<MachineCode> {
        let program = self.program;
        let (row, row_end, exit) = (self.asm.label(), self.asm.label(), self.asm.label());
        let copy = self.asm.label();
        let frame_at = self.prologue(exit, probed);
        for &(value, register) in self.pinned {
            self.load_pinned(value, register, |place| !matches!(place, Place::Row(_)));
        }
        self.asm.place(row);
        for &(value, register) in self.pinned {
            self.load_pinned(value, register, |place| matches!(place, Place::Row(_)));
        }
        let row_start = steps(&program.row_start, &program.values, 1);
        self.block(&program.row_start, &row_start, 1);
        self.load_general(LEFT, Gpr::SP, LANES);
        if self.sees_position() {
            self.load_general(POSITION, Gpr::SP, FIRST_POSITION);
        }
        if !self.program.accumulators.is_empty() {
            self.asm.mov_immediate(INDEX, 0);
        }
        if shape.copies > 1 {
            self.main_loop(shape, row_end);
        }
        let single = steps(&program.body, &program.values, 1);
        self.single_loop(&single, row_end, copy);
        self.asm.place(row_end);
        let end = steps(&program.row_end, &program.values, 1);
        self.block(&program.row_end, &end, 1);
        self.next_row(row, exit);
        self.asm.place(exit);
        self.epilogue();
        self.asm.place(copy);
        self.copy_routine();
        self.rare_calls();
        let bytes = self.frame.bytes(self.places);
        for (word, part) in [bytes & !0xfff, bytes & 0xfff].into_iter().enumerate() {
            self.asm.patch(frame_at + word, Assembler::sum_word(true, Gpr::SP, Gpr::SP, part));
        }
        let mut constants = program.constants.clone();
        constants.resize(self.window_offset(), 0);
        if !self.program.accumulators.is_empty() {
            constants.extend_from_slice(&[0xff; VECTOR]);
            constants.extend_from_slice(&[0; VECTOR]);
        }
        let instructions = self.asm.position();
        let bytes = std::mem::replace(&mut self.asm, Assembler::new()).finish(&constants)?;
        Some(MachineCode { bytes, instructions })
    }

    /// Where, among the constants, a vector of ones is followed by one of zeros.
    fn window_offset(&self) -> usize {
        self.program.constants.len().next_multiple_of(VECTOR)
    }

    fn sees_position(&self) -> bool {
        self.source.insts.iter().any(|inst| inst.op == VectorOp::Position)
    }

    fn load_pinned(&mut self, value: Value, register: u8, is_now: impl Fn(Place) -> bool) {
        let info = self.program.values[value.index()];
        if info.home.is_some_and(|home| is_now(home.place)) {
            self.load_home(info, register, 0);
        }
    }

    /// The pairs of general registers that a kernel keeps for its caller, beside those of every function's frame.
    fn saved(&self) -> &'static [(Gpr, Gpr)] {
        const PAIRS: [(Gpr, Gpr); 5] = [
            (Gpr(19), Gpr(20)),
            (Gpr(21), Gpr(22)),
            (Gpr(23), Gpr(24)),
            (Gpr(25), Gpr(26)),
            (Gpr(27), Gpr(28)),
        ];
        let last = self.source.streams.len().checked_sub(1);
        let is_used =
            last.is_some_and(|last| self.frame.stream_register(last).is_none_or(|last| last.0 >= 19));
        if is_used { &PAIRS } else { &[] }
    }

    /// Up to the first row. Returns where the frame's size is to be written, in two words. So many bytes of the frame are
    /// touched page by page.
    fn prologue(&mut self, exit: Label, probed: usize) -> usize {
        self.asm.push_pair(Gpr::FRAME, Gpr::LINK);
        self.asm.add_immediate(Gpr::FRAME, Gpr::SP, 0);
        for &(x, y) in self.saved() {
            self.asm.push_pair(x, y);
        }
        for register in [8, 10, 12, 14] {
            self.asm.push_vectors(register, register + 1);
        }
        for offset in (PAGE..probed).step_by(PAGE) {
            self.asm.subtract_immediate(SCRATCH, Gpr::SP, offset);
            self.asm.store(Data::General(SCRATCH, 8), SCRATCH, 0);
        }
        let frame_at = self.asm.position() / 4;
        self.asm.push(0);
        self.asm.push(0);
        let arguments = Gpr(0);
        for (from, to) in [
            (ARGUMENT_LANES, LANES),
            (ARGUMENT_POSITION, FIRST_POSITION),
            (ARGUMENT_STREAMS, STREAMS),
            (ARGUMENT_ROWS, ROWS),
        ] {
            self.load_general(SCRATCH, arguments, from);
            self.store_general(SCRATCH, Gpr::SP, to);
        }
        self.asm.branch_if_zero(SCRATCH, exit);
        self.load_general(POOL, arguments, ARGUMENT_POOL);
        self.load_general(FOURTH, arguments, ARGUMENT_STREAMS);
        self.asm.constants(CONSTANTS);
        self.asm.mov_immediate(TAIL, 0);
        for stream in 0..self.source.streams.len() {
            let register = self.frame.stream_register(stream).unwrap_or(SCRATCH);
            self.load_general(register, FOURTH, 16 * stream);
            self.set_stream_address(stream, register);
            if self.source.streams[stream].step != Step::Row {
                self.store_general(register, Gpr::SP, self.frame.row_slot(stream));
            }
        }
        self.find_in_place();
        if self.source.tables.len() == 1 {
            self.load_table(0);
        }
        frame_at
    }

    /// A stream's address, in its register or brought to one.
    fn stream_address(&mut self, or: Gpr, stream: usize) -> Gpr {
        match self.frame.stream_register(stream) {
            Some(register) => register,
            None => {
                self.load_general(or, Gpr::SP, self.frame.stream_slot(stream));
                or
            }
        }
    }

    fn set_stream_address(&mut self, stream: usize, from: Gpr) {
        match self.frame.stream_register(stream) {
            Some(register) if register != from => self.asm.mov(register, from),
            Some(_) => {}
            None => self.store_general(from, Gpr::SP, self.frame.stream_slot(stream)),
        }
    }

    /// Notes whether a stream is read and written, or two are at one address.
    fn find_in_place(&mut self) {
        let directions = self.source.directions();
        let read = || directions.iter().enumerate().filter(|(_, (read, _))| *read).map(|(n, _)| n);
        let written = || directions.iter().enumerate().filter(|(_, (_, written))| *written).map(|(n, _)| n);
        let is_known = directions.iter().any(|&(read, written)| read && written)
            || read().count() * written().count() > MOST_PAIRS
            || !self.program.accumulators.is_empty();
        self.asm.mov_immediate(IN_PLACE, u64::from(is_known));
        if is_known {
            return;
        }
        for store in written() {
            for load in read() {
                let differ = self.asm.label();
                let written = self.stream_address(THIRD, store);
                let read = self.stream_address(FOURTH, load);
                self.asm.compare(written, read);
                self.asm.branch_if(Condition::NotEqual, differ);
                self.asm.mov_immediate(IN_PLACE, 1);
                self.asm.place(differ);
            }
        }
    }

    fn epilogue(&mut self) {
        let saved = self.saved();
        self.asm.subtract_immediate(Gpr::SP, Gpr::FRAME, 16 * (saved.len() + 4));
        for register in [14, 12, 10, 8] {
            self.asm.pop_vectors(register, register + 1);
        }
        for &(x, y) in saved.iter().rev() {
            self.asm.pop_pair(x, y);
        }
        self.asm.pop_pair(Gpr::FRAME, Gpr::LINK);
        self.asm.ret();
    }

    /// All streams to the next row, or out.
    fn next_row(&mut self, row: Label, exit: Label) {
        self.load_general(SCRATCH, Gpr::SP, ROWS);
        self.asm.subtract_immediate(SCRATCH, SCRATCH, 1);
        self.store_general(SCRATCH, Gpr::SP, ROWS);
        self.asm.branch_if_zero(SCRATCH, exit);
        self.load_general(FOURTH, Gpr::SP, STREAMS);
        for stream in 0..self.source.streams.len() {
            let follows = self.source.streams[stream].step != Step::Row;
            let from = if follows {
                self.load_general(SCRATCH, Gpr::SP, self.frame.row_slot(stream));
                SCRATCH
            } else {
                self.stream_address(SCRATCH, stream)
            };
            self.load_general(THIRD, FOURTH, 16 * stream + 8);
            self.asm.add(SCRATCH, from, THIRD, 0);
            self.set_stream_address(stream, SCRATCH);
            if follows {
                self.store_general(SCRATCH, Gpr::SP, self.frame.row_slot(stream));
            }
        }
        self.asm.branch(row);
    }

    /// The streams that follow the lanes, with the bytes of a lane.
    fn lane_streams(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let streams = self.source.streams.iter().enumerate().filter(|(_, stream)| stream.step != Step::Row);
        streams.map(|(n, stream)| (n, stream.lane_bytes())).collect::<Vec<_>>().into_iter()
    }

    /// On by so many lanes.
    fn advance(&mut self, lanes: usize) {
        for (stream, size) in self.lane_streams() {
            let address = self.stream_address(SCRATCH, stream);
            self.asm.add_immediate(address, address, lanes * size);
            self.set_stream_address(stream, address);
        }
        if self.sees_position() {
            self.asm.add_immediate(POSITION, POSITION, lanes);
        }
        if !self.program.accumulators.is_empty() {
            self.asm.add_immediate(INDEX, INDEX, lanes);
        }
        self.asm.subtract_immediate(LEFT, LEFT, lanes);
    }

    /// Back, so far that so many lanes are left. There are no accumulators.
    fn go_back(&mut self, lanes: usize) {
        self.asm.mov_immediate(SCRATCH, lanes as u64);
        self.asm.subtract(SCRATCH, SCRATCH, LEFT, 0);
        for (stream, size) in self.lane_streams() {
            let address = self.stream_address(SECOND, stream);
            self.asm.subtract(address, address, SCRATCH, size.trailing_zeros());
            self.set_stream_address(stream, address);
        }
        if self.sees_position() {
            self.asm.subtract(POSITION, POSITION, SCRATCH, 0);
        }
        self.asm.mov_immediate(LEFT, lanes as u64);
    }

    /// The body over several vectors, as long as there are so many.
    fn main_loop(&mut self, shape: &Shape, row_end: Label) {
        let program = self.program;
        let copies = shape.copies;
        let lanes = copies * program.lanes;
        let (top, done) = (self.asm.label(), self.asm.label());
        self.asm.compare_immediate(LEFT, lanes);
        self.asm.branch_if(Condition::Below, done);
        if shape.parts.is_some() {
            self.take_accumulators(copies);
        }
        self.asm.align(4);
        self.asm.place(top);
        let body = steps(&program.body, &program.values, copies);
        self.block(&program.body, &body, copies);
        self.advance(lanes);
        self.asm.compare_immediate(LEFT, lanes);
        self.asm.branch_if(Condition::AboveEqual, top);
        if shape.parts.is_some() {
            self.put_accumulators();
        }
        if self.program.accumulators.is_empty() {
            // Where more than half as much is left, the last lanes of the row are done as one, some of them
            // again.
            self.asm.branch_if_zero(LEFT, row_end);
            self.asm.branch_unless_zero(IN_PLACE, done);
            self.asm.compare_immediate(LEFT, lanes / 2);
            self.asm.branch_if(Condition::BelowEqual, done);
            self.go_back(lanes);
            self.asm.branch(top);
        }
        self.asm.place(done);
    }

    /// The lanes of accumulators, which as many copies make up, into registers below the pinned ones.
    fn take_accumulators(&mut self, copies: usize) {
        let highest = (self.program.target.registers - self.pinned.len()) as u8;
        let mut registers = (0..highest).rev();
        self.copies = copies;
        let accumulators = self.program.accumulators.iter();
        self.accumulators = accumulators.map(|_| registers.by_ref().take(copies).collect()).collect();
        self.each_accumulator(|emitter, bytes, register, memory| {
            emitter.load_vector(bytes, register, memory);
        });
    }

    fn put_accumulators(&mut self) {
        self.each_accumulator(|emitter, bytes, register, memory| {
            emitter.store_vector(bytes, register, memory);
        });
        self.accumulators.clear();
    }

    fn each_accumulator(&mut self, mut f: impl FnMut(&mut Self, usize, u8, (Gpr, usize))) {
        for (n, registers) in self.accumulators.clone().into_iter().enumerate() {
            let size = self.program.accumulators[n].size;
            let bytes = size * self.program.lanes;
            for (copy, register) in registers.into_iter().enumerate() {
                let memory = self.address(Place::Accumulator(n as u16), copy as u8, bytes);
                f(self, bytes, register, memory);
            }
        }
    }

    /// The rest of a row, a whole vector at a time.
    fn single_loop(&mut self, single: &[Scheduled], row_end: Label, copy: Label) {
        let program = self.program;
        let lanes = program.lanes;
        let (top, rest, bounce, tail_end) =
            (self.asm.label(), self.asm.label(), self.asm.label(), self.asm.label());
        self.asm.compare_immediate(LEFT, lanes);
        self.asm.branch_if(Condition::Below, rest);
        self.asm.place(top);
        self.block(&program.body, single, 1);
        self.asm.branch_unless_zero(TAIL, tail_end);
        self.advance(lanes);
        self.asm.compare_immediate(LEFT, lanes);
        self.asm.branch_if(Condition::AboveEqual, top);
        self.asm.place(rest);
        self.asm.branch_if_zero(LEFT, row_end);
        self.load_general(SCRATCH, Gpr::SP, LANES);
        self.asm.compare_immediate(SCRATCH, lanes);
        self.asm.branch_if(Condition::Below, bounce);
        self.asm.branch_unless_zero(IN_PLACE, bounce);
        // The last whole vector of the row, part of which is done again.
        self.asm.mov_immediate(TAIL, 2);
        self.go_back(lanes);
        self.asm.branch(top);
        self.asm.place(bounce);
        self.asm.mov_immediate(TAIL, 1);
        self.enter_bounce(copy);
        self.asm.branch(top);
        self.asm.place(tail_end);
        self.asm.compare_immediate(TAIL, 1);
        self.asm.mov_immediate(TAIL, 0);
        self.asm.branch_if(Condition::NotEqual, row_end);
        self.leave_bounce(copy);
    }

    /// Puts copies of the last elements in the place of all streams that follow the lanes.
    fn enter_bounce(&mut self, copy: Label) {
        for (stream, (is_read, is_written)) in self.source.directions().into_iter().enumerate() {
            if !is_read && !is_written {
                continue;
            }
            let size = self.source.streams[stream].lane_bytes();
            let address = self.stream_address(SECOND, stream);
            self.store_general(address, Gpr::SP, self.frame.saved_stream(stream));
            if is_read {
                if address != SECOND {
                    self.asm.mov(SECOND, address);
                }
                self.asm.shift_left(SCRATCH, LEFT, size.trailing_zeros());
                self.asm.add_immediate(THIRD, Gpr::SP, self.frame.bounce(stream));
                self.asm.call_label(copy);
            }
            let address = self.frame.stream_register(stream).unwrap_or(SCRATCH);
            self.asm.add_immediate(address, Gpr::SP, self.frame.bounce(stream));
            self.set_stream_address(stream, address);
        }
        self.copies = 1;
        for (n, accumulator) in self.program.accumulators.iter().enumerate() {
            let size = accumulator.size;
            let bytes = size * self.program.lanes;
            let lanes = self.address(Place::Accumulator(n as u16), 0, bytes);
            self.load_vector(bytes, 0, lanes);
            self.store_vector(VECTOR, 0, (Gpr::SP, self.frame.kept(n)));
        }
    }

    /// Writes back what the copies were for. Addresses stay those of the copies: the next row has others.
    fn leave_bounce(&mut self, copy: Label) {
        for (n, accumulator) in self.program.accumulators.iter().enumerate() {
            let size = accumulator.size;
            let bytes = size * self.program.lanes;
            // Lanes that there are not get back what they had.
            self.asm.add_immediate(SCRATCH, CONSTANTS, self.window_offset() + VECTOR);
            self.asm.subtract(SCRATCH, SCRATCH, LEFT, size.trailing_zeros());
            self.load_vector(VECTOR, 2, (SCRATCH, 0));
            self.load_vector(VECTOR, 1, (Gpr::SP, self.frame.kept(n)));
            let lanes = self.address(Place::Accumulator(n as u16), 0, bytes);
            self.load_vector(bytes, 0, lanes);
            self.encode(opcode::BSL, 2, 0, 1);
            self.store_vector(bytes, 2, lanes);
        }
        for (stream, (_, is_written)) in self.source.directions().into_iter().enumerate() {
            if is_written {
                let size = self.source.streams[stream].lane_bytes();
                self.asm.shift_left(SCRATCH, LEFT, size.trailing_zeros());
                self.load_general(THIRD, Gpr::SP, self.frame.saved_stream(stream));
                self.asm.add_immediate(SECOND, Gpr::SP, self.frame.bounce(stream));
                self.asm.call_label(copy);
            }
        }
    }

    /// Copies as many bytes as the scratch register says, fewer than 32, from the second's address to the third's.
    fn copy_routine(&mut self) {
        // Only pairs take more than a register.
        let has_pairs = self.source.streams.iter().any(|stream| stream.step == Step::Pair);
        for bit in (0..if has_pairs { 5 } else { 4 }).rev() {
            let skip = self.asm.label();
            self.asm.branch_if_clear(SCRATCH, bit, skip);
            let bytes = (1 << bit).min(8);
            for _ in 0..(1 << bit) / bytes {
                let data = Data::General(FOURTH, bytes);
                self.asm.load_next(data, SECOND);
                self.asm.store_next(data, THIRD);
            }
            self.asm.place(skip);
        }
        self.asm.ret();
    }
}
