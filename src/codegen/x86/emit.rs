//! Machine blocks to machine code: each step gets its registers and is encoded.
//!
//! Operands that are in memory and not used again stay there, as far as the instruction can take one from it;
//! on AVX-512 a constant can be broadcast by the instruction that uses it.

use super::encoder::{Arithmetic, Assembler, Base, Gpr, Label, Masking, Memory, Operand};
use super::frame::{Frame, POOL};
use super::guard::Detour;
use super::machine::{Block, Form, Inst, MachineProgram};
use super::opcode::{self, Opcode};
use super::rare::RareCall;
use crate::codegen::machine::{Class, Info, Place, Value};
use crate::codegen::registers::{NEVER, Registers, Slot, Spill, Uses};
use crate::codegen::schedule::Step;
use crate::codegen::vector::VectorProgram;

/// The mask of the lanes that a tail has.
pub(super) const TAIL_MASK: u8 = 1;

/// The index of the current lane in its row.
pub(super) const INDEX: Gpr = Gpr::RAX;
/// Anything, for a few instructions.
pub(super) const SCRATCH: Gpr = Gpr::RCX;

/// Vectors of which only the first lanes are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// All lanes.
    Whole,
    /// Those of [`TAIL_MASK`].
    Masked,
}

/// How streams are stored that the program says may pass the caches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stores {
    /// As all others.
    Temporal,
    /// Past the caches: whole vectors, at multiples of their size.
    NonTemporal,
}

/// Code that is being written.
pub(super) struct Emitter<'a> {
    pub(super) asm: Assembler,
    pub(super) source: &'a VectorProgram,
    pub(super) program: &'a MachineProgram,
    pub(super) frame: Frame,
    /// Constants that keep a register all the time.
    pub(super) pinned: &'a [(Value, u8)],
    /// Copies of the body that is written.
    pub(super) copies: usize,
    /// Lanes between the current one and the first of the body.
    pub(super) ahead: usize,
    pub(super) rares: Vec<RareCall>,
    /// Where guards go to.
    pub(super) guarded: Option<Label>,
    pub(super) detours: Vec<Detour>,
    /// The most spills of any block.
    pub(super) places: u32,
    pub(super) extent: Extent,
    pub(super) stores: Stores,
    /// The register of each accumulator's vector, for each copy, while they are in registers.
    pub(super) accumulators: Vec<Vec<u8>>,
}

impl Emitter<'_> {
    /// The code of a block for so many vectors that follow each other.
    pub(super) fn block(&mut self, block: &Block, steps: &[Step], copies: usize, extent: Extent) {
        self.extent = extent;
        self.copies = copies;
        let program = self.program;
        let mut registers = Registers::new(&program.values, copies, program.target.registers(), self.pinned);
        for (n, fixed) in self.accumulators.iter().enumerate() {
            let place = Place::Accumulator(n as u16);
            let lanes =
                program.values.iter().position(|info| info.home.is_some_and(|home| home.place == place));
            let Some(lanes) = lanes else { unreachable!("the body has a value for each accumulator") };
            for (copy, &register) in fixed.iter().enumerate() {
                registers.fix(Value(lanes as u16), copy as u8, register);
            }
        }
        let uses = registers.uses(block, steps);
        for (step, uses) in steps.iter().zip(&uses) {
            let inst = &block.insts[usize::from(step.inst)];
            let mut now = Now { registers: &mut registers, copy: step.copy, uses };
            self.inst(inst, &mut now);
            registers.unlock();
        }
        self.places = self.places.max(registers.places());
    }

    fn info(&self, value: Value) -> Info {
        self.program.values[value.index()]
    }

    fn is_evex(&self) -> bool {
        self.program.target.is_evex()
    }

    /// A vector instruction in the encoding of the target.
    #[expect(clippy::too_many_arguments, reason = "the fields of the instruction")]
    pub(super) fn encode(
        &mut self,
        opcode: Opcode,
        bytes: usize,
        reg: u8,
        vvvv: u8,
        operand: Operand,
        masking: Masking,
        imm: Option<u8>,
    ) {
        if self.is_evex() {
            self.asm.evex(opcode, bytes.max(16), reg, vvvv, operand, masking, imm);
        } else {
            debug_assert!(masking == Masking::None, "masks are vectors");
            self.asm.vex(opcode, bytes == 32, reg, vvvv, operand, imm);
        }
    }

    fn plain(&mut self, opcode: Opcode, bytes: usize, reg: u8, operand: Operand) {
        self.encode(opcode, bytes, reg, 0, operand, Masking::None, None);
    }

    /// Loads 4, 8, 16, 32 or 64 bytes.
    pub(super) fn load(&mut self, bytes: usize, register: u8, from: Memory) {
        let opcode = match bytes {
            4 => opcode::VMOVD_LOAD,
            8 => opcode::VMOVQ_LOAD,
            _ => opcode::VMOVUPS_LOAD,
        };
        self.plain(opcode, bytes, register, Operand::Memory(from));
    }

    /// Stores 4, 8, 16, 32 or 64 bytes.
    pub(super) fn store(&mut self, bytes: usize, register: u8, to: Memory) {
        let opcode = match bytes {
            4 => opcode::VMOVD_STORE,
            8 => opcode::VMOVQ_STORE,
            _ => opcode::VMOVUPS_STORE,
        };
        self.plain(opcode, bytes, register, Operand::Memory(to));
    }

    /// Loads one element into all lanes.
    pub(super) fn broadcast(&mut self, element: usize, bytes: usize, register: u8, from: Operand) {
        let opcode = match element {
            1 => opcode::VPBROADCASTB,
            2 => opcode::VPBROADCASTW,
            4 => opcode::VPBROADCASTD,
            _ => opcode::VPBROADCASTQ,
        };
        self.plain(opcode, bytes, register, from);
    }

    pub(super) fn move_vector(&mut self, bytes: usize, to: u8, from: u8) {
        self.plain(opcode::VMOVAPS, bytes, to, Operand::Register(from));
    }

    pub(super) fn mask_op(&mut self, opcode: Opcode, long: bool, reg: u8, vvvv: u8, operand: Operand) {
        self.asm.vex(opcode, long, reg, vvvv, operand, None);
    }

    /// The address of a place for a copy; may take the scratch register.
    pub(super) fn address(&mut self, place: Place, copy: u8, lane: usize) -> Memory {
        let lanes = self.program.lanes;
        match place {
            Place::Unit(stream) => {
                let base = self.base(stream.index());
                let size = self.source.streams[stream.index()].ty.size();
                let lanes = self.ahead + usize::from(copy) * lanes;
                Memory::indexed(base, INDEX, size, (lanes * size) as i32)
            }
            Place::Pair(stream, half) => self.pair_address(stream.index(), copy, half),
            Place::Row(stream) => Memory::at(self.base(stream.index()), 0),
            Place::Pool(entry) => Memory::at(POOL, 8 * i32::from(entry)),
            Place::Constant(offset) => Memory::constant(i32::from(offset)),
            Place::AccumulatorAt(n, offset) => {
                Memory::at(Gpr::RSP, self.frame.accumulator(usize::from(n)) + i32::from(offset))
            }
            Place::Lanes => self.frame.lanes(),
            Place::Accumulator(n) => {
                let offset =
                    self.frame.accumulator(usize::from(n)) + (usize::from(copy) * lanes * lane) as i32;
                let all = self.program.accumulators[usize::from(n)].count;
                if self.copies * lanes == all {
                    return Memory::at(Gpr::RSP, offset);
                }
                self.asm.mov(SCRATCH, INDEX);
                self.asm.arithmetic_immediate(Arithmetic::And, SCRATCH, all as i32 - 1);
                Memory {
                    base: Base::Register(Gpr::RSP),
                    index: Some((SCRATCH, lane.trailing_zeros() as u8)),
                    displacement: offset,
                }
            }
        }
    }

    /// The register that has a stream's address, or the scratch register with it.
    pub(super) fn base(&mut self, stream: usize) -> Gpr {
        match self.frame.stream_register(stream) {
            Some(register) => register,
            None => {
                self.asm.load(SCRATCH, self.frame.stream_slot(stream));
                SCRATCH
            }
        }
    }

    #[inline(never)]
    fn spill(&mut self, spill: Option<Spill>) {
        let Some(Spill { register, to: Some(place), bytes, class }) = spill else { return };
        let to = self.frame.spill(place);
        match class {
            Class::Vector => self.store(bytes.max(16), register, to),
            Class::Mask => self.mask_op(opcode::KMOV_STORE, false, register, 0, Operand::Memory(to)),
        }
    }

    /// A register for a new value.
    #[inline(always)]
    pub(super) fn allocate(&mut self, now: &mut Now<'_, '_>, slot: Slot, next_use: u32) -> u8 {
        let (register, spill) = now.registers.allocate(slot, next_use);
        if spill.is_some() {
            self.spill(spill);
        }
        register
    }

    /// An argument, in a register.
    #[inline(always)]
    pub(super) fn register(&mut self, inst: &Inst, arg: usize, now: &mut Now<'_, '_>) -> u8 {
        let slot = now.uses.args[arg];
        if let Some(register) = now.registers.find(slot) {
            return register;
        }
        self.bring(inst, arg, now)
    }

    /// An argument that is in no register, into one.
    #[inline(never)]
    fn bring(&mut self, inst: &Inst, arg: usize, now: &mut Now<'_, '_>) -> u8 {
        let slot = now.uses.args[arg];
        let register = self.allocate(now, slot, now.uses.next[arg]);
        let info = self.info(inst.args[arg]);
        if let Some(place) = now.registers.place(slot) {
            let from = self.frame.spill(place);
            match info.class {
                Class::Vector => self.load(usize::from(info.bytes).max(16), register, from),
                Class::Mask => {
                    self.mask_op(opcode::KMOV_LOAD, false, register, 0, Operand::Memory(from));
                }
            }
            return register;
        }
        self.load_home(info, register, now.copy);
        register
    }

    /// Brings a value from where it is in memory.
    pub(super) fn load_home(&mut self, info: Info, register: u8, copy: u8) {
        let Some(home) = info.home else { unreachable!("a value is used before it is computed") };
        let (bytes, lane) = (usize::from(info.bytes), usize::from(info.lane));
        let from = self.address(home.place, copy, lane);
        if home.element > 0 {
            self.broadcast(usize::from(home.element), bytes, register, Operand::Memory(from));
        } else if self.extent == Extent::Masked && matches!(home.place, Place::Unit(_) | Place::Pair(..)) {
            let opcode = match lane {
                1 => opcode::VMOVDQU8_LOAD,
                2 => opcode::VMOVDQU16_LOAD,
                4 => opcode::VMOVDQU32_LOAD,
                _ => opcode::VMOVDQU64_LOAD,
            };
            let masking = Masking::Zero(TAIL_MASK);
            self.mask_half(home.place);
            self.encode(opcode, bytes, register, 0, Operand::Memory(from), masking, None);
            self.mask_lanes(home.place);
        } else {
            self.load(bytes, register, from);
        }
    }

    /// Whether an argument can stay in memory for an instruction: where it is, and whether it is one element.
    #[inline(always)]
    fn in_memory(&self, inst: &Inst, arg: usize, now: &Now<'_, '_>) -> Option<(Option<u32>, bool)> {
        if now.registers.is_in_register(now.uses.args[arg]) {
            None
        } else {
            self.stays_in_memory(inst, arg, now)
        }
    }

    /// The same for what is in no register.
    fn stays_in_memory(&self, inst: &Inst, arg: usize, now: &Now<'_, '_>) -> Option<(Option<u32>, bool)> {
        let slot = now.uses.args[arg];
        let info = self.info(inst.args[arg]);
        if info.class == Class::Mask {
            return None;
        }
        let needs = inst.opcode.memory_bytes(usize::from(inst.bytes));
        if let Some(place) = now.registers.place(slot) {
            return (needs <= usize::from(info.bytes).max(16)).then_some((Some(place), false));
        }
        let home = info.home?;
        if home.element > 0 {
            let fits = self.is_evex()
                && inst.opcode.broadcasts()
                && inst.opcode.element() == usize::from(home.element);
            let is_better = now.uses.next[arg] == NEVER || !now.registers.has_free_vector();
            return (fits && is_better).then_some((None, true));
        }
        let is_masked =
            self.extent == Extent::Masked && matches!(home.place, Place::Unit(_) | Place::Pair(..));
        let is_single =
            now.uses.next[arg] == NEVER && inst.args.iter().filter(|&&x| x == inst.args[arg]).count() == 1;
        (is_single && !is_masked && needs <= usize::from(info.bytes)).then_some((None, false))
    }

    /// An argument, in a register or in memory.
    #[inline(always)]
    pub(super) fn operand(&mut self, inst: &Inst, arg: usize, now: &mut Now<'_, '_>) -> Operand {
        match now.registers.find(now.uses.args[arg]) {
            Some(register) => Operand::Register(register),
            None => self.memory_operand(inst, arg, now),
        }
    }

    /// The same for what is in no register.
    #[inline(never)]
    fn memory_operand(&mut self, inst: &Inst, arg: usize, now: &mut Now<'_, '_>) -> Operand {
        match self.stays_in_memory(inst, arg, now) {
            None => Operand::Register(self.bring(inst, arg, now)),
            Some((Some(place), _)) => Operand::Memory(self.frame.spill(place)),
            Some((None, is_element)) => {
                let info = self.info(inst.args[arg]);
                let Some(home) = info.home else { unreachable!("a value in memory has a home") };
                let memory = self.address(home.place, now.copy, usize::from(info.lane));
                if is_element { Operand::Broadcast(memory) } else { Operand::Memory(memory) }
            }
        }
    }

    /// Notes that the arguments have been used.
    #[inline(always)]
    pub(super) fn release(&self, inst: &Inst, now: &mut Now<'_, '_>) {
        for (&slot, &next) in now.uses.args.iter().zip(&now.uses.next).take(inst.args.len()) {
            now.registers.used(slot, next);
        }
    }

    /// A register for an instruction's value, which may be one of its arguments'.
    fn result(&mut self, inst: &Inst, now: &mut Now<'_, '_>) -> u8 {
        if !self.accumulators.is_empty()
            && let Some(register) = self.accumulated(inst, now)
        {
            return register;
        }
        self.release(inst, now);
        self.allocate(now, now.uses.dst, now.uses.dst_next)
    }

    /// The register of the accumulator, if the instruction's value is what was accumulated.
    #[inline(never)]
    fn accumulated(&mut self, inst: &Inst, now: &mut Now<'_, '_>) -> Option<u8> {
        let Some(dst) = inst.dst else { unreachable!("the instruction has a value") };
        if self.info(dst).class != Class::Vector {
            return None;
        }
        let args = now.uses.args.iter().zip(&now.uses.next).take(inst.args.len());
        let (&from, _) =
            args.into_iter().find(|&(&arg, &next)| next == NEVER && now.registers.is_fixed(arg))?;
        let register = now.registers.take_over(from, now.uses.dst, now.uses.dst_next);
        self.release(inst, now);
        Some(register)
    }

    /// The result's register, and nobody needs it after: only for values that are not used.
    #[inline(always)]
    fn finish(&self, inst: &Inst, now: &mut Now<'_, '_>) {
        if inst.dst.is_some() && now.uses.dst_next == NEVER {
            now.registers.used(now.uses.dst, NEVER);
        }
    }

    fn inst(&mut self, inst: &Inst, now: &mut Now<'_, '_>) {
        let bytes = usize::from(inst.bytes);
        let evex = self.is_evex();
        match inst.form {
            Form::Two | Form::TwoCommuting => {
                let (mut first, mut second) = (0, 1);
                if inst.form == Form::TwoCommuting
                    && self.in_memory(inst, 0, now).is_some()
                    && self.in_memory(inst, 1, now).is_none()
                {
                    (first, second) = (1, 0);
                }
                let x = self.register(inst, first, now);
                let y = self.operand(inst, second, now);
                let is_mask_op = self.info(inst.args[0]).class == Class::Mask;
                let dst = self.result(inst, now);
                if is_mask_op {
                    self.mask_op(inst.opcode, true, dst, x, y);
                } else {
                    self.encode(inst.opcode, bytes, dst, x, y, Masking::None, inst.imm);
                }
            }
            Form::One => {
                let x = self.operand(inst, 0, now);
                let dst = self.result(inst, now);
                self.encode(inst.opcode, bytes, dst, 0, x, Masking::None, inst.imm);
            }
            Form::Narrow => {
                let x = self.register(inst, 0, now);
                let dst = self.result(inst, now);
                self.encode(inst.opcode, bytes, x, 0, Operand::Register(dst), Masking::None, inst.imm);
            }
            Form::Shift(number) => {
                let x = if evex {
                    self.operand(inst, 0, now)
                } else {
                    Operand::Register(self.register(inst, 0, now))
                };
                let dst = self.result(inst, now);
                self.encode(inst.opcode, bytes, number, dst, x, Masking::None, inst.imm);
            }
            Form::Fma => self.fma(inst, now),
            Form::Blend if evex => {
                let mask = self.register(inst, 0, now);
                let y = self.register(inst, 2, now);
                let x = self.operand(inst, 1, now);
                let dst = self.result(inst, now);
                self.encode(inst.opcode, bytes, dst, y, x, Masking::Merge(mask), None);
            }
            Form::Blend => {
                let mask = self.register(inst, 0, now);
                let y = self.register(inst, 2, now);
                let x = self.operand(inst, 1, now);
                let dst = self.result(inst, now);
                self.encode(inst.opcode, bytes, dst, y, x, Masking::None, Some(mask << 4));
            }
            Form::ZeroBlend => {
                let mask = self.register(inst, 0, now);
                let x = self.register(inst, 1, now);
                let dst = self.result(inst, now);
                let x = Operand::Register(x);
                self.encode(inst.opcode, bytes, dst, 0, x, Masking::Zero(mask), None);
            }
            Form::Ones | Form::Zeros => {
                let dst = self.result(inst, now);
                self.encode(inst.opcode, bytes, dst, dst, Operand::Register(dst), Masking::None, None);
            }
            Form::Position => {
                let first = self.operand(inst, 0, now);
                let dst = self.allocate(now, now.uses.dst, now.uses.dst_next);
                self.position(dst, bytes, now.copy);
                self.encode(inst.opcode, bytes, dst, dst, first, Masking::None, None);
                self.release(inst, now);
            }
            Form::Rare(n) => self.rare(inst, usize::from(n), now),
            Form::Guard => self.guard(inst, now),
            Form::Store(Place::Accumulator(n), _) if !self.accumulators.is_empty() => {
                let x = self.register(inst, 0, now);
                let register = self.accumulators[usize::from(n)][usize::from(now.copy)];
                if x != register {
                    self.move_vector(bytes, register, x);
                }
                self.release(inst, now);
            }
            Form::Store(place, lane) => {
                let x = self.register(inst, 0, now);
                let to = self.address(place, now.copy, usize::from(lane));
                let is_masked = self.extent == Extent::Masked
                    && matches!(place, Place::Unit(_) | Place::Pair(..) | Place::Accumulator(_));
                if is_masked {
                    let opcode = match lane {
                        1 => opcode::VMOVDQU8_STORE,
                        2 => opcode::VMOVDQU16_STORE,
                        4 => opcode::VMOVDQU32_STORE,
                        _ => opcode::VMOVDQU64_STORE,
                    };
                    let masking = Masking::Merge(TAIL_MASK);
                    self.mask_half(place);
                    self.encode(opcode, bytes, x, 0, Operand::Memory(to), masking, None);
                    self.mask_lanes(place);
                } else if self.stores == Stores::NonTemporal && self.is_non_temporal(place) {
                    self.plain(opcode::VMOVNTPS, bytes, x, Operand::Memory(to));
                } else {
                    self.store(bytes, x, to);
                }
                self.release(inst, now);
            }
            Form::StoreElement(place, size) => {
                let x = self.register(inst, 0, now);
                let to = self.address(place, now.copy, usize::from(size));
                match size {
                    1 => self.encode(opcode::VPEXTRB, 16, x, 0, Operand::Memory(to), Masking::None, Some(0)),
                    2 => self.encode(opcode::VPEXTRW, 16, x, 0, Operand::Memory(to), Masking::None, Some(0)),
                    size => self.store(usize::from(size), x, to),
                }
                self.release(inst, now);
            }
        }
        self.finish(inst, now);
    }

    /// The position of a vector's first lane, in all lanes.
    fn position(&mut self, register: u8, bytes: usize, copy: u8) {
        let offset = self.ahead + usize::from(copy) * self.program.lanes;
        self.asm.lea(SCRATCH, Memory::at(INDEX, offset as i32));
        self.asm.arithmetic_memory(Arithmetic::Add, SCRATCH, self.frame.position());
        self.plain(opcode::VMOVQ_FROM_GPR, 16, register, Operand::Register(SCRATCH.0));
        self.broadcast(8, bytes, register, Operand::Register(register));
    }

    /// `x * y + z`, in the form whose destination is an operand that is not used again.
    fn fma(&mut self, inst: &Inst, now: &mut Now<'_, '_>) {
        let bytes = usize::from(inst.bytes);
        // One operand may be in memory: that which costs most to load.
        let in_memory = [2, 1, 0].into_iter().find(|&arg| self.in_memory(inst, arg, now).is_some());
        let mut registers = [None; 3];
        for (arg, register) in registers.iter_mut().enumerate() {
            if in_memory != Some(arg) {
                *register = Some(self.register(inst, arg, now));
            }
        }
        let memory = in_memory.map(|arg| self.operand(inst, arg, now));
        let Uses { args: [x, y, z, _], next, dst: dst_slot, dst_next: next_use } = *now.uses;
        let slots = [x, y, z];
        let dies = |arg: usize| {
            registers[arg].is_some() && next[arg] == NEVER && now.registers.may_take_over(slots[arg])
        };
        let is_repeated = |arg: usize| (0..3).any(|other| other != arg && slots[other] == slots[arg]);
        let dying = [2, 0, 1].into_iter().find(|&arg| dies(arg) && !is_repeated(arg));
        // Which operand's register becomes the result's, and that register.
        let over = dying.or_else(|| [2, 0, 1].into_iter().find(|&arg| registers[arg].is_some()));
        let Some(over) = over else { unreachable!("at most one operand is in memory") };
        let register = match (dying, registers[over]) {
            (Some(_), Some(register)) => {
                now.registers.take_over(slots[over], dst_slot, next_use);
                register
            }
            (_, from) => {
                let register = self.allocate(now, dst_slot, next_use);
                if let Some(from) = from {
                    self.move_vector(bytes, register, from);
                }
                register
            }
        };
        registers[over] = Some(register);
        let operand = |arg: usize| match (registers[arg], memory) {
            (Some(register), _) => (Some(register), Operand::Register(register)),
            (None, Some(memory)) => (None, memory),
            (None, None) => unreachable!("an operand is in a register or in memory"),
        };
        // The middle operand is a register, the last may be in memory.
        let (x, y, z) = (operand(0), operand(1), operand(2));
        let (form, middle, last) = match over {
            2 => match x.0 {
                Some(x) => (0x20, x, y.1),
                None => (0x20, y.0.unwrap_or(0), x.1),
            },
            // dst * middle + last, or dst * last + middle.
            over => {
                let factor = if over == 0 { y } else { x };
                match factor.0 {
                    Some(factor) => (0x10, factor, z.1),
                    None => (0, z.0.unwrap_or(0), factor.1),
                }
            }
        };
        let opcode = Opcode { opcode: inst.opcode.opcode + form, ..inst.opcode };
        self.encode(opcode, bytes, register, middle, last, Masking::None, None);
        for (arg, &slot) in slots.iter().enumerate() {
            if dying != Some(arg) {
                now.registers.used(slot, next[arg]);
            }
        }
    }
}

/// What an instruction's encoding needs to know of its place.
pub(super) struct Now<'r, 'v> {
    pub(super) registers: &'r mut Registers<'v>,
    pub(super) copy: u8,
    pub(super) uses: &'r Uses,
}
