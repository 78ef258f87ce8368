//! START HERE: from lazy arrays to a program.
//!
//! 1. [`Captured`] numbers the nodes under the results, and makes the key ([`capture`](crate::capture)).
//! 2. The key is looked up; a known structure is not compiled again ([`cache`]).
//! 3. The captured nodes become a graph.
//! 4. The passes rewrite it: simplify, share, fuse, place (`raptors_passes::PASSES`).
//! 5. The placed graph is lowered to steps over buffers ([`lower`](crate::lower)).
//!
//! What runs the program is in [`eval`](crate::eval) and [`executor`](crate::executor).

use std::sync::Arc;
use std::time::{Duration, Instant};

use raptors_ir::Graph;
use raptors_passes::{Ledger, Options, PassRun};

use crate::cache;
use crate::capture::Captured;
use crate::error::Error;
use crate::lower::lower;
use crate::program::Program;
use crate::runtime::float_control::StandardFloats;
use crate::runtime::level::Level;

/// A program, and how it came to be.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) captured: Graph,
    pub(crate) options: Options,
    pub(crate) optimized: Graph,
    pub(crate) ledger: Ledger,
    pub(crate) passes: Vec<PassRun>,
    pub(crate) program: Program,
    /// Time of all stages together.
    pub(crate) time: Duration,
}

/// Whether a program was known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheState {
    /// The structure had been compiled before.
    Hit,
    /// It was compiled now.
    Miss,
}

/// The program for what has been captured.
pub(crate) fn compile(
    captured: &Captured<'_>,
    options: &Options,
) -> Result<(Arc<Compiled>, CacheState), Error> {
    let key = captured.key(options);
    if let Some(known) = cache::get(&key) {
        return Ok((known, CacheState::Hit));
    }
    // Constants are folded by the arithmetic that the kernels use.
    let _floats = StandardFloats::enter();
    let start = Instant::now();
    let graph = captured.graph();
    let mut ledger = Ledger::default();
    let (optimized, passes) = raptors_passes::run(&graph, options, &mut ledger);
    let program = lower(&optimized, Level::current())?;
    let compiled = Arc::new(Compiled {
        captured: graph,
        options: *options,
        optimized,
        ledger,
        passes,
        program,
        time: start.elapsed(),
    });
    cache::insert(key, compiled.clone());
    Ok((compiled, CacheState::Miss))
}
