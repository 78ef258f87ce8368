//! Runs a program: binds memory, then each step to its end, split over the thread team.
//!
//! A step's work is cut into chunks of consecutive elements, rows or blocks. Where the cuts fall changes no result:
//! elementwise work does not see them, and reductions follow a tree that depends on their length alone.

mod accelerate;
mod bind;
mod blocks;
mod compiled;
mod launch;
mod library;
mod map;
mod matmul;
mod range;
mod reduce;
mod tiles;
mod trace;
mod verify;

use raptors_ir::{BufferId, Slot};
use smallvec::SmallVec;

use crate::error::Error;
use crate::jit::{self, Jit};
use crate::program::{Program, Step};
use crate::runtime::buffer::Buffer;
use crate::runtime::float_control::StandardFloats;
use crate::runtime::trace::{About, Kind, is_wanted, span};
use crate::runtime::watch;

pub(crate) use bind::{Argument, Bound, Engine, Room};
pub(crate) use launch::Launch;

/// Memory of one result after a run.
pub(crate) enum Outcome {
    /// A buffer of the pool.
    Buffer(Buffer),
    /// The memory of a donated parameter.
    Parameter(u32),
    /// Memory that the caller gave.
    Provided,
}

/// Memory of the results, in their order.
pub(crate) type Outcomes = SmallVec<[Outcome; 1]>;

/// Runs `program` on `arguments`, one per parameter, storing provided results at `outputs`, and others where `room` says.
/// `launch` is what the program comes down to, if it is brief.
///
/// # Safety
///
/// Each argument's memory is readable wherever the parameter's shape and strides reach, and writable if the program
/// overwrites that parameter. Each pointer of `outputs` that the program uses is writable for the result's
/// row-major bytes, and what `room` gives for the bytes it was asked for. No other thread writes any of it during the call,
/// nor reads what is written.
pub(crate) unsafe fn run(
    program: &Program,
    launch: Option<&Launch>,
    arguments: &[Argument],
    outputs: &[Option<*mut u8>],
    room: Room<'_>,
) -> Result<Outcomes, Error> {
    let _span = span(|| About { n: program.steps.len(), ..About::new(Kind::Run) });
    if let Some(launch) = launch.filter(|_| may_launch()) {
        // SAFETY: as for this function; the launch is of this program.
        return unsafe { launch.run(program, arguments, outputs, room) };
    }
    // SAFETY: as for this function.
    unsafe { run_watched(program, arguments, outputs, room, || {}) }
}

/// Whether runs of this thread may be those of a [`Launch`]: nobody watches them or compares the ways to run them.
#[inline]
pub(crate) fn may_launch() -> bool {
    jit::mode() == Jit::On && !watch::is_watched() && !is_wanted()
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
    room: Room<'_>,
    mut after: impl FnMut(),
) -> Result<Outcomes, Error> {
    let _floats = StandardFloats::enter();
    let mut bound = {
        let _span = span(|| About { bytes: program.peak_bytes(), ..About::new(Kind::Alloc) });
        Bound::new(program, arguments, outputs, room)?
    };
    let verifies = jit::mode() == Jit::Verify;
    let mut shares = watch::is_looked_at().then(|| Shares::of(program));
    for (number, step) in program.steps.iter().enumerate() {
        if let Some(shares) = &mut shares {
            shares.enter(step);
        }
        watch::go_on()?;
        let _span = span(|| trace::about(step, bound.engine()));
        // SAFETY: `bound` names memory as this function's caller promises, and its own buffers.
        unsafe {
            if verifies { verify::run(program, number, &mut bound)? } else { self::step(step, &bound)? }
        }
        after();
    }
    Ok(outcomes(program, |id| bound.take_buffer(id)))
}

/// Where the results are; `take` gives up the memory of a buffer, unless there was room for it.
fn outcomes(program: &Program, mut take: impl FnMut(BufferId) -> Option<Buffer>) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for result in &program.results {
        outcomes.push(match result.slot {
            Slot::Buffer(id) => take(id).map_or(Outcome::Provided, Outcome::Buffer),
            Slot::Arena(_) => unreachable!("a result outlives the arena"),
            Slot::Parameter(n) => Outcome::Parameter(n),
            Slot::Output(_) => Outcome::Provided,
        });
    }
    outcomes
}

/// How much of a run the steps are, by what they are taken to cost.
struct Shares {
    all_ns: f64,
    done_ns: f64,
}

impl Shares {
    fn of(program: &Program) -> Shares {
        Shares { all_ns: program.steps.iter().map(Step::share_ns).sum(), done_ns: 0.0 }
    }

    /// Tells the watch that `step` is next.
    fn enter(&mut self, step: &Step) {
        let (all_ns, step_ns) = (self.all_ns.max(1.0), step.share_ns());
        watch::enter(self.done_ns / all_ns, step_ns / all_ns, step.jobs());
        self.done_ns += step_ns;
    }
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
            Step::Library(call) => library::run(call, bound),
        }
    }
}
