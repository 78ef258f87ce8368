//! Vector programs to x86-64 machine code.
//!
//! [`compile`] makes the bytes: [`lower`] picks instructions, [`schedule`](super::schedule) says in which order and over how
//! many vectors at once, [`registers`](super::registers) where values live, [`emit`] writes blocks, [`loops`] puts them
//! together, [`guard`] has what leaves a shorter body for usual lanes, [`non_temporal`] the loop that stores past the caches;
//! [`encoder`] knows the encoding of what [`opcode`] lists. All of it is safe code that runs on every host.

mod encoder;
mod opcode;
mod machine;
mod lower;
mod frame;
mod emit;
mod pairs;
mod rare;
mod guard;
mod loops;
mod non_temporal;
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests;

use super::machine::{MachineCode, Unsupported};
use super::vector::VectorProgram;
pub(crate) use machine::Target;

/// The code of a kernel.
pub(crate) fn compile(program: &VectorProgram, target: Target) -> Result<MachineCode, Unsupported> {
    loops::compile(program, target, None)
}

/// The code with so many copies of the body, if the body allows them.
#[cfg(all(test, any(target_os = "linux", all(target_os = "macos", target_arch = "aarch64"))))]
pub(crate) fn compile_copies(
    program: &VectorProgram,
    target: Target,
    copies: Option<usize>,
) -> Result<MachineCode, Unsupported> {
    loops::compile(program, target, copies)
}
