//! A kernel as a whole: the loop over rows, in each of them the loop over lanes, and what is left at its end.
//!
//! The body exists twice: over several vectors at once, and over one. On AVX-512 the second has a mask and
//! serves for all that is left of a row. On AVX2 it has none: the last lanes are done by going back so far
//! that they fill a vector, or, where that would compute something twice from what it has overwritten, or the
//! row is shorter than a vector, in copies of the streams' last elements in the frame. No memory is touched
//! outside a stream's lanes.

use super::emit::{Emitter, Extent, INDEX, SCRATCH, Stores, TAIL_MASK};
use super::encoder::{Arithmetic, Assembler, Condition, Gpr, Label, Masking, Memory, Operand};
use super::frame::{Frame, LANES, POOL};
use super::lower::lower;
use super::machine::Target;
use super::opcode;
use crate::codegen::machine::{MachineCode, Place, Unsupported, Value};
use crate::codegen::schedule::{Bounds, Shape, Step, TURNS, pinned, steps};
use crate::codegen::vector::VectorProgram;

/// Offsets of the fields of `KernelArgs`.
const ARGUMENT_ROWS: i32 = 0;
const ARGUMENT_LANES: i32 = 8;
const ARGUMENT_POSITION: i32 = 16;
const ARGUMENT_POOL: i32 = 24;
const ARGUMENT_STREAMS: i32 = 32;

/// Bytes of the smallest page.
const PAGE: i32 = 4096;

/// Pairs of streams whose addresses are compared; with more, they are taken to be equal.
const MOST_PAIRS: usize = 24;

/// Parts that accumulators' lanes may be taken in where there are 16 registers. Where there are 32, all lanes fit but beside
/// long bodies, of which nothing was measured.
const MOST_PARTS: usize = 4;

/// The code of a program. `forced` is a number of copies of the body, for tests.
pub(super) fn compile(
    source: &VectorProgram,
    target: Target,
    forced: Option<usize>,
) -> Result<MachineCode, Unsupported> {
    let mut program = lower(source, target)?;
    let parts = if target.is_evex() { 1 } else { MOST_PARTS };
    let bounds = Bounds { registers: target.registers(), parts };
    let (pinned, shape) = pinned(&program, bounds, forced);
    if shape.parts.is_some() {
        // A turn that is left has accumulated nothing only where that is in memory.
        program.usual = None;
    }
    let kernel = |probed| {
        let mut emitter = Emitter {
            asm: Assembler::new(),
            source,
            program: &program,
            frame: Frame::new(source, &program),
            pinned: &pinned,
            copies: shape.copies,
            ahead: 0,
            rares: Vec::new(),
            guarded: None,
            detours: Vec::new(),
            places: 0,
            extent: Extent::Whole,
            stores: Stores::Temporal,
            accumulators: Vec::new(),
        };
        let code = emitter.kernel(&shape, probed);
        (code, emitter.frame.bytes(emitter.places))
    };
    let (code, frame_bytes) = kernel(0);
    // How much is spilled is known when the code is written. A frame of more than a page could lie beyond the
    // page that guards the end of the stack: each of its pages is then touched in turn.
    Ok(if frame_bytes > PAGE { kernel(frame_bytes).0 } else { code })
}

impl Emitter<'_> {
    fn kernel(&mut self, shape: &Shape, probed: i32) -> MachineCode {
        let program = self.program;
        let copies = shape.copies;
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
        self.block(&program.row_start, &row_start, 1, Extent::Whole);
        self.asm.arithmetic(Arithmetic::Xor, INDEX, INDEX);
        let single = steps(&program.body, &program.values, 1);
        let after = self.asm.label();
        if self.has_non_temporal() {
            self.non_temporal_loop(shape, &single, after);
        }
        if copies > 1 || program.target.is_evex() {
            self.main_loop(shape, row_end, after);
        } else {
            self.asm.place(after);
        }
        if program.target.is_evex() {
            self.masked_loop(&single, row_end);
        } else {
            self.single_loop(&single, row_end, copy);
        }
        self.asm.place(row_end);
        let end = steps(&program.row_end, &program.values, 1);
        self.block(&program.row_end, &end, 1, Extent::Whole);
        self.next_row(row, exit);
        self.asm.place(exit);
        self.epilogue();
        if !program.target.is_evex() {
            self.asm.place(copy);
            self.copy_routine();
        }
        self.detours();
        self.rare_calls();
        let bytes = self.frame.bytes(self.places);
        self.asm.patch(frame_at, bytes);
        let mut constants = program.constants.clone();
        let table = self.window_offset();
        constants.resize(table, 0);
        if !program.target.is_evex() {
            constants.extend_from_slice(&[0xff; 32]);
            constants.extend_from_slice(&[0; 32]);
        }
        let instructions = self.asm.position();
        let bytes = std::mem::replace(&mut self.asm, Assembler::new()).finish(&constants);
        MachineCode { bytes, instructions }
    }

    /// Where, among the constants, 32 bytes of ones are followed by 32 of zeros.
    fn window_offset(&self) -> usize {
        self.program.constants.len().next_multiple_of(64)
    }

    fn load_pinned(&mut self, value: Value, register: u8, is_now: impl Fn(Place) -> bool) {
        let info = self.program.values[value.index()];
        if info.home.is_some_and(|home| is_now(home.place)) {
            self.load_home(info, register, 0);
        }
    }

    /// Up to the first row. Returns where the frame's size is to be written. So many bytes of the frame are
    /// touched page by page.
    fn prologue(&mut self, exit: Label, probed: i32) -> usize {
        let saved = [Gpr::RBX, Gpr(12), Gpr(13), Gpr(14), Gpr(15)];
        self.asm.push(Gpr::RBP);
        self.asm.mov(Gpr::RBP, Gpr::RSP);
        for register in saved {
            self.asm.push(register);
        }
        for offset in (PAGE..probed).step_by(PAGE as usize) {
            self.asm.store(Memory::at(Gpr::RSP, -offset), Gpr::RDI);
        }
        let frame_at = self.asm.arithmetic_immediate(Arithmetic::Sub, Gpr::RSP, 0);
        self.asm.arithmetic_immediate(Arithmetic::And, Gpr::RSP, -64);
        let arguments = Gpr::RDI;
        self.asm.store(self.frame.arguments(), arguments);
        self.asm.load(SCRATCH, Memory::at(arguments, ARGUMENT_POSITION));
        self.asm.store(self.frame.position(), SCRATCH);
        self.asm.load(LANES, Memory::at(arguments, ARGUMENT_LANES));
        self.asm.load(Gpr::RSI, Memory::at(arguments, ARGUMENT_STREAMS));
        self.asm.store(self.frame.lanes(), LANES);
        self.asm.store(self.frame.streams(), Gpr::RSI);
        self.asm.load(SCRATCH, Memory::at(arguments, ARGUMENT_ROWS));
        self.asm.store(self.frame.rows(), SCRATCH);
        self.asm.arithmetic_immediate(Arithmetic::Cmp, SCRATCH, 0);
        self.asm.jump_if(Condition::Equal, exit);
        self.asm.load(POOL, Memory::at(arguments, ARGUMENT_POOL));
        for stream in 0..self.source.streams.len() {
            let from = Memory::at(Gpr::RSI, 16 * stream as i32);
            match self.frame.stream_register(stream) {
                Some(register) => self.asm.load(register, from),
                None => {
                    self.asm.load(SCRATCH, from);
                    self.asm.store(self.frame.stream_slot(stream), SCRATCH);
                }
            }
        }
        self.asm.store_immediate(self.frame.tail(), 0);
        self.find_in_place();
        frame_at
    }

    /// A stream's address into a register.
    pub(super) fn stream_address(&mut self, to: Gpr, stream: usize) {
        match self.frame.stream_register(stream) {
            Some(register) => self.asm.mov(to, register),
            None => self.asm.load(to, self.frame.stream_slot(stream)),
        }
    }

    fn set_stream_address(&mut self, stream: usize, from: Gpr) {
        match self.frame.stream_register(stream) {
            Some(register) => self.asm.mov(register, from),
            None => self.asm.store(self.frame.stream_slot(stream), from),
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
        self.asm.store_immediate(self.frame.in_place(), i32::from(is_known));
        if is_known {
            return;
        }
        for store in written() {
            for load in read() {
                let differ = self.asm.label();
                self.stream_address(SCRATCH, store);
                self.stream_address(Gpr::RSI, load);
                self.asm.arithmetic(Arithmetic::Cmp, SCRATCH, Gpr::RSI);
                self.asm.jump_if(Condition::NotEqual, differ);
                self.asm.store_immediate(self.frame.in_place(), 1);
                self.asm.place(differ);
            }
        }
    }

    fn epilogue(&mut self) {
        if self.has_non_temporal() {
            self.asm.sfence();
        }
        self.asm.vzeroupper();
        self.asm.lea(Gpr::RSP, Memory::at(Gpr::RBP, -40));
        for register in [Gpr(15), Gpr(14), Gpr(13), Gpr(12), Gpr::RBX, Gpr::RBP] {
            self.asm.pop(register);
        }
        self.asm.ret();
    }

    /// All streams to the next row, or out.
    fn next_row(&mut self, row: Label, exit: Label) {
        self.asm.arithmetic_memory_immediate(Arithmetic::Sub, self.frame.rows(), 1);
        self.asm.jump_if(Condition::Equal, exit);
        self.asm.load(Gpr::RSI, self.frame.streams());
        for stream in 0..self.source.streams.len() {
            let stride = Memory::at(Gpr::RSI, 16 * stream as i32 + 8);
            match self.frame.stream_register(stream) {
                Some(register) => self.asm.arithmetic_memory(Arithmetic::Add, register, stride),
                None => {
                    self.asm.load(SCRATCH, stride);
                    let slot = self.frame.stream_slot(stream);
                    self.asm.arithmetic_to_memory(Arithmetic::Add, slot, SCRATCH);
                }
            }
        }
        self.asm.jump(row);
    }

    /// Jumps if so many lanes more are not beyond the row's end.
    pub(super) fn jump_if_room(&mut self, lanes: usize, label: Label) {
        self.asm.lea(SCRATCH, Memory::at(INDEX, lanes as i32));
        self.asm.arithmetic(Arithmetic::Cmp, SCRATCH, LANES);
        self.asm.jump_if(Condition::BelowEqual, label);
    }

    /// The body over several vectors, as long as there are so many. `after` becomes what follows, where another loop has done
    /// so many.
    fn main_loop(&mut self, shape: &Shape, row_end: Label, after: Label) {
        let program = self.program;
        let copies = shape.copies;
        let body = steps(program.repeated(), &program.values, copies);
        match shape.parts {
            Some(parts @ 2..) => {
                self.parts_loop(&body, copies, parts);
                self.asm.place(after);
            }
            Some(_) => {
                self.jump_unless_room(copies * program.lanes, after);
                self.take_accumulators(copies, 0);
                self.whole_loop(&body, copies);
                self.put_accumulators(0);
                self.asm.place(after);
            }
            None => {
                let done = self.asm.label();
                self.jump_unless_room(copies * program.lanes, done);
                let top = self.whole_loop(&body, copies);
                self.asm.place(after);
                if copies > 1 && self.program.accumulators.is_empty() {
                    self.last_lanes_again(copies * program.lanes, top, done, row_end);
                }
                self.asm.place(done);
            }
        }
    }

    /// Jumps if a row has fewer lanes.
    fn jump_unless_room(&mut self, lanes: usize, label: Label) {
        self.asm.arithmetic_immediate(Arithmetic::Cmp, LANES, lanes as i32);
        self.asm.jump_if(Condition::Below, label);
    }

    /// The body over so many vectors as long as there are so many; where it begins.
    fn whole_loop(&mut self, body: &[Step], copies: usize) -> Label {
        let top = self.asm.label();
        self.asm.align(32);
        self.asm.place(top);
        self.turn(body, copies);
        self.jump_if_room(copies * self.program.lanes, top);
        top
    }

    /// Where more than half as much is left of a row as a body takes, its last lanes are done as one, some of them again.
    fn last_lanes_again(&mut self, lanes: usize, top: Label, done: Label, row_end: Label) {
        self.asm.arithmetic(Arithmetic::Cmp, INDEX, LANES);
        self.asm.jump_if(Condition::Equal, row_end);
        self.asm.arithmetic_memory_immediate(Arithmetic::Cmp, self.frame.in_place(), 0);
        self.asm.jump_if(Condition::NotEqual, done);
        self.asm.lea(SCRATCH, Memory::at(INDEX, lanes as i32 / 2));
        self.asm.arithmetic(Arithmetic::Cmp, SCRATCH, LANES);
        self.asm.jump_if(Condition::AboveEqual, done);
        self.asm.lea(INDEX, Memory::at(LANES, -(lanes as i32)));
        self.asm.jump(top);
    }

    /// The body over the lanes of accumulators in parts: in several turns at a time, then part by part.
    fn parts_loop(&mut self, body: &[Step], copies: usize, parts: usize) {
        let part = copies * self.program.lanes;
        let turn = parts * part;
        let lanes = TURNS * turn;
        let (top, rest, done) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.jump_unless_room(lanes, rest);
        self.asm.align(32);
        self.asm.place(top);
        for first in (0..turn).step_by(part) {
            self.part(body, copies, first, (0..TURNS).map(|n| n * turn + first));
        }
        self.asm.arithmetic_immediate(Arithmetic::Add, INDEX, lanes as i32);
        self.jump_if_room(lanes, top);
        self.asm.place(rest);
        for first in (0..turn).step_by(part).cycle().take(TURNS * parts - 1) {
            self.asm.lea(SCRATCH, Memory::at(INDEX, part as i32));
            self.asm.arithmetic(Arithmetic::Cmp, SCRATCH, LANES);
            self.asm.jump_if(Condition::Above, done);
            self.part(body, copies, first, std::iter::once(0));
            self.asm.arithmetic_immediate(Arithmetic::Add, INDEX, part as i32);
        }
        self.asm.place(done);
    }

    /// The body with the lanes of accumulators from one on, so many lanes ahead of the current one each time.
    fn part(&mut self, body: &[Step], copies: usize, first: usize, ahead: impl Iterator<Item = usize>) {
        self.take_accumulators(copies, first);
        for ahead in ahead {
            self.ahead = ahead;
            self.block(&self.program.body, body, copies, Extent::Whole);
        }
        self.ahead = 0;
        self.put_accumulators(first);
    }

    /// The lanes of accumulators from one on, as many as copies make up, into registers below the pinned ones.
    pub(super) fn take_accumulators(&mut self, copies: usize, first: usize) {
        let highest = (self.program.target.registers() - self.pinned.len()) as u8;
        let mut registers = (0..highest).rev();
        let accumulators = self.program.accumulators.iter();
        self.accumulators = accumulators.map(|_| registers.by_ref().take(copies).collect()).collect();
        self.each_accumulator(first, |emitter, bytes, register, memory| {
            emitter.load(bytes, register, memory)
        });
    }

    pub(super) fn put_accumulators(&mut self, first: usize) {
        self.each_accumulator(first, |emitter, bytes, register, memory| {
            emitter.store(bytes, register, memory);
        });
        self.accumulators.clear();
    }

    fn each_accumulator(&mut self, first: usize, mut f: impl FnMut(&mut Self, usize, u8, Memory)) {
        for (n, registers) in self.accumulators.clone().into_iter().enumerate() {
            let size = self.program.accumulators[n].size;
            let bytes = size * self.program.lanes;
            for (copy, register) in registers.into_iter().enumerate() {
                let offset = self.frame.accumulator(n) + (first * size + copy * bytes) as i32;
                f(self, bytes, register, Memory::at(Gpr::RSP, offset));
            }
        }
    }

    /// The rest of a row, a vector at a time, of the lanes that there are.
    fn masked_loop(&mut self, single: &[Step], row_end: Label) {
        let program = self.program;
        let top = self.asm.label();
        self.asm.arithmetic(Arithmetic::Cmp, INDEX, LANES);
        self.asm.jump_if(Condition::AboveEqual, row_end);
        self.asm.place(top);
        // rsi = min(lanes left, lanes of a vector), and so many ones.
        self.asm.mov(SCRATCH, LANES);
        self.asm.arithmetic(Arithmetic::Sub, SCRATCH, INDEX);
        self.asm.mov_immediate(Gpr::RSI, program.lanes as i32);
        self.asm.arithmetic(Arithmetic::Cmp, SCRATCH, Gpr::RSI);
        self.asm.mov_if(Condition::Below, Gpr::RSI, SCRATCH);
        self.asm.mov_immediate(SCRATCH, 64);
        self.asm.arithmetic(Arithmetic::Sub, SCRATCH, Gpr::RSI);
        self.asm.mov_immediate(Gpr::RSI, -1);
        self.asm.shift_right_by_cl(Gpr::RSI);
        let ones = Operand::Register(Gpr::RSI.0);
        self.mask_op(opcode::KMOV_FROM_GPR, false, TAIL_MASK, 0, ones);
        if self.has_pairs() {
            self.keep_masks();
        }
        self.block(&program.body, single, 1, Extent::Masked);
        self.asm.arithmetic_immediate(Arithmetic::Add, INDEX, program.lanes as i32);
        self.asm.arithmetic(Arithmetic::Cmp, INDEX, LANES);
        self.asm.jump_if(Condition::Below, top);
    }

    /// The rest of a row, a whole vector at a time.
    fn single_loop(&mut self, single: &[Step], row_end: Label, copy: Label) {
        let program = self.program;
        let lanes = program.lanes;
        let (top, rest, bounce, tail_end) =
            (self.asm.label(), self.asm.label(), self.asm.label(), self.asm.label());
        self.asm.lea(SCRATCH, Memory::at(INDEX, lanes as i32));
        self.asm.arithmetic(Arithmetic::Cmp, SCRATCH, LANES);
        self.asm.jump_if(Condition::Above, rest);
        self.asm.place(top);
        self.block(&program.body, single, 1, Extent::Whole);
        self.asm.arithmetic_immediate(Arithmetic::Add, INDEX, lanes as i32);
        self.asm.arithmetic_memory_immediate(Arithmetic::Cmp, self.frame.tail(), 0);
        self.asm.jump_if(Condition::NotEqual, tail_end);
        self.jump_if_room(lanes, top);
        self.asm.place(rest);
        self.asm.arithmetic(Arithmetic::Cmp, INDEX, LANES);
        self.asm.jump_if(Condition::AboveEqual, row_end);
        self.asm.arithmetic_immediate(Arithmetic::Cmp, LANES, lanes as i32);
        self.asm.jump_if(Condition::Below, bounce);
        self.asm.arithmetic_memory_immediate(Arithmetic::Cmp, self.frame.in_place(), 0);
        self.asm.jump_if(Condition::NotEqual, bounce);
        // The last whole vector of the row, part of which is done again.
        self.asm.store_immediate(self.frame.tail(), 2);
        self.asm.lea(INDEX, Memory::at(LANES, -(lanes as i32)));
        self.asm.jump(top);
        self.asm.place(bounce);
        self.asm.store_immediate(self.frame.tail(), 1);
        self.enter_bounce(copy);
        self.asm.jump(top);
        self.asm.place(tail_end);
        self.asm.arithmetic_memory_immediate(Arithmetic::Cmp, self.frame.tail(), 1);
        // Keeps the flags.
        self.asm.store_immediate(self.frame.tail(), 0);
        self.asm.jump_if(Condition::NotEqual, row_end);
        self.asm.arithmetic_immediate(Arithmetic::Sub, INDEX, lanes as i32);
        self.leave_bounce(copy);
    }

    /// `rcx` = bytes of the elements left, of a size; `rsi` is used.
    fn bytes_left(&mut self, size: usize) {
        self.asm.mov(SCRATCH, LANES);
        self.asm.arithmetic(Arithmetic::Sub, SCRATCH, INDEX);
        self.asm.shift_left(SCRATCH, size.trailing_zeros() as u8);
    }

    /// `rdx` and `rdi`, which the copying changes.
    fn reload_arguments(&mut self) {
        self.asm.load(POOL, self.frame.arguments());
        self.asm.load(LANES, Memory::at(POOL, ARGUMENT_LANES));
        self.asm.load(POOL, Memory::at(POOL, ARGUMENT_POOL));
    }

    /// Puts copies of the last elements in the place of all streams that follow the lanes.
    fn enter_bounce(&mut self, copy: Label) {
        for (stream, (is_read, is_written)) in self.source.directions().into_iter().enumerate() {
            if !is_read && !is_written {
                continue;
            }
            let size = self.source.streams[stream].lane_bytes();
            self.stream_address(Gpr::RSI, stream);
            self.asm.store(self.frame.saved_stream(stream), Gpr::RSI);
            if is_read {
                let from = self.lane_address(Gpr::RSI, size);
                self.asm.lea(Gpr::RSI, from);
                self.bytes_left(size);
                self.asm.lea(Gpr::RDI, self.frame.bounce(stream));
                self.asm.call_label(copy);
                self.reload_arguments();
            }
            self.asm.lea(SCRATCH, self.frame.bounce(stream));
            self.asm.mov(Gpr::RSI, INDEX);
            self.asm.shift_left(Gpr::RSI, size.trailing_zeros() as u8);
            self.asm.arithmetic(Arithmetic::Sub, SCRATCH, Gpr::RSI);
            self.set_stream_address(stream, SCRATCH);
        }
        self.copies = 1;
        for (n, accumulator) in self.program.accumulators.iter().enumerate() {
            let size = accumulator.size;
            let bytes = size * self.program.lanes;
            let lanes = self.address(Place::Accumulator(n as u16), 0, size);
            self.load(bytes, 0, lanes);
            self.store(bytes, 0, self.frame.kept(n));
        }
    }

    /// Writes back what the copies were for.
    fn leave_bounce(&mut self, copy: Label) {
        for (n, accumulator) in self.program.accumulators.iter().enumerate() {
            let size = accumulator.size;
            let bytes = size * self.program.lanes;
            // Lanes that there are not get back what they had.
            let window = Memory::constant(self.window_offset() as i32 + 32);
            self.bytes_left(size);
            self.asm.lea(Gpr::RSI, window);
            self.asm.arithmetic(Arithmetic::Sub, Gpr::RSI, SCRATCH);
            self.load(32, 2, Memory::at(Gpr::RSI, 0));
            self.load(bytes, 1, self.frame.kept(n));
            let lanes = self.address(Place::Accumulator(n as u16), 0, size);
            self.load(bytes, 0, lanes);
            let new = Operand::Register(0);
            self.encode(opcode::VPBLENDVB, 32, 0, 1, new, Masking::None, Some(2 << 4));
            self.store(bytes, 0, lanes);
        }
        for (stream, (is_read, is_written)) in self.source.directions().into_iter().enumerate() {
            if !is_read && !is_written {
                continue;
            }
            let size = self.source.streams[stream].lane_bytes();
            if is_written {
                self.asm.load(Gpr::RSI, self.frame.saved_stream(stream));
                let to = self.lane_address(Gpr::RSI, size);
                self.asm.lea(Gpr::RDI, to);
                self.bytes_left(size);
                self.asm.lea(Gpr::RSI, self.frame.bounce(stream));
                self.asm.call_label(copy);
                self.reload_arguments();
            }
            self.asm.load(SCRATCH, self.frame.saved_stream(stream));
            self.set_stream_address(stream, SCRATCH);
        }
    }

    /// Copies `rcx` bytes, fewer than 64, from `rsi` to `rdi`; `rdx` is lost.
    fn copy_routine(&mut self) {
        // Only pairs take more than a register.
        let most = if self.has_pairs() { 32 } else { 16 };
        for (bytes, times) in [(32, 4), (16, 2), (8, 1), (4, 1), (2, 1), (1, 1)] {
            if bytes > most {
                continue;
            }
            let skip = self.asm.label();
            self.asm.test_immediate(SCRATCH, bytes);
            self.asm.jump_if(Condition::Equal, skip);
            let unit = bytes / times;
            for part in 0..times {
                let offset = part * unit;
                self.asm.load_bytes(Gpr::RDX, Memory::at(Gpr::RSI, offset), unit as usize);
                self.asm.store_bytes(Memory::at(Gpr::RDI, offset), Gpr::RDX, unit as usize);
            }
            self.asm.arithmetic_immediate(Arithmetic::Add, Gpr::RSI, bytes);
            self.asm.arithmetic_immediate(Arithmetic::Add, Gpr::RDI, bytes);
            self.asm.place(skip);
        }
        self.asm.ret();
    }
}
