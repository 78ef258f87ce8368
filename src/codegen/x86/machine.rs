//! The instructions of machine programs: a vector program in the instructions of one level.
//!
//! [`lower`](super::lower) makes them, [`emit`](super::emit) gives values registers and writes the code. An
//! instruction is one of the CPU's; what it needs beside its opcode is in its [`Form`].

use super::opcode::{self, Opcode};
use crate::codegen::machine::{self, Args, Instruction, Place, Value};

/// What the code is for: which registers and encoding there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Target {
    /// AVX2 and FMA: 16 registers of 32 bytes, masks are vectors.
    Avx2,
    /// AVX-512 with vectors of 32 bytes, for CPUs that clock lower with wider ones.
    Avx512At256,
    /// AVX-512: 32 registers of 64 bytes, 7 mask registers.
    Avx512,
}

impl Target {
    /// The name, in texts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Target::Avx2 => "Avx2",
            Target::Avx512At256 => "Avx512At256",
            Target::Avx512 => "Avx512",
        }
    }

    pub(super) fn vector_bytes(self) -> usize {
        match self {
            Target::Avx2 | Target::Avx512At256 => 32,
            Target::Avx512 => 64,
        }
    }

    /// Whether instructions are encoded in EVEX, with masks in registers of their own.
    pub(super) fn is_evex(self) -> bool {
        match self {
            Target::Avx2 => false,
            Target::Avx512At256 | Target::Avx512 => true,
        }
    }

    pub(super) fn registers(self) -> usize {
        if self.is_evex() { 32 } else { 16 }
    }
}

/// How an instruction takes its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `dst = op(x, y)`; `y` may be in memory.
    Two,
    /// The same, and the operands may change places.
    TwoCommuting,
    /// `dst = op(x)`; `x` may be in memory.
    One,
    /// `dst = op(x)`, with `x` in ModRM.reg and `dst` in ModRM.rm, both registers.
    Narrow,
    /// `dst = op(x)` by the number of an instruction in its group, with the count as immediate.
    Shift(u8),
    /// `x * y + z` and its kin; the opcode is that of the 132 form.
    Fma,
    /// `dst = x where mask else y`: operands mask, x, y.
    Blend,
    /// `dst = x where mask else 0`: operands mask, x. EVEX.
    ZeroBlend,
    /// All bits set.
    Ones,
    /// All bits clear.
    Zeros,
    /// The positions of the lanes: the operand is the first ones.
    Position,
    /// The operands mask, value, x, y of a rare function, by position.
    Rare(u16),
    /// Leaves the block where, in any lane, `x + y > z`, of signed integers; the opcode is that of the sum. What it makes is
    /// for nobody.
    Guard,
    /// Writes to memory lanes whose elements have so many bytes; in a tail, only those there are.
    Store(Place, u8),
    /// Writes the first element, of so many bytes, to memory.
    StoreElement(Place, u8),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Inst {
    pub(super) form: Form,
    pub(super) opcode: Opcode,
    /// Bytes of the vectors it works on: 16, 32 or 64.
    pub(super) bytes: u8,
    pub(super) imm: Option<u8>,
    pub(super) args: Args,
    pub(super) dst: Option<Value>,
}

impl Instruction for Inst {
    fn dst(&self) -> Option<Value> {
        self.dst
    }

    fn args(&self) -> &[Value] {
        &self.args
    }

    fn dividing(&self) -> Option<u32> {
        let per_16_bytes = match self.opcode {
            opcode::VDIVPS => 5,
            opcode::VSQRTPS => 6,
            opcode::VDIVPD => 8,
            opcode::VSQRTPD => 10,
            _ => return None,
        };
        Some(per_16_bytes * u32::from(self.bytes) / 16)
    }

    /// With AVX2, whose registers are few, a lookup in a table.
    fn is_taken_at_once(&self) -> bool {
        self.opcode == opcode::VPERMPS && self.bytes == 32
    }

    fn is_guard(&self) -> bool {
        self.form == Form::Guard
    }
}

pub(super) type Block = machine::Block<Inst>;
pub(super) type MachineProgram = machine::MachineProgram<Inst, Target>;
