//! Machine blocks to machine code: each step gets its registers and is encoded.

use super::encoder::{Assembler, Data, Gpr, is_near};
use super::frame::{CONSTANTS, FOURTH, Frame, INDEX, LANES, POOL, POSITION, SCRATCH, SECOND, THIRD};
use super::machine::{Block, Form, Inst, MachineProgram, TABLE, VECTOR};
use super::opcode::{self, Opcode};
use super::rare::RareCall;
use crate::codegen::machine::{Accumulator, Info, Place, Value};
use crate::codegen::registers::{NEVER, Registers, Slot, Spill, Uses};
use crate::codegen::schedule::Step;
use crate::codegen::vector::VectorProgram;
use smallvec::SmallVec;

/// Code that is being written.
pub(super) struct Emitter<'a> {
    pub(super) asm: Assembler,
    pub(super) source: &'a VectorProgram,
    pub(super) program: &'a MachineProgram,
    pub(super) frame: Frame,
    /// Constants that keep a register all the time.
    pub(super) pinned: &'a [(Value, u8)],
    /// Copies of the body that go through all lanes of every accumulator, if any do.
    pub(super) copies: usize,
    pub(super) rares: Vec<RareCall>,
    /// The most spills of any block.
    pub(super) places: u32,
    /// The register of each accumulator's vector, for each copy, while they are in registers.
    pub(super) accumulators: Vec<Vec<u8>>,
    /// Which table is in the registers for one.
    pub(super) table: Option<u16>,
    /// In a block, registers that have the stack pointer plus the bytes before the current lane among those of accumulators
    /// of one form.
    pub(super) lane_bases: SmallVec<[(Accumulator, Gpr); 2]>,
}

impl Emitter<'_> {
    /// The code of a block for so many vectors that follow each other.
    pub(super) fn block(&mut self, block: &Block, steps: &[Step], copies: usize) {
        self.copies = copies;
        // A single table stays where it is; others are loaded where they are used.
        self.table = (self.source.tables.len() == 1).then_some(0);
        let program = self.program;
        let mut registers = Registers::new(&program.values, copies, program.target.registers, self.pinned);
        for (n, fixed) in self.accumulators.iter().enumerate() {
            let place = Place::Accumulator(n as u16);
            let lanes =
                program.values.iter().position(|info| info.home.is_some_and(|home| home.place == place));
            let Some(lanes) = lanes else { unreachable!("the body has a value for each accumulator") };
            for (copy, &register) in fixed.iter().enumerate() {
                registers.fix(Value(lanes as u16), copy as u8, register);
            }
        }
        self.find_lane_bases(block);
        let uses = registers.uses(block, steps);
        for (step, uses) in steps.iter().zip(&uses) {
            let inst = &block.insts[usize::from(step.inst)];
            let mut now = Now { registers: &mut registers, copy: step.copy, uses };
            self.inst(inst, &mut now);
            registers.unlock();
        }
        self.places = self.places.max(registers.places());
        self.lane_bases.clear();
    }

    /// Where the lanes of accumulators are that a block goes through, if it is not all of them.
    fn find_lane_bases(&mut self, block: &Block) {
        let mut free = [THIRD, FOURTH].into_iter();
        for inst in &block.insts {
            let Form::Store(Place::Accumulator(n), ..) = inst.form else { continue };
            let form = self.program.accumulators[usize::from(n)];
            let is_needed = self.accumulators.is_empty()
                && self.copies * self.program.lanes != form.count
                && self.lane_bases.iter().all(|&(known, _)| known != form);
            if is_needed && let Some(register) = free.next() {
                self.lane_base(register, form);
                self.lane_bases.push((form, register));
            }
        }
    }

    /// The stack pointer plus the bytes before the current lane among those of an accumulator.
    fn lane_base(&mut self, to: Gpr, form: Accumulator) {
        self.asm.low_bits(to, INDEX, form.count.trailing_zeros());
        self.asm.add_to_stack(to, to, form.size.trailing_zeros());
    }

    fn info(&self, value: Value) -> Info {
        self.program.values[value.index()]
    }

    /// The word of an instruction with its registers.
    pub(super) fn encode(&mut self, opcode: Opcode, dst: u8, x: u8, y: u8) {
        self.asm.push(opcode.of(dst, x, y));
    }

    /// Loads from `base + offset`.
    pub(super) fn load(&mut self, data: Data, bytes: usize, base: Gpr, offset: usize) {
        let (base, offset) = self.near(bytes, base, offset);
        self.asm.load(data, base, offset);
    }

    /// Stores to `base + offset`.
    pub(super) fn store(&mut self, data: Data, bytes: usize, base: Gpr, offset: usize) {
        let (base, offset) = self.near(bytes, base, offset);
        self.asm.store(data, base, offset);
    }

    fn near(&mut self, bytes: usize, base: Gpr, offset: usize) -> (Gpr, usize) {
        if is_near(bytes, offset) {
            return (base, offset);
        }
        self.asm.add_immediate(SECOND, base, offset);
        (SECOND, 0)
    }

    pub(super) fn load_vector(&mut self, bytes: usize, register: u8, (base, offset): (Gpr, usize)) {
        self.load(Data::Vector(register, bytes), bytes, base, offset);
    }

    pub(super) fn store_vector(&mut self, bytes: usize, register: u8, (base, offset): (Gpr, usize)) {
        self.store(Data::Vector(register, bytes), bytes, base, offset);
    }

    /// A general register from the frame.
    pub(super) fn load_general(&mut self, to: Gpr, base: Gpr, offset: usize) {
        self.load(Data::General(to, 8), 8, base, offset);
    }

    /// A general register to the frame.
    pub(super) fn store_general(&mut self, from: Gpr, base: Gpr, offset: usize) {
        self.store(Data::General(from, 8), 8, base, offset);
    }

    pub(super) fn move_vector(&mut self, to: u8, from: u8) {
        self.encode(opcode::ORR, to, from, from);
    }

    /// The address of a place for a copy, as a base and an offset; may take the scratch register.
    pub(super) fn address(&mut self, place: Place, copy: u8, bytes: usize) -> (Gpr, usize) {
        let along = usize::from(copy) * bytes;
        match place {
            Place::Unit(stream) => (self.base(stream.index()), along),
            Place::Pair(stream, half) => (self.base(stream.index()), 2 * along + usize::from(half) * bytes),
            Place::Row(stream) => (self.base(stream.index()), 0),
            Place::Pool(entry) => (POOL, 8 * usize::from(entry)),
            Place::Constant(offset) => (CONSTANTS, usize::from(offset)),
            Place::AccumulatorAt(n, offset) => {
                (Gpr::SP, self.frame.accumulator(usize::from(n)) + usize::from(offset))
            }
            Place::Lanes => (Gpr::SP, LANES),
            Place::Accumulator(n) => {
                let offset = self.frame.accumulator(usize::from(n)) + along;
                let form = self.program.accumulators[usize::from(n)];
                if self.copies * self.program.lanes == form.count {
                    return (Gpr::SP, offset);
                }
                if let Some(&(_, base)) = self.lane_bases.iter().find(|&&(known, _)| known == form) {
                    return (base, offset);
                }
                self.lane_base(SCRATCH, form);
                (SCRATCH, offset)
            }
        }
    }

    /// The register that has a stream's address, or the scratch register with it.
    fn base(&mut self, stream: usize) -> Gpr {
        match self.frame.stream_register(stream) {
            Some(register) => register,
            None => {
                self.load_general(SCRATCH, Gpr::SP, self.frame.stream_slot(stream));
                SCRATCH
            }
        }
    }

    fn spill(&mut self, spill: Option<Spill>) {
        let Some(Spill { register, to: Some(place), .. }) = spill else { return };
        self.store_vector(VECTOR, register, (Gpr::SP, self.frame.spill(place)));
    }

    /// A register for a new value.
    pub(super) fn allocate(&mut self, now: &mut Now<'_, '_>, slot: Slot, next_use: u32) -> u8 {
        let (register, spill) = now.registers.allocate(slot, next_use);
        self.spill(spill);
        register
    }

    /// An argument, in a register.
    pub(super) fn register(&mut self, inst: &Inst, arg: usize, now: &mut Now<'_, '_>) -> u8 {
        let (value, slot) = (inst.args[arg], now.uses.args[arg]);
        if let Some(register) = now.registers.find(slot) {
            return register;
        }
        let register = self.allocate(now, slot, now.uses.next[arg]);
        if let Some(place) = now.registers.place(slot) {
            self.load_vector(VECTOR, register, (Gpr::SP, self.frame.spill(place)));
        } else {
            self.load_home(self.info(value), register, now.copy);
        }
        register
    }

    /// Brings a value from where it is in memory.
    pub(super) fn load_home(&mut self, info: Info, register: u8, copy: u8) {
        let Some(home) = info.home else { unreachable!("a value is used before it is computed") };
        let bytes = usize::from(info.bytes);
        if let Place::Constant(offset) = home.place {
            let constant = &self.program.constants[usize::from(offset)..][..VECTOR];
            let whole = [(0, opcode::MOVI_ZEROS), (0xff, opcode::MOVI_ONES)];
            let whole = whole.into_iter().find(|&(byte, _)| constant.iter().all(|&own| own == byte));
            if let Some((_, opcode)) = whole {
                return self.encode(opcode, register, 0, 0);
            }
        }
        let from = self.address(home.place, copy, bytes);
        if home.element == 0 {
            return self.load_vector(bytes, register, from);
        }
        let base = match from {
            (base, 0) => base,
            (base, offset) => {
                self.asm.add_immediate(SCRATCH, base, offset);
                SCRATCH
            }
        };
        self.encode(opcode::LD1R[home.element.trailing_zeros() as usize], register, base.0, 0);
    }

    /// Notes that the arguments have been used.
    fn release(&self, inst: &Inst, now: &mut Now<'_, '_>) {
        for (&slot, &next) in now.uses.args.iter().zip(&now.uses.next).take(inst.args.len()) {
            now.registers.used(slot, next);
        }
    }

    /// A register for an instruction's value, which may be one of its arguments'.
    fn result(&mut self, inst: &Inst, now: &mut Now<'_, '_>) -> u8 {
        let Uses { args, next, dst, dst_next } = *now.uses;
        if !self.accumulators.is_empty() {
            // What was accumulated takes the register of the accumulator.
            let accumulated = |&arg: &usize| next[arg] == NEVER && now.registers.is_fixed(args[arg]);
            if let Some(arg) = (0..inst.args.len()).find(accumulated) {
                let register = now.registers.take_over(args[arg], dst, dst_next);
                self.release(inst, now);
                return register;
            }
        }
        self.release(inst, now);
        self.allocate(now, dst, dst_next)
    }

    /// The result's register, and nobody needs it after: only for values that are not used.
    fn finish(&self, inst: &Inst, now: &mut Now<'_, '_>) {
        if inst.dst.is_some() && now.uses.dst_next == NEVER {
            now.registers.used(now.uses.dst, NEVER);
        }
    }

    /// Whether the register of an argument may become the result's.
    fn dies(&self, inst: &Inst, arg: usize, now: &Now<'_, '_>) -> bool {
        let Uses { args, next, .. } = now.uses;
        let is_repeated = (0..inst.args.len()).any(|other| other != arg && args[other] == args[arg]);
        next[arg] == NEVER && !is_repeated && now.registers.may_take_over(args[arg])
    }

    /// The result in the register of an argument, of which `register` has the value: that one if nobody needs it after, else
    /// a copy. Notes that the arguments have been used.
    fn over(&mut self, inst: &Inst, arg: usize, register: u8, now: &mut Now<'_, '_>) -> u8 {
        let Uses { args, next, dst, dst_next } = *now.uses;
        let taken = self.dies(inst, arg, now);
        let result = if taken {
            now.registers.take_over(args[arg], dst, dst_next)
        } else {
            let result = self.allocate(now, dst, dst_next);
            self.move_vector(result, register);
            result
        };
        for n in (0..inst.args.len()).filter(|&n| n != arg || !taken) {
            now.registers.used(args[n], next[n]);
        }
        result
    }

    fn inst(&mut self, inst: &Inst, now: &mut Now<'_, '_>) {
        match inst.form {
            Form::Two => {
                let x = self.register(inst, 0, now);
                let y = self.register(inst, 1, now);
                let dst = self.result(inst, now);
                self.encode(inst.opcode, dst, x, y);
            }
            Form::One => {
                let x = self.register(inst, 0, now);
                let dst = self.result(inst, now);
                self.encode(inst.opcode, dst, x, 0);
            }
            Form::Tied => {
                let z = self.register(inst, 0, now);
                let x = self.register(inst, 1, now);
                let y = self.register(inst, 2, now);
                let dst = self.over(inst, 0, z, now);
                self.encode(inst.opcode, dst, x, y);
            }
            Form::Select => {
                let mask = self.register(inst, 0, now);
                let x = self.register(inst, 1, now);
                let y = self.register(inst, 2, now);
                match [0, 2, 1].into_iter().find(|&arg| self.dies(inst, arg, now)) {
                    Some(2) => {
                        let dst = self.over(inst, 2, y, now);
                        self.encode(opcode::BIT, dst, x, mask);
                    }
                    Some(1) => {
                        let dst = self.over(inst, 1, x, now);
                        self.encode(opcode::BIF, dst, y, mask);
                    }
                    _ => {
                        let dst = self.over(inst, 0, mask, now);
                        self.encode(opcode::BSL, dst, x, y);
                    }
                }
            }
            Form::Copy => {
                let x = self.register(inst, 0, now);
                self.over(inst, 0, x, now);
            }
            Form::Position => {
                let first = self.register(inst, 0, now);
                let dst = self.allocate(now, now.uses.dst, now.uses.dst_next);
                let position = match usize::from(now.copy) * self.program.lanes {
                    0 => POSITION,
                    lanes => {
                        self.asm.add_immediate(SCRATCH, POSITION, lanes);
                        SCRATCH
                    }
                };
                self.encode(opcode::DUP_X, dst, position.0, 0);
                self.encode(inst.opcode, dst, dst, first);
                self.release(inst, now);
            }
            Form::Lookup(n) => {
                let numbers = self.register(inst, 0, now);
                if self.table != Some(n) {
                    self.load_table(n);
                }
                let dst = self.result(inst, now);
                self.encode(inst.opcode, dst, TABLE, numbers);
            }
            Form::Rare(n) => self.rare(inst, usize::from(n), now),
            Form::Store(Place::Accumulator(n), ..) if !self.accumulators.is_empty() => {
                let x = self.register(inst, 0, now);
                let register = self.accumulators[usize::from(n)][usize::from(now.copy)];
                if x != register {
                    self.move_vector(register, x);
                }
                self.release(inst, now);
            }
            Form::Store(place, bytes, _) => {
                let x = self.register(inst, 0, now);
                let bytes = usize::from(bytes);
                let to = self.address(place, now.copy, bytes);
                self.store_vector(bytes, x, to);
                self.release(inst, now);
            }
        }
        self.finish(inst, now);
    }

    /// Brings a table to the registers for one.
    pub(super) fn load_table(&mut self, n: u16) {
        let base = if n == 0 { CONSTANTS } else { SCRATCH };
        self.asm.add_immediate(base, CONSTANTS, 64 * usize::from(n));
        self.encode(opcode::LD1_FOUR, TABLE, base.0, 0);
        self.table = Some(n);
    }
}

/// What an instruction's encoding needs to know of its place.
pub(super) struct Now<'r, 'v> {
    pub(super) registers: &'r mut Registers<'v>,
    pub(super) copy: u8,
    pub(super) uses: &'r Uses,
}
