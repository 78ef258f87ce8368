//! A plan that was run: the time of each kernel, page faults, and the threads that took part.
//!
//! It runs as `eval` runs it, but on a copy of the memory that it overwrites, and its results are dropped. The first run meets
//! cold memory, as an evaluation does; a few more tell what the kernels take, of which the fastest count.

use std::time::{Duration, Instant};

use raptors_passes::Options;

use crate::capture::Captured;
use crate::compile::Compiled;
use crate::error::Error;
use crate::executor::{self, Argument};
use crate::kernels::roof::Roof;
use crate::peak;
use crate::runtime::buffer::Buffer;
use crate::runtime::team;

/// Runs, at most.
const MOST_RUNS: usize = 7;
/// Runs of a plan that takes long, unless it takes [`TOO_LONG`].
const FEW_RUNS: usize = 3;
/// After this time a few runs are enough.
const ENOUGH: Duration = Duration::from_millis(50);
/// After this time there is no further run.
const TOO_LONG: Duration = Duration::from_secs(1);

/// What a kernel took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelTime {
    /// The fastest run's time.
    pub time: Duration,
    /// The most threads that worked on it in a run, the calling one included.
    pub threads: usize,
}

/// What runs of a plan took, and what this machine does at most.
#[derive(Clone, PartialEq, Debug)]
pub struct Measured {
    /// How often it ran.
    pub runs: usize,
    /// The first run, with the allocation of its memory.
    pub first: Duration,
    /// The fastest run.
    pub fastest: Duration,
    /// Pages that the process touched for the first time in the first and in the last run; `None` where the system does
    /// not tell.
    pub page_faults: Option<[u64; 2]>,
    /// Each kernel, in the order of [`Plan::kernels`](crate::Plan::kernels).
    pub kernels: Vec<KernelTime>,
    /// The roof.
    pub roof: Roof,
}

/// Runs what was captured.
///
/// # Errors
///
/// As an evaluation.
pub(crate) fn measure(
    captured: &Captured<'_>,
    compiled: &Compiled,
    options: &Options,
) -> Result<Measured, Error> {
    peak::check(compiled, options.max_memory)?;
    let _limit = team::Limit::enter(options.threads);
    let program = &compiled.program;
    let mut copies: Vec<(usize, Buffer)> = Vec::new();
    let mut arguments = captured.arguments();
    let given = arguments.clone();
    for &parameter in &program.overwritten {
        let parameter = parameter as usize;
        let ty = &captured.parameters()[parameter].ty;
        let mut copy = Buffer::allocate(ty.shape.size() * ty.dtype.size())?;
        arguments[parameter] = Argument::Memory(copy.as_mut_ptr());
        copies.push((parameter, copy));
    }
    let outputs = vec![None; program.results.len()];
    let mut runs: Vec<Run> = Vec::new();
    let begin = Instant::now();
    while runs.is_empty()
        || runs.len() < MOST_RUNS && begin.elapsed() < ENOUGH
        || runs.len() < FEW_RUNS && begin.elapsed() < TOO_LONG
    {
        for (parameter, copy) in &mut copies {
            let Argument::Memory(source) = given[*parameter] else {
                unreachable!("a scalar has no memory to overwrite")
            };
            // SAFETY: a parameter that may be overwritten is row-major, and has as many bytes as its copy.
            unsafe { copy.as_mut_ptr().copy_from_nonoverlapping(source, copy.len()) };
        }
        // SAFETY: leaves promise readable memory; what the program overwrites are the copies; it has no given outputs,
        // since none was captured.
        runs.push(unsafe { Run::of(compiled, &arguments, &outputs)? });
    }
    Ok(summary(&runs))
}

/// One run.
struct Run {
    time: Duration,
    page_faults: Option<u64>,
    kernels: Vec<KernelTime>,
}

impl Run {
    /// # Safety
    ///
    /// As for [`executor::run`].
    unsafe fn of(
        compiled: &Compiled,
        arguments: &[Argument],
        outputs: &[Option<*mut u8>],
    ) -> Result<Run, Error> {
        let program = &compiled.program;
        let mut steps: Vec<KernelTime> = Vec::with_capacity(program.steps.len());
        let faults = page_faults();
        let start = Instant::now();
        let mut last = start;
        team::take_helpers();
        let after = || {
            let now = Instant::now();
            steps.push(KernelTime { time: now - last, threads: 1 + team::take_helpers() });
            last = Instant::now();
        };
        // SAFETY: as for this function.
        let outcomes =
            unsafe { executor::run_watched(program, arguments, outputs, &mut |_, _| None, after)? };
        let time = start.elapsed();
        drop(outcomes);
        let page_faults = page_faults().zip(faults).map(|(after, before)| after.saturating_sub(before));
        let mut first = 0;
        let kernels = program.region_ends.iter().map(|&end| {
            let steps = &steps[first..end];
            first = end;
            KernelTime {
                time: steps.iter().map(|step| step.time).sum(),
                threads: steps.iter().map(|step| step.threads).max().unwrap_or(1),
            }
        });
        Ok(Run { time, page_faults, kernels: kernels.collect() })
    }
}

fn summary(runs: &[Run]) -> Measured {
    let (first, last) = (&runs[0], &runs[runs.len() - 1]);
    let kernels = (0..first.kernels.len()).map(|kernel| {
        let of_kernel = || runs.iter().map(|run| run.kernels[kernel]);
        KernelTime {
            time: of_kernel().map(|kernel| kernel.time).min().unwrap_or_default(),
            threads: of_kernel().map(|kernel| kernel.threads).max().unwrap_or(1),
        }
    });
    Measured {
        runs: runs.len(),
        first: first.time,
        fastest: runs.iter().map(|run| run.time).min().unwrap_or_default(),
        page_faults: first.page_faults.zip(last.page_faults).map(|(first, last)| [first, last]),
        kernels: kernels.collect(),
        roof: Roof::of_this_machine(),
    }
}

/// Page faults of the process that needed no reading from a disk.
#[cfg(unix)]
fn page_faults() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the call fills the structure it is given, or fails.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) != 0 {
            return None;
        }
        usage.assume_init()
    };
    u64::try_from(usage.ru_minflt).ok()
}

#[cfg(not(unix))]
fn page_faults() -> Option<u64> {
    None
}
