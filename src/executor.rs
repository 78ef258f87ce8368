//! Runs a program: binds memory, then each step to its end, split over the thread team.
//!
//! A step's work is cut into chunks of consecutive elements, rows or blocks. Where the cuts fall changes no result:
//! elementwise work does not see them, and reductions follow a tree that depends on their length alone.

mod bind;
mod blocks;
mod compiled;
mod library;
mod map;
mod matmul;
mod range;
mod reduce;
mod tiles;
mod verify;

use raptors_ir::Slot;
use smallvec::SmallVec;

use crate::error::Error;
use crate::jit::{self, Jit};
use crate::program::{Program, Step};
use crate::runtime::buffer::Buffer;
use crate::runtime::float_control::StandardFloats;

pub(crate) use bind::{Argument, Bound, Engine};

/// Memory of one result after a run.
pub(crate) enum Outcome {
    /// A buffer of the pool.
    Buffer(Buffer),
    /// The memory of a donated parameter.
    Parameter(u32),
    /// The memory the caller gave.
    Provided,
}

/// Memory of the results, in their order.
pub(crate) type Outcomes = SmallVec<[Outcome; 1]>;

/// Runs `program` on `arguments`, one per parameter, storing provided results at `outputs`.
///
/// # Safety
///
/// Each argument's memory is readable wherever the parameter's shape and strides reach, and writable if the program
/// overwrites that parameter. Each pointer of `outputs` that the program uses is writable for the result's
/// row-major bytes. No other thread writes any of it during the call, nor reads what is written.
pub(crate) unsafe fn run(
    program: &Program,
    arguments: &[Argument],
    outputs: &[Option<*mut u8>],
) -> Result<Outcomes, Error> {
    // SAFETY: as for this function.
    unsafe { run_watched(program, arguments, outputs, || {}) }
}

/// [`run`], with `after` called at the end of each step.
///
/// # Safety
///
/// As for [`run`].
pub(crate) unsafe fn run_watched(
    program: &Program,
    arguments: &[Argument],
    outputs: &[Option<*mut u8>],
    mut after: impl FnMut(),
) -> Result<Outcomes, Error> {
    let _floats = StandardFloats::enter();
    let mut bound = Bound::new(program, arguments, outputs)?;
    let verifies = jit::mode() == Jit::Verify;
    for (number, step) in program.steps.iter().enumerate() {
        // SAFETY: `bound` names memory as this function's caller promises, and its own buffers.
        unsafe {
            if verifies { verify::run(program, number, &mut bound)? } else { self::step(step, &bound)? }
        }
        after();
    }
    let outcomes = program
        .results
        .iter()
        .map(|result| match result.slot {
            Slot::Buffer(id) => Outcome::Buffer(bound.take_buffer(id)),
            Slot::Arena(_) => unreachable!("a result outlives the arena"),
            Slot::Parameter(n) => Outcome::Parameter(n),
            Slot::Output(_) => Outcome::Provided,
        })
        .collect();
    Ok(outcomes)
}

/// Runs one step.
///
/// # Safety
///
/// As for [`run`].
unsafe fn step(step: &Step, bound: &Bound<'_>) -> Result<(), Error> {
    // SAFETY: as for this function.
    unsafe {
        match step {
            Step::Loop(nest) if nest.body.reductions.is_empty() => map::run(nest, bound),
            Step::Loop(nest) => reduce::run(nest, bound),
            Step::Blocks(step) => blocks::run(step, bound),
            Step::Matmul(product) => matmul::run(product, bound),
        }
    }
}
