//! The instructions of machine programs for NEON.
//!
//! Registers have 16 bytes. A value with fewer is in the low part of one, and what is above means nothing: instructions work
//! on whole registers.

use super::opcode::{self, Opcode};
use crate::codegen::machine::{self, Args, Instruction, Place, Value};

/// Bytes of a vector register.
pub(super) const VECTOR: usize = 16;

/// How an instruction takes its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `dst = op(x, y)`.
    Two,
    /// `dst = op(x)`.
    One,
    /// `dst = op(dst, x, y)`: the first operand's register becomes the result's.
    Tied,
    /// `dst = x where mask else y`: operands mask, x, y.
    Select,
    /// The operand, in a register.
    Copy,
    /// The positions of the lanes: the operand is the first ones.
    Position,
    /// The entries of a table, by position, that the operand's bytes name.
    Lookup(u16),
    /// The operands mask, value, x, y of a rare function, by position.
    Rare(u16),
    /// Writes so many bytes to memory, whose elements have so many.
    Store(Place, u8, u8),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Inst {
    pub(super) form: Form,
    pub(super) opcode: Opcode,
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
        match self.opcode {
            opcode::FDIV_S => Some(6),
            opcode::FSQRT_S => Some(8),
            opcode::FDIV_D => Some(10),
            opcode::FSQRT_D => Some(14),
            _ => None,
        }
    }

    /// There are registers enough.
    fn is_taken_at_once(&self) -> bool {
        false
    }

    fn is_guard(&self) -> bool {
        false
    }
}

/// What the allocator may use; those above are for the emitter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Target {
    /// Registers of values, from `v0` on.
    pub(super) registers: usize,
}

impl Target {
    /// `v31` is scratch. Where there are tables, the last four registers have one, and the one before is scratch.
    pub(super) fn new(has_tables: bool) -> Target {
        Target { registers: if has_tables { 27 } else { 31 } }
    }

    /// A register for an instruction or two.
    pub(super) fn scratch(self) -> u8 {
        self.registers as u8
    }
}

/// The first of the four registers that have a table.
pub(super) const TABLE: u8 = 28;

pub(super) type Block = machine::Block<Inst>;
pub(super) type MachineProgram = machine::MachineProgram<Inst, Target>;
