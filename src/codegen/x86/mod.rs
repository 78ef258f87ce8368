//! Vector programs to x86-64 machine code.
//!
//! [`compile`] makes the bytes: [`lower`] picks instructions, [`schedule`] says in which order and over how
//! many vectors at once, [`registers`] where values live, [`emit`] writes blocks, [`loops`] puts them
//! together; [`encoder`] knows the encoding of what [`opcode`] lists. All of it is safe code that runs on
//! every host.

mod encoder;
mod opcode;
mod machine;
mod lower;
mod schedule;
mod registers;
mod frame;
mod emit;
mod rare;
mod loops;
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests;

use super::vector::{Type, VectorProgram};
pub(crate) use machine::Target;

/// What this code generator cannot do; the program is then interpreted.
///
/// Every op of [`evaluate`](super::vector::evaluate) has code at every level, for the types it is defined
/// for. Refused are masks in memory or as scalars, ops of types that have no definition, and programs of
/// thousands of ops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{op} of {} has no code for {target:?}", .ty.name())]
pub(crate) struct Unsupported {
    pub(crate) op: &'static str,
    pub(crate) ty: Type,
    pub(crate) target: Target,
}

/// A kernel's code, which runs at any address that is a multiple of 64.
#[derive(Debug)]
pub(crate) struct MachineCode {
    /// Instructions, and behind them the constants.
    pub(crate) bytes: Vec<u8>,
    /// Bytes of the instructions.
    pub(crate) instructions: usize,
}

/// The code of a kernel.
pub(crate) fn compile(program: &VectorProgram, target: Target) -> Result<MachineCode, Unsupported> {
    loops::compile(program, target, None)
}
