//! START HERE: from lazy arrays to a program.
//!
//! 1. [`Captured`] numbers the nodes under the results, and makes the key ([`capture`](crate::capture)).
//! 2. The key is looked up; a known structure is not compiled again ([`cache`]).
//! 3. The captured nodes become a graph.
//! 4. The passes rewrite it: legalize, simplify, share, fuse, place (`raptors_passes::PASSES`).
//! 5. The placed graph is lowered to steps over buffers ([`lower`](crate::lower)).
//! 6. What Accelerate computes better is left to it, where there is one ([`accelerate`](crate::accelerate)).
//! 7. Results that are larger than the last cache are stored past it ([`lower`](crate::lower)).
//!
//! What runs the program is in [`eval`](crate::eval) and [`executor`](crate::executor).

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use raptors_ir::Graph;
use raptors_passes::{Ledger, Options, PassRun};

use crate::accelerate::select::select;
use crate::cache;
use crate::capture::{Captured, Key};
use crate::error::Error;
use crate::executor::Launch;
use crate::lower::{choose_non_temporal, lower};
use crate::program::Program;
use crate::runtime::float_control::StandardFloats;
use crate::runtime::level::{Level, last_level_cache_bytes};
use crate::runtime::trace::{About, Kind, note, span};

/// A program, and how it came to be.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) captured: Graph,
    /// Those of the passes: `max_memory` without what is scratch memory.
    pub(crate) options: Options,
    pub(crate) optimized: Graph,
    pub(crate) ledger: Ledger,
    pub(crate) passes: Vec<PassRun>,
    pub(crate) program: Program,
    /// What the program comes down to, if it is brief.
    pub(crate) launch: Option<Launch>,
    /// Whether a run is short beside what it takes to make room for another thread.
    pub(crate) is_brief: bool,
    /// Time to make the graph of the captured nodes.
    pub(crate) graph_time: Duration,
    /// Time to lower the placed graph.
    pub(crate) lower_time: Duration,
    /// Time of all stages together.
    pub(crate) time: Duration,
}

impl Compiled {
    /// What it takes in memory, roughly: an estimate, of which the nodes of the two graphs and the steps are most.
    pub(crate) fn bytes(&self) -> usize {
        const NODE_BYTES: usize = 256;
        const STEP_BYTES: usize = 4096;
        let nodes = self.captured.len() + self.optimized.len();
        size_of::<Compiled>() + nodes * NODE_BYTES + self.program.steps.len() * STEP_BYTES
    }
}

/// Whether a program was known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheState {
    /// The structure had been compiled before.
    Hit,
    /// It was compiled now.
    Miss,
}

thread_local! {
    /// Memory of the last key, for the next one.
    static SPARE: Cell<Key> = const { Cell::new(Key::new()) };
}

/// The program for what has been captured if it is known, or else its key.
pub(crate) fn known(captured: &Captured<'_>, options: &Options) -> Result<Arc<Compiled>, Key> {
    /// Words of a key beyond which its memory is not kept.
    const LONGEST_SPARE: usize = 512;
    let mut key = SPARE.try_with(Cell::take).unwrap_or_default();
    captured.write_key(options, &mut key);
    let Some(known) = cache::get(&key, || captured.pattern(options)) else { return Err(key) };
    if key.len() <= LONGEST_SPARE {
        // A thread that ends keeps nothing.
        let _ = SPARE.try_with(|spare| spare.set(key));
    }
    Ok(known)
}

/// The program for what has been captured.
pub(crate) fn compile(
    captured: &Captured<'_>,
    options: &Options,
) -> Result<(Arc<Compiled>, CacheState), Error> {
    let key = match known(captured, options) {
        Ok(known) => return Ok((known, CacheState::Hit)),
        Err(key) => key,
    };
    // Constants are folded by the arithmetic that the kernels use.
    let _floats = StandardFloats::enter();
    let _span = span(|| About { n: captured.nodes(), ..About::new(Kind::Plan) });
    let start = Instant::now();
    let graph = captured.graph();
    let graph_time = start.elapsed();
    let mut rewritten = Rewritten::of(&graph, *options)?;
    let scratch = rewritten.program.most_bytes() - rewritten.program.peak_bytes();
    if let Some(most) = options.max_memory
        && rewritten.program.most_bytes() > most
        && scratch > 0
    {
        // Library ops take some of it, which is known when they are lowered: the rest is for values.
        let left = Options { max_memory: Some(most.saturating_sub(scratch)), ..*options };
        rewritten = Rewritten::of(&graph, left)?;
    }
    let Rewritten { options, optimized, ledger, passes, program, lower_time } = rewritten;
    let (is_brief, launch) = (program.is_brief(), Launch::of(&program));
    let compiled = Arc::new(Compiled {
        captured: graph,
        options,
        optimized,
        ledger,
        passes,
        program,
        launch,
        is_brief,
        graph_time,
        lower_time,
        time: start.elapsed(),
    });
    cache::insert(key, compiled.clone());
    Ok((compiled, CacheState::Miss))
}

/// What passes make of a graph, and the program of that.
struct Rewritten {
    options: Options,
    optimized: Graph,
    ledger: Ledger,
    passes: Vec<PassRun>,
    program: Program,
    lower_time: Duration,
}

impl Rewritten {
    fn of(graph: &Graph, options: Options) -> Result<Rewritten, Error> {
        let mut ledger = Ledger::default();
        let (optimized, passes) = raptors_passes::run(graph, &options, &mut ledger);
        let placed = Instant::now();
        note_passes(&passes, placed);
        let _span = span(|| About { op: "lower".into(), ..About::new(Kind::Stage) });
        let mut program = lower(&optimized, Level::current())?;
        select(&mut program, options.fp);
        choose_non_temporal(&mut program, last_level_cache_bytes());
        Ok(Rewritten { options, optimized, ledger, passes, program, lower_time: placed.elapsed() })
    }
}

/// Writes down when the passes took place, of which the last ended at `end`.
fn note_passes(passes: &[PassRun], end: Instant) {
    let mut end = end;
    for pass in passes.iter().rev() {
        let start = end.checked_sub(pass.time).unwrap_or(end);
        note(|| About { op: pass.name.into(), ..About::new(Kind::Stage) }, start, end);
        end = start;
    }
}
