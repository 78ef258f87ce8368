//! Vector programs to aarch64 machine code.
//!
//! [`compile`] makes the bytes: [`lower`] picks the instructions of NEON, [`schedule`](super::schedule) says in which order
//! and over how many vectors at once, [`registers`](super::registers) where values live, [`emit`] writes blocks, [`loops`]
//! puts them together; [`encoder`] knows the encoding of general instructions, [`opcode`] lists those of vectors. All of it is
//! safe code that runs on every host.

mod encoder;
mod opcode;
mod machine;
mod lower;
mod frame;
mod emit;
mod rare;
mod loops;
#[cfg(test)]
mod tests;

use super::machine::{MachineCode, Unsupported};
use super::vector::VectorProgram;

/// The code of a kernel.
pub(crate) fn compile(program: &VectorProgram) -> Result<MachineCode, Unsupported> {
    loops::compile(program, None)
}

/// The code with so many copies of the body, if the body allows them.
#[cfg(all(test, any(target_os = "linux", all(target_os = "macos", target_arch = "aarch64"))))]
pub(crate) fn compile_copies(
    program: &VectorProgram,
    copies: Option<usize>,
) -> Result<MachineCode, Unsupported> {
    loops::compile(program, copies)
}
