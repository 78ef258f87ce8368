//! Machine code of x86-64: VEX and EVEX vector instructions, and the few others that loops need.
//!
//! An [`Assembler`] pushes bytes. A vector instruction is an [`Opcode`], registers by number, and an operand
//! that may be in memory; `vex` and `evex` do the rest: prefixes, ModRM and SIB, displacements (in EVEX a
//! byte counts multiples of the operand's size), labels, and constants behind the code, reached from the
//! instruction pointer.
//!
//! Nothing here knows which instruction exists at which width: that is for [`opcode`](super::opcode) and its
//! users. The tests decode what is encoded.

use super::opcode::Opcode;

/// A general register, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gpr(pub(super) u8);

impl Gpr {
    pub(super) const RAX: Gpr = Gpr(0);
    pub(super) const RCX: Gpr = Gpr(1);
    pub(super) const RDX: Gpr = Gpr(2);
    pub(super) const RBX: Gpr = Gpr(3);
    pub(super) const RSP: Gpr = Gpr(4);
    pub(super) const RBP: Gpr = Gpr(5);
    pub(super) const RSI: Gpr = Gpr(6);
    pub(super) const RDI: Gpr = Gpr(7);
}

/// Where a memory operand begins to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Base {
    Register(Gpr),
    /// The constants behind the code.
    Constants,
}

/// A memory operand: `base + index * 2^scale + displacement`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Memory {
    pub(super) base: Base,
    pub(super) index: Option<(Gpr, u8)>,
    pub(super) displacement: i32,
}

impl Memory {
    /// `base + displacement`.
    pub(super) fn at(base: Gpr, displacement: i32) -> Memory {
        Memory { base: Base::Register(base), index: None, displacement }
    }

    /// `base + index * size + displacement`, for sizes 1, 2, 4 and 8.
    pub(super) fn indexed(base: Gpr, index: Gpr, size: usize, displacement: i32) -> Memory {
        Memory { base: Base::Register(base), index: Some((index, size.trailing_zeros() as u8)), displacement }
    }

    /// A byte of the constants.
    pub(super) fn constant(offset: i32) -> Memory {
        Memory { base: Base::Constants, index: None, displacement: offset }
    }
}

/// The operand that may be in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operand {
    /// A register of the class that the instruction takes.
    Register(u8),
    Memory(Memory),
    /// EVEX: one element for all lanes.
    Broadcast(Memory),
}

/// The write mask of an EVEX instruction: a register `k1` to `k7`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Masking {
    /// All lanes are written.
    None,
    /// Other lanes keep what they held; memory is not touched there.
    Merge(u8),
    /// Other lanes become zero.
    Zero(u8),
}

/// Condition codes of jumps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    Below = 2,
    AboveEqual = 3,
    Equal = 4,
    NotEqual = 5,
    BelowEqual = 6,
    Above = 7,
}

/// The two-operand arithmetic of general registers, by its opcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arithmetic {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// A place in the code that jumps name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Label(usize);

/// Four bytes that hold a distance, known when all is placed.
struct Fixup {
    at: usize,
    /// Where the distance counts from: the end of the instruction.
    from: usize,
    to: Target,
}

enum Target {
    Label(Label),
    Constant(i32),
}

/// Machine code that is being written.
pub(super) struct Assembler {
    code: Vec<u8>,
    labels: Vec<usize>,
    fixups: Vec<Fixup>,
}

const UNPLACED: usize = usize::MAX;

/// The bytes of an instruction, at most 15.
struct Instruction {
    bytes: [u8; 16],
    len: usize,
}

impl Instruction {
    fn new() -> Instruction {
        Instruction { bytes: [0; 16], len: 0 }
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len & 15] = byte;
        self.len += 1;
    }

    fn extend<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(to) = self.bytes.get_mut(self.len..self.len + N) {
            to.copy_from_slice(&bytes);
        }
        self.len += N;
    }
}

impl Assembler {
    pub(super) fn new() -> Assembler {
        Assembler { code: Vec::with_capacity(8192), labels: Vec::new(), fixups: Vec::new() }
    }

    /// Bytes written.
    pub(super) fn position(&self) -> usize {
        self.code.len()
    }

    /// The code, then, aligned to 64 bytes, the constants.
    pub(super) fn finish(mut self, constants: &[u8]) -> Vec<u8> {
        let end = self.code.len().next_multiple_of(64);
        for fixup in &self.fixups {
            let to = match fixup.to {
                Target::Label(label) => self.labels[label.0] as i64,
                Target::Constant(offset) => end as i64 + i64::from(offset),
            };
            let distance = (to - fixup.from as i64) as i32;
            self.code[fixup.at..fixup.at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        if !constants.is_empty() {
            self.code.resize(end, 0xcc);
            self.code.extend_from_slice(constants);
        }
        self.code
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(UNPLACED);
        Label(self.labels.len() - 1)
    }

    /// Makes a label the next instruction.
    pub(super) fn place(&mut self, label: Label) {
        self.labels[label.0] = self.code.len();
    }

    /// Fills up to a multiple of `bytes` with instructions that do nothing.
    pub(super) fn align(&mut self, bytes: usize) {
        const NOPS: [&[u8]; 9] = [
            &[0x90],
            &[0x66, 0x90],
            &[0x0f, 0x1f, 0x00],
            &[0x0f, 0x1f, 0x40, 0x00],
            &[0x0f, 0x1f, 0x44, 0x00, 0x00],
            &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
            &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
            &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
            &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
        ];
        let mut missing = self.code.len().next_multiple_of(bytes) - self.code.len();
        while missing > 0 {
            let nop = NOPS[missing.min(NOPS.len()) - 1];
            self.code.extend_from_slice(nop);
            missing -= nop.len();
        }
    }

    /// Overwrites four bytes written before.
    pub(super) fn patch(&mut self, at: usize, value: i32) {
        self.code[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    // A copy of constant length, the surplus of which is cut off, takes less time than one of the length.
    fn write(&mut self, instruction: &Instruction) {
        let end = self.code.len() + instruction.len;
        self.code.extend_from_slice(&instruction.bytes);
        self.code.truncate(end);
    }

    // ModRM, SIB and displacement. `unit` is what a byte of displacement counts, a power of two; `after` the bytes of
    // immediates.
    fn operand(&mut self, to: &mut Instruction, reg: u8, operand: Operand, unit: usize, after: usize) {
        let reg = (reg & 7) << 3;
        let memory = match operand {
            Operand::Register(rm) => return to.push(0xc0 | reg | rm & 7),
            Operand::Memory(memory) | Operand::Broadcast(memory) => memory,
        };
        let base = match memory.base {
            Base::Constants => {
                to.push(reg | 5);
                let at = self.code.len() + to.len;
                to.extend([0; 4]);
                let target = Target::Constant(memory.displacement);
                return self.fixups.push(Fixup { at, from: at + 4 + after, to: target });
            }
            Base::Register(base) => base.0,
        };
        let displacement = memory.displacement;
        let compressed = displacement >> unit.trailing_zeros();
        let is_short = displacement & (unit as i32 - 1) == 0 && i32::from(compressed as i8) == compressed;
        let mode = if displacement == 0 && base & 7 != 5 {
            0x00
        } else if is_short {
            0x40
        } else {
            0x80
        };
        match memory.index {
            Some((index, scale)) => {
                debug_assert!(index != Gpr::RSP, "rsp is no index");
                to.push(mode | reg | 4);
                to.push(scale << 6 | (index.0 & 7) << 3 | base & 7);
            }
            None if base & 7 == 4 => to.extend([mode | reg | 4, 0x24]),
            None => to.push(mode | reg | base & 7),
        }
        match mode {
            0x40 => to.push(compressed as u8),
            0x80 => to.extend(displacement.to_le_bytes()),
            _ => {}
        }
    }

    /// A VEX instruction of 16 or 32 bytes (`long`).
    pub(super) fn vex(
        &mut self,
        opcode: Opcode,
        long: bool,
        reg: u8,
        vvvv: u8,
        operand: Operand,
        imm: Option<u8>,
    ) {
        if let Operand::Register(rm) = operand {
            return self.vex_of_registers(opcode, long, [reg, vvvv, rm], imm);
        }
        let mut to = Instruction::new();
        let (x, b) = extensions(operand);
        let last = (!vvvv & 15) << 3 | u8::from(long) << 2 | opcode.pp;
        if x | b | opcode.vex_w == 0 && opcode.map == 1 {
            to.extend([0xc5, (!reg >> 3 & 1) << 7 | last]);
        } else {
            let first = (!reg >> 3 & 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | opcode.map;
            to.extend([0xc4, first, opcode.vex_w << 7 | last]);
        }
        to.push(opcode.opcode);
        self.operand(&mut to, reg, operand, 1, imm.iter().len());
        imm.into_iter().for_each(|imm| to.push(imm));
        self.write(&to);
    }

    /// The same, most of all instructions, with all operands in registers. The bytes are in a word, the first one lowest.
    fn vex_of_registers(&mut self, opcode: Opcode, long: bool, [reg, vvvv, rm]: [u8; 3], imm: Option<u8>) {
        let (reg_high, b) = (!reg >> 3 & 1, rm >> 3 & 1);
        let last = u64::from((!vvvv & 15) << 3 | u8::from(long) << 2 | opcode.pp);
        let (prefix, mut len) = if b | opcode.vex_w == 0 && opcode.map == 1 {
            (0xc5 | (u64::from(reg_high) << 7 | last) << 8, 2)
        } else {
            let first = u64::from(reg_high << 7 | 0x40 | (b ^ 1) << 5 | opcode.map);
            (0xc4 | first << 8 | (u64::from(opcode.vex_w) << 7 | last) << 16, 3)
        };
        let mod_rm = 0xc0 | (reg & 7) << 3 | rm & 7;
        let mut word = prefix | (u64::from(opcode.opcode) | u64::from(mod_rm) << 8) << (8 * len);
        len += 2;
        if let Some(imm) = imm {
            word |= u64::from(imm) << (8 * len);
            len += 1;
        }
        let end = self.code.len() + len;
        self.code.extend_from_slice(&word.to_le_bytes());
        self.code.truncate(end);
    }

    /// An EVEX instruction of 16, 32 or 64 bytes.
    #[expect(clippy::too_many_arguments, reason = "the fields of the instruction")]
    pub(super) fn evex(
        &mut self,
        opcode: Opcode,
        bytes: usize,
        reg: u8,
        vvvv: u8,
        operand: Operand,
        masking: Masking,
        imm: Option<u8>,
    ) {
        let mut to = Instruction::new();
        let (mut x, b) = extensions(operand);
        if let Operand::Register(rm) = operand {
            x = rm >> 4 & 1;
        }
        let (mask, zeroing) = match masking {
            Masking::None => (0, 0),
            Masking::Merge(k) => (k, 0),
            Masking::Zero(k) => (k, 1),
        };
        let broadcast = u8::from(matches!(operand, Operand::Broadcast(_)));
        let length = bytes.trailing_zeros() as u8 - 4;
        to.extend([
            0x62,
            (!reg >> 3 & 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | (!reg >> 4 & 1) << 4 | opcode.map,
            opcode.w << 7 | (!vvvv & 15) << 3 | 4 | opcode.pp,
            zeroing << 7 | length << 5 | broadcast << 4 | (!vvvv >> 4 & 1) << 3 | mask,
            opcode.opcode,
        ]);
        let unit = if broadcast == 1 { opcode.element() } else { opcode.memory_bytes(bytes) };
        self.operand(&mut to, reg, operand, unit, imm.iter().len());
        imm.into_iter().for_each(|imm| to.push(imm));
        self.write(&to);
    }

    // An instruction of general registers: prefixes are in `opcode` before the last byte, but for REX.
    fn general(&mut self, wide: bool, opcode: &[u8], reg: u8, operand: Operand, imm: &[u8]) {
        let mut to = Instruction::new();
        let (x, b) = extensions(operand);
        let rex = 0x40 | u8::from(wide) << 3 | (reg >> 3) << 2 | x << 1 | b;
        if rex != 0x40 {
            to.push(rex);
        }
        opcode.iter().for_each(|&byte| to.push(byte));
        self.operand(&mut to, reg, operand, 1, imm.len());
        imm.iter().for_each(|&byte| to.push(byte));
        self.write(&to);
    }

    /// `to = from`.
    pub(super) fn mov(&mut self, to: Gpr, from: Gpr) {
        self.general(true, &[0x8b], to.0, Operand::Register(from.0), &[]);
    }

    /// `to = memory`, 8 bytes.
    pub(super) fn load(&mut self, to: Gpr, from: Memory) {
        self.general(true, &[0x8b], to.0, Operand::Memory(from), &[]);
    }

    /// `memory = from`, 8 bytes.
    pub(super) fn store(&mut self, to: Memory, from: Gpr) {
        self.general(true, &[0x89], from.0, Operand::Memory(to), &[]);
    }

    /// `to = memory`, the low 1, 2, 4 or 8 bytes, zeros above.
    pub(super) fn load_bytes(&mut self, to: Gpr, from: Memory, bytes: usize) {
        let opcode: &[u8] = match bytes {
            1 => &[0x0f, 0xb6],
            2 => &[0x0f, 0xb7],
            _ => &[0x8b],
        };
        self.general(bytes == 8, opcode, to.0, Operand::Memory(from), &[]);
    }

    /// `memory = from`, the low 1, 2, 4 or 8 bytes, of a register up to `rbx`.
    pub(super) fn store_bytes(&mut self, to: Memory, from: Gpr, bytes: usize) {
        debug_assert!(from.0 < 4, "needs no REX for its low byte");
        if bytes == 2 {
            self.code.push(0x66);
        }
        let opcode = if bytes == 1 { 0x88 } else { 0x89 };
        self.general(bytes == 8, &[opcode], from.0, Operand::Memory(to), &[]);
    }

    /// `memory = value`, 8 bytes.
    pub(super) fn store_immediate(&mut self, to: Memory, value: i32) {
        self.general(true, &[0xc7], 0, Operand::Memory(to), &value.to_le_bytes());
    }

    /// `to = value`, from 4 bytes and the copies of their sign.
    pub(super) fn mov_immediate(&mut self, to: Gpr, value: i32) {
        self.general(true, &[0xc7], 0, Operand::Register(to.0), &value.to_le_bytes());
    }

    /// `to = value`.
    pub(super) fn mov_address(&mut self, to: Gpr, value: u64) {
        self.code.extend_from_slice(&[0x48 | to.0 >> 3, 0xb8 | to.0 & 7]);
        self.code.extend_from_slice(&value.to_le_bytes());
    }

    /// `to = address of memory`.
    pub(super) fn lea(&mut self, to: Gpr, memory: Memory) {
        self.general(true, &[0x8d], to.0, Operand::Memory(memory), &[]);
    }

    /// `to = to op from`, or flags of the comparison.
    pub(super) fn arithmetic(&mut self, op: Arithmetic, to: Gpr, from: Gpr) {
        self.general(true, &[(op as u8) << 3 | 3], to.0, Operand::Register(from.0), &[]);
    }

    /// The same with an operand in memory.
    pub(super) fn arithmetic_memory(&mut self, op: Arithmetic, to: Gpr, from: Memory) {
        self.general(true, &[(op as u8) << 3 | 3], to.0, Operand::Memory(from), &[]);
    }

    /// `memory = memory op from`.
    pub(super) fn arithmetic_to_memory(&mut self, op: Arithmetic, to: Memory, from: Gpr) {
        self.general(true, &[(op as u8) << 3 | 1], from.0, Operand::Memory(to), &[]);
    }

    /// The same with a constant. The place of its bytes is returned, for [`Assembler::patch`].
    pub(super) fn arithmetic_immediate(&mut self, op: Arithmetic, to: Gpr, value: i32) -> usize {
        self.general(true, &[0x81], op as u8, Operand::Register(to.0), &value.to_le_bytes());
        self.code.len() - 4
    }

    /// `memory op value`, with a byte for the constant.
    pub(super) fn arithmetic_memory_immediate(&mut self, op: Arithmetic, to: Memory, value: i8) {
        self.general(true, &[0x83], op as u8, Operand::Memory(to), &value.to_le_bytes());
    }

    /// `to = to >> cl`, zeros moved in.
    pub(super) fn shift_right_by_cl(&mut self, to: Gpr) {
        self.general(true, &[0xd3], 5, Operand::Register(to.0), &[]);
    }

    /// `to = to >> count`, zeros moved in.
    pub(super) fn shift_right(&mut self, to: Gpr, count: u8) {
        self.general(true, &[0xc1], 5, Operand::Register(to.0), &[count]);
    }

    /// `to = to << count`.
    pub(super) fn shift_left(&mut self, to: Gpr, count: u8) {
        self.general(true, &[0xc1], 4, Operand::Register(to.0), &[count]);
    }

    /// Flags of the bits of `register` that `value` has.
    pub(super) fn test_immediate(&mut self, register: Gpr, value: i32) {
        self.general(true, &[0xf7], 0, Operand::Register(register.0), &value.to_le_bytes());
    }

    /// `to = from` if the condition holds.
    pub(super) fn mov_if(&mut self, condition: Condition, to: Gpr, from: Gpr) {
        self.general(true, &[0x0f, 0x40 | condition as u8], to.0, Operand::Register(from.0), &[]);
    }

    pub(super) fn push(&mut self, register: Gpr) {
        self.general(false, &[0xff], 6, Operand::Register(register.0), &[]);
    }

    pub(super) fn pop(&mut self, register: Gpr) {
        // The short form: some tools take the other one of high registers for the prefix of AMD's XOP.
        if register.0 >= 8 {
            self.code.push(0x41);
        }
        self.code.push(0x58 | (register.0 & 7));
    }

    pub(super) fn call(&mut self, target: Gpr) {
        self.general(false, &[0xff], 2, Operand::Register(target.0), &[]);
    }

    pub(super) fn call_label(&mut self, label: Label) {
        self.code.push(0xe8);
        self.distance(label);
    }

    pub(super) fn ret(&mut self) {
        self.code.push(0xc3);
    }

    /// Lets no later store be seen before the non-temporal ones so far.
    pub(super) fn sfence(&mut self) {
        self.code.extend_from_slice(&[0x0f, 0xae, 0xf8]);
    }

    pub(super) fn vzeroupper(&mut self) {
        self.code.extend_from_slice(&[0xc5, 0xf8, 0x77]);
    }

    pub(super) fn jump(&mut self, label: Label) {
        self.code.push(0xe9);
        self.distance(label);
    }

    pub(super) fn jump_if(&mut self, condition: Condition, label: Label) {
        self.code.extend_from_slice(&[0x0f, 0x80 | condition as u8]);
        self.distance(label);
    }

    fn distance(&mut self, label: Label) {
        let at = self.code.len();
        self.code.extend_from_slice(&[0; 4]);
        self.fixups.push(Fixup { at, from: at + 4, to: Target::Label(label) });
    }
}

/// The bits X and B: the high bits of an operand's registers.
fn extensions(operand: Operand) -> (u8, u8) {
    match operand {
        Operand::Register(rm) => (0, rm >> 3 & 1),
        Operand::Memory(memory) | Operand::Broadcast(memory) => {
            let base = match memory.base {
                Base::Register(base) => base.0 >> 3,
                Base::Constants => 0,
            };
            (memory.index.map_or(0, |(index, _)| index.0 >> 3), base)
        }
    }
}
